package stack

import (
	"net/netip"
	"testing"
	"time"
)

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
