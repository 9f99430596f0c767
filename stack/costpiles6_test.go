package stack

import (
	"encoding/binary"
	"net/netip"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/pmtu"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var ping6 = echoRequest6(ip6A, ip6B)

// piles6 are the piles of IPv6.
var piles6 = []pile{
	{"neighbours of IPv6", "an echo", 0, func(x *costRig, n int) func() { x.six().neighbours6(n); return x.answered(ping6) }},
	{"neighbours of IPv6, as many as there may be", "a solicitation of another", 0, func(x *costRig, n int) func() {
		x.six().neighbours6(n)
		x.i.neigh[ipv6].SetBounds(max(2, n), 1, 16)
		k := n
		return func() { k++; x.receive(solicit(farOf6(k), ip6B, macC)); x.drain() }
	}},
	{"neighbours of IPv6", "a timer", 0, func(x *costRig, n int) func() { x.six().neighbours6(n); return x.tick() }},
	{"IPv6 addresses of one interface", "an echo", 0, func(x *costRig, n int) func() { x.six().addresses6(n); return x.answered(ping6) }},
	{"IPv6 addresses of one interface", "a datagram to send", 0, func(x *costRig, n int) func() {
		x.six().addresses6(n)
		u := x.bind(7)
		send := func() { must(x, u.Send(x.now, nil, port(ip6A, 9))); x.drain() }
		send() // chooses the source
		return send
	}},
	{"IPv6 addresses of one interface", "datagrams to two destinations in turn, from any address", 0, func(x *costRig, n int) func() {
		x.six().addresses6(n)
		u, k := x.bind(7), 0
		return func() { k++; must(x, u.Send(x.now, nil, port(farOf6(k%2-2), 9))); x.drain() }
	}},
	{"IPv6 addresses of one interface", "an echo to all nodes, beyond the rate", 0, func(x *costRig, n int) func() {
		x.six().addresses6(n)
		x.h.icmpErrors = clock.NewBucket(1, 1)
		packets := [2][]byte{echoRequest6(ip6A, wire.AllNodes6), echoRequest6(farOf6(-1), wire.AllNodes6)}
		k := 0
		return func() { k++; x.toGroup(packets[k%2]); x.drain() }
	}},
	{"IPv6 addresses of one interface", "a solicitation of another's address", 0, func(x *costRig, n int) func() {
		x.six().addresses6(n)
		return func() { x.receive(solicit(ip6A, farOf6(n+1), macA)); x.drain() }
	}},
	{"IPv6 address probes", "a solicitation", 10_000, func(x *costRig, n int) func() {
		x.six()
		for k := range n {
			_, err := x.i.ProbeAddr(x.now, netip.PrefixFrom(farOf6(k), 64))
			must(x, err)
		}
		return func() { x.receive(solicit(ip6A, ip6B, macA)); x.drain() }
	}},
	{"groups of IPv6", "a datagram to one", 10_000, func(x *costRig, n int) func() {
		u := x.six().join6(n + 1)
		packet := attackUDP6(port(ip6A, 9), port(nthGroup6(0), 7), 100)
		var buf [200]byte
		return func() {
			if x.receiveGroup(packet); u.NextLen() != 100 {
				x.Fatal(u.NextLen())
			}
			_, _, _ = u.Recv(buf[:])
		}
	}},
	{"groups of IPv6", "a query for all of them, not yet answered", 10_000, func(x *costRig, n int) func() {
		x.six().join6(n)
		q := mldQueryTo(wire.MLDQuery{Version: 2, Group: netip.IPv6Unspecified(), ResponseCode: 10_000}, 0).Bytes()[wire.EthernetLen:]
		return func() { x.receiveGroup(q) }
	}},
	{"groups of IPv6", "one more joined and left", 10_000, func(x *costRig, n int) func() {
		x.six().join6(n)
		u := x.bind(9)
		return func() {
			must(x, u.Join(x.now, nthGroup6(n), x.i))
			must(x, u.Leave(nthGroup6(n)))
			x.drain()
		}
	}},
	{"routes of IPv6, of one length", "a datagram", 0, func(x *costRig, n int) func() {
		x.six()
		for k := range n {
			must(x, x.h.AddRoute(netip.PrefixFrom(farOf6(k), 128), ip6A, nil))
		}
		u := x.bind(7)
		return func() { must(x, u.Send(x.now, nil, port(farOf6(0), 9))); x.drain() }
	}},
	{"narrow paths of IPv6", "a datagram to one", 0, func(x *costRig, n int) func() {
		u := x.six().bind(7)
		for k := range n {
			x.h.net.paths.Put(x.now, pmtu.Key{Dst: farOf6(k)}, 1400, x.h.limits.Paths)
		}
		return func() { must(x, u.Send(x.now, ping, port(farOf6(0), 9))); x.drain() }
	}},
	{"incomplete datagrams of IPv6", "a fragment of another, for which the oldest goes", 0, func(x *costRig, n int) func() {
		x.six()
		id := uint32(0)
		packet := fragment6(ip6A, 0, wire.ProtocolUDP, 0, true, 64).Bytes()[wire.EthernetLen:]
		send := func() {
			id++
			binary.BigEndian.PutUint32(packet[wire.IPv6Len+4:], id)
			if v := x.receive(packet); !v.Held {
				x.Fatal(v)
			}
		}
		for range n {
			send()
		}
		x.h.limits.Fragments = max(5000, x.h.reassembly.Storage())
		return send
	}},
	{"listeners of IPv6 alone", "a SYN to a closed port", 50_000, func(x *costRig, n int) func() {
		x.six()
		for k := range n {
			_, err := x.h.ListenTCP6(port(netip.Addr{}, uint16(100+k)), 1, tcp.Config{})
			must(x, err)
		}
		return x.answered(attackTCP6(port(ip6A, 5), port(ip6B, 60_000), wire.TCP{Flags: wire.SYN}, 0))
	}},
	{"connections, established", "a redirect to another router", 50_000, func(x *costRig, n int) func() {
		x.six()
		for k := range n {
			x.connect(k)
		}
		router := netip.MustParseAddr("fe80::1")
		must(x, x.h.AddRoute(netip.MustParsePrefix("2000::/3"), router, x.i))
		packets := [2][]byte{redirect6(router, linkC, farOf6(1)), redirect6(linkC, router, farOf6(1))}
		k := 0
		return func() {
			if v := x.receive(packets[k%2]); v.Kind != Delivered {
				x.Fatal(v)
			}
			k++
		}
	}},
	{"connections, established", "a router advertisement that changes a preference", 50_000, func(x *costRig, n int) func() {
		x.six()
		for k := range n {
			x.connect(k)
		}
		var packets [2][]byte
		for k := range packets {
			b := make([]byte, wire.RouterAdvertisementLen)
			m := wire.RouterAdvertisement{RouterLifetime: 1800, Preference: wire.Preference(k)}
			m.Put(b, linkC, ip6B)
			packets[k] = packet6To(wire.ProtocolICMPv6, linkC, ip6B, 255, b)
		}
		k := 0
		return func() {
			if v := x.receive(packets[k%2]); v.Kind != Delivered {
				x.Fatal(v)
			}
			k++
		}
	}},
	{"interfaces", "an echo to a link-local address", 10_000, func(x *costRig, n int) func() {
		x.six()
		for range n {
			x.h.AddIface(0, IfaceConfig{Caps: phy.Capabilities{Medium: phy.MediumIP}})
		}
		last := x.h.AddIface(0, IfaceConfig{Name: "last", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}, IPv6: true})
		packet := echoRequest6(linkC, last.LinkLocal().WithZone(""))
		return func() {
			x.in.Set(packet)
			if v := x.h.Receive(x.now, last, x.in); v.Kind != Answered {
				x.Fatal(v)
			}
			x.out.Reset()
			x.h.Transmit(x.now, last, x.out)
		}
	}},
}

