package stack

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"

	"smolsh/stack/wire"
)

// frame6 is an IPv6 packet of a dialogue's frame. Its slices are parts of the packet.
type frame6 struct {
	ip      wire.IPv6
	octets  []byte
	ext     []byte // the extension headers
	payload []byte // the octets after the extension headers, as many as the packet has
	proto   wire.Protocol

	hasFragment bool
	fragment    wire.IPv6Fragment
}

// dissect6 parses the headers of an IPv6 packet, which may be cut, and whose extension headers may be wrong.
func dissect6(b []byte) (p frame6, ok bool) {
	var err error
	if p.ip, p.payload, err = wire.ParseQuotedIPv6(b); err != nil {
		return p, false
	}
	p.octets, p.proto = b, p.ip.NextHeader
	at := wire.IPv6Len
	for p.proto == 0 || p.proto == 43 || p.proto == 60 || p.proto == 44 {
		if len(b) < at+8 {
			break
		}
		n := 8 + 8*int(b[at+1])
		if p.proto == 44 {
			n = wire.IPv6FragmentLen
			field := binary.BigEndian.Uint16(b[at+2:])
			p.hasFragment = true
			p.fragment = wire.IPv6Fragment{Offset: int(field &^ 7), More: field&1 != 0, ID: binary.BigEndian.Uint32(b[at+4:])}
		}
		if p.proto, at = wire.Protocol(b[at]), at+n; at > len(b) || p.hasFragment {
			break
		}
	}
	at = min(at, len(b))
	p.ext, p.payload = b[wire.IPv6Len:at], b[at:]
	return p, true
}

// part reports whether the packet is a fragment of a datagram.
func (p *frame6) part() bool { return p.hasFragment && p.fragment.IsFragment() }

// icmp6Type returns the type of the ICMPv6 message in the packet, 0 if there is none.
func (p *frame6) icmp6Type() wire.ICMPv6Type {
	if p.proto != wire.ProtocolICMPv6 || len(p.payload) == 0 || p.fragment.Offset > 0 {
		return 0
	}
	return wire.ICMPv6Type(p.payload[0])
}

// isND reports whether a message of type t belongs to neighbour discovery, and isMLD whether it is one of MLD.
func isND(t wire.ICMPv6Type) bool {
	return t >= wire.ICMPv6RouterSolicitation && t <= wire.ICMPv6Redirect
}

func isMLD(t wire.ICMPv6Type) bool {
	return t >= wire.ICMPv6ListenerQuery && t <= wire.ICMPv6ListenerDone || t == wire.ICMPv6ListenerReportVersion2
}

// frame6Defaults returns the hop limit and the extension headers of a packet whose line shows none.
func frame6Defaults(t wire.ICMPv6Type) (hopLimit uint8, ext string) {
	switch {
	case isND(t):
		return ndHopLimit, ""
	case isMLD(t):
		return mldHopLimit, mldExt
	}
	return 64, ""
}

// mldExt is the hop-by-hop options of every MLD message, with a router alert, in hexadecimal.
const mldExt = "3a00050200000100"

// showIPv6 notes what the summary of an IPv6 packet does not show. See showFrame.
func showIPv6(p *frame6, out bool, note func(string, ...any)) {
	t := p.icmp6Type()
	hopLimit, ext := frame6Defaults(t)
	if p.ip.HopLimit != hopLimit {
		note("hlim %d", p.ip.HopLimit)
	}
	if v := p.ip.TrafficClass &^ 3; v != 0 {
		note("class %d", v)
	}
	if e := p.ip.ECN(); e != wire.NotECT {
		note("%s", ecnWords[e])
	}
	if labelled := p.ip.FlowLabel != 0; out && labelled != (!isND(t) && !isMLD(t)) {
		note("label %d", p.ip.FlowLabel)
	}
	if p.hasFragment {
		note("id %d", p.fragment.ID)
		if p.fragment.More {
			note("more")
		}
		note("of %d", p.proto)
		note("%d octets", len(p.payload))
	} else if e := hex.EncodeToString(p.ext); e != ext {
		note("ext %d %s", p.ip.NextHeader, e)
	}
	if n := p.ip.PayloadLen - len(p.octets) + wire.IPv6Len; n != 0 {
		note("quoting %d", p.ip.PayloadLen+wire.IPv6Len)
	}
	showPayload6(p, t, note)
}

