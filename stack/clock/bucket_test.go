package clock

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	b := NewBucket(10, 3)
	now := Instant(0)
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {0, true}, {0, true}, {0, false}, // the burst
		{99 * time.Millisecond, false}, {time.Millisecond, true}, {0, false}, // one more is allowed after each tenth of a second
		{250 * time.Millisecond, true}, {0, true}, {0, false}, // the rest of the elapsed time counts
		{49 * time.Millisecond, false}, {time.Millisecond, true},
		{time.Hour, true}, {0, true}, {0, true}, {0, false}, // never more than the burst
	} {
		now = now.Add(step.after)
		if got := b.Take(now); got != step.want {
			t.Errorf("step %d at %v: %v, want %v", i, now, got, step.want)
		}
	}
	var none Bucket
	for range 1000 {
		if !none.Take(0) {
			t.Fatal("the zero bucket limits")
		}
	}
}
