package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var far = netip.MustParseAddr("10.0.1.2")

// routed returns a, r and b in a row: a on 10.0.0.0/24, b on 10.0.1.0/24, r between them.
func routed(t testing.TB) (n *network, a, r, b *Host) {
	n = newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	r, r0 := n.host("r", macB, "10.0.0.254/24")
	b, ib := n.host("b", macA, "10.0.1.2/24")
	r1 := r.AddIface(n.now, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.254/24")}})
	n.join(ia, r0)
	n.join(r1, ib)
	for h, gw := range map[*Host]string{a: "10.0.0.254", b: "10.0.1.254"} {
		if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr(gw), nil); err != nil {
			t.Fatal(err)
		}
	}
	r.SetForwarding(true)
	n.run(10 * time.Millisecond)
	return n, a, r, b
}

func TestForwardedTransfer(t *testing.T) {
	n, a, r, b := routed(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(far, 80), l)
	data := bytes.Repeat([]byte("forwarded "), 10_000)
	transfer(n, client, server, data, time.Minute)
	if got := counterOf(t, r, "IpForwDatagrams"); got < 80 || got != r.stats.verdicts[Forwarded] {
		t.Errorf("%d packets were forwarded, %d verdicts", got, r.stats.verdicts[Forwarded])
	}
	if server.Remote().Addr() != ipA {
		t.Errorf("the peer is %v", server.Remote())
	}
	r.SetForwarding(false)
	if _, err := client.Write(n.now, []byte("x")); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if server.Readable() != 0 || r.stats.drops[drop.NotForUs].rx == 0 {
		t.Error("a host that does not forward did")
	}
}