// showPayload6 notes the parts of the payload that the summary does not show.
func showPayload6(p *frame6, t wire.ICMPv6Type, note func(string, ...any)) {
	b := p.payload
	if p.part() {
		if at := p.fragment.Offset; at > 0 && p.proto == wire.ProtocolUDP && at >= wire.UDPLen {
			if want := octets(at + len(b)); !bytes.Equal(b, want[at-wire.UDPLen:][:len(b)]) {
				note("other data")
			}
		}
		return
	}
	switch p.proto {
	case wire.ProtocolUDP:
		if len(b) >= wire.UDPLen && !bytes.Equal(b[wire.UDPLen:], octets(len(b)-wire.UDPLen)) {
			note("other data")
		}
	case wire.ProtocolTCP:
		if h, data, err := wire.ParseTCP(b); err == nil && len(data) == 0 && h.Flags&(wire.SYN|wire.FIN|wire.RST) == 0 {
			note("seq %d", uint32(h.Seq))
		}
	case wire.ProtocolICMPv6:
		showICMPv6(p, t, note)
	}
	if p.proto == wire.ProtocolUDP && len(b) >= wire.UDPLen && b[6] == 0 && b[7] == 0 {
		note("no checksum")
	} else if p.ip.PayloadLen+wire.IPv6Len == len(p.octets) && len(b) >= 8 {
		switch p.proto {
		case wire.ProtocolUDP, wire.ProtocolTCP, wire.ProtocolICMPv6:
			if wire.PseudoHeader(p.ip.Src, p.ip.Dst, p.proto, len(b)).AddBytes(b).Checksum() != 0 {
				note("bad checksum")
			}
		}
	}
}

func showICMPv6(p *frame6, t wire.ICMPv6Type, note func(string, ...any)) {
	b := p.payload
	switch {
	case (t == wire.ICMPv6EchoRequest || t == wire.ICMPv6EchoReply) && len(b) >= wire.ICMPv6Len:
		if !bytes.Equal(b[wire.ICMPv6Len:], octets(len(b)-wire.ICMPv6Len)) {
			note("other data")
		}
	case t.IsError() && len(b) > wire.ICMPv6Len:
		showQuote6(b[wire.ICMPv6Len:], note)
	case isND(t):
		showND(p, t, note)
	case isMLD(t):
		showMLD(p, t, note)
	}
	if isND(t) && b[1] != 0 {
		note("code %d", b[1])
	}
}

// showQuote6 notes what a quoted packet's line does not show.
func showQuote6(quote []byte, note func(string, ...any)) {
	if q, ok := dissect6(quote); ok {
		if q.ip.HopLimit != 64 && !isND(q.icmp6Type()) {
			note("quoted hlim %d", q.ip.HopLimit)
		}
		if len(quote) < wire.IPv6Len+q.ip.PayloadLen || q.proto == wire.ProtocolTCP {
			note("quoting %d", wire.IPv6Len+q.ip.PayloadLen)
		}
		if len(q.ext) > 0 {
			note("quoted ext %d %x", q.ip.NextHeader, q.ext)
		}
	}
}

// anyRouter is a source that every message of neighbour discovery may have.
var anyRouter = netip.MustParseAddr("fe80::1")

// letters returns the letters of those flags that are set.
func letters(names string, set ...bool) (s string) {
	for i, yes := range set {
		if yes {
			s += names[i : i+1]
		}
	}
	return s
}

// showND notes the fields and options of a message of neighbour discovery.
func showND(p *frame6, t wire.ICMPv6Type, note func(string, ...any)) {
	b := bytes.Clone(p.payload)
	b[1] = 0
	h := wire.IPv6{HopLimit: ndHopLimit, Src: anyRouter, Dst: p.ip.Dst} // the line shows what of it is wrong
	var options wire.NDOptions
	var err error
	switch t {
	case wire.ICMPv6RouterSolicitation:
		options, err = wire.ParseRouterSolicitation(&h, b, false)
	case wire.ICMPv6RouterAdvertisement:
		var m wire.RouterAdvertisement
		m, options, err = wire.ParseRouterAdvertisement(&h, b, false)
		note("lifetime %d", m.RouterLifetime)
		for _, v := range []struct {
			name  string
			value int
		}{{"hops", int(m.HopLimit)}, {"pref", int(m.Preference)}, {"reachable", int(m.ReachableTime)}, {"retrans", int(m.RetransTimer)}} {
			if v.value != 0 {
				note("%s %d", v.name, v.value)
			}
		}
		if s := letters("MO", m.Managed, m.Other); s != "" {
			note("flags %s", s)
		}
	case wire.ICMPv6NeighborSolicitation:
		_, options, err = wire.ParseNeighborSolicitation(&h, b, false)
	case wire.ICMPv6NeighborAdvertisement:
		var m wire.NeighborAdvertisement
		m, options, err = wire.ParseNeighborAdvertisement(&h, b, false)
		if s := letters("RSO", m.Router, m.Solicited, m.Override); s != "" {
			note("flags %s", s)
		}
	case wire.ICMPv6Redirect:
		_, options, err = wire.ParseRedirect(&h, b, false)
	}
	if err != nil {
		note("malformed %x", b)
		return
	}
	for o, rest, more := options.Next(); more; o, rest, more = rest.Next() {
		showNDOption(o, note)
	}
}

