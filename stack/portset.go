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
	few  []uint16
	many portSet // used once there were more than fewPorts
}

// take records a newly opened connection's ephemeral port.
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

// release removes the port of a connection that has ended. An accepted connection's port was never recorded, which does no harm.
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
