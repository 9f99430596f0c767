package filter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

// network is the set of addresses that equal addr under mask. For IPv6 it is prefix instead.
type network struct {
	addr, mask uint32
	prefix     netip.Prefix
}

// network compiles the primitives host and net.
func (p *parser) network(q quals, t token) (node, *Error) {
	n, err := p.parseNetwork(q, t)
	if err != nil {
		return nil, err
	}
	if n.prefix.IsValid() {
		if q.proto != "" && q.proto != "ip6" {
			return nil, p.fail(t, fmt.Sprintf("%q does not go with the IPv6 address %v", q.proto, n.prefix.Addr()))
		}
		return ip6Net(p.tags, n.prefix, q.dir), nil
	}
	ip := func(et wire.EtherType, src, dst uint32) node {
		return ip4Net(p.tags, et, n.addr, n.mask, src, dst, q.dir)
	}
	switch q.proto {
	case "":
		return or(or(ip(wire.EtherTypeIPv4, 12, 16), ip(wire.EtherTypeARP, 14, 24)), ip(etherTypeRARP, 14, 24)), nil
	case "ip":
		return ip(wire.EtherTypeIPv4, 12, 16), nil
	case "arp":
		return ip(wire.EtherTypeARP, 14, 24), nil
	case "rarp":
		return ip(etherTypeRARP, 14, 24), nil
	}
	return nil, p.fail(t, fmt.Sprintf("%q does not go with the IPv4 address %v", q.proto, ip4Addr(n.addr)))
}

// parseNetwork parses an address with its prefix length or mask, if any. As in libpcap, an address of two or three
// numbers means a network, even after "host". A single number is a whole address after "host", and is shifted to the
// left after "net".
func (p *parser) parseNetwork(q quals, t token) (network, *Error) {
	switch {
	case t.kind == tokAddr && t.addr.Is6():
		return p.network6(q, t)
	case t.kind == tokMAC:
		return network{}, p.fail(t, "an Ethernet address needs \"ether\" before its keyword")
	case t.kind == tokNum && t.num <= 255 && q.typ == "net" && (p.isOp("/") || p.isKey("mask")):
		return p.masked(q, t, t.num<<24, 8) // libpcap does not support this
	case t.kind == tokNum && q.typ == "net":
		n := network{addr: t.num, mask: ^uint32(0)}
		for n.addr != 0 && n.addr&0xff000000 == 0 {
			n.addr, n.mask = n.addr<<8, n.mask<<8
		}
		return n, nil
	case t.kind == tokNum:
		return network{addr: t.num, mask: ^uint32(0)}, nil
	}
	addr, size, ok := dotted(t)
	switch {
	case ok:
		return p.masked(q, t, addr, size)
	case q.typ == "net":
		return network{}, p.fail(t, "expected a network such as 10.0.0.0/8, found "+t.describe()+nameHint(t))
	}
	return network{}, p.fail(t, "expected an address, found "+t.describe()+nameHint(t))
}

// nameHint returns the text to add to an error if t is a name instead of an address.
func nameHint(t token) string {
	if t.kind == tokWord && !isKeyword(t) {
		return " (names are not looked up)"
	}
	return ""
}

// dotted parses one to four numbers with dots between them, and returns their size in bits. ok is false for another
// text.
func dotted(t token) (addr uint32, size int, ok bool) {
	if t.kind == tokAddr {
		a := t.addr.As4()
		return binary.BigEndian.Uint32(a[:]), 32, true
	}
	parts := strings.Split(t.text, ".")
	if t.kind != tokWord || len(parts) > 4 {
		return 0, 0, false
	}
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return 0, 0, false
		}
		addr = addr<<8 | uint32(n)
	}
	size = 8 * len(parts)
	return addr << (32 - size), size, true
}

// masked parses the length or the mask that may follow an IPv4 network. Without one, the length is size.
func (p *parser) masked(q quals, t token, addr uint32, size int) (network, *Error) {
	n := network{addr: addr, mask: ^uint32(0) << (32 - size)}
	if p.isOp("/") || p.isKey("mask") {
		if q.typ != "net" {
			return n, p.fail(p.peek(), "a prefix length or a mask goes with net, not with "+cmp.Or(q.typ, q.dir, "host"))
		}
		var err *Error
		if n.mask, err = p.parseMask(); err != nil {
			return n, err
		}
	}
	if n.addr&^n.mask != 0 {
		return n, p.fail(t, fmt.Sprintf("bits of %v are set outside the mask: did you mean %v?", ip4Addr(n.addr), n))
	}
	return n, nil
}

func (p *parser) parseMask() (uint32, *Error) {
	if p.next().text == "/" {
		l := p.next()
		if l.kind != tokNum || l.num > 32 {
			return 0, p.fail(l, "expected a prefix length of 0 to 32, found "+l.describe())
		}
		return ^uint32(0) << (32 - l.num), nil
	}
	m := p.next()
	mask, _, ok := dotted(m)
	if !ok {
		return 0, p.fail(m, "expected an IPv4 mask such as 255.255.255.0, found "+m.describe())
	}
	return mask, nil
}

// String returns the network without the bits outside its mask.
func (n network) String() string {
	size := bits.LeadingZeros32(^n.mask)
	if n.mask == ^uint32(0)<<(32-size) {
		return fmt.Sprintf("%v/%d", ip4Addr(n.addr&n.mask), size)
	}
	return fmt.Sprintf("%v mask %v", ip4Addr(n.addr&n.mask), ip4Addr(n.mask))
}

func ip4Addr(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

// network6 parses the length that may follow an IPv6 address.
func (p *parser) network6(q quals, t token) (network, *Error) {
	size := 128
	switch {
	case p.isKey("mask"):
		return network{}, p.fail(p.peek(), "an IPv6 network has a prefix length, such as fdaa::/64, and no mask")
	case p.isOp("/"):
		slash := p.next()
		l := p.next()
		if l.kind != tokNum || l.num > 128 {
			return network{}, p.fail(l, "expected a prefix length of 0 to 128, found "+l.describe())
		}
		if size = int(l.num); size < 128 && q.typ != "net" {
			return network{}, p.fail(slash, "a prefix length goes with net, not with "+cmp.Or(q.typ, q.dir, "host"))
		}
	}
	prefix := netip.PrefixFrom(t.addr.WithZone(""), size)
	if prefix != prefix.Masked() {
		return network{}, p.fail(t, fmt.Sprintf("bits are set behind the prefix of %v: did you mean %v?", prefix, prefix.Masked()))
	}
	return network{prefix: prefix}, nil
}
