package script

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

func arpingBuiltins() []*builtin {
	const sig = `ip, count=4, interval="1s", timeout="1s", dev=None`
	const args = "count: number of requests; interval: time between requests; timeout: time to wait for each reply; dev: an interface's name or row"
	const fields = "sent received loss (0 to 1) hwaddr (None without a reply) stations (a list of every hwaddr) min avg max (seconds) replies (seq hwaddr time)"
	return []*builtin{{
		Name: "arping", Sig: sig, Kinds: "ip int:1..65536 duration duration any",
		Args:   "ip: an address on one of our links; " + args,
		Result: "result", Fields: fields, Host: true,
		Doc:     "Send ARP requests and print each reply; for an address of IPv6 it is ndping.",
		Example: `arping("192.168.69.100", count=1).hwaddr`, See: "ndping, ping, neighbors, frames.bind", Fn: builtinArping,
	}, {
		Name: "ndping", Sig: sig, Kinds: "ip int:1..65536 duration duration any",
		Args:   "ip: an address on one of our links, if link-local with its interface (\"fe80::1%eth0\"); " + args,
		Result: "result", Fields: fields, Host: true,
		Doc:     "Send neighbour solicitations (RFC 4861) and print each advertisement; for an address of IPv4 it is arping.",
		Example: `ifaces()[0].add_addr("fd00::1/64"); ndping("fd00::2", count=1, timeout="10ms").received`, See: "arping, ping, neighbors, addrs", Fn: builtinArping,
	}}
}

// maxStations is the number of stations with one address that the result lists.
const maxStations = 64

// arpinger is the state of one arping() or ndping() call, which sends one request after the other.
type arpinger struct {
	c        *call
	h        *hostValue
	to       netip.Addr
	dev      *stack.Iface
	conn     *stack.FrameConn
	request  []byte
	sentAt   clock.Instant
	seq      int
	answered bool
	probing  bool // true for a neighbour solicitation without a source address
	rtts     []time.Duration
	replies  []starlark.Value
	hw       starlark.Value
	stations []wire.HardwareAddr // that have answered
	lines    []string
}

func builtinArping(c *call) (starlark.Value, error) {
	p := &arpinger{c: c, h: c.on(), to: arg[netip.Addr](c, "ip"), hw: starlark.None}
	var err error
	if p.dev, err = c.devFor(p.h, p.to); err != nil {
		return nil, err
	}
	if p.dev == nil {
		return nil, c.errorf("%v: no interface is on its network; say dev=", p.to)
	}
	if p.to.IsMulticast() {
		return nil, c.errorf("%v is a group, not a station's address", p.to)
	}
	c.t.Do(p.h.w, func(clock.Instant) {
		typ := wire.EtherTypeARP
		if p.to.Is6() {
			typ = wire.EtherTypeIPv6
			p.to = p.to.WithZone("")
		}
		if p.conn, err = p.h.h.BindFrames(p.dev, typ); err == nil {
			p.question()
		}
	})
	if err != nil {
		return nil, (&frameValue{socketValue: socketValue{name: "frames"}}).failed(c, p.dev, err)
	}
	defer c.s.tasks.Do(p.h.w, func(clock.Instant) { p.conn.Close() })
	count := arg[int](c, "count")
	defer c.t.Keeping()()
	sent, err := p.run(count, arg[time.Duration](c, "interval"), arg[time.Duration](c, "timeout"))
	var v starlark.Value
	show := func() { v = p.result(sent) }
	switch {
	case err == nil:
		show()
	case !c.interrupted(err, show):
		return nil, err
	}
	return v, nil
}

// run sends the requests and waits for the answers. sent is the number of requests so far.
func (p *arpinger) run(count int, interval, timeout time.Duration) (sent int, err error) {
	for p.seq = 0; p.seq < count; p.seq++ {
		next := p.h.w.Now().Add(interval)
		if err := p.probe(timeout); err != nil {
			return p.seq + 1, err
		}
		if p.seq+1 == count {
			break
		}
		if err := p.wait(max(0, next.Sub(p.h.w.Now())), func() bool { return false }); err != nil && err != task.ErrTimedOut {
			return p.seq + 1, err
		}
	}
	return count, nil
}

