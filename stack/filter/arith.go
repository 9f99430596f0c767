package filter

import "smolsh/stack/wire"

// arith is a compiled 32-bit number. check is the condition that the packet has the protocol whose octets the number
// reads, nil if there is none. As in libpcap, a comparison evaluates the checks of both numbers before it computes the
// numbers.
type arith struct {
	check node
	value func(p packet) (v uint32, ok bool) // ok is false if it reads beyond the packet's end, or divides by zero
	known *uint32                            // the value of a constant, else nil
}

func number(v uint32) arith {
	return arith{value: func(packet) (uint32, bool) { return v, true }, known: &v}
}

// frameLen returns the length of the whole frame, even if only a part of it was captured.
func frameLen() arith { return arith{value: func(p packet) (uint32, bool) { return p.len, true }} }

// binop returns a op b. A division by zero at run time aborts, as in BPF. Like libpcap, it keeps only the check of a.
func binop(op string, a, b arith) arith {
	f := operations[op]
	divides := op == "/" || op == "%"
	return arith{check: a.check, value: func(p packet) (uint32, bool) {
		x, okX := a.value(p)
		y, okY := b.value(p)
		if !okX || !okY || divides && y == 0 {
			return 0, false
		}
		return f(x, y), true
	}}
}

var operations = map[string]func(x, y uint32) uint32{
	"+":  func(x, y uint32) uint32 { return x + y },
	"-":  func(x, y uint32) uint32 { return x - y },
	"*":  func(x, y uint32) uint32 { return x * y },
	"/":  func(x, y uint32) uint32 { return x / y },
	"%":  func(x, y uint32) uint32 { return x % y },
	"&":  func(x, y uint32) uint32 { return x & y },
	"|":  func(x, y uint32) uint32 { return x | y },
	"^":  func(x, y uint32) uint32 { return x ^ y },
	"<<": func(x, y uint32) uint32 { return x << y },
	">>": func(x, y uint32) uint32 { return x >> y },
}

var comparisons = map[string]func(x, y uint32) bool{
	"=":  func(x, y uint32) bool { return x == y },
	"==": func(x, y uint32) bool { return x == y },
	"!=": func(x, y uint32) bool { return x != y },
	"<":  func(x, y uint32) bool { return x < y },
	">":  func(x, y uint32) bool { return x > y },
	"<=": func(x, y uint32) bool { return x <= y },
	">=": func(x, y uint32) bool { return x >= y },
}

// relation returns a node that compares the values of a and b by the operator op. The values are unsigned.
func relation(op string, a, b arith) node {
	f := comparisons[op]
	n := func(p packet) result {
		x, okX := a.value(p)
		y, okY := b.value(p)
		if !okX || !okY {
			return abort
		}
		return truth(f(x, y))
	}
	if b.check != nil {
		n = and(b.check, n)
	}
	return and(a.check, n)
}

// access reads size octets at an offset from the protocol's header. It returns false if proto is not a protocol.
func access(proto string, t tags, index arith, size uint32) (arith, bool) {
	network := func(et wire.EtherType, header uint32) arith {
		return arith{check: and(index.check, linkNode(t, et)), value: func(p packet) (uint32, bool) {
			i, ok := index.value(p)
			return p.indexed(i, ok, t.net(p)+header, size)
		}}
	}
	switch proto {
	case "ether", "link":
		return arith{check: index.check, value: func(p packet) (uint32, bool) {
			i, ok := index.value(p)
			return p.indexed(i, ok, 0, size)
		}}, true
	case "ip":
		return network(wire.EtherTypeIPv4, 0), true
	case "ip6":
		return network(wire.EtherTypeIPv6, 0), true
	case "arp":
		return network(wire.EtherTypeARP, 0), true
	case "rarp":
		return network(etherTypeRARP, 0), true
	case "icmp6":
		a := network(wire.EtherTypeIPv6, wire.IPv6Len)
		a.check = and(a.check, func(p packet) result { return p.is(t.net(p)+6, 1, 0xff, 58) })
		return a, true
	case "tcp", "udp", "sctp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp":
		n := bareNode(proto, t)
		check := and(linkNode(t, wire.EtherTypeIPv4), and(and(index.check, n), t.first))
		return arith{check: check, value: func(p packet) (uint32, bool) {
			i, ok := index.value(p)
			header, all := t.headerLen(p)
			return p.indexed(i+header, ok && all, t.net(p), size)
		}}, true
	}
	return arith{}, false
}

// indexed reads size octets at off+i. It fails if ok is false, or if the octets lie beyond the packet's end. A negative
// index wraps to a large i, which lies beyond the end too.
func (p packet) indexed(i uint32, ok bool, off, size uint32) (uint32, bool) {
	if !ok || uint64(i)+uint64(off) > uint64(len(p.b)) {
		return 0, false
	}
	return p.load(off+i, size)
}
