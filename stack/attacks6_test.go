package stack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// attacks6 is the list of attacks in IPv6, layer by layer.
var attacks6 = []attack{
	{
		name: "Martians", what: "packets from addresses that no station can have, or that are ours", frames: 6 * 1000, six: true,
		why: "dropped without an answer (RFC 4291 §2.5, §2.7)",
		frame: func(s *siege, k int) *phy.Frame {
			src := netip.MustParseAddr([]string{"::1", "ff02::1", "::ffff:10.0.0.1", "::", "fd00::2", "ff0e::1"}[k%6])
			return from6C(attackUDP6(port(src, 5), port(ip6B, 9), 0))
		},
		want: map[string]int{"dropped: martian source": 6000}, count: map[string]uint64{"Ip6InAddrErrors": 6000, "Icmp6OutMsgs": 0},
	},
	{
		name: "Land", what: "SYNs from our own address and port", frames: 5000, six: true,
		why: "dropped: our address is the source of no packet from a link",
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(attackTCP6(port(ip6B, 80), port(ip6B, 80), wire.TCP{Seq: wire.Seq(k), Flags: wire.SYN, Window: 1000}, 0))
		},
		want: map[string]int{"dropped: martian source": 5000}, count: map[string]uint64{"Ip6InAddrErrors": 5000},
	},
	{
		name: "Groups that never leave a node", what: "datagrams to groups of scopes 0 and 1", frames: 5000, six: true,
		why: "dropped (RFC 4291 §2.7)",
		frame: func(s *siege, k int) *phy.Frame {
			g := netip.MustParseAddr([]string{"ff00::1", "ff01::1"}[k%2])
			return foundFrame(wire.GroupMAC(g), attackUDP6(port(ip6C, 5), port(g, 6969), 0))
		},
		want: map[string]int{"dropped: martian destination": 5000}, count: map[string]uint64{"UdpInDatagrams": 0},
	},
	{
		name: "Neighbour solicitations", what: "solicitations for our address, each from another neighbour", frames: 10_000, six: true,
		why: "answered; a new entry replaces the oldest to which we have never sent, and never one in use",
		frame: func(s *siege, k int) *phy.Frame {
			return fromStation(k, solicit(station6(k), ip6B, mac6(k)))
		},
		want: map[string]int{"neighbor advertisement": 10_000}, count: map[string]uint64{"Icmp6InNeighborSolicits": 10_000, "Icmp6OutNeighborAdvertisements": 10_000},
		within: sizes{neighbors: 1023, replies: 256},
	},
	{
		name: "Scan by neighbour solicitations", what: "solicitations for addresses that are not ours, sent to us", frames: 10_000, six: true,
		why:   "not answered, and no neighbour is learnt (RFC 4861 §7.2.3)",
		frame: func(s *siege, k int) *phy.Frame { return from6C(solicit(ip6C, station6(k), macC)) },
		want:  map[string]int{"nd not for us": 10_000}, count: map[string]uint64{"Icmp6OutNeighborAdvertisements": 0},
	},
	{
		name: "Duplicate detection of our address", what: "solicitations without a source for our address", frames: 10_000, six: true,
		why: "answered to all nodes: the address is taken (RFC 4862 §5.4.3)",
		frame: func(s *siege, k int) *phy.Frame {
			g := wire.SolicitedNode(ip6B)
			b := make([]byte, wire.NeighborMessageLen)
			m := wire.NeighborSolicitation{Target: ip6B}
			m.Put(b, netip.IPv6Unspecified(), g)
			return foundFrame(wire.GroupMAC(g), packet6To(wire.ProtocolICMPv6, netip.IPv6Unspecified(), g, 255, b))
		},
		want: map[string]int{"neighbor advertisement": 10_000}, count: map[string]uint64{"Icmp6OutNeighborAdvertisements": 10_000}, within: sizes{replies: 256},
	},
	{
		name: "Denial of duplicate detection", what: "a claim to each address for which the host probes", frames: 10_000, six: true,
		why:     "the host gives up an address after four candidates (RFC 7217 §6), and keeps those that it has",
		prepare: func(s *siege) { s.advertise(1, 300) },
		frame: func(s *siege, k int) *phy.Frame {
			target := netip.MustParseAddr("2001:db8:1::99")
			for _, c := range s.i.addresses.probes {
				target = c.addr.WithZone("")
			}
			return foundFrame(wire.GroupMAC(wire.AllNodes6), advertiseNeighbor(target, wire.AllNodes6, target, macC, wire.NeighborAdvertisement{Override: true}))
		},
		want: map[string]int{"nd not for us": 9996, "dropped: nd conflict": 4}, count: map[string]uint64{"Icmp6InConflicts": 4}, within: sizes{claims: 1},
	},
	{
		name: "Claims to our address", what: "advertisements of our address by another station", frames: 10_000, six: true,
		why: "the host keeps the address, and advertises it once in ten seconds; on(\"conflict\") and a line at the prompt report it",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), advertiseNeighbor(ip6C, wire.AllNodes6, ip6B, macC, wire.NeighborAdvertisement{Override: true}))
		},
		want: map[string]int{"dropped: nd conflict": 10_000}, count: map[string]uint64{"Icmp6InConflicts": 10_000, "Icmp6OutNeighborAdvertisements": 1},
	},
	{
		name: "Advertisements of unknown neighbours", what: "advertisements that answer nothing, for as many addresses", frames: 10_000, six: true,
		why: "dropped: an advertisement makes no entry (RFC 4861 §7.2.5)",
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(advertiseNeighbor(ip6C, ip6B, station6(k), macC, wire.NeighborAdvertisement{Override: true, Solicited: true}))
		},
		want: map[string]int{"dropped: nd unsolicited": 10_000}, count: map[string]uint64{"Icmp6InNeighborAdvertisements": 10_000},
	},
	{
		name: "Spoofing of a neighbour set by hand", what: "advertisements that give our peer another MAC", frames: 10_000, six: true,
		why:     "an entry of neighbors.add() does not change",
		prepare: func(s *siege) { s.must(s.i.AddNeighbor(s.n.now, ip6A, macA)) },
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(advertiseNeighbor(ip6A, ip6B, ip6A, macC, wire.NeighborAdvertisement{Override: true, Solicited: k%2 == 0}))
		},
		want: map[string]int{"dropped: arp against permanent": 10_000},
	},
	{
		name: "Spoofing without the override flag", what: "advertisements that give our peer another MAC, without the override flag", frames: 10_000, six: true,
		why: "the entry keeps its MAC; it becomes STALE and is confirmed again (RFC 4861 §7.2.5)",
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(advertiseNeighbor(ip6A, ip6B, ip6A, macC, wire.NeighborAdvertisement{Solicited: k%2 == 0}))
		},
		want: map[string]int{"icmp6": 10_000},
	},
	{
		name: "Discovery from beyond the link", what: "every message of discovery, with a hop limit below 255", frames: 10_000, six: true,
		why: "dropped: only a station of the link can send 255 (RFC 4861 §3.1)",
		frame: func(s *siege, k int) *phy.Frame {
			b := make([]byte, wire.RedirectLen)
			b[0] = byte(133 + k%5)
			return from6C(message6(linkC, ip6B, byte(k%255), b))
		},
		want: map[string]int{"dropped: bad hop limit": 10_000}, count: map[string]uint64{"Icmp6InErrors": 10_000},
	},
	{
		name: "Discovery in fragments", what: "advertisements of a router behind a fragment header", frames: 5000, six: true,
		why: "dropped (RFC 6980 §5)",
		frame: func(s *siege, k int) *phy.Frame {
			p := s.prefixAdvertisement(k, 300)
			f := wire.IPv6Fragment{Next: wire.ProtocolICMPv6, ID: uint32(k)}
			b := make([]byte, wire.IPv6FragmentLen, 200)
			f.Put(b)
			g := wire.AllNodes6
			return foundFrame(wire.GroupMAC(g), packet6To(wire.Protocol(wire.FragmentHeader), linkC, g, 255, append(b, p[wire.IPv6Len:]...)))
		},
		want: map[string]int{"dropped: nd fragmented": 5000},
	},
	{
		name: "Router advertisements", what: "advertisements, each of another router with another prefix", frames: 10_000, six: true,
		why: "at most 16 routers, 32 prefixes and 32 addresses are kept for each interface; an entry that is alive gives way to none of the same preference",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), s.routerAdvertisement(k, 300))
		},
		want:   map[string]int{"icmp6": 10_000},
		count:  map[string]uint64{"Icmp6InRouterAdvertisements": 10_000},
		within: sizes{neighbors: 1023, claims: 32, addrs: 32, routes: 48, replies: 256},
	},
	{
		name: "A prefix that comes and goes", what: "advertisements that give and take back a prefix in turn", frames: 10_000, six: true,
		why: "an address is kept for two hours in spite of an advertisement that takes it back (RFC 4862 §5.5.3)",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), s.prefixAdvertisement(1, 300*(k%2)))
		},
		want:   map[string]int{"icmp6": 10_000},
		within: sizes{claims: 1, addrs: 1, routes: 2, neighbors: 1, replies: 16},
	},
	{
		name: "Forged redirects", what: "redirects to the attacker from stations that are not the first hop", frames: 10_000, six: true,
		why: "dropped: only the present first hop may redirect (RFC 4861 §8.1)",
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(redirect6(linkC, linkC, many6(k)))
		},
		want: map[string]int{"dropped: nd redirect": 10_000}, count: map[string]uint64{"Icmp6InRedirects": 10_000},
	},
	{
		name: "Redirects in our router's name", what: "redirects to the attacker, each for another destination", frames: 10_000, six: true,
		why:     "followed, as RFC 4861 §8.3 requires, for 64 destinations; a new one replaces the oldest",
		prepare: func(s *siege) { s.must(s.b.AddRoute(netip.MustParsePrefix("2000::/3"), s.linkA(), s.i)) },
		frame:   func(s *siege, k int) *phy.Frame { return from6C(redirect6(s.linkA(), linkC, many6(k))) },
		want:    map[string]int{"icmp6": 10_000}, count: map[string]uint64{"Icmp6InRedirects": 10_000}, within: sizes{routes: 64},
		keeps: "learned routes",
	},
	{
		name: "Scan of a prefix behind us", what: "packets by which we, a router, would have to ask for 10,000 neighbours", frames: 10_000, six: true,
		why:     "128 neighbours are being resolved at a time; packets to others are dropped (RFC 6583 §7.1)",
		prepare: func(s *siege) { s.b.SetForwarding(s.n.now, true); s.n.run(time.Second) },
		frame:   func(s *siege, k int) *phy.Frame { return from6C(echoRequest6(ip6C, station6(k))) },
		want:    map[string]int{"forwarded": 127, "dropped: neighbor table full": 9873},
		within:  sizes{neighbors: 128, asked: 128, waiting: 384},
	},
	{
		name: "Smurf", what: "echo requests to all nodes with a victim's source", frames: 5000, six: true,
		why:     "answered, as RFC 4443 §4.2 asks, but at most 50 at once and 1000 per second",
		prepare: knowC6,
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), echoRequest6(ip6C, wire.AllNodes6))
		},
		count: map[string]uint64{"Icmp6InEchos": 5000}, within: sizes{replies: 256},
		want: map[string]int{"echo reply": 362, "dropped: icmp rate limit": 4638},
	},
	{
		name: "Fraggle", what: "datagrams to a closed port of all nodes", frames: 5000, six: true,
		why: "dropped: no error is sent about a group (RFC 4443 §2.4)",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), attackUDP6(port(ip6C, 19), port(wire.AllNodes6, 7), 0))
		},
		want: map[string]int{"dropped: no socket": 5000}, count: map[string]uint64{"UdpNoPorts": 5000, "Icmp6OutMsgs": 0},
	},
	{
		name: "Group frames with our address inside", what: "SYNs to our address in frames to a group", frames: 5000, six: true,
		why: "dropped: otherwise every node of the link might answer",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), attackTCP6(port(ip6C, 5), port(ip6B, 81), wire.TCP{Flags: wire.SYN}, 0))
		},
		want: map[string]int{"dropped: martian destination": 5000}, count: map[string]uint64{"TcpOutRsts": 0},
	},
	{
		name: "TCP to a group", what: "SYNs to all nodes", frames: 5000, six: true,
		why: "dropped (RFC 9293 §3.9.2.3)",
		frame: func(s *siege, k int) *phy.Frame {
			return foundFrame(wire.GroupMAC(wire.AllNodes6), attackTCP6(port(ip6C, 5), port(wire.AllNodes6, 80), wire.TCP{Flags: wire.SYN}, 0))
		},
		want: map[string]int{"dropped: martian destination": 5000}, count: map[string]uint64{"TcpOutRsts": 0, "TcpPassiveOpens": 0},
	},
	{
		name: "Chains of extension headers", what: "packets with as many extension headers, or as many options, as they have room for, in turn", frames: 10_000, six: true,
		why:     "dropped after eight headers, and after eight options of one header (RFC 8504 §5.3)",
		prepare: knowC6,
		frame:   chainOf,
		count:   map[string]uint64{"Ip6InHdrErrors": 10_000}, within: sizes{replies: 256},
		want: map[string]int{"dropped: too many extension headers": 5000, "dropped: too many options": 5000},
	},
	{
		name: "Router alerts", what: "datagrams with a router alert among hop-by-hop options", frames: 10_000, six: true,
		why: "received like others",
		frame: func(s *siege, k int) *phy.Frame {
			b := make([]byte, wire.RouterAlert6Len, 100)
			wire.PutRouterAlert6(b, wire.ProtocolUDP)
			return from6C(packet6To(0, ip6C, ip6B, 64, append(b, attackUDP6(port(ip6C, 5), port(ip6B, 6969), 10)[wire.IPv6Len:]...)))
		},
		within: sizes{octets: 256 << 10},
		want:   map[string]int{"udp :6969": 3542, "dropped: socket queue full": 6458},
	},
	{
		name: "Routing header 0", what: "packets with a routing header of type 0 through us", frames: 10_000, six: true,
		why:     "refused by parameter problem (RFC 5095 §3), at most 50 at once and 1000 per second",
		prepare: knowC6,
		frame: func(s *siege, k int) *phy.Frame {
			b := make([]byte, 24)
			b[0], b[1], b[3] = byte(wire.ProtocolUDP), 2, 1
			copy(b[8:], ip6A.AsSlice())
			return from6C(packet6To(43, ip6C, ip6B, 64, append(b, attackUDP6(port(ip6C, 5), port(ip6B, 6969), 10)[wire.IPv6Len:]...)))
		},
		count: map[string]uint64{"Ip6InHdrErrors": 10_000, "UdpInDatagrams": 0}, within: sizes{replies: 256},
		want: map[string]int{"parameter problem": 674, "dropped: icmp rate limit": 9326},
	},
	{
		name: "Protocols that are not there", what: "packets of next headers that nobody has", frames: 10_000, six: true,
		why:     "answered by parameter problem, at most 50 at once and 1000 per second",
		prepare: knowC6,
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(packet6To(wire.Protocol(143+k%100), ip6C, ip6B, 64, make([]byte, 20)))
		},
		count: map[string]uint64{"Ip6InUnknownProtos": 10_000}, within: sizes{replies: 256},
		want: map[string]int{"protocol unreachable": 674, "dropped: icmp rate limit": 9326},
	},
	{
		name: "Teardrop", what: "first and last fragments that overlap, in turn", frames: 10_000, six: true,
		why: "the whole datagram is discarded, with its later fragments (RFC 5722)",
		frame: func(s *siege, k int) *phy.Frame {
			return fragment6(ip6C, uint32(k/2), wire.ProtocolUDP, k%2*24, k%2 == 0, 40-k%2*4)
		},
		want:  map[string]int{"held for reassembly": 5000, "dropped: fragment conflict": 5000},
		count: map[string]uint64{"Ip6ReasmReqds": 10_000, "Ip6ReasmFails": 5000}, within: sizes{assemblies: 5000, fragments: 1_280_000},
	},
	{
		name: "Ping of death", what: "last fragments that end beyond 65,535 octets", frames: 5000, six: true,
		why:     "no datagram can be that long: answered by parameter problem (RFC 8200 §4.5), at most 50 at once and 1000 per second",
		prepare: knowC6,
		frame: func(s *siege, k int) *phy.Frame {
			return fragment6(ip6C, uint32(k), wire.ProtocolICMPv6, 65_528, false, 1000)
		},
		within: sizes{replies: 256},
		want:   map[string]int{"parameter problem": 362, "dropped: icmp rate limit": 4638},
	},
	{
		name: "First fragments without their headers", what: "first fragments that split the TCP header", frames: 5000, six: true, prepare: knowC6,
		why:    "answered by parameter problem, at most 50 at once and 1000 per second, and never stored (RFC 7112 §5)",
		frame:  func(s *siege, k int) *phy.Frame { return fragment6(ip6C, uint32(k), wire.ProtocolTCP, 0, true, 8) },
		count:  map[string]uint64{"TcpPassiveOpens": 0},
		within: sizes{replies: 256},
		want:   map[string]int{"parameter problem": 362, "dropped: icmp rate limit": 4638},
	},
	{
		name: "Atomic fragments", what: "whole datagrams with a fragment header, all with one identification", frames: 10_000, six: true,
		why: "each is received alone (RFC 6946 §4)",
		frame: func(s *siege, k int) *phy.Frame {
			b := make([]byte, wire.IPv6FragmentLen, 100)
			f := wire.IPv6Fragment{Next: wire.ProtocolUDP, ID: 1}
			f.Put(b)
			return from6C(packet6To(wire.Protocol(wire.FragmentHeader), ip6C, ip6B, 64, append(b, attackUDP6(port(ip6C, 5), port(ip6B, 6969), 10)[wire.IPv6Len:]...)))
		},
		count: map[string]uint64{"Ip6ReasmReqds": 0}, within: sizes{octets: 256 << 10},
		want: map[string]int{"udp :6969": 3542, "dropped: socket queue full": 6458},
	},
	{
		name: "Fragment flood", what: "fragments of datagrams of 64 KB that are never completed, from many addresses", frames: 20_000, six: true,
		why: "their storage is bounded; the oldest datagrams are discarded, so that complete ones still arrive",
		frame: func(s *siege, k int) *phy.Frame {
			return fragment6(many6(k), uint32(k), wire.ProtocolUDP, k%44*1448, true, 1448)
		},
		want: map[string]int{"held for reassembly": 20_000}, within: sizes{assemblies: 1600, fragments: 4 << 20},
	},
	{
		name: "Echo flood", what: "echo requests as fast as the link carries them", frames: 20_000, six: true,
		why:     "answered; the queue of answers is bounded",
		prepare: knowC6,
		frame:   func(s *siege, k int) *phy.Frame { return from6C(echoRequest6(ip6C, ip6B)) },
		want:    map[string]int{"echo reply": 20_000}, count: map[string]uint64{"Icmp6InEchos": 20_000, "Icmp6OutEchoReplies": 20_000}, within: sizes{replies: 256},
	},
	{
		name: "Echo flood from nobody", what: "echo requests, each from another unused address of our link", frames: 20_000, six: true,
		why:   "for answers, at most 128 neighbours are being resolved, and one datagram waits for each",
		frame: func(s *siege, k int) *phy.Frame { return from6C(echoRequest6(station6(k), ip6B)) },
		want:  map[string]int{"echo reply": 128, "dropped: neighbor table full": 19_872}, within: sizes{neighbors: 128, asked: 128, waiting: 128},
	},
	{
		name: "Blind ICMPv6 errors", what: "unreachable, time exceeded, parameter problem and unknown errors about our connection, with guessed sequence numbers", frames: 10_000, six: true,
		why: "dropped: an error is used only if it quotes octets in flight (RFC 5927 §4)",
		frame: func(s *siege, k int) *phy.Frame {
			t := []wire.ICMPv6Type{wire.ICMPv6DestUnreachable, wire.ICMPv6TimeExceeded, wire.ICMPv6ParameterProblem, 100}[k%4]
			return from6C(s.quoting6(wire.ICMPv6{Type: t, Code: uint8(k / 4 % 4)}, s.server.Info(s.n.now).SndNxt.Add(1+s.rng.IntN(1<<31-1))))
		},
		want: map[string]int{"dropped: icmp no socket": 10_000},
	},
	{
		name: "Packet too big, blind", what: "small MTUs about our connection, with guessed sequence numbers", frames: 10_000, six: true,
		why: "dropped: an error is used only if it quotes octets in flight (RFC 5927 §7)",
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(s.quoting6(wire.ICMPv6{Type: wire.ICMPv6PacketTooBig, MTU: uint32(1280 + k%200)}, s.server.Info(s.n.now).SndNxt.Add(1+s.rng.IntN(1<<31-1))))
		},
		want: map[string]int{"dropped: icmp no socket": 10_000}, count: map[string]uint64{"TcpExtTCPPathMTU": 0},
	},
	{
		name: "Packet too big below 1280", what: "MTUs below 1280 that quote octets in flight", frames: 10_000, six: true,
		why: "dropped: every link of IPv6 has at least 1280 (RFC 8201 §4)",
		frame: func(s *siege, k int) *phy.Frame {
			s.inFlight()
			return from6C(s.quoting6(wire.ICMPv6{Type: wire.ICMPv6PacketTooBig, MTU: uint32(k % 1280)}, s.server.Info(s.n.now).SndUna))
		},
		want: map[string]int{"dropped: icmp bad mtu": 10_000}, count: map[string]uint64{"TcpExtTCPPathMTU": 0},
	},
	{
		name: "Port unreachable without end", what: "datagrams to closed ports", frames: 20_000, six: true,
		why:     "answered, at most 50 at once and 1000 per second",
		prepare: knowC6,
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(attackUDP6(port(ip6C, 5), port(ip6B, uint16(7000+k)), 0))
		},
		want: map[string]int{"port unreachable": 1299, "dropped: icmp rate limit": 18_701}, within: sizes{replies: 256},
	},
	{
		name: "UDP flood", what: "datagrams to a socket that nobody reads", frames: 20_000, six: true,
		why:    "the queue of the socket is bounded in octets, including overhead",
		frame:  func(s *siege, k int) *phy.Frame { return from6C(attackUDP6(port(ip6C, 5), port(ip6B, 6969), k%1400)) },
		within: sizes{octets: 256 << 10},
		want:   map[string]int{"udp :6969": 667, "dropped: socket queue full": 19_333},
	},
	{
		name: "MLD queries", what: "general queries that demand an immediate answer", frames: 10_000, six: true,
		why:     "one response per second for all groups, whatever the number of queries",
		prepare: joinGroups6,
		frame: func(s *siege, k int) *phy.Frame {
			return mldQueryTo(wire.MLDQuery{Version: 2, Group: netip.IPv6Unspecified()}, 0)
		},
		want: map[string]int{"icmp6": 10_000}, count: map[string]uint64{"Icmp6InGroupMembQueries": 10_000, "Icmp6OutMLDv2Reports": 3},
	},
	{
		name: "MLD queries for sources", what: "queries for a group with as many sources as fit, each with others", frames: 10_000, six: true,
		why:     "at most 64 sources are kept for a group; beyond them the host reports the group (RFC 3810 §6.2)",
		prepare: joinGroups6,
		frame: func(s *siege, k int) *phy.Frame {
			return mldQueryTo(wire.MLDQuery{Version: 2, Group: netip.AddrFrom16([16]byte{0xff, 2, 15: byte(128 + k%10)}), ResponseCode: uint16(k)}, 80)
		},
		want: map[string]int{"icmp6": 10_000},
	},
	{
		name: "MLD queries of version 1", what: "queries of version 1 and 2 in turn", frames: 10_000, six: true,
		why:     "the host speaks version 1 while a router of version 1 counts as present (RFC 3810 §8.2.1), at most one response per group and second",
		prepare: joinGroups6,
		frame: func(s *siege, k int) *phy.Frame {
			return mldQueryTo(wire.MLDQuery{Version: uint8(1 + k%2), Group: netip.IPv6Unspecified(), IntervalCode: 1}, 0)
		},
		want: map[string]int{"icmp6": 10_000},
	},
	{
		name: "SYN flood", what: "SYNs to an open port from random addresses", frames: 20_000, six: true,
		why:   "1024 half-open connections are stored; the other SYNs are answered by SYN cookies, which need no storage (RFC 4987 §3.6)",
		frame: func(s *siege, k int) *phy.Frame { return s.syn6(many6(s.rng.IntN(1<<16)), 80) },
		count: map[string]uint64{}, within: sizes{conns: 1024, half: 1024, sockets: 1024, timers: 1024, replies: 256},
		want: map[string]int{"listener :80, SYN-RECEIVED": 1024, "syn cookie": 18_976},
	},
	{
		name: "SYN flood from nobody", what: "SYNs to an open port from unused addresses of our link", frames: 20_000, six: true,
		why:    "for answers, at most 128 neighbours are being resolved at a time; a connection whose SYN-ACK cannot be sent is aborted at once",
		frame:  func(s *siege, k int) *phy.Frame { return s.syn6(station6(k), 80) },
		within: sizes{conns: 256, half: 256, sockets: 256, timers: 256, neighbors: 256, asked: 256, waiting: 256},
		want:   map[string]int{"listener :80, SYN-RECEIVED": 20_000},
	},
	{
		name: "Blind resets", what: "RSTs to our connection with the right addresses and ports, and guessed sequence numbers", frames: 20_000, six: true,
		why:   "dropped: only a RST with the next expected sequence number resets the connection (RFC 5961 §3)",
		frame: func(s *siege, k int) *phy.Frame { return s.blind6(wire.TCP{Seq: s.beyond(), Flags: wire.RST}, 0) },
		want:  map[string]int{"dropped: tcp out of window": 20_000}, count: map[string]uint64{"TcpEstabResets": 0},
	},
	{
		name: "Blind SYNs", what: "SYNs with a timestamp to our connection", frames: 5000, six: true,
		why: "answered by challenge ACKs, a bounded number per second (RFC 5961 §4); their timestamps are not stored",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind6(wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Flags: wire.SYN, Window: 1000, Options: wire.TCPOptions{HasTimestamps: true, TSVal: s.rng.Uint32()}}, 0)
		},
		count: map[string]uint64{"TcpEstabResets": 0},
		want:  map[string]int{"dropped: tcp duplicate": 1230, "dropped: tcp old timestamp": 2526, "dropped: tcp out of window": 1244},
	},
	{
		name: "Blind data", what: "data with a timestamp for our connection, with all numbers guessed", frames: 20_000, six: true,
		why: "dropped: the segments lie outside the window, acknowledge data that was never sent (RFC 5961 §5), or have an old timestamp (RFC 7323 §5)",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind6(wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Ack: wire.Seq(s.rng.Uint32()), Flags: wire.ACK | wire.PSH, Window: 1000, Options: wire.TCPOptions{HasTimestamps: true, TSVal: s.rng.Uint32()}}, 100)
		},
		count: map[string]uint64{"TcpEstabResets": 0},
		want:  map[string]int{"dropped: tcp duplicate": 4915, "dropped: tcp old timestamp": 10_028, "dropped: tcp out of window": 5057},
	},
	{
		name: "Guessed cookies", what: "ACKs to an open port with random numbers while cookies are being sent", frames: 20_000, six: true,
		why:     "one in 2^28 would be accepted; the others are answered by RST",
		prepare: func(s *siege) { knowC6(s); s.cookieTime() },
		frame: func(s *siege, k int) *phy.Frame {
			return from6C(attackTCP6(port(ip6C, uint16(s.rng.Uint32())), port(ip6B, 80), wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Ack: wire.Seq(s.rng.Uint32()), Flags: wire.ACK, Window: 1000}, 0))
		},
		want: map[string]int{"rst": 20_000}, count: map[string]uint64{"TcpExtSyncookiesFailed": 20_000, "TcpExtSyncookiesRecv": 0}, within: sizes{replies: 256},
	},
}

