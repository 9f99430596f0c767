package script

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
)

func sendBuiltins() []*builtin {
	const one = `after("10ms", lambda: ping("192.168.69.100", count=1)); p = sniff("icmp", count=1)[0]; `
	return []*builtin{
		{Name: "send", Sig: `p, dev=None, count=1, interval=0`, Kinds: "any any int:1..1000000000 duration",
			Args:   "p: a packet, or a list of packets; dev: an interface's name or row, None for that of the route; count: how often all of them are sent; interval: time between two packets",
			Result: "int", Host: true, See: "sr, sr1, claim, raw.bind, frames.bind",
			Doc:     "Send packets exactly as they are; the host fills in the unset fields. With Ether in front it is a frame.",
			Example: one + `send(p)`, Fn: builtinSend},
		{Name: "sr1", Sig: `p, timeout="1s", retry=0, dev=None`, Kinds: "any duration int:0..1000 any",
			Args:   "p: a packet; timeout: time to wait for the answer after each sending; retry: how often it is sent again; dev: an interface's name or row, None for that of the route",
			Result: "packet", Host: true, See: "sr, send",
			Doc:     "Send a packet and return its answer, an ICMP error about it included, or None.",
			Example: one + `sr1(p).icmp.type`, Fn: builtinSr1},
		{Name: "sr", Sig: `packets, timeout="2s", retry=0, rate=None, dev=None`, Kinds: "any duration int:0..1000 int:1..10000000 any",
			Args:   "packets: a list of packets; timeout: time to wait for answers after the last was sent; retry: how often those without an answer are sent again; rate: packets per second, None for as many as the device takes; dev: an interface's name or row, None for that of the route",
			Result: "struct", Fields: "answered (a table of SENT ANSWER RTT, RTT in seconds from the last sending) unanswered (a list of packets)", Host: true, See: "sr1, send, claim",
			Doc:     "Send packets and collect the first answer to each. Their ports and echo ids are claimed meanwhile.",
			Example: one + `len(sr([p]).answered)`, Fn: builtinSr},
	}
}

// sendTurn is the number of packets that are sent before others get a turn. It is less than a device's batch of received frames, so that
// the answers do not fill the queue of the device's other end.
const sendTurn = 32

// sendAgain is the time after which a packet is tried again that found a full queue.
const sendAgain = time.Millisecond

// maxFull is the time for which a packet is tried again that finds a full table of neighbours. Neighbours that do not answer make room after
// seconds, those that are no longer used after less than a minute, but those that were set by hand never do.
const maxFull = time.Minute

// hopKey names a neighbour.
type hopKey struct {
	dev  *stack.Iface
	next netip.Addr
}

// probe is one packet to be sent, and its answer.
type probe struct {
	given  *packetvalue.Value
	out    outgoing // set once the packet is filled in
	filled bool
	sent   *packetvalue.Value // the packet as it was sent
	sentAt clock.Instant
	answer *packetvalue.Value
	rtt    time.Duration
	lost   error // the neighbour did not answer, so that the packet has not left, or not again; nil once it has its answer
}

// sender sends packets one after the other, each when it is due, and waits for neighbours and for room in queues. Only the owner uses it
// until the call has ended.
type sender struct {
	c         *call
	h         *hostValue
	filling   filling
	probes    []*probe
	next      int // index of the next packet
	due       clock.Instant
	gap       time.Duration
	fullSince clock.Instant    // time since which the next packet has found a full table of neighbours; 0 if it has not
	resolving bool             // the next packet is a frame whose neighbour must answer first
	waiting   int              // packets that wait for their neighbours
	left      int              // packets that have left
	lost      int              // packets that have not left, because their neighbour does not answer, and have no answer
	last      clock.Instant    // time at which the last packet left
	dead      map[hopKey]error // neighbours that have not answered; nil for send(), which fails then
	signal    stack.Signal
	fail      error
	ended     bool           // the call has ended: the owner changes nothing any more when a neighbour answers or fails
	fillOnly  bool           // packets are filled in and not sent
	onFilled  func(p *probe) // called once for each packet that was filled in; may be nil
	onSent    func(p *probe) // called when a packet leaves for the first time; may be nil
}

// newSender returns a sender for the packets of a call's argument.
func (c *call) newSender(name string) (*sender, error) {
	list, err := c.packets(name)
	if err != nil {
		return nil, err
	}
	return c.senderOf(list)
}

