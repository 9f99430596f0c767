package script

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/phy/fault"
	"smolsh/script/packetvalue"
)

// The names of a rule's arguments, in the order in which describe prints them.
var (
	choiceNames = []string{"match", "nth", "every"}
	effectNames = []string{"loss", "duplicate", "corrupt", "reorder", "delay", "jitter", "rate", "burst", "limit", "max_size", "bucket", "interval", "ecn"}
)

// effects adds the effects that the call states to does. An effect that is stated as 0 is removed, with the arguments that refine
// it. stated reports whether the call states an effect, be it 0. Then the rule does only what it states, and does not drop
// everything; ecn= states none, because it refines how packets are lost.
func (c *call) effects(does map[string]any) (stated bool) {
	for _, name := range effectNames {
		x := c.Values[c.b.Index(name)]
		if x == nil || x == starlark.None {
			continue
		}
		stated = stated || name != "ecn"
		if !isZero(x) {
			does[name] = x
			continue
		}
		delete(does, name)
		switch name {
		case "bucket":
			defer delete(does, "interval")
		case "loss":
			defer removeMeanBurst(does)
		case "rate", "delay", "jitter", "reorder":
			defer removeLimit(does)
		}
	}
	return stated
}

// isZero reports whether an argument is the zero of its kind.
func isZero(x any) bool {
	switch x {
	case 0, 0.0, uint64(0), time.Duration(0), starlark.MakeInt(0), starlark.Float(0), false:
		return true
	}
	return false
}

// removeMeanBurst removes a mean length of bursts, which refines a loss. Chances of a chain are an effect of their own.
func removeMeanBurst(does map[string]any) {
	switch does["burst"].(type) {
	case starlark.Int, starlark.Float:
		delete(does, "burst")
	}
}

// removeLimit removes the limit of the packets held back, if no effect holds packets back.
func removeLimit(does map[string]any) {
	for _, name := range []string{"rate", "delay", "jitter", "reorder"} {
		if _, ok := does[name]; ok {
			return
		}
	}
	delete(does, "limit")
}

// effectless reports whether a rule's arguments state no effect; ecn= only refines how packets are lost.
func effectless(does map[string]any) bool {
	_, ecn := does["ecn"]
	return len(does) == 0 || ecn && len(does) == 1
}

// ruleOf returns a rule with these effects that selects every packet.
func (c *call) ruleOf(does map[string]any) (*fault.Rule, error) {
	r := &fault.Rule{
		Loss: effect[float64](does, "loss"), Duplicate: effect[float64](does, "duplicate"),
		Corrupt: effect[float64](does, "corrupt"), Reorder: effect[float64](does, "reorder"),
		Delay: effect[time.Duration](does, "delay"), Jitter: effect[time.Duration](does, "jitter"),
		RateBps: effect[uint64](does, "rate"), Limit: effect[int](does, "limit"),
		MaxSize: effect[int](does, "max_size"), Bucket: effect[int](does, "bucket"), Interval: effect[time.Duration](does, "interval"),
		ECN: effect[bool](does, "ecn"),
	}
	if r.Interval > 0 && r.Bucket == 0 {
		return nil, c.errorf("interval= is how often a bucket is filled: it goes with bucket=")
	}
	if r.Limit > 0 && r.RateBps == 0 && r.Delay == 0 && r.Jitter == 0 && r.Reorder == 0 {
		return nil, c.errorf("limit= is how many packets are held back: it goes with rate=, delay=, jitter= or reorder=")
	}
	burst, ok := does["burst"]
	if !ok {
		return r, nil
	}
	var err error
	if n, isNumber := starlark.AsFloat(burst.(starlark.Value)); isNumber {
		r.Burst, err = fault.Bursts(r.Loss, n)
		r.Loss = 0
	} else if r.Burst, err = gemodel(burst.(starlark.Value)); err == nil && r.Loss > 0 {
		err = fmt.Errorf("the chances have the loss in them, and leave no room for loss=")
	}
	if err != nil {
		return nil, c.errorf("burst: %v", err)
	}
	return r, nil
}

// effect returns the effect called name, or the zero value if it is not stated.
func effect[T any](does map[string]any, name string) T {
	x, _ := does[name].(T)
	return x
}

// gemodel reads the parameters of netem's gemodel: p, r, 1-h and 1-k.
func gemodel(v starlark.Value) (g fault.GilbertElliott, err error) {
	expected := fmt.Errorf("expected a mean length, or 2 to 4 chances (p, r, 1-h, 1-k), got %v", v)
	list, ok := v.(starlark.Indexable)
	if _, isText := starlark.AsString(v); !ok || isText || list.Len() < 2 || list.Len() > 4 {
		return g, expected
	}
	g.Bad = 1
	for i, field := range []*float64{&g.P, &g.R, &g.Bad, &g.Good}[:list.Len()] {
		x, ok := starlark.AsFloat(list.Index(i))
		if !ok || !(x >= 0 && x <= 1) {
			return g, expected
		}
		*field = x
	}
	return g, nil
}

// describe sets the rule's text, which omits the place.
func (v *ruleValue) describe() {
	var parts []string
	for _, name := range choiceNames {
		if x, ok := v.chose[name]; ok {
			parts = append(parts, effectText(name, x))
		}
	}
	for _, name := range effectNames {
		if x, ok := v.does[name]; ok {
			parts = append(parts, effectText(name, x))
		}
	}
	switch v.text = strings.Join(parts, " "); {
	case effectless(v.does) && !v.drops:
		v.text = strings.TrimSpace(v.text + " nothing")
	case v.text == "":
		v.text = "drop"
	}
	v.rule.Name = v.text
}

func effectText(name string, x any) string {
	text := fmt.Sprint(x)
	if p, ok := x.(*packetvalue.Value); ok {
		text = p.Code()
	}
	if _, list := x.([]int); list {
		text = strings.ReplaceAll(text, " ", ", ")
	}
	if on, ok := x.(bool); ok {
		text = starlark.Bool(on).String()
	}
	if bps, ok := x.(uint64); ok {
		text = rateText(bps)
	}
	return name + "=" + text
}

// rateText returns a rate as an integer in the largest unit that is exact.
func rateText(bps uint64) string {
	for _, u := range []struct {
		bits uint64
		name string
	}{{1e9, "gbit"}, {1e6, "mbit"}, {1e3, "kbit"}} {
		if bps%u.bits == 0 {
			return fmt.Sprint(bps/u.bits, u.name)
		}
	}
	return fmt.Sprint(bps, "bit")
}
