package script

import (
	"net/netip"
	"os"
	"slices"

	"smolsh/phy/fault"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// middleware has the command line's fault rules, trace and capture, which concern every lab of the session.
type middleware struct {
	rules   []middlewareRule
	trace   bool
	capture *captureValue // capture of the command line; nil if there is none
}

// middlewareRule is a fault rule of the command line, and its text in faults().
type middlewareRule struct {
	rule fault.Rule
	text string
}

// AddFault puts a rule on the interfaces of the session's own host, and of every host that a script adds. A frame passes it
// once. Hosts of the session's own lab have it in the rule's direction. Hosts of other labs have a rule for both directions
// where a frame is received.
func (s *Session) AddFault(r fault.Rule, text string) {
	m := middlewareRule{r, text}
	m.rule.Once = r.Dir == fault.Both // hosts of one lab may send to each other
	s.watching.middleware.rules = append(s.watching.middleware.rules, m)
	s.tasks.Do(s.home, func(clock.Instant) {
		for _, p := range s.cfg.Local.Ports() {
			s.impair(s.home, p, m)
		}
		s.cfg.Lab.OnPort = func(p *lab.Port) { s.impairNew(s.home, p) }
	})
}

// impairNew puts every rule of the command line on a port of a host that a script has added; on the owner.
func (s *Session) impairNew(w *task.World, p *lab.Port) {
	for _, m := range s.watching.middleware.rules {
		s.impair(w, p, m)
	}
}

// impair puts a rule of the command line on a port; on the owner.
func (s *Session) impair(w *task.World, p *lab.Port, m middlewareRule) {
	one := m.rule
	one.Name = m.text
	if one.Dir == fault.Both && p.Host().Lab() != s.cfg.Lab {
		one.Dir, one.Once = fault.RX, false
	}
	p.Faults().Add(&one)
	s.faulted.rules = append(s.faulted.rules, &ruleValue{s: s, w: w, where: p.Host().Name() + "." + p.Iface().Name(),
		dir: one.Dir.String(), set: p.Faults(), rule: &one, text: m.text})
}

// Trace prints a line per packet of the session's own host, and of every host that a script adds.
func (s *Session) Trace() {
	s.watching.middleware.trace = true
	s.traceOn(s.local, nil, false)
}

// Capture writes every packet of every host of the session to a file, of labs yet to be made too, until Close.
func (s *Session) Capture(path string) error {
	v, err := s.main.startCapture(s.home, path, nil, s.home.World().CaptureTo)
	s.watching.middleware.capture = v
	return err
}

// CaptureTo is Capture to an open file, which the session closes. The session must not print to it.
func (s *Session) CaptureTo(f *os.File) error {
	v, err := s.main.beginCapture(&captureValue{s: s, w: s.home, path: f.Name(), given: f, of: "all"}, s.home.World().CaptureTo)
	s.watching.middleware.capture = v
	return err
}

// captureWorld adds a world that was made later to the command line's capture.
func (s *Session) captureWorld(w *task.World) {
	v := s.watching.middleware.capture
	if v == nil || v.stop == nil {
		return
	}
	var stop func() error
	var err error
	s.tasks.Do(w, func(clock.Instant) { stop, err = w.World().CaptureInto(v.file, v.chooser()) })
	if err != nil {
		return // an error of the file, which the end of the capture reports
	}
	v.also = func() { s.tasks.Do(w, func(clock.Instant) { _ = stop() }) }
}

// watchLab puts the command line's rules and trace on a lab that a script has made.
func (l *labValue) watchLab() {
	m := &l.s.watching.middleware
	if len(m.rules) > 0 {
		l.s.tasks.Do(l.w, func(clock.Instant) { l.lab.OnPort = func(p *lab.Port) { l.s.impairNew(l.w, p) } })
	}
	if m.trace {
		l.traceOn(nil, false)
	}
}

// watchHost puts the trace of a lab, or of the command line, on a host that a script has added to the lab.
func (l *labValue) watchHost(v *hostValue) {
	switch t := l.tracer; {
	case t != nil:
		t.add(v)
	case l.lab == l.s.cfg.Lab && l.s.watching.middleware.trace:
		l.s.traceOn(v, nil, false)
	}
}

// labTracer traces every host of a lab. Its hosts share the sequence numbers, since a frame has one line.
type labTracer struct {
	*tracer
	hosts []*hostValue
	stops []func()
}

// traceOn traces the lab's hosts, those yet to be added too, in place of an earlier trace of the lab.
func (l *labValue) traceOn(f *chooser, absolute bool) {
	l.traceOff()
	l.tracer = &labTracer{tracer: &tracer{s: l.s, lab: true, filter: f}}
	l.tracer.seqs.Known, l.tracer.seqs.Absolute = l.tracer.initialSequence, absolute
	for _, h := range l.hosts() {
		l.tracer.add(h)
	}
	l.s.tasks.Do(l.w, func(clock.Instant) { l.lab.OnArrival = l.tracer.arrived })
}

// traceOff ends the lab's trace.
func (l *labValue) traceOff() {
	if l.tracer == nil {
		return
	}
	l.s.tasks.Do(l.w, func(clock.Instant) {
		l.lab.OnArrival = nil
		for _, stop := range l.tracer.stops {
			stop()
		}
	})
	l.tracer = nil
}

// hosts returns the lab's hosts in the order in which they were added.
func (l *labValue) hosts() (list []*hostValue) {
	l.s.tasks.Do(l.w, func(clock.Instant) {
		for _, h := range l.lab.Hosts() {
			list = append(list, l.s.hostOf(h, l, h.Name()))
		}
	})
	return list
}

func (t *labTracer) add(v *hostValue) {
	v.do(func(clock.Instant) {
		t.hosts = append(t.hosts, v)
		t.stops = append(t.stops, v.h.Observe(t.packet))
	})
}

// initialSequence returns the initial sequence number of one direction of a connection of the lab's hosts. ok is false
// if no host has the connection. It runs on the owner's goroutine.
func (t *labTracer) initialSequence(src, dst netip.AddrPort) (isn wire.Seq, ok bool) {
	for _, h := range slices.Backward(t.hosts) {
		if isn, ok = h.h.InitialSequence(src, dst); ok {
			return isn, true
		}
	}
	return 0, false
}

// arrives reports whether a frame was sent on a link that has not lost it: the lab's trace shows it where it is received.
func arrives(ev *stack.PacketEvent) bool {
	return ev.Dir == stack.TX && ev.Verdict.Kind == stack.Transmitted && ev.Frame.Marks.Lost == drop.None
}
