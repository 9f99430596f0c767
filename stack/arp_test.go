package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestARPByContent: only the fields of an ARP packet count, not the addresses of its frame (RFC 826). Routers that share a virtual
// address send such frames (RFC 5798 §8.1.2).
func TestARPByContent(t *testing.T) {
	virtual := wire.HardwareAddr{0, 0, 0x5e, 0, 1, 7}
	t.Run("learnt", func(t *testing.T) {
		h, i := lone(t)
		reply := wire.ARP{Op: wire.ARPReply, SenderHW: virtual, SenderIP: ipC, TargetHW: macB, TargetIP: ipB}
		if v := h.Receive(0, i, arpFrame(macB, macC, reply)); v.String() != "arp" {
			t.Fatalf("%q", v)
		}
		if e := i.neigh.Get(ipC); e == nil || e.HW != virtual {
			t.Errorf("learnt %+v", e)
		}
	})
	t.Run("polled", func(t *testing.T) {
		h, i := lone(t)
		u, err := h.BindUDP(port(ipB, 7))
		must(t, err)
		send := func(now clock.Instant) (polls int) { // sends a datagram to C, and counts the requests to the virtual address
			must(t, u.Send(now, nil, port(ipC, 7)))
			for _, f := range drain(h, now, i) {
				if eth, _, _ := wire.ParseEthernet(f.Bytes()); eth.Dst == virtual && eth.Type == wire.EtherTypeARP {
					polls++
				}
			}
			return polls
		}
		state := func() string {
			if e := i.neigh.Get(ipC); e != nil {
				return e.State.String()
			}
			return "unknown"
		}
		reply := wire.ARP{Op: wire.ARPReply, SenderHW: virtual, SenderIP: ipC, TargetHW: macB, TargetIP: ipB}
		for range 2 { // a copy does not confirm the entry
			h.Receive(0, i, arpFrame(macB, macC, reply))
		}
		if polls := send(0); polls != 1 || state() != "PROBE" {
			t.Errorf("%d polls, %s", polls, state())
		}
		h.Receive(1, i, arpFrame(macB, macC, reply))
		if polls := send(2); polls != 0 || state() != "REACHABLE" {
			t.Errorf("after the answer to a poll: %d polls, %s", polls, state())
		}
		reply.SenderHW[5]++ // corrupted on the way: no station has this address
		h.Receive(3, i, arpFrame(macB, virtual, reply))
		for now := clock.Instant(4); now < clock.Instant(10*time.Second); now += clock.Instant(time.Second) {
			must(t, u.Send(now, nil, port(ipC, 7)))
			h.Tick(now)
			drain(h, now, i)
		}
		if state() != "INCOMPLETE" {
			t.Errorf("nobody answers the polls, and it is %s", state())
		}
	})
	t.Run("answered", func(t *testing.T) {
		h, i := lone(t)
		for _, sender := range []netip.Addr{ipC, netip.IPv4Unspecified()} {
			ask := wire.ARP{Op: wire.ARPRequest, SenderHW: virtual, SenderIP: sender, TargetIP: ipB}
			if v := h.Receive(0, i, arpFrame(wire.Broadcast, macC, ask)); v != answered(ARPReply) {
				t.Fatalf("from %v: %q", sender, v)
			}
			out := drain(h, 0, i)
			eth, p, _ := wire.ParseEthernet(out[0].Bytes())
			if a, err := wire.ParseARP(p); err != nil || eth.Dst != virtual || a.TargetHW != virtual || a.SenderHW != macB {
				t.Errorf("from %v: %+v in a frame to %v", sender, a, eth.Dst)
			}
		}
	})
	t.Run("conflict", func(t *testing.T) {
		h, i := lone(t)
		claim := wire.ARP{Op: wire.ARPRequest, SenderHW: virtual, SenderIP: ipB, TargetIP: ipB}
		if v := h.Receive(0, i, arpFrame(wire.Broadcast, macC, claim)); v != dropped(drop.ARPConflict) {
			t.Errorf("%q", v)
		}
		wantCounter(t, h, "ArpInConflicts", 1)
	})
	t.Run("probed for", func(t *testing.T) {
		h, i := lone(t)
		c, err := i.ProbeAddr(0, netip.PrefixFrom(ipC, 24))
		if err != nil {
			t.Fatal(err)
		}
		claim := wire.ARP{Op: wire.ARPReply, SenderHW: virtual, SenderIP: ipC, TargetHW: macB, TargetIP: ipB}
		if v := h.Receive(clock.Instant(time.Second), i, arpFrame(macB, macC, claim)); v != dropped(drop.ARPConflict) {
			t.Errorf("%q", v)
		}
		if done, by, err := c.Done(); !done || by != virtual || err != ErrInUse {
			t.Errorf("%v, by %v, %v", done, by, err)
		}
	})
	t.Run("no station's", func(t *testing.T) {
		h, i := lone(t)
		for _, hw := range []wire.HardwareAddr{{}, wire.Broadcast, {1, 0, 0x5e, 0, 0, 1}, macB} {
			for _, sender := range []netip.Addr{ipC, netip.IPv4Unspecified()} {
				ask := wire.ARP{Op: wire.ARPRequest, SenderHW: hw, SenderIP: sender, TargetIP: ipB}
				if v := h.Receive(0, i, arpFrame(wire.Broadcast, macC, ask)); v != dropped(drop.ARPMartian) {
					t.Errorf("%v at %v: %q", sender, hw, v)
				}
			}
		}
	})
}

