package stack

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/pmtu"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func pmtuKey(dst netip.Addr, checked bool) pmtu.Key { return pmtu.Key{Dst: dst, Checked: checked} }

// narrowed6 is narrowed for routed6.
func narrowed6(t testing.TB, mtu int) (n *network, a, r, b *Host) {
	n, a, r, b = routed6(t)
	if err := r.Ifaces()[1].SetMTU(mtu); err != nil {
		t.Fatal(err)
	}
	return n, a, r, b
}

// TestPathMTU6: a connection reduces its segments to what a router of a narrower link reports, later connections start with it, and
// after ten minutes the sender tries longer segments again (RFC 8201 §4, §5.2, §5.3, RFC 4443 §3.2).
func TestPathMTU6(t *testing.T) {
	n, a, r, b := narrowed6(t, 1300)
	l := listen(t, b, 80, tcp.Config{})
	first, s1 := dial(n, a, port(far6, 80), l)
	if got := first.Info(n.now).MSS; got != 1500-60-12 {
		t.Errorf("MSS %d before the first report", got)
	}
	transfer(n, first, s1, octets(300_000), 10*time.Second)
	if i := first.Info(n.now); i.MSS != 1300-60-12 || i.PathMTU != 1300 {
		t.Errorf("MSS %d, path MTU %d", i.MSS, i.PathMTU)
	}
	if got := a.PathMTU(n.now, far6); got != 1300 || a.PathMTU(n.now, router6) != 1500 {
		t.Errorf("the host's path MTU is %d", got)
	}
	wantCounter(t, a, "TcpExtTCPTimeouts", 0)
	if got := counterOf(t, r, "Icmp6OutPktTooBigs"); got != 10 || counterOf(t, a, "Icmp6InPktTooBigs") != got {
		t.Errorf("%d reports, want one per segment of the initial window", got)
	}
	second, _ := dial(n, a, port(far6, 80), l)
	if got := second.Info(n.now).MSS; got != 1300-60-12 {
		t.Errorf("a new connection's MSS is %d", got)
	}
	n.run(pmtu.Age)
	if got := a.PathMTU(n.now, far6); got != 1500 {
		t.Errorf("after ten minutes the path MTU is %d", got)
	}
	third, s3 := dial(n, a, port(far6, 80), l)
	if got := third.Info(n.now).MSS; got != 1500-60-12 {
		t.Errorf("after ten minutes a new connection's MSS is %d", got)
	}
	transfer(n, third, s3, octets(10_000), time.Second)
}

// quiet6 reports whether a frame is an ICMPv6 error.
func quiet6(_ *Iface, f *phy.Frame) bool {
	b := f.Bytes()
	return len(b) > 54 && b[12] == 0x86 && wire.Protocol(b[20]) == wire.ProtocolICMPv6 && wire.ICMPv6Type(b[54]).IsError()
}

// TestBlackHole6: without reports the connection searches for the path MTU, and never sends less than 1280 octets (RFC 8201 §5.2,
// RFC 8899 §3, RFC 4821 §7.2).
func TestBlackHole6(t *testing.T) {
	for _, mtu := range []int{1280, 1281, 1400, 1492} {
		n, a, _, b := narrowed6(t, mtu)
		n.lose = quiet6
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(far6, 80), l)
		transfer(n, client, server, octets(1_000_000), 5*time.Minute)
		if got := client.Info(n.now).PathMTU; got > mtu || got < max(1280, mtu-8) {
			t.Errorf("the path carries %d octets, the connection sends %d", mtu, got)
		}
	}
}

