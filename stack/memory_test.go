package stack

import (
	"bytes"
	"errors"
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

// TestPool compares a pool with its definition: sums by connection and by address, and the biggest user.
func TestPool(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var p pool
		conns := make([]*TCPConn, 30)
		for k := range conns {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(k % 7)})
			conns[k] = &TCPConn{remote: port(a, uint16(k)), memoryUse: new(memoryUse)}
		}
		for range 500 {
			c := conns[rng.IntN(len(conns))]
			p.set(c, &c.memoryUse.buffers, rng.IntN(3)*rng.IntN(1000))
			used, most := 0, 0
			by := map[netip.Addr]int{}
			for _, c := range conns {
				used += c.memoryUse.buffers.used
				by[c.remote.Addr()] += c.memoryUse.buffers.used
			}
			holders := 0
			for a, n := range by {
				most = max(most, n)
				if n > 0 {
					holders++
				}
				if _, held := p.share(a, 1000); held != n {
					t.Fatalf("seed %d: %v holds %d, want %d", seed, a, held, n)
				}
			}
			if idle := len(p.peers) - p.order.Len(); p.used != used || p.order.Len() != holders || idle > 1 || (idle == 1) != (p.idle != nil) {
				t.Fatalf("seed %d: %d octets of %d addresses and %d idle, want %d of %d", seed, p.used, p.order.Len(), idle, used, holders)
			}
			b := p.biggest()
			if (b == nil) != (used == 0) || b != nil && b.used != most {
				t.Fatalf("seed %d: the biggest is %+v, want %d octets", seed, b, most)
			}
			if b == nil {
				continue
			}
			first := b.conns.First().Value
			for _, c := range conns {
				if c.remote.Addr() == b.addr && c.memoryUse.buffers.used > first.memoryUse.buffers.used {
					t.Fatalf("seed %d: its biggest connection has %d octets, another %d", seed, first.memoryUse.buffers.used, c.memoryUse.buffers.used)
				}
			}
		}
	}
}

// TestPoolShares: in a pool of 1200, no address is bounded up to 600. Then one address may hold 600, two 400 each, three 300 each.
func TestPoolShares(t *testing.T) {
	var p pool
	conn := func(last byte) *TCPConn {
		return &TCPConn{remote: port(netip.AddrFrom4([4]byte{10, 0, 0, last}), 1), memoryUse: new(memoryUse)}
	}
	a, b, c := conn(1), conn(2), conn(3)
	room := func(c *TCPConn, need, want int) {
		t.Helper()
		if got := p.roomFor(c.remote.Addr(), need, 1200); got != want {
			t.Errorf("%v asks for %d octets and may have %d, want %d", c.remote.Addr(), need, got, want)
		}
	}
	room(a, 600, 600)
	room(a, 700, 600)
	p.set(a, &a.memoryUse.buffers, 550)
	room(a, 50, 50)
	room(a, 100, 50)
	room(b, 50, 50)
	room(b, 500, 400)
	p.set(b, &b.memoryUse.buffers, 390)
	room(a, 1, 0) // refused, since a holds more than 400
	room(b, 50, 10)
	room(c, 1000, 260) // its share is 300, but only 260 are left
}

// hogs returns a network of a server b, a host a that attacks it and an honest host c, on one link.
func hogs(t *testing.T, buffers int) (n *network, a, b, c *Host) {
	n = newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	b, ib := n.host("b", macB, "10.0.0.2/24")
	n.join(ia, ib)
	c, ic := n.host("c", macC, "10.0.1.3/24")
	second := b.AddIface(n.now, IfaceConfig{
		Name: "eth1", Caps: ethernet, MAC: wire.HardwareAddr{2, 0, 0, 0, 0, 9}, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.2/24")},
	})
	n.join(ic, second)
	n.pump()
	setLimit(t, b, "buffers", buffers)
	return n, a, b, c
}

// farOctet makes the peer of server send one octet at the end of the window.
func farOctet(n *network, b *Host, server *TCPConn, octet byte) {
	i := server.Info(n.now)
	far := wire.TCP{Seq: i.RcvNxt.Add(i.RcvWnd - 1), Ack: i.SndNxt, Flags: wire.ACK, Window: 1000}
	b.Receive(n.now, b.net.ifaces[1], toB(tcpPacket(server.remote, server.local, far, []byte{octet})))
}

