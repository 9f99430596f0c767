package fault

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestCheck: values without a meaning are refused, with the name of their field.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string // in the error; "" for none
	}{
		{Rule{}, ""},
		{Rule{Loss: 1, Nth: []int{1, 7}, Every: 3, Delay: time.Second, Bucket: 1, Burst: GilbertElliott{P: 1}}, ""},
		{Rule{Loss: 30}, "Loss 30 is not within 0 to 1"},
		{Rule{Loss: -1}, "Loss -1"},
		{Rule{Loss: math.NaN()}, "Loss NaN"},
		{Rule{Duplicate: 2}, "Duplicate 2"},
		{Rule{Corrupt: 1.1}, "Corrupt 1.1"},
		{Rule{Reorder: -0.1}, "Reorder -0.1"},
		{Rule{Burst: GilbertElliott{Bad: 5}}, "Burst.Bad 5"},
		{Rule{Every: -2}, "Every -2 is negative"},
		{Rule{Delay: -time.Second}, "Delay -1s is negative"},
		{Rule{MaxSize: -1}, "MaxSize -1"},
		{Rule{Nth: []int{3, 0}}, "Nth counts frames from 1, and has 0"},
		{Rule{Nth: []int{}}, "Nth is empty"},
	} {
		err := c.rule.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.rule, err, c.want)
		}
	}
}
