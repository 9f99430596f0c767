package stack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func listen(t testing.TB, h *Host, p uint16, cfg tcp.Config) *TCPListener {
	t.Helper()
	l, err := h.ListenTCP(port(netip.IPv6Unspecified(), p), 0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dial opens a connection from the host a to the address to, and accepts it from the listener l.
func dial(n *network, a *Host, to netip.AddrPort, l *TCPListener) (client, server *TCPConn) {
	n.t.Helper()
	client, err := a.DialTCP(n.now, netip.AddrPort{}, to, tcp.Config{})
	if err != nil {
		n.t.Fatal(err)
	}
	n.runUntil("accept", 20*time.Second, func() bool {
		server = l.Accept()
		return server != nil
	})
	return client, server
}

// transfer writes data to the connection from until all of it has arrived at the connection to.
func transfer(n *network, from, to *TCPConn, data []byte, within time.Duration) {
	n.t.Helper()
	var got []byte
	rest := data
	buf := make([]byte, 10_000)
	n.runUntil("transfer", within, func() bool {
		k, err := from.Write(n.now, rest)
		if err != nil {
			n.t.Fatalf("write: %v", err)
		}
		rest = rest[k:]
		for {
			k, err := to.Read(n.now, buf)
			if err != nil && err != io.EOF {
				n.t.Fatalf("read: %v", err)
			}
			if k == 0 {
				break
			}
			got = append(got, buf[:k]...)
		}
		return len(got) >= len(data)
	})
	if !bytes.Equal(got, data) {
		n.t.Fatalf("%d octets arrived, not as sent", len(got))
	}
}

func octets(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestTCPTransfer(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		if server.Remote() != client.Local() || server.Local() != port(f.b, 80) {
			t.Errorf("server's addresses %v %v", server.Local(), server.Remote())
		}
		transfer(n, client, server, octets(1<<20), time.Minute)
		transfer(n, server, client, octets(1<<18), time.Minute)
		if err := client.CloseWrite(n.now); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if server.State() != tcp.CloseWait || !server.AtEOF() || client.State() != tcp.FinWait2 {
			t.Errorf("half-closed: %v, %v", client.State(), server.State())
		}
		server.Close(n.now)
		n.run(time.Second)
		if client.State() != tcp.TimeWait || server.State() != tcp.Closed {
			t.Errorf("closed: %v, %v", client.State(), server.State())
		}
		if _, err := client.Read(n.now, make([]byte, 1)); err != io.EOF {
			t.Errorf("read at the end: %v", err)
		}
		n.run(11 * time.Second)
		if len(a.sockets.conns) != 0 || len(b.sockets.conns) != 0 || a.sockets.open != 0 || b.sockets.open != 1 {
			t.Errorf("left over: %d and %d connections, %d and %d sockets", len(a.sockets.conns), len(b.sockets.conns), a.sockets.open, b.sockets.open)
		}
		wantCounter(t, a, "TcpActiveOpens", 1)
		wantCounter(t, b, "TcpPassiveOpens", 1)
		wantCounter(t, a, "TcpCurrEstab", 0)
		wantCounter(t, b, "TcpCurrEstab", 0)
		wantCounter(t, a, "TcpRetransSegs", 0)
		if d := a.Deadline(); d != 1<<63-1 && len(a.NeighborInfos(n.now)) == 0 {
			t.Errorf("nothing is left, but a waits for %v", d)
		}
	})
}

func TestTCPLossyTransfer(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		rng := rand.New(rand.NewPCG(3, 4))
		n.lose = func(*Iface, *phy.Frame) bool { return rng.IntN(10) == 0 }
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		transfer(n, client, server, octets(1<<17), 10*time.Minute)
		if counterOf(t, a, "TcpRetransSegs") == 0 {
			t.Error("nothing was retransmitted")
		}
	})
}