// The attacker's addresses.
var (
	ip6C  = netip.MustParseAddr("fd00::3")
	linkC = netip.MustParseAddr("fe80::3")
)

// newSiege6 is newSiege for IPv6.
func newSiege6(t *testing.T) *siege {
	n, a, b := pair6(t)
	s := &siege{t: t, n: n, a: a, b: b, i: b.Ifaces()[0], rng: rand.New(rand.NewPCG(6, 6)), verdicts: map[string]int{}}
	s.must(b.AddRoute(netip.MustParsePrefix("::/0"), ip6A, nil))
	b.Events(func(Event) { s.told++ })
	s.l = listen(t, b, 80, tcp.Config{})
	_, err := b.BindUDP(port(netip.Addr{}, 6969))
	s.must(err)
	n.run(20 * time.Second) // the link-local addresses are there, and routers have been asked for
	s.connect(ip6B)
	return s
}

// linkA returns A's link-local address.
func (s *siege) linkA() netip.Addr { return s.a.Ifaces()[0].LinkLocal().WithZone("") }

// knowC6 adds the attacker's neighbour entry, so that B solicits nothing for it.
func knowC6(s *siege) { s.must(s.i.AddNeighbor(s.n.now, ip6C, macC)) }

// joinGroups6 joins ten groups.
func joinGroups6(s *siege) {
	u, err := s.b.BindUDP(port(netip.Addr{}, 5353))
	s.must(err)
	for k := range 10 {
		s.must(u.Join(s.n.now, netip.AddrFrom16([16]byte{0xff, 2, 15: byte(128 + k)}), nil))
	}
	s.n.run(5 * time.Second)
}

