package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/wire"
)

// hostilePorts are the ports that both application and peer use.
var hostilePorts = [...]uint16{80, 81, 7, 5000, 5001, 5353}

func (d *decisions) port() uint16 { return hostilePorts[d.pick(len(hostilePorts))] }

// deed is a kind of op. weights are its frequencies in runs of each character.
type deed struct {
	name    string
	weights [numCharacters]int
	do      func(r *rig, d *decisions)
}

// The characters of runs: everything, a few connections in depth, everything but connections, and what concerns the link alone.
const (
	mixedRun = iota
	streamRun
	datagramRun
	linkRun // discovery of neighbours and routers, groups, addresses
	numCharacters
)

// deeds are all kinds; the first is that of the octet 0, the simplest.
var deeds = [...]deed{
	{"deadline", [...]int{22, 60, 30, 40}, func(r *rig, d *decisions) { r.advanceBy(d, 1) }},
	{"wait", [...]int{6, 8, 6, 10}, func(r *rig, d *decisions) { r.advance(time.Duration(1+d.uint16()) * 10 * time.Microsecond) }},
	{"wait long", [...]int{1, 0, 2, 4}, func(r *rig, d *decisions) { r.advance(time.Duration(1+d.byte()) * 3 * time.Second) }},
	{"lie", [...]int{50, 150, 0, 0}, func(r *rig, d *decisions) { r.talkOp(d, func(t *talk) { r.lie(t, d) }) }},
	{"lies", [...]int{6, 14, 0, 0}, func(r *rig, d *decisions) {
		r.talkOp(d, func(t *talk) {
			for range 1 + d.below(8) {
				r.lie(t, d)
			}
		})
	}},
	{"text", [...]int{20, 30, 0, 0}, (*rig).text},
	{"gaps", [...]int{4, 14, 0, 0}, (*rig).gaps},
	{"acknowledge", [...]int{8, 14, 0, 0}, func(r *rig, d *decisions) {
		r.talkOp(d, func(t *talk) {
			r.sendTCP(t, wire.ACK, t.theirs, t.nxt, 65535, r.peer.stampOf(t), 0)
			t.una = t.nxt
		})
	}},
	{"finish", [...]int{3, 2, 0, 0}, func(r *rig, d *decisions) {
		r.talkOp(d, func(t *talk) {
			r.sendTCP(t, wire.ACK|wire.FIN, t.theirs, t.nxt, 65535, r.peer.stampOf(t), d.length(100))
		})
	}},
	{"syn", [...]int{10, 2, 0, 0}, (*rig).syn},
	{"udp", [...]int{8, 0, 40, 6}, (*rig).udp},
	{"echo", [...]int{3, 0, 8, 4}, (*rig).echo},
	{"error", [...]int{8, 4, 16, 6}, func(r *rig, d *decisions) { r.quote(r.anyIface(d), d) }},
	{"arp", [...]int{5, 0, 14, 10}, (*rig).arp},
	{"igmp", [...]int{3, 0, 8, 4}, (*rig).igmp},
	{"fragments", [...]int{8, 0, 60, 4}, (*rig).fragments},
	{"nd", [...]int{8, 0, 8, 60}, (*rig).nd},
	{"mld", [...]int{2, 0, 6, 16}, (*rig).mld},
	{"message", [...]int{2, 0, 8, 8}, (*rig).message},
	{"chain", [...]int{3, 0, 20, 8}, (*rig).chain},
	{"fragments of IPv6", [...]int{6, 0, 50, 4}, (*rig).fragments6},
	{"noise", [...]int{3, 0, 6, 6}, (*rig).noise},
	{"mood", [...]int{4, 4, 3, 4}, (*rig).mood},
	{"dial", [...]int{9, 2, 0, 0}, func(r *rig, d *decisions) { r.app.dial(r, d) }},
	{"listen", [...]int{2, 0, 0, 0}, func(r *rig, d *decisions) { r.app.listen(r, d) }},
	{"accept", [...]int{6, 3, 0, 0}, func(r *rig, d *decisions) { r.app.accept(r, d) }},
	{"write", [...]int{15, 40, 0, 0}, func(r *rig, d *decisions) { r.app.write(r, d) }},
	{"read", [...]int{8, 12, 0, 0}, func(r *rig, d *decisions) { r.app.read(r, d) }},
	{"close", [...]int{6, 2, 0, 0}, func(r *rig, d *decisions) { r.app.close(r, d) }},
	{"configure", [...]int{3, 2, 0, 0}, func(r *rig, d *decisions) { r.app.configure(r, d) }},
	{"open socket", [...]int{5, 0, 14, 8}, func(r *rig, d *decisions) { r.app.open(r, d) }},
	{"use socket", [...]int{9, 0, 30, 14}, func(r *rig, d *decisions) { r.app.use(r, d) }},
	{"close socket", [...]int{3, 0, 6, 3}, func(r *rig, d *decisions) { r.app.shut(r, d) }},
	{"interface", [...]int{6, 2, 12, 40}, (*rig).change},
	{"host", [...]int{2, 0, 5, 10}, (*rig).changeHost},
	{"IPv6 of the host", [...]int{4, 0, 8, 30}, (*rig).change6},
}

