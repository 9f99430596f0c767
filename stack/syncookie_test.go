package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// flooded returns a pair whose b listens on port 80 with a full SYN queue of four.
func flooded(t testing.TB) (n *network, a, b *Host, l *TCPListener) {
	n, a, b = pair(t)
	b.limits.SYNQueue = 4
	l = listen(t, b, 80, tcp.Config{})
	for k := range 4 {
		syn := tcpPacket(port(ipC, uint16(1000+k)), port(ipB, 80), wire.TCP{Seq: wire.Seq(k), Flags: wire.SYN, Window: 1000}, nil)
		b.Receive(n.now, b.net.ifaces[1], toB(syn))
	}
	if l.half != 4 {
		t.Fatalf("%d half-open", l.half)
	}
	return n, a, b, l
}

// TestSYNCookies: the host opens connections by cookies, and each connection has all options of its SYN.
func TestSYNCookies(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    tcp.Config
		mss    int // the server's MSS
		wscale uint8
	}{
		{"with timestamps", tcp.Config{}, 1448, 8},
		{"without timestamps", tcp.Config{NoTimestamps: true}, 1460, 0},
		{"without SACK", tcp.Config{NoSACK: true}, 1448, 8},
		{"a smaller MSS, remembered less exactly", tcp.Config{MSS: 1100}, 1012, 8},
		{"no window scale needed", tcp.Config{RecvBuffer: 30000}, 1448, 0},
	} {
		n, a, b, l := flooded(t)
		before := len(b.sockets.conns)
		client, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 80), c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var server *TCPConn
		n.runUntil("accept", 500*time.Millisecond, func() bool {
			if client.State() == tcp.SynSent && len(b.sockets.conns) != before {
				t.Fatalf("%s: %d connections are kept before the cookie comes back", c.name, len(b.sockets.conns))
			}
			server = l.Accept()
			return server != nil
		})
		i := server.Info(n.now)
		if i.MSS != c.mss || i.SndWScale != c.wscale {
			t.Errorf("%s: MSS %d, window scale %d; want %d, %d", c.name, i.MSS, i.SndWScale, c.mss, c.wscale)
		}
		transfer(n, client, server, octets(200_000), time.Minute)
		transfer(n, server, client, octets(200_000), time.Minute)
		wantCounter(t, b, "TcpExtSyncookiesSent", 1)
		wantCounter(t, b, "TcpExtSyncookiesRecv", 1)
		wantCounter(t, b, "TcpExtSyncookiesFailed", 0)
		wantCounter(t, b, "TcpPassiveOpens", 5)
		if k := counterOf(t, a, "TcpRetransSegs") + counterOf(t, b, "TcpExtTCPTimeouts"); k > 5 { // retransmissions of the four SYN-ACKs
			t.Errorf("%s: %d repeats", c.name, k)
		}
		if l.half > 4 {
			t.Errorf("%s: %d half-open", c.name, l.half)
		}
	}
}

// TestForgedCookies: a SYN flood leaves no state, and forged acknowledgements open no connection.
func TestForgedCookies(t *testing.T) {
	n, _, b, l := flooded(t)
	i, rng := b.net.ifaces[1], rand.New(rand.NewPCG(1, 1))
	conns, sockets := len(b.sockets.conns), b.sockets.open
	const count = 20_000
	for range count {
		src := port(ipA, uint16(1+rng.IntN(65535)))
		syn := tcpPacket(src, port(ipB, 80), wire.TCP{Seq: wire.Seq(rng.Uint32()), Flags: wire.SYN, Window: 1000}, nil)
		if v := b.Receive(n.now, i, toB(syn)).String(); v != "syn cookie" {
			t.Fatal(v)
		}
		ack := tcpPacket(src, port(ipB, 80), wire.TCP{Seq: wire.Seq(rng.Uint32()), Ack: wire.Seq(rng.Uint32()), Flags: wire.ACK, Window: 1000}, nil)
		if v := b.Receive(n.now, i, toB(ack)).String(); v != "rst" {
			t.Fatal(v)
		}
		drain(b, n.now, i)
	}
	if len(b.sockets.conns) != conns || b.sockets.open != sockets || l.Pending() != 0 {
		t.Errorf("%d connections, %d sockets, %d wait", len(b.sockets.conns), b.sockets.open, l.Pending())
	}
	wantCounter(t, b, "TcpExtSyncookiesSent", count)
	wantCounter(t, b, "TcpExtSyncookiesFailed", count)
	wantCounter(t, b, "TcpExtSyncookiesRecv", 0)
}