// inFlight makes B send an octet if nothing of the connection is in flight.
func (s *siege) inFlight() {
	if s.server.Info(s.n.now).SendQ == 0 {
		_, _ = s.server.Write(s.n.now, octets(siegeOctets)[s.down.sent:s.down.sent+1])
		s.down.sent++
	}
}

// station6 returns the kth of many addresses on the link, and mac6 its hardware address.
func station6(k int) netip.Addr {
	a := netip.MustParseAddr("fd00::1:0:0").As16()
	binary.BigEndian.PutUint32(a[12:], uint32(k))
	return netip.AddrFrom16(a)
}

func mac6(k int) wire.HardwareAddr { return wire.HardwareAddr{2, 9, 0, 0, byte(k >> 8), byte(k)} }

// from6C returns a frame from the attacker, and fromStation one from the kth station.
func from6C(packet []byte) *phy.Frame { return foundFrame(macB, packet) }

func fromStation(k int, packet []byte) *phy.Frame {
	return crafted{macB, mac6(k), wire.EtherTypeIPv6, packet}.frame()
}

func attackUDP6(src, dst netip.AddrPort, n int) []byte {
	b := make([]byte, wire.UDPLen+n)
	u := wire.UDP{SrcPort: src.Port(), DstPort: dst.Port()}
	u.Put(b, src.Addr(), dst.Addr())
	return packet6To(wire.ProtocolUDP, src.Addr(), dst.Addr(), 64, b)
}

