package bench

import (
	"math"
	"slices"
)

// Median returns the middle of values, or the mean of the two in the middle; NaN of none. values stay as they
// are.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value below which the share q, 0 to 1, of values lies, interpolated between the two
// nearest; NaN of none. values stay as they are.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	low := int(at)
	high := min(low+1, len(s)-1)
	return s[low] + (at-float64(low))*(s[high]-s[low])
}

// Ratio is a/b; ok is false when it says nothing, because one of them is not there or nothing.
func Ratio(a, b float64) (r float64, ok bool) {
	r = a / b
	return r, !math.IsNaN(r) && !math.IsInf(r, 0) && r > 0
}
