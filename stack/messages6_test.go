package stack

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// errorCodes6 has each ICMPv6 error with what it tells a socket. A hard one ends a connection that is being opened.
var errorCodes6 = []struct {
	typ   wire.ICMPv6Type
	code  uint8
	cause error
	hard  bool
}{
	{1, 0, tcp.ErrNetUnreach, false},
	{1, 1, tcp.ErrProhibited, true},
	{1, 2, tcp.ErrNetUnreach, false},
	{1, 3, tcp.ErrHostUnreach, false},
	{1, 4, tcp.ErrPortUnreach, true},
	{1, 5, tcp.ErrProhibited, true},
	{1, 6, tcp.ErrProhibited, true},
	{1, 7, tcp.ErrHostUnreach, false},
	{1, 77, tcp.ErrHostUnreach, false},
	{3, 0, tcp.ErrHostUnreach, false},
	{3, 1, tcp.ErrHostUnreach, false},
	{4, 0, tcp.ErrHostUnreach, false},
	{4, 1, tcp.ErrProtoUnreach, false},
	{4, 2, tcp.ErrHostUnreach, false},
	{4, 3, tcp.ErrHostUnreach, false},
	{100, 0, tcp.ErrHostUnreach, false}, // an unknown error goes to the upper layer
}

// TestErrorsForSockets6: each ICMPv6 error reaches the socket whose packet it quotes, behind extension headers too: soft errors end no
// connection, and hard ones end only one that is being opened (RFC 4443 §2.4, §3.1, §3.3, §3.4, RFC 9293 §3.9.2.2, RFC 5927 §4, §5).
func TestErrorsForSockets6(t *testing.T) {
	for _, c := range errorCodes6 {
		h, i, now := lone6(t)
		report := func(quote []byte) Verdict {
			m := icmp6(ip6A, ip6B, wire.ICMPv6{Type: c.typ, Code: c.code}, quote)
			return h.Receive(now, i, toB6(ip6Packet(wire.ProtocolICMPv6, ip6A, ip6B, m, nil)))
		}
		u, err := h.DialUDP(netip.AddrPort{}, port(ip6A, 9))
		if err != nil {
			t.Fatal(err)
		}
		_ = u.Send(now, []byte("x"), netip.AddrPort{})
		sent := drain(h, now, i)[0].Bytes()[wire.EthernetLen:]
		other := bytes.Clone(sent)
		other[41]++ // the source port
		if v := report(other); v != dropped(drop.ICMPNoSocket) {
			t.Errorf("type %d, code %d about another's datagram: %v", c.typ, c.code, v)
		}
		for name, quote := range map[string][]byte{
			"datagram":        sent,
			"its head":        sent[:48],
			"behind options":  ip6Packet(60, ip6B, ip6A, behind(17, plainOptions, sent[40:]), nil),
			"first fragment":  ip6Packet(44, ip6B, ip6A, behind(17, firstPart, sent[40:]), nil),
			"atomic fragment": ip6Packet(44, ip6B, ip6A, behind(17, atomicPart, sent[40:]), nil),
		} {
			if v := report(quote); v.Kind != Delivered {
				t.Errorf("type %d, code %d about a %s: %v", c.typ, c.code, name, v)
			}
			if _, _, err := u.Recv(nil); err != c.cause {
				t.Errorf("type %d, code %d about a %s: the socket is told %v, want %v", c.typ, c.code, name, err, c.cause)
			}
		}
		for name, quote := range map[string][]byte{"later fragment": ip6Packet(44, ip6B, ip6A, behind(17, laterPart, sent[40:]), nil), "part": sent[:47], "header's part": sent[:30]} {
			if v := report(quote); v.Kind != Dropped {
				t.Errorf("type %d, code %d about a %s: %v", c.typ, c.code, name, v)
			}
		}
		conn, err := h.DialTCP(now, netip.AddrPort{}, port(ip6A, 80), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		syn := drain(h, now, i)[0].Bytes()[wire.EthernetLen:]
		forged := bytes.Clone(syn)
		forged[wire.IPv6Len+5]++ // a sequence number that is not in flight
		if v := report(forged); v != dropped(drop.ICMPNoSocket) || conn.State() != tcp.SynSent {
			t.Errorf("type %d, code %d, forged: %v", c.typ, c.code, v)
		}
		if v := report(syn); v.Kind != Delivered || (conn.State() == tcp.Closed) != c.hard || c.hard && conn.Err() != c.cause {
			t.Errorf("type %d, code %d: %v, the connection is %v: %v", c.typ, c.code, v, conn.State(), conn.Err())
		}
	}
}

// TestHardErrorsWhenOpen6: no error ends an open connection (RFC 5927 §5).
func TestHardErrorsWhenOpen6(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ip6B, 80), l)
	var last []byte
	a.Observe(func(ev *PacketEvent) {
		if ev.Dir == TX {
			last = bytes.Clone(ev.Frame.Bytes()[wire.EthernetLen:])
		}
	})
	n.lose = func(*Iface, *phy.Frame) bool { return true }
	_, _ = client.Write(n.now, octets(100))
	n.pump()
	for _, c := range errorCodes6 {
		m := icmp6(ip6B, ip6A, wire.ICMPv6{Type: c.typ, Code: c.code}, last)
		f := crafted{macA, macB, wire.EtherTypeIPv6, ip6Packet(wire.ProtocolICMPv6, ip6B, ip6A, m, nil)}.frame()
		if v := a.Receive(n.now, a.Ifaces()[0], f); v.Kind != Delivered || client.State() != tcp.Established {
			t.Errorf("type %d, code %d: %v, %v", c.typ, c.code, v, client.State())
		}
	}
	n.lose = nil
	got := make([]byte, 200)
	n.run(5 * time.Second)
	if k, _ := server.Read(n.now, got); k != 100 {
		t.Errorf("%d octets arrive", k)
	}
}

