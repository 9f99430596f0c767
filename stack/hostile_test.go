package stack

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestHostileFrames sends a hundred thousand random and mutated frames to a host with every kind of socket. The host survives,
// counts every frame, and keeps its memory within its limits.
func TestHostileFrames(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 6969))
	s, _ := h.BindICMP(44)
	l := listen(t, h, 80, tcp.Config{})
	c, err := h.DialTCP(0, port(ipB, 5000), port(ipA, 80), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	seeds := [][]byte{
		arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipC, TargetIP: ipB}).Bytes(),
		toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, make([]byte, 50))).Bytes(),
		toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoReply, ID: 44}, make([]byte, 50))).Bytes(),
		toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: 3}, udpPacket(port(ipB, 6969), port(ipA, 1), make([]byte, 20)))).Bytes(),
		toB(udpPacket(port(ipA, 5), port(ipB, 6969), make([]byte, 700))).Bytes(),
		toB(udpPacket(port(ipA, 5), port(ipB, 1), make([]byte, 70))).Bytes(),
		toB(tcpPacket(port(ipA, 5), port(ipB, 80), wire.TCP{Flags: wire.SYN, Window: 500, Options: wire.TCPOptions{MSS: 1000, HasWindowScale: true}}, nil)).Bytes(),
		toB(tcpPacket(port(ipA, 5), port(ipB, 80), wire.TCP{Flags: wire.ACK, Seq: 1, Ack: 1, Window: 500}, make([]byte, 300))).Bytes(),
		toB(tcpPacket(port(ipA, 80), port(ipB, 5000), wire.TCP{Flags: wire.SYN | wire.ACK, Window: 500}, nil)).Bytes(),
		toB(tcpPacket(port(ipA, 80), port(ipB, 5000), wire.TCP{Flags: wire.ACK | wire.FIN, Window: 500}, make([]byte, 30))).Bytes(),
	}
	n := newNetwork(t)
	n.hosts = append(n.hosts, h)
	f := phy.NewFrame(phy.FrameSize)
	const frames = 100_000
	var early runtime.MemStats
	var kinds [Transmitted]int
	for k := range frames {
		b := append([]byte(nil), seeds[rng.IntN(len(seeds))]...)
		switch rng.IntN(10) {
		case 0: // random octets
			b = b[:rng.IntN(len(b)+1)]
			for j := range b {
				b[j] = byte(rng.Uint32())
			}
		case 1, 2: // as recorded, but from another neighbour, port and place in the stream
			if len(b) > 35 && b[13] == 0 {
				b[29] = byte(rng.Uint32())
				b[30+5] = byte(rng.Uint32())
			}
		default: // a few octets changed, sometimes truncated
			for range 1 + rng.IntN(4) {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
			if rng.IntN(5) == 0 {
				b = b[:rng.IntN(len(b)+1)]
			}
		}
		f.Set(b)
		f.Offload.CsumValid = rng.IntN(2) == 0 // so that mutations get past the checksums
		if len(b) >= 34 && b[13] == 0 && rng.IntN(2) == 0 {
			b = f.Bytes()
			b[24], b[25] = 0, 0
			hl := min(int(b[14]&15)*4, len(b)-14)
			sum := wire.Checksum(b[14 : 14+hl])
			b[24], b[25] = byte(sum>>8), byte(sum)
		}
		kinds[h.Receive(n.now, i, f).Kind]++
		if k%64 == 0 {
			n.run(time.Duration(rng.IntN(50)) * time.Millisecond)
		}
		if k == frames/5 {
			runtime.GC()
			runtime.ReadMemStats(&early)
		}
	}
	if in, out := h.Conservation(); in != frames || out != frames {
		t.Errorf("%d frames in, %d accounted for, want %d", in, out, frames)
	}
	if kinds[Delivered] < 1000 || kinds[Answered] < 1000 || kinds[Dropped] < 10_000 {
		t.Errorf("the frames were not hostile enough: %v", kinds)
	}
	if i.neigh[ipv4].Len() > 1024 || l.half > 1024 || i.out.replies.n > 256 || i.out.datagrams.n > 512 ||
		u.queue.charged > 256<<10 || s.queue.charged > 256<<10 || len(h.sockets.conns) > 2048 {
		t.Errorf("%d neighbours, %d half-open, %d replies, %d datagrams, queues of %d and %d, %d connections",
			i.neigh[ipv4].Len(), l.half, i.out.replies.n, i.out.datagrams.n, u.queue.charged, s.queue.charged, len(h.sockets.conns))
	}
	var late runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&late)
	if late.HeapAlloc > early.HeapAlloc+4<<20 {
		t.Errorf("the heap grew from %d to %d KiB", early.HeapAlloc>>10, late.HeapAlloc>>10)
	}
	_ = c
	for _, d := range h.DropInfos() {
		t.Logf("%7d  %s", d.Count, d.Reason)
	}
}

// TestARPFlood: in a flood of neighbours, the used neighbour stays, and the table stays within its bound.
func TestARPFlood(t *testing.T) {
	n, a, b := pair(t)
	i := b.Ifaces()[0]
	if err := i.AddAddr(n.now, netip.MustParsePrefix("10.1.0.1/16")); err != nil {
		t.Fatal(err)
	}
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	transfer(n, server, client, octets(1000), time.Second)
	for k := range 10_000 {
		addr := netip.AddrFrom4([4]byte{10, 1, byte(1 + k/250), byte(1 + k%250)})
		mac := wire.HardwareAddr{2, 9, 0, 0, byte(k >> 8), byte(k)}
		v := b.Receive(n.now, i, arpFrame(wire.Broadcast, mac, wire.ARP{
			Op: wire.ARPRequest, SenderHW: mac, SenderIP: addr, TargetIP: netip.MustParseAddr("10.1.0.1"),
		}))
		if k < 256 && v.Answer != ARPReply {
			t.Fatalf("request %d: %q", k, v)
		}
		b.Receive(n.now, i, crafted{macB, mac, wire.EtherTypeIPv4, icmpPacket(addr, netip.MustParseAddr("10.1.0.1"), wire.ICMP{Type: wire.ICMPEchoRequest}, nil)}.frame())
		if k%16 == 0 {
			drain(b, n.now, i)
		}
	}
	if k := i.neigh[ipv4].Len(); k != 1024 {
		t.Errorf("%d neighbours", k)
	}
	newest := netip.AddrFrom4([4]byte{10, 1, byte(1 + 9999/250), byte(1 + 9999%250)})
	if e := i.neigh[ipv4].Get(newest); e == nil {
		t.Error("neighbours that only we were asked by are not given up for newer ones")
	}
	before := counterOf(t, b, "ArpOutRequests")
	transfer(n, server, client, octets(1000), time.Second)
	if counterOf(t, b, "ArpOutRequests") != before {
		t.Error("the neighbour in use was pushed out")
	}
}
