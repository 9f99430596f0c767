package stack

import (
	"math/bits"
	"net/netip"
	"slices"
)

// portSet is a bitmap of numbers: ephemeral ports, as offsets from the first, or ICMP identifiers. Its size is a
// multiple of 64, and a search tests 64 numbers at a time. The zero portSet is empty, and allocates its storage with
// the first number.
type portSet struct {
	words []uint64
	n     int // number of members
}

// add adds k to the set, which has the given size.
func (s *portSet) add(k, size int) {
	if s.words == nil {
		s.words = make([]uint64, size/64)
	}
	if !s.has(k) {
		s.words[k/64] |= 1 << (k % 64)
		s.n++
	}
}

// remove removes k, if it is in the set. An empty set frees its storage.
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

// free returns the first number that is neither in s nor in other. It searches from k to the end, then from 0. ok is
// false if there is none.
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

// fewPorts is the largest number of connections to one destination whose ports are kept in a list.
const fewPorts = 32

// destPorts holds the ephemeral ports, as offsets from the first, of connections from one local address to one remote
// address and port.
type destPorts struct {
	key  flow
	few  []uint16
	many portSet // used instead of few after there were more than fewPorts
}

// hold records the local port of a connection that was opened, if that is an ephemeral port.
func (t *portTable) hold(c *TCPConn) {
	if c.local.Port() < firstEphemeral {
		return
	}
	key, k := c.host.net.flowOf(netip.AddrPortFrom(c.local.Addr(), 0), c.remote), c.local.Port()-firstEphemeral
	d := t.byDest[key]
	if d == nil {
		if d, t.spare = t.spare, nil; d == nil {
			d = new(destPorts)
		}
		d.key = key
		t.byDest[key] = d
	}
	c.dest = d
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

// release removes the record that hold made for a connection, if there is one.
func (t *portTable) release(c *TCPConn) {
	d := c.dest
	if d == nil {
		return
	}
	c.dest = nil
	k := c.local.Port() - firstEphemeral
	d.many.remove(int(k))
	if n := slices.Index(d.few, k); n >= 0 {
		d.few = slices.Delete(d.few, n, n+1)
	}
	if d.many.n == 0 && len(d.few) == 0 {
		delete(t.byDest, d.key)
		t.spare = d
	}
}
