package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/pmtu"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// narrowed returns the hosts of routed. The last link has the given MTU.
func narrowed(t testing.TB, mtu int) (n *network, a, r, b *Host) {
	n, a, r, b = routed(t)
	if err := r.net.ifaces[2].SetMTU(mtu); err != nil {
		t.Fatal(err)
	}
	return n, a, r, b
}

// TestPathMTU: a connection reduces its segments to the path MTU at once, later connections of that path start with it,
// and after ten minutes the sender tries longer segments again (RFC 1191).
func TestPathMTU(t *testing.T) {
	n, a, r, b := narrowed(t, 1000)
	l := listen(t, b, 80, tcp.Config{})
	first, s1 := dial(n, a, port(far, 80), l)
	second, s2 := dial(n, a, port(far, 80), l)
	transfer(n, first, s1, octets(300_000), 10*time.Second)
	if i := first.Info(n.now); i.MSS != 948 || i.PathMTU != 1000 {
		t.Errorf("MSS %d, path MTU %d, want 948 and 1000", i.MSS, i.PathMTU)
	}
	if got := a.PathMTU(n.now, far); got != 1000 || a.PathMTU(n.now, netip.MustParseAddr("10.0.0.254")) != 1500 {
		t.Errorf("the host's path MTU is %d", got)
	}
	transfer(n, second, s2, octets(100_000), 10*time.Second)
	if got := second.Info(n.now).MSS; got != 948 {
		t.Errorf("the second connection's MSS is %d", got)
	}
	wantCounter(t, a, "TcpExtTCPPathMTU", 1)
	wantCounter(t, a, "TcpExtTCPTimeouts", 0)
	wantCounter(t, a, "TcpExtTCPFastRetrans", 0)
	wantCounter(t, r, "IcmpOutDestUnreachs", 10) // one per segment of the initial window, none for the second connection
	third, _ := dial(n, a, port(far, 80), l)
	if got := third.Info(n.now).MSS; got != 948 {
		t.Errorf("a new connection's MSS is %d", got)
	}
	if got := s1.Info(n.now); got.MSS != 1448 {
		t.Errorf("the other end, to which the path is wide, has MSS %d", got.MSS)
	}
	n.run(pmtu.Age)
	if got := a.PathMTU(n.now, far); got != 1500 {
		t.Errorf("after ten minutes the path MTU is %d", got)
	}
	fourth, s4 := dial(n, a, port(far, 80), l)
	if got := fourth.Info(n.now).MSS; got != 1448 {
		t.Errorf("after ten minutes a new connection's MSS is %d", got)
	}
	transfer(n, fourth, s4, octets(10_000), time.Second)
	if got := fourth.Info(n.now).MSS; got != 948 {
		t.Errorf("and when it has sent, %d", got)
	}
}

// TestPathBecomesNarrow: if long segments have passed before, the sender uses a report of a smaller path MTU only after
// a timeout (RFC 5927 §7.2).
func TestPathBecomesNarrow(t *testing.T) {
	n, a, r, b := narrowed(t, 1500)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(far, 80), l)
	transfer(n, client, server, octets(100_000), time.Second)
	if err := r.net.ifaces[2].SetMTU(576); err != nil {
		t.Fatal(err)
	}
	transfer(n, client, server, octets(100_000), 3*time.Second)
	if got := client.Info(n.now).MSS; got != 524 {
		t.Errorf("MSS %d", got)
	}
	wantCounter(t, a, "TcpExtTCPTimeouts", 1)
	wantCounter(t, a, "TcpExtTCPBlackHole", 0)
}

// quiet reports whether a frame is an ICMP message. It is used as the condition for drops.
func quiet(_ *Iface, f *phy.Frame) bool {
	b := f.Bytes()
	return len(b) > 23 && b[12] == 8 && wire.Protocol(b[23]) == wire.ProtocolICMP
}

// TestBlackHole: without ICMP errors, the connection searches for the path MTU (RFC 4821), and finds it to within a few octets if
// it is above the fallback.
func TestBlackHole(t *testing.T) {
	for _, c := range []struct{ mtu, least, most int }{{1492, 1484, 1492}, {1300, 1292, 1300}, {1064, 1064, 1064}, {1000, 992, 1000}, {576, 568, 576}, {552, 552, 552}} {
		n, a, _, b := narrowed(t, c.mtu)
		n.lose = quiet
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(far, 80), l)
		transfer(n, client, server, octets(1<<20), 30*time.Second)
		if got := client.Info(n.now).PathMTU; got < c.least || got > c.most {
			t.Errorf("%d is found to be %d", c.mtu, got)
		}
		if counterOf(t, a, "TcpExtTCPBlackHole") == 0 || counterOf(t, a, "TcpExtTCPTimeouts") > 6 {
			t.Errorf("%d: %d black holes, %d timeouts", c.mtu, counterOf(t, a, "TcpExtTCPBlackHole"), counterOf(t, a, "TcpExtTCPTimeouts"))
		}
		if probes, ok, not := counterOf(t, a, "TcpExtTCPMTUProbe"), counterOf(t, a, "TcpExtTCPMTUPSuccess"), counterOf(t, a, "TcpExtTCPMTUPFail"); probes < 5 || probes > 10 || ok+not != probes {
			t.Errorf("%d: %d probes, %d arrived, %d were lost", c.mtu, probes, ok, not)
		}
	}
}

