package stack

import (
	"encoding/binary"
	"net/netip"
	"time"

	"smolsh/phy"
	"smolsh/stack/pmtu"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var ping = icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, make([]byte, 56))

var piles = []pile{
	{"connections, established", "a segment on another", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.connect(k)
		}
		return x.stream()
	}},
	{"connections, established", "a timer", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.connect(k)
		}
		return x.tick()
	}},
	{"connections, established", "one more opened and aborted", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.connect(k)
		}
		return func() {
			c, err := x.h.DialTCP(x.now, netip.AddrPort{}, port(ipA, 81), tcp.Config{})
			must(x, err)
			c.Abort(x.now)
			x.drain()
		}
	}},
	{"connections, established", "an address added and removed", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.connect(k)
		}
		return x.otherAddr()
	}},
	{"connections, in TIME-WAIT", "a segment on another", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.connect(k).finish()
		}
		return x.stream()
	}},
	{"connections, ended by a timer while events are listened to", "a segment on another", 50_000, func(x *costRig, n int) func() {
		x.h.Events(func(Event) {})
		for k := range n {
			x.connect(k).finish()
		}
		x.now = x.now.Add(time.Minute)
		x.h.Tick(x.now)
		return x.stream()
	}},
	{"gaps in a stream", "a piece that was there", 1000, costGaps},
	{"ranges on the scoreboard", "an ACK that says nothing new", 1000, costSpans},
	{"narrow paths", "a datagram to one", 0, func(x *costRig, n int) func() {
		u := x.bind(7)
		for k := range n {
			x.h.net.paths.Put(x.now, pmtu.Key{Dst: many(k)}, 1000, x.h.limits.Paths)
		}
		return func() {
			must(x, u.Send(x.now, ping, port(many(0), 9)))
			x.drain()
		}
	}},
	{"narrow paths, as many as there may be", `a forged "fragmentation needed"`, 0, func(x *costRig, n int) func() {
		x.bind(7)
		x.h.limits.Paths = max(1, n)
		for k := range n {
			x.h.net.paths.Put(x.now, pmtu.Key{Dst: many(k)}, 1000, x.h.limits.Paths)
		}
		packet := fragNeeded(1000, wire.ProtocolUDP, many(n), 1500, 0, 9)
		binary.BigEndian.PutUint16(packet[wire.IPv4Len+wire.ICMPLen+wire.IPv4Len:], 7) // the source port is ours
		k := n
		return func() {
			k++
			a := many(k).As4()
			copy(packet[wire.IPv4Len+wire.ICMPLen+16:], a[:])
			fixICMP(packet)
			if v := x.receive(packet); v.Kind != Delivered {
				x.Fatal(v)
			}
		}
	}},
	{"incomplete datagrams", "a fragment of another, for which the oldest goes", 0, func(x *costRig, n int) func() {
		id := 0
		packet := ipPacket(wire.ProtocolUDP, ipA, ipB, make([]byte, 64), func(h *wire.IPv4) { h.MoreFragments = true })
		send := func() {
			a := many(id).As4()
			copy(packet[12:], a[:])
			resum(packet)
			if v := x.receive(packet); !v.Held {
				x.Fatal(v)
			}
			id++
		}
		for range n {
			send()
		}
		x.h.limits.Fragments = max(5000, x.h.reassembly.Storage())
		return send
	}},
	{"fragments of one datagram", "one that was there", 8000, func(x *costRig, n int) func() {
		for k := range n + 1 {
			x.receive(ipPacket(wire.ProtocolUDP, ipA, ipB, make([]byte, 8), func(h *wire.IPv4) { h.MoreFragments, h.FragmentOffset = true, 8*k }))
		}
		packet := ipPacket(wire.ProtocolUDP, ipA, ipB, make([]byte, 8), func(h *wire.IPv4) { h.MoreFragments = true })
		return func() { x.receive(packet) }
	}},
	{"neighbours", "an echo", 0, func(x *costRig, n int) func() { x.neighbours(n); return x.answered(ping) }},
	{"neighbours, as many as there may be", "an ARP request of another", 0, func(x *costRig, n int) func() {
		x.neighbours(n)
		x.h.cfg.Neighbor.Entries = max(2, n)
		x.i.neigh[ipv4].SetBounds(max(2, n), 1, 16)
		k := n
		b := arpFrame(wire.Broadcast, macC, wire.ARP{Op: wire.ARPRequest, SenderHW: macC, SenderIP: ipC, TargetIP: ipB})
		return func() {
			k++
			a := many(k % (1 << 20)).As4()
			copy(b.Bytes()[wire.EthernetLen+14:], a[:])
			x.h.Receive(x.now, x.i, b)
			x.drain()
		}
	}},
	{"neighbours", "a timer", 0, func(x *costRig, n int) func() { x.neighbours(n); return x.tick() }},
	{"UDP sockets", "a datagram to another", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			x.bind(uint16(100 + k))
		}
		return x.datagram(x.bind(60_000))
	}},
	{"UDP sockets, connected, of one port", "a datagram to another", 0, func(x *costRig, n int) func() {
		for k := range n {
			_, err := x.h.DialUDP(port(ipB, 7), port(many(k), 9))
			must(x, err)
		}
		return x.datagram(x.bind(60_000))
	}},
	{"listeners", "a SYN to a closed port", 50_000, func(x *costRig, n int) func() {
		for k := range n {
			listen(x, x.h, uint16(100+k), tcp.Config{})
		}
		return x.answered(tcpPacket(port(ipA, 5), port(ipB, 60_000), wire.TCP{Flags: wire.SYN}, nil))
	}},
	{"ICMP sockets", "an echo", 50_000, func(x *costRig, n int) func() {
		for range n {
			_, err := x.h.BindICMP(0)
			must(x, err)
		}
		return x.answered(ping)
	}},
	{"raw sockets of another protocol", "an echo", 10_000, func(x *costRig, n int) func() { x.raw(n, 89); return x.answered(ping) }},
	{"raw sockets of one protocol", "one more opened and closed", 10_000, func(x *costRig, n int) func() {
		x.raw(n, 89)
		return func() { x.raw(1, 89)[0].Close() }
	}},
	{"frame sockets of another type", "an echo", 10_000, func(x *costRig, n int) func() { x.frameSockets(n); return x.answered(ping) }},
	{"frame sockets", "one more opened and closed", 10_000, func(x *costRig, n int) func() {
		x.frameSockets(n)
		return func() { x.frameSockets(1)[0].Close() }
	}},
	{"groups", "a datagram to one", 10_000, func(x *costRig, n int) func() {
		u := x.join(n + 1)
		packet := udpPacket(port(ipA, 9), port(nthGroup(0), 7), make([]byte, 100))
		var buf [200]byte
		return func() {
			x.receive(packet)
			if n, _, _ := u.Recv(buf[:]); n != 100 {
				x.Fatal(n)
			}
		}
	}},
	{"groups", "one more joined and left", 10_000, func(x *costRig, n int) func() {
		x.join(n)
		u := x.bind(9)
		return func() {
			must(x, u.Join(x.now, nthGroup(n), nil))
			must(x, u.Leave(nthGroup(n)))
			x.drain()
		}
	}},
	{"members of a group", "one more joined and left", 10_000, func(x *costRig, n int) func() {
		for k := range n {
			must(x, x.bind(uint16(100+k)).Join(x.now, nthGroup(0), nil))
		}
		u := x.bind(60_000)
		return func() {
			must(x, u.Join(x.now, nthGroup(0), nil))
			must(x, u.Leave(nthGroup(0)))
			x.drain()
		}
	}},
	{"observers", "one more put in and taken out", 10_000, func(x *costRig, n int) func() {
		for range n {
			x.h.ObserveHeads(func(*PacketEvent) {})
		}
		return func() { x.h.ObserveHeads(func(*PacketEvent) {})() }
	}},
	{"routes of one length", "a datagram", 0, func(x *costRig, n int) func() {
		for k := range n {
			must(x, x.h.AddRoute(netip.PrefixFrom(many(k), 32), ipA, nil))
		}
		u := x.bind(7)
		return func() { must(x, u.Send(x.now, nil, port(many(0), 9))); x.drain() }
	}},
	{"addresses of one interface", "an echo", 0, func(x *costRig, n int) func() { x.addresses(n); return x.answered(ping) }},
	{"addresses of one interface", "a segment of a connection", 0, func(x *costRig, n int) func() { x.addresses(n); return x.stream() }},
	{"addresses of one interface", "a datagram to send", 0, func(x *costRig, n int) func() {
		x.addresses(n)
		u := x.bind(7)
		return func() { must(x, u.Send(x.now, nil, port(ipA, 9))); x.drain() }
	}},
	{"address probes", "an ARP request", 10_000, func(x *costRig, n int) func() {
		for k := range n {
			_, err := x.i.ProbeAddr(x.now, netip.PrefixFrom(many(k), 32))
			must(x, err)
		}
		b := arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipB})
		return func() { x.h.Receive(x.now, x.i, b); x.drain() }
	}},
	{"interfaces", "an echo and a timer", 10_000, func(x *costRig, n int) func() {
		for range n {
			x.h.AddIface(0, IfaceConfig{Caps: phy.Capabilities{Medium: phy.MediumIP}})
		}
		tick, echo := x.tick(), x.answered(ping)
		return func() { tick(); echo() }
	}},
}