// deedOf maps the first octet of an op to its deed, for runs of each character.
var deedOf = func() (tables [numCharacters][256]*deed) {
	for c := range tables {
		total := 0
		for k := range deeds {
			total += deeds[k].weights[c]
		}
		at := 0
		for k, sum := 0, 0; k < len(deeds); k++ {
			for sum += deeds[k].weights[c]; at*total < sum*256; at++ {
				tables[c][at] = &deeds[k]
			}
		}
	}
	return tables
}()

// do runs one op, and then transmits the host's frames.
func (r *rig) do(o *op) {
	x := deedOf[r.character][o[0]]
	if r.log != nil {
		r.logf("%s", x.name)
	}
	x.do(r, &decisions{o[1:]})
	if r.err == nil {
		r.pump()
	}
}

func (r *rig) talkOp(d *decisions, fn func(t *talk)) {
	if t := r.peer.choose(d); t != nil {
		fn(t)
	}
}

func (r *rig) anyIface(d *decisions) *Iface { return r.ifaces[d.pick(len(r.ifaces))] }

// advanceBy runs up to n of the host's deadlines.
func (r *rig) advanceBy(d *decisions, n int) {
	for n += d.below(4); n > 0 && r.err == nil; n-- {
		at := r.h.Deadline()
		if at > r.now.Add(time.Hour) {
			return
		}
		r.tick(at)
	}
}

// text sends consecutive segments, sometimes without one of them.
func (r *rig) text(d *decisions) {
	r.talkOp(d, func(t *talk) {
		n, size, skip := 1+d.below(4), d.length(1400), d.byte()
		if len, most := size, t.iface.mru()-t.headerLen()-32; len > most {
			size = max(0, most)
		}
		seq := t.theirs
		for k := range n {
			if k+1 != skip {
				r.sendTCP(t, wire.ACK|wire.PSH, seq, t.nxt, 65535, r.peer.stampOf(t), size)
			}
			seq = seq.Add(size)
		}
		t.una = t.nxt
	})
}

// gaps sends pieces of the stream with gaps between them.
func (r *rig) gaps(d *decisions) {
	r.talkOp(d, func(t *talk) {
		size, hole, at := 1+d.below(8), 1+d.byte(), 1+d.below(16)
		for range 1 + d.below(8) {
			r.sendTCP(t, wire.ACK, t.theirs.Add(at), t.una, 65535, r.peer.stampOf(t), size)
			at += size + hole
		}
	})
}

// syn opens a connection from a station to a port of the host. The peer's quirks may change before.
func (r *rig) syn(d *decisions) {
	i := r.ifaces[d.below(2)]
	src := hostileStations[0]
	if i == r.ifaces[1] {
		src = hostileStations[3]
	}
	if d.one(4) {
		src = hostileStations[d.below(len(hostileStations))]
	}
	if d.one(2) {
		r.peer.quirks = d.byte()
	}
	own := i.addr()
	if r.six && d.one(2) {
		src, own = r.station6(d), r.address6(i, d)
	}
	remote := netip.AddrPortFrom(src, uint16(2000+d.byte()%32))
	t := &talk{iface: i, local: netip.AddrPortFrom(own, d.port()), remote: remote}
	iss := wire.Seq(d.uint32())
	flags := wire.SYN
	if d.one(4) {
		flags |= wire.ECE | wire.CWR
	}
	text := 0
	if d.one(8) {
		text = d.length(100)
	}
	// The host's answer belongs to a new talk or to an existing one; in both, our next number follows this SYN.
	known := r.peer.find(i, own, src, &wire.TCP{SrcPort: t.local.Port(), DstPort: remote.Port()})
	known.ours, known.theirs = iss.Add(1), iss.Add(1)
	r.sendTCP(t, flags, iss, wire.Seq(d.byte()), 65535, r.peer.offer(t), text)
}

