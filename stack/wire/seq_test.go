package wire

import (
	"testing"
	"testing/quick"
)

// TestSeqAgainstLine compares sequence numbers with a reference: positions on a line, modulo 2^32.
func TestSeqAgainstLine(t *testing.T) {
	f := func(at int64, d int32) bool {
		s, u := Seq(at), Seq(at+int64(d))
		last := s
		if d > 0 {
			last = u
		}
		return s.Less(u) == (d > 0) && s.LessEq(u) == (d >= 0) &&
			u.Sub(s) == int(d) && s.Add(int(d)) == u && u.Add(-int(d)) == s &&
			(d == -1<<31 || MaxSeq(s, u) == last && MaxSeq(u, s) == last && s.Sub(u) == -int(d))
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
}

func TestSeqIn(t *testing.T) {
	f := func(first int64, n uint16, off int32) bool {
		return Seq(first+int64(off)).In(Seq(first), int(n)) == (off >= 0 && int64(off) < int64(n))
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
	near := func(first int64, n uint8, off int16) bool { return f(first, uint16(n), int32(off)) }
	if err := quick.Check(near, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
}

func TestSeqAcrossTheWrap(t *testing.T) {
	const end = Seq(0xffffffff)
	for _, c := range []struct {
		what string
		got  bool
	}{
		{"2^32-1 before 0", end.Less(0)},
		{"0 not before 2^32-1", !Seq(0).Less(end)},
		{"2^32-16 before 16", (end - 15).Less(16)},
		{"equal is not less", !end.Less(end)},
		{"equal is less or equal", end.LessEq(end)},
		{"0 in [2^32-1, +2)", Seq(0).In(end, 2)},
		{"1 not in [2^32-1, +2)", !Seq(1).In(end, 2)},
		{"2^32-2 not in [2^32-1, +2)", !(end - 1).In(end, 2)},
		{"nothing in an empty window", !end.In(end, 0)},
		{"a window of 2^30 wraps", Seq(1<<30-2).In(end, 1<<30)},
		{"and ends", !Seq(1<<30-1).In(end, 1<<30)},
		{"0 is 1 after 2^32-1", Seq(0).Sub(end) == 1},
		{"2^32-1 is 1 before 0", end.Sub(0) == -1},
		{"2^32-1 + 1 is 0", end.Add(1) == 0},
		{"0 - 1 is 2^32-1", Seq(0).Add(-1) == end},
		{"the later is 3", MaxSeq(end, 3) == 3 && MaxSeq(3, end) == 3},
		{"2^31-1 apart, still before", end.Less(1<<31 - 2)},
		{"2^31+1 apart, already after", !end.Less(1 << 31)},
	} {
		if !c.got {
			t.Errorf("not so: %s", c.what)
		}
	}
}

// TestBlockWithin compares Within with its definition: a block with octets lies within an interval if each of its
// octets does. The edges lie anywhere on the circle of sequence numbers.
func TestBlockWithin(t *testing.T) {
	edges := []Seq{0, 1, 2, 9, 10, 11, 12, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 9, 1<<31 + 10, 1<<31 + 11, 1<<32 - 2, 1<<32 - 1}
	for _, base := range []Seq{0, 5, 1 << 31, 1<<32 - 3, 1<<32 - 12} {
		for _, n := range []int{0, 1, 10} {
			lo, hi := base, base.Add(n)
			for _, l := range edges {
				for _, r := range edges {
					b := SACKBlock{base + l, base + r}
					want := l < r && int(r) <= n
					if got := b.Within(lo, hi); got != want {
						t.Errorf("%d to %d within %d to %d: %v", b.Left, b.Right, lo, hi, got)
					}
				}
			}
			if b := (SACKBlock{lo, hi}); b.Within(hi.Add(1), hi) {
				t.Errorf("%d to %d is within an interval that ends before it begins", lo, hi)
			}
		}
	}
}
