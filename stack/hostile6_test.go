package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// This file has the deeds of IPv6 alone. Those that both families share are in hostileops_test.go.

// The stations that the peer plays in IPv6, the addresses and groups that the host has for a while, and the MTUs of runs with IPv6.
var (
	hostileStations6 = [...]netip.Addr{
		netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fd00::3"), netip.MustParseAddr("fe80::3"),
		netip.MustParseAddr("2001:db8:7::7"), netip.MustParseAddr("fd01::1"), netip.MustParseAddr("fe80::9"),
	}
	hostileProbes6 = [...]netip.Prefix{
		netip.MustParsePrefix("fd00::20/64"), netip.MustParsePrefix("fd02::1/48"), netip.MustParsePrefix("2001:db8::9/128"),
		netip.MustParsePrefix("fd00::2/64"), netip.MustParsePrefix("fe80::20/64"),
	}
	hostileGroups6   = [...]netip.Addr{netip.MustParseAddr("ff02::77"), netip.MustParseAddr("ff05::78"), netip.MustParseAddr("ff01::79")}
	hostilePrefixes6 = [...]netip.Prefix{
		netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("2001:db8:2::/48"), netip.MustParsePrefix("::/0"),
		netip.MustParsePrefix("fe80::/64"), netip.MustParsePrefix("2001:db8:7::7/128"), netip.MustParsePrefix("2001:db8:3::/64"), netip.MustParsePrefix("fd00::/16"),
	}
	hostileMTUs6 = [...]int{1500, 1280, 1281, 1279, 1400, 4000, 9000, 65535, 1500, 1288, 68, 576}
)

// start6 gives the host IPv6.
func (r *rig) start6(d *decisions) {
	for k, p := range [...]string{"fd00::2/64", "fd01::2/64", "::1/128"} {
		r.ifaces[k].EnableIPv6(0)
		_ = r.ifaces[k].AddAddr(0, netip.MustParsePrefix(p))
	}
	_ = r.h.AddRoute(netip.MustParsePrefix("2000::/3"), netip.MustParseAddr([...]string{"fd00::1", "fe80::1%eth0"}[d.below(2)]), nil)
}

// anyMTU draws an MTU. Most MTUs of a run with IPv6 let the interface speak it.
func (r *rig) anyMTU(d *decisions) int {
	if r.six {
		return hostileMTUs6[d.pick(len(hostileMTUs6))]
	}
	return hostileMTUs[d.pick(len(hostileMTUs))]
}

// station draws a station to which the application sends. A link-local one often has a zone.
func (r *rig) station(d *decisions) netip.Addr {
	b := d.byte()
	if r.six && b%2 == 1 {
		a := hostileStations6[b/2%len(hostileStations6)]
		if needsZone(a) && !d.one(4) {
			a = a.WithZone(r.ifaces[d.pick(2)].name)
		}
		return a
	}
	if b >= 128 {
		return hostileStations[b/2%len(hostileStations)]
	}
	return hostileStations[0]
}

// own draws one of the host's addresses.
func (r *rig) own(d *decisions) netip.Addr {
	if r.six && d.one(2) {
		return r.address6(r.anyIface(d), d)
	}
	return hostileOwn[d.below(len(hostileOwn))]
}

// group draws a group for the application.
func (r *rig) group(d *decisions) netip.Addr {
	if r.six && d.one(2) {
		g := hostileGroups6[d.below(len(hostileGroups6))]
		if d.one(2) {
			g = g.WithZone(r.ifaces[d.pick(2)].name)
		}
		return g
	}
	return hostileGroups[d.below(len(hostileGroups))]
}

// station6 draws a source of the peer's packets.
func (r *rig) station6(d *decisions) netip.Addr {
	return hostileStations6[d.pick(len(hostileStations6))]
}

