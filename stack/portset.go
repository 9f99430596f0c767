package stack

import (
	"math/bits"
	"net/netip"
	"slices"
)

// portSet is a bitmap of numbers below its size, a multiple of 64: ephemeral ports, counted from the first, or ICMP identifiers.
// The search for the next free number tests 64 at a time. The zero portSet is empty and allocates its storage with the first
// number.
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

// free returns the first number that is in neither set, from k on and then from 0 on. ok is false if there is none.
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

// destPorts has the ephemeral ports, counted from the first, of connections from one local address to one remote address and port.
type destPorts struct {
	key  flow
	few  []uint16
	many portSet // used once there were more than fewPorts
}

// hold notes that a connection that has been opened has its local port, if that is an ephemeral one.
func (t *portTable) hold(c *TCPConn) {
	if c.local.Port() < firstEphemeral {
		return
	}
	key, k := flowOf(netip.AddrPortFrom(c.local.Addr(), 0), c.remote), c.local.Port()-firstEphemeral
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

// release notes that a connection has ended, if hold has noted it.
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