func attackTCP6(src, dst netip.AddrPort, h wire.TCP, n int) []byte {
	h.SrcPort, h.DstPort = src.Port(), dst.Port()
	b := make([]byte, h.HeaderLen()+n)
	h.Put(b)
	wire.PutTCPChecksum(b, src.Addr(), dst.Addr())
	return packet6To(wire.ProtocolTCP, src.Addr(), dst.Addr(), 64, b)
}

func (s *siege) syn6(src netip.Addr, p uint16) *phy.Frame {
	return from6C(attackTCP6(port(src, uint16(1024+s.rng.IntN(60000))), port(ip6B, p), wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Flags: wire.SYN, Window: 1000}, 0))
}

func (s *siege) blind6(h wire.TCP, n int) *phy.Frame {
	return from6C(attackTCP6(s.client.Local(), s.server.Local(), h, n))
}

// solicit returns a solicitation for target from src, whose hardware address is hw.
func solicit(src, target netip.Addr, hw wire.HardwareAddr) []byte {
	b := make([]byte, wire.NeighborMessageLen+wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDSourceLinkAddr, hw)
	m := wire.NeighborSolicitation{Target: target}
	m.Put(b, src, ip6B)
	return packet6To(wire.ProtocolICMPv6, src, ip6B, 255, b)
}

