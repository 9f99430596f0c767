package stack

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
)

var far = netip.MustParseAddr("10.0.1.2")

// routed returns the hosts a, r and b: a is on 10.0.0.0/24, b is on 10.0.1.0/24, and r routes between them.
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
	r.SetForwarding(0, true)
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
	r.SetForwarding(0, false)
	if _, err := client.Write(n.now, []byte("x")); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if server.Readable() != 0 || r.stats.drops[drop.NotForUs].rx == 0 {
		t.Error("a host that does not forward did")
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
