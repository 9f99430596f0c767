package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/phy/fault"
	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack"
)

// A chooser chooses frames by the pattern of a call's argument, on the goroutine that owns a world. A nil one chooses every frame.
type chooser struct {
	s       *Session
	w       *task.World
	what    string // the call and its argument, such as "trace's filter"
	pattern *packetvalue.Pattern
	dead    bool // true after an error of a script's function, which is not asked any more
}

// chooser returns the chooser of the argument called name, nil where the call has none.
func (c *call) chooser(w *task.World, name string) (*chooser, error) {
	v := arg[starlark.Value](c, name)
	if v == nil || v == starlark.None {
		return nil, nil
	}
	if fn, ok := v.(starlark.Callable); ok && v.Type() == "function" && !takesOne(fn) {
		return nil, c.errorf("%s is called with a packet, and its function takes one argument: lambda p: …", name)
	}
	pt, err := packetvalue.NewPattern(environment{c.s}, v)
	if err != nil && name == "filter" {
		return nil, c.errorf("%v", err)
	}
	if err != nil {
		return nil, c.errorf("%s: %v", name, err)
	}
	return &chooser{s: c.s, w: w, what: c.b.Name + "'s " + name, pattern: pt}, nil
}

// String returns the pattern as a script writes it; of a filter the expression alone.
func (f *chooser) String() string { return f.pattern.String() }

// Match implements lab.Chooser.
func (f *chooser) Match(frame []byte, m phy.Medium) bool { return f.MatchHead(frame, len(frame), m) }

// MatchHead is Match for a frame of length octets, of which head has the first ones.
func (f *chooser) MatchHead(head []byte, length int, m phy.Medium) bool {
	if f == nil {
		return true
	}
	return f.choose(func() (bool, error) { return f.pattern.MatchFrame(head, length, m) })
}

// event is Match for a packet that an observer sees. A function of the packet is told where and when.
func (f *chooser) event(ev *stack.PacketEvent) bool {
	if f == nil || !f.pattern.Calls() {
		return f.Match(ev.Frame.Bytes(), ev.Iface.Medium())
	}
	return f.choose(func() (bool, error) { return f.pattern.Match(sighted(f.s, ev)) })
}

// recent is Match for a packet that was recorded.
func (f *chooser) recent(p *seen) bool {
	if f == nil || !f.pattern.Calls() {
		return f.MatchHead(p.head[:p.n], p.length, p.medium)
	}
	return f.choose(func() (bool, error) { return f.pattern.Match(p.packet(f.s)) })
}

// forLoop returns a chooser with the same pattern, which another goroutine may use. A nil one is returned as it is.
func (f *chooser) forLoop() *chooser {
	if f == nil {
		return nil
	}
	other := *f
	other.pattern = f.pattern.Copy()
	return &other
}

// record is Match for a packet of a file. It is for patterns that call no function, and uses no interpreter.
func (f *chooser) record(rec *capture.Record) bool {
	if f == nil || f.pattern.IsFilter() || linkTables[rec.Link] == nil {
		return f.MatchHead(rec.Frame())
	}
	return f.pattern.MatchLayers(rec.Data, rec.Length, linkTables[rec.Link])
}

// passing returns a fault's predicate. A function of the packet is told the device and the direction.
func (f *chooser) passing(at *ruleValue) func(fault.Dir, []byte, phy.Medium) bool {
	dev := at.where[strings.LastIndexByte(at.where, '.')+1:]
	return func(d fault.Dir, frame []byte, m phy.Medium) bool {
		return f.choose(func() (bool, error) {
			seen := &packetvalue.Sighting{Time: f.w.Now(), Dev: dev, Dir: at.way(d)}
			return f.pattern.Match(packetvalue.New(environment{f.s}, frame, m, seen))
		})
	}
}

// choose asks the pattern. One that calls a script's function gets the interpreter, and is not asked again after an error.
func (f *chooser) choose(match func() (bool, error)) (chosen bool) {
	if !f.pattern.Calls() {
		if chosen, _ = match(); !f.pattern.Calls() {
			return chosen
		} // a protocol has been defined again, with a condition that is a function
		chosen = false
	}
	if f.dead {
		return false
	}
	f.s.tasks.Predicate(!f.w.Virtual(), func() {
		var err error
		if chosen, err = match(); err == nil {
			return
		}
		f.dead = true
		if f.s.trouble(f.what, err) {
			return
		}
		f.s.out.Offer([]byte(f.s.clean(f.s.report(err)) + fmt.Sprintf("\n(the function of %s is not asked any more)", f.what)))
	})
	return chosen
}
