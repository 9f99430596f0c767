package script

import (
	"net/netip"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// asker is the state of one sr() or sr1() call: a sender whose packets wait for answers.
type asker struct {
	*sender
	index    answerIndex
	answered int
	timeout  time.Duration
	retry    int

	ports  [2][]*stack.Claim     // claimed ports of TCP and UDP from which packets without a port are sent
	used   map[portUse]int       // how many packets without a port go to each destination
	echoes *stack.Claim          // claimed identifier of echo requests; nil before the first
	claims map[*stack.Claim]bool // every claim
}

// portUse is a destination of TCP or UDP. Packets to one destination must not have equal ports, for their answers would look alike.
type portUse struct {
	proto wire.Protocol
	dst   netip.AddrPort
}

func (c *call) newAsker(name string) (*asker, error) {
	s, err := c.newSender(name)
	if err != nil {
		return nil, err
	}
	a := &asker{sender: s, timeout: arg[time.Duration](c, "timeout"), retry: arg[int](c, "retry"), used: map[portUse]int{}, claims: map[*stack.Claim]bool{}}
	s.dead = map[hopKey]error{}
	s.filling.port, s.filling.echo, s.onFilled, s.onSent = a.port, a.echo, a.claimGiven, a.index.add
	return a, nil
}

// keep records a claim, which ends with the call.
func (a *asker) keep(c *stack.Claim, err error) (*stack.Claim, error) {
	if err == nil {
		a.claims[c] = true
	}
	return c, err
}

// port returns the source port for a packet: the first claimed one from which no packet goes to that destination yet.
func (a *asker) port(proto wire.Protocol, _ netip.Addr, dst netip.AddrPort) (uint16, error) {
	list, claim := &a.ports[0], a.h.h.ClaimTCP
	if proto == wire.ProtocolUDP {
		list, claim = &a.ports[1], a.h.h.ClaimUDP
	}
	use := portUse{proto, dst}
	n := a.used[use]
	if n >= len(*list) {
		c, err := a.keep(claim(0))
		switch {
		case err == nil:
			*list = append(*list, c)
		case len(*list) == 0:
			return 0, err
		}
	}
	a.used[use]++
	return (*list)[n%len(*list)].Number(), nil
}

// echo returns the identifier of echo requests. After 65536 requests, all sequence numbers were used, and it is another one.
func (a *asker) echo() (uint16, error) {
	if a.echoes == nil || a.filling.seq > 0 && a.filling.seq%(1<<16) == 0 {
		c, err := a.keep(a.h.h.ClaimICMP(0))
		switch {
		case err == nil:
			c.AnswerEcho(true)
			a.echoes = c
		case a.echoes == nil:
			return 0, err
		}
	}
	return a.echoes.Number(), nil
}

// claimGiven claims the port or identifier that the script has set in a packet, unless it is in use. A packet is added to the index only when it
// leaves, since nothing that arrives before can answer it.
func (a *asker) claimGiven(p *probe) {
	_, _, l, ok := p.out.packet.OuterEnds()
	if !ok {
		return
	}
	num := func(name string) uint16 {
		n, _ := l.Uint(l.Protocol.Field(name))
		return uint16(n)
	}
	h := a.h.h
	switch {
	case l.Protocol == packet.TCP && num("sport") != 0:
		_, _ = a.keep(h.ClaimTCP(num("sport")))
	case l.Protocol == packet.UDP && num("sport") != 0:
		_, _ = a.keep(h.ClaimUDP(num("sport")))
	case l.Protocol == packet.ICMP && l.Has(packet.ICMP.Field("id")) && num("id") != 0, l.Protocol.Name == "ICMPv6EchoRequest" && num("id") != 0:
		if c, err := a.keep(h.ClaimICMP(num("id"))); err == nil {
			c.AnswerEcho(true)
		}
	}
}

// arrived looks for the packet that an arriving frame answers.
func (a *asker) arrived(ev *stack.PacketEvent) {
	if a.index.n == 0 || ev.Dir != stack.RX || lostBefore(ev.Verdict.Reason) {
		return
	}
	p := a.index.take(packet.OfMedium(ev.Frame.Bytes(), ev.Iface.Medium()))
	if p == nil {
		return
	}
	p.answer, p.rtt = sighted(a.c.s, ev), ev.Now.Sub(p.sentAt)
	p.out.packet = nil // its layers are in the index no longer, its octets are those of p.sent
	a.answered++
	if p.lost != nil { // in a later round
		p.lost = nil
		a.lost--
	}
	a.signal.Fire()
}

// settled reports whether each of n packets has its answer or is lost.
func (a *asker) settled(n int) bool { return a.answered+a.lost == n }

// lostBefore reports whether a frame that was dropped for a reason has not reached the host.
func lostBefore(r drop.Reason) bool {
	switch r {
	case drop.InterfaceDown, drop.QueueFull, drop.LinkQueueFull, drop.LinkDown, drop.Partitioned, drop.FloodLimit,
		drop.FaultLoss, drop.FaultMatch, drop.FaultSize, drop.FaultRate, drop.FaultLimit:
		return true
	}
	return false
}

// ask sends the packets, waits for answers, and sends those without an answer again, as often as the call says.
func (a *asker) ask() error {
	all := a.probes
	var done bool
	over := func(now clock.Instant) bool {
		a.step(now)
		done = a.fail != nil || a.settled(len(all))
		return done || a.idle() && (a.left == 0 || a.last.Add(a.timeout).Due(now))
	}
	until := func(now clock.Instant) time.Duration {
		if a.idle() {
			return max(0, a.last.Add(a.timeout).Sub(now))
		}
		return a.untilDue(now)
	}
	for try := 0; ; try++ {
		if err := a.await("answers", over, until); err != nil || done || try == a.retry {
			return err
		}
		a.c.t.Do(a.h.w, func(clock.Instant) { // the next round
			a.probes, a.next, a.left, a.due = nil, 0, 0, 0
			for _, p := range all {
				if p.answer == nil && p.lost == nil {
					a.probes = append(a.probes, p)
				}
			}
		})
		if len(a.probes) == 0 {
			return nil
		}
	}
}

// run claims and observes while it asks. keep is false if the call shall end with err.
func (a *asker) run() (keep bool, err error) {
	c, all := a.c, a.probes
	var cancel func()
	c.t.Do(a.h.w, func(clock.Instant) { cancel = a.h.h.Observe(a.arrived) })
	defer c.t.Keeping()()
	err = a.ask()
	c.t.Do(a.h.w, func(clock.Instant) {
		cancel()
		a.ended = true
		for c := range a.claims {
			c.Release()
		}
		a.probes = all
	})
	switch {
	case err != nil && !c.interrupted(err, nil):
		return false, err
	case a.fail != nil:
		return false, a.failure()
	}
	return true, nil
}

func builtinSr1(c *call) (starlark.Value, error) {
	if _, ok := arg[starlark.Value](c, "p").(*packetvalue.Value); !ok {
		return nil, c.errorf("argument 1 (p) is a packet, got %s: sr(packets) takes a list", arg[starlark.Value](c, "p").Type())
	}
	a, err := c.newAsker("p")
	if err != nil {
		return nil, err
	}
	if keep, err := a.run(); !keep {
		return nil, err
	}
	if p := a.probes[0]; p.answer != nil {
		return p.answer, nil
	}
	return starlark.None, nil
}

func builtinSr(c *call) (starlark.Value, error) {
	a, err := c.newAsker("packets")
	if err != nil {
		return nil, err
	}
	if c.Given("rate") {
		a.gap = time.Second / time.Duration(arg[int](c, "rate"))
	}
	if keep, err := a.run(); !keep {
		return nil, err
	}
	columns := table.Columns("SENT ANSWER RTT")
	columns[2].Show = showMillis
	answered, unanswered := c.table(columns...), []starlark.Value{}
	for _, p := range a.probes {
		switch {
		case p.answer != nil:
			answered.Add(p.sent, p.answer, registry.Seconds(p.rtt))
		case p.sent != nil:
			unanswered = append(unanswered, p.sent)
		default:
			unanswered = append(unanswered, p.given)
		}
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"answered": answered, "unanswered": starlark.NewList(unanswered),
	}), nil
}
