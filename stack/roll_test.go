package stack

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRollAgainstList: a roll equals a list, however members join and leave, even during walks.
func TestRollAgainstList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r roll[int]
	var list []int
	next := 1
	change := func() {
		if len(list) > 0 && rng.IntN(2) == 0 {
			k := rng.IntN(len(list))
			r.leave(list[k])
			list = slices.Delete(list, k, k+1)
			return
		}
		r.join(next)
		list = append(list, next)
		next++
	}
	for range 20_000 {
		switch rng.IntN(40) {
		case 0:
			for len(list) > rng.IntN(5) {
				r.leave(list[0])
				list = list[1:]
			}
		case 1:
			before := slices.Clone(list)
			var seen []int
			for v := range r.all {
				seen = append(seen, v)
				change()
			}
			for k, v := range seen {
				if !slices.Contains(before, v) || k > 0 && seen[k-1] >= v {
					t.Fatalf("%v walked over, of %v", seen, before)
				}
			}
			for _, v := range before {
				if slices.Contains(list, v) && !slices.Contains(seen, v) {
					t.Fatalf("%v walked over, not %d, which was there all the time", seen, v)
				}
			}
		default:
			change()
		}
		if got := slices.Collect(r.all); !slices.Equal(got, list) || r.len() != len(list) || r.has(next) {
			t.Fatalf("%v, %d of them, want %v", got, r.len(), list)
		}
		if len(r.places) > 2*len(list)+1 {
			t.Fatalf("%d places for %d members", len(r.places), len(list))
		}
		if len(list) > 0 && !r.has(list[rng.IntN(len(list))]) {
			t.Fatal("a member is not found")
		}
	}
	r.leave(next) // next is not a member
	var none *roll[int]
	for range none.all {
		t.Error("nobody is a member of none")
	}
}

// TestNoAllocsRoll: a walk, and a member that joins and leaves, allocate nothing once the storage exists.
func TestNoAllocsRoll(t *testing.T) {
	var r roll[int]
	for k := range 100 {
		r.join(k + 1)
	}
	sum := 0
	noAllocs(t, func() {
		for v := range r.all {
			sum += v
		}
	})
}
