package lab

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
)

// outcome describes a run without a failure.
type outcome struct {
	hash    uint64 // over every frame at both hosts, with instant and verdict
	octets  int    // number that applications have read
	retrans int
	dials   int
	drops   uint64
	events  int    // number that listeners have received
	tooBig  uint64 // number of packet too big messages that the ends received
	solicit uint64 // number of solicitations that the ends received
	rude    bool
	took    time.Duration // virtual time
}

// run is a plan being executed.
type run struct {
	*plan
	w    *World
	l    *Lab
	k    *Link
	ends [2]*end
	ln   *stack.TCPListener
	cut  [2]*Host // the hosts between which flaps cut the client's link, or its way through a switch
	tap  wiretap
	out  outcome
	err  error // the first failure
}

// end is one application with its socket.
type end struct {
	*run
	*endPlan
	i        int
	host     *Host
	conn     *stack.TCPConn
	rng      dice
	stream   []byte // the octets that it writes
	buf      []byte
	sent     int
	got      int
	shut     bool // true once it has closed its sending side
	eof      bool // true once it has read the end of the peer's stream
	over     bool // true once it no longer needs the connection
	writable clock.Instant
	readable clock.Instant
	wake     *Event
	busy     bool
	again    bool
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	campaignPort  = 80
	campaignSteps = 20_000_000 // maximum number of events in a run
	campaignDials = 200
)

// execute runs the plan to its end. The error is the first failure.
func (p *plan) execute(capture string) (out outcome, err error) {
	r := &run{plan: p}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v\n%s", x, debug.Stack())
		}
	}()
	if err := r.build(); err != nil {
		return out, err
	}
	if capture != "" {
		stop, err := captureTo(r.l.world, r.l.CaptureTo, capture, nil)
		if err != nil {
			return out, err
		}
		defer stop()
	}
	r.open(0)
	by := clock.Instant(p.Heal + p.patience())
	for n := 0; r.err == nil; n++ {
		if !r.w.Step() {
			break
		}
		if r.w.Now() > by || n > campaignSteps {
			r.fail("not finished at %v, after %d events: %s", r.w.Now(), n, r.where())
		}
	}
	if r.err == nil {
		r.finished()
	}
	if r.err == nil {
		r.err = r.l.Conservation()
	}
	if r.err == nil {
		r.err = r.w.Drain(campaignSteps)
	}
	r.out.took, r.out.rude = time.Duration(r.w.Now()), p.rude()
	if r.err != nil {
		r.err = fmt.Errorf("%v: %w", r.w.Now(), r.err)
	}
	return r.out, r.err
}

func (r *run) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// build makes hosts and link, and schedules the plan's events.
func (r *run) build() (err error) {
	r.w = NewWorld()
	r.l = New(r.w, r.Seed)
	var hosts [2]*Host
	for i := range hosts {
		if hosts[i], err = r.l.AddHost(r.hostConfig(i)); err != nil {
			return err
		}
		e := &end{run: r, endPlan: &r.Ends[i], i: i, host: hosts[i], rng: dice{rand.New(rand.NewPCG(r.Seed, uint64(i)))}, buf: make([]byte, 16<<10)}
		e.stream = make([]byte, e.Octets)
		for k := range e.stream {
			e.stream[k] = byte(e.rng.Uint32())
		}
		e.wake = r.w.At(clock.Never, e.step)
		r.ends[i], r.tap.ends[i].stream = e, e.stream
		hosts[i].Observe(func(ev *stack.PacketEvent) { r.observe(e, ev) })
		if r.Seed%2 == 0 {
			hosts[i].Events(func(stack.Event) { r.out.events++ })
		}
	}
	if r.k, err = r.connect(hosts); err != nil {
		return err
	}
	if !r.Together {
		if r.ln, err = hosts[1].ListenTCP(netip.AddrPortFrom(netip.Addr{}, campaignPort), 0, r.Ends[1].config()); err != nil {
			return err
		}
		r.ln.OnEvent = r.accept
	}
	for _, f := range r.Faults {
		rule := &fault.Rule{Dir: f.Dir, Loss: f.Loss, Corrupt: f.Corrupt, Duplicate: f.Duplicate, Reorder: f.Reorder, Hold: f.Hold, Delay: f.Delay, Jitter: f.Jitter, ECN: f.ECN}
		r.during(f.span, func() { r.k.Faults().Add(rule) }, func() { r.k.Faults().Remove(rule) })
	}
	for _, f := range r.Flaps {
		r.during(f, func() { r.l.Partition(r.cut[0], r.cut[1]) }, r.l.Heal)
	}
	for _, c := range r.Changes {
		r.w.At(clock.Instant(c.At), func(now clock.Instant) { r.change(now, c) })
	}
	r.w.At(clock.Instant(r.Heal), r.heal)
	return nil
}

