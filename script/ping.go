package script

import (
	"encoding/binary"
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
		Name: "ping", Sig: `host, count=4, interval="1s", size=56, ttl=64, timeout="1s", df=False`, Kinds: "ip int:1..65536 duration int:0..65507 int:1..255 duration bool",
		Args:   "host: an address, or a host or its name; count: number of requests; interval: time between requests; size: octets of data; ttl: time to live or hop limit; timeout: time to wait for each reply; df: whether to forbid fragments",
		Result: "result", Fields: "sent received loss (0 to 1) min avg max mdev (seconds) replies (seq ttl time size src note) again error", Host: true,
		Doc:     `Send echo requests of ICMP or ICMPv6 and print each reply; "ff02::1%eth0" asks all nodes of a link.`,
		Example: `ping("192.168.69.100", count=1).received`, See: "arping, ndping, traceroute, icmp.bind", Fn: builtinPing,
	}}
}

// pinger is the state of one ping() call. Probes are sent at fixed times and do not wait for earlier replies.
type pinger struct {
	h        *hostValue
	to       netip.Addr
	count    int
	interval time.Duration
	timeout  time.Duration
	ttl      uint8 // 0 for the default of the route
	msg      []byte
	conn     *stack.ICMPConn
	buf      []byte

	group    bool // true if several stations may answer
	probes   []pingProbe
	open     int                 // probes that wait for a reply
	seen     map[pingSource]bool // the replies so far
	answered int                 // probes with a reply
	notes    map[string]int      // the number of replies with each note
	next     clock.Instant
	lines    []string // lines that are still to be printed
	rtts     []time.Duration
	replies  []starlark.Value
	fail     error // failure of the last probe that failed
	fatal    error
	said     string // last failure's line, which is not printed twice in a row
}

// pingProbe is one echo request.
type pingProbe struct {
	sentAt   clock.Instant
	closed   bool // true if the call no longer waits for a reply
	expired  bool // true if it was closed because its timeout passed
	answered bool
	waits    bool // true if the request waits for its neighbour's address; not recorded after the first reply
}

// pingSource identifies a reply: the sequence number and the station. A second reply with the same source is a duplicate.
type pingSource struct {
	seq  int
	from netip.Addr
}

// maxPingReplies is the maximum number of replies that a ping() to a group counts; further ones are ignored.
const maxPingReplies = 1 << 16

// The notes on unexpected replies, which are printed and counted under these names.
const (
	noteLate    = "late"    // after the timeout
	noteAgain   = "again"   // a reply from a station that has answered this request before
	noteChanged = "changed" // a reply with other data than the request
	noteOther   = "from another address"
)

func builtinPing(c *call) (starlark.Value, error) {
	p := &pinger{
		h: c.on(), to: arg[netip.Addr](c, "host"), count: arg[int](c, "count"),
		interval: arg[time.Duration](c, "interval"), timeout: arg[time.Duration](c, "timeout"),
		ttl: uint8(arg[int](c, "ttl")), buf: make([]byte, 65536), seen: map[pingSource]bool{}, notes: map[string]int{},
	}
	if !c.Given("ttl") && p.to.Is6() && !p.to.IsMulticast() {
		p.ttl = 0 // a router may have advertised the hop limit
	}
	size := arg[int](c, "size")
	p.msg = make([]byte, 8+size)
	for i := range size {
		p.msg[8+i] = byte(i)
	}
	var err error
	p.h.do(func(clock.Instant) {
		if p.to, err = p.h.h.Scoped(p.to); err != nil {
			return
		}
		if p.conn, err = p.h.h.BindICMP(0); err == nil {
			p.conn.SetDontFragment(arg[bool](c, "df"))
			p.group = p.h.h.IsGroup(p.to)
		}
	})
	if err != nil {
		return nil, failed(c.t, "ping", p.to, err)
	}
	defer p.h.do(func(clock.Instant) { p.conn.Close() })
	defer c.t.Keeping()()
	show := func() { c.s.say(p.statistics()) }
	switch err := p.run(c); {
	case err == nil:
		show()
	case !c.interrupted(err, show):
		return nil, err
	}
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
			over = p.fatal != nil || p.open == 0 && len(p.probes) == p.count
			until = p.due(now)
			return over || len(p.lines) > 0
		}
		c.t.Do(p.h.w, func(now clock.Instant) { work(now) })
		p.print(c)
		if p.fatal != nil {
			return failed(c.t, "ping", p.to, p.h.explain(p.to, p.fatal))
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
		c.s.say(l)
	}
	p.lines = p.lines[:0]
}