// source6 is station6, but on the loop interface an address of the host's, and now and then one that nobody can have.
func (r *rig) source6(i *Iface, d *decisions) netip.Addr {
	if i.loop {
		return r.address6(i, d).WithZone("")
	}
	if b := d.byte(); b >= 248 {
		return [...]netip.Addr{netip.IPv6Unspecified(), wire.AllNodes6, netip.IPv6Loopback(), netip.MustParseAddr("::ffff:10.0.0.1"), r.address6(i, d).WithZone("")}[b%5]
	}
	return r.station6(d)
}

// address6 draws an IPv6 address of i, an unused one if it has none.
func (r *rig) address6(i *Iface, d *decisions) netip.Addr {
	var list []netip.Addr
	for k := range i.addresses.list {
		if a := i.addresses.list[k].addr; a.Is6() {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return netip.MustParseAddr("fd00::ff")
	}
	return list[d.below(len(list))]
}

// dest6 draws a destination of the peer's packets to i.
func (r *rig) dest6(i *Iface, d *decisions) netip.Addr {
	switch b := d.byte(); {
	case b < 160:
		return r.address6(i, d).WithZone("")
	case b < 190:
		return hostileGroups6[b%len(hostileGroups6)]
	case b < 210:
		return wire.AllNodes6
	case b < 230:
		return wire.SolicitedNode(r.address6(i, d))
	case b < 234:
		return wire.AllRouters6
	}
	return r.station6(d)
}

// packet begins a packet of the peer of either family, as packetTo does.
func (r *rig) packet(i *Iface, proto wire.Protocol, src, dst netip.Addr, n int, class byte) []byte {
	if familyOf(dst) == ipv4 {
		return r.packetTo(i, proto, src, dst, n, func(h *wire.IPv4) { h.TOS = class })
	}
	return r.packet6(i, proto, src, dst, n, func(h *wire.IPv6) { h.TrafficClass = class })
}

// packet6 is packetTo for IPv6.
func (r *rig) packet6(i *Iface, next wire.Protocol, src, dst netip.Addr, n int, change func(*wire.IPv6)) []byte {
	r.rx.Reset()
	n = min(n, maxMTU-wire.IPv6Len)
	src, dst = src.WithZone(""), dst.WithZone("")
	if i.caps.Medium == phy.MediumEthernet {
		eth := wire.Ethernet{Dst: i.mac, Src: station6MAC(src), Type: wire.EtherTypeIPv6}
		if dst.IsMulticast() {
			eth.Dst = wire.GroupMAC(dst)
		}
		eth.Put(r.rx.Extend(wire.EthernetLen))
	}
	h := wire.IPv6{HopLimit: 64, NextHeader: next, Src: src, Dst: dst, PayloadLen: n}
	if change != nil {
		change(&h)
	}
	h.Put(r.rx.Extend(wire.IPv6Len))
	return r.rx.Extend(n)
}

// station6MAC returns the hardware address of the station a.
func station6MAC(a netip.Addr) wire.HardwareAddr {
	if k := slices.Index(hostileStations6[:], a.WithZone("")); k >= 0 {
		return stationMAC(k / 2)
	}
	return macA
}

// sum6 writes the checksum of an ICMPv6 message.
func sum6(b []byte, src, dst netip.Addr) {
	if len(b) >= 4 {
		b[2], b[3] = 0, 0
		binary.BigEndian.PutUint16(b[2:], wire.PseudoHeader(src, dst, wire.ProtocolICMPv6, len(b)).AddBytes(b).Checksum())
	}
}

// echo6 is echo for IPv6.
func (r *rig) echo6(i *Iface, d *decisions) {
	src, dst := r.source6(i, d), r.dest6(i, d)
	n := d.length(i.mru() - wire.IPv6Len - wire.ICMPv6Len)
	b := r.packet6(i, wire.ProtocolICMPv6, src, dst, wire.ICMPv6Len+n, nil)
	clear(b[wire.ICMPv6Len:])
	m := wire.ICMPv6{Type: wire.ICMPv6EchoRequest, ID: uint16(d.below(4)), Seq: uint16(d.byte())}
	if d.one(3) {
		m.Type = wire.ICMPv6EchoReply
	}
	m.Put(b, src, dst)
	r.receive(i)
}

// nd sends a message of neighbour discovery, valid or nearly so.
func (r *rig) nd(d *decisions) {
	i := r.ifaces[d.pick(2)]
	src, dst := r.station6(d), r.dest6(i, d)
	var target netip.Addr
	switch b := d.byte(); {
	case b < 90:
		target = r.address6(i, d).WithZone("")
	case b < 200:
		target = hostileStations6[b%len(hostileStations6)]
	case b < 230:
		target = hostileProbes6[b%len(hostileProbes6)].Addr()
	case b < 240 && len(i.addresses.probes) > 0:
		target = i.addresses.probes[b%len(i.addresses.probes)].addr.WithZone("")
	default:
		target = many6(d.uint16())
	}
	typ := wire.ICMPv6Type(133 + d.below(5))
	n := [...]int{wire.RouterSolicitationLen, wire.RouterAdvertisementLen, wire.NeighborMessageLen, wire.NeighborMessageLen, wire.RedirectLen}[typ-133]
	if typ == wire.ICMPv6RouterAdvertisement || typ == wire.ICMPv6Redirect {
		if src = hostileStations6[1+2*d.pick(2)]; d.one(4) {
			src = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(d.byte())})
		}
	}
	switch b := d.byte(); {
	case typ == wire.ICMPv6NeighborSolicitation && b < 128:
		if dst = wire.SolicitedNode(target); b < 40 {
			src = netip.IPv6Unspecified()
		}
	case typ == wire.ICMPv6RouterAdvertisement && b < 200, typ == wire.ICMPv6NeighborAdvertisement && b < 60:
		dst = wire.AllNodes6
	case b >= 250:
		src = r.source6(i, d)
	}
	options := r.options6(typ, src, d)
	limit := uint8(255)
	if d.one(32) {
		limit = byte(d.byte())
	}
	b := r.packet6(i, wire.ProtocolICMPv6, src, dst, n+len(options), func(h *wire.IPv6) { h.HopLimit = limit })
	clear(b)
	copy(b[n:], options)
	b[0] = byte(typ)
	switch typ {
	case wire.ICMPv6RouterAdvertisement:
		m := wire.RouterAdvertisement{
			HopLimit: uint8(d.byte()), Preference: wire.Preference(d.below(3) - 1), RouterLifetime: [...]uint16{1800, 0, 1, 65535, uint16(d.byte())}[d.below(5)],
		}
		if d.one(4) {
			m.ReachableTime, m.RetransTimer = d.uint32()>>d.below(32), d.uint32()>>d.below(32)
		}
		m.Put(b, src, dst)
	case wire.ICMPv6NeighborSolicitation:
		m := wire.NeighborSolicitation{Target: target}
		m.Put(b, src, dst)
	case wire.ICMPv6NeighborAdvertisement:
		flags := d.byte()
		m := wire.NeighborAdvertisement{Router: flags&1 != 0, Solicited: flags&2 != 0 && !dst.IsMulticast(), Override: flags&4 != 0, Target: target}
		m.Put(b, src, dst)
	case wire.ICMPv6Redirect:
		m := wire.Redirect{Target: hostileStations6[1+2*d.below(2)], Dest: hostileStations6[4]}
		switch k := d.byte(); {
		case k >= 224:
			m.Target, m.Dest = target, r.dest6(i, d)
		case k >= 192:
			m.Target = m.Dest
		case k >= 96:
			m.Dest = many6(k)
		}
		m.Put(b, src, dst)
	}
	if d.one(32) && len(b) > 0 {
		b[d.byte()%len(b)] ^= byte(1 + d.byte())
		sum6(b, src, dst)
	}
	r.receive(i)
}

