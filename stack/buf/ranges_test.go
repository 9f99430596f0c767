package buf

import (
	"math"
	"math/rand/v2"
	"testing"
)

// bitmap is the reference for Ranges: one flag for each of few offsets.
type bitmap [256]bool

func (m *bitmap) add(lo, hi int) int {
	fresh := 0
	for i := lo; i < hi; i++ {
		if !m[i] {
			m[i], fresh = true, fresh+1
		}
	}
	return fresh
}

func (m *bitmap) covers(lo, hi int) bool {
	for i := lo; i < hi; i++ {
		if !m[i] {
			return false
		}
	}
	return true
}

// within returns the part of the set that is in [lo, hi).
func (m *bitmap) within(lo, hi int) *bitmap {
	var n bitmap
	if lo < hi {
		copy(n[lo:hi], m[lo:hi])
	}
	return &n
}

// ranges returns the maximal runs of the bitmap. A Ranges must hold exactly these: sorted, disjoint and not adjacent.
func (m *bitmap) ranges(base int64) []Range {
	var rs []Range
	for i := 0; i < len(m); i++ {
		if !m[i] {
			continue
		}
		lo := i
		for i < len(m) && m[i] {
			i++
		}
		rs = append(rs, Range{base + int64(lo), base + int64(i)})
	}
	return rs
}

// play applies operations to both sets, at offsets from base on. Three octets of ops describe one operation.
func play(t *testing.T, base int64, ops []byte) {
	var s Ranges
	var m bitmap
	for ; len(ops) >= 3; ops = ops[3:] {
		lo, hi := int(ops[1]), int(ops[2])
		switch ops[0] % 8 {
		default:
			if got, want := s.Add(base+int64(lo), base+int64(hi)), m.add(lo, hi); got != want {
				t.Fatalf("Add(%d, %d) = %d, want %d", lo, hi, got, want)
			}
		case 5, 6:
			if got, want := s.Covers(base+int64(lo), base+int64(hi)), m.covers(lo, hi); got != want {
				t.Fatalf("Covers(%d, %d) = %v, want %v", lo, hi, got, want)
			}
			var first Range
			if rs := m.within(lo, hi).ranges(base); len(rs) > 0 {
				first = rs[0]
			}
			if got, ok := s.Overlap(base+int64(lo), base+int64(hi)); got != first || ok != (first != Range{}) {
				t.Fatalf("Overlap(%d, %d) = %v, %v, want %v", lo, hi, got, ok, first)
			}
		case 7:
			if ops[1] == 0 && ops[2] == 0 {
				s.Clear()
				m = bitmap{}
				break
			}
			s.DropBelow(base + int64(lo))
			clear(m[:lo])
		}
		want := m.ranges(base)
		if s.Len() != len(want) {
			t.Fatalf("after % x: %v, want %v", ops[:3], s.r, want)
		}
		for i, r := range want {
			if s.At(i) != r {
				t.Fatalf("after % x: %v, want %v", ops[:3], s.r, want)
			}
		}
	}
}

func FuzzRanges(f *testing.F) {
	f.Add(int64(0), []byte{0, 10, 20, 0, 30, 40, 0, 20, 30, 5, 10, 40, 7, 15, 0})
	f.Add(int64(1)<<40, []byte{0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 0, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, base int64, ops []byte) {
		if base > math.MaxInt64-256 {
			base = math.MaxInt64 - 256
		}
		play(t, base, ops)
	})
}

func TestRangesAgainstBitmap(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		ops := make([]byte, 3*200)
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		if seed%2 == 0 { // short ranges, so that the set holds many at once
			for i := 0; i < len(ops); i += 3 {
				ops[i+2] = byte(min(255, int(ops[i+1])+rnd.IntN(6)))
				if ops[i]%8 == 7 && rnd.IntN(8) > 0 {
					ops[i] = 0
				}
			}
		}
		play(t, int64(seed)<<32, ops)
	}
}

func TestRangesEdges(t *testing.T) {
	var s Ranges
	for _, c := range []struct {
		what   string
		lo, hi int64
		fresh  int
		ranges int
	}{
		{"the first", 10, 20, 10, 1},
		{"the same again", 10, 20, 0, 1},
		{"a part of it", 12, 15, 0, 1},
		{"nothing", 30, 30, 0, 1},
		{"upside down", 40, 30, 0, 1},
		{"touching behind", 20, 25, 5, 1},
		{"touching before", 5, 10, 5, 1},
		{"one octet away", 26, 30, 4, 2},
		{"the octet between", 25, 26, 1, 1},
		{"far away", 1 << 40, 1<<40 + 1, 1, 2},
		{"over everything", 0, 1 << 41, 1<<41 - 26, 1},
	} {
		if got := s.Add(c.lo, c.hi); got != c.fresh || s.Len() != c.ranges {
			t.Errorf("%s: %d new octets, %d ranges; want %d, %d", c.what, got, s.Len(), c.fresh, c.ranges)
		}
	}
	if r := s.At(0); r.Len() != 1<<41 {
		t.Errorf("Len = %d", r.Len())
	}
	if !s.Covers(5, 5) || !s.Covers(1<<50, 1<<50) || s.Covers(0, 1<<41+1) {
		t.Error("Covers: an empty range always is, a longer one never")
	}
	s.DropBelow(1 << 41)
	if s.Len() != 0 {
		t.Errorf("dropped up to its end, %v is left", s.r)
	}
	s.DropBelow(7) // the set is empty
}

func TestRangesAllocateOnlyToGrow(t *testing.T) {
	var s Ranges
	at := int64(0)
	round := func() {
		for i := range int64(8) {
			s.Add(at+2+4*i, at+4+4*i)
		}
		s.Add(at, at+34)
		at += 34
		s.DropBelow(at)
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