// question makes the request. The sender is our address on the link; without one, or for that address itself, the request is a
// probe (RFC 5227 §2.1.1, RFC 4862 §5.4.2).
func (p *arpinger) question() {
	if p.to.Is6() {
		p.solicitation()
		return
	}
	q := wire.ARP{Op: wire.ARPRequest, SenderHW: p.dev.MAC(), TargetIP: p.to}
	q.SenderIP = netip.IPv4Unspecified()
	for _, a := range p.dev.Addrs() {
		if a.Contains(p.to) && a.Addr() != p.to {
			q.SenderIP = a.Addr()
			break
		}
	}
	eth := wire.Ethernet{Dst: wire.Broadcast, Src: p.dev.MAC(), Type: wire.EtherTypeARP}
	p.request = make([]byte, wire.EthernetLen+wire.ARPLen)
	q.Put(p.request[eth.Put(p.request):])
}

// solicitation makes the neighbour solicitation, which is sent to the group of the target's address (RFC 4861 §7.2.2).
func (p *arpinger) solicitation() {
	src, options := netip.IPv6Unspecified(), 0
	p.probing = true
	for _, a := range p.dev.Addrs() {
		if a.Addr() == p.to {
			src, options, p.probing = netip.IPv6Unspecified(), 0, true
			break
		}
		if a.Addr().Is6() && (a.Contains(p.to) || src.IsUnspecified() && a.Addr().IsLinkLocalUnicast()) {
			src, options, p.probing = a.Addr(), wire.NDLinkAddrLen, false
		}
	}
	group := wire.SolicitedNode(p.to)
	eth := wire.Ethernet{Dst: wire.GroupMAC(group), Src: p.dev.MAC(), Type: wire.EtherTypeIPv6}
	n := wire.NeighborMessageLen + options
	ip := wire.IPv6{HopLimit: 255, NextHeader: wire.ProtocolICMPv6, Src: src, Dst: group, PayloadLen: n}
	p.request = make([]byte, wire.EthernetLen+wire.IPv6Len+n)
	b := p.request[eth.Put(p.request):]
	b = b[ip.Put(b):]
	if options > 0 {
		wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDSourceLinkAddr, p.dev.MAC())
	}
	q := wire.NeighborSolicitation{Target: p.to}
	q.Put(b, src, group)
}

// advertisement returns the hardware address in a frame that answers the solicitation; ok is false for another frame. An
// advertisement without the option is from its target itself (RFC 4861 §4.4). One that nobody has solicited answers only a probe, whose
// sender has no address.
func (p *arpinger) advertisement(frame []byte) (hw wire.HardwareAddr, ok bool) {
	eth, b, err := wire.ParseEthernet(frame)
	if err != nil {
		return hw, false
	}
	h, b, err := wire.ParseIPv6(b)
	if err != nil || h.NextHeader != wire.ProtocolICMPv6 || len(b) == 0 || wire.ICMPv6Type(b[0]) != wire.ICMPv6NeighborAdvertisement {
		return hw, false
	}
	m, options, err := wire.ParseNeighborAdvertisement(&h, b, true)
	if err != nil || m.Target != p.to || eth.Src == p.dev.MAC() || !m.Solicited && !p.probing {
		return hw, false
	}
	for o, rest, more := options.Next(); more; o, rest, more = rest.Next() {
		if a, given := o.LinkAddr(); given && o.Type == wire.NDTargetLinkAddr {
			return a, true
		}
	}
	return eth.Src, true
}

// reply returns the hardware address in a frame that answers the ARP request; ok is false for another frame.
func (p *arpinger) reply(frame []byte) (hw wire.HardwareAddr, ok bool) {
	_, b, err := wire.ParseEthernet(frame)
	if err != nil {
		return hw, false
	}
	a, err := wire.ParseARP(b)
	return a.SenderHW, err == nil && a.Op == wire.ARPReply && a.SenderIP == p.to && a.TargetHW == p.dev.MAC()
}

