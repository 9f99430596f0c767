package script

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/handheld"
	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// endValue is a TCP end of a station that a script moves by hand.
type endValue struct {
	v    *stationValue
	tcp  *handheld.TCP
	last handheld.Received // the segment that was read last

	follows bool // true while the end is one of the station's ends
}

func (e *endValue) String() string {
	return fmt.Sprintf("tcp_end %s, peer %s", registry.SocketAddress(e.tcp.Local), registry.SocketAddress(e.tcp.Remote))
}
func (e *endValue) Type() string          { return "tcp_end" }
func (e *endValue) Freeze()               {}
func (e *endValue) Truth() starlark.Bool  { return true }
func (e *endValue) Hash() (uint32, error) { return uint32(e.tcp.Local.Port()), nil }

// endFields are the names of the attributes of a TCP end that are not methods.
var endFields = []string{"irs", "iss", "local", "peer", "rcv_nxt", "rcv_wnd", "snd_nxt", "snd_una", "snd_wnd"}

// AttrNames implements starlark.HasAttrs.
func (e *endValue) AttrNames() []string {
	return append(endFields[:len(endFields):len(endFields)], e.v.s.reg.Members["tcp_end"]...)
}

// Attr returns a field or a method of the end.
func (e *endValue) Attr(name string) (starlark.Value, error) {
	t := e.tcp
	switch name {
	case "local":
		return registry.Endpoint(t.Local), nil
	case "peer":
		return registry.Endpoint(t.Remote), nil
	case "iss":
		return num(t.ISS), nil
	case "irs":
		if !t.Synced {
			return starlark.None, nil
		}
		return num(t.IRS), nil
	case "snd_nxt":
		return starlark.MakeInt64(t.Relative(t.SndNxt)), nil
	case "snd_una":
		return starlark.MakeInt64(t.Relative(t.SndUna)), nil
	case "rcv_nxt":
		return starlark.MakeInt64(t.RelativeTheirs(t.RcvNxt)), nil
	case "rcv_wnd":
		return num(t.RcvWnd), nil
	case "snd_wnd":
		return num(t.SndWnd), nil
	}
	return suggest.Attr(e, name, e.v.s.member("tcp_end", e, name))
}

// Arguments of the builtins of TCP ends.
const (
	endSeqArg    = "seq: the first number, relative, in place of snd_nxt; "
	endAckArg    = "ack: the number to acknowledge, relative, in place of rcv_nxt; "
	endWindowArg = "window: octets to offer from now on"
)