func showNDOption(o wire.NDOption, note func(string, ...any)) {
	if a, ok := o.LinkAddr(); ok {
		note("%s %v", map[wire.NDOptionType]string{wire.NDSourceLinkAddr: "sll", wire.NDTargetLinkAddr: "tll"}[o.Type], a)
	} else if p, ok := o.PrefixInfo(); ok {
		note("prefix %v %s %d %d", p.Prefix, letters("LA", p.OnLink, p.Autonomous), p.ValidLifetime, p.Preferred)
	} else if n, ok := o.MTU(); ok {
		note("mtu %d", n)
	} else if r, ok := o.RouteInfo(); ok {
		note("route %v %d %d", r.Prefix, r.Preference, r.Lifetime)
	} else if list, lifetime, ok := o.DNSServers(); ok {
		s := ""
		for i := range list.Len() {
			s += " " + list.At(i).String()
		}
		note("dns %d%s", lifetime, s)
	} else if quote, ok := o.Redirected(); ok {
		note("redirected %d octets", len(quote))
	} else {
		note("option %d %x", o.Type, o.Data)
	}
}

// showMLD notes the fields of an MLD message.
func showMLD(p *frame6, t wire.ICMPv6Type, note func(string, ...any)) {
	chain := wire.IPv6Chain{HasRouterAlert: true}
	h := wire.IPv6{HopLimit: mldHopLimit, Src: anyRouter, Dst: p.ip.Dst}
	switch t {
	case wire.ICMPv6ListenerQuery:
		q, _, err := wire.ParseMLDQuery(&h, &chain, p.payload, false)
		if err == nil && q.Version == 2 {
			note("resp %d", q.ResponseCode)
		}
	case wire.ICMPv6ListenerReportVersion2:
		records, err := wire.ParseMLDv2Report(&h, &chain, p.payload, false)
		if err != nil {
			note("malformed %x", p.payload)
		}
		for r, rest, ok := records.Next(); ok; r, rest, ok = rest.Next() {
			note("record %d %v%s", r.Type, r.Group, strings.Repeat(" and a source", r.Sources.Len()))
		}
	}
}

// checkQuote6 is checkQuote for IPv6. A router has reduced the hop limit of a packet whose next hop did not answer.
func (d *dialogue) checkQuote6(b []byte) {
	p, ok := dissect6(b)
	if !ok || !p.icmp6Type().IsError() || p.icmp6Type() == 0 || len(p.payload) < wire.ICMPv6Len {
		return
	}
	quote := p.payload[wire.ICMPv6Len:]
	for _, r := range d.received {
		if len(r) < wire.IPv6Len || len(quote) != min(len(r), wire.MaxICMPv6Quote) {
			continue
		}
		if r = bytes.Clone(r); d.h.Forwarding() && r[7] == quote[7]+1 {
			r[7]--
		}
		if bytes.Equal(quote, r[:len(quote)]) {
			return
		}
	}
	d.t.Errorf("%v: an error quotes what has not arrived, or too little of it: % x", d.n.now, quote)
}

// stationAt6 returns the hardware address of the station with an IPv6 address on an interface's link: the gateway's if the host is
// not on the link.
func stationAt6(i *Iface, a netip.Addr) wire.HardwareAddr {
	b := a.As16()
	if a.IsLinkLocalUnicast() || a.IsUnspecified() || i.host.net.isNeighbor(i, a) {
		return wire.HardwareAddr{2, 0, 0, 0, b[14], b[15]}
	}
	return wire.HardwareAddr{2, 0, 0, 0, 0, 1}
}

// usualStations6 is usualStations for IPv6.
func usualStations6(i *Iface, p *frame6, out bool) (src, dst wire.HardwareAddr) {
	src, dst = stationAt6(i, p.ip.Src), stationAt6(i, p.ip.Dst)
	if out {
		src = i.mac
	} else {
		dst = i.mac
	}
	if p.ip.Dst.IsMulticast() {
		dst = wire.GroupMAC(p.ip.Dst)
	}
	return src, dst
}
