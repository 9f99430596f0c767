//go:build linux

package live

import (
	"math/rand/v2"
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/phy/raw"
	"smolsh/stack/wire"
)

// A hoarder has up to hoardPorts connections, from port hoardFirstPort up. Connection k uses address k mod hoardAddrs.
// At 256 KiB of receive buffer each, they would need 150 MiB, far more than soakBuffers.
const hoardPorts, hoardFirstPort, hoardAddrs = 600, 10_000, 8

// hoarder is an attacking station with several addresses, on the kernel's side of a TAP. It completes the handshake
// with the discard service and then sends single octets far beyond a gap that it never fills, so that each connection
// occupies a receive buffer. It resets some connections, and forgets others.
type hoarder struct {
	dev    *raw.Device
	addrs  [hoardAddrs]netip.Addr
	mac    wire.HardwareAddr
	target netip.AddrPort    // the discard service
	gate   wire.HardwareAddr // hardware address of the target
	rng    *rand.Rand
	conns  [hoardPorts]hoard
	frames []*phy.Frame

	steps                      int
	handshakes, octets, resets int // completed handshakes, octets sent beyond gaps, resets received
}

// hoard is the hoarder's end of one connection.
type hoard struct {
	state hoardState
	next  wire.Seq // SND.NXT
	ack   wire.Seq // RCV.NXT
	edge  wire.Seq // SND.UNA + SND.WND
	scale uint8    // shift of the host's window
}

type hoardState uint8

const (
	hoardClosed hoardState = iota
	hoardSynSent
	hoardEstablished
)

// newHoarder opens the station on tap0 of the calling thread's namespace. Its addresses begin with first.
func newHoarder(first netip.Addr, target netip.AddrPort, gate wire.HardwareAddr) (*hoarder, error) {
	dev, err := raw.Open("tap0", raw.Options{})
	if err != nil {
		return nil, err
	}
	x := &hoarder{dev: dev, mac: wire.HardwareAddr{2, 0x66, 0, 0, 0, 0x66}, target: target, gate: gate, rng: rand.New(rand.NewPCG(66, 69))}
	for k := range x.addrs {
		x.addrs[k], first = first, first.Next()
	}
	for range 64 {
		x.frames = append(x.frames, phy.NewFrame(dev.Capabilities().FrameSize()))
	}
	x.arp(wire.ARP{Op: wire.ARPRequest, SenderIP: x.addrs[0], TargetIP: target.Addr()}) // sending tells the device its own hardware address
	return x, nil
}

// step answers the frames that have arrived, and calls harm for two connections.
func (x *hoarder) step() error {
	for {
		for _, f := range x.frames {
			f.Reset()
		}
		n, err := x.dev.Recv(x.frames)
		if err != nil {
			return err
		}
		for _, f := range x.frames[:n] {
			x.receive(f.Bytes())
		}
		if n < len(x.frames) {
			break
		}
	}
	x.steps++
	for range 2 {
		x.harm(uint16(x.rng.IntN(hoardPorts)))
	}
	return nil
}

// receive handles one frame. Checksums may be unfinished, so it verifies none.
func (x *hoarder) receive(b []byte) {
	eth, b, err := wire.ParseEthernet(b)
	if err != nil {
		return
	}
	if eth.Type == wire.EtherTypeARP {
		if a, err := wire.ParseARP(b); err == nil && a.Op == wire.ARPRequest && slices.Contains(x.addrs[:], a.TargetIP) {
			x.arp(wire.ARP{Op: wire.ARPReply, SenderIP: a.TargetIP, TargetHW: a.SenderHW, TargetIP: a.SenderIP})
		}
		return
	}
	ip, b, err := wire.ParseIPv4(b)
	if err != nil || ip.Protocol != wire.ProtocolTCP {
		return
	}
	s, _, err := wire.ParseTCP(b)
	if k := s.DstPort - hoardFirstPort; err == nil && k < hoardPorts && ip.Dst == x.addr(k) {
		x.segment(k, s)
	}
}

// addr returns the hoarder's end of connection k.
func (x *hoarder) addr(k uint16) netip.Addr { return x.addrs[k%hoardAddrs] }

