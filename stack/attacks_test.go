package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// attacks lists the attacks, layer by layer. Each names the RFC that requires the reaction.
var attacks = []attack{
	{
		name: "Frames for other stations", what: "unicast frames to a MAC that is not ours", frames: 30_000,
		why: "dropped because of their destination address",
		frame: func(s *siege, k int) *phy.Frame {
			return crafted{wire.HardwareAddr{2, 7, 7, 0, byte(k >> 8), byte(k)}, macC, wire.EtherTypeIPv4, udpPacket(port(ipC, 1), port(ipB, 6969), nil)}.frame()
		},
		want: map[string]int{"dropped: unknown mac": 30_000}, count: map[string]uint64{"UdpInDatagrams": 0},
	},
	{
		name: "Group address as the sender", what: "frames whose source is a group or the broadcast address", frames: 1000,
		why: "dropped: no station has such an address (IEEE 802.3 §3.2.3)",
		frame: func(s *siege, k int) *phy.Frame {
			src := wire.Broadcast
			if k%2 == 0 {
				src = wire.HardwareAddr{1, 0, 0x5e, 0, 0, 1}
			}
			return crafted{macB, src, wire.EtherTypeIPv4, udpPacket(port(ipC, 1), port(ipB, 6969), nil)}.frame()
		},
		want: map[string]int{"dropped: bad source mac": 1000}, count: map[string]uint64{"UdpInDatagrams": 0},
	},
	{
		name: "Wrong lengths", what: "frames that are truncated or have a wrong length field, at every layer in turn", frames: 9 * 500,
		why:   "dropped: each layer checks its own header before it uses any field",
		frame: wrongLength,
		want: map[string]int{
			"dropped: truncated": 2500, "dropped: bad header length": 1000, "dropped: bad length": 1000,
		},
		count: map[string]uint64{"IpInHdrErrors": 1500, "TcpInErrs": 500, "UdpInErrors": 1000, "IcmpInErrors": 500},
	},
	{
		name: "ARP flood", what: "requests for our address, each from another neighbour", frames: 10_000,
		why: "answered; a new entry replaces the oldest to which we have never sent, and never one in use",
		frame: func(s *siege, k int) *phy.Frame {
			mac := wire.HardwareAddr{2, 9, 0, 0, byte(k >> 8), byte(k)}
			return arpFrame(wire.Broadcast, mac, wire.ARP{Op: wire.ARPRequest, SenderHW: mac, SenderIP: station(k), TargetIP: theWide.Addr()})
		},
		want: map[string]int{"arp reply": 10_000}, count: map[string]uint64{"ArpInRequests": 10_000, "ArpOutReplies": 10_000},
		within: sizes{neighbors: 1023, replies: 256},
	},
	{
		name: "ARP scan", what: "requests for addresses that are not ours", frames: 10_000,
		why: "dropped, and no neighbour is learnt (RFC 826)",
		frame: func(s *siege, k int) *phy.Frame {
			return arpFrame(wire.Broadcast, macC, wire.ARP{Op: wire.ARPRequest, SenderHW: macC, SenderIP: ipC, TargetIP: station(k)})
		},
		want: map[string]int{"arp not for us": 10_000}, count: map[string]uint64{"ArpInRequests": 10_000, "ArpOutReplies": 0},
	},
	{
		name: "ARP spoofing of a neighbour set by hand", what: "replies that give our router another MAC", frames: 10_000,
		why:     "an entry of neighbors.add() does not change",
		prepare: func(s *siege) { s.must(s.i.AddNeighbor(s.n.now, ipA, macA)) },
		frame: func(s *siege, k int) *phy.Frame {
			return arpFrame(macB, macC, wire.ARP{Op: wire.ARPReply, SenderHW: macC, SenderIP: ipA, TargetHW: macB, TargetIP: ipB})
		},
		want: map[string]int{"dropped: arp against permanent": 10_000}, count: map[string]uint64{"ArpInMoves": 10_000},
	},
	{
		name: "ARP spoofing of a learnt neighbour", what: "replies by which two stations alternately claim one address", frames: 10_000,
		why: "accepted, as RFC 826 requires, counted, and reported by on(\"neighbor\"); neighbors.add() prevents the change",
		frame: func(s *siege, k int) *phy.Frame {
			mac := wire.HardwareAddr{2, 0, 0, 0, 9, byte(k % 2)}
			return arpFrame(macB, mac, wire.ARP{Op: wire.ARPReply, SenderHW: mac, SenderIP: ipC, TargetHW: macB, TargetIP: ipB})
		},
		want: map[string]int{"arp": 10_000}, count: map[string]uint64{"ArpInMoves": 9_999}, within: sizes{neighbors: 1},
	},
	{
		name: "Claims to our address", what: "announcements of our address by another station", frames: 10_000,
		why:   "the host keeps the address and defends it by one announcement in ten seconds (RFC 5227 §2.4); on(\"conflict\") and a line at the prompt report it",
		frame: func(s *siege, k int) *phy.Frame { return arpFrame(wire.Broadcast, macC, claims(macC, ipB)) },
		want:  map[string]int{"dropped: arp conflict": 10_000}, count: map[string]uint64{"ArpInConflicts": 10_000, "ArpOutDefences": 1},
	},
	{
		name: "Martians", what: "packets from addresses that no station can have, or that are ours", frames: 8 * 1000,
		why: "dropped without an answer (RFC 1122 §3.2.1.3)",
		frame: func(s *siege, k int) *phy.Frame {
			src := []string{"127.0.0.1", "0.1.2.3", "224.0.0.1", "239.255.0.1", "240.0.0.1", "255.255.255.255", "10.0.0.255", "10.0.0.2"}[k%8]
			return fromC(udpPacket(port(netip.MustParseAddr(src), 5), port(ipB, 9), nil))
		},
		want: map[string]int{"dropped: martian source": 8000}, count: map[string]uint64{"IpInAddrErrors": 8000, "IcmpOutMsgs": 0},
	},
	{
		name: "Land", what: "SYNs from our own address and port", frames: 5000,
		why: "dropped: our address is the source of no packet from a link",
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(tcpPacket(port(ipB, 80), port(ipB, 80), wire.TCP{Seq: wire.Seq(k), Flags: wire.SYN, Window: 1000}, nil))
		},
		want: map[string]int{"dropped: martian source": 5000}, count: map[string]uint64{"IpInAddrErrors": 5000},
	},
	{
		name: "Smurf", what: "echo requests to broadcast addresses with a victim's source", frames: 5000,
		why: "not answered (RFC 1122 §3.2.2.6)",
		frame: func(s *siege, k int) *phy.Frame {
			dst := netip.MustParseAddr([]string{"10.0.0.255", "255.255.255.255", "10.0.0.0", "10.1.255.255"}[k%4])
			return crafted{wire.Broadcast, macC, wire.EtherTypeIPv4, icmpPacket(ipC, dst, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)}.frame()
		},
		want: map[string]int{"dropped: icmp to broadcast": 5000}, count: map[string]uint64{"IcmpInEchos": 5000, "IcmpOutMsgs": 0},
	},
	{
		name: "Fraggle", what: "datagrams to a closed port of the broadcast address", frames: 5000,
		why: "dropped: no ICMP error is sent about a broadcast (RFC 1122 §3.2.2)",
		frame: func(s *siege, k int) *phy.Frame {
			return crafted{wire.Broadcast, macC, wire.EtherTypeIPv4, udpPacket(port(ipC, 19), port(netip.MustParseAddr("10.0.0.255"), 7), nil)}.frame()
		},
		want: map[string]int{"dropped: no socket": 5000}, count: map[string]uint64{"UdpNoPorts": 5000, "IcmpOutMsgs": 0},
	},
	{
		name: "Broadcast frames with our address inside", what: "SYNs to our address in broadcast frames", frames: 5000,
		why: "dropped: otherwise every host of the link might answer (RFC 1122 §3.3.6)",
		frame: func(s *siege, k int) *phy.Frame {
			f := s.syn(ipC, 81)
			copy(f.Bytes(), wire.Broadcast[:])
			return f
		},
		want: map[string]int{"dropped: martian destination": 5000}, count: map[string]uint64{"TcpOutRsts": 0},
	},
	{
		name: "TCP to a group", what: "SYNs to broadcast and multicast addresses", frames: 5000,
		why: "dropped (RFC 9293 §3.9.2.3)",
		frame: func(s *siege, k int) *phy.Frame {
			dst, mac := netip.MustParseAddr("10.0.0.255"), wire.Broadcast
			if k%2 == 0 {
				dst, mac = wire.AllHosts, wire.GroupMAC(wire.AllHosts)
			}
			return crafted{mac, macC, wire.EtherTypeIPv4, tcpPacket(port(ipC, 5), port(dst, 80), wire.TCP{Flags: wire.SYN}, nil)}.frame()
		},
		want: map[string]int{"dropped: martian destination": 5000}, count: map[string]uint64{"TcpOutRsts": 0, "TcpPassiveOpens": 0},
	},
	{
		name: "IP options", what: "datagrams with malformed options, with source routes through us, and with unknown options, in turn", frames: 3 * 3000,
		why:     "a malformed option is answered by parameter problem, and a source route by source route failed (RFC 1122 §3.2.2.5, §3.3.5), at most 50 at once and 1000 per second; an unknown option is ignored",
		prepare: knowC,
		frame: func(s *siege, k int) *phy.Frame {
			options := [...]string{brokenOption, unfinished, "9e 04 0000"}[k%3]
			return fromC(optioned(wire.ProtocolUDP, ipC, ipB, options, udpPacket(port(ipC, 9), port(ipB, 6969), nil)[wire.IPv4Len:], nil))
		},
		want:  map[string]int{"udp :6969": 3000, "parameter problem": 399, "source route failed": 213, "dropped: icmp rate limit": 5388},
		count: map[string]uint64{"IpInHdrErrors": 3000, "IpInAddrErrors": 3000, "UdpInDatagrams": 3000}, within: sizes{replies: 256, octets: 256 << 10},
	},
	{
		name: "Teardrop", what: "first and last fragments that overlap, in turn", frames: 10_000,
		why: "the whole datagram is discarded, with its later fragments (RFC 5722)",
		frame: func(s *siege, k int) *phy.Frame {
			return fragmentPacket(uint16(k/2), wire.ProtocolUDP, k%2*24, k%2 == 0, 40-k%2*4)
		},
		want:  map[string]int{"held for reassembly": 5000, "dropped: fragment conflict": 5000},
		count: map[string]uint64{"IpReasmReqds": 10_000, "IpReasmFails": 5000}, within: sizes{assemblies: 5000, fragments: 1_280_000},
	},
	{
		name: "Ping of death", what: "last fragments that end beyond 65,535 octets", frames: 5000,
		why: "dropped: no datagram can be that long",
		frame: func(s *siege, k int) *phy.Frame {
			return fragmentPacket(uint16(k), wire.ProtocolICMP, 65_528, false, 1000)
		},
		want: map[string]int{"dropped: bad length": 5000}, count: map[string]uint64{"IpReasmReqds": 5000, "IpReasmFails": 5000},
	},
	{
		name: "Tiny fragments", what: "first fragments that split the TCP header", frames: 5000,
		why:   "TCP receives only complete segments, so that no flag is hidden in a second fragment (RFC 1858); the oldest datagrams are discarded to make room",
		frame: func(s *siege, k int) *phy.Frame { return fragmentPacket(uint16(k), wire.ProtocolTCP, 0, true, 8) },
		want:  map[string]int{"held for reassembly": 5000},
		count: map[string]uint64{"IpReasmReqds": 5000, "IpReasmFails": 3458, "TcpPassiveOpens": 0}, within: sizes{assemblies: 1600, fragments: 4 << 20},
	},
	{
		name: "Fragment flood", what: "fragments of datagrams of 64 KB that are never completed, from many addresses", frames: 20_000,
		why: "their storage is bounded; the oldest datagrams are discarded, so that complete ones still arrive",
		frame: func(s *siege, k int) *phy.Frame {
			src := netip.AddrFrom4([4]byte{198, 18, byte(k >> 8), byte(k)})
			return fromC(ipPacket(wire.ProtocolUDP, src, ipB, make([]byte, 1480), func(h *wire.IPv4) {
				h.FragmentOffset, h.MoreFragments = k%44*1480, true
			}))
		},
		want:  map[string]int{"held for reassembly": 20_000},
		count: map[string]uint64{"IpReasmReqds": 20_000, "IpReasmFails": 18_458}, within: sizes{assemblies: 1600, fragments: 4 << 20},
	},
	{
		name: "Protocols that are not there", what: "packets of every protocol number except ICMP, IGMP, TCP and UDP, in turn", frames: 10_000,
		why:     "answered by protocol unreachable, at most 50 at once and 1000 per second",
		prepare: knowC,
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(ipPacket(wire.Protocol(18+k%230), ipC, ipB, make([]byte, 20), nil))
		},
		want:  map[string]int{"protocol unreachable": 674, "dropped: icmp rate limit": 9326},
		count: map[string]uint64{"IpInUnknownProtos": 10_000, "IcmpOutDestUnreachs": 674, "IcmpOutRateLimited": 9326}, within: sizes{replies: 256},
	},
	{
		name: "Echo flood", what: "echo requests as fast as the link carries them", frames: 20_000,
		why:     "answered; the queue of answers is bounded",
		prepare: knowC,
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(icmpPacket(ipC, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1, Seq: uint16(k)}, make([]byte, 1000)))
		},
		want: map[string]int{"echo reply": 20_000}, count: map[string]uint64{"IcmpInEchos": 20_000, "IcmpOutEchoReps": 20_000}, within: sizes{replies: 256},
	},
	{
		name: "Echo flood from nobody", what: "echo requests, each from another unused address of our link", frames: 20_000,
		why: "for answers, at most 128 neighbours are being resolved, and one datagram waits for each",
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(icmpPacket(station(k), ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, nil))
		},
		want: map[string]int{"echo reply": 128, "dropped: neighbor table full": 19_872}, count: map[string]uint64{"IcmpInEchos": 20_000},
		within: sizes{neighbors: 128, asked: 128, waiting: 128},
	},
	{
		name: "Redirects", what: "ICMP redirects to the attacker, forged in the name of our router", frames: 10_000,
		why: "ignored: routes are configured by hand",
		frame: func(s *siege, k int) *phy.Frame {
			m := icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPRedirect, Code: uint8(k % 4), Gateway: ipC}, s.quoting(wire.ICMPRedirect, 0, 0)[28:])
			return fromC(m)
		},
		want: map[string]int{"dropped: icmp redirect": 10_000}, count: map[string]uint64{"IcmpInRedirects": 10_000},
	},
	{
		name: "Blind ICMP errors", what: "unreachable, time exceeded, source quench and parameter problem about our connection, with guessed sequence numbers", frames: 10_000,
		why: "dropped: an ICMP error is used only if it quotes octets in flight (RFC 5927 §4)",
		frame: func(s *siege, k int) *phy.Frame {
			t := []wire.ICMPType{wire.ICMPDestUnreachable, wire.ICMPTimeExceeded, wire.ICMPSourceQuench, wire.ICMPParameterProblem}[k%4]
			return fromC(s.quoting(t, uint8(k/4%4), s.server.Info(s.n.now).SndNxt.Add(1+s.rng.IntN(1<<31-1))))
		},
		want:  map[string]int{"dropped: icmp no socket": 7500, "dropped: icmp unknown type": 2500},
		count: map[string]uint64{"IcmpInDestUnreachs": 2500, "IcmpInTimeExcds": 2500, "IcmpInParmProbs": 2500},
	},
	{
		name: "ICMP errors of one who sees us", what: "hard errors (protocol, port, prohibited) that quote octets in flight", frames: 10_000,
		why: "stored as the reason in case the connection fails; none ends it (RFC 5927 §5.2)",
		frame: func(s *siege, k int) *phy.Frame {
			if s.server.Info(s.n.now).SendQ == 0 {
				_, _ = s.server.Write(s.n.now, octets(siegeOctets)[s.down.sent:s.down.sent+1])
				s.down.sent++
			}
			code := []uint8{wire.UnreachableProtocol, wire.UnreachablePort, wire.UnreachableProhibited}[k%3]
			return fromC(s.quoting(wire.ICMPDestUnreachable, code, s.server.Info(s.n.now).SndUna))
		},
		want: map[string]int{"ESTABLISHED": 10_000}, count: map[string]uint64{"IcmpInDestUnreachs": 10_000, "TcpEstabResets": 0},
	},
	{
		name: "Blind path MTU", what: "fragmentation needed with small MTUs about our connection, with guessed sequence numbers", frames: 10_000,
		why: "dropped: an ICMP error is used only if it quotes octets in flight (RFC 5927 §7)",
		frame: func(s *siege, k int) *phy.Frame {
			p := fragNeeded(uint16(s.rng.IntN(1400)), wire.ProtocolTCP, ipA, 1500, s.server.Info(s.n.now).SndNxt.Add(1+s.rng.IntN(1<<31-1)), s.client.Local().Port())
			return fromC(p)
		},
		want: map[string]int{"dropped: icmp no socket": 10_000}, count: map[string]uint64{"IcmpInDestUnreachs": 10_000, "TcpExtTCPPathMTU": 0},
	},
	{
		name: "Port unreachable without end", what: "datagrams to closed ports", frames: 20_000,
		why:     "answered, at most 50 at once and 1000 per second",
		prepare: knowC,
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(udpPacket(port(ipC, 5), port(ipB, uint16(7000+k)), nil))
		},
		want:  map[string]int{"port unreachable": 1299, "dropped: icmp rate limit": 18_701},
		count: map[string]uint64{"UdpNoPorts": 20_000, "IcmpOutDestUnreachs": 1299, "IcmpOutRateLimited": 18_701}, within: sizes{replies: 256},
	},
	{
		name: "UDP flood", what: "datagrams to a socket that nobody reads", frames: 20_000,
		why: "the queue of the socket is bounded in octets, including overhead",
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(udpPacket(port(ipC, 5), port(ipB, 6969), make([]byte, k%1400)))
		},
		want:  map[string]int{"udp :6969": 667, "dropped: socket queue full": 19_333},
		count: map[string]uint64{"UdpInDatagrams": 667, "UdpRcvbufErrors": 19_333}, within: sizes{octets: 256 << 10},
	},
	{
		name: "IGMP queries", what: "queries for every group that demand an immediate answer", frames: 10_000,
		why:     "at most one answer per group is pending at a time",
		prepare: joinGroups,
		frame: func(s *siege, k int) *phy.Frame {
			f := igmpFrame(ipC, wire.AllHosts, wire.IGMP{Type: wire.IGMPQuery, MaxResp: 1, Group: netip.IPv4Unspecified()})
			copy(f.Bytes()[6:], macC[:])
			return f
		},
		want: map[string]int{"igmp": 10_000}, count: map[string]uint64{"IgmpInQueries": 10_000}, within: sizes{timers: 10, replies: 10},
	},
}