// TestDatagramsOverNarrowPath: after the first report a source cuts datagrams and echo requests of every kind of socket into
// fragments, and one that must not is refused (RFC 8200 §4.5, §5, RFC 8201 §5.5).
func TestDatagramsOverNarrowPath(t *testing.T) {
	n, a, _, b := narrowed6(t, 1280)
	u, _ := a.BindUDP(port(netip.Addr{}, 5))
	to, _ := b.BindUDP(port(netip.Addr{}, 7))
	raw, _ := a.BindRaw(253)
	rawTo, _ := b.BindRaw(253)
	buf := make([]byte, 70_000)
	for _, c := range []struct {
		name string
		dst  netip.Addr
		send func(b []byte, to netip.Addr) error
		recv func() int
	}{
		{"udp", far6, func(b []byte, to netip.Addr) error { return u.Send(n.now, b, port(to, 7)) }, func() int { k, _, _ := to.Recv(buf); return k }},
		{"raw", far6, func(b []byte, to netip.Addr) error { return raw.Send(n.now, b, to, 0) }, func() int { k, _, _, _ := rawTo.Recv(buf); return k }},
	} {
		a.net.paths = pmtu.Table{}
		if err := c.send(octets(1400), c.dst); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if k := c.recv(); k != -1 {
			t.Errorf("%s: the first arrived, with %d octets", c.name, k)
		}
		if got := a.PathMTU(n.now, c.dst); got != 1280 {
			t.Errorf("%s: the path MTU is %d", c.name, got)
		}
		for _, size := range []int{1232, 1233, 1400, 5000, 60_000} {
			_ = c.send(octets(size), c.dst) // a raw socket reports the first report here
			n.run(time.Second)
			if k := c.recv(); k != size {
				_ = c.send(octets(size), c.dst)
				n.run(time.Second)
				if k = c.recv(); k != size {
					t.Errorf("%s: of %d octets %d arrived", c.name, size, k)
				}
			}
		}
	}
	u.SetDontFragment(true)
	if err := u.Send(n.now, octets(1233), port(far6, 7)); !errors.Is(err, ErrTooBig) {
		t.Errorf("one that must not be cut: %v", err)
	}
	if err := u.Send(n.now, octets(1232), port(far6, 7)); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	a.net.paths = pmtu.Table{}
	echo := echo6(t, n, a, router6, 1452)
	if len(echo) != 1452 {
		t.Errorf("%d octets came back from the router", len(echo))
	}
}

// TestForgedTooBig: a report is ignored if it is below 1280 octets or not below the length of the quoted packet, if it quotes a
// packet that no socket can have sent, or a sequence number that is not in flight (RFC 8201 §4, §6, RFC 4443 §3.2, RFC 5927 §4).
func TestForgedTooBig(t *testing.T) {
	h, i, now := lone6(t)
	if _, err := h.BindUDP(port(netip.Addr{}, 7)); err != nil {
		t.Fatal(err)
	}
	l := listen(t, h, 80, tcp.Config{})
	_ = l
	quote := func(proto wire.Protocol, src netip.Addr, payload []byte, length int) []byte {
		return ip6Packet(proto, src, ip6A, payload, func(h *wire.IPv6) { h.PayloadLen = length - wire.IPv6Len })
	}
	ports := func(local uint16) []byte { return udp6(port(ip6B, local), port(ip6A, 9), make([]byte, 100)) }
	for _, c := range []struct {
		name  string
		mtu   uint32
		quote []byte
		taken bool
	}{
		{"a credible report", 1400, quote(17, ip6B, ports(7), 1500), true},
		{"the least MTU", 1280, quote(17, ip6B, ports(7), 1500), true},
		{"behind a fragment header", 1300, quote(44, ip6B, behind(17, firstPart, ports(7)), 1500), true},
		{"below the least", 1279, quote(17, ip6B, ports(7), 1500), false},
		{"zero", 0, quote(17, ip6B, ports(7), 1500), false},
		{"an atomic fragment's 1272", 1272, quote(44, ip6B, behind(17, atomicPart, ports(7)), 1280), false},
		{"as long as the packet", 1400, quote(17, ip6B, ports(7), 1400), false},
		{"longer", 1 << 31, quote(17, ip6B, ports(7), 1500), false},
		{"longer than the link carries", 1400, quote(17, ip6B, ports(7), 1501), false},
		{"another port", 1400, quote(17, ip6B, ports(8), 1500), false},
		{"another source", 1400, quote(17, localB, ports(7), 1500), false},
		{"a connection that does not exist", 1400, quote(6, ip6B, tcp6(port(ip6B, 80), port(ip6A, 9), wire.TCP{}), 1500), false},
		{"a raw packet that was not sent", 1400, quote(253, ip6B, make([]byte, 100), 1500), false},
	} {
		h.net.paths = pmtu.Table{}
		m := icmp6(ip6A, ip6B, wire.ICMPv6{Type: wire.ICMPv6PacketTooBig, MTU: c.mtu}, c.quote)
		v := h.Receive(now, i, toB6(ip6Packet(wire.ProtocolICMPv6, ip6A, ip6B, m, nil)))
		want := 1500
		if c.taken {
			want = int(c.mtu)
		}
		if got := h.PathMTU(now, ip6A); got != want || (v.Kind == Delivered) != c.taken {
			t.Errorf("%s: the path MTU is %d, %v", c.name, got, v)
		}
	}
}