// newcomer makes c connect to b, send and receive 300,000 octets, and close.
func newcomer(t *testing.T, n *network, c *Host, l *TCPListener) {
	t.Helper()
	client, server := dial(n, c, port(netip.MustParseAddr("10.0.1.2"), l.local.Port()), l)
	transfer(n, client, server, octets(300_000), time.Minute)
	transfer(n, server, client, octets(300_000), time.Minute)
	client.Close(n.now)
	server.Close(n.now)
	n.run(20 * time.Second)
}

// TestFarOctets: one octet at the end of a window makes the host keep storage for the whole window. An address that
// does this with many connections holds no more than its share, and newcomers can connect and transfer at any time.
func TestFarOctets(t *testing.T) {
	const buffers = 8 << 20 // room for 32 connections with 256 KiB each
	n, a, b, c := hogs(t, buffers)
	l := listen(t, b, 80, tcp.Config{NoTimestamps: true})
	for k := range 100 {
		_, server := dial(n, a, port(ipB, 80), l)
		farOctet(n, b, server, 1)
		if used := limitInfo(t, b, "buffers").Used; used > buffers/2+freeMemory {
			t.Fatalf("after %d connections %d octets of storage", k+1, used)
		}
		if k%30 == 29 {
			newcomer(t, n, c, l)
		}
	}
	if info := limitInfo(t, b, "buffers"); info.Refused == 0 || info.Peer != ipA {
		t.Errorf("%+v, want %v to have paid", info, ipA)
	}
	if got := counterOf(t, b, "TcpExtTCPAbortOnMemory"); got != 0 {
		t.Errorf("%d connections were aborted", got)
	}
}

// TestFarOctetsMakeRoom: out-of-order data of several addresses, each within its share, fills the buffers. For a
// newcomer the host takes memory from the address that uses most, and that address's streams continue.
func TestFarOctetsMakeRoom(t *testing.T) {
	const buffers = 4 << 20
	n, a, b, c := hogs(t, buffers)
	l := listen(t, b, 80, tcp.Config{NoTimestamps: true})
	type end struct{ client, server *TCPConn }
	var ends []end
	for k := range 5 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + k)}), 24)
		if err := a.net.ifaces[1].AddAddr(n.now, p); err != nil {
			t.Fatal(err)
		}
		for range 16 {
			client, err := a.DialTCP(n.now, netip.AddrPortFrom(p.Addr(), 0), port(ipB, 80), tcp.Config{})
			if err != nil {
				t.Fatal(err)
			}
			var server *TCPConn
			n.runUntil("accept", time.Second, func() bool { server = l.Accept(); return server != nil })
			ends = append(ends, end{client, server})
			n.lose = func(from *Iface, f *phy.Frame) bool { return from == a.net.ifaces[1] && f.Len() > 1000 }
			if _, err := client.Write(n.now, octets(1448)); err != nil {
				t.Fatal(err)
			}
			n.run(time.Millisecond)
			n.lose = nil
			farOctet(n, b, server, octets(server.Info(n.now).RcvWnd)[server.Info(n.now).RcvWnd-1])
		}
	}
	before := limitInfo(t, b, "buffers").Used
	newcomer(t, n, c, l)
	if got := counterOf(t, b, "TcpExtOfoPruned"); got == 0 {
		t.Errorf("nothing was taken back, of %d octets", before)
	}
	for k, e := range ends {
		var got []byte
		n.runUntil("the text before the gap", time.Minute, func() bool {
			buf := make([]byte, 2000)
			k, _ := e.server.Read(n.now, buf)
			got = append(got, buf[:k]...)
			return len(got) >= 1448
		})
		if !bytes.Equal(got, octets(1448)) {
			t.Fatalf("stream %d does not arrive as it was sent", k)
		}
	}
}