func (r *rig) udp(d *decisions) {
	i := r.anyIface(d)
	dst := [...]netip.Addr{i.addr(), i.addr(), netip.MustParseAddr("10.0.0.255"), limitedBroadcast, hostileGroups[0], hostileGroups[1], wire.AllHosts, hostileStations[2]}[d.pick(8)]
	src := hostileStations[d.pick(len(hostileStations))]
	if i.loop {
		src = i.addr()
	}
	if r.six && d.one(2) {
		src, dst = r.source6(i, d), r.dest6(i, d)
	}
	n := d.length(i.mru() - familyOf(dst).headerLen() - wire.UDPLen)
	b := r.packet(i, wire.ProtocolUDP, src, dst, wire.UDPLen+n, 0)
	clear(b[wire.UDPLen:])
	u := wire.UDP{SrcPort: d.port(), DstPort: d.port()}
	u.Put(b, src, dst)
	if d.one(8) && len(b) > 0 {
		b[d.byte()%len(b)] ^= byte(1 + d.byte())
	}
	r.receive(i)
}

func (r *rig) echo(d *decisions) {
	i := r.anyIface(d)
	if r.six && d.one(2) {
		r.echo6(i, d)
		return
	}
	src := hostileStations[d.pick(len(hostileStations))]
	n := d.length(i.mru() - wire.IPv4Len - wire.ICMPLen)
	dont := d.one(2)
	b := r.packetTo(i, wire.ProtocolICMP, src, i.addr(), wire.ICMPLen+n, func(h *wire.IPv4) { h.DontFragment = dont })
	clear(b[wire.ICMPLen:])
	m := wire.ICMP{Type: wire.ICMPEchoRequest, ID: uint16(d.below(4)), Seq: uint16(d.byte())}
	if d.one(3) {
		m.Type = wire.ICMPEchoReply
	}
	m.Put(b)
	r.receive(i)
}

// arp sends an ARP packet about a station, or about the host itself.
func (r *rig) arp(d *decisions) {
	k := d.below(len(hostileStations))
	a := wire.ARP{
		Op: wire.ARPReply, SenderHW: stationMAC(k), SenderIP: hostileStations[k], TargetHW: r.ifaces[0].mac, TargetIP: hostileOwn[0],
	}
	dst := r.ifaces[0].mac
	if d.one(2) {
		a.Op = wire.ARPRequest
	}
	if d.one(4) { // many stations
		a.SenderIP = netip.AddrFrom4([4]byte{10, 0, 0, byte(d.byte())})
		a.SenderHW[4] = byte(d.byte())
	}
	if d.one(4) {
		a.TargetIP, dst = a.SenderIP, wire.Broadcast
	}
	switch d.byte() {
	case 255:
		a.SenderIP = hostileOwn[0]
	case 254:
		a.SenderIP, a.TargetIP = netip.IPv4Unspecified(), hostileProbes[d.below(len(hostileProbes))].Addr()
	case 253:
		a.SenderHW = r.ifaces[0].mac
	}
	r.putARP(dst, a, a.SenderHW)
	r.receive(r.ifaces[0])
}

func (r *rig) igmp(d *decisions) {
	i := r.ifaces[d.below(2)]
	group := [...]netip.Addr{netip.IPv4Unspecified(), hostileGroups[0], hostileGroups[1], wire.AllHosts}[d.pick(4)]
	m := wire.IGMP{Type: wire.IGMPQuery, MaxResp: uint8(d.byte()), Group: group}
	dst := wire.AllHosts
	switch k := d.byte(); {
	case k >= 240:
		m.Type = wire.IGMPType(d.byte())
	case k >= 128:
		m.Type, dst = wire.IGMPv2Report, group
	}
	if !dst.IsMulticast() {
		dst = wire.AllHosts
	}
	b := r.packetTo(i, wire.ProtocolIGMP, hostileStations[d.pick(len(hostileStations))], dst, wire.IGMPLen, func(h *wire.IPv4) { h.TTL = 1 })
	m.Put(b)
	r.receive(i)
}

