package stack

import (
	"math/bits"
	"net/netip"
	"slices"
)

// portSet is a set of numbers below its size, a multiple of 64, with a bit for each: ephemeral ports, counted from the
// first, or ICMP identifiers. The next number that is not in it is found 64 at a time. The zero portSet is empty and gets
// its storage with the first number.
type portSet struct {
	words []uint64
	n     int // numbers in the set
}

// add puts k into the set, which is of the given size.
func (s *portSet) add(k, size int) {
	if s.words == nil {
		s.words = make([]uint64, size/64)
	}
	if !s.has(k) {
		s.words[k/64] |= 1 << (k % 64)
		s.n++
	}
}

// remove takes k out, if it is in the set. An empty set gives its storage back.
func (s *portSet) remove(k int) {
	if !s.has(k) {
		return
	}
	s.words[k/64] &^= 1 << (k % 64)
	if s.n--; s.n == 0 {
		s.words = nil
	}
}

func (s *portSet) has(k int) bool { return s.words != nil && s.words[k/64]&(1<<(k%64)) != 0 }

// free returns the first number from k on, and from 0 on after the last of size, that is in neither set. ok is false if
// there is none.
func (s *portSet) free(k, size int, other *portSet) (n int, ok bool) {
	word := func(w int) (used uint64) {
		if s.words != nil {
			used = s.words[w]
		}
		if other != nil && other.words != nil {
			used |= other.words[w]
		}
		return used
	}
	w := k / 64
	if gaps := ^word(w) >> (k % 64); gaps != 0 {
		return k + bits.TrailingZeros64(gaps), true
	}
	for range size / 64 {
		w = (w + 1) % (size / 64)
		if gaps := ^word(w); gaps != 0 {
			return w*64 + bits.TrailingZeros64(gaps), true
		}
	}
	return 0, false
}

// fewPorts is the number of connections to one destination up to which their ports are a list.
const fewPorts = 32

// destPorts is the ephemeral ports, counted from the first, that connections from one local address to one remote address
// and port have.
type destPorts struct {
	few  []uint16
	many portSet // in use once they were more than fewPorts
}

// take notes that the connection that has been opened has an ephemeral port.
func (t *portTable) take(local, remote netip.AddrPort) {
	if local.Port() < firstEphemeral {
		return
	}
	key, k := flowOf(netip.AddrPortFrom(local.Addr(), 0), remote), local.Port()-firstEphemeral
	d := t.byDest[key]
	if d == nil {
		d = new(destPorts)
		t.byDest[key] = d
	}
	switch {
	case d.many.n > 0:
		d.many.add(int(k), numEphemeral)
	case len(d.few) < fewPorts:
		d.few = append(d.few, k)
	default:
		for _, p := range append(d.few, k) {
			d.many.add(int(p), numEphemeral)
		}
		d.few = nil
	}
}

// release notes that the connection has ended. One that was accepted was never noted, which is no harm.
func (t *portTable) release(local, remote netip.AddrPort) {
	if local.Port() < firstEphemeral {
		return
	}
	key, k := flowOf(netip.AddrPortFrom(local.Addr(), 0), remote), local.Port()-firstEphemeral
	d := t.byDest[key]
	if d == nil {
		return
	}
	d.many.remove(int(k))
	d.few = slices.DeleteFunc(d.few, func(p uint16) bool { return p == k })
	if d.many.n == 0 && len(d.few) == 0 {
		delete(t.byDest, key)
	}
}