// TestGatewayBehindOnLinkRoute: an interface whose address has no subnet reaches its gateway by an on-link route, as cloud hosts
// do.
func TestGatewayBehindOnLinkRoute(t *testing.T) {
	n := newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.5/32")
	r, ir := n.host("r", macB, "10.0.0.1/24")
	n.join(ia, ir)
	any, gateway := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.0.1")
	if err := a.AddRoute(any, gateway, nil); err != ErrNoRoute {
		t.Fatalf("before its gateway has a route: %v", err)
	}
	if err := a.AddRoute(netip.PrefixFrom(gateway, 32), netip.Addr{}, ia); err != nil {
		t.Fatal(err)
	}
	if err := a.AddRoute(any, gateway, nil); err != nil {
		t.Fatal(err)
	}
	// A gateway behind another gateway is not on link.
	if err := a.AddRoute(netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("10.8.0.1"), nil); err != ErrNoRoute {
		t.Errorf("a gateway behind a gateway: %v", err)
	}
	from, err := a.BindICMP(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Send(n.now, echoRequest(1, 1, "x"), gateway, 0); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, src, _, err := from.Recv(make([]byte, 100)); k < 0 || src != gateway {
		t.Fatalf("the gateway's reply: %d octets from %v, %v", k, src, err)
	}
	// The router's own request updates the entry, too.
	ask := wire.ARP{Op: wire.ARPRequest, SenderHW: macB, SenderIP: gateway, TargetIP: netip.MustParseAddr("10.0.0.5")}
	if v := a.Receive(n.now, ia, arpFrame(wire.Broadcast, macB, ask)); v != answered(ARPReply) {
		t.Errorf("the gateway asks: %q", v)
	}
	ask.SenderIP = netip.MustParseAddr("10.0.0.2")
	if v := a.Receive(n.now, ia, arpFrame(wire.Broadcast, macB, ask)); v != dropped(drop.ARPMartian) {
		t.Errorf("an address without an on-link route asks: %q", v)
	}
	if err := r.AddRoute(netip.MustParsePrefix("10.0.0.5/32"), netip.Addr{}, ir); err != nil {
		t.Fatal(err)
	}
}

// TestGatewayByLongestOnLinkRoute: a gateway's interface is that of the longest on-link route, even if a subnet of another
// interface contains the gateway.
func TestGatewayByLongestOnLinkRoute(t *testing.T) {
	n := newNetwork(t)
	h, wide := n.host("a", macA, "10.0.0.1/8")
	narrow := h.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macB, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}})
	gateway := netip.MustParseAddr("10.1.1.1")
	if err := h.AddRoute(netip.PrefixFrom(gateway, 32), netip.Addr{}, narrow); err != nil {
		t.Fatal(err)
	}
	for dst, gw := range map[string]netip.Addr{"1.0.0.0/8": gateway, "2.0.0.0/8": netip.MustParseAddr("10.1.1.2")} {
		if err := h.AddRoute(netip.MustParsePrefix(dst), gw, nil); err != nil {
			t.Fatal(err)
		}
	}
	if p, _ := h.net.lookup(netip.MustParseAddr("1.2.3.4")); p.iface != narrow {
		t.Error("the gateway with a route of its own is not reached by it")
	}
	if p, _ := h.net.lookup(netip.MustParseAddr("2.2.3.4")); p.iface != wide {
		t.Error("the gateway without one is not reached by the subnet")
	}
}

