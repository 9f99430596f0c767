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

func echoRequest(id, seq uint16, data string) []byte {
	b := append(make([]byte, wire.ICMPLen), data...)
	(&wire.ICMP{Type: wire.ICMPEchoRequest, ID: id, Seq: seq}).Put(b)
	return b
}

func TestPingColdCache(t *testing.T) {
	n, a, b := pair(t)
	s, err := a.BindICMP(77)
	if err != nil {
		t.Fatal(err)
	}
	woken := 0
	w := &Waiter{Wake: func() { woken++ }}
	s.Signal.Wait(w)
	if err := s.Send(n.now, echoRequest(77, 3, "hello"), ipB, 0); err != nil {
		t.Fatal(err)
	}
	n.run(100 * time.Millisecond)
	if woken != 1 {
		t.Errorf("woken %d times, want once", woken)
	}
	buf := make([]byte, 100)
	k, from, ttl, err := s.Recv(buf)
	if k != 13 || from != ipB || ttl != 64 || err != nil {
		t.Fatalf("Recv = %d from %v ttl %d, %v; want 13 octets from %v ttl 64", k, from, ttl, err, ipB)
	}
	m, data, err := wire.ParseICMP(buf[:k], true)
	if err != nil || m.Type != wire.ICMPEchoReply || m.ID != 77 || m.Seq != 3 || string(data) != "hello" {
		t.Errorf("got %v %q, %v", m, data, err)
	}
	if k, _, _, err := s.Recv(buf); k != -1 || err != nil {
		t.Errorf("second Recv = %d, %v; want -1, nil", k, err)
	}
	wantCounter(t, b, "IcmpInEchos", 1)
	wantCounter(t, b, "IcmpOutEchoReps", 1)
	wantCounter(t, a, "IcmpInEchoReps", 1)
	if in := a.NeighborInfos(n.now); len(in) != 1 || in[0].State != "REACHABLE" || in[0].HW != macB || in[0].Addr != ipB {
		t.Errorf("neighbours of a: %+v", in)
	}
}

func TestPingOneself(t *testing.T) {
	n, a, _ := pair(t)
	s, _ := a.BindICMP(5)
	for _, to := range []string{"10.0.0.1", "127.0.0.1", "127.9.9.9"} {
		if err := s.Send(n.now, echoRequest(5, 1, "x"), netip.MustParseAddr(to), 0); err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		n.run(time.Millisecond)
		if k, from, _, err := s.Recv(make([]byte, 100)); k != 9 || from != netip.MustParseAddr(to) || err != nil {
			t.Errorf("%s: Recv = %d from %v, %v", to, k, from, err)
		}
	}
}

func TestUnreachableNeighbour(t *testing.T) {
	n, a, _ := pair(t)
	s, _ := a.BindICMP(5)
	u, _ := a.BindUDP(netip.AddrPort{})
	before := counterOf(t, a, "ArpOutRequests")
	if err := s.Send(n.now, echoRequest(5, 1, "x"), netip.MustParseAddr("10.0.0.99"), 0); err != nil {
		t.Fatal(err)
	}
	if err := u.Send(n.now, []byte("x"), netip.MustParseAddrPort("10.0.0.99:9")); err != nil {
		t.Fatal(err)
	}
	c, err := a.DialTCP(n.now, netip.AddrPort{}, netip.MustParseAddrPort("10.0.0.99:80"), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	woken := 0
	for _, s := range []*Signal{&s.Signal, &u.Signal, &c.Signal} {
		s.Wait(&Waiter{Wake: func() { woken++ }})
	}
	n.run(2900 * time.Millisecond)
	if got := counterOf(t, a, "ArpOutRequests") - before; got != 3 {
		t.Errorf("%d requests in 2.9 s, want 3", got)
	}
	if c.Err() != nil {
		t.Errorf("connection failed early: %v", c.Err())
	}
	n.run(200 * time.Millisecond)
	if _, _, _, err := s.Recv(nil); !errors.Is(err, ErrHostUnreach) {
		t.Errorf("icmp socket: %v", err)
	}
	if _, _, _, err := s.Recv(nil); err != nil {
		t.Errorf("reported twice: %v", err)
	}
	if _, _, err := u.Recv(nil); !errors.Is(err, ErrHostUnreach) {
		t.Errorf("udp socket: %v", err)
	}
	if c.State() != tcp.Closed || !errors.Is(c.Err(), tcp.ErrHostUnreach) {
		t.Errorf("connection: %v, %v", c.State(), c.Err())
	}
	if woken != 3 {
		t.Errorf("%d of 3 waiters woken", woken)
	}
	for _, d := range a.DropInfos() {
		if d.Reason == drop.NeighborFailed && d.Sending == 2 && d.Count == 2 {
			return
		}
	}
	t.Errorf("drops: %+v", a.DropInfos())
}

func TestUDPExchange(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		server, err := b.BindUDP(port(netip.Addr{}, 6969))
		if err != nil {
			t.Fatal(err)
		}
		client, err := a.DialUDP(netip.AddrPort{}, port(f.b, 6969))
		if err != nil {
			t.Fatal(err)
		}
		if p := client.Local(); p.Addr() != f.a || p.Port() < firstEphemeral {
			t.Errorf("client's address %v", p)
		}
		for k := range 20 {
			if err := client.Send(n.now, []byte{byte(k)}, netip.AddrPort{}); err != nil {
				t.Fatal(err)
			}
			n.run(10 * time.Millisecond)
		}
		buf := make([]byte, 10)
		for k := range 20 {
			if server.NextLen() != 1 {
				t.Fatalf("datagram %d: NextLen %d", k, server.NextLen())
			}
			m, from, err := server.Recv(buf)
			if m != 1 || buf[0] != byte(k) || from != client.Local() || err != nil {
				t.Fatalf("datagram %d: %d octets %v from %v, %v", k, m, buf[:1], from, err)
			}
		}
		if err := server.Send(n.now, []byte("hello"), client.Local()); err != nil {
			t.Fatal(err)
		}
		n.run(10 * time.Millisecond)
		if m, from, err := client.Recv(buf); m != 5 || string(buf[:m]) != "hello" || from != port(f.b, 6969) || err != nil {
			t.Errorf("client got %d %q from %v, %v", m, buf[:5], from, err)
		}
		wantCounter(t, b, "UdpInDatagrams", 20)
		wantCounter(t, a, "UdpOutDatagrams", 20)
	})
}

