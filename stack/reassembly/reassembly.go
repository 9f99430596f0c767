// Package reassembly stores the fragments of datagrams that are not complete (IPv4: RFC 791 §3.2, RFC 1122 §3.3.2; IPv6:
// RFC 8200 §4.5), within bounds: a datagram is given up after a minute, and the oldest datagram is given up first when
// storage runs out.
//
// A fragment that overlaps another, or contradicts the length of its datagram, poisons the datagram: all its fragments
// are dropped until its time is over. RFC 5722 demands this of IPv6. For IPv4 it replaces RFC 791 §3.2, where octets
// that arrive later overwrite earlier ones, because overlaps only serve attackers (RFC 1858). An exact duplicate of a
// fragment is dropped without harm to its datagram, which RFC 8200 §4.5 allows.
//
// The caller processes an atomic fragment, which has offset 0 and is the last, like a packet without a fragment header. It
// does not open a datagram for it, so that the fragments of a datagram with the same key remain (RFC 6946 §4).
//
// The caller owns the frames of the fragments, and recycles them.
package reassembly

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Timeout is the time within which all fragments of a datagram must arrive, counted from the first to arrive (RFC 1122
// §3.3.2, RFC 8200 §4.5).
const Timeout = 60 * time.Second

// Overhead is the number of octets added to the charge of a datagram and of each fragment.
const Overhead = 256

// maxSpare bounds the datagrams kept for reuse, and maxSpareFragments the fragments for which each has room.
const maxSpare, maxSpareFragments = 16, 64

// maxLength is the greatest value of IPv4's total length, and of IPv6's payload length, in octets.
const maxLength = 65535

// Key identifies a datagram (RFC 791 §3.2, RFC 8200 §4.5). An IPv6 address of link-local scope has its zone, so that equal
// addresses on two links are distinct.
type Key struct {
	Src, Dst netip.Addr
	Proto    wire.Protocol // 0 for IPv6, whose fragments may differ in their next header
	ID       uint32        // at most 65,535 for IPv4
}

// Fragment is a stored fragment: octets Lo to Hi of its datagram's payload. The payload of an IPv6 datagram is its
// fragmentable part. Its unfragmentable part is that of the fragment with offset 0, whatever the headers of the others.
type Fragment struct {
	Lo, Hi int
	Header int        // octets before the payload: of IPv6 the base header, its per-fragment headers and the fragment header
	Frame  *phy.Frame // packet from its IP header on
}

// octets returns the storage that is charged for the fragment.
func (f *Fragment) octets() int { return f.Frame.Size() + phy.Headroom + Overhead }

// Datagram is a datagram of which some fragments have arrived.
type Datagram struct {
	Key
	Fragments []Fragment // stored fragments in the order of the payload, without overlaps
	Iface     int        // number of the interface on which the payload's first fragment arrived, or else any fragment; -1 for none
	Broadcast bool       // true if that fragment was sent to a broadcast address or a group

	have     int // octets of payload that have arrived
	total    int // octets of the whole payload; 0 while unknown
	ecn      byte
	poisoned bool
	storage  int // octets
	expiry   clock.Timer[*Datagram]
}

// Poisoned reports whether further fragments of the datagram are dropped.
func (d *Datagram) Poisoned() bool { return d.poisoned }

// Check returns the index in Fragments for a fragment with the octets lo to hi of the payload. last is true if it ends
// the payload. The reason is drop.FragmentAgain for a duplicate, and drop.FragmentConflict for a fragment that
// contradicts another.
func (d *Datagram) Check(lo, hi int, last bool) (k int, r drop.Reason) {
	k, again := slices.BinarySearchFunc(d.Fragments, lo, func(f Fragment, lo int) int { return f.Lo - lo })
	end := 0 // end of the stored octets
	if n := len(d.Fragments); n > 0 {
		end = d.Fragments[n-1].Hi
	}
	switch {
	case last && d.total != 0 && hi != d.total: // a second total length
		return k, drop.FragmentConflict
	case last && hi < end: // a total length below that of the stored octets
		return k, drop.FragmentConflict
	case !last && d.total != 0 && hi >= d.total: // octets beyond the total length
		return k, drop.FragmentConflict
	case again && d.Fragments[k].Hi == hi:
		return k, drop.FragmentAgain
	case again, k > 0 && d.Fragments[k-1].Hi > lo, k < len(d.Fragments) && hi > d.Fragments[k].Lo: // overlap, RFC 5722
		return k, drop.FragmentConflict
	}
	return k, drop.None
}

// TooLong reports whether a fragment with the octets lo to hi of the payload, after a header of so many octets, makes the
// datagram longer than a packet can be: beyond 65,535 octets of total length for IPv4, or of payload length for IPv6 (RFC
// 8200 §4.5). The header of the reassembled packet is that of the fragment with offset 0, which may be longer than those of
// the others. Until it has arrived, TooLong assumes a header like that of this fragment.
func (d *Datagram) TooLong(lo, hi, header int) bool {
	end := hi
	if n := len(d.Fragments); n > 0 {
		end = max(end, d.Fragments[n-1].Hi)
		if first := &d.Fragments[0]; first.Lo == 0 && lo != 0 {
			header = first.Header
		}
	}
	if d.Src.Is6() { // the payload length does not count the base header, and the fragment header is removed
		header -= wire.IPv6Len + wire.IPv6FragmentLen
	}
	return header+end > maxLength
}

// Note records the arrival of octets lo to hi of the payload in a packet with the codepoint ecn. It reports whether the
// datagram is complete. Check must have accepted the fragment before.
func (d *Datagram) Note(lo, hi int, last bool, ecn wire.ECN) (complete bool) {
	d.have += hi - lo
	d.ecn |= 1 << ecn
	if last {
		d.total = hi
	}
	return d.have == d.total
}

// Total returns the length of the whole payload in octets, 0 while it is unknown.
func (d *Datagram) Total() int { return d.total }

// CE reports whether a fragment of the complete datagram is marked CE. ok is false if another fragment is not-ECT,
// because the datagram must then be dropped (RFC 3168 §5.3).
func (d *Datagram) CE() (ce, ok bool) {
	const notECT, marked = 1 << wire.NotECT, 1 << wire.CE
	return d.ecn&marked != 0, d.ecn&(notECT|marked) != notECT|marked
}

// CopyTo copies the stored fragments to their places in a payload.
func (d *Datagram) CopyTo(payload []byte) {
	for _, f := range d.Fragments {
		copy(payload[f.Lo:f.Hi], f.Frame.Bytes()[f.Header:])
	}
}

// Table holds the incomplete datagrams of a host. The zero Table is empty. When storage runs out, the oldest datagram
// should be given up. It is the least likely to be completed, since a datagram normally arrives within moments. So no
// sender can fill the storage and keep it.
type Table struct {
	byKey   map[Key]*Datagram
	peak    int                   // largest number of entries that byKey has had, see buf.ShrinkMap
	expiry  clock.Heap[*Datagram] // oldest datagram first
	storage int                   // octets charged
	spare   []*Datagram
}

// Open returns the datagram with a key, and makes one if there is none.
func (t *Table) Open(now clock.Instant, key Key) *Datagram {
	if d := t.byKey[key]; d != nil {
		return d
	}
	var d *Datagram
	if n := len(t.spare); n > 0 {
		d, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		d = new(Datagram)
	}
	*d = Datagram{Key: key, Fragments: d.Fragments[:0], Iface: -1}
	d.expiry.Value = d
	if t.byKey == nil {
		t.byKey = make(map[Key]*Datagram)
	}
	t.byKey[key] = d
	t.peak = max(t.peak, len(t.byKey))
	t.expiry.Set(&d.expiry, now.Add(Timeout))
	t.charge(d, Overhead)
	return d
}

// Insert stores a fragment at index k of d.Fragments.
func (t *Table) Insert(d *Datagram, k int, f Fragment) {
	d.Fragments = slices.Insert(d.Fragments, k, f)
	t.charge(d, f.octets())
}

// Clear removes all fragments of d. The caller has recycled their frames.
func (t *Table) Clear(d *Datagram) {
	t.charge(d, Overhead-d.storage)
	d.Fragments = nil // frees the list, since a poisoned datagram is charged only for its overhead
}

// Poison marks d, which must have no fragments, as Poisoned.
func (t *Table) Poison(d *Datagram) { d.poisoned = true }

// Close removes d. The caller has used or recycled the frames of its fragments.
func (t *Table) Close(d *Datagram) {
	t.expiry.Stop(&d.expiry)
	delete(t.byKey, d.Key)
	t.byKey = buf.ShrinkMap(t.byKey, &t.peak)
	t.charge(d, -d.storage)
	if clear(d.Fragments); len(t.spare) < maxSpare && cap(d.Fragments) <= maxSpareFragments {
		t.spare = append(t.spare, d)
	}
}

func (t *Table) charge(d *Datagram, n int) {
	d.storage += n
	t.storage += n
}

// Storage returns the octets charged for all datagrams.
func (t *Table) Storage() int { return t.storage }

// Len returns the number of datagrams.
func (t *Table) Len() int { return len(t.byKey) }

// Timers returns the number of datagrams in the expiry heap, which must equal Len.
func (t *Table) Timers() int { return t.expiry.Len() }

// Oldest returns the datagram that was opened first. There must be one.
func (t *Table) Oldest() *Datagram { return t.expiry.First().Value }

// Deadline returns the instant at which the next datagram expires.
func (t *Table) Deadline() clock.Instant { return t.expiry.Next() }

// Expired returns a datagram whose time has expired, nil if there is none. The caller closes it.
func (t *Table) Expired(now clock.Instant) *Datagram {
	if timer := t.expiry.Pop(now); timer != nil {
		return timer.Value
	}
	return nil
}

// CheckSpare returns an error if the storage kept for reuse exceeds the bounds.
func (t *Table) CheckSpare() error {
	if len(t.spare) > maxSpare {
		return fmt.Errorf("%d assemblies are kept for reuse", len(t.spare))
	}
	for _, d := range t.spare {
		if cap(d.Fragments) > maxSpareFragments {
			return fmt.Errorf("an assembly with room for %d fragments is kept for reuse", cap(d.Fragments))
		}
	}
	return nil
}

// Check returns an error if the sum of the datagrams' storage is not the table's, in octets. fragments is the number of stored
// fragments. The map's order does not matter to either.
func (t *Table) Check() (fragments int, err error) {
	sum := 0
	for _, d := range t.byKey {
		n := Overhead
		for k := range d.Fragments {
			n += d.Fragments[k].octets()
		}
		switch {
		case n != d.storage:
			return 0, fmt.Errorf("a datagram of %d octets is charged with %d", n, d.storage)
		case d.poisoned && cap(d.Fragments) > 0:
			return 0, errors.New("a poisoned datagram keeps room for fragments")
		}
		fragments += len(d.Fragments)
		sum += n
	}
	if sum != t.storage {
		return 0, fmt.Errorf("datagrams of %d octets, the sum says %d", sum, t.storage)
	}
	return fragments, nil
}
