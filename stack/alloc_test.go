package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// noAllocs runs fn until it is warm and then fails if fn allocates.
func noAllocs(t *testing.T, fn func()) {
	t.Helper()
	for range 200 {
		fn()
	}
	if n := testing.AllocsPerRun(500, fn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNoAllocsAnswers(t *testing.T) {
	for name, in := range map[string]*phy.Frame{
		"arp reply":        arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipB}),
		"echo reply":       toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, make([]byte, 1400))),
		"rst":              toB(tcpPacket(port(ipA, 5), port(ipB, 81), wire.TCP{Flags: wire.SYN}, nil)),
		"port unreachable": toB(udpPacket(port(ipA, 5), port(ipB, 81), make([]byte, 100))),
	} {
		t.Run(name, func(t *testing.T) {
			h, i := lone(t)
			h.Observe(func(*PacketEvent) {})
			out := phy.NewFrame(phy.FrameSize)
			var now clock.Instant
			noAllocs(t, func() {
				now = now.Add(time.Second)
				if v := h.Receive(now, i, in); v.Kind != Answered {
					t.Fatalf("verdict %q", v)
				}
				out.Reset()
				if !h.Transmit(now, i, out) {
					t.Fatal("nothing sent")
				}
				h.FrameSent(now, i, out, drop.None)
			})
		})
	}
}

func TestNoAllocsUDP(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	w := &Waiter{Wake: func() {}}
	in := toB(udpPacket(port(ipA, 5), port(ipB, 7), make([]byte, 1000)))
	buf := make([]byte, 2000)
	noAllocs(t, func() {
		u.Signal.Wait(w)
		if v := h.Receive(0, i, in); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if n, _, _ := u.Recv(buf); n != 1000 {
			t.Fatalf("%d octets", n)
		}
	})
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if err := u.Send(0, buf[:1000], port(ipA, 5)); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if !h.Transmit(0, i, out) {
			t.Fatal("nothing sent")
		}
		h.FrameSent(0, i, out, drop.None)
	})
}

// TestNoAllocsTCP: data between two hosts, both ways and in reused frames, allocates nothing.
func TestNoAllocsTCP(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		ia, ib := a.Ifaces()[0], b.Ifaces()[0]
		frame := phy.NewFrame(phy.FrameSize)
		data, buf := make([]byte, 8000), make([]byte, 10_000)
		now := n.now
		pass := func(from *Host, out *Iface, to *Host, in *Iface) (any bool) {
			for {
				frame.Reset()
				if !from.Transmit(now, out, frame) {
					return any
				}
				any = true
				from.FrameSent(now, out, frame, drop.None)
				to.Receive(now, in, frame)
			}
		}
		moved := 0
		noAllocs(t, func() {
			now = now.Add(time.Millisecond)
			for _, dir := range [...][2]*TCPConn{{client, server}, {server, client}} {
				if _, err := dir[0].Write(now, data); err != nil {
					t.Fatal(err)
				}
				for pass(a, ia, b, ib) || pass(b, ib, a, ia) {
					k, _ := dir[1].Read(now, buf)
					moved += k
				}
			}
			a.Tick(now)
			b.Tick(now)
		})
		if moved < 2*700*8000 {
			t.Errorf("%d octets moved", moved)
		}
	})
}