// send sends the probe that is due.
func (p *pinger) send(now clock.Instant) {
	for len(p.probes) < p.count && p.next.Due(now) && p.fatal == nil {
		seq := len(p.probes)
		p.putRequest(uint16(seq))
		err := p.conn.Send(now, p.msg, p.to, p.ttl)
		probe := pingProbe{sentAt: now, closed: err != nil}
		if len(p.rtts) == 0 {
			n, ok := p.neighbor()
			probe.waits = ok && n.State == "INCOMPLETE"
		}
		p.probes = append(p.probes, probe)
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

// putRequest writes the head of the echo request of p's family into its message, but for the checksum, which Send computes.
func (p *pinger) putRequest(seq uint16) {
	p.msg[0] = byte(wire.ICMPEchoRequest)
	if p.to.Is6() {
		p.msg[0] = byte(wire.ICMPv6EchoRequest)
	}
	binary.BigEndian.PutUint16(p.msg[4:], p.conn.ID())
	binary.BigEndian.PutUint16(p.msg[6:], seq)
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
	if errors.Is(err, stack.ErrNoRoute) {
		return withoutRoute(p.h.h, p.to, err)
	}
	if !errors.Is(err, tcp.ErrHostUnreach) {
		return sharper(p.to, err)
	}
	if n, ok := p.neighbor(); ok && n.State == "FAILED" {
		return fmt.Errorf("%w%s", err, unanswered(&n))
	}
	return err
}

// neighbor returns the neighbour entry of the next hop, and false if there is none.
func (p *pinger) neighbor() (stack.NeighborInfo, bool) {
	return p.h.h.NextHop(p.h.w.World().Now(), p.to)
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
		m, err := parseMessage(p.buf[:n], p.to)
		switch {
		case err != nil:
		case m.isError && m.dst == p.to:
			p.failed(fmt.Errorf("%s, says %v", spoken(m.text), from))
			p.close(int(m.seq))
		case m.echoReply && int(m.seq) < len(p.probes):
			p.reply(now, int(m.seq), m.data, from, ttl)
		}
	}
}

// giveUp ends every probe in flight, because the neighbour does not answer.
func (p *pinger) giveUp(err error) {
	for seq := range p.probes {
		p.close(seq)
	}
	p.failed(err)
}

// close stops waiting for a probe's reply.
func (p *pinger) close(seq int) {
	if seq < len(p.probes) && !p.probes[seq].closed {
		p.probes[seq].closed = true
		p.open--
	}
}

// reply records the echo reply to a probe. Only the address that was pinged may answer, unless it is a group. A reply
// after the probe's timeout counts too.
func (p *pinger) reply(now clock.Instant, seq int, data []byte, from netip.Addr, ttl uint8) {
	b, source := &p.probes[seq], pingSource{seq, from}
	rtt := now.Sub(b.sentAt)
	text := fmt.Sprintf("%d octets from %v: seq=%d ttl=%d time=%s ms", len(data), from, seq, ttl, millis(rtt))
	odd := p.oddity(source)
	if odd != "" {
		p.notes[odd]++
		p.lines = append(p.lines, text+"   ("+odd+")")
		return
	}
	if len(p.seen) >= maxPingReplies {
		return
	}
	var notes []string
	note := func(n, shown string) {
		notes = append(notes, n)
		p.notes[n]++
		text += "   (" + shown + ")"
	}
	if change := p.change(data); change != "" {
		note(noteChanged, change)
	}
	if b.expired {
		note(noteLate, noteLate)
	} else if n, ok := p.neighbor(); b.waits && ok && n.State == "REACHABLE" {
		if known := now.Add(-n.Age); len(p.rtts) == 0 && known > b.sentAt {
			text += fmt.Sprintf("   (%s ms of it waiting for %s)", millis(known.Sub(b.sentAt)), resolution(p.to))
		}
	}
	p.seen[source] = true
	if !b.answered {
		b.answered = true
		p.answered++
	}
	if !p.group {
		p.close(seq)
	}
	if p.fail == task.ErrTimedOut && p.answered == len(p.probes) {
		p.fail = nil // each timeout was followed by a late reply
	}
	p.lines = append(p.lines, text)
	p.rtts = append(p.rtts, rtt)
	p.replies = append(p.replies, starlarkstruct.FromStringDict(starlark.String("reply"), starlark.StringDict{
		"seq": num(seq), "ttl": num(int(ttl)), "time": registry.Seconds(rtt), "size": num(len(data)), "src": registry.Address(from),
		"note": starlark.String(strings.Join(notes, " ")),
	}))
}

// oddity returns the note on a reply that answers no probe, "" for one that does.
func (p *pinger) oddity(source pingSource) string {
	switch {
	case !p.group && source.from != p.to:
		return noteOther
	case p.seen[source]:
		return noteAgain
	}
	return ""
}

// change describes the difference between the data of a reply and the data of the request, "" if they are equal
// (RFC 792: "the data received in the echo message must be returned"; RFC 4443 §4.2 has the same rule).
func (p *pinger) change(data []byte) string {
	sent := p.msg[wire.ICMPLen:] // the head of ICMPv6 has the same length
	for i := range min(len(data), len(sent)) {
		if data[i] != sent[i] {
			return fmt.Sprintf("%s: octet %d is 0x%02x, was 0x%02x", noteChanged, i, data[i], sent[i])
		}
	}
	if len(data) != len(sent) {
		return fmt.Sprintf("%s: %d octets, were %d", noteChanged, len(data), len(sent))
	}
	return ""
}

// expire gives up the probes that have waited for longer than the timeout, except those that wait for their neighbour's address.
func (p *pinger) expire(now clock.Instant) {
	resolving := false
	if p.open > 0 {
		n, ok := p.neighbor()
		resolving = ok && n.State == "INCOMPLETE"
	}
	for seq := range p.probes {
		b := &p.probes[seq]
		if b.closed || !b.sentAt.Add(p.timeout).Due(now) || resolving {
			continue
		}
		p.close(seq)
		b.expired = true
		if !b.answered {
			p.fail = task.ErrTimedOut
			p.lines = append(p.lines, fmt.Sprintf("%v: seq=%d timed out", p.to, seq))
		}
	}
}

// due returns the time until pinger has to act without a reply.
func (p *pinger) due(now clock.Instant) time.Duration {
	at := clock.Never
	if len(p.probes) < p.count {
		at = p.next
	}
	for _, b := range p.probes {
		if !b.closed {
			// A probe that still waits for its neighbour's address past its timeout is checked again every 100 ms.
			at = min(at, max(b.sentAt.Add(p.timeout), now.Add(100*time.Millisecond)))
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

func (p *pinger) loss() float64 { return 1 - float64(p.answered)/float64(len(p.probes)) }

func (p *pinger) statistics() string {
	s := fmt.Sprintf("%d sent, %d received, %.3g%% lost", len(p.probes), len(p.rtts), 100*p.loss())
	for _, note := range []string{noteLate, noteAgain, noteChanged, noteOther} {
		if n := p.notes[note]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, note)
		}
	}
	if len(p.rtts) > 0 {
		lo, avg, hi, mdev := p.figures()
		s += fmt.Sprintf("   rtt min/avg/max/mdev %s/%s/%s/%s ms", millis(lo), millis(avg), millis(hi), millis(mdev))
	}
	return s
}

// result is the value that ping() returns. The prompt does not show it, because its last line has been printed already.
type result struct{ *starlarkstruct.Struct }

func (result) display() string { return "" }

func (r result) redisplay(s *Session) string { return s.display(r.Struct) }

func (p *pinger) result() starlark.Value {
	d := starlark.StringDict{
		"sent": num(len(p.probes)), "received": num(len(p.rtts)), "loss": starlark.Float(p.loss()),
		"replies": starlark.NewList(p.replies), "again": num(p.notes[noteAgain]), "error": starlark.None,
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
	switch message {
	case "no route":
		return "network unreachable"
	case "address unreachable":
		return "host unreachable"
	}
	return message
}