// TestVerdicts6 is TestVerdicts for the transport protocols over IPv6: checksums, which are mandatory (RFC 8200 §8.1, RFC 4443 §2.3),
// and messages without a socket.
func TestVerdicts6(t *testing.T) {
	udp := ip6Packet(17, ip6A, ip6B, udp6(port(ip6A, 5), port(ip6B, 6969), []byte("x")), nil)
	syn := func(to uint16, flags wire.Flags) []byte {
		return ip6Packet(6, ip6A, ip6B, tcp6(port(ip6A, 5), port(ip6B, to), wire.TCP{Flags: flags, Window: 1000}), nil)
	}
	message := func(m wire.ICMPv6, data []byte) []byte {
		return ip6Packet(58, ip6A, ip6B, icmp6(ip6A, ip6B, m, data), nil)
	}
	zero := bytes.Clone(udp)
	zero[46], zero[47] = 0, 0
	toOne := func(dst netip.Addr, proto wire.Protocol, b []byte) *phy.Frame {
		return toB6(ip6Packet(proto, ip6A, dst, b, nil))
	}
	vouched := toB6(corrupt(udp, 48))
	vouched.Offload.CsumValid = true
	for _, c := range []struct {
		name  string
		frame *phy.Frame
		want  string
		sends int
	}{
		{"UDP", toB6(udp), "udp :6969", 0},
		{"UDP checksum", toB6(corrupt(udp, 48)), "dropped: bad checksum", 0},
		{"UDP checksum that somebody vouches for", vouched, "udp :6969", 0},
		{"UDP without checksum", toB6(zero), "dropped: bad checksum", 0},
		{"UDP whose addresses changed", toB6(corrupt(udp, 23)), "dropped: bad checksum", 0},
		{"UDP to a closed port", toOne(ip6B, 17, udp6(port(ip6A, 5), port(ip6B, 1), nil)), "port unreachable", 1},
		{"UDP to a closed port of a group", toOne(wire.AllNodes6, 17, udp6(port(ip6A, 5), port(wire.AllNodes6, 1), nil)), "dropped: no socket", 0},
		{"UDP longer than its packet", toB6(corrupt(udp, 44)), "dropped: bad length", 0},
		{"short UDP", toOne(ip6B, 17, make([]byte, 7)), "dropped: truncated", 0},
		{"SYN", toB6(syn(80, wire.SYN)), "listener :80, SYN-RECEIVED", 1},
		{"TCP checksum", toB6(corrupt(syn(80, wire.SYN), 58)), "dropped: bad checksum", 0},
		{"SYN to a closed port", toB6(syn(81, wire.SYN)), "rst", 1},
		{"RST to a closed port", toB6(syn(81, wire.RST)), "dropped: no socket", 0},
		{"SYN to a group", toOne(wire.AllNodes6, 6, tcp6(port(ip6A, 5), port(wire.AllNodes6, 80), wire.TCP{Flags: wire.SYN})), "dropped: martian destination", 0},
		{"SYN behind options", toOne(ip6B, 60, behind(6, plainOptions, syn(80, wire.SYN)[40:])), "listener :80, SYN-RECEIVED", 1},
		{"echo", toB6(echoTo(ip6A, ip6B)), "echo reply", 1},
		{"echo checksum", toB6(corrupt(echoTo(ip6A, ip6B), 50)), "dropped: bad checksum", 0},
		{"echo with hop limit 1", toB6(ip6Packet(58, ip6A, ip6B, echoTo(ip6A, ip6B)[40:], hops(1))), "echo reply", 1},
		{"short ICMPv6", toOne(ip6B, 58, make([]byte, 7)), "dropped: truncated", 0},
		{"echo reply", toB6(message(wire.ICMPv6{Type: 129, ID: 44}, nil)), "icmp6 id 44", 0},
		{"echo reply nobody waits for", toB6(message(wire.ICMPv6{Type: 129, ID: 45}, nil)), "dropped: icmp no socket", 0},
		{"unknown informational message", toB6(message(wire.ICMPv6{Type: 200}, nil)), "dropped: icmp unknown type", 0},
		{"unknown error about nothing of ours", toB6(message(wire.ICMPv6{Type: 99}, udp)), "dropped: icmp no socket", 0},
		{"error with half a quotation", toB6(message(wire.ICMPv6{Type: 1}, udp[:39])), "dropped: truncated", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, i, now := lone6(t)
			if _, err := h.BindUDP(port(netip.Addr{}, 6969)); err != nil {
				t.Fatal(err)
			}
			if _, err := h.BindICMP(44); err != nil {
				t.Fatal(err)
			}
			listen(t, h, 80, tcp.Config{})
			before := string(c.frame.Bytes())
			if v := h.Receive(now, i, c.frame); v.String() != c.want {
				t.Errorf("verdict %q, want %q", v, c.want)
			}
			if string(c.frame.Bytes()) != before {
				t.Error("the frame was changed")
			}
			if out := drain(h, now, i); len(out) != c.sends {
				t.Errorf("%d frames sent, want %d", len(out), c.sends)
			}
			if in, accounted := h.Conservation(); in != accounted {
				t.Errorf("%d in, %d accounted for", in, accounted)
			}
		})
	}
	for f, want := range map[*phy.Frame]string{
		toB6(udp[:len(udp)-1]): "dropped: truncated",
		crafted{macB, macA, wire.EtherTypeIPv6, udp[:39]}.frame():                         "dropped: truncated",
		crafted{macB, macA, wire.EtherTypeIPv6, append([]byte{0x40}, udp[1:]...)}.frame(): "dropped: bad version",
	} {
		h, i, now := lone6(t)
		if v := h.Receive(now, i, f); v.String() != want {
			t.Errorf("%v, want %s", v, want)
		}
		wantCounter(t, h, "Ip6InHdrErrors", 1)
	}
}

