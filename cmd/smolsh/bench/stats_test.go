package bench

import (
	"math"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{7}, 0.5, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, 0.9, 90},
		{[]float64{0, 100}, 0.99, 99},
	} {
		before := slices.Clone(c.values)
		if got := Quantile(c.values, c.q); got != c.want {
			t.Errorf("Quantile(%v, %v) is %v, want %v", c.values, c.q, got, c.want)
		}
		if !slices.Equal(c.values, before) {
			t.Errorf("Quantile changed %v to %v", before, c.values)
		}
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		a, b, want float64
		ok         bool
	}{{3, 2, 1.5, true}, {1, 0, 0, false}, {0, 1, 0, false}, {math.NaN(), 1, 0, false}, {1, math.NaN(), 0, false}} {
		got, ok := Ratio(c.a, c.b)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("Ratio(%v, %v) is %v, %v", c.a, c.b, got, ok)
		}
	}
}

func TestSignificant(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.5", 12.345: "12.3", 123456: "123456", 99.96: "100", 0.012345: "0.0123", 1.999: "2", 6.04: "6.04",
	} {
		if got := significant(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
}