// TestNoBlackHole: a path that was down only looks like a black hole; afterwards the segments have their full size.
func TestNoBlackHole(t *testing.T) {
	n, a, _, b := narrowed(t, 1500)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(far, 80), l)
	up := n.now.Add(5 * time.Second)
	n.lose = func(*Iface, *phy.Frame) bool { return n.now < up }
	transfer(n, client, server, octets(1<<20), 30*time.Second)
	wantCounter(t, a, "TcpExtTCPBlackHole", 2)
	if got := client.Info(n.now).PathMTU; got < 1492 {
		t.Errorf("path MTU %d", got)
	}
}

// fragNeeded returns the ICMP message "fragmentation needed" from a to b. It is about a packet of quoted octets from
// b's port 80 to dst.
func fragNeeded(mtu uint16, proto wire.Protocol, dst netip.Addr, quoted int, seq wire.Seq, dstPort uint16) []byte {
	t := wire.TCP{SrcPort: 80, DstPort: dstPort, Seq: seq, Flags: wire.ACK}
	q := make([]byte, wire.IPv4Len+wire.TCPLen)
	t.Put(q[wire.IPv4Len:])
	ip := wire.IPv4{TTL: 64, Protocol: proto, Src: ipB, Dst: dst, PayloadLen: quoted - wire.IPv4Len, DontFragment: true}
	ip.Put(q)
	return icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableFragNeeded, MTU: mtu}, q)
}

func TestPathTableIsBounded(t *testing.T) {
	h, i := lone(t)
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.BindUDP(port(netip.IPv4Unspecified(), 80)); err != nil {
		t.Fatal(err)
	}
	at := func(k int) netip.Addr { return netip.AddrFrom4([4]byte{20, 0, byte(k >> 8), byte(k)}) }
	for k := range 1500 {
		v := h.Receive(clock.Instant(k), i, toB(fragNeeded(1000, wire.ProtocolUDP, at(k), 1500, 0, 9)))
		if v.Kind != Delivered {
			t.Fatalf("%d: %v", k, v)
		}
	}
	if h.net.paths.Len() != 1024 {
		t.Errorf("%d paths are remembered", h.net.paths.Len())
	}
	if h.PathMTU(1500, at(475)) != 1500 || h.PathMTU(1500, at(476)) != 1000 {
		t.Error("it was not the oldest that went")
	}
	v := h.Receive(1500, i, toB(fragNeeded(1000, wire.ProtocolUDP, at(9999), 1501, 0, 9)))
	if v != dropped(drop.ICMPBadMTU) {
		t.Errorf("a quotation longer than the interface's MTU: %v", v)
	}
}

// TestPathChanges: over paths that change their MTU at random, lose and duplicate packets and routers' reports, the
// receiver gets each stream as sent.
func TestPathChanges(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 1191))
		n, a, r, b := narrowed(t, 1500)
		silent := rng.IntN(3) == 0
		n.lose = func(i *Iface, f *phy.Frame) bool { return rng.IntN(30) == 0 || silent && quiet(i, f) }
		cfg := tcp.Config{NoSACK: rng.IntN(4) == 0, NoTimestamps: rng.IntN(4) == 0, MaxRetries: 100}
		l := listen(t, b, 80, cfg)
		client, err := a.DialTCP(n.now, netip.AddrPort{}, port(far, 80), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var server *TCPConn
		n.runUntil("accept", time.Minute, func() bool { server = l.Accept(); return server != nil })
		least := 600
		if !silent {
			least = 68
		}
		data := octets(300_000)
		for k := range 10 {
			mtu := least + rng.IntN(1501-least)
			if mtu < 300 && rng.IntN(4) > 0 { // rarely, since it takes long
				mtu += 300
			}
			for _, i := range r.net.ifaces[1:] {
				if err := i.SetMTU(mtu); err != nil {
					t.Fatal(err)
				}
			}
			part := data[k*30_000 : (k+1)*30_000]
			from, to := client, server
			if k%3 == 2 {
				from, to = server, client
			}
			transfer(n, from, to, part, 30*time.Minute)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
