package buf

import "slices"

// Range is the half-open range of offsets [Lo, Hi).
type Range struct{ Lo, Hi int64 }

// Len returns the number of octets in the range.
func (r Range) Len() int { return int(r.Hi - r.Lo) }

// Ranges is a set of offsets, kept as sorted, disjoint ranges that do not touch. The zero value is empty. Adding or
// removing a range takes O(log n) to find its place and O(n) to move other ranges.
type Ranges struct{ r []Range }

// Len returns the number of ranges.
func (s *Ranges) Len() int { return len(s.r) }

// At returns the i-th range in ascending order.
func (s *Ranges) At(i int) Range { return s.r[i] }

// find returns the index of the first range that ends at or after off.
func (s *Ranges) find(off int64) int {
	lo, hi := 0, len(s.r)
	for lo < hi {
		if m := (lo + hi) / 2; s.r[m].Hi < off {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// Add adds [lo, hi) to the set and returns the number of octets that were new.
func (s *Ranges) Add(lo, hi int64) int {
	if lo >= hi {
		return 0
	}
	i := s.find(lo)
	j, fresh := i, hi-lo
	merged := Range{lo, hi}
	for j < len(s.r) && s.r[j].Lo <= hi {
		r := s.r[j]
		fresh -= max(0, min(hi, r.Hi)-max(lo, r.Lo))
		merged.Lo, merged.Hi = min(merged.Lo, r.Lo), max(merged.Hi, r.Hi)
		j++
	}
	if i == j {
		s.r = slices.Insert(s.r, i, merged)
	} else {
		s.r[i] = merged
		s.r = slices.Delete(s.r, i+1, j)
	}
	return int(fresh)
}

// Holding returns the range that contains off. ok is false if there is none.
func (s *Ranges) Holding(off int64) (r Range, ok bool) {
	if i := s.find(off + 1); i < len(s.r) && s.r[i].Lo <= off {
		return s.r[i], true
	}
	return r, false
}

// Covers reports whether all of [lo, hi) is in the set.
func (s *Ranges) Covers(lo, hi int64) bool {
	if lo >= hi {
		return true
	}
	i := s.find(lo)
	return i < len(s.r) && s.r[i].Lo <= lo && hi <= s.r[i].Hi
}

// Overlap returns the first part of [lo, hi) that is in the set. ok is false if no part is.
func (s *Ranges) Overlap(lo, hi int64) (r Range, ok bool) {
	if i := s.find(lo + 1); lo < hi && i < len(s.r) && s.r[i].Lo < hi {
		return Range{max(lo, s.r[i].Lo), min(hi, s.r[i].Hi)}, true
	}
	return r, false
}

// Touches reports whether [lo, hi) overlaps a range of the set or continues one.
func (s *Ranges) Touches(lo, hi int64) bool {
	i := s.find(lo)
	return i < len(s.r) && s.r[i].Lo <= hi
}

// DropBelow removes everything below off from the set.
func (s *Ranges) DropBelow(off int64) {
	i := 0
	for i < len(s.r) && s.r[i].Hi <= off {
		i++
	}
	s.r = slices.Delete(s.r, 0, i)
	if len(s.r) > 0 && s.r[0].Lo < off {
		s.r[0].Lo = off
	}
}

// Clear empties the set and releases its storage.
func (s *Ranges) Clear() { s.r = nil }