// errorAnswers6 is errorAnswers for IPv6.
var errorAnswers6 = []struct {
	answer   Answer
	packet   []byte
	reason   drop.Reason
	counters []string
}{
	{ResetReply, ip6Packet(6, ip6A, router6, tcp6(port(ip6A, 5), port(router6, 9), wire.TCP{Flags: wire.SYN}), nil), drop.NoSocket, []string{"TcpOutRsts"}},
	{PortUnreachable, ip6Packet(17, ip6A, router6, udp6(port(ip6A, 5), port(router6, 9), nil), nil), drop.NoSocket, []string{"UdpNoPorts", "Icmp6OutDestUnreachs"}},
	{ProtocolUnreachable, ip6Packet(253, ip6A, router6, []byte("x"), nil), drop.UnknownProtocol, []string{"Ip6InUnknownProtos", "Icmp6OutParmProblems"}},
	{NetUnreachable, ip6Packet(17, ip6A, nowhere6, make([]byte, 8), nil), drop.NoRoute, []string{"Ip6OutNoRoutes", "Icmp6OutDestUnreachs"}},
	{PacketTooBig, ip6Packet(17, ip6A, far6, make([]byte, 1300), nil), drop.TooBig, []string{"Ip6FragFails", "Icmp6OutPktTooBigs"}},
	{HopLimitExceeded, ip6Packet(17, ip6A, far6, make([]byte, 8), hops(1)), drop.TTLExceeded, []string{"Ip6InHdrErrors", "Icmp6OutTimeExcds"}},
	{ParameterProblem, ip6Packet(60, ip6A, router6, behind(17, badOption6, nil), nil), drop.BadOption, []string{"Ip6InHdrErrors", "Icmp6OutParmProblems"}},
	{BeyondScope, ip6Packet(17, localA, far6, make([]byte, 8), nil), drop.LinkLocal, []string{"Ip6InAddrErrors", "Icmp6OutDestUnreachs"}},
}