// TestForwardingVerdicts: every packet that can't be forwarded has its verdict, and the source gets an ICMP error where
// RFC 1812 §4.3.2.7 allows one.
func TestForwardingVerdicts(t *testing.T) {
	n := newNetwork(t)
	r, i := n.host("r", macB, "10.0.0.254/24")
	out := r.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.254/24")}})
	r.SetForwarding(true)
	if err := out.SetMTU(1000); err != nil {
		t.Fatal(err)
	}
	for k, a := range map[*Iface]netip.Addr{i: ipA, out: far} {
		if err := k.AddNeighbor(0, a, macA); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []*Iface{i, out} {
		drain(r, 0, k)
	}
	udp := make([]byte, 8)
	ttl := func(v uint8) func(*wire.IPv4) { return func(h *wire.IPv4) { h.TTL = v } }
	dead := icmpPacket(ipA, far, wire.ICMP{Type: wire.ICMPDestUnreachable}, make([]byte, 28))
	dead[8] = 1 // the TTL; a router checks it but not the checksum of the message
	dead[10], dead[11] = 0, 0
	sum := wire.Checksum(dead[:wire.IPv4Len])
	dead[10], dead[11] = byte(sum>>8), byte(sum)
	for _, c := range []struct {
		name   string
		packet []byte
		want   string
		icmp   string // the ICMP error to the source
	}{
		{"on its way", ipPacket(17, ipA, far, udp, ttl(2)), "forwarded", ""},
		{"last hop", ipPacket(17, ipA, far, udp, ttl(1)), "ttl exceeded", "ttl exceeded"},
		{"no hop", ipPacket(17, ipA, far, udp, ttl(0)), "ttl exceeded", "ttl exceeded"},
		{"an error's last hop", dead, "dropped: ttl exceeded", ""},
		{"no route", ipPacket(17, ipA, netip.MustParseAddr("8.8.8.8"), udp, nil), "net unreachable", "net unreachable"},
		{"as long as it may be", ipPacket(17, ipA, far, make([]byte, 980), nil), "forwarded", ""},
		{"too long", ipPacket(17, ipA, far, make([]byte, 981), func(h *wire.IPv4) { h.DontFragment = true }), "fragmentation needed", "fragmentation needed"},
		{"a fragment", ipPacket(17, ipA, far, udp, func(h *wire.IPv4) { h.FragmentOffset = 8 }), "forwarded", ""},
		{"a subnet's broadcast", ipPacket(17, ipA, netip.MustParseAddr("10.0.1.255"), udp, nil), "dropped: martian destination", ""},
		{"class E", ipPacket(17, ipA, netip.MustParseAddr("250.0.0.1"), udp, nil), "dropped: martian destination", ""},
		{"127/8", ipPacket(17, ipA, netip.MustParseAddr("127.0.0.2"), udp, nil), "dropped: martian destination", ""},
		{"our own source", ipPacket(17, netip.MustParseAddr("10.0.1.254"), far, udp, nil), "dropped: martian source", ""},
	} {
		if v := r.Receive(0, i, toB(c.packet)); v.String() != c.want {
			t.Errorf("%s: verdict %q, want %q", c.name, v, c.want)
		}
		sent, back := drain(r, 0, out), drain(r, 0, i)
		if c.want == "forwarded" {
			if len(sent) != 1 {
				t.Errorf("%s: %d frames sent on", c.name, len(sent))
				continue
			}
			h, payload, err := wire.ParseIPv4(sent[0].Bytes()[wire.EthernetLen:])
			if err != nil || h.TTL != c.packet[8]-1 || h.Src != ipA || h.Dst != far || !bytes.Equal(payload, c.packet[wire.IPv4Len:]) {
				t.Errorf("%s: sent on %+v, %v", c.name, h, err)
			}
		} else if len(sent) != 0 {
			t.Errorf("%s: %d frames sent on", c.name, len(sent))
		}
		if c.icmp == "" && len(back) != 0 || c.icmp != "" && len(back) != 1 {
			t.Errorf("%s: %d answers", c.name, len(back))
			continue
		}
		if c.icmp != "" {
			h, payload, _ := wire.ParseIPv4(back[0].Bytes()[wire.EthernetLen:])
			m, quote, err := wire.ParseICMP(payload, true)
			if err != nil || m.String() != c.icmp || h.Src != netip.MustParseAddr("10.0.0.254") || !bytes.Equal(quote[:28], c.packet[:28]) {
				t.Errorf("%s: answered %q from %v, %v", c.name, m.String(), h.Src, err)
			}
			if c.icmp == "fragmentation needed" && m.MTU != 1000 {
				t.Errorf("the MTU is said to be %d", m.MTU)
			}
		}
	}
	group := crafted{wire.Broadcast, macA, wire.EtherTypeIPv4, ipPacket(17, ipA, far, udp, nil)}.frame()
	if v := r.Receive(0, i, group); v != dropped(drop.NotForUs) {
		t.Errorf("a link-layer broadcast: %q", v)
	}
	if in, accounted := r.Conservation(); in != accounted {
		t.Errorf("%d frames in, %d accounted for", in, accounted)
	}
}

// TestForwardingToNobody: if the next hop does not answer ARP, the source gets a host unreachable.
func TestForwardingToNobody(t *testing.T) {
	n, a, r, _ := routed(t)
	u, err := a.DialUDP(netip.AddrPort{}, port(netip.MustParseAddr("10.0.1.9"), 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Send(n.now, []byte("x"), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	n.run(10 * time.Second)
	if _, _, err := u.Recv(nil); !errors.Is(err, ErrHostUnreach) {
		t.Errorf("the source learns %v", err)
	}
	if r.stats.drops[drop.NeighborFailed].tx != 1 {
		t.Errorf("%d drops", r.stats.drops[drop.NeighborFailed].tx)
	}
}

func TestNoAllocsForwarding(t *testing.T) {
	n, _, r, _ := routed(t)
	i, o := r.Ifaces()[0], r.Ifaces()[1]
	if err := o.AddNeighbor(n.now, far, macA); err != nil {
		t.Fatal(err)
	}
	in, out := toB(ipPacket(17, ipA, far, make([]byte, 1000), nil)), phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := r.Receive(n.now, i, in); v.Kind != Forwarded {
			t.Fatalf("verdict %q", v)
		}
		out.Reset()
		if !r.Transmit(n.now, o, out) {
			t.Fatal("nothing sent")
		}
		r.FrameSent(n.now, o, out, drop.None)
	})
}