// senderOf returns a sender for packets, on the interface that the call names.
func (c *call) senderOf(list []*packetvalue.Value) (s *sender, err error) {
	s = &sender{c: c, h: c.on()}
	for _, p := range list {
		s.probes = append(s.probes, &probe{given: p})
	}
	s.filling = filling{h: s.h.h, resolved: func(_ clock.Instant, err error) {
		if s.ended {
			return
		}
		s.resolving = false
		if p := s.probes[s.next]; err != nil && s.dead == nil {
			s.fail = s.explain(p, err)
		} else if err != nil {
			s.lose(p, err)
			s.next++
		}
		s.signal.Fire()
	}}
	if c.b.Index("dev") >= 0 {
		s.filling.dev, err = c.anyDev(s.h)
	}
	return s, err
}

// packets returns the packets of an argument: one, or those of a list.
func (c *call) packets(name string) (list []*packetvalue.Value, err error) {
	v := arg[starlark.Value](c, name)
	if p, ok := v.(*packetvalue.Value); ok {
		v = starlark.Tuple{p}
	}
	many, ok := v.(starlark.Iterable)
	if !ok {
		return nil, c.errorf("argument %d (%s) is a packet or a list of packets, got %s", c.b.Index(name)+1, name, v.Type())
	}
	err = c.eachKept(many, func(i int, v starlark.Value) error {
		p, err := c.whole(v, i, name)
		list = append(list, p)
		return err
	})
	return list, err
}

// whole returns element n of an argument as a packet all of whose octets are known.
func (c *call) whole(v starlark.Value, n int, name string) (*packetvalue.Value, error) {
	p, ok := v.(*packetvalue.Value)
	switch {
	case !ok:
		return nil, c.errorf("argument %d (%s) is a packet or a list of packets, and element %d is %s", c.b.Index(name)+1, name, n, article(v.Type()))
	case !p.Composed() && p.Length > len(p.Octets):
		return nil, c.errorf("only %d of the packet's %d octets are there: it was cut when it was captured", len(p.Octets), p.Length)
	}
	return p, nil
}

// step sends the packets that are due. A full queue ends the turn.
func (s *sender) step(now clock.Instant) {
	if s.due == 0 {
		s.due = now
	}
	for n := 0; n < sendTurn && s.next < len(s.probes) && !s.resolving && s.due.Due(now) && s.fail == nil; n++ {
		p := s.probes[s.next]
		if p.answer != nil { // the answer to an earlier sending has arrived in this round
			s.next++
			continue
		}
		err := s.put(now, p)
		switch {
		case err == errResolving:
			s.resolving = true // until resolved wakes the call
			return
		case errors.Is(err, stack.ErrQueueFull), neighborsFull(err) && !s.fullTooLong(now):
			s.due = now.Add(sendAgain)
			return
		case err != nil:
			s.fail = s.explain(p, err)
			return
		}
		s.next++
		s.fullSince = 0
		s.due = max(s.due.Add(s.gap), now.Add(-time.Second)) // after a delay the rate catches up by a second at most
	}
}

// neighborsFull reports whether a packet was refused because the host has too many neighbours, or asks for too many.
func neighborsFull(err error) bool {
	var full *stack.LimitError
	return errors.As(err, &full) && (full.Name == "neighbors" || full.Name == "unresolved")
}

// fullTooLong reports whether the next packet, which has found a full table of neighbours, has done so for longer than maxFull.
func (s *sender) fullTooLong(now clock.Instant) bool {
	if s.fullSince == 0 {
		s.fullSince = now
	}
	return s.fullSince.Add(maxFull).Due(now)
}

// put fills a packet in, unless that is done, and sends it.
func (s *sender) put(now clock.Instant, p *probe) (err error) {
	if !p.filled {
		if p.out, err = s.filling.ready(now, p.given); err != nil {
			return err
		}
		p.filled = true
		if s.onFilled != nil {
			s.onFilled(p)
		}
	}
	if s.fillOnly {
		return nil
	}
	r, octets := p.out.route, p.out.packet.Octets
	if p.out.frame {
		if err = s.h.h.SendFrame(now, r.Iface, octets); err == nil {
			s.gone(now, p)
		}
		return err
	}
	hop := hopKey{r.Iface, r.Next}
	if err := s.dead[hop]; err != nil {
		s.lose(p, err)
		return nil
	}
	s.waiting++
	err = s.h.h.SendRouted(now, r, octets, func(now clock.Instant, err error) {
		if s.ended {
			return
		}
		s.waiting--
		switch {
		case err == nil:
			s.gone(now, p)
		case s.dead == nil:
			s.fail = s.explain(p, err)
		default:
			s.lose(p, err)
			if errors.Is(err, stack.ErrHostUnreach) {
				s.dead[hop] = err
			}
		}
		s.signal.Fire()
	})
	if err != nil {
		s.waiting--
	}
	return err
}

