package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// add adds to d a fragment with the octets lo to hi of a payload, after a header of 20 octets. The value of each octet
// is its offset. complete is true if all fragments have arrived.
func add(t *Table, d *Datagram, lo, hi int, last bool) (r drop.Reason, complete bool) {
	k, r := d.Check(lo, hi, last)
	if r != drop.None {
		return r, false
	}
	complete = d.Note(lo, hi, last, wire.NotECT)
	f := phy.NewFrame(phy.FrameSize)
	b := f.Extend(20 + hi - lo)
	for n := lo; n < hi; n++ {
		b[20+n-lo] = byte(n)
	}
	t.Insert(d, k, Fragment{Lo: lo, Hi: hi, Header: 20, Frame: f})
	return r, complete
}

// TestConflicts: each kind of contradiction between fragments is a conflict, and a duplicate is none.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		what   string
		lo, hi int
		last   bool
		want   drop.Reason
	}{
		{"the same again", 16, 32, false, drop.FragmentAgain},
		{"the end again", 48, 64, true, drop.FragmentAgain},
		{"before", 0, 16, false, drop.None},
		{"between", 32, 48, false, drop.None},
		{"from the same octet, shorter", 16, 24, false, drop.FragmentConflict},
		{"from the same octet, longer", 16, 40, false, drop.FragmentConflict},
		{"over the front of one", 8, 24, false, drop.FragmentConflict},
		{"over the back of one", 24, 40, false, drop.FragmentConflict},
		{"over all of one", 8, 40, false, drop.FragmentConflict},
		{"inside of one", 20, 24, false, drop.FragmentConflict},
		{"the end, earlier", 32, 40, true, drop.FragmentConflict},
		{"the end, later", 64, 80, true, drop.FragmentConflict},
		{"beyond the end", 64, 80, false, drop.FragmentConflict},
		{"the end, not the last", 48, 64, false, drop.FragmentConflict},
	} {
		var table Table
		d := table.Open(0, Key{ID: 1})
		add(&table, d, 48, 64, true)
		add(&table, d, 16, 32, false)
		if _, r := d.Check(c.lo, c.hi, c.last); r != c.want {
			t.Errorf("%s: %q, want %q", c.what, r, c.want)
		}
	}
	var table Table
	d := table.Open(0, Key{ID: 1})
	add(&table, d, 16, 32, false)
	if _, r := d.Check(0, 16, true); r != drop.FragmentConflict {
		t.Errorf("an end below what has arrived: %q", r)
	}
}

// TestAnyOrder: fragments in any order make the payload, and the charges add up after each step.
func TestAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var table Table
	for round := range 200 {
		d := table.Open(clock.Instant(round), Key{ID: uint32(round)})
		n := 1 + rng.IntN(20)
		for at, k := range rng.Perm(n) {
			r, complete := add(&table, d, 8*k, 8*(k+1), k == n-1)
			if r != drop.None || complete != (at == n-1) {
				t.Fatalf("fragment %d of %d: %q, complete %v", k, n, r, complete)
			}
			if _, err := table.Check(); err != nil {
				t.Fatal(err)
			}
		}
		payload, want := make([]byte, d.Total()), make([]byte, 8*n)
		for k := range want {
			want[k] = byte(k)
		}
		if d.CopyTo(payload); !bytes.Equal(payload, want) {
			t.Fatalf("%x, want %x", payload, want)
		}
		table.Close(d)
	}
	if table.Storage() != 0 || table.Len() != 0 || table.Timers() != 0 {
		t.Errorf("%d octets of %d datagrams are kept", table.Storage(), table.Len())
	}
	if err := table.CheckSpare(); err != nil {
		t.Error(err)
	}
}

// TestMarks: a datagram with a CE fragment is CE, unless another fragment is not-ECT (RFC 3168 §5.3).
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		marks  []wire.ECN
		ce, ok bool
	}{
		{[]wire.ECN{wire.NotECT, wire.NotECT}, false, true},
		{[]wire.ECN{wire.ECT0, wire.ECT1}, false, true},
		{[]wire.ECN{wire.ECT0, wire.CE}, true, true},
		{[]wire.ECN{wire.CE, wire.NotECT}, true, false},
		{[]wire.ECN{wire.ECT0, wire.NotECT}, false, true},
	} {
		var table Table
		d := table.Open(0, Key{})
		for k, m := range c.marks {
			d.Note(8*k, 8*(k+1), false, m)
		}
		if ce, ok := d.CE(); ce != c.ce || ok != c.ok {
			t.Errorf("%v: %v, %v", c.marks, ce, ok)
		}
	}
}

// TestExpiry: the oldest datagram expires first, a minute after its first fragment. A poisoned datagram keeps only its overhead
// until then.
func TestExpiry(t *testing.T) {
	var table Table
	for k := range 3 {
		add(&table, table.Open(clock.Instant(k), Key{ID: uint32(k)}), 0, 8, false)
	}
	if table.Oldest().ID != 0 || table.Deadline() != clock.Instant(Timeout) {
		t.Errorf("datagram %d is the oldest, at %v", table.Oldest().ID, table.Deadline())
	}
	d := table.Open(10, Key{ID: 0})
	table.Clear(d)
	table.Poison(d)
	if !d.Poisoned() || d.storage != Overhead {
		t.Errorf("poisoned %v, %d octets", d.Poisoned(), d.storage)
	}
	if n, err := table.Check(); n != 2 || err != nil {
		t.Errorf("%d fragments, %v", n, err)
	}
	var ids []uint32
	for d := table.Expired(clock.Instant(Timeout) + 1); d != nil; d = table.Expired(clock.Instant(Timeout) + 1) {
		ids = append(ids, d.ID)
		table.Close(d)
	}
	if fmt.Sprint(ids) != "[0 1]" || table.Len() != 1 {
		t.Errorf("%v expired, %d are left", ids, table.Len())
	}
}
