package stack

import (
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestOverheard: messages of neighbour discovery, MLD and IGMP to groups of other stations are no drops. A packet that only looks like
// one is: another hop limit, another protocol, or no type at all.
func TestOverheard(t *testing.T) {
	const nd, mld, none = "nd not for us", "mld not for us", "dropped: multicast group not joined"
	target := netip.MustParseAddr("fe80::77")
	node := wire.SolicitedNode(target)
	report2 := make([]byte, wire.MLDv2ReportLen+wire.MLDRecordLen)
	rec := wire.MLDRecord{Type: wire.MLDToExclude, Group: mdns}
	rec.Put(report2[wire.MLDv2ReportLen:])
	wire.PutMLDv2Report(report2, 1, llA, wire.MLDv2Routers6)
	report1, done := make([]byte, 24), make([]byte, 24)
	wire.PutMLDReport(report1, wire.ICMPv6ListenerReport, mdns, llA, mdns)
	wire.PutMLDReport(done, wire.ICMPv6ListenerDone, mdns, llA, wire.AllRouters6)
	control := func(dst netip.Addr, hop uint8, typ byte) *phy.Frame {
		return toB6(ip6Packet(wire.ProtocolICMPv6, llA, dst, []byte{typ, 0, 0, 0, 0, 0, 0, 0}, hops(hop)))
	}
	igmp := func(dst string, ttl uint8, proto wire.Protocol) *phy.Frame {
		to := netip.MustParseAddr(dst)
		b := make([]byte, wire.IPv4Len+8)
		ip := wire.IPv4{TTL: ttl, Protocol: proto, Src: ipA, Dst: to, PayloadLen: 8}
		ip.Put(b)
		return crafted{wire.GroupMAC(to), macA, wire.EtherTypeIPv4, b}.frame()
	}
	h, i, now := lone6(t)
	for _, c := range []struct {
		name string
		f    *phy.Frame
		want string
	}{
		{"a router solicitation", routerSolicitation(llA).frame(), nd},
		{"a solicitation for another's group", solicitation(llA, node, target, sourceLink(macA)).frame(), nd},
		{"a probe for another's address", solicitation(netip.IPv6Unspecified(), node, target).frame(), nd},
		{"an advertisement to routers", advertisement(llA, wire.AllRouters6, llA, "", targetLink(macA)).frame(), nd},
		{"a report of version 2", mldFrame(llA, wire.MLDv2Routers6, report2), mld},
		{"a report of version 1", mldFrame(llA, mdns, report1), mld},
		{"a done message", mldFrame(llA, wire.AllRouters6, done), mld},
		{"a query for another's group", mldQuery(2, mdns, 1000), mld},
		{"a report of IGMPv3", igmp("224.0.0.22", 1, wire.ProtocolIGMP), "igmp not for us"},
		{"neighbour discovery from behind a router", control(wire.AllRouters6, 254, 133), none},
		{"MLD from behind a router", control(wire.MLDv2Routers6, 2, 143), none},
		{"an echo request", control(mdns, 255, 128), none},
		{"an unknown type", control(mdns, 255, 144), none},
		{"no type", toB6(ip6Packet(wire.ProtocolICMPv6, llA, mdns, nil, hops(255))), none},
		{"IGMP from behind a router", igmp("224.0.0.22", 2, wire.ProtocolIGMP), none},
		{"UDP of IPv4", igmp("224.0.0.251", 1, wire.ProtocolUDP), none},
	} {
		before := h.stats.drops[drop.MulticastUnknown].rx
		v := h.Receive(now, i, c.f)
		if v.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, v, c.want)
		}
		if dropped := h.stats.drops[drop.MulticastUnknown].rx > before; dropped != (c.want == none) {
			t.Errorf("%s: counted as a drop: %v", c.name, dropped)
		}
	}
	if sent := drain(h, now, i); len(sent) > 0 {
		t.Errorf("%d answers", len(sent))
	}
	// RFC 4293: a datagram to a group counts as such, whether or not the host is its member.
	for name, want := range map[string]uint64{"Ip6InMcastPkts": 13, "IpInMcastPkts": 3} {
		for _, c := range h.CounterInfos() {
			if c.Name == name && c.Value < want {
				t.Errorf("%s %d, want %d", name, c.Value, want)
			}
		}
	}
	h.SetForwarding(now, true)
	if v := h.Receive(now, i, mldFrame(llA, wire.AllRouters6, done)); v.String() != mld {
		t.Errorf("a done message at a router: %v", v)
	}
}
