package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/wire"
)

// TestLinkLocalIsNotForwarded: a router forwards no packet from or to 169.254/16, whatever its routes (RFC 3927 §7), and sends no
// ICMP error about it.
func TestLinkLocalIsNotForwarded(t *testing.T) {
	n := newNetwork(t)
	r, i := n.host("r", macB, "10.0.0.254/24")
	out := r.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("169.254.0.1/16")}})
	r.SetForwarding(true)
	local, other := netip.MustParseAddr("169.254.7.7"), netip.MustParseAddr("169.253.255.255")
	if err := r.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		t.Fatal(err)
	}
	for k, a := range map[*Iface]netip.Addr{i: ipA, out: local} {
		if err := k.AddNeighbor(0, a, macA); err != nil {
			t.Fatal(err)
		}
	}
	drain(r, 0, i)
	drain(r, 0, out)
	for name, c := range map[string]struct {
		in       *Iface
		src, dst netip.Addr
		want     string
	}{
		"to one":                {i, ipA, local, "dropped: link local"},
		"from one":              {out, local, ipA, "dropped: link local"},
		"from one by a gateway": {out, local, many(1), "dropped: link local"},
		"to one on its own":     {out, netip.MustParseAddr("169.254.7.8"), local, "dropped: link local"},
		"from the address next": {i, other, many(1), "forwarded"},
		"to the router itself":  {out, local, netip.MustParseAddr("169.254.0.1"), "echo reply"},
	} {
		dst := c.in.MAC()
		f := crafted{dst, macA, wire.EtherTypeIPv4, icmpPacket(c.src, c.dst, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)}.frame()
		if v := r.Receive(0, c.in, f); v.String() != c.want {
			t.Errorf("%s: %q, want %q", name, v, c.want)
		}
		sent := len(drain(r, 0, i)) + len(drain(r, 0, out))
		if said := c.want[0] != 'd'; said != (sent == 1) {
			t.Errorf("%s: %d frames were sent", name, sent)
		}
	}
	wantCounter(t, r, "IpForwDatagrams", 1)
}

// TestLinkLocalOnLink: hosts with link-local addresses reach each other on their link.
func TestLinkLocalOnLink(t *testing.T) {
	n := newNetwork(t)
	a, ia := n.host("a", macA, "169.254.1.1/16")
	b, ib := n.host("b", macB, "169.254.2.2/16")
	n.join(ia, ib)
	from, _ := a.BindUDP(port(netip.Addr{}, 7))
	to, _ := b.BindUDP(port(netip.Addr{}, 7))
	if err := from.Send(n.now, octets(10), port(netip.MustParseAddr("169.254.2.2"), 7)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, src, _ := to.Recv(make([]byte, 100)); k != 10 || src.Addr() != netip.MustParseAddr("169.254.1.1") {
		t.Errorf("%d octets from %v", k, src)
	}
}
