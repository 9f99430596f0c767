package stack

import (
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

// BenchmarkTCP sends octets from one host to another: ns/op is per 64 KiB.
func BenchmarkTCP(b *testing.B) {
	for _, c := range []struct {
		name string
		gso  int
	}{{"mtu1500", 0}, {"gso65535", 65535}} {
		b.Run(c.name, func(b *testing.B) {
			n, x, y := pair(b)
			ix, iy := x.Ifaces()[0], y.Ifaces()[0]
			caps := ethernet
			caps.MaxGSO, caps.TxChecksum = c.gso, c.gso > 0
			ix.SetCapabilities(caps)
			l := listen(b, y, 80, tcp.Config{})
			client, server := dial(n, x, port(ipB, 80), l)
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
