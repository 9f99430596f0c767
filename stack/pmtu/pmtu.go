// Package pmtu is a host's table of path MTUs for IPv4 (RFC 1191) and IPv6 (RFC 8201): the destinations to which a path
// carries less than its first link, as ICMP errors reported them. An entry is used for ten minutes, and the table is
// bounded.
package pmtu

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
)

// Age is the time for which an entry is used, after which the host tries longer packets again (RFC 1191 §6.3, RFC 8201
// §4).
const Age = 10 * time.Minute

// Min is the least MTU of an IPv4 link in octets (RFC 791 §3.2). Min6 is that of an IPv6 link: a host discards a report of
// less (RFC 8201 §4).
const (
	Min  = 68
	Min6 = 1280
)

// plateaus are the common MTUs (RFC 1191 §7.1).
var plateaus = [...]int{32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, Min}

// Plateau returns the largest common MTU below the length of a packet that a router dropped. It is for a router that
// does not report the MTU of its next hop (RFC 1191 §5). It returns 0 if the packet is no longer than Min. It is for IPv4
// alone, because every router of IPv6 reports an MTU (RFC 4443 §3.2).
func Plateau(length int) int {
	for _, n := range plateaus {
		if n < length {
			return n
		}
	}
	return 0
}

// Key identifies an entry: a destination, and whether the host checked the ICMP report against a TCP connection's
// sequence numbers. A report about a datagram can't be checked (RFC 5927 §7), so TCP connections do not use its entry. An
// IPv6 address of link-local scope has its zone, so that equal addresses on two links are distinct paths.
type Key struct {
	Dst     netip.Addr
	Checked bool
}

// entry is the MTU of one path.
type entry struct {
	key   Key
	mtu   int // octets
	since clock.Instant
	age   clock.Timer[*entry] // timer set to since, so that the heap orders entries by age
}

// Table holds the path MTUs that a host knows. The zero Table is empty.
type Table struct {
	byKey map[Key]*entry
	byAge clock.Heap[*entry] // oldest entry first
}

// Len returns the number of entries, expired ones included.
func (t *Table) Len() int { return len(t.byKey) }

// Aged returns the number of entries in the heap by age, which must equal Len.
func (t *Table) Aged() int { return t.byAge.Len() }

// Get returns a path's MTU in octets and the time of the report. ok is false if there is no report, or if it has
// expired.
func (t *Table) Get(now clock.Instant, key Key) (mtu int, since clock.Instant, ok bool) {
	e := t.byKey[key]
	if e == nil || now.Sub(e.since) >= Age {
		return 0, 0, false
	}
	return e.mtu, e.since, true
}

// Put stores a path's MTU in octets. The argument most is the largest number of entries. If the table is full, a new
// entry replaces the oldest.
func (t *Table) Put(now clock.Instant, key Key, mtu, most int) {
	e := t.byKey[key]
	if e == nil {
		if t.Len() >= most {
			e = t.byAge.First().Value
			t.byAge.Stop(&e.age)
			delete(t.byKey, e.key)
		}
		if e == nil {
			e = new(entry)
			e.age.Value = e
		}
		if t.byKey == nil {
			t.byKey = make(map[Key]*entry)
		}
		e.key = key
		t.byKey[key] = e
	}
	e.mtu, e.since = mtu, now
	t.byAge.Set(&e.age, now)
}

// Within returns mtu, or the path's MTU if a report, checked or not, says that it is smaller.
func (t *Table) Within(now clock.Instant, dst netip.Addr, mtu int) int {
	for _, checked := range [...]bool{true, false} {
		if m, _, ok := t.Get(now, Key{dst, checked}); ok {
			mtu = min(mtu, m)
		}
	}
	return mtu
}
