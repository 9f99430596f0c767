// Package suggest finds the name that was probably meant by a misspelled one, for hints in error messages.
package suggest

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// Attr returns found, the value of v's attribute called name. If found is nil, it returns an error that suggests a
// similar attribute. If there is none, it returns nil without an error, for Starlark to report.
func Attr(v starlark.HasAttrs, name string, found starlark.Value) (starlark.Value, error) {
	if found != nil {
		return found, nil
	}
	if n := Nearest(name, v.AttrNames()); n != "" {
		return nil, fmt.Errorf("%s has no .%s field or method (did you mean .%s?)", v.Type(), name, n)
	}
	return nil, nil
}

// Nearest returns the candidate of which name most likely is a misspelling, "" if none is similar enough.
func Nearest(name string, candidates []string) string {
	candidates = slices.Sorted(slices.Values(candidates))
	for _, c := range candidates {
		if c != name && strings.EqualFold(c, name) {
			return c
		}
	}
	best, bestD := "", 0
	for _, c := range candidates {
		if d := distance(name, c); near(name, c, d) && (best == "" || d < bestD) {
			best, bestD = c, d
		}
	}
	return best
}

// near reports whether c is so similar to name, at a distance of d, that it probably was meant. In a short name each letter counts for
// much, so that of two letters only swapped ones are near. Letters that are only left out count for less.
func near(name, c string, d int) bool {
	n := len(name)
	switch {
	case n <= 1:
		return false
	case n == 2:
		return len(c) == 2 && c[0] == name[1] && c[1] == name[0]
	case n <= 4:
		return d <= 1
	case len(c)-n == d:
		return d <= 1+n/3
	}
	return d <= 1+n/5
}

// VeryNear returns the candidate of which name probably is a misspelling, "" if none is nearer than one letter in four. In a short name the first
// letter has to be right.
func VeryNear(name string, candidates []string) string {
	n := Nearest(name, candidates)
	if n == "" || strings.EqualFold(n, name) {
		return n
	}
	a, b := strings.ToLower(name), strings.ToLower(n)
	if d := distance(a, b); 4*d > len(a)+1 || len(a) < 6 && a[0] != b[0] && !sameLetters(a, b) {
		return ""
	}
	return n
}

// sameLetters reports whether two names have the same letters in another order.
func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return string(x) == string(y)
}

// distance counts the insertions, deletions, changes and swaps of neighbours between a and b.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