// advertiseNeighbor returns an advertisement of target with the flags of m and the hardware address hw.
func advertiseNeighbor(src, dst, target netip.Addr, hw wire.HardwareAddr, m wire.NeighborAdvertisement) []byte {
	b := make([]byte, wire.NeighborMessageLen+wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDTargetLinkAddr, hw)
	m.Target = target
	m.Put(b, src, dst)
	return packet6To(wire.ProtocolICMPv6, src, dst, 255, b)
}

func redirect6(src, target, dst netip.Addr) []byte {
	b := make([]byte, wire.RedirectLen)
	m := wire.Redirect{Target: target, Dest: dst}
	m.Put(b, src, ip6B)
	return packet6To(wire.ProtocolICMPv6, src, ip6B, 255, b)
}

// routerAdvertisement returns the advertisement of the kth router, with a prefix of its own that is valid for some seconds.
func (s *siege) routerAdvertisement(k, lifetime int) []byte {
	src := netip.AddrFrom16([16]byte{0xfe, 0x80, 13: 9, 14: byte(k >> 8), 15: byte(k)})
	return advertisement6(src, mac6(k), k, lifetime)
}

// prefixAdvertisement returns an advertisement of the attacker for prefix k.
func (s *siege) prefixAdvertisement(k, lifetime int) []byte {
	return advertisement6(linkC, macC, k, lifetime)
}