// many6 returns the kth address of a network that is off the link.
func many6(k int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, 9, 14: byte(k >> 8), 15: byte(k)})
}

// options6 returns up to four options for a message of neighbour discovery from src. The first of a router is often a prefix.
func (r *rig) options6(typ wire.ICMPv6Type, src netip.Addr, d *decisions) []byte {
	b := make([]byte, 4096)
	n := 0
	lifetime := func() uint32 { return [...]uint32{3600, 0, 1, 1<<32 - 1, uint32(d.byte()), 7200}[d.below(6)] }
	for j := range d.below(5) {
		k := d.byte()
		if j == 0 && typ == wire.ICMPv6RouterAdvertisement && k < 128 {
			k = 110 + k%60
		}
		switch {
		case k < 110:
			typ, hw := wire.NDSourceLinkAddr, station6MAC(src)
			if k%4 == 0 {
				typ = wire.NDTargetLinkAddr
			}
			if d.one(8) {
				hw = [...]wire.HardwareAddr{r.ifaces[0].mac, wire.Broadcast, {}, {2, 0, 0, 0, 1, byte(d.byte())}}[d.below(4)]
			}
			n += wire.PutNDLinkAddr(b[n:], typ, hw)
		case k < 170:
			p := wire.PrefixInfo{Prefix: hostilePrefixes6[d.below(len(hostilePrefixes6))], OnLink: k&1 != 0, Autonomous: k&6 != 0, ValidLifetime: lifetime()}
			if p.Preferred = p.ValidLifetime; d.one(4) {
				p.Preferred = lifetime()
			}
			if d.one(4) {
				p.Prefix = netip.PrefixFrom(many6(d.byte()<<8), 64-d.below(2)*d.below(64))
			}
			n += p.Put(b[n:])
		case k < 190:
			p := wire.RouteInfo{Prefix: hostilePrefixes6[d.below(len(hostilePrefixes6))].Masked(), Preference: wire.Preference(d.below(3) - 1), Lifetime: lifetime()}
			n += p.Put(b[n:])
		case k < 205:
			n += wire.PutNDMTU(b[n:], uint32([...]int{1280, 1279, 1400, 1500, 9000, d.uint16()}[d.below(6)]))
		case k < 215:
			n += wire.PutNDDNSServers(b[n:], lifetime(), hostileStations6[d.below(len(hostileStations6))])
		case k < 225:
			n += wire.PutNDNonce(b[n:], [6]byte{byte(d.byte())})
		case k < 235:
			n += wire.PutNDRedirected(b[n:], r.peer.last[:r.peer.lastN], 8+d.byte())
		default:
			b[n], b[n+1] = byte(d.byte()), byte(d.byte())
			for j := range min(int(b[n+1])*8, 24) {
				if j >= 2 {
					b[n+j] = byte(d.byte())
				}
			}
			n += max(2, min(int(b[n+1]), 100)*8) // a length of 0, or one beyond the end, is for the host to notice
		}
	}
	return b[:n]
}

