package script

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func pingBuiltins() []*builtin {
	return []*builtin{{
		Name: "ping", Sig: `host, count=4, interval="1s", size=56, ttl=64, timeout="1s"`, Kinds: "ip int:1..65536 duration int:0..65507 int:1..255 duration",
		Args:   "host: an address; count: number of requests; interval: time between requests; size: octets of data; ttl: time to live; timeout: time to wait for each reply",
		Result: "result", Fields: "sent received loss (0 to 1) min avg max mdev (seconds) replies (seq ttl time size src) error", Host: true,
		Doc:     "Send ICMP echo requests and print each reply.",
		Example: `ping("192.168.69.100", count=1).received`, See: "arping, traceroute, icmp.bind", Fn: builtinPing,
	}}
}

// pinger is the state of one ping() call. Probes are sent at fixed times and do not wait for earlier replies.
type pinger struct {
	h        *hostValue
	to       netip.Addr
	count    int
	interval time.Duration
	timeout  time.Duration
	ttl      uint8
	msg      []byte
	conn     *stack.ICMPConn
	buf      []byte

	sentAt   []clock.Instant
	answered []bool // true for a probe that was answered or given up
	open     int
	next     clock.Instant
	lines    []string // lines that are still to be printed
	rtts     []time.Duration
	replies  []starlark.Value
	fail     error // failure of the last probe that failed
	fatal    error
	said     string // last failure's line, which is not printed twice in a row
}

func builtinPing(c *call) (starlark.Value, error) {
	p := &pinger{
		h: c.on(), to: arg[netip.Addr](c, "host"), count: arg[int](c, "count"),
		interval: arg[time.Duration](c, "interval"), timeout: arg[time.Duration](c, "timeout"),
		ttl: uint8(arg[int](c, "ttl")), buf: make([]byte, 65536),
	}
	size := arg[int](c, "size")
	p.msg = make([]byte, 8+size)
	for i := range size {
		p.msg[8+i] = byte(i)
	}
	var err error
	p.h.do(func(clock.Instant) { p.conn, err = p.h.h.BindICMP(0) })
	if err != nil {
		return nil, failed(c.t, "ping", p.to, err)
	}
	defer p.h.do(func(clock.Instant) { p.conn.Close() })
	if err := p.run(c); err != nil {
		return nil, err
	}
	c.s.out.print(p.statistics())
	return p.result(), nil
}

// run sends and receives until every probe has been answered or given up.
func (p *pinger) run(c *call) error {
	for {
		var until time.Duration
		var over bool
		work := func(now clock.Instant) bool {
			p.receive(now)
			p.send(now)
			p.expire(now)
			over = p.fatal != nil || p.open == 0 && len(p.sentAt) == p.count
			until = p.due(now)
			return over || len(p.lines) > 0
		}
		c.t.Do(p.h.w, func(now clock.Instant) { work(now) })
		p.print(c)
		if p.fatal != nil {
			return failed(c.t, "ping", p.to, p.fatal)
		}
		if over {
			return nil
		}
		err := c.t.Await(p.h.w, "an echo reply from "+p.to.String(), &p.conn.Signal, until, work)
		if err != nil && err != task.ErrTimedOut {
			return err
		}
		p.print(c)
	}
}

func (p *pinger) print(c *call) {
	for _, l := range p.lines {
		c.s.out.print(l)
	}
	p.lines = p.lines[:0]
}

// send sends the probe that is due.
func (p *pinger) send(now clock.Instant) {
	for len(p.sentAt) < p.count && p.next.Due(now) && p.fatal == nil {
		seq := len(p.sentAt)
		m := wire.ICMP{Type: wire.ICMPEchoRequest, ID: p.conn.ID(), Seq: uint16(seq)}
		m.Put(p.msg)
		err := p.conn.Send(now, p.msg, p.to, p.ttl)
		p.sentAt = append(p.sentAt, now)
		p.answered = append(p.answered, err != nil)
		switch {
		case err == nil:
			p.open++
		case seq == 0:
			p.fatal = err
		default:
			p.failed(err)
		}
		p.next = now.Add(p.interval)
	}
}

// failed records why a probe was not answered. It prints the reason unless the previous failure had the same one.
func (p *pinger) failed(err error) {
	p.fail = p.explain(err)
	line := fmt.Sprintf("%v: %v", p.to, p.fail)
	if line != p.said {
		p.lines = append(p.lines, line)
	}
	p.said = line
}

// explain explains an error like hostValue.explain. Only the owner calls it.
func (p *pinger) explain(err error) error {
	if !errors.Is(err, tcp.ErrHostUnreach) {
		return sharper(p.to, err)
	}
	if n, ok := p.neighbor(); ok && n.State == "FAILED" {
		return fmt.Errorf("%w (no answer to %d ARP requests on %s)", err, n.Probes, n.Dev)
	}
	return err
}

// neighbor returns the neighbour entry of the next hop.
func (p *pinger) neighbor() (stack.NeighborInfo, bool) {
	for _, n := range p.h.h.NeighborInfos(p.h.w.World().Now()) {
		if n.Addr == p.to || p.h.gateway(n.Addr) {
			return n, true
		}
	}
	return stack.NeighborInfo{}, false
}

// receive processes the pending replies and errors.
func (p *pinger) receive(now clock.Instant) {
	for {
		n, from, ttl, err := p.conn.Recv(p.buf)
		if err != nil {
			p.giveUp(err)
			continue
		}
		if n < 0 {
			return
		}
		m, data, err := wire.ParseICMP(p.buf[:n], false)
		if err != nil {
			continue
		}
		if m.IsError() {
			p.failed(fmt.Errorf("%s, says %v", spoken(m.String()), from))
			if q, err := wire.ParseQuoted(data); err == nil {
				p.close(int(q.EchoSeq))
			}
			continue
		}
		p.reply(now, &m, data, from, ttl)
	}
}

