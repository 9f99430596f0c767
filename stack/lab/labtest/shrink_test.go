package labtest

import (
	"slices"
	"testing"
)

// TestMinimise: hits that the failure needs together remain, whatever their places; the end of the time ends the search.
func TestMinimise(t *testing.T) {
	var all []hit
	for k := range 100 {
		all = append(all, hit{number: 1 + k%3, effect: "loss", dir: k % 2, frame: k + 1})
	}
	for _, needed := range [][]int{{}, {0}, {99}, {3, 4}, {0, 50, 99}, {10, 20, 30, 40, 50}} {
		runs := 0
		fails := func(hits []hit) bool {
			runs++
			return !slices.ContainsFunc(needed, func(k int) bool { return !slices.Contains(hits, all[k]) })
		}
		var want []hit
		for _, k := range needed {
			want = append(want, all[k])
		}
		if got := minimise(all, fails, func() bool { return true }); !slices.Equal(got, want) || runs > 100 {
			t.Errorf("%v: %v after %d runs", needed, got, runs)
		}
		if got := minimise(all, fails, func() bool { return false }); len(got) != len(all) {
			t.Errorf("%v: %d hits remain without time", needed, len(got))
		}
	}
}

// TestKeepFlag: hits become the flag's value, which gives a plan with the same selections.
func TestKeepFlag(t *testing.T) {
	text := keepFlag([]hit{{1, "loss", 1, 3}, {2, "delay", 0, 0}, {1, "loss", 0, 9}, {1, "loss", 1, 7}, {3, "drop", 0, 1}})
	if want := "1.loss:rx:9:tx:3,7 2.delay 3.drop:rx:1"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	p, err := parseKeep(text)
	if err != nil || len(p.Kept) != 3 || p.All {
		t.Errorf("%+v, %v", p, err)
	}
	for text, all := range map[string]bool{"": true, keepFlag(nil): false} {
		if p, err := parseKeep(text); err != nil || p.All != all || len(p.Kept) > 0 {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}