// advertise makes B receive the advertisement of the kth router.
func (s *siege) advertise(k, lifetime int) {
	s.b.Receive(s.n.now, s.i, foundFrame(wire.GroupMAC(wire.AllNodes6), s.routerAdvertisement(k, lifetime)))
}

func advertisement6(src netip.Addr, hw wire.HardwareAddr, k, lifetime int) []byte {
	b := make([]byte, wire.RouterAdvertisementLen+wire.NDLinkAddrLen+wire.NDPrefixLen)
	n := wire.RouterAdvertisementLen
	n += wire.PutNDLinkAddr(b[n:], wire.NDSourceLinkAddr, hw)
	p := netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 6: byte(k >> 8), 7: byte(k)})
	info := wire.PrefixInfo{Prefix: netip.PrefixFrom(p, 64), OnLink: true, Autonomous: true, ValidLifetime: uint32(lifetime), Preferred: uint32(lifetime)}
	info.Put(b[n:])
	m := wire.RouterAdvertisement{RouterLifetime: uint16(lifetime)}
	m.Put(b, src, wire.AllNodes6)
	return packet6To(wire.ProtocolICMPv6, src, wire.AllNodes6, 255, b)
}

// quoting6 returns an error about a segment of the connection at seq.
func (s *siege) quoting6(m wire.ICMPv6, seq wire.Seq) []byte {
	h := wire.TCP{SrcPort: 80, DstPort: s.client.Local().Port(), Seq: seq, Flags: wire.ACK}
	b := make([]byte, wire.ICMPv6Len+wire.IPv6Len+wire.TCPLen)
	ip := wire.IPv6{HopLimit: 64, NextHeader: wire.ProtocolTCP, Src: ip6B, Dst: ip6A, PayloadLen: 1440}
	ip.Put(b[wire.ICMPv6Len:])
	h.Put(b[wire.ICMPv6Len+wire.IPv6Len:])
	m.Put(b, ip6C, ip6B)
	return packet6To(wire.ProtocolICMPv6, ip6C, ip6B, 64, b)
}

