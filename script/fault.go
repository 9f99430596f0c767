package script

import (
	"fmt"
	"maps"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack/clock"
)

// ruleValue is the value of fault(): a fault rule, which applies until it is removed.
type ruleValue struct {
	s       *Session
	w       *task.World
	where   string
	a, b    string // names of a link's two ends; empty for a device
	dir     string
	set     *fault.Set
	rule    *fault.Rule
	chose   map[string]any // the arguments that select packets, by name
	does    map[string]any // the arguments that state its effects, by name
	drops   bool           // true if the rule drops the frames that it selects, because no effect was stated
	text    string
	off     bool
	planned []*fault.Planned // effects that a plan applies instead of rule
}

// String describes the rule, and whether it is still in force.
func (v *ruleValue) String() string {
	return since("fault on "+v.where+": "+v.text, v.off, "off")
}

func (v *ruleValue) Type() string          { return "fault" }
func (v *ruleValue) Freeze()               {}
func (v *ruleValue) Truth() starlark.Bool  { return starlark.Bool(!v.off) }
func (v *ruleValue) Hash() (uint32, error) { return starlark.String(v.where).Hash() }

func (v *ruleValue) hits() (n uint64) {
	v.s.tasks.Do(v.w, func(clock.Instant) {
		n = v.rule.Hits
		for _, p := range v.planned {
			n += p.Rule.Hits
		}
	})
	return n
}