// lose records that a packet does not leave. One that left in an earlier round may have its answer by now.
func (s *sender) lose(p *probe, err error) {
	if p.answer != nil || p.lost != nil {
		return
	}
	p.lost = err
	s.lost++
}

// gone records that a packet has left.
func (s *sender) gone(now clock.Instant, p *probe) {
	s.left++
	p.sentAt, s.last = now, now
	if p.sent == nil {
		whole := p.out.packet
		p.sent = packetvalue.New(environment{s.c.s}, whole.Octets, p.out.medium(), &packetvalue.Sighting{Time: now, Dev: p.out.route.Iface.Name(), Dir: "tx"})
		p.sent.First = whole.First
		if s.onSent != nil {
			s.onSent(p)
		}
	}
}

// explain adds to an error what the packet's sender needs to know.
func (s *sender) explain(p *probe, err error) error {
	i := p.out.route.Iface
	switch {
	case errors.Is(err, stack.ErrTooBig) && i != nil:
		return fmt.Errorf("%w: it has %d octets, and %s takes %d of IP: send(fragment(p)), or less data", err, len(p.out.packet.Octets), i.Name(), i.MTU())
	case errors.Is(err, stack.ErrNotBound):
		return errors.New("several interfaces have frames: say dev=")
	case errors.Is(err, stack.ErrNoFrames) && i != nil:
		return fmt.Errorf("%s carries bare IP packets: send the packet without Ether", i.Name())
	case errors.Is(err, stack.ErrNoFrames):
		return errors.New("no interface has frames: they carry bare IP packets, without Ether")
	case errors.Is(err, stack.ErrHostUnreach) && i != nil:
		return &routeError{p.out.route.Dst, err}
	}
	return err
}

// failure returns the error with which the call ends.
func (s *sender) failure() error {
	var way *routeError
	if errors.As(s.fail, &way) {
		return failed(s.c.t, s.c.b.Name, way.dst, s.h.explain(way.dst, way.err))
	}
	return s.c.errorf("%w", s.fail)
}

// idle reports whether every packet has left or is lost.
func (s *sender) idle() bool { return s.next == len(s.probes) && s.waiting == 0 }

// end makes the sender's fields those of the task, although packets may still wait for their neighbours.
func (s *sender) end() { s.c.t.Do(s.h.w, func(clock.Instant) { s.ended = true }) }

// await calls step on the owner until it returns true; until returns the time to its next call if nothing happens before. After an error, of
// await or of the sender, the call has ended.
func (s *sender) await(what string, step func(now clock.Instant) bool, until func(now clock.Instant) time.Duration) error {
	work := func(now clock.Instant) bool {
		over := step(now)
		s.ended = s.ended || over && s.fail != nil
		return over
	}
	if err := s.c.t.Yield(); err != nil { // calls that never wait can be interrupted too
		s.end()
		return err
	}
	for {
		var (
			over  bool
			wait  time.Duration
			since clock.Instant
		)
		s.c.t.Do(s.h.w, func(now clock.Instant) { over, wait, since = work(now), until(now), now })
		if over {
			return nil
		}
		err := s.c.t.Await(s.h.w, what, &s.signal, wait, func(now clock.Instant) bool {
			over = work(now)
			left := until(now)
			return over || left != task.Forever && (wait == task.Forever || left < wait-now.Sub(since)) // due earlier, because of an event
		})
		switch {
		case over:
			return nil
		case err != nil && err != task.ErrTimedOut:
			s.end()
			return err
		}
	}
}

// untilDue returns the time until the next packet is due, task.Forever if all were sent.
func (s *sender) untilDue(now clock.Instant) time.Duration {
	if s.next == len(s.probes) || s.resolving {
		return task.Forever
	}
	return max(0, s.due.Sub(now))
}

func builtinSend(c *call) (starlark.Value, error) {
	s, err := c.newSender("p")
	if err != nil {
		return nil, err
	}
	s.gap = arg[time.Duration](c, "interval")
	s.filling.unclaimed()
	given, count := s.probes, arg[int](c, "count")
	defer c.t.Keeping()()
	for round := 0; round < count && len(given) > 0; round++ {
		s.probes, s.next = make([]*probe, len(given)), 0
		for k, p := range given {
			s.probes[k] = &probe{given: p.given}
		}
		err := s.await("packets to be sent", func(now clock.Instant) bool {
			s.step(now)
			return s.fail != nil || s.idle()
		}, s.untilDue)
		switch {
		case err != nil && !c.interrupted(err, nil):
			return nil, err
		case err != nil:
			return num(s.left), nil
		case s.fail != nil:
			return nil, s.failure()
		}
	}
	return num(s.left), nil
}
