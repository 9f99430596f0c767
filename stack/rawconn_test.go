package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestRawVerdicts: a raw socket gets a copy of packets that other receivers have, whose verdict stays. If a packet has
// no other receiver, the host delivers it rather than refuse it.
func TestRawVerdicts(t *testing.T) {
	const ospf = wire.Protocol(89)
	unasked := icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoReply, ID: 9}, nil)
	for _, c := range []struct {
		name         string
		packet       []byte
		proto        wire.Protocol
		without, raw string // verdicts without and with a raw socket
	}{
		{"nobody's protocol", ipPacket(ospf, ipA, ipB, []byte("hello"), nil), ospf, "protocol unreachable", "raw proto 89"},
		{"echo request", icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, nil), wire.ProtocolICMP, "echo reply", "echo reply"},
		{"echo reply to nobody", unasked, wire.ProtocolICMP, "dropped: icmp no socket", "raw icmp"},
		{"udp to nobody", udpPacket(port(ipA, 5), port(ipB, 81), []byte("x")), wire.ProtocolUDP, "port unreachable", "port unreachable"},
		{"tcp to nobody", tcpPacket(port(ipA, 5), port(ipB, 81), wire.TCP{Flags: wire.SYN}, nil), wire.ProtocolTCP, "rst", "rst"},
		{"another protocol", ipPacket(ospf, ipA, ipB, nil, nil), 90, "protocol unreachable", "protocol unreachable"},
		{"for another host", ipPacket(ospf, ipA, ipC, nil, nil), ospf, "dropped: not for us", "dropped: not for us"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, i := lone(t)
			if v := h.Receive(0, i, toB(c.packet)); v.String() != c.without {
				t.Errorf("without a socket the verdict is %q, want %q", v, c.without)
			}
			r, err := h.BindRaw(c.proto)
			if err != nil {
				t.Fatal(err)
			}
			if v := h.Receive(0, i, toB(c.packet)); v.String() != c.raw {
				t.Errorf("verdict %q, want %q", v, c.raw)
			}
			buf := make([]byte, 100)
			n, from, ttl, err := r.Recv(buf)
			if c.name == "another protocol" || c.name == "for another host" {
				if n != -1 {
					t.Errorf("it received %q", buf[:n])
				}
			} else if from != ipA || ttl != 64 || err != nil || !bytes.Equal(buf[:n], c.packet[wire.IPv4Len:]) {
				t.Errorf("received %q from %v, ttl %d, %v", buf[:max(n, 0)], from, ttl, err)
			}
			r.Close()
			if v := h.Receive(0, i, toB(c.packet)); v.String() != c.without {
				t.Errorf("after Close the verdict is %q, want %q", v, c.without)
			}
			if in, out := h.Conservation(); in != out || h.sockets.open != 0 {
				t.Errorf("%d frames in, %d accounted for; %d sockets left", in, out, h.sockets.open)
			}
		})
	}
}

func TestRawBetweenHosts(t *testing.T) {
	n, a, b := pair(t)
	ra, _ := a.BindRaw(89)
	r1, _ := b.BindRaw(89)
	r2, _ := b.BindRaw(89)
	if err := ra.Send(n.now, []byte("hello"), ipB, 3); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	for _, r := range []*RawConn{r1, r2} {
		buf := make([]byte, 10)
		if k, from, ttl, err := r.Recv(buf); k != 5 || string(buf[:k]) != "hello" || from != ipA || ttl != 3 || err != nil {
			t.Errorf("received %q from %v, ttl %d, %v", buf[:max(k, 0)], from, ttl, err)
		}
	}
	infos := b.SocketInfos(n.now)
	if len(infos) != 2 || infos[0].NetID != "raw" || infos[0].Local.Port() != 89 || infos[0].State != "UNCONN" {
		t.Errorf("the sockets are %v", infos)
	}
	if err := ra.Send(n.now, nil, netip.MustParseAddr("10.0.0.9"), 0); err != nil {
		t.Fatal(err)
	}
	n.run(10 * time.Second)
	if _, _, _, err := ra.Recv(nil); !errors.Is(err, ErrHostUnreach) {
		t.Errorf("a neighbour that is not there: %v", err)
	}
	ra.SetDontFragment(true)
	for err, send := range map[error]func() error{
		ErrTooBig:  func() error { return ra.Send(n.now, make([]byte, 1481), ipB, 0) },
		ErrInvalid: func() error { return ra.Send(n.now, nil, netip.Addr{}, 0) },
		ErrNoRoute: func() error { return ra.Send(n.now, nil, netip.MustParseAddr("8.8.8.8"), 0) },
		ErrClosed:  func() error { r1.Close(); r1.Close(); return r1.Send(n.now, nil, ipA, 0) },
	} {
		if got := send(); !errors.Is(got, err) {
			t.Errorf("sending: %v, want %v", got, err)
		}
	}
	if _, _, _, err := r1.Recv(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("receiving on a closed socket: %v", err)
	}
}