// fragments sends fragments of one datagram: in order up to some place, or one anywhere.
func (r *rig) fragments(d *decisions) {
	i := r.ifaces[d.below(2)]
	src := hostileStations[d.pick(len(hostileStations))]
	id, proto := uint16(d.below(8)), [...]wire.Protocol{wire.ProtocolUDP, wire.ProtocolTCP, wire.ProtocolICMP, 89}[d.pick(4)]
	size, n, stride, at := 8*(1+d.below(8)), 1, 1, d.below(16)
	if d.one(3) {
		size = max(8, d.length(i.mru()-wire.IPv4Len)&^7)
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
	last, odd := d.one(4), d.one(8)
	for k := range n {
		off, length := (at+k*stride)*size, size
		if off > 65528 {
			break
		}
		more := !last || k+1 < n
		if odd && k+1 == n {
			length += d.small()
		}
		b := r.packetTo(i, proto, src, i.addr(), max(0, length), func(h *wire.IPv4) {
			h.ID, h.FragmentOffset, h.MoreFragments, h.TOS = id, off, more, byte(d.pick(4))
		})
		clear(b)
		r.receive(i)
	}
}

// noise sends the host's or the peer's last packet with octets changed, a VLAN tag, or its end cut off, or an invented one.
func (r *rig) noise(d *decisions) {
	i := r.anyIface(d)
	var b []byte
	switch d.below(4) {
	case 0:
		b = r.rx.Bytes()
	case 1:
		b = append(b, r.tx.Bytes()...)
	case 2:
		b = append(b, r.rx.Bytes()...)
		if len(b) > 14 {
			b = append(b[:12:12], append([]byte{0x81, 0, 0, byte(d.byte())}, b[12:]...)...)
		}
	default:
		b = make([]byte, d.byte())
	}
	b = append([]byte(nil), b[:min(len(b), 4000)]...)
	for range d.below(4) {
		if len(b) > 0 {
			b[d.byte()%len(b)] = byte(d.byte())
		}
	}
	if d.one(4) {
		b = b[:min(len(b), d.byte())]
	}
	r.rx.Set(b)
	r.rx.Offload.CsumValid = d.one(2)
	if d.one(8) {
		r.rx.Offload.GSOSize = uint16(d.uint16())
	}
	r.receive(i)
}

// mood changes the peer's reactions.
func (r *rig) mood(d *decisions) {
	switch d.below(7) {
	case 6:
		r.peer.cross = !r.peer.cross
	case 0:
		r.peer.acks = !r.peer.acks
	case 1:
		r.peer.rude = !r.peer.rude
	case 2:
		r.peer.still = !r.peer.still
	case 3:
		r.peer.quirks = d.byte()
	default:
		r.deaf = d.byte() / 4
	}
}

// change changes an interface.
func (r *rig) change(d *decisions) {
	i := r.ifaces[d.below(2)]
	k, what := d.below(len(hostileStations)), d.below(11)
	r.resized = r.resized || what == 0 || what == 1 || what == 3
	switch what {
	case 10:
		_ = i.SetMAC(r.now, wire.HardwareAddr{2, 0, 0, 0, 0, byte(2 + 2*d.below(2))})
	case 0:
		_ = i.SetMTU(minMTU + d.uint16()%(maxMTU-minMTU))
	case 1:
		_ = i.SetMTU(r.anyMTU(d))
	case 2:
		i.SetUp(r.now, d.one(2))
	case 3:
		caps := i.caps
		caps.MTU, caps.MaxGSO, caps.TxChecksum = r.anyMTU(d), 0, d.one(2)
		if d.one(2) {
			caps.MaxGSO = 65535
		}
		i.SetLink(r.now, caps, !d.one(8))
	case 4:
		_ = i.AddAddr(r.now, hostileProbes[d.below(len(hostileProbes))])
	case 5:
		r.renamed = i.DelAddr(r.now, hostileProbes[d.below(len(hostileProbes))]) == nil || r.renamed
	case 6:
		_, _ = i.ProbeAddr(r.now, hostileProbes[d.below(len(hostileProbes))])
	case 7:
		_ = i.AddNeighbor(r.now, hostileStations[k], stationMAC(k))
	case 8:
		_ = i.DelNeighbor(r.now, hostileStations[k])
	case 9:
		i.FlushNeighbors(r.now)
	}
}

// hostileProbes are addresses that the host has for a while, hostileGroups the groups that its sockets join.
var (
	hostileProbes = [...]netip.Prefix{netip.MustParsePrefix("10.0.0.20/24"), netip.MustParsePrefix("10.2.0.1/16"), netip.MustParsePrefix("192.0.2.9/32"), netip.MustParsePrefix("10.0.0.2/24")}
	hostileGroups = [...]netip.Addr{netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("239.1.2.4")}
)

// changeHost changes the host.
func (r *rig) changeHost(d *decisions) {
	switch d.below(8) {
	case 0, 1:
		if r.cancel == nil {
			r.listenToEvents()
		} else {
			r.cancel()
			r.cancel = nil
		}
	case 6:
		r.cancelObserve = append(r.cancelObserve, r.h.Observe(func(*PacketEvent) {}))
	case 7:
		if n := len(r.cancelObserve); n > 0 {
			r.cancelObserve[n-1]()
			r.cancelObserve = r.cancelObserve[:n-1]
		}
	case 2:
		r.h.SetForwarding(0, d.one(2))
	case 3:
		_ = r.h.AddRoute(netip.MustParsePrefix("198.51.100.0/24"), hostileStations[d.below(2)], nil)
	case 4:
		_ = r.h.DelRoute(netip.MustParsePrefix("198.51.100.0/24"))
	case 5:
		l := limit(d.below(int(numLimits)))
		_ = r.h.SetLimit(limitNames[l], 1+d.uint16())
		r.most[l] = max(r.most[l], *r.h.limitOf(l))
	}
}
