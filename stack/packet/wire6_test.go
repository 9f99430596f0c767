package packet

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// A sixReading compares the tables with the parsers of package wire on one IPv6 packet.
type sixReading struct {
	t      *testing.T
	name   string
	packet *Packet
	at     int // index of the layer that the next comparisons are about
	counts map[string]int
}

// same compares the field of the present layer with the value that package wire has read.
func (r *sixReading) same(field string, want any) {
	r.t.Helper()
	l := r.packet.Layers[r.at]
	f := l.Protocol.Field(field)
	if f == nil {
		r.t.Errorf("%s: %s has no field %s", r.name, l.Protocol.Name, field)
		return
	}
	got := l.Value(f)
	if n, ok := got.(uint64); ok && f.Bits == 1 {
		got = n != 0
	}
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("%s: %s.%s is %v by its table, and %v by package wire", r.name, l.Protocol.Name, field, got, want)
	}
	r.counts[l.Protocol.Name+"."+field]++
}

// TestWireReadsIPv6 compares the tables with the parsers of package wire on every IPv6 packet of the captures: base header, chain
// of extension headers, ICMPv6, neighbour discovery with its options, and MLD.
func TestWireReadsIPv6(t *testing.T) {
	counts := map[string]int{}
	for file, first := range map[string]*Protocol{"packets.pcap": Ether, "real.pcap": Ether, "forms.pcap": Ether, "sll.pcap": SLL, "sll2.pcap": SLL2, "null.pcap": Null,
		"dialogues.pcap": Ether, "conversation.pcap": Ether} {
		frames, _ := readPcap(t, "testdata/"+file)
		for i, b := range frames {
			p := Dissect(b, len(b), first)
			if l, ok := p.Layer(IPv6); ok && len(l.octets()) >= wire.IPv6Len {
				r := sixReading{t, fmt.Sprintf("%s, packet %d", file, i+1), p, l.index, counts}
				r.read()
			}
		}
	}
	for _, name := range strings.Fields(`IPv6.src IPv6ExtHdrFragment.offset IPv6ExtHdrRouting.segleft IPv6ExtHdrHopByHop.nh IPv6ExtHdrDestOpt.nh TCP.sport UDP.sport
		ICMPv6EchoRequest.id ICMPv6EchoReply.seq ICMPv6DestUnreach.code ICMPv6PacketTooBig.mtu ICMPv6TimeExceeded.code ICMPv6ParamProblem.ptr IPv6.quoted
		ICMPv6ND_RS.res ICMPv6ND_RA.routerlifetime ICMPv6ND_NS.tgt ICMPv6ND_NA.O ICMPv6ND_Redirect.dst
		ICMPv6NDOptSrcLLAddr.lladdr ICMPv6NDOptDstLLAddr.lladdr ICMPv6NDOptPrefixInfo.prefix ICMPv6NDOptRedirectedHdr.quoted ICMPv6NDOptMTU.mtu
		ICMPv6MLQuery.mrd ICMPv6MLReport.mladdr ICMPv6MLDone.mladdr ICMPv6MLReport2.records`) {
		if counts[name] == 0 {
			t.Errorf("no packet compares %s", name)
		}
	}
}

// read compares the base header and the chain of extension headers, and then the upper layer.
func (r *sixReading) read() {
	b := bytes.Clone(r.packet.Layers[r.at].octets())
	h, payload, err := wire.ParseIPv6(b)
	if err != nil {
		r.t.Errorf("%s: %v", r.name, err)
		return
	}
	r.same("tc", uint64(h.TrafficClass))
	r.same("fl", uint64(h.FlowLabel))
	r.same("plen", uint64(h.PayloadLen))
	r.same("nh", uint64(h.NextHeader))
	r.same("hlim", uint64(h.HopLimit))
	r.same("src", h.Src)
	r.same("dst", h.Dst)
	c, upper, err := wire.WalkIPv6(&h, payload)
	verify := true
	for err == drop.RoutingHeader { // the walk goes on when the route is finished
		verify = false // the checksum is that for the final destination
		at := int(c.Problem.Pointer) + 1
		if c.Problem != (wire.IPv6Problem{Answer: true, Pointer: uint32(at - 1)}) || b[at] == 0 {
			r.t.Errorf("%s: %d segments left, %+v", r.name, b[at], c.Problem)
			return
		}
		b[at] = 0
		c, upper, err = wire.WalkIPv6(&h, payload)
	}
	if err != nil {
		r.t.Errorf("%s: %v", r.name, err)
		return
	}
	r.same("proto", uint64(c.Protocol))
	r.same("frag", uint64(c.Fragment.Offset))
	r.chain(&c)
	if r.at == len(r.packet.Layers) || c.Fragment.Offset != 0 {
		return
	}
	r.upper(&h, &c, upper, verify && !c.Fragment.More)
}

