package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// hostileZeros is the content of all payloads.
var hostileZeros = make([]byte, 65536)

// packetTo begins a packet of the peer with room for n octets after its IP header, and returns that room. On Ethernet
// its source is src's station.
func (r *rig) packetTo(i *Iface, proto wire.Protocol, src, dst netip.Addr, n int, change func(*wire.IPv4)) []byte {
	r.rx.Reset()
	n = min(n, maxMTU-wire.IPv4Len)
	if i.caps.Medium == phy.MediumEthernet {
		eth := wire.Ethernet{Dst: i.mac, Src: macA, Type: wire.EtherTypeIPv4}
		if src == ipC {
			eth.Src = macC
		}
		switch {
		case dst.IsMulticast():
			eth.Dst = wire.GroupMAC(dst)
		case i.isBroadcast(dst):
			eth.Dst = wire.Broadcast
		}
		eth.Put(r.rx.Extend(wire.EthernetLen))
	}
	h := wire.IPv4{TTL: 64, Protocol: proto, Src: src, Dst: dst, PayloadLen: n}
	if change != nil {
		change(&h)
	}
	h.Put(r.rx.Extend(wire.IPv4Len))
	return r.rx.Extend(n)
}

// putARP makes r.rx an ARP packet.
func (r *rig) putARP(dst wire.HardwareAddr, a wire.ARP, src wire.HardwareAddr) {
	r.rx.Reset()
	eth := wire.Ethernet{Dst: dst, Src: src, Type: wire.EtherTypeARP}
	eth.Put(r.rx.Extend(wire.EthernetLen))
	b := r.rx.Extend(46)
	clear(b)
	a.Put(b)
}

// sendTCP sends a well-formed segment of t to the host. The frame says that the device has verified its checksum.
func (r *rig) sendTCP(t *talk, flags wire.Flags, seq, ack wire.Seq, window int, o wire.TCPOptions, text int) {
	h := wire.TCP{SrcPort: t.remote.Port(), DstPort: t.local.Port(), Seq: seq, Ack: ack, Flags: flags, Window: uint16(window), Options: o}
	for h.Options.Len() > 40 {
		h.Options.NumSACK--
	}
	n := h.HeaderLen()
	b := r.packet(t.iface, wire.ProtocolTCP, t.remote.Addr(), t.local.Addr(), n+text, 0)
	h.Put(b)
	copy(b[n:], hostileZeros)
	r.rx.Offload.CsumValid = true
	r.receive(t.iface)
}

// putOptions writes malformed TCP options, with any kind and any length, and returns their length.
func putOptions(b []byte, d *decisions) int {
	n := 0
	for n < len(b) {
		kind := d.byte()
		if kind == 0 {
			break
		}
		kind %= 12
		b[n] = byte(kind)
		if n++; kind < 2 || n == len(b) {
			continue
		}
		size := [...]int{0, 0, 4, 3, 2, 10, 0, 0, 10, 0, 0, 0}[kind]
		if m := d.byte(); m >= 128 {
			size = m % 41
		}
		b[n] = byte(size)
		for n++; size > 2 && n < len(b); size-- {
			b[n] = byte(d.byte())
			n++
		}
	}
	n = (n + 3) &^ 3
	return n
}

// lie sends a segment of t to the host in which every field may be wrong.
func (r *rig) lie(t *talk, d *decisions) {
	flags := hostileFlags(d)
	seq, ack := d.near(t.theirs, t.window), d.near(t.nxt, 65535)
	if d.one(3) {
		ack = t.una.Add(d.small())
	}
	window := 65535
	if m := d.byte(); m >= 128 {
		window = [...]int{0, 1, 2, 100, 1460, 4000, 30000, m << 8}[m&7]
	}
	o := r.lyingOptions(t, flags, d)
	h := wire.TCP{
		SrcPort: t.remote.Port(), DstPort: t.local.Port(), Seq: seq, Ack: ack, Flags: flags, Window: uint16(window), Options: o,
	}
	if flags.Has(wire.URG) {
		h.Urgent = uint16(d.uint16())
	}
	for h.Options.Len() > 40 {
		h.Options.NumSACK--
	}
	n := h.HeaderLen()
	text := d.length(min(t.iface.mru()-t.headerLen()-n, 9000))
	ecn := wire.NotECT
	if m := d.byte(); m >= 192 {
		ecn = wire.ECN(m & 3)
	}
	b := r.packet(t.iface, wire.ProtocolTCP, t.remote.Addr(), t.local.Addr(), n+text, byte(ecn))
	h.Put(b)
	copy(b[n:], hostileZeros[:text])
	if d.one(8) { // broken options, and any data offset
		if k := putOptions(b[wire.TCPLen:min(len(b), wire.TCPLen+40)], d); d.one(2) {
			b[12] = byte((wire.TCPLen + k) / 4 << 4)
		} else {
			b[12] = byte(d.byte())
		}
	}
	r.rx.Offload.CsumValid = true
	switch d.byte() {
	case 255:
		r.rx.Offload.CsumValid = false // and the checksum is wrong
	case 254:
		r.rx.Offload.CsumValid = false
		wire.PutTCPChecksum(b, t.remote.Addr(), t.local.Addr())
	case 253, 252:
		r.rx.Offload.GSOSize = uint16(1 + d.byte()) // a super-segment
	}
	if r.log != nil {
		r.logf("  seq is %+d of what the host expects, ack %+d of what it has sent, of which %d octets are out", seq.Sub(t.theirs), ack.Sub(t.nxt), t.nxt.Sub(t.una))
	}
	r.receive(t.iface)
	if flags&(wire.SYN|wire.RST) == 0 && seq == t.theirs {
		t.ours = seq.Add(text)
	}
}