// TestRawErrors: the host reports an ICMP error about a raw socket's packet once, and to that socket only.
func TestRawErrors(t *testing.T) {
	n, a, b := pair(t)
	ra, _ := a.BindRaw(89)
	other, _ := a.BindRaw(89) // a socket that has sent nothing
	third, _ := a.BindRaw(90)
	events := 0
	ra.OnEvent = func(clock.Instant) { events++ }
	for _, r := range []*RawConn{ra, third} {
		if err := r.Send(n.now, []byte("hello"), ipB, 0); err != nil {
			t.Fatal(err)
		}
	}
	n.run(time.Second)
	wantCounter(t, b, "IcmpOutDestUnreachs", 2)
	want := []error{tcp.ErrProtoUnreach, nil}
	for k, r := range []*RawConn{ra, third} {
		for _, want := range want {
			if _, _, _, err := r.Recv(nil); err != want {
				t.Errorf("socket %d: %v, want %v", k, err, want)
			}
		}
	}
	if _, _, _, err := other.Recv(nil); err != nil || events != 1 {
		t.Errorf("the other socket was told %v; %d events", err, events)
	}
}

func TestRawErrorVerdicts(t *testing.T) {
	h, i := lone(t)
	r, _ := h.BindRaw(89)
	icmp, _ := h.BindRaw(wire.ProtocolICMP)
	_ = r.Send(0, make([]byte, 8), ipA, 0)
	_ = icmp.Send(0, make([]byte, 8), ipA, 0)
	unreachable := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableProtocol}
	quote := func(proto wire.Protocol, src, dst netip.Addr) *phy.Frame {
		return toB(icmpPacket(ipA, ipB, unreachable, ipPacket(proto, src, dst, make([]byte, 8), nil)))
	}
	for _, c := range []struct {
		f    *phy.Frame
		want string
		err  error
	}{
		{quote(89, ipB, ipA), "raw proto 89", tcp.ErrProtoUnreach},
		{quote(90, ipB, ipA), "raw icmp", nil},                // only the ICMP socket receives a copy
		{quote(89, ipB, ipC), "raw icmp", nil},                // the socket has never sent there
		{quote(89, ipC, ipA), "raw icmp", nil},                // the source is not our address
		{quote(wire.ProtocolICMP, ipB, ipA), "raw icmp", nil}, // the socket receives the message itself
	} {
		if v := h.Receive(0, i, c.f); v.String() != c.want {
			t.Errorf("verdict %q, want %q", v, c.want)
		}
		if _, _, _, err := r.Recv(nil); err != c.err {
			t.Errorf("%s: %v, want %v", c.want, err, c.err)
		}
		if n, _, _, _ := icmp.Recv(make([]byte, 100)); n != 36 {
			t.Errorf("%s: the ICMP socket received %d octets", c.want, n)
		}
		if _, _, _, err := icmp.Recv(nil); err != nil {
			t.Errorf("%s: the ICMP socket was told %v", c.want, err)
		}
	}
	// Of many destinations the oldest is forgotten. A repeated destination counts once.
	for k := range rawDestinations {
		for range 3 {
			_ = r.Send(0, nil, netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + k)}), 0)
		}
	}
	icmp.Close()
	if v := h.Receive(0, i, quote(89, ipB, ipA)); v != dropped(drop.ICMPNoSocket) {
		t.Errorf("forgotten: verdict %q", v)
	}
	if v := h.Receive(0, i, quote(89, ipB, netip.MustParseAddr("10.0.0.10"))); v.String() != "raw proto 89" {
		t.Errorf("remembered: verdict %q", v)
	}
	r.Close()
	if v := h.Receive(0, i, quote(89, ipB, netip.MustParseAddr("10.0.0.10"))); v != dropped(drop.ICMPNoSocket) {
		t.Errorf("closed: verdict %q", v)
	}
}

// TestRawQueueIsBounded: an unread socket's queue is bounded. The socket counts each packet that it loses. If the
// packet has no other receiver, the host drops it.
func TestRawQueueIsBounded(t *testing.T) {
	h, i := lone(t)
	r, _ := h.BindRaw(89)
	in := toB(ipPacket(89, ipA, ipB, make([]byte, 1000), nil))
	taken := 0
	for range 1000 {
		if v := h.Receive(0, i, in); v.Kind == Delivered {
			taken++
		} else if v != dropped(drop.SocketQueueFull) {
			t.Fatalf("verdict %q", v)
		}
	}
	if want := h.limits.RecvQueue / (1000 + datagramOverhead); taken != want || r.Lost() != uint64(1000-want) {
		t.Errorf("%d taken, %d lost; want %d and %d", taken, r.Lost(), want, 1000-want)
	}
	if in, out := h.Conservation(); in != out {
		t.Errorf("%d frames in, %d accounted for", in, out)
	}
}