// TestFromNobody: UDP from 0.0.0.0 to 255.255.255.255 is delivered, since a host without an address asks for one so
// (RFC 1122 §3.2.1.3, RFC 2131 §4.1). No other packet from 0.0.0.0 is delivered, and no ICMP error is sent there.
func TestFromNobody(t *testing.T) {
	nobody := netip.IPv4Unspecified()
	broadcast := func(p []byte) []byte { return crafted{wire.Broadcast, macA, wire.EtherTypeIPv4, p}.frame().Bytes() }
	h, i := lone(t)
	for _, dst := range []uint16{67, 68} {
		if _, err := h.BindUDP(port(netip.Addr{}, dst)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"discover":         {broadcast(udpPacket(port(nobody, 68), port(limitedBroadcast, 67), octets(300))), "udp :67"},
		"to a closed port": {broadcast(udpPacket(port(nobody, 68), port(limitedBroadcast, 69), octets(300))), "dropped: no socket"},
		"to us":            {toB(udpPacket(port(nobody, 68), port(ipB, 67), octets(300))).Bytes(), "dropped: martian source"},
		"to our subnet":    {broadcast(udpPacket(port(nobody, 68), port(netip.MustParseAddr("10.0.0.255"), 67), nil)), "dropped: martian source"},
		"to another":       {toB(udpPacket(port(nobody, 68), port(many(1), 67), nil)).Bytes(), "dropped: martian source"},
		"ping":             {broadcast(icmpPacket(nobody, limitedBroadcast, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)), "dropped: martian source"},
		"a segment":        {broadcast(tcpPacket(port(nobody, 68), port(limitedBroadcast, 67), wire.TCP{Flags: wire.SYN}, nil)), "dropped: martian source"},
		"from 0.0.0.1":     {broadcast(udpPacket(port(netip.MustParseAddr("0.0.0.1"), 68), port(limitedBroadcast, 67), nil)), "dropped: martian source"},
		"to a group":       {broadcast(udpPacket(port(nobody, 68), port(wire.AllHosts, 67), nil)), "dropped: martian source"},
	} {
		f := crafted{payload: nil}.frame()
		f.Reset()
		copy(f.Extend(len(c.frame)), c.frame)
		if v := h.Receive(0, i, f); v.String() != c.want {
			t.Errorf("%s: %q, want %q", name, v, c.want)
		}
	}
	p := &packet{iface: i, octets: make([]byte, 28), ip: wire.IPv4{Src: nobody, Dst: ipB, HeaderLen: 20, PayloadLen: 8}}
	h.sendICMPError(0, p, wire.ICMP{Type: wire.ICMPDestUnreachable}, ipB, PortUnreachable, drop.NoSocket)
	if out := drain(h, 0, i); len(out) != 0 || counterOf(t, h, "IcmpOutMsgs")+counterOf(t, h, "IcmpOutErrors") != 0 {
		t.Errorf("%d frames were sent to nobody", len(out))
	}
}

// TestBroadcastWithoutAddress: an interface without an address receives limited broadcasts, which DHCP needs.
func TestBroadcastWithoutAddress(t *testing.T) {
	h := New(Config{})
	i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB})
	u, err := h.BindUDP(port(netip.Addr{}, 68))
	if err != nil {
		t.Fatal(err)
	}
	f := crafted{wire.Broadcast, macA, wire.EtherTypeIPv4, udpPacket(port(ipA, 67), port(limitedBroadcast, 68), octets(10))}.frame()
	if v := h.Receive(0, i, f); v.String() != "udp :68" {
		t.Errorf("%q", v)
	}
	if k, from, _ := u.Recv(make([]byte, 100)); k != 10 || from != port(ipA, 67) {
		t.Errorf("%d octets from %v", k, from)
	}
}
