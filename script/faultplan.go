package script

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"smolsh/phy/fault"
	"smolsh/script/packetvalue"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/packet"
)

// plan puts the rule's effects that the session's fault plan keeps in force, instead of the rule.
func (s *Session) plan(v *ruleValue, where string) {
	s.faulted.stated++
	s.tasks.Do(v.w, func(clock.Instant) {
		for _, p := range v.planned {
			v.set.Remove(p.Rule)
		}
		v.planned = s.cfg.Plan.Split(s.faulted.stated, v.rule)
		for _, p := range v.planned {
			p.Where, p.What = where, statedText(v.where, plannedText(v, p))
			v.set.Add(p.Rule)
		}
		s.faulted.planned = append(s.faulted.planned, v.planned...)
	})
}

// statedText describes an effect at a place, in the words of fault().
func statedText(place, text string) string {
	if text != "" {
		text = ", " + text
	}
	return "fault on " + place + text
}

// plannedText returns the arguments of fault() that state only the effect p. It omits the place.
func plannedText(v *ruleValue, p *fault.Planned) string {
	words, r := []string{}, p.Rule
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
	case p.Single:
		words = append(words, effectText("nth", r.Nth))
		if p.Certain {
			words = append(words, p.Effect+"=1")
		}
		return strings.Join(words, ", ")
	case len(r.Nth) > 0:
		words = append(words, effectText("nth", r.Nth))
	}
	if r.Every > 0 {
		words = append(words, effectText("every", r.Every))
	}
	if x, ok := v.does[p.Effect]; ok {
		words = append(words, argumentText(p.Effect, x))
	}
	return strings.Join(words, ", ")
}

// argumentText formats an argument as a script writes it.
func argumentText(name string, x any) string {
	switch x.(type) {
	case time.Duration, uint64:
		text := effectText(name, x)
		return name + "=" + strconv.Quote(text[len(name)+1:])
	}
	return effectText(name, x)
}

// planLink removes those faults in a link's configuration that the plan omits. Unlike rules, they can't be restricted
// to single frames.
func (c *call) planLink(cfg *lab.LinkConfig, a, b string) {
	s := c.s
	if s.cfg.Plan == nil || cfg.Loss == 0 && cfg.Jitter == 0 {
		return
	}
	s.faulted.stated++
	one := func(effect, text string) bool {
		if _, ok := s.cfg.Plan.Keeps(s.faulted.stated, effect); !ok {
			return false
		}
		s.faulted.planned = append(s.faulted.planned, &fault.Planned{
			Report: fault.Report{Selection: fault.Selection{Number: s.faulted.stated, Effect: effect}, Where: c.where(),
				What: statedText(a+"-"+b+", the link's own", text)},
			Rule: &fault.Rule{Hits: 1}, // 1 means any number, since a link does not count hits
		})
		return true
	}
	if cfg.Loss > 0 && !one("loss", fmt.Sprintf("loss=%v", cfg.Loss)) {
		cfg.Loss = 0
	}
	if cfg.Jitter > 0 && !one("jitter", fmt.Sprintf("jitter=%v", cfg.Jitter)) {
		cfg.Jitter = 0
	}
}

// maxDrawn is the largest number of drawn fields that a run records, for shrinking.
const maxDrawn = 100000

// planFuzz returns the function that says which fields of the next drawn packet the session's fault plan keeps, nil for all, and one that
// records those that were drawn.
func (c *call) planFuzz(d *packet.Draft) (keep func(layer int, f *packet.Field) bool, record func(out *packet.Draft, drawn []packet.Drawn)) {
	s := c.s
	if s.cfg.Plan == nil {
		return nil, func(*packet.Draft, []packet.Drawn) {}
	}
	s.faulted.stated++
	number := s.faulted.stated
	keep = func(layer int, f *packet.Field) bool {
		_, ok := s.cfg.Plan.Keeps(number, drawnName(d, layer, f))
		return ok
	}
	return keep, func(out *packet.Draft, drawn []packet.Drawn) {
		for _, x := range drawn {
			if s.faulted.drawn++; s.faulted.drawn > maxDrawn {
				return
			}
			name := drawnName(d, x.Layer, x.Field)
			s.faulted.planned = append(s.faulted.planned, &fault.Planned{
				Report: fault.Report{Selection: fault.Selection{Number: number, Effect: name}, Where: c.where(),
					What: "fuzz, " + name + "=" + packetvalue.FieldCode(x.Field, out.Layers[x.Layer].Value(x.Field))},
				Rule: &fault.Rule{Hits: 1},
			})
		}
	}
}

// drawnName names a field of a drawn packet: its layer's attribute, with the layer's number among those of that name from the second on,
// and the field.
func drawnName(d *packet.Draft, layer int, f *packet.Field) string {
	attr, n := d.Layers[layer].Protocol.Attr, 1
	for _, l := range d.Layers[:layer] {
		if l.Protocol.Attr == attr {
			n++
		}
	}
	if n > 1 {
		attr += "#" + strconv.Itoa(n)
	}
	return attr + "." + f.Name
}

// where returns the file and line from which the builtin was called.
func (c *call) where() string {
	if c.t.thread.CallStackDepth() < 2 {
		return ""
	}
	pos := c.t.thread.CallFrame(1).Pos
	return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
}

// FaultReports returns every effect that the script has stated and the plan has kept, and the effect's hits. It returns
// nil without a plan.
func (s *Session) FaultReports() []fault.Report {
	var list []fault.Report
	for _, p := range s.faulted.planned {
		list = append(list, p.Result())
	}
	return list
}