// fragment6 returns a fragment of datagram id with n octets at offset off.
func fragment6(src netip.Addr, id uint32, next wire.Protocol, off int, more bool, n int) *phy.Frame {
	b := make([]byte, wire.IPv6FragmentLen+n)
	f := wire.IPv6Fragment{Next: next, Offset: off, More: more, ID: id}
	f.Put(b)
	return from6C(packet6To(wire.Protocol(wire.FragmentHeader), src, ip6B, 64, b))
}

// chainOf returns a packet with very many extension headers, or with very many options.
func chainOf(s *siege, k int) *phy.Frame {
	b := make([]byte, 1200)
	first := wire.Protocol(60)
	switch k % 2 {
	case 0:
		for at := 0; at < len(b); at += 8 {
			b[at], b[at+2], b[at+3] = 60, 1, 4
		}
		b[len(b)-8] = 59
	default:
		first = 0
		b[0], b[1] = 59, byte(len(b)/8-1)
		for at := 2; at < len(b); at += 2 {
			b[at] = 0x1e
		}
	}
	return from6C(packet6To(first, ip6C, ip6B, 64, b))
}

// mldQuery returns a query of the attacker.
func mldQueryTo(q wire.MLDQuery, sources int) *phy.Frame {
	n, dst := wire.MLDLen, wire.AllNodes6
	if q.Version == 2 {
		n = wire.MLDv2QueryLen
	}
	if !q.Group.IsUnspecified() {
		dst = q.Group
	}
	b := make([]byte, wire.RouterAlert6Len+n+16*sources)
	wire.PutRouterAlert6(b, wire.ProtocolICMPv6)
	m := b[wire.RouterAlert6Len:]
	for k := range sources {
		a := many6(k + 80*int(q.ResponseCode)).As16()
		copy(m[n+16*k:], a[:])
	}
	q.Put(m, linkC, dst)
	return foundFrame(wire.GroupMAC(dst), packet6To(0, linkC, dst, 1, b))
}