// six gives the host IPv6, and waits until it has asked for routers.
func (x *costRig) six() *costRig {
	must(x, x.i.AddAddr(0, netip.MustParsePrefix("fd00::2/64")))
	must(x, x.i.AddNeighbor(0, ip6A, macA))
	must(x, x.h.AddRoute(netip.MustParsePrefix("::/0"), ip6A, nil))
	for end := x.now.Add(time.Minute); x.now < end; {
		x.now = x.now.Add(time.Second)
		x.h.Tick(x.now)
		x.drain()
	}
	return x
}

// toGroup is receive for a packet to a group, and receiveGroup for one that must be delivered.
func (x *costRig) toGroup(packet []byte) Verdict {
	x.in.Reset()
	group := netip.AddrFrom16([16]byte(packet[24:]))
	eth := wire.Ethernet{Dst: wire.GroupMAC(group), Src: macA, Type: wire.EtherTypeIPv6}
	eth.Put(x.in.Extend(wire.EthernetLen))
	copy(x.in.Extend(len(packet)), packet)
	return x.h.Receive(x.now, x.i, x.in)
}

func (x *costRig) receiveGroup(packet []byte) {
	if v := x.toGroup(packet); v.Kind != Delivered {
		x.Fatal(v)
	}
}

// farOf6 returns the kth address of a large network of IPv6.
func farOf6(k int) netip.Addr {
	a := [16]byte{0x20, 1, 0x0d, 0xb8}
	binary.BigEndian.PutUint32(a[12:], uint32(k)+1)
	return netip.AddrFrom16(a)
}

// nthGroup6 returns the kth group of a large range.
func nthGroup6(k int) netip.Addr {
	a := [16]byte{0xff, 2, 2: 1}
	binary.BigEndian.PutUint32(a[12:], uint32(k)+1)
	return netip.AddrFrom16(a)
}

func (x *costRig) neighbours6(n int) {
	for k := range n {
		x.i.neigh[ipv6].Heard(x.now, farOf6(k), macC)
	}
}

func (x *costRig) addresses6(n int) {
	for k := range n {
		must(x, x.i.AddAddr(x.now, netip.PrefixFrom(farOf6(k), 128)))
		x.drain()
	}
}

// join6 returns a socket that has joined n groups.
func (x *costRig) join6(n int) *UDPConn {
	u := x.bind(7)
	for k := range n {
		must(x, u.Join(x.now, nthGroup6(k), x.i))
		x.drain()
	}
	return u
}