// chain compares the extension headers, and moves on to the layer behind them.
func (r *sixReading) chain(c *wire.IPv6Chain) {
	begin := r.packet.Layers[r.at].begin
	for r.at++; r.at < len(r.packet.Layers) && r.packet.Layers[r.at].Protocol.extension(); r.at++ {
		l := r.packet.Layers[r.at]
		switch l.Protocol {
		case Fragment:
			if !c.HasFragment || c.FragmentAt != l.begin-begin {
				r.t.Errorf("%s: %+v, and the fragment header is at %d", r.name, c, l.begin-begin)
			}
			r.same("offset", uint64(c.Fragment.Offset))
			r.same("m", c.Fragment.More)
			r.same("id", uint64(c.Fragment.ID))
			r.same("nh", uint64(c.Fragment.Next))
			continue
		case Routing:
			r.counts["IPv6ExtHdrRouting.segleft"]++
		case HopByHop:
			var alert any
			for _, o := range l.Value(l.Protocol.Field("options")).([]Option) {
				if o.Name == "router_alert" {
					alert = o.Value
				}
			}
			if c.HasRouterAlert != (alert != nil) || alert != nil && alert != uint64(c.RouterAlert) {
				r.t.Errorf("%s: router alert %v by the table, %+v by package wire", r.name, alert, c)
			}
		}
		r.counts[l.Protocol.Name+".nh"]++
	}
	if last := r.packet.Layers[r.at-1]; c.Offset != last.body-begin {
		r.t.Errorf("%s: the upper layer is at %d by the tables, at %d by package wire", r.name, last.body-begin, c.Offset)
	}
}

// upper compares the upper layer.
func (r *sixReading) upper(h *wire.IPv6, c *wire.IPv6Chain, b []byte, verify bool) {
	switch c.Protocol {
	case wire.ProtocolTCP:
		m, _, err := wire.ParseTCP(b)
		r.ok(err)
		r.same("sport", uint64(m.SrcPort))
		r.same("dport", uint64(m.DstPort))
	case wire.ProtocolUDP:
		if c.Fragment.More { // the length is that of the datagram
			return
		}
		m, _, err := wire.ParseUDP(b, h.Src, h.Dst, verify)
		if l := r.packet.Layers[r.at]; l.is("chksum", 0) && verify { // there is always a checksum over IPv6 (RFC 8200 §8.1)
			if err != drop.BadChecksum {
				r.t.Errorf("%s: no checksum, and the error is %v", r.name, err)
			}
			return
		}
		r.ok(err)
		r.same("sport", uint64(m.SrcPort))
		r.same("dport", uint64(m.DstPort))
	case wire.ProtocolICMPv6:
		if r.icmp6(h, b, verify) {
			r.discovery(*h, b)
			r.listener(*h, b)
		}
	}
}

func (r *sixReading) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Errorf("%s: %v", r.name, err)
	}
}

// icmp6 compares an ICMPv6 error or echo. It reports whether the message may be of another kind, and the tables find no damage in
// it.
func (r *sixReading) icmp6(h *wire.IPv6, b []byte, verify bool) bool {
	m, payload, err := wire.ParseICMPv6(b, h.Src, h.Dst, verify)
	if err != nil && len(r.packet.Damage()) > 0 {
		return false
	}
	r.ok(err)
	r.same("type", uint64(m.Type))
	r.same("code", uint64(m.Code))
	switch m.Type {
	case wire.ICMPv6EchoRequest, wire.ICMPv6EchoReply:
		r.same("id", uint64(m.ID))
		r.same("seq", uint64(m.Seq))
	case wire.ICMPv6PacketTooBig:
		r.same("mtu", uint64(m.MTU))
	case wire.ICMPv6ParameterProblem:
		r.same("ptr", uint64(m.Pointer))
	}
	if m.Type <= wire.ICMPv6ParameterProblem {
		r.quoted(payload)
	}
	return len(r.packet.Damage()) == 0
}

// quoted compares the packet that an error quotes.
func (r *sixReading) quoted(b []byte) {
	l := r.packet.Layers[r.at]
	inner, ok := l.Value(l.Protocol.Field("quoted")).(*Packet)
	q, err := wire.ParseQuoted6(b)
	if err != nil || !ok {
		r.t.Errorf("%s: quoted %v by package wire", r.name, err)
		return
	}
	in := sixReading{r.t, r.name + ", quoted", inner, 0, r.counts}
	in.same("src", q.IP.Src)
	in.same("dst", q.IP.Dst)
	in.same("proto", uint64(q.Protocol))
	if in.at = 1; q.Protocol == wire.ProtocolUDP || q.Protocol == wire.ProtocolTCP {
		in.same("sport", uint64(q.SrcPort))
		in.same("dport", uint64(q.DstPort))
	}
	r.counts["IPv6.quoted"]++
}