func hostileFlags(d *decisions) wire.Flags {
	switch m := d.byte(); {
	case m < 150:
		return wire.ACK
	case m < 166:
		return wire.ACK | wire.PSH
	case m < 182:
		return wire.ACK | wire.FIN
	case m < 190:
		return wire.SYN
	case m < 198:
		return wire.SYN | wire.ACK
	case m < 204:
		return wire.RST
	case m < 208:
		return wire.RST | wire.ACK
	case m < 216:
		return wire.ACK | wire.ECE
	case m < 224:
		return wire.ACK | wire.URG
	}
	return wire.Flags(d.byte())
}

// lyingOptions returns well-formed options: timestamps near the right ones, and up to four SACK blocks with any
// numbers.
func (r *rig) lyingOptions(t *talk, flags wire.Flags, d *decisions) wire.TCPOptions {
	if flags.Has(wire.SYN) {
		o := r.peer.offer(t)
		if d.one(4) {
			o.MSS, o.WindowScale, o.HasWindowScale = uint16(d.uint16()), uint8(d.byte()), true
		}
		return o
	}
	o := r.peer.stampOf(t)
	if m := d.byte(); m >= 192 {
		o.HasTimestamps = m&1 == 0
		o.TSVal, o.TSEcr = uint32(d.near(wire.Seq(t.clock), 1000)), uint32(d.near(wire.Seq(t.stamp), 1000))
	}
	if m := d.byte(); m >= 96 {
		o.NumSACK = uint8(1 + m%4)
		if m < 208 {
			o.NumSACK = 1
		}
		out := t.nxt.Sub(t.una)
		for k := range o.NumSACK {
			o.SACK[k] = wire.SACKBlock{Left: d.near(t.una.Add(1+d.byte()*out/256), out), Right: d.near(t.nxt.Add(-(d.byte() * out / 512)), out)}
		}
	}
	return o
}

// forged returns a datagram from a port of the host, which it most likely has not sent, to a station or any address.
func (r *rig) forged(i *Iface, d *decisions) []byte {
	dst := hostileStations[d.below(len(hostileStations))]
	if d.one(2) {
		dst = many(d.below(16))
	}
	b := r.peer.forged[:]
	h := wire.IPv4{TTL: 3, Protocol: wire.ProtocolUDP, Src: i.addr(), Dst: dst, PayloadLen: max(0, i.mru()-wire.IPv4Len-d.byte())}
	h.Put(b)
	binary.BigEndian.PutUint16(b[wire.IPv4Len:], d.port())
	binary.BigEndian.PutUint16(b[wire.IPv4Len+2:], d.port())
	return b
}

// quote sends an ICMP error about the packet that the host sent last, unchanged or changed, or about a forged one.
func (r *rig) quote(i *Iface, d *decisions) {
	quoted := r.peer.last[:r.peer.lastN]
	if r.peer.from != nil {
		i = r.peer.from
	}
	if r.six && (len(quoted) > 0 && versionOf(quoted) == ipv6 || d.one(8)) {
		r.quote6(i, d)
		return
	}
	if d.one(3) {
		quoted = r.forged(i, d)
	}
	n := max(0, len(quoted)-d.below(2)*d.byte())
	src, dst := hostileStations[d.pick(len(hostileStations))], i.addr()
	b := r.packetTo(i, wire.ProtocolICMP, src, dst, wire.ICMPLen+n, nil)
	copy(b[wire.ICMPLen:], quoted[:n])
	if q := b[wire.ICMPLen:]; len(q) > 28 && d.one(4) { // ports, sequence number, addresses
		at := []int{20, 22, 24, 12, 16, 2, 9}[d.below(7)]
		binary.BigEndian.PutUint16(q[at:], uint16(d.uint16()))
	}
	m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableFragNeeded, MTU: uint16(d.uint16())}
	switch k := d.byte(); {
	case k < 64:
		m.MTU = uint16(hostileMTUs[d.below(len(hostileMTUs))])
	case k < 96:
		m.MTU = uint16(d.byte())
	case k >= 224:
		m.Type = [...]wire.ICMPType{wire.ICMPTimeExceeded, wire.ICMPParameterProblem, wire.ICMPSourceQuench, wire.ICMPRedirect}[k&3]
		m.Code, m.Gateway = uint8(d.byte()), ipC
	case k >= 160:
		m.Code = uint8(k % 18)
	}
	m.Put(b)
	r.receive(i)
}

// addr returns the first of i's IPv4 addresses, or an unused address if it has none.
func (i *Iface) addr() netip.Addr {
	if a, ok := i.first(ipv4); ok {
		return a
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, 1})
}