// TestIdleReaders: peers that never read fill send buffers, but hold at most their address's share, and the host serves
// a newcomer. To make room, the host aborts a connection whose buffer stays full, and the application gets the error.
func TestIdleReaders(t *testing.T) {
	const buffers = 4 << 20
	n, a, b, c := hogs(t, buffers)
	l := listen(t, b, 80, tcp.Config{})
	pour := listen(t, b, 19, tcp.Config{})
	source := octets(1 << 20)
	var servers []*TCPConn
	for k := range 5 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + k)}), 24)
		if err := a.net.ifaces[1].AddAddr(n.now, p); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := a.DialTCP(n.now, netip.AddrPortFrom(p.Addr(), 0), port(ipB, 19), tcp.Config{RecvBuffer: 1000}); err != nil {
				t.Fatal(err)
			}
			var server *TCPConn
			n.runUntil("accept", time.Second, func() bool { server = pour.Accept(); return server != nil })
			server.OnEvent = func(now clock.Instant) { _, _ = server.Write(now, source) }
			server.OnEvent(n.now)
			servers = append(servers, server)
		}
	}
	n.run(time.Second)
	if used := limitInfo(t, b, "buffers").Used; used > buffers+100*freeMemory {
		t.Errorf("%d octets of storage", used)
	}
	for range 3 {
		newcomer(t, n, c, l)
	}
	aborted := 0
	for _, s := range servers {
		if errors.Is(s.Err(), ErrNoStorage) {
			aborted++
		} else if s.Err() != nil {
			t.Errorf("a connection ended: %v", s.Err())
		}
	}
	if got := counterOf(t, b, "TcpExtTCPAbortOnMemory"); got != uint64(aborted) || aborted == 0 || aborted == len(servers) {
		t.Errorf("%d connections of %d were aborted, %d counted", aborted, len(servers), got)
	}
}

// TestLimitBuffers: a host with full buffers still serves the address that has filled them: it accepts the address's
// connections, and receives streams in the little storage that each connection always has.
func TestLimitBuffers(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	const most = 100_000
	setLimit(t, b, "buffers", most)
	if _, err := client.Write(n.now, octets(1<<20)); err != nil { // the peer reads nothing
		t.Fatal(err)
	}
	n.run(5 * time.Second)
	held := limitInfo(t, b, "buffers").Used
	if held > most/2 || b.stats.drops[drop.BuffersFull].rx == 0 {
		t.Fatalf("%d octets of storage, %d segments refused", held, b.stats.drops[drop.BuffersFull].rx)
	}
	other, another := dial(n, a, port(ipB, 80), l)
	transfer(n, other, another, octets(50_000), 5*time.Minute)
	transfer(n, another, other, octets(50_000), 5*time.Minute)
	if got := limitInfo(t, b, "buffers").Used; got > most/2+2*freeMemory {
		t.Errorf("storage grew from %d to %d octets", held, got)
	}
	var got []byte
	buf := make([]byte, 10_000)
	n.runUntil("the reader", 5*time.Minute, func() bool {
		k, _ := server.Read(n.now, buf)
		got = append(got, buf[:k]...)
		return len(got) >= client.Info(n.now).RecvQ+1 && client.Info(n.now).SendQ == 0 && k == 0
	})
	if !bytes.Equal(got, octets(1 << 20)[:len(got)]) || len(got) < most/4 {
		t.Errorf("%d octets read, not as sent", len(got))
	}
	n.run(time.Minute)
	if got := limitInfo(t, b, "buffers").Used; got != 0 {
		t.Errorf("%d octets of storage for nothing", got)
	}
}

// TestLimitReassembly: the host keeps out-of-order data of one address up to half of the limit, counted from the gap
// on. It receives the whole stream nevertheless.
func TestLimitReassembly(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	setLimit(t, b, "reassembly", 10_000)
	lost := 0
	n.lose = func(_ *Iface, f *phy.Frame) bool { // loses every twentieth long frame
		if f.Len() > 1000 {
			lost++
		}
		return f.Len() > 1000 && lost%20 == 0
	}
	var most int
	b.Observe(func(*PacketEvent) { most = max(most, b.memory.outOfOrder.used) })
	transfer(n, client, server, octets(2<<20), 10*time.Minute)
	if most < 3_000 || most > 5_000 {
		t.Errorf("%d octets waited", most)
	}
	info := limitInfo(t, b, "reassembly")
	if b.stats.drops[drop.ReassemblyFull].rx == 0 || info.Refused != b.stats.drops[drop.ReassemblyFull].rx || info.Peer != ipA || b.memory.outOfOrder.used != 0 {
		t.Errorf("%d refused, %+v", b.stats.drops[drop.ReassemblyFull].rx, info)
	}
}