func TestUDPErrors(t *testing.T) {
	n, a, b := pair(t)
	if _, err := a.BindUDP(port(ipB, 1)); err != ErrNotOurs {
		t.Errorf("foreign address: %v", err)
	}
	u, _ := a.BindUDP(port(netip.Addr{}, 7))
	if _, err := a.BindUDP(port(ipA, 7)); err != ErrPortInUse {
		t.Errorf("taken port: %v", err)
	}
	u.SetDontFragment(true)
	if err := u.Send(n.now, make([]byte, 1473), port(ipB, 7)); !errors.Is(err, ErrTooBig) {
		t.Errorf("1473 octets: %v", err)
	}
	if err := u.Send(n.now, make([]byte, 1472), port(ipB, 7)); err != nil {
		t.Errorf("1472 octets: %v", err)
	}
	if err := u.Send(n.now, nil, netip.MustParseAddrPort("192.0.2.1:7")); err != ErrNoRoute {
		t.Errorf("no route: %v", err)
	}
	if err := u.Send(n.now, nil, netip.AddrPort{}); err != ErrNotBound {
		t.Errorf("no destination: %v", err)
	}
	n.run(time.Second)
	wantCounter(t, b, "UdpNoPorts", 1)
	wantCounter(t, b, "IcmpOutDestUnreachs", 1)
	if _, _, err := u.Recv(nil); err != nil {
		t.Errorf("an unconnected socket was told %v", err)
	}
	c, _ := a.DialUDP(netip.AddrPort{}, port(ipB, 7))
	l, _ := a.ListenICMP(c.Local().Port())
	_ = c.Send(n.now, []byte("x"), netip.AddrPort{})
	n.run(time.Second)
	if _, _, err := c.Recv(nil); !errors.Is(err, tcp.ErrPortUnreach) {
		t.Errorf("connected socket: %v", err)
	}
	buf := make([]byte, 600)
	k, from, _, _ := l.Recv(buf)
	if m, _, err := wire.ParseICMP(buf[:max(k, 0)], true); err != nil || m.Code != wire.UnreachablePort || from != ipB {
		t.Errorf("icmp listener: %v from %v, %v", m, from, err)
	}
	u.Close()
	if err := u.Send(n.now, nil, port(ipB, 7)); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if _, err := a.BindUDP(port(ipA, 7)); err != nil {
		t.Errorf("port was not freed: %v", err)
	}
}

func TestUDPQueueIsBounded(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 9))
	full := 0
	p := udpPacket(port(ipA, 1), port(ipB, 9), make([]byte, 1000))
	for range 1000 {
		if v := h.Receive(0, i, toB(p)); v == dropped(drop.SocketQueueFull) {
			full++
		} else if v.String() != "udp :9" {
			t.Fatalf("verdict %q", v)
		}
	}
	if want := 1000 - (256<<10)/(1000+datagramOverhead); full != want {
		t.Errorf("%d dropped, want %d", full, want)
	}
	if u.queue.ring.Allocated() > 256<<10 {
		t.Errorf("%d octets allocated", u.queue.ring.Allocated())
	}
	wantCounter(t, h, "UdpRcvbufErrors", uint64(full))
	for n, _, _ := u.Recv(nil); n >= 0; n, _, _ = u.Recv(nil) {
	}
	if u.queue.charged != 0 || u.queue.ring.Len() != 0 {
		t.Errorf("drained, but %d octets charged, %d kept", u.queue.charged, u.queue.ring.Len())
	}
}

