package fault

import (
	"fmt"
	"slices"
)

// Check returns an error for a field that has no meaning: a probability outside 0 to 1, a negative time or count, or a frame's number below 1.
func (r *Rule) Check() error {
	for _, p := range []struct {
		name  string
		value float64
	}{
		{"Loss", r.Loss}, {"Corrupt", r.Corrupt}, {"Duplicate", r.Duplicate}, {"Reorder", r.Reorder},
		{"Burst.P", r.Burst.P}, {"Burst.R", r.Burst.R}, {"Burst.Bad", r.Burst.Bad}, {"Burst.Good", r.Burst.Good},
	} {
		if !(p.value >= 0 && p.value <= 1) { // NaN too
			return fmt.Errorf("fault: %s %v is not within 0 to 1", p.name, p.value)
		}
	}
	for _, n := range []struct {
		name  string
		value int64
		text  any
	}{
		{"Every", int64(r.Every), r.Every}, {"Limit", int64(r.Limit), r.Limit}, {"MaxSize", int64(r.MaxSize), r.MaxSize}, {"Bucket", int64(r.Bucket), r.Bucket},
		{"Delay", int64(r.Delay), r.Delay}, {"Jitter", int64(r.Jitter), r.Jitter}, {"Hold", int64(r.Hold), r.Hold}, {"Interval", int64(r.Interval), r.Interval},
	} {
		if n.value < 0 {
			return fmt.Errorf("fault: %s %v is negative", n.name, n.text)
		}
	}
	if i := slices.IndexFunc(r.Nth, func(n int) bool { return n < 1 }); i >= 0 {
		return fmt.Errorf("fault: Nth counts frames from 1, and has %d", r.Nth[i])
	}
	if r.Nth != nil && len(r.Nth) == 0 {
		return fmt.Errorf("fault: Nth is empty, and not nil: the rule would choose every frame")
	}
	return nil
}