// mld sends a message of MLD.
func (r *rig) mld(d *decisions) {
	i := r.ifaces[d.pick(2)]
	src, dst := hostileStations6[1], wire.AllNodes6
	if d.one(8) {
		src = r.station6(d)
	}
	q := wire.MLDQuery{Version: uint8(2 - d.below(2)), ResponseCode: uint16(d.uint16() >> d.below(16)), Group: netip.IPv6Unspecified(), Robustness: uint8(d.below(8)), IntervalCode: uint8(d.byte())}
	switch k := d.byte(); {
	case k < 80:
	case k < 200:
		if q.Group = hostileGroups6[k%len(hostileGroups6)]; k%2 == 0 {
			q.Group = wire.SolicitedNode(r.address6(i, d))
		}
		dst = q.Group
	default:
		q.Group = many6(k)
	}
	n, sources := wire.MLDLen, 0
	if q.Version == 2 {
		if n = wire.MLDv2QueryLen; d.one(3) {
			sources = d.below(80)
		}
	}
	b := r.packet6(i, 0, src, dst, wire.RouterAlert6Len+n+16*sources, func(h *wire.IPv6) { h.HopLimit = 1 })
	clear(b)
	wire.PutRouterAlert6(b, wire.ProtocolICMPv6)
	m := b[wire.RouterAlert6Len:]
	for k := range sources {
		a := many6(k * d.pick(300)).As16()
		copy(m[n+16*k:], a[:])
	}
	q.Put(m, src, dst)
	if k := d.byte(); k >= 160 { // a report of another listener, of either version, or anything
		m[0] = [...]byte{131, 131, 131, 132, 143, byte(d.byte())}[k%6]
		sum6(m, src, dst)
	}
	r.receive(i)
}