// TestErrorsCountAsDrops6 is TestErrorsCountAsDrops for the errors of IPv6.
func TestErrorsCountAsDrops6(t *testing.T) {
	for _, c := range errorAnswers6 {
		t.Run(c.answer.String(), func(t *testing.T) {
			n, _, r, _ := routed6(t)
			i := r.Ifaces()[0]
			for _, a := range []netip.Addr{ip6A, localA} {
				if err := i.AddNeighbor(n.now, a, macA); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Ifaces()[1].SetMTU(wire.MinMTU6); err != nil {
				t.Fatal(err)
			}
			var events []drop.Reason
			defer r.Events(func(ev Event) {
				if ev.Kind == EventDrop {
					events = append(events, ev.Reason)
				}
			})()
			before, drops, sent, droppedBefore := map[string]uint64{}, reasonsOf(r)[c.reason], counterOf(t, r, "Icmp6OutMsgs"), i.Info().RxDropped
			for _, name := range c.counters {
				before[name] = counterOf(t, r, name)
			}
			v := r.Receive(n.now, i, toB6(c.packet))
			if v.Kind != Answered || v.Answer != c.answer || v.Reason != c.reason {
				t.Errorf("verdict %+v, want %v because of %q", v, c.answer, c.reason)
			}
			if got := reasonsOf(r)[c.reason] - drops; got != 1 || len(events) != 1 || events[0] != c.reason {
				t.Errorf("%d drops, events %v, want one %q", got, events, c.reason)
			}
			for _, name := range c.counters {
				if got := counterOf(t, r, name) - before[name]; got != 1 {
					t.Errorf("%s grew by %d, want 1", name, got)
				}
			}
			if got := counterOf(t, r, "Icmp6OutMsgs") - sent; (got == 1) == (c.answer == ResetReply) {
				t.Errorf("Icmp6OutMsgs grew by %d", got)
			}
			if in, accounted := r.Conservation(); in != accounted {
				t.Errorf("%d frames in, %d accounted for", in, accounted)
			}
			if got := i.Info().RxDropped - droppedBefore; got != 1 {
				t.Errorf("the interface counts %d dropped frames, want 1", got)
			}
		})
	}
}

// TestErrorLengths6: an error quotes as much as fits 1280 octets, and none is about an error's own answer (RFC 4443 §2.4).
func TestErrorLengths6(t *testing.T) {
	for _, size := range []int{0, 1, 1183, 1184, 1185, 1400, 1452} {
		h, i, now := lone6(t)
		b := ip6Packet(17, ip6A, ip6B, udp6(port(ip6A, 5), port(ip6B, 9), octets(size)), nil)
		h.Receive(now, i, toB6(b))
		a := answer6(t, h, now, i)
		if a == nil || a.m != (wire.ICMPv6{Type: 1, Code: 4}) || !bytes.Equal(a.quote, b[:min(len(b), 1232)]) || a.ip.PayloadLen+40 > 1280 {
			t.Errorf("%d octets: %+v", size, a)
		}
	}
}

// TestErrorRate6: the rate of errors is bounded, and refills (RFC 4443 §2.4).
func TestErrorRate6(t *testing.T) {
	h, i, now := lone6(t)
	in := toB6(ip6Packet(17, ip6A, ip6B, udp6(port(ip6A, 5), port(ip6B, 9), nil), nil))
	count := func() (n int) {
		for range 2000 {
			if h.Receive(now, i, in).Kind == Answered {
				n++
			}
			drain(h, now, i)
		}
		return n
	}
	if n := count(); n == 0 || n > 300 {
		t.Errorf("%d errors at once", n)
	}
	if counterOf(t, h, "Icmp6OutRateLimited") == 0 {
		t.Error("no error was withheld")
	}
	now = now.Add(10 * time.Second)
	if count() == 0 {
		t.Error("none ten seconds later")
	}
}

// TestErrorSource6: an error comes from the address to which the packet was sent, else from one that its receiver can answer
// (RFC 4443 §2.2).
func TestErrorSource6(t *testing.T) {
	n, _, r, _ := routed6(t)
	i := r.Ifaces()[0]
	for _, a := range []netip.Addr{ip6A, localA} {
		if err := i.AddNeighbor(n.now, a, macA); err != nil {
			t.Fatal(err)
		}
	}
	local := netip.MustParseAddr("fe80::c")
	for _, c := range []struct{ src, dst, from netip.Addr }{
		{ip6A, router6, router6}, {localA, local, local}, {ip6A, local, local}, {localA, router6, router6},
		{ip6A, netip.MustParseAddr("fd00:1::254"), netip.MustParseAddr("fd00:1::254")}, // the router's other address
		{ip6A, nowhere6, router6},
	} {
		r.Receive(n.now, i, toB6(ip6Packet(17, c.src, c.dst, udp6(port(c.src, 5), port(c.dst, 9), nil), nil)))
		if a := answer6(t, r, n.now, i); a == nil || a.ip.Src != c.from || a.ip.Dst != c.src {
			t.Errorf("from %v to %v: %+v", c.src, c.dst, a)
		}
	}
}

func TestNoAllocsAnswers6(t *testing.T) {
	for name, b := range map[string][]byte{
		"echo reply":               ip6Packet(58, ip6A, ip6B, icmp6(ip6A, ip6B, wire.ICMPv6{Type: 128, ID: 1}, make([]byte, 1400)), nil),
		"echo reply to link-local": echoTo(localA, localB),
		"echo reply to a group":    echoTo(ip6A, wire.AllNodes6),
		"rst":                      ip6Packet(6, ip6A, ip6B, tcp6(port(ip6A, 5), port(ip6B, 81), wire.TCP{Flags: wire.SYN}), nil),
		"port unreachable":         ip6Packet(17, ip6A, ip6B, udp6(port(ip6A, 5), port(ip6B, 81), make([]byte, 100)), nil),
		"parameter problem":        ip6Packet(60, ip6A, ip6B, behind(17, answered2, udpIn(ip6B)), nil),
	} {
		t.Run(name, func(t *testing.T) {
			h, i, now := lone6(t)
			h.Observe(func(*PacketEvent) {})
			in, out := toB6(b), phy.NewFrame(phy.FrameSize)
			noAllocs(t, func() {
				now = now.Add(time.Second)
				if v := h.Receive(now, i, in); v.Kind != Answered {
					t.Fatalf("verdict %q", v)
				}
				out.Reset()
				if !h.Transmit(now, i, out) {
					t.Fatal("nothing sent")
				}
				h.FrameSent(now, i, out, drop.None)
			})
		})
	}
}

func TestNoAllocsUDP6(t *testing.T) {
	for _, to := range []netip.Addr{ip6A, localA.WithZone("eth0")} {
		h, i, now := lone6(t)
		u, _ := h.BindUDP(port(netip.Addr{}, 7))
		src, dst := to.WithZone(""), ip6B
		in := toB6(ip6Packet(17, src, dst, udp6(port(src, 5), port(dst, 7), make([]byte, 1000)), nil))
		buf, out := make([]byte, 2000), phy.NewFrame(phy.FrameSize)
		noAllocs(t, func() {
			if v := h.Receive(now, i, in); v.Kind != Delivered {
				t.Fatalf("verdict %q", v)
			}
			if n, from, _ := u.Recv(buf); n != 1000 || from.Addr() != to {
				t.Fatalf("%d octets from %v", n, from)
			}
			if err := u.Send(now, buf[:1000], port(to, 5)); err != nil {
				t.Fatal(err)
			}
			out.Reset()
			if !h.Transmit(now, i, out) {
				t.Fatal("nothing sent")
			}
			h.FrameSent(now, i, out, drop.None)
		})
	}
}
