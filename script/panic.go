package script

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/lab"
)

const (
	// maxReports is the number of panics that a session reports, so that a path that panics for every frame does not
	// fill the disk.
	maxReports = 10
	// traceLines is the number of functions in the stack trace of a report.
	traceLines = 6
	// maxDumped is the number of octets printed of the frame during which a host panicked. The capture has the whole
	// frame.
	maxDumped = 256
)

// panicError is a panic of a builtin, returned as an error to the script.
type panicError struct{ *crash.Panic }

func (e panicError) Error() string {
	return e.Panic.Error() + "\n" + e.Trace(traceLines)
}

// watchPanics makes the session report the world's panics. The owner records a panic, and the task with the baton
// reports it.
func (s *Session) watchPanics(w *task.World) {
	note := func(p *lab.Panic) {
		s.crashes.mu.Lock()
		s.crashes.pending = append(s.crashes.pending, p)
		s.crashes.mu.Unlock()
		s.tasks.Poke()
	}
	if w.Virtual() { // a virtual world must not be advanced by Do
		w.World().OnPanic = note
		return
	}
	w.Do(func(clock.Instant) { w.World().OnPanic = note })
}

// recovered returns the error for a panic of the call. v is the value that recover returned. A host whose own code
// panicked is taken out of service.
func (c *call) recovered(v any) error {
	p := crash.Caught(v)
	if h := c.about(); h != nil && p.Within("smolsh/stack", "smolsh/phy") {
		h.do(func(clock.Instant) { h.h.Break(&lab.Panic{Panic: p, Doing: "was called by " + c.b.Name}) })
	}
	err := panicError{p}
	c.s.crashes.total++
	c.s.trouble(c.b.Name, err)
	return c.errorf("%w", err)
}

// safely runs fn, which runs Starlark in the task, and returns a panic as an error. After a panic the task continues
// with a new thread, because the old one still has the frames of the failed calls.
func (t *taskValue) safely(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			e := panicError{crash.Caught(v)}
			t.s.crashes.total++
			t.s.trouble(t.Name, e)
			t.newThread()
			err = e
		}
	}()
	return fn()
}

// about returns the host that the call concerns, nil if there is none or several.
func (c *call) about() *hostValue {
	switch v := c.recv.(type) {
	case *hostValue:
		return v
	case *connValue:
		return v.h
	case *listenerValue:
		return v.h
	case *server:
		return v.h
	case *ifaceValue:
		return v.h
	case interface{ common() *socketValue }:
		return v.common().h
	}
	if ns, _, dotted := strings.Cut(c.b.Name, "."); c.recv == nil && (c.b.Host || dotted && topNamespaces[ns] && ns != "assert") {
		return c.t.host
	}
	return nil
}

// refused returns the error for a call on a host that is out of service. Tables of such a host can still be read.
func (c *call) refused(h *hostValue) error {
	if h == nil || c.b.Owner == "" && c.b.Result == "table" {
		return nil
	}
	return h.broken()
}

// broken returns the reason for which the host is out of service, nil if it is in service.
func (h *hostValue) broken() (err error) {
	h.do(func(clock.Instant) { err = h.OutOfService() })
	return err
}

// OutOfService implements task.Host. It returns the same error as broken. Only the owner calls it.
func (h *hostValue) OutOfService() error {
	if p := h.h.Broken(); p != nil {
		return fmt.Errorf("host %s is out of service: it panicked at %s s, when it %s", h.name, fmtSeconds(p.Now), p.Doing)
	}
	return nil
}

func fmtSeconds(at clock.Instant) string { return fmt.Sprintf("%.6f", time.Duration(at).Seconds()) }

// reportPanics reports the panics since the last call, and ends the calls and servers that wait for hosts out of service.
func (s *Session) reportPanics() {
	s.crashes.mu.Lock()
	list := s.crashes.pending
	s.crashes.pending = nil
	s.crashes.mu.Unlock()
	for _, p := range list {
		s.crashes.total++
		h := s.hosts[p.Host]
		if h != nil {
			s.tasks.WakeAbout(h)
			for _, v := range s.servers.list {
				if v.h == h {
					v.giveUp(h.broken())
				}
			}
		}
		if s.crashes.reported++; s.crashes.reported <= maxReports {
			s.reportPanic(p, h)
		}
	}
	if len(list) > 0 {
		s.tasks.Changed()
	}
}