// Attr returns a field or a method of the rule.
func (v *ruleValue) Attr(name string) (starlark.Value, error) {
	if name == "hits" {
		return num(v.hits()), nil
	}
	return suggest.Attr(v, name, v.s.member("fault", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *ruleValue) AttrNames() []string {
	return append([]string{"hits"}, v.s.reg.Members["fault"]...)
}

// effectSig is the part of a signature for the arguments that state a rule's effects.
const (
	effectSig = `loss=None, duplicate=None, corrupt=None, reorder=None, delay=None, jitter=None, rate=None, burst=None, limit=None, ` +
		`max_size=None, bucket=None, interval=None, ecn=None`
	effectKinds = "chance chance chance chance duration duration rate any int:0.. int:0.. int:0.. duration bool"
	effectArgs  = `loss: the chance of a loss, 0 to 1; duplicate: the chance of a second copy; corrupt: the chance of a changed octet; ` +
		`reorder: the chance of a delay of 10 ms, so that later packets overtake; delay: delay of each packet; jitter: largest additional random delay; ` +
		`rate: bits per second at which packets leave one after the other, before any delay ("1mbit", "100kbit", or in octets "1mbps"); ` +
		`burst: mean number of consecutive packets lost by loss=, or the 2 to 4 parameters of netem's gemodel: the chances (p, r, 1-h, 1-k) of ` +
		`a bad period's begin and end, and of a loss in bad and in good periods; limit: largest number of delayed packets, 1000 with rate=, beyond which packets are lost; ` +
		`max_size: longest packet in octets, beyond which packets are lost; bucket: packets per interval, beyond which packets are lost; interval: time after which the bucket is full again, 1 s by default; ` +
		`ecn: whether ECN-capable packets are marked CE where loss=, burst= or the match would lose them`
)

func faultBuiltins() []*builtin {
	return []*builtin{
		{Name: "fault", Sig: `dev_or_link, dir="both", match=None, nth=None, every=None, ` + effectSig,
			Kinds: "any str pattern ints int:1.. " + effectKinds,
			Args: `dev_or_link: an interface's row or name, or a link; dir: "both", "rx", "tx", on a link "a->b"; match: a filter, a pattern, or a function of a packet; ` +
				`nth: numbers of the matches to select, counted from 1 in each direction; every: select one match in this many; ` + effectArgs,
			Result: "fault", See: "faults, fault.set, fault.off",
			Doc:     "Add a fault rule to an interface or a link; if no effect is stated, it drops what matches.",
			Example: `f = fault(ifaces()[0], match="icmp", nth=[1]); ping("192.168.69.100", count=2, interval="10ms"); f.hits`, Fn: builtinFault},
		{Name: "fault.set", Sig: effectSig, Kinds: effectKinds, Args: effectArgs, See: "fault",
			Doc:     "Change the rule's effects; 0 removes an effect, and without any effect all packets pass.",
			Example: `f = fault(ifaces()[0], match="icmp", delay="5ms"); f.set(delay="1ms", rate="10mbit"); ping("192.168.69.100", count=1).received`, Fn: faultSet},
		{Name: "fault.off", Doc: "Remove the rule.", Example: `fault(ifaces()[0], loss=0.5).off()`, Fn: faultOff},
		{Name: "faults", Result: "table", Fields: "where dir rule hits", Doc: "The fault rules that are in force; a row is its rule.", Example: `fault(ifaces()[0], loss=0.15); faults()[0].off()`, Fn: faultsTable},
	}
}

func builtinFault(c *call) (starlark.Value, error) {
	v := &ruleValue{s: c.s, dir: arg[string](c, "dir"), chose: map[string]any{}, does: map[string]any{}}
	a, b, err := c.faultPlace(v)
	if err != nil {
		return nil, err
	}
	v.a, v.b = a, b
	v.drops = !c.effects(v.does)
	r, err := c.ruleOf(v.does)
	if err != nil {
		return nil, err
	}
	r.Pass = !v.drops
	r.Nth, r.Every = arg[[]int](c, "nth"), arg[int](c, "every")
	for _, n := range r.Nth {
		if n < 1 {
			return nil, c.errorf("nth counts from 1, got %d", n)
		}
	}
	switch v.dir {
	case "both":
	case "rx":
		r.Dir = fault.RX
	case "tx":
		r.Dir = fault.TX
	case a + "->" + b:
		r.Dir = fault.TX
	case b + "->" + a:
		r.Dir = fault.RX
	default:
		want := `"both", "rx" or "tx"`
		if b != "" {
			want = fmt.Sprintf(`"both", "%s->%s" or "%s->%s"`, a, b, b, a)
		}
		return nil, c.errorf("dir is %s, got %q", want, v.dir)
	}
	if err := c.faultMatch(v, r); err != nil {
		return nil, err
	}
	for _, name := range []string{"match", "nth", "every"} {
		if x := c.Values[c.b.Index(name)]; x != nil && x != starlark.None {
			v.chose[name] = x
		}
	}
	if len(v.chose) == 0 && v.drops {
		r.Match = func([]byte, phy.Medium) bool { return true } // a rule without effects and selection drops every packet
	}
	v.rule = r
	v.describe()
	if c.s.cfg.Plan != nil {
		c.s.plan(v, c.where())
	} else {
		c.s.tasks.Do(v.w, func(clock.Instant) { v.set.Add(r) })
	}
	c.s.faulted.rules = append(c.s.faulted.rules, v)
	return v, nil
}

func faultSet(c *call) (starlark.Value, error) {
	v := c.recv.(*ruleValue)
	does := maps.Clone(v.does)
	stated := c.effects(does)
	to, err := c.ruleOf(does)
	if err != nil {
		return nil, err
	}
	v.drops = v.drops && !stated
	to.Pass, v.does = !v.drops, does
	c.s.tasks.Do(v.w, func(clock.Instant) {
		v.set.Change(v.rule, to)
		v.describe()
	})
	if c.s.cfg.Plan != nil && !v.off {
		c.s.plan(v, c.where())
	}
	return starlark.None, nil
}

// faultPlace sets in v the device or link to which the rule applies. It returns the names of a link's two ends; both are empty
// for a device.
func (c *call) faultPlace(v *ruleValue) (a, b string, err error) {
	x := arg[starlark.Value](c, "dev_or_link")
	if name, ok := starlark.AsString(x); ok {
		x = &ifaceValue{c.t.host, name}
	}
	if r, ok := x.(*table.Row); ok {
		x = r.About
	}
	switch x := x.(type) {
	case *linkValue:
		v.w, v.set, v.where = x.w, x.k.Faults(), x.label()
		return x.a, x.b, nil
	case *ifaceValue:
		v.w, v.where = x.h.w, x.String()
		c.s.tasks.Do(v.w, func(clock.Instant) {
			if p := x.port(); p != nil {
				v.set = p.Faults()
			}
		})
		if v.set == nil {
			return "", "", c.errorf("%v", x.h.noIface(x.name))
		}
		return "", "", nil
	}
	hint := ""
	if x.Type() == "switch" {
		hint = ": put it on one of its cables, the link that s.attach(host) gives"
	}
	return "", "", c.errorf("argument 1 (dev_or_link) is an interface's name or row, or a link, got %s%s", x.Type(), hint)
}

// faultMatch sets the rule's predicate from match=: a filter, a pattern, or a function of a packet.
func (c *call) faultMatch(v *ruleValue, r *fault.Rule) error {
	f, err := c.chooser(v.w, "match")
	switch {
	case err != nil || f == nil:
		return err
	case f.pattern.Calls():
		r.MatchWay = f.passing(v)
	default:
		r.Match = f.Match
	}
	return nil
}

// takesOne reports whether a function can be called with one argument; of one that is not a script's it assumes that.
func takesOne(fn starlark.Callable) bool {
	f, ok := fn.(*starlark.Function)
	if !ok {
		return true
	}
	named, required := f.NumParams()-f.NumKwonlyParams(), 0
	for _, rest := range []bool{f.HasVarargs(), f.HasKwargs()} {
		if rest {
			named--
		}
	}
	for i := range named {
		if f.ParamDefault(i) == nil {
			required++
		}
	}
	return required <= 1 && (named >= 1 || f.HasVarargs())
}

// predicateSteps is the number of steps that a packet function may compute per packet.
const predicateSteps = 100_000

// way returns the text for a direction. On a link it contains the names of the ends.
func (v *ruleValue) way(d fault.Dir) string {
	switch {
	case v.a == "":
		return d.String()
	case d == fault.TX:
		return v.a + "->" + v.b
	}
	return v.b + "->" + v.a
}

func faultOff(c *call) (starlark.Value, error) {
	v := c.recv.(*ruleValue)
	if !v.off {
		v.off = true
		c.s.tasks.Do(v.w, func(clock.Instant) {
			v.set.Remove(v.rule)
			for _, p := range v.planned {
				v.set.Remove(p.Rule)
			}
		})
	}
	return starlark.None, nil
}

func faultsTable(c *call) (starlark.Value, error) {
	t := c.table(table.Columns("WHERE DIR RULE HITS")...)
	for _, v := range c.s.faulted.rules {
		if !v.off {
			r := t.Add(starlark.String(v.where), starlark.String(v.dir), starlark.String(v.text), num(v.hits()))
			r.Actions, r.About = "fault", v
		}
	}
	return t, nil
}