// giveUp ends every probe in flight, because the neighbour does not answer.
func (p *pinger) giveUp(err error) {
	for seq := range p.sentAt {
		p.close(seq)
	}
	p.failed(err)
}

// close marks a probe as answered, and reports whether it was open.
func (p *pinger) close(seq int) bool {
	if seq < 0 || seq >= len(p.sentAt) || p.answered[seq] {
		return false
	}
	p.answered[seq] = true
	p.open--
	return true
}

func (p *pinger) reply(now clock.Instant, m *wire.ICMP, data []byte, from netip.Addr, ttl uint8) {
	seq := int(m.Seq)
	if m.Type != wire.ICMPEchoReply || seq >= len(p.sentAt) || from != p.to {
		return
	}
	rtt := now.Sub(p.sentAt[seq])
	text := fmt.Sprintf("%d octets from %v: seq=%d ttl=%d time=%s ms", len(data), from, seq, ttl, millis(rtt))
	if !p.close(seq) {
		p.lines = append(p.lines, text+"   (again)")
		return
	}
	if n, ok := p.neighbor(); ok && n.State == "REACHABLE" {
		if known := now.Add(-n.Age); len(p.rtts) == 0 && known > p.sentAt[seq] {
			text += fmt.Sprintf("   (%s ms of it waiting for ARP)", millis(known.Sub(p.sentAt[seq])))
		}
	}
	p.lines = append(p.lines, text)
	p.rtts = append(p.rtts, rtt)
	p.replies = append(p.replies, starlarkstruct.FromStringDict(starlark.String("reply"), starlark.StringDict{
		"seq": num(seq), "ttl": num(int(ttl)), "time": registry.Seconds(rtt), "size": num(len(data)), "src": registry.Address(from),
	}))
}

// expire gives up the probes that are older than the timeout, unless the next hop is still being resolved.
func (p *pinger) expire(now clock.Instant) {
	resolving := false
	if p.open > 0 {
		n, ok := p.neighbor()
		resolving = ok && n.State == "INCOMPLETE"
	}
	for seq, at := range p.sentAt {
		if p.answered[seq] || !at.Add(p.timeout).Due(now) || resolving {
			continue
		}
		p.close(seq)
		p.fail = task.ErrTimedOut
		p.lines = append(p.lines, fmt.Sprintf("%v: seq=%d timed out", p.to, seq))
	}
}

// due returns the time until pinger has to act without a reply.
func (p *pinger) due(now clock.Instant) time.Duration {
	at := clock.Never
	if len(p.sentAt) < p.count {
		at = p.next
	}
	for seq, t := range p.sentAt {
		if !p.answered[seq] {
			// A probe that waits for ARP beyond its timeout is checked again every 100 ms.
			at = min(at, max(t.Add(p.timeout), now.Add(100*time.Millisecond)))
		}
	}
	if at == clock.Never {
		return task.Forever
	}
	return max(0, at.Sub(now))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }

// figures returns the minimum, average, maximum and mean deviation of the round trips.
func (p *pinger) figures() (lo, avg, hi, mdev time.Duration) {
	var sum, sq float64
	lo = p.rtts[0]
	for _, d := range p.rtts {
		lo, hi = min(lo, d), max(hi, d)
		sum += float64(d)
		sq += float64(d) * float64(d)
	}
	n := float64(len(p.rtts))
	mean := sum / n
	return lo, time.Duration(mean), hi, time.Duration(math.Sqrt(max(0, sq/n-mean*mean)))
}

func (p *pinger) loss() float64 { return 1 - float64(len(p.rtts))/float64(len(p.sentAt)) }

func (p *pinger) statistics() string {
	s := fmt.Sprintf("%d sent, %d received, %.3g%% lost", len(p.sentAt), len(p.rtts), 100*p.loss())
	if len(p.rtts) > 0 {
		lo, avg, hi, mdev := p.figures()
		s += fmt.Sprintf("   rtt min/avg/max/mdev %s/%s/%s/%s ms", millis(lo), millis(avg), millis(hi), millis(mdev))
	}
	return s
}

// result is the value that ping() returns. The prompt does not show it, because its last line has been printed already.
type result struct{ *starlarkstruct.Struct }

func (result) display() string { return "" }

func (p *pinger) result() starlark.Value {
	d := starlark.StringDict{
		"sent": num(len(p.sentAt)), "received": num(len(p.rtts)), "loss": starlark.Float(p.loss()),
		"replies": starlark.NewList(p.replies), "error": starlark.None,
		"min": starlark.None, "avg": starlark.None, "max": starlark.None, "mdev": starlark.None,
	}
	if p.fail != nil {
		d["error"] = starlark.String(fmt.Sprintf("%v: %v", p.to, p.fail))
	}
	if len(p.rtts) > 0 {
		lo, avg, hi, mdev := p.figures()
		d["min"], d["avg"], d["max"], d["mdev"] = registry.Seconds(lo), registry.Seconds(avg), registry.Seconds(hi), registry.Seconds(mdev)
	}
	return result{starlarkstruct.FromStringDict(starlark.String("ping"), d)}
}

// spoken returns the text of an ICMP message in the words that errors of calls use.
func spoken(message string) string {
	if rest, ok := strings.CutPrefix(message, "net "); ok {
		return "network " + rest
	}
	return message
}