func TestTCPRefused(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		c, err := a.DialTCP(n.now, netip.AddrPort{}, port(f.b, 81), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		woken := 0
		c.Signal.Wait(&Waiter{Wake: func() { woken++ }})
		n.run(time.Second)
		if c.State() != tcp.Closed || !errors.Is(c.Err(), tcp.ErrRefused) || woken != 1 {
			t.Errorf("%v, %v, woken %d times", c.State(), c.Err(), woken)
		}
		wantCounter(t, b, "TcpOutRsts", 1)
		if len(a.sockets.conns) != 0 {
			t.Error("the connection is still there")
		}
	})
}

func TestTCPHundredAtOnce(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		var clients []*TCPConn
		for range 100 {
			c, err := a.DialTCP(n.now, netip.AddrPort{}, port(f.b, 80), tcp.Config{})
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		n.run(500 * time.Millisecond)
		for _, c := range clients {
			if c.State() != tcp.Established {
				t.Fatalf("%v is %v", c.Local(), c.State())
			}
		}
		if l.Pending() != 100 {
			t.Errorf("%d wait", l.Pending())
		}
		wantCounter(t, a, "TcpRetransSegs", 0)
		l.Close(n.now)
		n.run(time.Second)
		for _, c := range clients {
			if !errors.Is(c.Err(), tcp.ErrReset) {
				t.Fatalf("after the listener closed: %v", c.Err())
			}
		}
	})
}

func TestTCPSmallBacklog(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l, err := b.ListenTCP(port(f.b, 80), 2, tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := a.DialTCP(n.now, netip.AddrPort{}, port(f.b, 80), tcp.Config{}); err != nil {
				t.Fatal(err)
			}
			n.run(10 * time.Millisecond)
		}
		if l.Pending() != 2 {
			t.Errorf("%d wait in a backlog of 2", l.Pending())
		}
		wantCounter(t, b, "TcpExtListenOverflows", 18)
		got := 0
		for range 1300 {
			for n.run(100 * time.Millisecond); l.Accept() != nil; got++ {
			}
		}
		if got != 20 {
			t.Errorf("%d got in", got)
		}
	})
}

func TestSYNQueueIsBounded(t *testing.T) {
	h, i := lone(t)
	l := listen(t, h, 80, tcp.Config{})
	counts := map[string]int{}
	for k := range 5000 {
		syn := tcpPacket(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(3 + k%200)}), uint16(k+1)), port(ipB, 80),
			wire.TCP{Seq: wire.Seq(k), Flags: wire.SYN, Window: 1000}, nil)
		counts[h.Receive(0, i, toB(syn)).String()]++
	}
	if counts["listener :80, SYN-RECEIVED"] != 1024 || counts["syn cookie"] < 1024 || counts["syn cookie"]+counts["dropped: neighbor table full"] != 5000-1024 {
		t.Errorf("%v", counts)
	}
	if l.half != 1024 || len(h.sockets.conns) != 1024 {
		t.Errorf("%d half-open, %d connections", l.half, len(h.sockets.conns))
	}
	n := newNetwork(t)
	n.hosts = append(n.hosts, h)
	n.run(time.Second)
	if k := i.neigh[ipv4].Len(); k != 129 {
		t.Errorf("a flood of SYNs made %d neighbours, want A and half of the unresolved", k)
	}
	n.run(10 * time.Minute)
	if len(h.sockets.conns) != 0 || l.half != 0 || h.sockets.open != 1 {
		t.Errorf("after the time-outs: %d connections, %d half-open, %d sockets", len(h.sockets.conns), l.half, h.sockets.open)
	}
}

func TestTCPLoopback(t *testing.T) {
	n, a, _ := pair(t)
	l := listen(t, a, 80, tcp.Config{})
	for _, to := range []string{"127.0.0.1:80", "10.0.0.1:80"} {
		client, server := dial(n, a, netip.MustParseAddrPort(to), l)
		transfer(n, client, server, octets(300_000), time.Minute)
		if client.Remote() != netip.MustParseAddrPort(to) || server.Local() != client.Remote() {
			t.Errorf("%v %v", client.Remote(), server.Local())
		}
	}
	if n := a.IfaceInfos(); len(n) != 1 || n[0].Name != "eth0" {
		t.Errorf("the loop is in the table: %+v", n)
	}
}

