package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// A Plan says what remains of the faults that a script states: with fault(), fault.set(), and loss= and
// jitter= of links, numbered from 1 in the order in which they are stated. Each is taken apart into its
// effects, which are what is kept or left out.
type Plan struct {
	All  bool // everything remains, and what each effect does is recorded
	Kept []Kept
}

// Kept is what remains of one statement.
type Kept struct {
	Number int
	Effect string   // one of them, or "" for all
	Frames [2][]int // received and sent; where there are any, the effect meets just these matches, counted from 1
}

// ParseKept reads N, N.EFFECT, and N.EFFECT:rx:M,M or N.EFFECT:tx:M, or both, for single frames.
func ParseKept(text string) (k Kept, err error) {
	wrong := fmt.Errorf("%q is not N, N.EFFECT or N.EFFECT:tx:M,M, such as 1.loss:tx:3,7", text)
	head, frames, narrowed := strings.Cut(text, ":")
	number, effect, dotted := strings.Cut(head, ".")
	k.Effect = effect
	if k.Number, err = strconv.Atoi(number); err != nil || k.Number < 1 || effect == "" && (narrowed || dotted) {
		return k, wrong
	}
	if effect != "" && !slices.ContainsFunc(planEffects, func(e planEffect) bool { return e.name == effect }) {
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

// String is what ParseKept reads.
func (k Kept) String() string {
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

func (k Kept) narrowed() bool { return len(k.Frames[0])+len(k.Frames[1]) > 0 }

// keeps is what remains of an effect of a statement; ok is false where nothing does. A nil plan keeps all.
func (p *Plan) keeps(number int, effect string) (k Kept, ok bool) {
	if p == nil || p.All {
		return Kept{Number: number, Effect: effect}, true
	}
	for _, k := range p.Kept {
		if k.Number == number && (k.Effect == effect || k.Effect == "") {
			return k, true
		}
	}
	return k, false
}

// planEffect is one thing that a rule can do, by itself.
type planEffect struct {
	name   string
	narrow bool // single frames of it make sense
	has    func(r *fault.Rule) bool
	take   func(to, from *fault.Rule) // this effect of from, and no other
	sure   func(r *fault.Rule)        // it happens to each frame that is chosen; nil: the frame is dropped
}

// planEffects are in the order in which a rule applies them, so that taking it apart changes no draw.
var planEffects = []planEffect{
	{"drop", true, dropsOnly, func(to, from *fault.Rule) {}, nil},
	{"max_size", true, func(r *fault.Rule) bool { return r.MaxSize > 0 }, func(to, from *fault.Rule) { to.MaxSize = from.MaxSize }, nil},
	{"bucket", true, func(r *fault.Rule) bool { return r.Bucket > 0 }, func(to, from *fault.Rule) { to.Bucket, to.Interval = from.Bucket, from.Interval }, nil},
	{"loss", true, func(r *fault.Rule) bool { return r.Loss > 0 }, func(to, from *fault.Rule) { to.Loss = from.Loss }, nil},
	{"burst", true, func(r *fault.Rule) bool { return r.Burst != (fault.GilbertElliott{}) }, func(to, from *fault.Rule) { to.Burst = from.Burst }, nil},
	{"corrupt", true, func(r *fault.Rule) bool { return r.Corrupt > 0 }, func(to, from *fault.Rule) { to.Corrupt = from.Corrupt }, func(r *fault.Rule) { r.Corrupt = 1 }},
	{"duplicate", true, func(r *fault.Rule) bool { return r.Duplicate > 0 }, func(to, from *fault.Rule) { to.Duplicate = from.Duplicate }, func(r *fault.Rule) { r.Duplicate = 1 }},
	{"rate", false, func(r *fault.Rule) bool { return r.RateBps > 0 }, func(to, from *fault.Rule) { to.RateBps, to.Limit = from.RateBps, from.Limit }, nil},
	{"reorder", true, func(r *fault.Rule) bool { return r.Reorder > 0 }, func(to, from *fault.Rule) { to.Reorder, to.Hold = from.Reorder, from.Hold }, func(r *fault.Rule) { r.Reorder = 1 }},
	{"delay", false, func(r *fault.Rule) bool { return r.Delay > 0 }, func(to, from *fault.Rule) { to.Delay, to.Limit = from.Delay, from.Limit }, nil},
	{"jitter", false, func(r *fault.Rule) bool { return r.Jitter > 0 }, func(to, from *fault.Rule) { to.Jitter, to.Limit = from.Jitter, from.Limit }, nil},
}

// dropsOnly reports whether a rule has no effect, and so drops what it chooses.
func dropsOnly(r *fault.Rule) bool {
	return r.MaxSize == 0 && r.Bucket == 0 && r.Loss == 0 && r.Burst == (fault.GilbertElliott{}) && r.Corrupt == 0 &&
		r.Duplicate == 0 && r.RateBps == 0 && r.Reorder == 0 && r.Delay == 0 && r.Jitter == 0
}

// Trouble is an effect that a test has stated, and what it did.
type Trouble struct {
	Kept          // what it is, with the frames that it has met where they can be told
	Narrow bool   // whether single frames of it can be kept
	Where  string // the script's file and line
	What   string // as fault() would have it: fault on a-b, dir="a->b", loss=0.2
	Hits   uint64
}

// part is an effect in force, and how it is counted.
type part struct {
	Trouble
	at   string // the place
	text string // of the choice and the effect
	rule *fault.Rule
	seen [2]int
	last [2]int // the frame that was chosen last, and the direction, whose hit is still to be looked for
	hits uint64
}

// plan puts what remains of a rule in force, in place of the rule.
func (s *Session) plan(v *ruleValue, where string) {
	s.stated++
	s.do(v.w, func(clock.Instant) {
		for _, p := range v.parts {
			v.set.Remove(p.rule)
		}
		v.parts = v.parts[:0]
		for _, e := range planEffects {
			k, ok := s.cfg.Plan.keeps(s.stated, e.name)
			if !ok || !e.has(v.rule) {
				continue
			}
			for _, r := range e.rules(v.rule, k) {
				p := &part{Trouble: Trouble{Kept: Kept{Number: s.stated, Effect: e.name}, Narrow: e.narrow, Where: where},
					at: v.where, rule: r}
				p.text = partText(v, e, r, k)
				p.count()
				v.parts = append(v.parts, p)
				s.parts = append(s.parts, p)
				v.set.Add(r)
			}
		}
	})
}

// rules are the rules that an effect becomes: one, or where single frames are kept one for each direction.
func (e *planEffect) rules(from *fault.Rule, k Kept) []*fault.Rule {
	base := fault.Rule{Name: from.Name, Dir: from.Dir, Match: from.Match, MatchWay: from.MatchWay, Nth: from.Nth, Every: from.Every, ECN: from.ECN}
	if !k.narrowed() {
		r := base
		e.take(&r, from)
		return []*fault.Rule{&r}
	}
	var list []*fault.Rule
	for i, dir := range []fault.Dir{fault.RX, fault.TX} {
		if len(k.Frames[i]) == 0 || from.Dir != fault.Both && from.Dir != dir {
			continue
		}
		r := base
		r.Dir, r.Nth, r.Every = dir, k.Frames[i], 0
		if e.sure != nil {
			e.take(&r, from)
			e.sure(&r)
		}
		list = append(list, &r)
	}
	return list
}

// count makes the part know which frames its rule has met.
func (p *part) count() {
	match := p.rule.MatchWay
	p.rule.MatchWay = func(d fault.Dir, frame []byte, m phy.Medium) bool {
		if match != nil && !match(d, frame, m) {
			return false
		}
		p.settle()
		i := 0
		if d == fault.TX {
			i = 1
		}
		p.seen[i]++
		p.last = [2]int{p.seen[i], i}
		return true
	}
}

// maxMet bounds how many frames are remembered of an effect.
const maxMet = 10000

// settle looks whether the frame that was chosen last was hit.
func (p *part) settle() {
	if p.rule.Hits > p.hits && p.last[0] > 0 && len(p.Frames[0])+len(p.Frames[1]) < maxMet {
		p.Frames[p.last[1]] = append(p.Frames[p.last[1]], p.last[0])
	}
	p.hits, p.last = p.rule.Hits, [2]int{}
}

// partText is what a script would say to state this part alone, without the place.
func partText(v *ruleValue, e planEffect, r *fault.Rule, k Kept) string {
	words := []string{}
	dir := [...]string{"", "rx", "tx"}[r.Dir]
	if v.a != "" {
		dir = [...]string{"", v.b + "->" + v.a, v.a + "->" + v.b}[r.Dir]
	}
	if dir != "" {
		words = append(words, "dir="+strconv.Quote(dir))
	}
	if x, ok := v.chose["match"]; ok {
		words = append(words, effectText("match", x))
	}
	switch {
	case k.narrowed():
		words = append(words, effectText("nth", r.Nth))
		if e.sure != nil {
			words = append(words, e.name+"=1")
		}
		return strings.Join(words, ", ")
	case len(r.Nth) > 0:
		words = append(words, effectText("nth", r.Nth))
	}
	if r.Every > 0 {
		words = append(words, effectText("every", r.Every))
	}
	if x, ok := v.does[e.name]; ok {
		words = append(words, argumentText(e.name, x))
	}
	return strings.Join(words, ", ")
}

// argumentText is an argument as a script has it.
func argumentText(name string, x any) string {
	switch x.(type) {
	case time.Duration, uint64:
		text := effectText(name, x)
		return name + "=" + strconv.Quote(text[len(name)+1:])
	}
	return effectText(name, x)
}

// planLink leaves out of a link's own faults what the plan does not keep. Single frames of them can't be.
func (c *call) planLink(cfg *lab.LinkConfig, a, b string) {
	s := c.s
	if s.cfg.Plan == nil || cfg.Loss == 0 && cfg.Jitter == 0 {
		return
	}
	s.stated++
	one := func(effect, text string) bool {
		if _, ok := s.cfg.Plan.keeps(s.stated, effect); !ok {
			return false
		}
		p := &part{Trouble: Trouble{Kept: Kept{Number: s.stated, Effect: effect}, Where: c.where()}, at: a + "-" + b + ", the link's own", text: text}
		p.rule = &fault.Rule{Hits: 1} // nobody counts them; it may have been what mattered
		s.parts = append(s.parts, p)
		return true
	}
	if cfg.Loss > 0 && !one("loss", fmt.Sprintf("loss=%v", cfg.Loss)) {
		cfg.Loss = 0
	}
	if cfg.Jitter > 0 && !one("jitter", fmt.Sprintf("jitter=%v", cfg.Jitter)) {
		cfg.Jitter = 0
	}
}

// where is the file and line of the call.
func (c *call) where() string {
	if c.t.thread.CallStackDepth() < 2 {
		return ""
	}
	pos := c.t.thread.CallFrame(1).Pos
	return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
}

// Troubles are the effects that the script has stated and the plan has kept, with what they did; nil without a
// plan.
func (s *Session) Troubles() []Trouble {
	var list []Trouble
	for _, p := range s.parts {
		p.settle()
		t := p.Trouble
		t.Hits = p.rule.Hits
		t.What = "fault on " + p.at
		if p.text != "" {
			t.What += ", " + p.text
		}
		list = append(list, t)
	}
	return list
}