func endBuiltins() []*builtin {
	const (
		wired  = `l = lab(); a = l.host("a", "10.0.0.1/24"); a.serve("tcp", 80, echo); st = l.wire(a, "10.0.0.9"); s = st.tcp("10.0.0.1:80"); `
		opened = wired + `s.open(); `
		number = "int:-2147483648..4294967295"
	)
	return []*builtin{
		{Name: "station.tcp", Sig: "endpoint, port=None, addr=None, isn=None, window=65535, mss=None, wscale=None, sackok=False, ts=False",
			Kinds: "any port ip int:0..4294967295 int:0..1073725440 int:1..65535 int:0..14 bool bool",
			Args: `endpoint: the peer, such as "10.0.0.1:80", or a port of the station to accept() on; port: its own port (by default the next ephemeral one); addr: its own address; ` +
				"isn: its first sequence number; window: octets that it offers; mss: octets, an option of its SYN; wscale: a shift, an option of its SYN; sackok: whether its SYN permits SACK; ts: whether it uses timestamps",
			Result: "tcp_end", See: "tcp_end.open, tcp_end.accept, tcp_end.expect",
			Doc:     "Make a TCP end that keeps the numbers, and sends only what the script says.",
			Example: opened + `s.send("hello"); s.expect(data="hello")`, Fn: stationTCP},
		{Name: "tcp_end.open", Sig: `timeout="1s"`, Kinds: "duration", See: "tcp_end.accept, tcp_end.fin", Doc: "Send SYN, expect SYN and ACK, send ACK.", Example: opened + `s.snd_nxt`, Fn: endOpen},
		{Name: "tcp_end.accept", Sig: `timeout="1s"`, Kinds: "duration", See: "tcp_end.open", Doc: "Wait for a SYN to the port, send SYN and ACK, expect ACK.",
			Example: wired + `p = st.tcp(90); t = spawn(a.tcp.connect, "10.0.0.9:90"); p.accept(); t.join().state`, Fn: endAccept},
		{Name: "tcp_end.send", Sig: `data="", flags="PA", offset=0, seq=None, ack=None, window=None`, Kinds: "data str int:-2147483648..2147483647 " + number + " " + number + " int:0..1073725440", Result: "packet",
			Args: `flags: letters such as "PA"; offset: octets behind snd_nxt, negative to send octets again; ` + endSeqArg + endAckArg + endWindowArg, See: "tcp_end.expect",
			Doc: "Send one segment; snd_nxt moves over the octets that were sent without a gap.", Example: opened + `s.send("world", offset=5); s.send("hello"); s.snd_nxt`, Fn: endSend},
		{Name: "tcp_end.ack", Sig: "window=None, ack=None, seq=None, sack=None", Kinds: "int:0..1073725440 " + number + " " + number + " any", Result: "packet", See: "tcp_end.send",
			Args: endWindowArg + "; " + endAckArg + endSeqArg + "sack: blocks, such as [(6, 11)], relative",
			Doc:  "Send an ACK without data.", Example: opened + `s.ack(window=0)`, Fn: endAck},
		{Name: "tcp_end.fin", Sig: `flags="FA"`, Kinds: "str", Args: `flags: letters such as "FA"`, Result: "packet", See: "tcp_end.rst", Doc: "Send a FIN, which takes one number.", Example: opened + `s.fin(); s.expect("FA").tcp.ack`, Fn: endFlags},
		{Name: "tcp_end.rst", Sig: `flags="R"`, Kinds: "str", Args: `flags: letters such as "R" or "RA"`, Result: "packet", See: "tcp_end.fin", Doc: "Send a reset with the number snd_nxt.", Example: opened + `s.rst()`, Fn: endFlags},
		{Name: "tcp_end.expect", Sig: `flags=None, data=None, seq=None, ack=None, window=None, match=None, within="1s"`, Kinds: "any data " + number + " " + number + " int:0..1073725440 pattern duration", Result: "packet",
			Args: `flags: letters that are set and no others, such as "SA", a list of alternatives, or a pattern such as TCP(flags="PA"); data: the octets, "" for none; seq: its first number, relative; ack: the number that it acknowledges, relative; window: octets, scaled; match: a further pattern; within: longest time to wait`,
			See:  "station.expect, tcp_end.expect_none",
			Doc:  "Return the connection's next segment, which must be so; rcv_nxt moves over it.", Example: opened + `s.send("hello"); s.expect("PA", seq=1, ack=6, data="hello")`, Fn: endExpect},
		{Name: "tcp_end.expect_none", Sig: `within="100ms"`, Kinds: "duration", See: "tcp_end.expect", Doc: "Wait, and fail if a segment of the connection has arrived or arrives.", Example: opened + `s.expect_none()`, Fn: endExpectNone},
	}
}

func stationTCP(c *call) (starlark.Value, error) {
	v := c.recv.(*stationValue)
	local, remote, err := c.endEnds(v)
	if err != nil {
		return nil, err
	}
	if c.Given("port") {
		local = netip.AddrPortFrom(local.Addr(), uint16(arg[int](c, "port")))
	}
	if local.Port() == 0 {
		local = netip.AddrPortFrom(local.Addr(), v.fill.Port())
	}
	iss := v.isn
	v.isn += 64000 // as 4.2BSD counted from one connection to the next
	if c.Given("isn") {
		iss = uint32(arg[int](c, "isn"))
	}
	o := handheld.Options{MSS: arg[int](c, "mss"), WScale: -1, SACKOK: arg[bool](c, "sackok"), TS: arg[bool](c, "ts")}
	if c.Given("wscale") {
		o.WScale = arg[int](c, "wscale")
	}
	e := &endValue{v: v, tcp: handheld.NewTCP(local, remote, iss, arg[int](c, "window"), o)}
	v.follow(e)
	return e, nil
}

// maxEnds is the largest number of TCP ends of a station whose numbers follow packets that the station reads. The end that began to follow first makes room
// for another one; it follows again from its next use on.
const maxEnds = 10000

// follow makes the numbers of an end follow the packets that the station reads.
func (v *stationValue) follow(e *endValue) {
	if e.follows {
		return
	}
	if len(v.ends) == maxEnds {
		v.ends[0].follows = false
		v.ends[0] = nil
		v.ends = v.ends[1:]
	}
	e.follows = true
	v.ends = append(v.ends, e)
}