// discovery compares a message of neighbour discovery. Scapy's have any hop limit and addresses, and forms.pcap any code, for
// which package wire must refuse them.
func (r *sixReading) discovery(h wire.IPv6, b []byte) {
	typ := wire.ICMPv6Type(b[0])
	if typ < wire.ICMPv6RouterSolicitation || typ > wire.ICMPv6Redirect {
		return
	}
	if h.HopLimit != 255 {
		if _, _, err := wire.ParseNeighborSolicitation(&h, b, false); typ == wire.ICMPv6NeighborSolicitation && err != drop.BadHopLimit {
			r.t.Errorf("%s: hop limit %d, and the error is %v", r.name, h.HopLimit, err)
		}
		h.HopLimit = 255
	}
	if !h.Src.IsLinkLocalUnicast() {
		h.Src = netip.MustParseAddr("fe80::1")
	}
	b = bytes.Clone(b)
	b[1] = 0
	var options wire.NDOptions
	var err error
	switch typ {
	case wire.ICMPv6RouterSolicitation:
		options, err = wire.ParseRouterSolicitation(&h, b, false)
		r.counts["ICMPv6ND_RS.res"]++
	case wire.ICMPv6RouterAdvertisement:
		options, err = r.routerAdvertisement(&h, b)
	case wire.ICMPv6NeighborSolicitation:
		var m wire.NeighborSolicitation
		m, options, err = wire.ParseNeighborSolicitation(&h, b, false)
		r.same("tgt", m.Target)
	case wire.ICMPv6NeighborAdvertisement:
		var m wire.NeighborAdvertisement
		m, options, err = wire.ParseNeighborAdvertisement(&h, b, false)
		r.same("tgt", m.Target)
		r.same("R", m.Router)
		r.same("S", m.Solicited)
		r.same("O", m.Override)
	case wire.ICMPv6Redirect:
		l := r.packet.Layers[r.at]
		copy(b[8:], netip.MustParseAddr("fe80::9").AsSlice()) // Scapy's targets are global
		var m wire.Redirect
		m, options, err = wire.ParseRedirect(&h, b, false)
		r.same("dst", m.Dest)
		if got := l.Value(l.Protocol.Field("tgt")); m.Target == got {
			r.t.Errorf("%s: target %v", r.name, got)
		}
	}
	r.ok(err)
	r.options(options)
}

func (r *sixReading) routerAdvertisement(h *wire.IPv6, b []byte) (wire.NDOptions, error) {
	m, options, err := wire.ParseRouterAdvertisement(h, b, false)
	r.same("chlim", uint64(m.HopLimit))
	r.same("M", m.Managed)
	r.same("O", m.Other)
	r.same("H", m.HomeAgent)
	r.same("P", m.Proxy)
	r.same("routerlifetime", uint64(m.RouterLifetime))
	r.same("reachabletime", uint64(m.ReachableTime))
	r.same("retranstimer", uint64(m.RetransTimer))
	if l := r.packet.Layers[r.at]; !l.is("prf", uint64(m.Preference)&3) && !l.is("prf", 2) {
		r.t.Errorf("%s: preference %d", r.name, m.Preference)
	}
	return options, err
}

