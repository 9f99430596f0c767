package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func BenchmarkEchoReply(b *testing.B) {
	h, i := lone(b)
	in := toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, make([]byte, 56)))
	out := phy.NewFrame(phy.FrameSize)
	for b.Loop() {
		h.Receive(0, i, in)
		out.Reset()
		h.Transmit(0, i, out)
		h.FrameSent(0, i, out, drop.None)
	}
}

func BenchmarkEchoReply6(b *testing.B) {
	h, i, now := lone6(b)
	in := toB6(ip6Packet(wire.ProtocolICMPv6, ip6A, ip6B, icmp6(ip6A, ip6B, wire.ICMPv6{Type: wire.ICMPv6EchoRequest, ID: 1}, make([]byte, 56)), nil))
	out := phy.NewFrame(phy.FrameSize)
	for b.Loop() {
		h.Receive(now, i, in)
		out.Reset()
		h.Transmit(now, i, out)
		h.FrameSent(now, i, out, drop.None)
	}
}

// BenchmarkForward forwards a packet of 1000 octets.
func BenchmarkForward(b *testing.B) {
	for name, c := range map[string]struct {
		in  *phy.Frame
		dst netip.Addr
	}{"ipv4": {toB(ipPacket(17, ipA, far, make([]byte, 1000), nil)), far}, "ipv6": {toB6(ip6Packet(17, ip6A, far6, make([]byte, 1000), nil)), far6}} {
		b.Run(name, func(b *testing.B) {
			n, _, r, _ := routed6(b)
			i, o := r.Ifaces()[0], r.Ifaces()[1]
			if err := o.AddNeighbor(n.now, c.dst, macA); err != nil {
				b.Fatal(err)
			}
			out := phy.NewFrame(phy.FrameSize)
			for b.Loop() {
				passOn(b, r, n.now, i, o, c.in, out)
			}
		})
	}
}

// BenchmarkConnect opens and closes a connection.
func BenchmarkConnect(b *testing.B) {
	for name, dst := range map[string]netip.Addr{"ipv4": ipB, "ipv6": ip6B} {
		b.Run(name, func(b *testing.B) {
			n, x, y := pair6(b)
			n.run(5 * time.Second)
			ix, iy := x.Ifaces()[0], y.Ifaces()[0]
			l := listen(b, y, 80, tcp.Config{})
			frame, now := phy.NewFrame(phy.SuperFrameSize), n.now
			exchange := func() {
				for busy := true; busy; {
					busy = false
					for _, d := range [...][2]*Iface{{ix, iy}, {iy, ix}} {
						for frame.Reset(); d[0].host.Transmit(now, d[0], frame); frame.Reset() {
							d[0].host.FrameSent(now, d[0], frame, drop.None)
							d[1].host.Receive(now, d[1], frame)
							busy = true
						}
					}
				}
			}
			for b.Loop() {
				now = now.Add(time.Microsecond)
				client, err := x.DialTCP(now, netip.AddrPort{}, port(dst, 80), tcp.Config{TimeWait: time.Nanosecond})
				if err != nil {
					b.Fatal(err)
				}
				exchange()
				server := l.Accept()
				client.Close(now)
				exchange()
				server.Close(now)
				exchange()
				now = now.Add(time.Microsecond)
				x.Tick(now)
			}
		})
	}
}

// BenchmarkTCP sends octets from one host to another: ns/op is per 64 KiB.
func BenchmarkTCP(b *testing.B) {
	for _, c := range []struct {
		name string
		gso  int
		dst  netip.Addr
	}{{"mtu1500", 0, ipB}, {"gso65535", 65535, ipB}, {"mtu1500v6", 0, ip6B}, {"gso65535v6", 65535, ip6B}} {
		b.Run(c.name, func(b *testing.B) {
			n, x, y := pair(b)
			if c.dst.Is6() {
				n, x, y = pair6(b)
				n.run(5 * time.Second)
			}
			ix, iy := x.Ifaces()[0], y.Ifaces()[0]
			caps := ethernet
			caps.MaxGSO, caps.TxChecksum = c.gso, c.gso > 0
			ix.SetCapabilities(caps)
			l := listen(b, y, 80, tcp.Config{})
			client, server := dial(n, x, port(c.dst, 80), l)
			frame := phy.NewFrame(phy.SuperFrameSize)
			data, buf := make([]byte, 64<<10), make([]byte, 256<<10)
			now := n.now
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for moved := 0; moved < len(data); {
					client.Write(now, data)
					busy := false
					for _, d := range [...][2]*Iface{{ix, iy}, {iy, ix}} {
						for k := 0; k < 64; k++ {
							frame.Reset()
							if !d[0].host.Transmit(now, d[0], frame) {
								break
							}
							d[0].host.FrameSent(now, d[0], frame, drop.None)
							d[1].host.Receive(now, d[1], frame)
							busy = true
						}
						k, _ := server.Read(now, buf)
						moved += k
					}
					if !busy {
						now = now.Add(time.Millisecond)
						x.Tick(now)
						y.Tick(now)
					}
				}
			}
		})
	}
}
