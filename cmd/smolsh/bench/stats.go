package bench

import (
	"math"
	"slices"
)

// Median returns the middle value, or the mean of the two middle values; NaN without values. It does not change values.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value below which the share q, 0 to 1, of values lies, interpolated between the two nearest; NaN
// without values. It does not change values.
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

// Ratio returns a/b. ok is false if the ratio is not a positive number, because a or b is missing or zero.
func Ratio(a, b float64) (r float64, ok bool) {
	r = a / b
	return r, !math.IsNaN(r) && !math.IsInf(r, 0) && r > 0
}
