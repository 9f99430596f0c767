package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestGatewayBehindOnLinkRoute: an interface whose address has no subnet reaches its gateway by an on-link route, as
// hosts in clouds do.
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
	// A gateway that is reached through another gateway is not on link.
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

// TestBroadcastWithoutAddress: an interface without an address receives limited broadcasts. Otherwise it could not get
// an address by DHCP.
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

// TestNoErrorToNobody: no ICMP error is sent to 0.0.0.0 (RFC 1122 §3.2.2), whatever the destination of the packet from
// there was.
func TestNoErrorToNobody(t *testing.T) {
	h, i := lone(t)
	p := &packet{iface: i, octets: make([]byte, 28), src: netip.IPv4Unspecified(), dst: ipB, headerLen: 20}
	h.sendError(0, p, icmpError{kind: portUnreachable}, drop.NoSocket)
	if out := drain(h, 0, i); len(out) != 0 || counterOf(t, h, "IcmpOutMsgs")+counterOf(t, h, "IcmpOutErrors") != 0 {
		t.Errorf("%d frames were sent to nobody", len(out))
	}
}

// ARP between neighbours is no fault of anybody's: a host counts it, and neither its drops nor its interface's nor its events have it.
func TestNeighboursARPIsNoDrop(t *testing.T) {
	n := newNetwork(t)
	h, i := n.host("b", macB, "10.0.0.2/24")
	listener := h.AddIface(n.now, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macA}) // without an address
	drain(h, n.now, i)
	defer h.Events(func(ev Event) {
		if ev.Kind == EventDrop {
			t.Errorf("dropped: %v", ev.Reason)
		}
	})()
	frames := []wire.ARP{
		{Op: wire.ARPRequest, SenderHW: macC, SenderIP: ipC, TargetIP: ipC},                         // an announcement
		{Op: wire.ARPReply, SenderHW: macC, SenderIP: ipC, TargetHW: wire.Broadcast, TargetIP: ipC}, // another form of announcement
		{Op: wire.ARPRequest, SenderHW: macC, SenderIP: ipC, TargetIP: ipA},                         // a request for another station's address
		{Op: wire.ARPRequest, SenderHW: macC, SenderIP: netip.IPv4Unspecified(), TargetIP: ipC},     // a probe
	}
	for _, on := range []*Iface{i, listener} {
		for _, a := range frames {
			if v := h.Receive(n.now, on, arpFrame(wire.Broadcast, macC, a)); v.Kind != Overheard || v.String() != "arp not for us" {
				t.Errorf("%s: %+v is %q", on.Name(), a, v)
			}
		}
		if on.Info().RxDropped != 0 {
			t.Errorf("%s counts %d drops", on.Name(), on.Info().RxDropped)
		}
	}
	if d := h.DropInfos(); len(d) != 0 || counterOf(t, h, "ArpInNotForUs") != 8 {
		t.Errorf("drops %+v, %d overheard", d, counterOf(t, h, "ArpInNotForUs"))
	}
	n.conserve()
	// On a link with addresses, a stranger's packet still is a fault.
	stranger := wire.ARP{Op: wire.ARPRequest, SenderHW: macC, SenderIP: netip.MustParseAddr("192.0.2.1"), TargetIP: ipA}
	h2, i2 := n.host("c", macB, "10.0.0.2/24")
	if v := h2.Receive(n.now, i2, arpFrame(wire.Broadcast, macC, stranger)); v != dropped(drop.ARPMartian) {
		t.Errorf("a stranger's packet is %q", v)
	}
}