// giveUp ends a server whose host is out of service, for the reason why.
func (v *server) giveUp(why error) {
	v.err = why
	v.conns = nil
	v.end()
}

// reportPanic writes the panic, the frame being processed and the name of the capture to standard error.
func (s *Session) reportPanic(p *lab.Panic, h *hostValue) {
	var b strings.Builder
	who := "the lab"
	if h != nil {
		who = "host " + h.name
		fmt.Fprintf(&b, "host %s is out of service, everything else goes on: it", h.name)
	} else {
		b.WriteString(who)
	}
	fmt.Fprintf(&b, " panicked at %s s, when it %s\n  %s\n%s\n", fmtSeconds(p.Now), p.Doing, p.Panic.Error(), p.Trace(traceLines))
	if s.trouble(who, fmt.Errorf("%s", strings.TrimSuffix(b.String(), "\n"))) {
		return // the test runner writes the capture and prints how to repeat the run
	}
	if p.Frame != nil {
		shown := p.Frame[:min(len(p.Frame), maxDumped)]
		fmt.Fprintf(&b, "  the frame, %d octets:\n%s", len(p.Frame), hex.Dump(shown))
	}
	if h != nil {
		s.keepEvidence(&b, p, h)
	}
	s.out.Flush()
	fmt.Fprint(s.cfg.Stderr, b.String())
}

// keepEvidence writes the host's last packets, and the frame during which it panicked, to a file. It prints how to
// repeat the run.
func (s *Session) keepEvidence(b *strings.Builder, p *lab.Panic, h *hostValue) {
	if s.cfg.NoFiles {
		b.WriteString("  its last packets are not kept: " + errNoFiles + "\n")
		return
	}
	path, err := s.writeEvidence(p, h)
	if err != nil {
		fmt.Fprintf(b, "  its last packets could not be kept: %v\n", err)
		return
	}
	fmt.Fprintf(b, "  its last packets, with the one that did it at the end: %s\n", path)
	if s.home.Virtual() && s.cfg.Again != "" {
		fmt.Fprintf(b, "  to repeat the run: %s\n", s.cfg.Again)
	} else if i := p.Iface; p.Frame != nil && i != nil && i.Medium() == phy.MediumEthernet {
		var addrs string
		h.do(func(clock.Instant) {
			for _, a := range i.Addrs() {
				addrs += " --addr " + a.String()
			}
		})
		fmt.Fprintf(b, "  to give another host the same packets: smolsh --device sim%s --mac %v -c 'f = peer.frames.bind(); [f.send(p.bytes) for p in read_capture(%q) if p.dir == \"rx\"]'\n",
			addrs, i.MAC(), path)
	}
}

// writeEvidence writes that capture under an unused name in the working directory.
func (s *Session) writeEvidence(p *lab.Panic, h *hostValue) (path string, err error) {
	var list []seen
	if r := s.watching.recent[h]; r != nil {
		h.do(func(clock.Instant) { list = r.all() })
	}
	for n := 1; ; n++ {
		path = fmt.Sprintf("smolsh-panic-%d.pcapng", n)
		if _, err := os.Lstat(path); err != nil || n == 100 {
			break
		}
	}
	w, err := capture.Create(path, h.w.World().Epoch)
	if err != nil {
		return "", err
	}
	ifaces := map[string]int{}
	iface := func(name string, m phy.Medium) int {
		i, known := ifaces[name]
		if !known {
			i, err = w.AddIface(name, m, 0)
			ifaces[name] = i
		}
		return i
	}
	for i := range list {
		q := &list[i]
		w.Write(&capture.Packet{Time: time.Duration(q.now), Iface: iface(q.iface, q.medium), Outgoing: q.dir == stack.TX,
			Comment: q.verdict.String(), Data: q.head[:q.n], Length: q.length}) // a write error is kept, and Close returns it
	}
	if p.Frame != nil {
		w.Write(&capture.Packet{Time: time.Duration(p.Now), Iface: iface(p.Iface.Name(), p.Iface.Medium()), Comment: p.Panic.Error(), Data: p.Frame})
	}
	return path, w.Close()
}