// message sends an ICMPv6 message of any type, with any content.
func (r *rig) message(d *decisions) {
	i := r.anyIface(d)
	src, dst := r.source6(i, d), r.dest6(i, d)
	n := d.length(1200)
	limit := [...]byte{64, 255, 1, 0}[d.pick(4)]
	b := r.packet6(i, wire.ProtocolICMPv6, src, dst, n, func(h *wire.IPv6) { h.HopLimit = limit })
	clear(b)
	for k := range min(n, 24) {
		b[k] = byte(d.byte())
	}
	if n > 0 && d.one(2) {
		b[0] = byte([...]int{1, 2, 3, 4, 100, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143, 200}[d.below(18)])
	}
	if !d.one(8) {
		sum6(b, src, dst)
	}
	r.receive(i)
}

// chain sends a packet with extension headers, in any order and with any content.
func (r *rig) chain(d *decisions) {
	i := r.anyIface(d)
	src, dst := r.source6(i, d), r.dest6(i, d)
	headers := make([]wire.Protocol, 1+d.below(5))
	for k := range headers {
		headers[k] = [...]wire.Protocol{0, 60, 43, 44, 51, 60, 44, 59, 17, 6, 58, wire.Protocol(d.byte())}[d.below(12)]
	}
	last := [...]wire.Protocol{17, 6, 58, 59, 89, 50}[d.pick(6)]
	body := make([]byte, 0, 4096)
	for k, h := range headers {
		next := last
		if k+1 < len(headers) {
			next = headers[k+1]
		}
		size := d.pick(4)
		b := make([]byte, 8+8*size)
		b[0], b[1] = byte(next), byte(size)
		switch h {
		case 44:
			b = b[:8]
			binary.BigEndian.PutUint16(b[2:], [...]uint16{0, 1, 8, 1480&^7 | 1, uint16(d.uint16())}[d.pick(5)])
			b[7] = byte(d.pick(4))
		case 51:
			b[1] = byte(2*size) + byte(d.pick(3))
		case 43:
			b[2], b[3] = byte(d.pick(5)), byte(d.pick(5))
		default:
			for at := 2; at+1 < len(b); {
				b[at], b[at+1] = [...]byte{1, 0, 5, 0x1e, 0x5e, 0x9e, 0xde, 0xc2}[d.pick(8)], byte(min(len(b)-at-2, d.below(6)))
				if at += 2 + int(b[at+1]); d.one(16) {
					b[2+d.byte()%6] = byte(d.byte())
				}
			}
		}
		if d.one(24) {
			b[1] = byte(d.byte())
		}
		body = append(body, b...)
	}
	at := len(body)
	body = append(body, make([]byte, 8+d.length(1200))...)
	binary.BigEndian.PutUint16(body[at:], d.port())
	binary.BigEndian.PutUint16(body[at+2:], d.port())
	binary.BigEndian.PutUint16(body[at+4:], uint16(len(body)-at))
	if last == wire.ProtocolICMPv6 {
		body[at] = byte([...]int{128, 128, 135, 136, 134, 130, 1, 2}[d.pick(8)])
		sum6(body[at:], src, dst)
	}
	b := r.packet6(i, headers[0], src, dst, len(body), func(h *wire.IPv6) { h.HopLimit = [...]byte{64, 255, 1}[d.pick(3)] })
	copy(b, body)
	r.rx.Offload.CsumValid = true
	r.receive(i)
}

