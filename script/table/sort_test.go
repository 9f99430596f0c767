package table

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestSortByValue sorts a column of each kind both ways.
func TestSortByValue(t *testing.T) {
	text := func(words string) (list []starlark.Value) {
		for _, w := range strings.Fields(words) {
			list = append(list, starlark.String(w))
		}
		return list
	}
	number := func(ns ...float64) (list []starlark.Value) {
		for _, n := range ns {
			if n == float64(int(n)) {
				list = append(list, starlark.MakeInt(int(n)))
			} else {
				list = append(list, starlark.Float(n))
			}
		}
		return list
	}
	for _, want := range [][]starlark.Value{
		text("9.0.0.1 10.0.0.2 10.0.0.10 192.168.69.1 192.168.69.100 fdaa::2 fdaa::10"),
		text("*:* *:9 *:80 9.0.0.1:80 10.0.0.2:9 10.0.0.2:80 10.0.0.2:1000 10.0.0.10:1 [fdaa::2]:5 [fdaa::10]:1"),
		text("default 9.0.0.0/24 10.0.0.0/8 10.0.0.0/24 192.168.69.0/24"),
		text("02:00:00:00:00:02 02:00:00:00:00:0a 8e:c2:6b:16:36:66"),
		text("CLOSE-WAIT ESTABLISHED LISTEN"),
		append([]starlark.Value{starlark.None}, number(0.5, 2, 9, 10.25, 100)...),
		append([]starlark.Value{starlark.None}, text("10.0.0.1 eth0 tap0")...),
	} {
		tb := New(nil, "", nil, Columns("C")...)
		for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(want)) {
			tb.Add(want[i])
		}
		for _, reverse := range []bool{false, true} {
			rows := tb.Sorted(0, reverse).Rows
			var got []starlark.Value
			for _, r := range rows {
				got = append(got, r.Values[0])
			}
			if reverse {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("sorted, reverse %v: %v, want %v", reverse, got, want)
			}
		}
	}
}