// costGaps has a stream with n gaps; its step receives a duplicate between two of them.
func costGaps(x *costRig, n int) func() {
	c := x.connect(0)
	piece := func(k int) {
		c.receive(tcpPacket(c.remote, port(ipB, 80), wire.TCP{Seq: c.seq.Add(2*k + 1), Ack: c.ack, Flags: wire.ACK, Window: 65535}, []byte{1}))
		x.drain()
	}
	for k := range n + 1 {
		piece(k)
	}
	packet := tcpPacket(c.remote, port(ipB, 80), wire.TCP{Seq: c.seq.Add(n + n%2 + 1), Ack: c.ack, Flags: wire.ACK, Window: 65535}, []byte{1})
	return func() { c.receive(packet); x.drain() }
}

// costSpans has a sender whose peer has received every other of 2n segments; its step receives that SACK again.
func costSpans(x *costRig, n int) func() {
	c := x.connect(0)
	cfg := c.c.Config()
	cfg.InitialWindow, cfg.SendBuffer, cfg.NoDelay, cfg.NoPacing = 1<<15, 1<<20, true, true
	must(x, c.c.SetConfig(x.now, cfg))
	c.c.conn.Receive(x.now, &tcp.Segment{TCP: wire.TCP{Seq: c.seq, Ack: c.ack, Flags: wire.ACK, Window: 65535}})
	for range 2*n + 2 {
		_, err := c.c.Write(x.now, make([]byte, 10))
		must(x, err)
		x.drain()
	}
	sack := func(k int) []byte {
		h := wire.TCP{Seq: c.seq, Ack: c.ack, Flags: wire.ACK, Window: 65535, Options: wire.TCPOptions{NumSACK: 1}}
		h.Options.SACK[0] = wire.SACKBlock{Left: c.ack.Add(20*k + 10), Right: c.ack.Add(20*k + 20)}
		return tcpPacket(c.remote, port(ipB, 80), h, nil)
	}
	for k := range n + 1 {
		x.receive(sack(k))
	}
	packet := sack(n / 2)
	return func() { x.receive(packet) }
}