// endEnds returns the two ends of station.tcp(). remote is invalid for a passive end.
func (c *call) endEnds(v *stationValue) (local, remote netip.AddrPort, err error) {
	addr := arg[netip.Addr](c, "addr")
	given := arg[starlark.Value](c, "endpoint")
	if port, err := registry.KindPort.Convert(given); err == nil {
		if port == 0 {
			return local, remote, c.errorf("port 0 is no service's")
		}
		return netip.AddrPortFrom(addr, uint16(port.(int))), remote, nil
	}
	list, err := registry.KindEndpoint.For(given, c)
	var lookup *registry.LookupError
	if errors.As(err, &lookup) {
		return local, remote, c.errorf("%w", lookup)
	}
	if err != nil {
		return local, remote, c.errorf("argument 1 (endpoint) is %s, or a port to accept on, got %s %v", registry.KindEndpoint.Describe(), given.Type(), given)
	}
	remote = list.([]netip.AddrPort)[0]
	if !addr.IsValid() {
		addr = v.st.Source(remote.Addr())
	}
	if !addr.IsValid() || addr.Is4() != remote.Addr().Is4() {
		return local, remote, c.errorf("the station has no address of the family of %v: addr= names one", remote.Addr())
	}
	return netip.AddrPortFrom(addr, 0), remote, nil
}

// transmit sends a segment with the station's time as timestamp.
func (e *endValue) transmit(c *call, s handheld.Segment) (*packetvalue.Value, error) {
	e.v.follow(e)
	s.TSVal = uint32(e.v.w.Now() / clock.Instant(time.Millisecond))
	d, err := e.tcp.Compose(s)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	sent, _, err := e.v.transmit(c, packetvalue.Compose(environment{c.s}, d))
	if err == nil {
		e.tcp.Sent(s)
	}
	return sent, err
}

// letters returns the flags that letters name.
func (c *call) letters(text string) (uint64, error) {
	n, err := packet.TCP.Field("flags").ParseLetters(strings.ToUpper(text))
	if err != nil {
		return 0, c.errorf("flags: %v", err)
	}
	return n, nil
}

// segment returns a segment with the numbers of the end, or those that the call names.
func (e *endValue) segment(c *call, flags uint64) handheld.Segment {
	s := handheld.Segment{Flags: flags, Seq: e.tcp.SndNxt, Ack: e.tcp.RcvNxt}
	given := func(name string) bool { return c.b.Index(name) >= 0 && c.Given(name) }
	if given("seq") {
		s.Seq = e.tcp.ISS + uint32(arg[int](c, "seq"))
	}
	if given("ack") {
		s.Ack = e.tcp.IRS + uint32(arg[int](c, "ack"))
	}
	if given("offset") {
		s.Seq += uint32(arg[int](c, "offset"))
	}
	if given("window") {
		e.tcp.RcvWnd = arg[int](c, "window")
	}
	return s
}

func endSend(c *call) (starlark.Value, error) {
	e := c.recv.(*endValue)
	flags, err := c.letters(arg[string](c, "flags"))
	if err != nil {
		return nil, err
	}
	s := e.segment(c, flags)
	s.Data = arg[[]byte](c, "data")
	return e.result(c, s)
}

