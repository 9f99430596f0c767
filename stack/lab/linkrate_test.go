package lab

import (
	"slices"
	"testing"
	"time"

	"smolsh/phy/fault"
)

// TestRuleRateBehindLinkRate: a frame first waits for the link's rate, and then for the rate of a rule. After that the
// delays of both apply.
func TestRuleRateBehindLinkRate(t *testing.T) {
	for _, c := range []struct {
		link, rule uint64 // bits per second; a frame has 8000 bits
		want       []string
	}{
		{0, 8e6, []string{"1@13ms", "2@14ms", "3@15ms"}},
		{8e6, 8e6, []string{"1@14ms", "2@15ms", "3@16ms"}},
		{8e6, 4e6, []string{"1@15ms", "2@17ms", "3@19ms"}},
		{4e6, 8e6, []string{"1@15ms", "2@17ms", "3@19ms"}},
	} {
		w, k, _, b := bareLink(t, 1, LinkConfig{Delay: 10 * time.Millisecond, RateBps: c.link})
		k.Faults().Add(&fault.Rule{Dir: fault.TX, RateBps: c.rule, Delay: 2 * time.Millisecond})
		for i := range byte(3) {
			k.ab.accept(0, w.frameOf(i+1, 1000))
		}
		w.run()
		if !slices.Equal(b.got, c.want) {
			t.Errorf("link %d, rule %d: %q, want %q", c.link, c.rule, b.got, c.want)
		}
		checkFlow(t, k)
	}
}
