package stack

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var (
	ip6A = netip.MustParseAddr("fd00::1")
	ip6B = netip.MustParseAddr("fd00::2")
)

// pair6 returns two hosts on one link that have addresses of both families.
func pair6(t testing.TB) (n *network, a, b *Host) {
	n = newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	b, ib := n.host("b", macB, "10.0.0.2/24")
	n.join(ia, ib)
	for h, p := range map[*Host]string{a: "fd00::1/64", b: "fd00::2/64"} {
		if err := h.net.ifaces[0].AddAddr(0, netip.MustParsePrefix("::1/128")); err != nil {
			t.Fatal(err)
		}
		if err := h.Ifaces()[0].AddAddr(0, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	n.pump()
	return n, a, b
}

func noDrops(t testing.TB, hosts ...*Host) {
	t.Helper()
	for _, h := range hosts {
		for _, d := range h.DropInfos() {
			t.Errorf("%s dropped %d: %v, the last %x", h.name, d.Count, d.Reason, d.Example)
		}
	}
}

// echo6 sends an echo request of n octets from a and returns the reply's data.
func echo6(t testing.TB, net *network, a *Host, dst netip.Addr, n int) []byte {
	t.Helper()
	c, err := a.BindICMP(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	msg := make([]byte, wire.ICMPv6Len+n)
	msg[0], msg[4], msg[5], msg[7] = byte(wire.ICMPv6EchoRequest), byte(c.ID()>>8), byte(c.ID()), 1
	for k := range n {
		msg[wire.ICMPv6Len+k] = byte(k)
	}
	if err := c.Send(net.now, msg, dst, 0); err != nil {
		t.Fatal(err)
	}
	net.run(5 * time.Second)
	buf := make([]byte, 70_000)
	k, _, _, err := c.Recv(buf)
	if err != nil || k < wire.ICMPv6Len || buf[0] != byte(wire.ICMPv6EchoReply) {
		t.Fatalf("%d octets, %v", k, err)
	}
	return buf[wire.ICMPv6Len:k]
}

// TestEcho6: hosts answer echo requests of every length, to global, link-local and loopback addresses.
func TestEcho6(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	linkLocal := b.Ifaces()[0].LinkLocal().WithZone("eth0")
	for _, dst := range []netip.Addr{ip6B, linkLocal, ip6A, netip.MustParseAddr("::1"), a.Ifaces()[0].LinkLocal()} {
		for _, size := range []int{0, 56, 1452, 1453, 8000, 65_000} {
			got := echo6(t, n, a, dst, size)
			want := make([]byte, size)
			for k := range want {
				want[k] = byte(k)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%v, %d octets: %d octets came back", dst, size, len(got))
			}
		}
	}
	noDrops(t, a, b)
}

// TestTransfer6: a connection over IPv6 carries data both ways, between global and link-local addresses.
func TestTransfer6(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	for _, dst := range []netip.Addr{ip6B, b.Ifaces()[0].LinkLocal()} {
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(dst, 80), l)
		data := bytes.Repeat([]byte("sixsixsix "), 20_000)
		transfer(n, client, server, data, time.Minute)
		transfer(n, server, client, data, time.Minute)
		client.Close(n.now)
		server.Close(n.now)
		l.Close(n.now)
		n.run(5 * time.Minute)
	}
	noDrops(t, a, b)
}