// fragments6 is fragments for IPv6.
func (r *rig) fragments6(d *decisions) {
	i := r.ifaces[d.below(2)]
	src, dst := r.station6(d), r.dest6(i, d)
	id, next := uint32(d.below(128)), [...]wire.Protocol{17, 6, 58, 60, 44, 89, 0, 59}[d.pick(8)]
	size, n, stride, at := 8*(1+d.below(8)), 1, 1, d.below(16)
	if d.one(3) {
		size = max(8, d.length(i.mru()-wire.IPv6Len-wire.IPv6FragmentLen)&^7)
	}
	if d.one(3) {
		n, at = 1+d.byte(), 0
	}
	if d.one(3) {
		stride = 2
	}
	if d.one(16) {
		at = d.uint16() / size
	}
	last, odd, extra := d.one(2), d.one(8), 8*d.pick(3)
	for k := range n {
		off, length := (at+k*stride)*size, size
		if off > 65528 {
			break
		}
		if odd && k+1 == n {
			length += d.small()
		}
		first := wire.FragmentHeader
		if extra > 0 {
			first = 60
		}
		b := r.packet6(i, wire.Protocol(first), src, dst, extra+wire.IPv6FragmentLen+max(0, length), func(h *wire.IPv6) { h.TrafficClass = byte(d.pick(4)) })
		clear(b)
		if extra > 0 {
			b[0], b[1], b[2], b[3] = wire.FragmentHeader, byte(extra/8-1), 1, 4
			if extra > 8 {
				b[8], b[9] = 0x1e, byte(extra-10) // an unknown option that is skipped
			}
		}
		f := wire.IPv6Fragment{Next: next, Offset: off, More: !last || k+1 < n, ID: id}
		f.Put(b[extra:])
		if b = b[extra+wire.IPv6FragmentLen:]; off == 0 && len(b) >= 8 {
			switch next {
			case 17:
				binary.BigEndian.PutUint16(b[2:], d.port())
			case 58:
				b[0] = byte([...]int{128, 1, 135, 130}[d.pick(4)])
			case 60:
				b[0] = 17
			}
		}
		r.rx.Offload.CsumValid = true
		r.receive(i)
	}
}

// quote6 is quote for IPv6.
func (r *rig) quote6(i *Iface, d *decisions) {
	quoted := r.peer.last[:r.peer.lastN]
	if len(quoted) == 0 || versionOf(quoted) != ipv6 || d.one(3) {
		quoted = r.forged6(i, d)
	}
	n := max(0, len(quoted)-d.below(2)*d.byte())
	src, dst := r.station6(d), r.address6(i, d).WithZone("")
	if len(quoted) >= wire.IPv6Len && !d.one(8) {
		dst = netip.AddrFrom16([16]byte(quoted[8:]))
	}
	b := r.packet6(i, wire.ProtocolICMPv6, src, dst, wire.ICMPv6Len+n, nil)
	copy(b[wire.ICMPv6Len:], quoted[:n])
	if q := b[wire.ICMPv6Len:]; len(q) > 60 && d.one(4) {
		binary.BigEndian.PutUint16(q[[]int{40, 42, 44, 24, 8, 4, 6}[d.below(7)]:], uint16(d.uint16()))
	}
	m := wire.ICMPv6{Type: wire.ICMPv6PacketTooBig, MTU: uint32(d.uint16())}
	switch k := d.byte(); {
	case k < 96:
		m.MTU = uint32([...]int{1280, 1279, 1281, 1300, 1400, 1480, 68}[k%7])
	case k < 160:
		m.MTU = uint32(1280 + k)
	case k < 220:
		m.Type, m.Code = wire.ICMPv6DestUnreachable, uint8(k%8)
	case k < 240:
		m.Type, m.Code = wire.ICMPv6TimeExceeded, uint8(k%3)
	default:
		m.Type, m.Code, m.Pointer = wire.ICMPv6ParameterProblem, uint8(k%4), uint32(d.byte())
	}
	m.Put(b, src, dst)
	r.receive(i)
}

