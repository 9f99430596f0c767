package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

// bareNode returns the predicate that a protocol's name alone means, nil for any other word.
func bareNode(name string, t tags) node {
	if et, ok := etherTypes[name]; ok {
		return linkNode(t, wire.EtherType(et))
	}
	if sap, ok := accessPoints[name]; ok {
		return llc(t, sap)
	}
	if proto, ok := onlyIPv4[name]; ok {
		return func(p packet) result { return t.ip4(p, proto) }
	}
	if name == "icmp6" {
		return func(p packet) result { return t.ip6(p, protocols[name]) }
	}
	if proto, ok := anyIP[name]; ok {
		return ipNode(t, proto)
	}
	return nil
}

func linkNode(t tags, et wire.EtherType) node {
	return func(p packet) result { return t.link(p, et) }
}

// ipNode matches a protocol over IPv4 or IPv6.
func ipNode(t tags, proto uint32) node {
	return or(func(p packet) result { return t.ip4(p, proto) }, func(p packet) result { return t.ip6(p, proto) })
}

// parsePrimitive parses keywords and the identifier after them.
func (p *parser) parsePrimitive() (node, *Error) {
	first := p.peek()
	q := quals{pos: first.pos, set: true}
	if first.kind == tokWord && !first.escaped && (isProtocol(first.text) || first.text == "ether" || first.text == "link") {
		q.proto = p.next().text
		if q.proto == "link" {
			q.proto = "ether"
		}
	}
	if n, ok, err := p.parseSpecial(q); ok || err != nil {
		return n, err
	}
	q.dir = p.parseDir()
	if p.isKey("host", "net", "port", "portrange", "proto", "protochain") {
		q.typ = p.next().text
	}
	if q.dir == "" && q.typ == "" {
		if n := bareNode(q.proto, p.tags); n != nil {
			return n, nil
		}
		if q.proto != "" {
			return nil, p.fail(p.peek(), "expected src, dst, host, proto, broadcast or multicast behind \"ether\", found "+p.peek().describe())
		}
		if p.last.set && first.kind != tokOp && first.kind != tokEnd && !isKeyword(first) {
			return p.primitive(p.last, p.next())
		}
		if first.kind == tokAddr || first.kind == tokMAC {
			return nil, p.fail(first, "expected a keyword such as host or port before "+first.describe())
		}
		return nil, p.fail(first, "expected a filter such as \"tcp\", \"host 10.0.0.1\" or \"port 80\", found "+first.describe())
	}
	p.last = q
	if p.isOp("(") {
		p.next()
		o, err := p.parseExpr()
		if err == nil {
			err = p.expect(")")
		}
		if err != nil {
			return nil, err
		}
		return p.predicate(o)
	}
	return p.primitive(q, p.next())
}

// isKeyword reports whether t is a word of the language, and not a name.
func isKeyword(t token) bool {
	if t.kind != tokWord || t.escaped {
		return false
	}
	return slices.Contains(keywords, t.text) || isProtocol(t.text) || slices.Contains(leftOut, t.text)
}

// isProtocol reports whether name alone is a predicate.
func isProtocol(name string) bool { return bareNode(name, 0) != nil }

// leftOut lists the keywords of pcap-filter(7) that this package does not support, for the error message.
var leftOut = []string{"gateway", "mpls", "pppoed", "pppoes", "geneve", "llc", "inbound", "outbound", "ifname", "on",
	"rnr", "rulenum", "reason", "rset", "ruleset", "srnr", "subrulenum", "action", "type", "subtype", "wlan", "fddi", "tr", "ppp", "slip", "radio",
	"atalk", "aarp", "decnet", "ipx", "iso", "clnp", "esis", "isis", "lat", "moprc", "mopdl", "sca"}

// parseDir parses src, dst, "src or dst" and "src and dst".
func (p *parser) parseDir() string {
	if !p.isKey("src", "dst") {
		return ""
	}
	dir := p.next().text
	other := map[string]string{"src": "dst", "dst": "src"}[dir]
	if after := p.toks[min(p.i+1, len(p.toks)-1)]; after.kind == tokWord && after.text == other {
		switch {
		case p.isKey("or") || p.isOp("||"):
			p.i += 2
			return "either"
		case p.isKey("and") || p.isOp("&&"):
			p.i += 2
			return "both"
		}
	}
	return dir
}

// parseSpecial parses the primitives without an identifier, such as broadcast. It returns false for any other word.
func (p *parser) parseSpecial(q quals) (node, bool, *Error) {
	t := p.peek()
	switch {
	case p.isKey("broadcast") && (q.proto == "" || q.proto == "ether"):
		p.next()
		return etherAddr(wire.Broadcast, "dst"), true, nil
	case p.isKey("multicast"):
		n := multicast(q.proto, p.tags)
		if n == nil {
			return nil, true, p.fail(t, fmt.Sprintf("%q does not go with multicast", q.proto))
		}
		p.next()
		return n, true, nil
	case p.isKey("broadcast"):
		return nil, true, p.fail(t, fmt.Sprintf("%q does not go with broadcast: only ether does, as a frame does not tell its network", q.proto))
	case q.proto == "" && p.isKey("less", "greater"):
		p.next()
		n := p.next()
		if n.kind != tokNum {
			return nil, true, p.fail(n, "expected a number of octets, found "+n.describe())
		}
		op := map[string]string{"less": "<=", "greater": ">="}[t.text]
		return relation(op, frameLen(), number(n.num)), true, nil
	case q.proto == "" && p.isKey("vlan"):
		n, err := p.parseVLAN()
		return n, true, err
	case p.isKey(leftOut...):
		return nil, true, p.fail(t, fmt.Sprintf("%q is not supported", t.text))
	}
	return nil, false, nil
}