// during schedules a call of begin at the start of the span s, and a call of end at its end.
func (r *run) during(s span, begin, end func()) {
	r.w.At(clock.Instant(s.From), func(clock.Instant) { begin() })
	r.w.At(clock.Instant(s.From+s.For), func(clock.Instant) { end() })
}

func (r *run) heal(now clock.Instant) {
	r.l.Heal()
	r.k.cfg.Loss = 0
	for !r.k.Faults().Empty() {
		r.k.Faults().Remove(r.k.Faults().Rules()[0])
	}
	if !r.rude() {
		return
	}
	// An end with nothing to send must probe whether the other end still exists (RFC 9293 §3.5.1).
	for _, e := range r.ends {
		e.keepAlive(now)
	}
}

func (e *end) keepAlive(now clock.Instant) {
	if e.conn == nil || e.conn.State() == tcp.Closed || now < clock.Instant(e.Heal) {
		return
	}
	cfg := e.conn.Config()
	cfg.KeepAlive, cfg.KeepAliveMax = 10*time.Second, 9
	if err := e.conn.SetConfig(now, cfg); err != nil {
		e.fail("end %d: %v", e.i, err)
	}
}

func (r *run) change(now clock.Instant, c changePlan) {
	e := r.ends[c.End]
	if e.conn == nil || e.conn.State() == tcp.Closed {
		return
	}
	cfg := e.conn.Config()
	cfg.SendBuffer, cfg.RecvBuffer, cfg.NoDelay, cfg.DelayedAck = c.SendBuffer, c.RecvBuffer, c.NoDelay, c.DelayedAck
	if err := e.conn.SetConfig(now, cfg); err != nil {
		r.fail("end %d: %v", c.End, err)
	}
	e.step(now)
}

// open makes the first end, or both at once, connect.
func (r *run) open(now clock.Instant) {
	own, peer, ok := r.addrs(r.out.dials + 1)
	if !ok {
		r.awaitAddrs(now)
		return
	}
	if r.out.dials++; r.out.dials > campaignDials {
		r.fail("no connection after %d attempts", campaignDials)
		return
	}
	var ports [2]uint16
	ports[1] = campaignPort
	if r.Together {
		ports = [2]uint16{uint16(1000 + r.out.dials), uint16(2000 + r.out.dials)}
	}
	for i, e := range r.ends {
		if i == 1 && !r.Together {
			break
		}
		local, remote := netip.AddrPortFrom(own[i], ports[i]), netip.AddrPortFrom(peer[i], ports[1-i])
		c, err := e.host.DialTCP(now, local, remote, e.config())
		if err != nil {
			r.fail("end %d opens: %v", i, err)
			return
		}
		e.begin(now, c)
	}
	r.w.Kick()
}

func (r *run) accept(now clock.Instant) {
	e := r.ends[1]
	for c := r.ln.Accept(); c != nil; c = r.ln.Accept() {
		if e.conn != nil && e.conn.State() != tcp.Closed {
			r.fail("a second connection, %v, beside %v", c.Remote(), e.conn.Remote())
			return
		}
		e.begin(now, c)
	}
}