// segment handles one segment for connection k.
func (x *hoarder) segment(k uint16, s wire.TCP) {
	c := &x.conns[k]
	switch {
	case s.Flags.Has(wire.RST):
		x.resets++
		c.state = hoardClosed
	case c.state == hoardSynSent && s.Flags.Has(wire.SYN|wire.ACK):
		*c = hoard{state: hoardEstablished, next: s.Ack, ack: s.Seq.Add(1), scale: s.Options.WindowScale}
		c.edge = s.Ack.Add(int(s.Window))
		x.handshakes++
		// The octet is in order. The window in its acknowledgement is scaled.
		x.send(k, wire.TCP{Seq: c.next, Ack: c.ack, Flags: wire.ACK}, 1)
		c.next = c.next.Add(1)
	case c.state == hoardSynSent && s.Flags.Has(wire.ACK): // the host still has a connection that the hoarder forgot
		x.send(k, wire.TCP{Seq: s.Ack, Flags: wire.RST}, 0)
		c.state = hoardClosed
	case c.state == hoardEstablished && s.Flags.Has(wire.ACK):
		c.edge = s.Ack.Add(int(s.Window) << c.scale)
	}
}

// hoardTurn is the number of steps during which the same addresses take part. At first all of them do, then one, and
// then one more in each turn. Each address's share of the buffers shrinks as more take part.
const hoardTurn = 1000

// harm acts on connection k: it opens it, sends an octet beyond a gap, resets it, or forgets it. It resets a connection
// whose address does not take part in this turn.
func (x *hoarder) harm(k uint16) {
	c := &x.conns[k]
	if int(k%hoardAddrs) > (x.steps/hoardTurn+hoardAddrs-1)%hoardAddrs {
		if c.state == hoardEstablished {
			x.send(k, wire.TCP{Seq: c.next, Flags: wire.RST}, 0)
		}
		c.state = hoardClosed
		return
	}
	if c.state != hoardEstablished {
		c.state = hoardSynSent
		syn := wire.TCP{Seq: wire.Seq(x.rng.Uint32()), Flags: wire.SYN}
		syn.Options = wire.TCPOptions{MSS: 1460, HasWindowScale: true, WindowScale: 7}
		x.send(k, syn, 0)
		return
	}
	switch x.rng.IntN(16) {
	case 0:
		x.send(k, wire.TCP{Seq: c.next, Flags: wire.RST}, 0)
		c.state = hoardClosed
	case 1:
		c.state = hoardClosed
	default:
		far := c.edge.Add(-1)
		if gap := c.edge.Sub(c.next); gap > 1 && x.rng.IntN(4) == 0 {
			far = c.next.Add(1 + x.rng.IntN(gap-1)) // makes more gaps
		}
		x.octets++
		x.send(k, wire.TCP{Seq: far, Ack: c.ack, Flags: wire.ACK}, 1)
	}
}

// send sends a segment of connection k with the given number of octets of payload.
func (x *hoarder) send(k uint16, s wire.TCP, octets int) {
	f := phy.NewFrame(phy.FrameSize)
	s.SrcPort, s.DstPort, s.Window = hoardFirstPort+k, x.target.Port(), 1000
	s.Put(f.Extend(s.HeaderLen()))
	clear(f.Extend(octets))
	wire.PutTCPChecksum(f.Bytes(), x.addr(k), x.target.Addr())
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolTCP, Src: x.addr(k), Dst: x.target.Addr(), PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	x.put(f, wire.Ethernet{Dst: x.gate, Src: x.mac, Type: wire.EtherTypeIPv4})
}

// arp broadcasts an ARP packet from the hoarder.
func (x *hoarder) arp(a wire.ARP) {
	a.SenderHW = x.mac
	f := phy.NewFrame(phy.FrameSize)
	a.Put(f.Extend(wire.ARPLen))
	x.put(f, wire.Ethernet{Dst: wire.Broadcast, Src: x.mac, Type: wire.EtherTypeARP})
}

// put sends a frame. The frame is lost if the device is full.
func (x *hoarder) put(f *phy.Frame, eth wire.Ethernet) {
	eth.Put(f.Prepend(wire.EthernetLen))
	_, _ = x.dev.Send([]*phy.Frame{f})
}
