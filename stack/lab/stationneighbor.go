package lab

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

const ndHopLimit = 255 // hop limit of every neighbour discovery message (RFC 4861 §3.1)

var allNodes = netip.MustParseAddr("ff02::1")

// hear learns the hardware address of a frame's sender, and answers an ARP request or a neighbour solicitation.
func (st *BareStation) hear(now clock.Instant, frame []byte) {
	h, payload, err := wire.ParseEthernet(frame)
	if err != nil || h.Src.IsGroup() || h.Src.IsZero() {
		return
	}
	switch h.Type {
	case wire.EtherTypeARP:
		if a, err := wire.ParseARP(payload); err == nil {
			st.learn(a.SenderIP, a.SenderHW)
			st.answerARP(now, &a)
		}
	case wire.EtherTypeIPv4:
		if ip, _, err := wire.ParseIPv4(payload); err == nil {
			st.learn(ip.Src, h.Src)
		}
	case wire.EtherTypeIPv6:
		if ip, upper, err := wire.ParseIPv6(payload); err == nil {
			st.learn(ip.Src, h.Src)
			st.hearND(now, &ip, h.Src, upper)
		}
	}
}

// learn records that the IP address a was heard from a hardware address.
func (st *BareStation) learn(a netip.Addr, mac wire.HardwareAddr) {
	if a.IsUnspecified() || a.IsMulticast() || mac.IsZero() || mac.IsGroup() {
		return
	}
	if _, known := st.neighbors[a]; !known && len(st.neighbors) >= stationNeighbors {
		clear(st.neighbors)
	}
	st.neighbors[a] = mac
}

// answers reports whether the station answers requests for the hardware address of a.
func (st *BareStation) answers(a netip.Addr) bool { return !st.silent && slices.Contains(st.addrs, a) }

// answerARP answers a request for one of the station's addresses (RFC 826).
func (st *BareStation) answerARP(now clock.Instant, a *wire.ARP) {
	if a.Op != wire.ARPRequest || !st.answers(a.TargetIP) || a.SenderHW.IsZero() || a.SenderHW.IsGroup() {
		return
	}
	st.sendARP(now, a.SenderHW, &wire.ARP{Op: wire.ARPReply, SenderHW: st.mac, SenderIP: a.TargetIP, TargetHW: a.SenderHW, TargetIP: a.SenderIP})
}

func (st *BareStation) sendARP(now clock.Instant, to wire.HardwareAddr, a *wire.ARP) {
	var frame [wire.EthernetLen + wire.ARPLen]byte
	eth := wire.Ethernet{Dst: to, Src: st.mac, Type: wire.EtherTypeARP}
	a.Put(frame[eth.Put(frame[:]):])
	_ = st.Send(now, frame[:]) // a link that is down loses it, like any frame
}

// hearND reads a neighbour discovery message: it learns the address in a solicitation or an advertisement, and answers a solicitation for one of
// the station's addresses. from is the frame's sender.
func (st *BareStation) hearND(now clock.Instant, ip *wire.IPv6, from wire.HardwareAddr, m []byte) {
	if ip.NextHeader != wire.ProtocolICMPv6 || len(m) == 0 {
		return
	}
	switch wire.ICMPv6Type(m[0]) {
	case wire.ICMPv6NeighborSolicitation:
		ns, options, err := wire.ParseNeighborSolicitation(ip, m, true)
		if err != nil {
			return
		}
		to := from
		if mac, ok := linkAddr(options, wire.NDSourceLinkAddr); ok {
			st.learn(ip.Src, mac)
			to = mac
		}
		if st.answers(ns.Target) && !to.IsGroup() {
			st.answerND(now, ip.Src, to, ns.Target)
		}
	case wire.ICMPv6NeighborAdvertisement:
		na, options, err := wire.ParseNeighborAdvertisement(ip, m, true)
		if mac, ok := linkAddr(options, wire.NDTargetLinkAddr); err == nil && ok {
			st.learn(na.Target, mac)
		}
	}
}

// linkAddr returns the link-layer address in the first option of a type.
func linkAddr(options wire.NDOptions, t wire.NDOptionType) (a wire.HardwareAddr, ok bool) {
	for o, rest, more := options.Next(); more; o, rest, more = rest.Next() {
		if o.Type == t {
			return o.LinkAddr()
		}
	}
	return a, false
}

// answerND advertises target to the sender of a solicitation, or to all nodes if that sender has no address yet (RFC 4861 §7.2.4).
func (st *BareStation) answerND(now clock.Instant, src netip.Addr, to wire.HardwareAddr, target netip.Addr) {
	na := wire.NeighborAdvertisement{Solicited: true, Override: true, Target: target}
	if src.IsUnspecified() {
		na.Solicited, src, to = false, allNodes, wire.GroupMAC(allNodes)
	}
	var m [wire.NeighborMessageLen + 8]byte
	wire.PutNDLinkAddr(m[wire.NeighborMessageLen:], wire.NDTargetLinkAddr, st.mac)
	na.Put(m[:], target, src)
	st.sendND(now, to, target, src, m[:])
}

func (st *BareStation) sendND(now clock.Instant, to wire.HardwareAddr, src, dst netip.Addr, m []byte) {
	frame := make([]byte, wire.EthernetLen+wire.IPv6Len, wire.EthernetLen+wire.IPv6Len+len(m))
	eth := wire.Ethernet{Dst: to, Src: st.mac, Type: wire.EtherTypeIPv6}
	ip := wire.IPv6{PayloadLen: len(m), NextHeader: wire.ProtocolICMPv6, HopLimit: ndHopLimit, Src: src, Dst: dst}
	ip.Put(frame[eth.Put(frame):])
	_ = st.Send(now, append(frame, m...)) // a link that is down loses it, like any frame
}

// Ask sends an ARP request or a neighbour solicitation for the address a. Neighbor returns the answer once it has arrived. The request's source
// is the station's first address of the family, of IPv6 a link-local one for a link-local address if it has one. Without an address of the family, an ARP
// request is a probe, and the error of a solicitation is ErrNoSource.
func (st *BareStation) Ask(now clock.Instant, a netip.Addr) error {
	if st.closed {
		return ErrStationClosed
	}
	src := st.Source(a)
	if a.Is4() {
		if !src.IsValid() {
			src = netip.IPv4Unspecified()
		}
		st.sendARP(now, wire.Broadcast, &wire.ARP{Op: wire.ARPRequest, SenderHW: st.mac, SenderIP: src, TargetIP: a})
		return nil
	}
	if !src.IsValid() {
		return ErrNoSource
	}
	ns := wire.NeighborSolicitation{Target: a}
	var m [wire.NeighborMessageLen + 8]byte
	wire.PutNDLinkAddr(m[wire.NeighborMessageLen:], wire.NDSourceLinkAddr, st.mac)
	group := wire.SolicitedNode(a)
	ns.Put(m[:], src, group)
	st.sendND(now, wire.GroupMAC(group), src, group, m[:])
	return nil
}

// Source returns the station's address for packets to dst: its first one of the family, of IPv6 the first with dst's scope (link-local or not) if
// it has one. It returns the zero Addr if the station has no address of the family.
func (st *BareStation) Source(dst netip.Addr) netip.Addr {
	near := func(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() }
	var best netip.Addr
	for _, a := range st.addrs {
		if a.Is4() != dst.Is4() {
			continue
		}
		if near(a) == near(dst) {
			return a
		}
		if !best.IsValid() {
			best = a
		}
	}
	return best
}