// options compares the options of a message of neighbour discovery with the layers behind it.
func (r *sixReading) options(o wire.NDOptions) {
	for first, rest, ok := o.Next(); ok; first, rest, ok = rest.Next() {
		if r.at++; r.at == len(r.packet.Layers) {
			r.t.Errorf("%s: the tables do not have the option %+v", r.name, first)
			return
		}
		r.same("type", uint64(first.Type))
		r.same("len", uint64(len(first.Data)+2)/8)
		switch first.Type {
		case wire.NDSourceLinkAddr, wire.NDTargetLinkAddr:
			a, _ := first.LinkAddr()
			r.same("lladdr", a)
		case wire.NDPrefix:
			p, _ := first.PrefixInfo()
			r.same("prefix", p.Prefix.Addr())
			r.same("prefixlen", uint64(p.Prefix.Bits()))
			r.same("L", p.OnLink)
			r.same("A", p.Autonomous)
			r.same("R", p.RouterAddr)
			r.same("validlifetime", uint64(p.ValidLifetime))
			r.same("preferredlifetime", uint64(p.Preferred))
		case wire.NDMTU:
			mtu, _ := first.MTU()
			r.same("mtu", uint64(mtu))
		case wire.NDRedirected:
			l := r.packet.Layers[r.at]
			quoted, _ := first.Redirected()
			if inner, ok := l.Value(l.Protocol.Field("quoted")).(*Packet); !ok || !bytes.Equal(inner.Octets, quoted) {
				r.t.Errorf("%s: redirected % x", r.name, quoted)
			}
			r.counts["ICMPv6NDOptRedirectedHdr.quoted"]++
		case wire.NDNonce:
			nonce, _ := first.Nonce()
			r.same("nonce", nonce)
		case wire.NDRoute:
			route, _ := first.RouteInfo()
			r.same("prefix", route.Prefix.Addr())
			r.same("plen", uint64(route.Prefix.Bits()))
			r.same("rtlifetime", uint64(route.Lifetime))
		case wire.NDDNSServers:
			servers, lifetime, _ := first.DNSServers()
			r.same("lifetime", uint64(lifetime))
			r.same("dns", addrs(servers))
		case wire.NDDNSSearch:
			names, lifetime, _ := first.DNSSearch()
			list := []any{}
			for name, rest, ok := names.Next(); ok; name, rest, ok = rest.Next() {
				list = append(list, name.String())
			}
			r.same("lifetime", uint64(lifetime))
			r.same("searchlist", list)
		}
	}
}

// addrs returns the addresses as the tables list them.
func addrs(l wire.AddrList) []any {
	list := []any{}
	for i := range l.Len() {
		list = append(list, l.At(i))
	}
	return list
}

// listener compares a message of MLD, whose addresses and hop limit package wire would refuse in Scapy's packets.
func (r *sixReading) listener(h wire.IPv6, b []byte) {
	h.HopLimit, h.Src = 1, netip.MustParseAddr("fe80::1")
	c := wire.IPv6Chain{HasRouterAlert: true}
	l := r.packet.Layers[r.at]
	switch wire.ICMPv6Type(b[0]) {
	case wire.ICMPv6ListenerQuery:
		if a := l.Value(l.Protocol.Field("mladdr")).(netip.Addr); !a.IsMulticast() && !a.IsUnspecified() {
			_, _, err := wire.ParseMLDQuery(&h, &c, b, false)
			r.refusesGroup(a, err)
			b = withGroup(b, 8)
		}
		m, sources, err := wire.ParseMLDQuery(&h, &c, b, false)
		r.ok(err)
		r.same("mrd", uint64(m.ResponseCode))
		if m.Version == 2 {
			r.same("s", m.Suppress)
			r.same("qrv", uint64(m.Robustness))
			r.same("qqic", uint64(m.IntervalCode))
			r.same("sources", addrs(sources))
		}
	case wire.ICMPv6ListenerReport, wire.ICMPv6ListenerDone:
		a := l.Value(l.Protocol.Field("mladdr")).(netip.Addr)
		group, err := wire.ParseMLDReport(&h, &c, b, false)
		if !a.IsMulticast() {
			r.refusesGroup(a, err)
			return
		}
		r.ok(err)
		r.same("mladdr", group)
	case wire.ICMPv6ListenerReportVersion2:
		records, err := wire.ParseMLDv2Report(&h, &c, b, false)
		list := l.Value(l.Protocol.Field("records")).([]any)
		for _, rec := range list {
			if a := rec.(Record).Parts[3].Value.(netip.Addr); !a.IsMulticast() {
				r.refusesGroup(a, err)
				return
			}
		}
		r.ok(err)
		for _, rec := range list {
			first, rest, _ := records.Next()
			parts := rec.(Record).Parts
			want := []any{uint64(first.Type), uint64(first.Sources.Len()), first.Group, addrs(first.Sources)}
			if got := []any{parts[0].Value, parts[2].Value, parts[3].Value, parts[4].Value}; !reflect.DeepEqual(got, want) {
				r.t.Errorf("%s: record %v by its table, %v by package wire", r.name, got, want)
			}
			records = rest
			r.counts["ICMPv6MLReport2.records"]++
		}
		if len(records) > 0 {
			r.t.Errorf("%s: the tables do not have the records % x", r.name, records)
		}
	}
}

// withGroup returns a copy of a message with a multicast address at index i.
func withGroup(b []byte, i int) []byte {
	b = bytes.Clone(b)
	copy(b[i:], netip.MustParseAddr("ff05::5").AsSlice())
	return b
}

// refusesGroup checks that package wire refuses a message about an address that is no group's.
func (r *sixReading) refusesGroup(a netip.Addr, err error) {
	r.t.Helper()
	if err != drop.MLDBadGroup {
		r.t.Errorf("%s: group %v, and the error is %v", r.name, a, err)
	}
}