// begin starts the application anew with the connection c.
func (e *end) begin(now clock.Instant, c *stack.TCPConn) {
	e.conn, e.sent, e.got, e.shut, e.eof, e.over = c, 0, 0, false, false, false
	c.OnEvent = func(now clock.Instant) {
		if e.conn == c {
			e.step(now)
		}
	}
	if e.rude() {
		e.keepAlive(now)
	}
	e.step(now)
}

// step runs the application once.
func (e *end) step(now clock.Instant) {
	if e.busy {
		e.again = true
		return
	}
	e.busy = true
	for e.again = true; e.again; {
		e.again = false
		if e.conn != nil && !e.over && e.err == nil {
			for e.conn != nil && (e.write(now) || e.conn != nil && e.read(now)) {
			}
			if e.conn != nil { // the connection may have ended in the meantime
				e.close(now)
			}
		}
	}
	e.busy = false
}

// allowed returns the number of octets that the application may have written by now: all octets, or those of the turns
// so far.
func (e *end) allowed() int {
	peer := e.ends[1-e.i]
	switch {
	case e.Turn == 0 || peer.Turn == 0:
		return len(e.stream)
	case e.i == 0:
		return min(len(e.stream), (e.got/peer.Turn+1)*e.Turn)
	}
	return min(len(e.stream), e.got/peer.Turn*e.Turn)
}

// most returns the number of octets to write or read at once.
func (e *end) most(chunk int) int {
	if chunk == 0 {
		return len(e.buf)
	}
	return min(len(e.buf), 1+e.rng.IntN(chunk))
}

func (e *end) write(now clock.Instant) (more bool) {
	left := e.allowed() - e.sent
	if e.over || e.shut || left <= 0 || now < e.writable || e.conn.State() == tcp.SynSent && e.Together {
		return false
	}
	n, err := e.conn.Write(now, e.stream[e.sent:e.sent+min(left, e.most(e.Chunk))])
	e.sent += n
	if err != nil {
		e.broken(now, err)
		return false
	}
	if n > 0 && e.Pause > 0 {
		e.writable = e.pause(now, e.Pause)
	}
	return n > 0
}

func (e *end) read(now clock.Instant) (more bool) {
	if e.over || e.eof || now < e.readable {
		return false
	}
	peer := e.ends[1-e.i]
	n, err := e.conn.Read(now, e.buf[:e.most(e.ReadChunk)])
	if e.got+n > len(peer.stream) || !bytes.Equal(e.buf[:n], peer.stream[e.got:e.got+n]) {
		e.fail("end %d reads %d octets at %d that were not written", e.i, n, e.got)
		return false
	}
	e.got += n
	e.out.octets += n
	switch {
	case errors.Is(err, io.EOF):
		e.eof = true
	case err != nil:
		e.broken(now, err)
	case n > 0 && e.ReadPause > 0:
		e.readable = e.pause(now, e.ReadPause)
	}
	return n > 0
}

// pause returns the time at which an application that pauses for a random time, at most the argument most, continues.
func (e *end) pause(now clock.Instant, most time.Duration) clock.Instant {
	until := now.Add(time.Duration(e.rng.Int64N(int64(most) + 1)))
	if until > now {
		e.run.w.At(until, e.step)
	}
	return until
}

func (e *end) close(now clock.Instant) {
	if e.over {
		return
	}
	if e.Abort > 0 && e.sent+e.got >= e.Abort {
		e.over = true
		if e.Rude {
			e.conn.Close(now)
		} else {
			e.conn.Abort(now)
		}
		return
	}
	if !e.shut && e.sent == len(e.stream) && (e.eof || !e.Last) && e.conn.State() != tcp.SynSent {
		e.shut = true
		if err := e.conn.CloseWrite(now); err != nil {
			e.broken(now, err)
			return
		}
	}
	if e.shut && e.eof {
		e.over = true
		e.conn.Close(now)
	}
}