// parseVLAN parses "vlan" with or without an identifier. As in libpcap, the rest of the expression applies to the
// packet inside the tag.
func (p *parser) parseVLAN() (node, *Error) {
	p.next()
	id := -1
	if t := p.peek(); t.kind == tokNum {
		if t.num > maxVLAN {
			return nil, p.fail(t, fmt.Sprintf("expected a VLAN identifier of 0 to %d, found %s", maxVLAN, t.describe()))
		}
		id = int(p.next().num)
	}
	n := vlan(p.tags, id)
	p.tags += vlanTagLen
	return n, nil
}

func multicast(proto string, t tags) node {
	switch proto {
	case "", "ether":
		return onEthernet(func(p packet) result { return p.is(0, 1, 1, 1) })
	case "ip":
		return and(linkNode(t, wire.EtherTypeIPv4), func(p packet) result {
			v, ok := p.load(t.net(p)+16, 1)
			if !ok {
				return abort
			}
			return truth(v >= 224)
		})
	case "ip6":
		return and(linkNode(t, wire.EtherTypeIPv6), func(p packet) result { return p.is(t.net(p)+24, 1, 0xff, 0xff) })
	}
	return nil
}

// primitive compiles the identifier t with the keywords q.
func (p *parser) primitive(q quals, t token) (node, *Error) {
	switch q.typ {
	case "port", "portrange":
		return p.port(q, t)
	case "proto", "protochain":
		return p.proto(q, t)
	}
	switch q.proto {
	case "ether":
		if t.kind != tokMAC || q.typ == "net" {
			return nil, p.fail(t, "expected an Ethernet address such as 02:00:00:00:00:01, found "+t.describe())
		}
		return etherAddr(t.mac, q.dir), nil
	case "", "ip", "ip6", "arp", "rarp":
		return p.network(q, t)
	}
	return nil, &Error{p.expr, q.pos, fmt.Sprintf("%q does not go with hosts and networks", q.proto)}
}

// port compiles the primitives port and portrange.
func (p *parser) port(q quals, t token) (node, *Error) {
	protos := []uint32{6, 17, 132}
	switch q.proto {
	case "":
	case "tcp", "udp", "sctp":
		protos = []uint32{protocols[q.proto]}
	default:
		return nil, &Error{p.expr, q.pos, fmt.Sprintf("%q does not go with ports", q.proto)}
	}
	low, high := t.text, t.text
	if q.typ == "portrange" {
		var ok bool
		if low, high, ok = strings.Cut(t.text, "-"); !ok {
			high = low
		}
	}
	if t.kind != tokNum && t.kind != tokWord || isKeyword(t) {
		return nil, p.fail(t, "expected a port number, found "+t.describe())
	}
	lo, okLo := portNumber(low)
	hi, okHi := portNumber(high)
	if !okLo || !okHi {
		want := "expected a port number, found "
		if q.typ == "portrange" {
			want = "expected a range of ports such as 6000-6008, found "
		}
		return nil, p.fail(t, want+t.describe())
	}
	return portNode(p.tags, protos, q.dir, min(lo, hi), max(lo, hi)), nil
}

func portNumber(s string) (uint32, bool) {
	if v, ok := services[s]; ok {
		return v, true
	}
	n, err := strconv.ParseUint(s, 0, 16)
	return uint32(n), err == nil
}

// proto compiles primitives such as "ip proto 6".
func (p *parser) proto(q quals, t token) (node, *Error) {
	names := protocols
	if q.proto == "ether" {
		names = etherTypes
	}
	n, ok := names[t.text]
	if t.kind == tokNum {
		n, ok = t.num, true
	}
	if !ok {
		return nil, p.fail(t, "expected a protocol's name or number, found "+t.describe())
	}
	if q.dir != "" {
		return nil, &Error{p.expr, q.pos, "src and dst do not go with " + q.typ}
	}
	if q.proto == "ether" && q.typ == "protochain" {
		return nil, &Error{p.expr, q.pos, `"ether" does not go with protochain`}
	}
	switch q.proto {
	case "ether":
		if n > 0xffff || n == ipxAccessPoint {
			return nil, p.fail(t, "expected an Ethernet type, or an LLC access point other than IPX's, found "+t.describe())
		}
		if n <= maxLength8023 {
			return llc(p.tags, n), nil
		}
		return linkNode(p.tags, wire.EtherType(n)), nil
	case "", "ip", "ip6":
		if n > 255 {
			return nil, p.fail(t, "expected a protocol number of 0 to 255, found "+t.describe())
		}
	default:
		return nil, &Error{p.expr, q.pos, fmt.Sprintf("%q does not go with %s", q.proto, q.typ)}
	}
	at := p.tags
	switch {
	case q.typ == "protochain" && q.proto == "":
		return or(chain4(at, n), chain6(at, n)), nil
	case q.typ == "protochain" && q.proto == "ip":
		return chain4(at, n), nil
	case q.typ == "protochain":
		return chain6(at, n), nil
	}
	switch q.proto {
	case "ip":
		return func(p packet) result { return at.ip4(p, n) }, nil
	case "ip6":
		return func(p packet) result { return at.ip6(p, n) }, nil
	}
	return ipNode(at, n), nil
}
