package script

import (
	"fmt"
	"net/netip"
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
	return []*builtin{{
		Name: "arping", Sig: `ip, count=4, interval="1s", timeout="1s", dev=None`, Kinds: "ip int:1..65536 duration duration any",
		Args:   "ip: an address on one of our links; count: number of requests; interval: time between requests; timeout: time to wait for each reply; dev: an interface's name or row",
		Result: "result", Fields: "sent received loss (0 to 1) hwaddr (None without a reply) min avg max (seconds) replies (seq hwaddr time)", Host: true,
		Doc:     "Send ARP requests and print each reply.",
		Example: `arping("192.168.69.100", count=1).hwaddr`, See: "ping, neighbors, frames.bind", Fn: builtinArping,
	}}
}

// arpinger is the state of one arping() call, which sends one request after the other.
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
	rtts     []time.Duration
	replies  []starlark.Value
	hw       starlark.Value
	lines    []string
}

func builtinArping(c *call) (starlark.Value, error) {
	p := &arpinger{c: c, h: c.on(), to: arg[netip.Addr](c, "ip"), hw: starlark.None}
	if !p.to.Is4() {
		return nil, c.errorf("%v: ARP is for IPv4 addresses", p.to)
	}
	var err error
	if p.dev, err = c.devFor(p.h, p.to); err != nil {
		return nil, err
	}
	if p.dev == nil {
		return nil, c.errorf("%v: no interface is on its network; say dev=", p.to)
	}
	c.t.Do(p.h.w, func(clock.Instant) {
		if p.conn, err = p.h.h.BindFrames(p.dev, wire.EtherTypeARP); err == nil {
			p.question()
		}
	})
	if err != nil {
		return nil, (&frameValue{socketValue: socketValue{name: "frames"}}).failed(c, p.dev, err)
	}
	defer c.s.tasks.Do(p.h.w, func(clock.Instant) { p.conn.Close() })
	count, interval, timeout := arg[int](c, "count"), arg[time.Duration](c, "interval"), arg[time.Duration](c, "timeout")
	for p.seq = 0; p.seq < count; p.seq++ {
		next := p.h.w.Now().Add(interval)
		if err := p.probe(timeout); err != nil {
			return nil, err
		}
		if p.seq+1 == count {
			break
		}
		if err := p.wait(max(0, next.Sub(p.h.w.Now())), func() bool { return false }); err != nil && err != task.ErrTimedOut {
			return nil, err
		}
	}
	return p.result(count), nil
}

// question makes the ARP request. The sender is our address on the link; without one the request is a probe (RFC 5227
// §2.1.1).
func (p *arpinger) question() {
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
		return failed(c.t, "arping", p.to, fail)
	}
	err := p.wait(timeout, func() bool { return p.answered })
	if err == task.ErrTimedOut {
		c.s.out.Print(fmt.Sprintf("%v: seq=%d timed out", p.to, p.seq))
		return nil
	}
	return err
}

// wait receives and prints replies until done returns true.
func (p *arpinger) wait(timeout time.Duration, done func() bool) error {
	err := p.c.t.Await(p.h.w, "an ARP reply from "+p.to.String(), &p.conn.Signal, timeout, func(now clock.Instant) bool {
		p.receive(now)
		return done()
	})
	for _, l := range p.lines {
		p.c.s.out.Print(l)
	}
	p.lines = p.lines[:0]
	return err
}

// receive processes the pending replies.
func (p *arpinger) receive(now clock.Instant) {
	var buf [wire.EthernetLen + wire.ARPLen]byte
	for {
		n, _, err := p.conn.Recv(buf[:])
		if n < 0 || err != nil {
			return
		}
		_, b, err := wire.ParseEthernet(buf[:n])
		if err != nil {
			continue
		}
		a, err := wire.ParseARP(b)
		if err != nil || a.Op != wire.ARPReply || a.SenderIP != p.to || a.TargetHW != p.dev.MAC() {
			continue
		}
		rtt := now.Sub(p.sentAt)
		text := fmt.Sprintf("%v is-at %v: seq=%d time=%s ms", p.to, a.SenderHW, p.seq, millis(rtt))
		hw := starlark.String(a.SenderHW.String())
		if p.hw != starlark.None && p.hw != starlark.Value(hw) {
			text += "   (another one)"
		}
		p.hw, p.answered = hw, true
		p.lines = append(p.lines, text)
		p.rtts = append(p.rtts, rtt)
		p.replies = append(p.replies, starlarkstruct.FromStringDict(starlark.String("reply"), starlark.StringDict{
			"seq": num(p.seq), "hwaddr": hw, "time": registry.Seconds(rtt),
		}))
	}
}

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
	d := starlark.StringDict{
		"sent": num(count), "received": num(got), "loss": starlark.Float(loss), "hwaddr": p.hw,
		"replies": starlark.NewList(p.replies), "min": starlark.None, "avg": starlark.None, "max": starlark.None,
	}
	if len(p.rtts) > 0 {
		lo, avg, hi, _ := (&pinger{rtts: p.rtts}).figures()
		text += fmt.Sprintf("   min/avg/max %s/%s/%s ms", millis(lo), millis(avg), millis(hi))
		d["min"], d["avg"], d["max"] = registry.Seconds(lo), registry.Seconds(avg), registry.Seconds(hi)
	}
	p.c.s.out.Print(text)
	return result{starlarkstruct.FromStringDict(starlark.String("arping"), d)}
}