func TestTCPOffload(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		for _, h := range []*Host{a, b} {
			caps := ethernet
			caps.MaxGSO, caps.TxChecksum = 65535, true
			h.Ifaces()[0].SetCapabilities(caps)
		}
		largest := 0
		a.Observe(func(ev *PacketEvent) {
			if ev.Dir == TX {
				largest = max(largest, ev.Frame.Len())
				if ev.Frame.Len() > 1514 && (ev.Frame.Offload.GSOSize != uint16(f.segment()) || !ev.Frame.Offload.NeedsCsum) {
					t.Errorf("a frame of %d octets with %+v", ev.Frame.Len(), ev.Frame.Offload)
				}
			}
		})
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		transfer(n, client, server, octets(4<<20), time.Minute)
		if largest < 30_000 {
			t.Errorf("the largest frame had %d octets", largest)
		}
		if counterOf(t, b, "TcpInSegs") < 4<<20/1460 {
			t.Errorf("a super-segment counted as one: %d", counterOf(t, b, "TcpInSegs"))
		}
	})
}

func TestTCPTimeWaitReuse(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		local := port(f.a, 5000)
		for k := range 3 {
			client, err := a.DialTCP(n.now, local, port(f.b, 80), tcp.Config{TimeWait: time.Nanosecond})
			if err != nil {
				t.Fatalf("round %d: %v", k, err)
			}
			var server *TCPConn
			n.runUntil("accept", time.Second, func() bool { server = l.Accept(); return server != nil })
			server.Close(n.now) // B enters TIME-WAIT
			n.run(100 * time.Millisecond)
			client.Close(n.now)
			n.run(100 * time.Millisecond)
			if server.State() != tcp.TimeWait {
				t.Fatalf("server is %v", server.State())
			}
		}
		wantCounter(t, b, "TcpExtTWRecycled", 2)
		if len(b.sockets.conns) != 1 || b.sockets.open != 2 {
			t.Errorf("%d connections, %d sockets", len(b.sockets.conns), b.sockets.open)
		}
		n.run(11 * time.Second)
		if len(b.sockets.conns) != 0 || b.sockets.open != 1 || b.tcp.timers.Len() != 0 {
			t.Errorf("at the end %d connections, %d sockets, %d timers", len(b.sockets.conns), b.sockets.open, b.tcp.timers.Len())
		}
	})
}

func TestTCPGatewayDies(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		transfer(n, client, server, octets(1000), time.Second)
		cfg := client.Config()
		cfg.UserTimeout = 30 * time.Second
		if err := client.SetConfig(n.now, cfg); err != nil {
			t.Fatal(err)
		}
		n.lose = func(*Iface, *phy.Frame) bool { return true }
		a.Ifaces()[0].FlushNeighbors(n.now)
		start := n.now
		if _, err := client.Write(n.now, []byte("anybody there?")); err != nil {
			t.Fatal(err)
		}
		n.runUntil("giving up", time.Minute, func() bool { return client.State() == tcp.Closed })
		if took := n.now.Sub(start); took < 29*time.Second || took > 31*time.Second {
			t.Errorf("gave up after %v", took)
		}
		if !errors.Is(client.Err(), tcp.ErrHostUnreach) {
			t.Errorf("gave up with %v", client.Err())
		}
	})
}

func TestInterfaceDownAndUp(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		i := a.Ifaces()[0]
		i.SetUp(n.now, false)
		if _, err := client.Write(n.now, []byte("later")); err != nil {
			t.Fatal(err)
		}
		if v := a.Receive(n.now, i, phy.NewFrame(100)); v != dropped(drop.InterfaceDown) {
			t.Errorf("verdict %q", v)
		}
		if _, err := a.DialTCP(n.now, netip.AddrPort{}, port(f.b, 80), tcp.Config{}); !errors.Is(err, ErrNoRoute) {
			t.Errorf("dialling: %v", err)
		}
		n.run(5 * time.Second)
		if client.State() != tcp.Established {
			t.Fatalf("client is %v, %v", client.State(), client.Err())
		}
		i.SetUp(n.now, true)
		n.run(20 * time.Second)
		if server.Readable() != 5 {
			t.Errorf("%d octets arrived", server.Readable())
		}
		if err := i.DelAddr(n.now, f.onA); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(client.Err(), ErrAddrRemoved) || len(a.sockets.conns) != 0 {
			t.Errorf("address gone: %v, %d connections", client.Err(), len(a.sockets.conns))
		}
	})
}