// result sends a segment for a builtin.
func (e *endValue) result(c *call, s handheld.Segment) (starlark.Value, error) {
	p, err := e.transmit(c, s)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func endAck(c *call) (starlark.Value, error) {
	e := c.recv.(*endValue)
	s := e.segment(c, handheld.ACK)
	blocks, err := c.sackBlocks(e.tcp.IRS)
	if err != nil {
		return nil, err
	}
	s.SACK = blocks
	return e.result(c, s)
}

// sackBlocks returns the blocks of the argument sack, whose numbers are relative to irs.
func (c *call) sackBlocks(irs uint32) (blocks [][2]uint32, err error) {
	v := arg[starlark.Value](c, "sack")
	if v == nil || v == starlark.None {
		return nil, nil
	}
	list, ok := v.(starlark.Indexable)
	if !ok {
		return nil, c.errorf("sack is a list of (left, right), got %s", v.Type())
	}
	for i := range list.Len() {
		pair, ok := list.Index(i).(starlark.Indexable)
		if !ok || pair.Len() != 2 {
			return nil, c.errorf("a block of sack is (left, right), got %v", list.Index(i))
		}
		var block [2]uint32
		for j := range block {
			n, err := registry.KindInt.Convert(pair.Index(j))
			if err != nil {
				return nil, c.errorf("a block of sack has two numbers, got %v", pair.Index(j))
			}
			block[j] = irs + uint32(n.(int))
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// endFlags sends a segment without data, with the flags of the call.
func endFlags(c *call) (starlark.Value, error) {
	e := c.recv.(*endValue)
	flags, err := c.letters(arg[string](c, "flags"))
	if err != nil {
		return nil, err
	}
	return e.result(c, e.segment(c, flags))
}

// next returns the connection's next segment within a time. Other packets stay in the station's queue.
func (e *endValue) next(c *call, within time.Duration) (got *packetvalue.Value, err error) {
	e.v.follow(e)
	err = e.v.each(c, e.v.fromNow(within), func(p *packetvalue.Value, take func()) (bool, error) {
		built, err := p.Built()
		if err != nil || !e.tcp.Belongs(built) || !e.first(built) {
			return false, nil
		}
		take()
		got = p
		return true, nil
	})
	switch err {
	case nil:
		return got, nil
	case task.ErrTimedOut:
		return nil, c.errorf("no segment has arrived within %s", shortDuration(within))
	case errStationClosed, errUnread:
		return nil, c.errorf("%v", err)
	}
	return nil, err
}

// line returns a packet's line with numbers relative to the first ones of the connection.
func (e *endValue) line(p *packetvalue.Value) string {
	seqs := packet.Sequences{Known: func(src, _ netip.AddrPort) (wire.Seq, bool) {
		if src == e.tcp.Local {
			return wire.Seq(e.tcp.ISS), true
		}
		return wire.Seq(e.tcp.IRS), e.tcp.Synced
	}}
	return p.Line(&seqs)
}

// first reports whether the end is the first of its station's to which a packet belongs. Each packet moves the numbers of one end.
func (e *endValue) first(p *packet.Packet) bool {
	for _, o := range e.v.ends {
		if o.tcp.Belongs(p) {
			return o == e
		}
	}
	return false
}

func endOpen(c *call) (starlark.Value, error) {
	e, t := c.recv.(*endValue), c.recv.(*endValue).tcp
	if !t.Remote.IsValid() {
		return nil, c.errorf("it has no peer to open a connection to: accept(), or st.tcp(\"10.0.0.1:80\")")
	}
	syn := handheld.Segment{Flags: handheld.SYN, Seq: t.ISS}
	if _, err := e.transmit(c, syn); err != nil {
		return nil, err
	}
	got, err := e.next(c, arg[time.Duration](c, "timeout"))
	if err != nil {
		return nil, err
	}
	switch r := e.last; {
	case r.Flags&handheld.RST != 0 && r.Ack == 1:
		return nil, c.errorf("%s\nis a reset: nothing listens there", e.line(got))
	case r.Flags&(handheld.SYN|handheld.ACK|handheld.RST) != handheld.SYN|handheld.ACK || r.Ack != 1:
		return nil, c.errorf("%s\nis no SYN and ACK with ack 1", e.line(got))
	}
	return e.result(c, handheld.Segment{Flags: handheld.ACK, Seq: t.SndNxt, Ack: t.RcvNxt})
}

func endAccept(c *call) (starlark.Value, error) {
	e, t := c.recv.(*endValue), c.recv.(*endValue).tcp
	timeout := arg[time.Duration](c, "timeout")
	got, err := e.next(c, timeout)
	if err != nil {
		return nil, err
	}
	if e.last.Flags&(handheld.SYN|handheld.ACK|handheld.RST) != handheld.SYN {
		return nil, c.errorf("%s\nis no SYN", e.line(got))
	}
	if _, err := e.transmit(c, handheld.Segment{Flags: handheld.SYN | handheld.ACK, Seq: t.ISS, Ack: t.RcvNxt}); err != nil {
		return nil, err
	}
	if got, err = e.next(c, timeout); err != nil {
		return nil, err
	}
	if r := e.last; r.Flags&(handheld.SYN|handheld.ACK|handheld.RST) != handheld.ACK || r.Ack != 1 {
		return nil, c.errorf("%s\nis no ACK with ack 1", e.line(got))
	}
	return got, nil
}
