package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"smolsh/phy"
)

// A Plan selects which faults of a run stay in force, so that a failing run can be repeated with fewer faults. The
// faults are numbered from 1 in the order in which the run states them. The plan keeps or omits each effect of a fault
// separately; Split makes a rule for each effect that it keeps. A nil Plan keeps everything.
type Plan struct {
	All  bool // true to keep everything, and to record the hits of each effect
	Kept []Selection
}

// A Selection names one effect of a fault, or all its effects, and optionally the single frames to which it applies.
type Selection struct {
	Number int      // the fault's number, from 1
	Effect string   // the effect, such as "loss", or a field that was drawn, such as "tcp.window"; "" for every effect
	Frames [2][]int // numbers of the matching frames (received, sent), from 1; if there are any, the effect applies only to these frames
}

// ParseSelection parses N, N.EFFECT, N.EFFECT:rx:M,M and N.EFFECT:tx:M,M, also with both directions. The numbers M
// are single frames. N.LAYER.FIELD is a field that the Nth fault, a drawn packet, has.
func ParseSelection(text string) (k Selection, err error) {
	wrong := fmt.Errorf("%q is not N, N.EFFECT or N.EFFECT:tx:M,M, such as 1.loss:tx:3,7", text)
	head, frames, narrowed := strings.Cut(text, ":")
	number, effect, dotted := strings.Cut(head, ".")
	k.Effect = effect
	if k.Number, err = strconv.Atoi(number); err != nil || k.Number < 1 || effect == "" && (narrowed || dotted) {
		return k, wrong
	}
	if effect != "" && !IsField(effect) && !slices.ContainsFunc(plannedEffects, func(e plannedEffect) bool { return e.name == effect }) {
		return k, fmt.Errorf("%q: there is no effect %s", text, effect)
	}
	for narrowed {
		var dir, list string
		dir, frames, _ = strings.Cut(frames, ":")
		list, frames, narrowed = strings.Cut(frames, ":")
		i := slices.Index([]string{"rx", "tx"}, dir)
		if i < 0 {
			return k, wrong
		}
		for n := range strings.SplitSeq(list, ",") {
			m, err := strconv.Atoi(n)
			if err != nil || m < 1 {
				return k, wrong
			}
			k.Frames[i] = append(k.Frames[i], m)
		}
	}
	return k, nil
}

// IsField reports whether an effect is a field of a packet that was drawn at random.
func IsField(effect string) bool { return strings.Contains(effect, ".") }

// String formats a selection as ParseSelection parses it.
func (k Selection) String() string {
	text := strconv.Itoa(k.Number)
	if k.Effect != "" {
		text += "." + k.Effect
	}
	for i, dir := range []string{"rx", "tx"} {
		if list := k.Frames[i]; len(list) > 0 {
			text += ":" + dir + ":" + strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
		}
	}
	return text
}

// single reports whether the selection lists single frames.
func (k Selection) single() bool { return len(k.Frames[0])+len(k.Frames[1]) > 0 }

// Keeps returns the plan's selection for an effect of a fault. ok is false if the plan omits the effect.
func (p *Plan) Keeps(number int, effect string) (k Selection, ok bool) {
	if p == nil || p.All {
		return Selection{Number: number, Effect: effect}, true
	}
	for _, k := range p.Kept {
		if k.Number == number && (k.Effect == effect || k.Effect == "") {
			return k, true
		}
	}
	return k, false
}

// plannedEffect is one effect of a rule.
type plannedEffect struct {
	name        string
	narrow      bool // true if the effect may be limited to single frames
	has         func(r *Rule) bool
	copy        func(to, from *Rule) // copies the parameters of this effect alone
	makeCertain func(r *Rule)        // sets the effect's probability to 1; nil if the effect drops the frame
}

// plannedEffects lists every effect in the order in which a rule applies them. With this order, splitting a rule
// changes no random draw.
var plannedEffects = []plannedEffect{
	{"drop", true, dropsOnly, func(to, from *Rule) {}, nil},
	{"max_size", true, func(r *Rule) bool { return r.MaxSize > 0 }, func(to, from *Rule) { to.MaxSize = from.MaxSize }, nil},
	{"bucket", true, func(r *Rule) bool { return r.Bucket > 0 }, func(to, from *Rule) { to.Bucket, to.Interval = from.Bucket, from.Interval }, nil},
	{"loss", true, func(r *Rule) bool { return r.Loss > 0 }, func(to, from *Rule) { to.Loss = from.Loss }, nil},
	{"burst", true, func(r *Rule) bool { return r.Burst != (GilbertElliott{}) }, func(to, from *Rule) { to.Burst = from.Burst }, nil},
	{"corrupt", true, func(r *Rule) bool { return r.Corrupt > 0 }, func(to, from *Rule) { to.Corrupt = from.Corrupt }, func(r *Rule) { r.Corrupt = 1 }},
	{"duplicate", true, func(r *Rule) bool { return r.Duplicate > 0 }, func(to, from *Rule) { to.Duplicate = from.Duplicate }, func(r *Rule) { r.Duplicate = 1 }},
	{"rate", false, func(r *Rule) bool { return r.RateBps > 0 }, func(to, from *Rule) { to.RateBps, to.Limit = from.RateBps, from.Limit }, nil},
	{"reorder", true, func(r *Rule) bool { return r.Reorder > 0 }, func(to, from *Rule) { to.Reorder, to.Hold = from.Reorder, from.Hold }, func(r *Rule) { r.Reorder = 1 }},
	{"delay", false, func(r *Rule) bool { return r.Delay > 0 }, func(to, from *Rule) { to.Delay, to.Limit = from.Delay, from.Limit }, nil},
	{"jitter", false, func(r *Rule) bool { return r.Jitter > 0 }, func(to, from *Rule) { to.Jitter, to.Limit = from.Jitter, from.Limit }, nil},
}

