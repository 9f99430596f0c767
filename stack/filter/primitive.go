package filter

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

const etherTypeRARP wire.EtherType = 0x8035

// bare are the protocols that are a predicate by themselves.
var bare = map[string]node{
	"ip":    linkNode(wire.EtherTypeIPv4),
	"ip6":   linkNode(wire.EtherTypeIPv6),
	"arp":   linkNode(wire.EtherTypeARP),
	"rarp":  linkNode(etherTypeRARP),
	"tcp":   ipNode(6),
	"udp":   ipNode(17),
	"sctp":  ipNode(132),
	"icmp":  func(p packet) result { return p.ip4(1) },
	"igmp":  func(p packet) result { return p.ip4(2) },
	"icmp6": func(p packet) result { return p.ip6(58) },
}

func linkNode(t wire.EtherType) node { return func(p packet) result { return p.link(t) } }

// ipNode is a protocol over IPv4 or IPv6.
func ipNode(proto uint32) node {
	return or(func(p packet) result { return p.ip4(proto) }, func(p packet) result { return p.ip6(proto) })
}

// parsePrimitive parses keywords and the identifier behind them.
func (p *parser) parsePrimitive() (node, *Error) {
	first := p.peek()
	q := quals{pos: first.pos, set: true}
	if first.kind == tokWord && !first.escaped && (bare[first.text] != nil || first.text == "ether" || first.text == "link") {
		q.proto = p.next().text
		if q.proto == "link" {
			q.proto = "ether"
		}
	}
	if n, ok, err := p.parseSpecial(q); ok || err != nil {
		return n, err
	}
	q.dir = p.parseDir()
	if p.isKey("host", "net", "port", "portrange", "proto") {
		q.typ = p.next().text
	}
	if q.dir == "" && q.typ == "" {
		if n := bare[q.proto]; n != nil {
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

// isKeyword tells words of the language from names.
func isKeyword(t token) bool {
	if t.kind != tokWord || t.escaped {
		return false
	}
	switch t.text {
	case "and", "or", "not", "host", "net", "port", "portrange", "proto", "src", "dst", "less", "greater",
		"broadcast", "multicast", "len", "mask", "ether", "link", "gateway", "vlan", "mpls", "protochain":
		return true
	}
	return bare[t.text] != nil
}

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

// parseSpecial parses the primitives that are not keywords with an identifier; it is false when none
// is there.
func (p *parser) parseSpecial(q quals) (node, bool, *Error) {
	t := p.peek()
	switch {
	case p.isKey("broadcast") && (q.proto == "" || q.proto == "ether"):
		p.next()
		return etherAddr(wire.Broadcast, "dst"), true, nil
	case p.isKey("multicast"):
		n := multicast(q.proto)
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
		return relation(op, frameLen, number(n.num)), true, nil
	case p.isKey("vlan", "mpls", "gateway", "protochain"):
		return nil, true, p.fail(t, fmt.Sprintf("%q is not supported", t.text))
	}
	return nil, false, nil
}

func multicast(proto string) node {
	switch proto {
	case "", "ether":
		return onEthernet(func(p packet) result { return p.is(0, 1, 1, 1) })
	case "ip":
		return and(bare["ip"], relation(">=", access(networkBase(wire.EtherTypeIPv4), number(16), 1), number(224)))
	case "ip6":
		return and(bare["ip6"], func(p packet) result { return p.is(p.net()+24, 1, 0xff, 0xff) })
	}
	return nil
}

// primitive compiles the identifier t with the keywords q.
func (p *parser) primitive(q quals, t token) (node, *Error) {
	switch q.typ {
	case "port", "portrange":
		return p.port(q, t)
	case "proto":
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

// network compiles host and net.
func (p *parser) network(q quals, t token) (node, *Error) {
	var prefix netip.Prefix
	var err *Error
	switch {
	case t.kind == tokAddr:
		prefix, err = p.addrPrefix(q, t)
	case q.typ == "net" && (t.kind == tokNum || t.kind == tokWord):
		prefix, err = p.shortNet(t)
	case t.kind == tokMAC:
		err = p.fail(t, "an Ethernet address needs \"ether\" before its keyword")
	case q.typ == "net":
		err = p.fail(t, "expected a network such as 10.0.0.0/8, found "+t.describe())
	default:
		err = p.fail(t, "expected an address, found "+t.describe()+" (names are not looked up)")
	}
	if err != nil {
		return nil, err
	}
	if prefix != prefix.Masked() {
		return nil, p.fail(t, fmt.Sprintf("bits are set behind the prefix of %v: did you mean %v?", prefix, prefix.Masked()))
	}
	if prefix.Addr().Is6() {
		if q.proto != "" && q.proto != "ip6" {
			return nil, p.fail(t, fmt.Sprintf("%q does not go with the IPv6 address %v", q.proto, prefix.Addr()))
		}
		return ip6Net(prefix, q.dir), nil
	}
	nodes := map[string]node{
		"ip":   ip4Net(wire.EtherTypeIPv4, prefix, 12, 16, q.dir),
		"arp":  ip4Net(wire.EtherTypeARP, prefix, 14, 24, q.dir),
		"rarp": ip4Net(etherTypeRARP, prefix, 14, 24, q.dir),
		"":     nil,
	}
	nodes[""] = or(or(nodes["ip"], nodes["arp"]), nodes["rarp"])
	if nodes[q.proto] == nil {
		return nil, p.fail(t, fmt.Sprintf("%q does not go with the IPv4 address %v", q.proto, prefix.Addr()))
	}
	return nodes[q.proto], nil
}

// addrPrefix parses the length or the mask that may follow an address.
func (p *parser) addrPrefix(q quals, t token) (netip.Prefix, *Error) {
	size := t.addr.BitLen()
	switch {
	case p.isOp("/"):
		if q.typ == "host" {
			return netip.Prefix{}, p.fail(p.peek(), "a prefix length goes with net, not with host")
		}
		p.next()
		n := p.next()
		if n.kind != tokNum || n.num > uint32(size) {
			return netip.Prefix{}, p.fail(n, fmt.Sprintf("expected a prefix length of 0 to %d, found %s", size, n.describe()))
		}
		size = int(n.num)
	case q.typ == "net" && p.isKey("mask"):
		p.next()
		n := p.next()
		if n.kind != tokAddr || !n.addr.Is4() || !t.addr.Is4() {
			return netip.Prefix{}, p.fail(n, "expected an IPv4 mask such as 255.255.255.0, found "+n.describe())
		}
		v := n.addr.As4()
		mask := uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
		size = bits.LeadingZeros32(^mask)
		if mask != ^uint32(0)<<(32-size) {
			return netip.Prefix{}, p.fail(n, "expected a mask of ones followed by zeros, found "+n.describe())
		}
	}
	return netip.PrefixFrom(t.addr, size), nil
}

// shortNet parses a network of one to three octets, such as 10 or 192.168, with an optional length.
func (p *parser) shortNet(t token) (netip.Prefix, *Error) {
	parts := strings.Split(t.text, ".")
	var v [4]byte
	bad := len(parts) > 4
	for i, part := range parts[:min(4, len(parts))] {
		n, err := strconv.ParseUint(part, 10, 8)
		bad = bad || err != nil
		v[i] = byte(n)
	}
	if bad {
		return netip.Prefix{}, p.fail(t, "expected a network such as 10.0.0.0/8, found "+t.describe()+" (names are not looked up)")
	}
	t.addr = netip.AddrFrom4(v)
	if p.isOp("/") {
		return p.addrPrefix(quals{typ: "net"}, t)
	}
	return netip.PrefixFrom(t.addr, 8*len(parts)), nil
}

// port compiles port and portrange.
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
	return portNode(protos, q.dir, min(lo, hi), max(lo, hi)), nil
}

func portNumber(s string) (uint32, bool) {
	if v, ok := services[s]; ok {
		return v, true
	}
	n, err := strconv.ParseUint(s, 0, 16)
	return uint32(n), err == nil
}

// proto compiles "ip proto 6" and its like.
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
		return nil, &Error{p.expr, q.pos, "src and dst do not go with proto"}
	}
	switch q.proto {
	case "ether":
		if n <= 1500 || n > 0xffff {
			return nil, p.fail(t, "expected an Ethernet type of 1501 to 65535, found "+t.describe())
		}
		return linkNode(wire.EtherType(n)), nil
	case "", "ip", "ip6":
		if n > 255 {
			return nil, p.fail(t, "expected a protocol number of 0 to 255, found "+t.describe())
		}
	default:
		return nil, &Error{p.expr, q.pos, fmt.Sprintf("%q does not go with proto", q.proto)}
	}
	switch q.proto {
	case "ip":
		return func(p packet) result { return p.ip4(n) }, nil
	case "ip6":
		return func(p packet) result { return p.ip6(n) }, nil
	}
	return ipNode(n), nil
}