func TestFrames(t *testing.T) {
	h, i := lone(t)
	all, _ := h.BindFrames(nil, 0)
	arp, _ := h.BindFrames(i, wire.EtherTypeARP)
	other := crafted{macB, macA, 0x88b5, []byte("hello")}.frame()
	for _, c := range []struct {
		frame     *phy.Frame
		want      string
		toAll, to bool
	}{
		{other, "frame socket", true, false},
		{crafted{macC, macA, 0x88b5, nil}.frame(), "dropped: unknown mac", true, false},
		{toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)), "echo reply", true, false},
		{arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipC}), "arp not for us", true, true},
	} {
		if v := h.Receive(0, i, c.frame); v.String() != c.want {
			t.Errorf("verdict %q, want %q", v, c.want)
		}
		for s, want := range map[*FrameConn]bool{all: c.toAll, arp: c.to} {
			buf := make([]byte, 2000)
			n, on, err := s.Recv(buf)
			if want && (on != i || err != nil || !bytes.Equal(buf[:max(n, 0)], c.frame.Bytes())) || !want && n != -1 {
				t.Errorf("%s: type %v received %x, %v", c.want, s.EtherType(), buf[:max(n, 0)], err)
			}
		}
	}
	all.Close()
	if v := h.Receive(0, i, other); v != dropped(drop.UnknownEtherType) {
		t.Errorf("without a socket for it the verdict is %q", v)
	}
	if in, out := h.Conservation(); in != out {
		t.Errorf("%d frames in, %d accounted for", in, out)
	}
}

func TestFramesSend(t *testing.T) {
	h, i := lone(t)
	s, _ := h.BindFrames(nil, 0x88b5)
	drain(h, 0, i)
	frame := crafted{macA, macC, 0x88b5, []byte("as it is")}.frame().Bytes() // the frame's source address is not the host's
	if err := s.Send(0, nil, frame); err != nil {
		t.Fatal(err)
	}
	if got := drain(h, 0, i); len(got) != 1 || !bytes.Equal(got[0].Bytes(), frame) {
		t.Errorf("sent %v", got)
	}
	tagged := append(bytes.Clone(frame[:12]), 0x81, 0, 0, 1)
	for _, c := range []struct {
		want error
		send func() error
	}{
		{ErrInvalid, func() error { return s.Send(0, nil, frame[:13]) }},
		{nil, func() error { return s.Send(0, nil, append(frame[:14:14], make([]byte, 1500)...)) }},
		{ErrTooBig, func() error { return s.Send(0, nil, append(frame[:14:14], make([]byte, 1501)...)) }},
		{nil, func() error { return s.Send(0, nil, append(tagged, make([]byte, 1502)...)) }},
		{ErrNoFrames, func() error { return s.Send(0, h.net.loop, frame) }},
		{ErrDown, func() error { i.SetUp(0, false); return s.Send(0, i, frame) }},
		{ErrClosed, func() error { s.Close(); s.Close(); return s.Send(0, nil, frame) }},
	} {
		if err := c.send(); !errors.Is(err, c.want) {
			t.Errorf("sending: %v, want %v", err, c.want)
		}
	}
	i.SetUp(0, true)
	if _, err := h.BindFrames(h.net.loop, 0); !errors.Is(err, ErrNoFrames) {
		t.Errorf("frames of the loop: %v", err)
	}
	alone := New(Config{})
	if _, err := alone.BindFrames(nil, 0); !errors.Is(err, ErrNoFrames) {
		t.Errorf("frames of a host without: %v", err)
	}
	alone.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macA})
	alone.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macB})
	two, _ := alone.BindFrames(nil, 0)
	if err := two.Send(0, nil, frame); !errors.Is(err, ErrNotBound) {
		t.Errorf("two interfaces: %v", err)
	}
	if infos := alone.SocketInfos(0); len(infos) != 1 || infos[0].NetID != "frames" {
		t.Errorf("the sockets are %v", infos)
	}
}

func TestNoAllocsRawAndFrames(t *testing.T) {
	h, i := lone(t)
	r, _ := h.BindRaw(89)
	s, _ := h.BindFrames(i, 0)
	in, buf := toB(ipPacket(89, ipA, ipB, make([]byte, 1000), nil)), make([]byte, 2000)
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := h.Receive(0, i, in); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if n, _, _, _ := r.Recv(buf); n != 1000 {
			t.Fatalf("%d octets", n)
		}
		n, _, _ := s.Recv(buf)
		if n != 1034 {
			t.Fatalf("a frame of %d octets", n)
		}
		if r.Send(0, buf[:1000], ipA, 0) != nil || s.Send(0, i, buf[:n]) != nil {
			t.Fatal("can't send")
		}
		for range 2 {
			out.Reset()
			if !h.Transmit(0, i, out) {
				t.Fatal("nothing sent")
			}
			h.FrameSent(0, i, out, drop.None)
		}
	})
}