func TestICMPErrorForTCP(t *testing.T) {
	h, i := lone(t)
	dialled := func() (*TCPConn, []byte) {
		c, err := h.DialTCP(0, netip.AddrPort{}, port(ipA, 80), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		f := drain(h, 0, i)
		if len(f) != 1 {
			t.Fatalf("%d frames", len(f))
		}
		return c, f[0].Bytes()[wire.EthernetLen:]
	}
	unreachable := func(code uint8, quote []byte) *phy.Frame {
		return toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: code}, quote))
	}
	c, syn := dialled()
	forged := bytes.Clone(syn)
	forged[wire.IPv4Len+5]++ // changes the sequence number
	if v := h.Receive(0, i, unreachable(wire.UnreachablePort, forged[:28])); v != dropped(drop.ICMPNoSocket) {
		t.Errorf("forged: %q", v)
	}
	if v := h.Receive(0, i, unreachable(wire.UnreachableHost, syn[:28])); v.String() != "SYN-SENT" {
		t.Errorf("soft: %q", v)
	}
	if c.Err() != nil {
		t.Errorf("a soft error ended it: %v", c.Err())
	}
	if v := h.Receive(0, i, unreachable(wire.UnreachablePort, syn[:28])); v.String() != "CLOSED" {
		t.Errorf("hard: %q", v)
	}
	if !errors.Is(c.Err(), tcp.ErrPortUnreach) || len(h.sockets.conns) != 0 {
		t.Errorf("%v, %d connections", c.Err(), len(h.sockets.conns))
	}
}

func TestListenConflicts(t *testing.T) {
	h, _ := lone(t)
	any, one := netip.AddrPortFrom(netip.Addr{}, 80), port(ipB, 80)
	l, err := h.ListenTCP(one, 0, tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []netip.AddrPort{any, one} {
		if _, err := h.ListenTCP(p, 0, tcp.Config{}); err != ErrPortInUse {
			t.Errorf("%v: %v", p, err)
		}
	}
	if _, err := h.ListenTCP(port(ipC, 80), 0, tcp.Config{}); err != ErrNotOurs {
		t.Errorf("foreign address: %v", err)
	}
	l.Close(0)
	if _, err := h.ListenTCP(any, 0, tcp.Config{}); err != nil {
		t.Errorf("after close: %v", err)
	}
	if e, err := h.ListenTCP(netip.AddrPort{}, 0, tcp.Config{}); err != nil || e.Local().Port() < firstEphemeral {
		t.Errorf("ephemeral: %v, %v", e, err)
	}
}

// TestTCPAsksAtOnce: a connection whose neighbour is unknown queues the ARP request in the same call, since no other event may
// follow.
func TestTCPAsksAtOnce(t *testing.T) {
	h, i := lone(t)
	if _, err := h.DialTCP(0, netip.AddrPort{}, port(ipC, 80), tcp.Config{}); err != nil {
		t.Fatal(err)
	}
	frames := drain(h, 0, i)
	if len(frames) != 1 {
		t.Fatalf("%d frames", len(frames))
	}
	_, b, _ := wire.ParseEthernet(frames[0].Bytes())
	if a, err := wire.ParseARP(b); err != nil || a.TargetIP != ipC || a.SenderIP != ipB {
		t.Errorf("%+v, %v", a, err)
	}
	if h.Pending(0, i) {
		t.Error("more is pending")
	}
	reply := wire.ARP{Op: wire.ARPReply, SenderHW: macC, SenderIP: ipC, TargetHW: macB, TargetIP: ipB}
	h.Receive(0, i, arpFrame(macB, macC, reply))
	if frames = drain(h, 0, i); len(frames) != 1 || frames[0].Bytes()[wire.EthernetLen+9] != byte(wire.ProtocolTCP) {
		t.Errorf("after the answer: %d frames", len(frames))
	}
}