// TestCookiesAreParticular: a cookie is valid only for its two ends and the peer's number, and for one to two minutes.
func TestCookiesAreParticular(t *testing.T) {
	src := port(ipA, 5000)
	answer := func(b *Host, now clock.Instant, flags wire.Flags, from netip.AddrPort, seq, ack wire.Seq) (string, wire.Seq) {
		v := b.Receive(now, b.net.ifaces[1], toB(tcpPacket(from, port(ipB, 80), wire.TCP{Seq: seq, Ack: ack, Flags: flags, Window: 1000}, nil)))
		iss := wire.Seq(0)
		for _, f := range drain(b, now, b.net.ifaces[1]) {
			if s, _, err := wire.ParseTCP(f.Bytes()[wire.EthernetLen+wire.IPv4Len:]); err == nil && s.Flags.Has(wire.SYN) && s.DstPort == src.Port() {
				iss = s.Seq
			}
		}
		return v.String(), iss
	}
	const began = clock.Instant(63 * time.Second) // the first period ends at 64 s, the second at 128 s
	for _, c := range []struct {
		name     string
		after    time.Duration
		from     netip.AddrPort
		seq, ack int // deviations of the numbers
		want     string
	}{
		{"at once", 0, src, 0, 0, "listener :80, ESTABLISHED"},
		{"in the next period", 64 * time.Second, src, 0, 0, "listener :80, ESTABLISHED"},
		{"two periods later", 66 * time.Second, src, 0, 0, "rst"},
		{"three periods later", 130 * time.Second, src, 0, 0, "rst"},
		{"from another port", 0, port(ipA, 5001), 0, 0, "rst"},
		{"from another address", 0, port(ipC, 5000), 0, 0, "rst"},
		{"with another number", 0, src, 1, 0, "rst"},
		{"another cookie", 0, src, 0, 1, "rst"},
		{"of another segment size", 0, src, 0, 1 << 28, "rst"},
		{"of another period", 0, src, 0, -1 << 31, "rst"},
	} {
		_, _, b, _ := flooded(t)
		if err := b.net.ifaces[1].AddNeighbor(0, ipC, macC); err != nil {
			t.Fatal(err)
		}
		if err := b.net.ifaces[1].AddNeighbor(0, ipA, macA); err != nil {
			t.Fatal(err)
		}
		v, iss := answer(b, began, wire.SYN, src, 100, 0)
		if v != "syn cookie" {
			t.Fatal(v)
		}
		if again, other := answer(b, began, wire.SYN, src, 101, 0); again != v || other == iss {
			t.Errorf("%s for another number: cookie %d, and %d before", again, other, iss)
		}
		got, _ := answer(b, began.Add(c.after), wire.ACK, c.from, wire.Seq(101+c.seq), iss.Add(1+c.ack))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNoCookieSent: a listener that has sent no cookie accepts none.
func TestNoCookieSent(t *testing.T) {
	h, i := lone(t)
	listen(t, h, 80, tcp.Config{})
	ack := tcpPacket(port(ipA, 5000), port(ipB, 80), wire.TCP{Seq: 1, Ack: 2, Flags: wire.ACK, Window: 1000}, nil)
	if v := h.Receive(0, i, toB(ack)).String(); v != "rst" {
		t.Error(v)
	}
	wantCounter(t, h, "TcpExtSyncookiesFailed", 0)
}

// TestCookiesAllocateNothing: answering a flood allocates nothing.
func TestCookiesAllocateNothing(t *testing.T) {
	n, _, b, _ := flooded(t)
	i, out := b.net.ifaces[1], phy.NewFrame(phy.FrameSize)
	if err := i.AddNeighbor(0, ipA, macA); err != nil {
		t.Fatal(err)
	}
	drain(b, n.now, i)
	syn := toB(tcpPacket(port(ipA, 5000), port(ipB, 80), wire.TCP{Seq: 1, Flags: wire.SYN, Window: 1000}, nil))
	sent := counterOf(t, b, "TcpExtSyncookiesSent")
	if allocs := testing.AllocsPerRun(200, func() {
		b.Receive(n.now, i, syn)
		for out.Reset(); b.Transmit(n.now, i, out); out.Reset() {
			b.FrameSent(n.now, i, out, drop.None)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for a SYN", allocs)
	}
	if got := counterOf(t, b, "TcpExtSyncookiesSent") - sent; got != 201 {
		t.Errorf("%d cookies", got)
	}
}