// probe sends one request and waits for an answer. After the timeout it prints that no answer arrived, which is no
// error.
func (p *arpinger) probe(timeout time.Duration) error {
	p.answered = false
	var fail error
	c := p.c
	c.t.Do(p.h.w, func(now clock.Instant) {
		p.sentAt = now
		fail = p.conn.Send(now, nil, p.request)
	})
	if fail != nil {
		return failed(c.t, c.b.Name, p.to, fail)
	}
	err := p.wait(timeout, func() bool { return p.answered })
	if err == task.ErrTimedOut {
		c.s.say(fmt.Sprintf("%v: seq=%d timed out", p.to, p.seq))
		return nil
	}
	return err
}

// wait receives and prints replies until done returns true.
func (p *arpinger) wait(timeout time.Duration, done func() bool) error {
	what := "an ARP reply from "
	if p.to.Is6() {
		what = "a neighbour advertisement of "
	}
	err := p.c.t.Await(p.h.w, what+p.to.String(), &p.conn.Signal, timeout, func(now clock.Instant) bool {
		p.receive(now)
		return done()
	})
	for _, l := range p.lines {
		p.c.s.say(l)
	}
	p.lines = p.lines[:0]
	return err
}

// receive processes the pending replies.
func (p *arpinger) receive(now clock.Instant) {
	buf, answer := make([]byte, wire.MinMTU6), p.reply // a longer frame answers nothing
	if p.to.Is6() {
		answer = p.advertisement
	}
	for {
		n, _, err := p.conn.Recv(buf)
		if n < 0 || err != nil {
			return
		}
		from, ok := answer(buf[:n])
		if !ok {
			continue
		}
		rtt := now.Sub(p.sentAt)
		text := fmt.Sprintf("%v is-at %v: seq=%d time=%s ms", p.to, from, p.seq, millis(rtt))
		hw := starlark.String(from.String())
		if p.hw != starlark.None && p.hw != starlark.Value(hw) {
			text += "   (another one)"
		}
		if !slices.Contains(p.stations, from) && len(p.stations) < maxStations {
			p.stations = append(p.stations, from)
		}
		p.hw, p.answered = hw, true
		p.lines = append(p.lines, text)
		p.rtts = append(p.rtts, rtt)
		p.replies = append(p.replies, starlarkstruct.FromStringDict(starlark.String("reply"), starlark.StringDict{
			"seq": num(p.seq), "hwaddr": hw, "time": registry.Seconds(rtt),
		}))
	}
}

// result prints the last line and returns the value of the call, which has sent count requests.
func (p *arpinger) result(count int) starlark.Value {
	got := 0
	last := -1
	for _, r := range p.replies { // several stations may answer one request
		v, _ := r.(*starlarkstruct.Struct).Attr("seq")
		if n, _ := starlark.AsInt32(v); n != last {
			got, last = got+1, n
		}
	}
	loss := 1 - float64(got)/float64(count)
	text := fmt.Sprintf("%d sent, %d received, %.3g%% lost", count, got, 100*loss)
	if n := len(p.stations); n > 1 {
		text += fmt.Sprintf(", %d stations have the address", n)
	}
	stations := make([]starlark.Value, len(p.stations))
	for k, hw := range p.stations {
		stations[k] = starlark.String(hw.String())
	}
	d := starlark.StringDict{
		"sent": num(count), "received": num(got), "loss": starlark.Float(loss), "hwaddr": p.hw, "stations": starlark.NewList(stations),
		"replies": starlark.NewList(p.replies), "min": starlark.None, "avg": starlark.None, "max": starlark.None,
	}
	if len(p.rtts) > 0 {
		lo, avg, hi, _ := (&pinger{rtts: p.rtts}).figures()
		text += fmt.Sprintf("   min/avg/max %s/%s/%s ms", millis(lo), millis(avg), millis(hi))
		d["min"], d["avg"], d["max"] = registry.Seconds(lo), registry.Seconds(avg), registry.Seconds(hi)
	}
	p.c.s.say(text)
	return result{starlarkstruct.FromStringDict(starlark.String(p.c.b.Name), d)}
}