// forged6 is forged for IPv6.
func (r *rig) forged6(i *Iface, d *decisions) []byte {
	dst := hostileStations6[d.below(len(hostileStations6))]
	if d.one(2) {
		dst = many6(d.below(16))
	}
	b := r.peer.forged6[:]
	h := wire.IPv6{HopLimit: 3, NextHeader: wire.ProtocolUDP, Src: r.address6(i, d).WithZone(""), Dst: dst, PayloadLen: max(0, i.mru()-wire.IPv6Len-d.byte())}
	h.Put(b)
	binary.BigEndian.PutUint16(b[wire.IPv6Len:], d.port())
	binary.BigEndian.PutUint16(b[wire.IPv6Len+2:], d.port())
	return b
}

// hear6 handles an IPv6 packet that the host has sent.
func (p *peer) hear6(r *rig, i *Iface, b []byte) {
	ip, payload, err := wire.ParseIPv6(b)
	if err != nil || r.h.net.localAddrs[i.scoped(ip.Src)] != i && !ip.Src.IsUnspecified() {
		return // a packet that the host only forwards
	}
	switch ip.NextHeader {
	case wire.ProtocolTCP:
		if s, text, err := wire.ParseTCP(payload); err == nil {
			p.hearTCP(r, i, ip.Src, ip.Dst, &s, len(text))
		}
	case wire.ProtocolICMPv6:
		m, _, err := wire.ParseNeighborSolicitation(&ip, payload, false)
		if err != nil || p.still || ip.Src.IsUnspecified() {
			return
		}
		if k := slices.Index(hostileStations6[:], m.Target); k >= 0 {
			b := r.packet6(i, wire.ProtocolICMPv6, m.Target, ip.Src, wire.NeighborMessageLen+wire.NDLinkAddrLen, func(h *wire.IPv6) { h.HopLimit = 255 })
			wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDTargetLinkAddr, station6MAC(m.Target))
			a := wire.NeighborAdvertisement{Router: k%2 == 1, Solicited: true, Override: true, Target: m.Target}
			a.Put(b, m.Target, ip.Src)
			r.receive(i)
		}
	}
}

// change6 changes what concerns IPv6 alone.
func (r *rig) change6(d *decisions) {
	i := r.ifaces[d.pick(2)]
	p := hostileProbes6[d.below(len(hostileProbes6))]
	station := hostileStations6[d.below(len(hostileStations6))]
	switch d.below(14) {
	case 0:
		i.EnableIPv6(r.now)
	case 1:
		_ = i.AddAddr(r.now, p)
	case 2, 3:
		if n := len(i.addresses.list); n > 0 && d.one(2) {
			p = i.addresses.list[d.byte()%n].Prefix
		}
		r.renamed = i.DelAddr(r.now, p) == nil || r.renamed
	case 4, 5:
		_, _ = i.ProbeAddr(r.now, p)
	case 6:
		if n := len(i.addresses.probes); n > 0 && i.addresses.probes[n-1].origin == OriginManual {
			i.addresses.probes[n-1].Cancel()
		}
	case 7:
		_ = i.AddNeighbor(r.now, station, station6MAC(station))
	case 8:
		_ = i.DelNeighbor(r.now, station)
	case 9:
		if d.one(2) {
			_ = i.Advertise(r.now, nil)
			return
		}
		_ = i.Advertise(r.now, &Advertising{
			MaxInterval: time.Duration(d.below(20)) * time.Second, Lifetime: time.Duration(d.uint16()) * time.Second, MTU: d.uint16(),
			NoDefault: d.one(4), DNS: hostileStations6[:d.below(3)],
		})
	case 10:
		_ = r.h.AddRoute(hostilePrefixes6[d.below(len(hostilePrefixes6))], station, [...]*Iface{i, nil}[d.below(2)])
	case 11:
		_ = r.h.DelRoute(hostilePrefixes6[d.below(len(hostilePrefixes6))])
	case 12:
		r.h.SetForwarding(r.now, d.one(2))
	case 13:
		r.resized = true
		_ = i.SetMTU(r.anyMTU(d))
	}
}