func TestNeighbourQueueKeepsTheNewest(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		server, _ := b.BindUDP(port(netip.Addr{}, 9))
		u, _ := a.BindUDP(netip.AddrPort{})
		for k := range 20 {
			if err := u.Send(n.now, []byte{byte(k)}, port(f.b, 9)); err != nil {
				t.Fatal(err)
			}
		}
		if info := a.NeighborInfos(n.now); len(info) != 1 || info[0].State != "INCOMPLETE" || info[0].Queued != 16 {
			t.Errorf("%+v", info)
		}
		n.run(100 * time.Millisecond)
		var got []byte
		buf := make([]byte, 1)
		for k, _, _ := server.Recv(buf); k == 1; k, _, _ = server.Recv(buf) {
			got = append(got, buf[0])
		}
		if want := []byte{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}; !bytes.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if d := reasonsOf(a); d[drop.NeighborQueueFull] != 4 || a.stats.drops[drop.NeighborQueueFull].tx != 4 {
			t.Errorf("drops %+v", d)
		}
	})
}

func TestBroadcast(t *testing.T) {
	n, a, b := pair(t)
	u, _ := a.BindUDP(netip.AddrPort{})
	s, _ := b.BindUDP(port(netip.Addr{}, 68))
	for _, to := range []string{"255.255.255.255:68", "10.0.0.255:68"} {
		if err := u.Send(n.now, []byte("all"), netip.MustParseAddrPort(to)); err != nil {
			t.Fatal(err)
		}
		n.run(10 * time.Millisecond)
		buf := make([]byte, 9)
		if k, _, _ := s.Recv(buf); k != 3 || !bytes.Equal(buf[:3], []byte("all")) {
			t.Errorf("%s: got %d octets", to, k)
		}
	}
	_ = u.Send(n.now, []byte("all"), netip.MustParseAddrPort("10.0.0.255:69"))
	n.run(10 * time.Millisecond)
	wantCounter(t, b, "IcmpOutDestUnreachs", 0)
	wantCounter(t, b, "UdpNoPorts", 1)
}

func TestRouteByGateway(t *testing.T) {
	h, i := lone(t)
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != ErrExists {
		t.Errorf("twice: %v", err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("1.0.0.0/8"), netip.MustParseAddr("172.16.0.1"), nil); err != ErrNoRoute {
		t.Errorf("gateway off link: %v", err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("192.0.2.0/24"), ipC, i); err != nil {
		t.Fatal(err)
	}
	_ = i.AddNeighbor(0, ipC, macC)
	u, _ := h.BindUDP(netip.AddrPort{})
	for _, c := range []struct {
		to   string
		want wire.HardwareAddr
	}{{"8.8.8.8:1", macA}, {"192.0.2.7:1", macC}, {"10.0.0.1:1", macA}} {
		if err := u.Send(0, []byte("x"), netip.MustParseAddrPort(c.to)); err != nil {
			t.Fatal(err)
		}
		f := drain(h, 0, i)
		if len(f) != 1 {
			t.Fatalf("%s: %d frames", c.to, len(f))
		}
		if eth, _, _ := wire.ParseEthernet(f[0].Bytes()); eth.Dst != c.want {
			t.Errorf("%s went to %v, want %v", c.to, eth.Dst, c.want)
		}
	}
	want := []RouteInfo{
		{Dst: netip.MustParsePrefix("10.0.0.0/24"), Dev: "eth0", State: "UP", Proto: RouteConnected, Expires: clock.Never},
		{Dst: netip.MustParsePrefix("192.0.2.0/24"), Gateway: ipC, Dev: "eth0", State: "UP", Proto: RouteStatic, Expires: clock.Never},
		{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: ipA, Dev: "eth0", State: "UP", Proto: RouteStatic, Expires: clock.Never},
	}
	got := h.RouteInfos()
	if len(got) != len(want) {
		t.Fatalf("routes %v", got)
	}
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("route %d: %v, want %v", k, got[k], want[k])
		}
	}
	if err := h.DelRoute(netip.MustParsePrefix("0.0.0.0/0")); err != nil {
		t.Fatal(err)
	}
	if err := u.Send(0, nil, netip.MustParseAddrPort("8.8.8.8:1")); err != ErrNoRoute {
		t.Errorf("after DelRoute: %v", err)
	}
}

func TestMediumIP(t *testing.T) {
	h := New(Config{})
	i := h.AddIface(0, IfaceConfig{
		Name: "tun0", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500},
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")},
	})
	f := phy.NewFrame(2000)
	f.Set(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, []byte("abc")))
	if v := h.Receive(0, i, f); v.Answer != EchoReply {
		t.Fatalf("verdict %q", v)
	}
	out := drain(h, 0, i)
	if len(out) != 1 {
		t.Fatalf("%d frames", len(out))
	}
	ip, _, err := wire.ParseIPv4(out[0].Bytes())
	if err != nil || ip.Dst != ipA || ip.Src != ipB {
		t.Errorf("%+v, %v", ip, err)
	}
}