// broken handles a connection that ended with an error. The error is allowed if an end is rude, or if no data has
// arrived: an attempt to connect fails, at one end or at both, if a neighbour does not answer. A failed attempt is
// repeated.
func (e *end) broken(now clock.Instant, err error) {
	a, b := e.ends[0], e.ends[1]
	if e.rude() {
		e.over = true
		return
	}
	attempt := a.got == 0 && b.got == 0 && (e.Together || b.conn == nil || b.conn.Remote() != a.conn.Local())
	if !attempt || now > clock.Instant(e.Heal+time.Minute) {
		e.fail("end %d: %v (%s)", e.i, err, e.where())
		return
	}
	for _, x := range e.ends {
		c := x.conn
		if x.conn = nil; c != nil {
			c.Abort(now) // whose error is expected
		}
	}
	e.run.w.At(now.Add(time.Second), e.open)
}

// where returns the progress of both ends.
func (r *run) where() string {
	s := ""
	for _, e := range r.ends {
		s += fmt.Sprintf("end %d: %d of %d written, %d of %d read, shut %v eof %v over %v", e.i, e.sent, len(e.stream), e.got, len(r.ends[1-e.i].stream), e.shut, e.eof, e.over)
		if e.conn != nil {
			s += fmt.Sprintf(", %+v, %v", e.conn.Info(r.w.Now()), e.conn.Err())
		}
		s += "; "
	}
	return s
}

// observe receives every frame at both hosts.
func (r *run) observe(e *end, ev *stack.PacketEvent) {
	crc := crc32.Update(uint32(ev.Dir), castagnoli, ev.Frame.Bytes())
	r.out.hash = mix(r.out.hash, uint64(ev.Now), uint64(crc), uint64(e.i)<<32|uint64(ev.Verdict.Kind)<<16|uint64(ev.Verdict.Reason))
	if r.err != nil {
		return
	}
	if err := r.tap.see(e.i, ev); err != nil {
		r.fail("%w", err)
	}
	if e.conn != nil {
		if err := e.conn.Check(); err != nil {
			r.fail("end %d: %w", e.i, err)
		}
	}
}

// late reports whether e was reset by a peer that had received everything, but whose TIME-WAIT had ended when e retransmitted
// unacknowledged octets.
func late(e, peer *end) bool {
	return errors.Is(e.conn.Err(), tcp.ErrReset) && peer.over && peer.got == len(e.stream) && peer.conn.Err() == nil
}

// finished checks the hosts when no event is left.
func (r *run) finished() {
	if r.w.Now() < clock.Instant(r.Heal) {
		r.fail("nothing left to happen before the healing")
	}
	for i, e := range r.ends {
		peer := r.ends[1-i]
		switch {
		case e.conn == nil:
			if !r.rude() {
				r.fail("end %d was never connected: %s", i, r.where())
			}
			continue
		case e.conn.State() != tcp.Closed:
			r.fail("nothing left to happen: %s", r.where())
		case r.rude():
		case !e.over || e.got != len(peer.stream) || e.conn.Err() != nil && !late(e, peer):
			r.fail("not all has arrived: %s", r.where())
		}
		r.out.retrans += e.conn.Info(r.w.Now()).Retrans
	}
	if r.ln != nil {
		r.ln.Close(r.w.Now())
	}
	for _, e := range r.ends {
		if n := len(e.host.SocketInfos(r.w.Now())); n > 0 {
			r.fail("%d sockets are left at end %d: %+v", n, e.i, e.host.SocketInfos(r.w.Now()))
		}
		for why, n := range dropsOf(e.host) {
			r.out.drops += n
			if why == drop.TooBig {
				r.fail("%d packets were too big", n)
			}
		}
	}
	for _, k := range r.l.Links() {
		ab, ba := k.Stats()
		if ab.InFlight+ba.InFlight != 0 || ab.Drops[drop.TooBig]+ba.Drops[drop.TooBig] != 0 {
			r.fail("%d frames in flight at the end, %d too big", ab.InFlight+ba.InFlight, ab.Drops[drop.TooBig]+ba.Drops[drop.TooBig])
		}
		r.out.drops += ab.Dropped() + ba.Dropped()
	}
	r.checkNet()
}