func (x *costRig) neighbours(n int) {
	for k := range n {
		x.i.neigh[ipv4].Learn(x.now, many(k), macC, true)
	}
}

func (x *costRig) raw(n int, proto wire.Protocol) (list []*RawConn) {
	for range n {
		c, err := x.h.BindRaw(proto)
		must(x, err)
		list = append(list, c)
	}
	return list
}

func (x *costRig) frameSockets(n int) (list []*FrameConn) {
	for range n {
		c, err := x.h.BindFrames(nil, 0x88b5)
		must(x, err)
		list = append(list, c)
	}
	return list
}

// nthGroup returns the kth group of a large range.
func nthGroup(k int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 239<<24+uint32(k)+1)
	return netip.AddrFrom4(a)
}

// join returns a socket that has joined n groups.
func (x *costRig) join(n int) *UDPConn {
	u := x.bind(7)
	for k := range n {
		must(x, u.Join(x.now, nthGroup(k), nil))
		x.drain()
	}
	return u
}

func (x *costRig) addresses(n int) {
	for k := range n {
		must(x, x.i.AddAddr(x.now, netip.PrefixFrom(many(k), 32)))
		x.drain()
	}
}

// fixICMP corrects the checksum of the ICMP message after an IP header of 20 octets.
func fixICMP(b []byte) {
	m := b[wire.IPv4Len:]
	m[2], m[3] = 0, 0
	binary.BigEndian.PutUint16(m[2:], wire.Checksum(m))
}