// must ends the test if the preparation of an attack fails.
func (s *siege) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// knowC adds the attacker's neighbour entry, so that B sends no ARP request for it.
func knowC(s *siege) { s.must(s.i.AddNeighbor(s.n.now, ipC, macC)) }

func joinGroups(s *siege) {
	u, err := s.b.BindUDP(port(netip.Addr{}, 5353))
	s.must(err)
	for k := range 10 {
		s.must(u.Join(s.n.now, netip.AddrFrom4([4]byte{239, 1, 2, byte(k)}), nil))
	}
}

// fragmentPacket returns a fragment of datagram id. The fragment has n octets at offset off.
func fragmentPacket(id uint16, proto wire.Protocol, off int, more bool, n int) *phy.Frame {
	return fromC(ipPacket(proto, ipC, ipB, make([]byte, n), func(h *wire.IPv4) {
		h.ID, h.FragmentOffset, h.MoreFragments = id, off, more
	}))
}

// wrongLength returns a frame with a wrong length at the layer of k.
func wrongLength(s *siege, k int) *phy.Frame {
	udp := udpPacket(port(ipC, 5), port(ipB, 6969), make([]byte, 30))
	segment := tcpPacket(port(ipC, 5), port(ipB, 80), wire.TCP{Flags: wire.SYN}, make([]byte, 30))
	be := binary.BigEndian
	rest := udp[wire.IPv4Len:]
	switch k % 9 {
	case 0: // a truncated Ethernet header
		f := phy.NewFrame(phy.FrameSize)
		f.Set(fromC(udp).Bytes()[:k%14])
		return f
	case 1: // a truncated ARP packet
		q := make([]byte, wire.ARPLen)
		a := claims(macC, ipC)
		a.Put(q)
		return crafted{macB, macC, wire.EtherTypeARP, q[:k%wire.ARPLen]}.frame()
	case 2: // a truncated IP header
		return fromC(udp[:k%20])
	case 3: // a total length beyond the packet's end
		be.PutUint16(udp[2:], uint16(len(udp)+1+k%100))
		return fromC(resum(udp))
	case 4: // an IP header of less than 20 octets
		udp[0] = 0x40 | byte(k%5)
		return fromC(resum(udp))
	case 5: // a TCP header of less than 20 octets
		segment[wire.IPv4Len+12] = byte(k%5) << 4
		return fromC(segment)
	case 6: // a UDP length beyond the packet's end
		be.PutUint16(rest[4:], uint16(len(rest)+1+k%100))
		return fromC(udp)
	case 7: // a UDP length below its header's
		be.PutUint16(rest[4:], uint16(k%8))
		return fromC(udp)
	}
	return fromC(ipPacket(wire.ProtocolICMP, ipC, ipB, make([]byte, k%8), nil))
}

// resum corrects the checksum of an IP header of 20 octets.
func resum(b []byte) []byte {
	b[10], b[11] = 0, 0
	sum := wire.Checksum(b[:wire.IPv4Len])
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}
