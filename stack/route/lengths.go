package route

import (
	"cmp"
	"slices"
)

// A length is a prefix length that destinations of one address family have.
type length struct {
	bits         int
	destinations int // number of destinations with this prefix length, at least 1
}

// lengths holds the prefix lengths in use of one address family, the longest first. A length that no destination has is
// not in the list, so that a lookup does not try it.
type lengths []length

// find returns the index of a prefix length, or the index at which it belongs.
func (l lengths) find(bits int) (k int, found bool) {
	return slices.BinarySearchFunc(l, bits, func(have length, bits int) int { return cmp.Compare(bits, have.bits) })
}

// add counts a new destination.
func (l *lengths) add(bits int) {
	k, found := l.find(bits)
	if !found {
		*l = slices.Insert(*l, k, length{bits: bits})
	}
	(*l)[k].destinations++
}

// remove counts a destination less. There must be one with this prefix length.
func (l *lengths) remove(bits int) {
	k, _ := l.find(bits)
	if (*l)[k].destinations--; (*l)[k].destinations == 0 {
		*l = slices.Delete(*l, k, k+1)
	}
}