// dropsOnly reports whether a rule drops every frame that it chooses, because it has a choice, no effect and not Pass.
func dropsOnly(r *Rule) bool {
	return !r.Pass && r.hasChoice() && r.MaxSize == 0 && r.Bucket == 0 && r.Loss == 0 && r.Burst == (GilbertElliott{}) && r.Corrupt == 0 &&
		r.Duplicate == 0 && r.RateBps == 0 && r.Reorder == 0 && r.Delay == 0 && r.Jitter == 0
}

// A Report describes an effect that a run has stated, and the frames that it has hit.
type Report struct {
	Selection        // the effect; Frames has the matches that it hit, at most maxReported of them
	Narrow    bool   // true if the effect may be limited to single frames
	Where     string // the statement: file and line
	What      string // the effect in the words of the statement
	Hits      uint64 // frames that the effect dropped, changed, copied or delayed
}

// Planned is an effect that a plan keeps in force. The caller of Split sets Where and What.
type Planned struct {
	Report
	Rule    *Rule // rule with this effect only
	Single  bool  // true if the plan limits the effect to single frames, whose numbers Rule.Nth has
	Certain bool  // true if Rule applies the effect with probability 1, false if it drops the frames; valid if Single

	seen [2]int // matches so far, by direction
	last [2]int // number and direction of the latest match; 0 after recordHit has processed it
	hits uint64 // Rule.Hits at the last recordHit
}

// Split returns the effects of rule that the plan keeps. Each Planned has a rule of its own. The caller adds these
// rules in this order, instead of rule. number is the fault's number.
func (p *Plan) Split(number int, rule *Rule) []*Planned {
	var list []*Planned
	for _, e := range plannedEffects {
		k, ok := p.Keeps(number, e.name)
		if !ok || !e.has(rule) {
			continue
		}
		for _, r := range e.rules(rule, k) {
			one := &Planned{Report: Report{Selection: Selection{Number: number, Effect: e.name}, Narrow: e.narrow},
				Rule: r, Single: k.single(), Certain: e.makeCertain != nil}
			one.count()
			list = append(list, one)
		}
	}
	return list
}

// rules returns the rules for one effect: one rule, or one for each direction if the plan lists single frames.
func (e *plannedEffect) rules(from *Rule, k Selection) []*Rule {
	base := Rule{Name: from.Name, Dir: from.Dir, Match: from.Match, MatchWay: from.MatchWay, Nth: from.Nth, Every: from.Every, ECN: from.ECN}
	if !k.single() {
		r := base
		r.Pass = from.Pass
		e.copy(&r, from)
		return []*Rule{&r}
	}
	var list []*Rule
	for i, dir := range []Dir{RX, TX} {
		if len(k.Frames[i]) == 0 || from.Dir != Both && from.Dir != dir {
			continue
		}
		r := base
		r.Dir, r.Nth, r.Every = dir, k.Frames[i], 0
		if e.makeCertain != nil {
			e.copy(&r, from)
			e.makeCertain(&r)
		}
		list = append(list, &r)
	}
	return list
}

// count makes the rule number its matches, so that the numbers of its hits can be recorded.
func (p *Planned) count() {
	match := p.Rule.MatchWay
	p.Rule.MatchWay = func(d Dir, frame []byte, m phy.Medium) bool {
		if match != nil && !match(d, frame, m) {
			return false
		}
		p.recordHit()
		i := d.index()
		p.seen[i]++
		p.last = [2]int{p.seen[i], i}
		return true
	}
}

// maxReported is the maximum number of frames of one effect that a Report lists.
const maxReported = 10000

// recordHit records the newest match if the rule hit it.
func (p *Planned) recordHit() {
	if p.Rule.Hits > p.hits && p.last[0] > 0 && len(p.Frames[0])+len(p.Frames[1]) < maxReported {
		p.Frames[p.last[1]] = append(p.Frames[p.last[1]], p.last[0])
	}
	p.hits, p.last = p.Rule.Hits, [2]int{}
}

// Unmatched returns the plan's selections that name nothing in a run whose faults Split has made into list: an effect that no fault has, or
// frames that no fault has seen. The Frames of a result are only those without a match.
func (p *Plan) Unmatched(list []*Planned) (missing []Selection) {
	if p == nil {
		return nil
	}
	for _, k := range p.Kept {
		var seen [2]int // matches of the effect, by direction
		stated := false
		for _, one := range list {
			if one.Number == k.Number && (one.Effect == k.Effect || k.Effect == "") {
				stated = true
				for i, n := range one.seen {
					seen[i] = max(seen[i], n)
				}
			}
		}
		if !stated {
			missing = append(missing, k)
			continue
		}
		left := Selection{Number: k.Number, Effect: k.Effect}
		for i, frames := range k.Frames {
			for _, n := range frames {
				if n > seen[i] {
					left.Frames[i] = append(left.Frames[i], n)
				}
			}
		}
		if left.single() {
			missing = append(missing, left)
		}
	}
	return missing
}

// Result returns the report of the effect so far.
func (p *Planned) Result() Report {
	p.recordHit()
	r := p.Report
	r.Hits = p.Rule.Hits
	return r
}
