package filter

import "smolsh/stack/wire"

// arith is a compiled 32-bit number. The result is no when the packet is not of the protocol whose
// octets are asked for, and abort when they lie beyond its end.
type arith func(p packet) (uint32, result)

func number(v uint32) arith { return func(packet) (uint32, result) { return v, yes } }

func frameLen(p packet) (uint32, result) { return uint32(len(p.b)), yes }

// binop is a op b. A divisor that turns out to be zero aborts, as in BPF.
func binop(op string, a, b arith) arith {
	f := operations[op]
	divides := op == "/" || op == "%"
	return func(p packet) (uint32, result) {
		x, r := a(p)
		if r != yes {
			return 0, r
		}
		y, r := b(p)
		if r != yes {
			return 0, r
		}
		if divides && y == 0 {
			return 0, abort
		}
		return f(x, y), yes
	}
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

// relation compares unsigned numbers.
func relation(op string, a, b arith) node {
	f := comparisons[op]
	return func(p packet) result {
		x, r := a(p)
		if r != yes {
			return r
		}
		y, r := b(p)
		if r != yes {
			return r
		}
		return truth(f(x, y))
	}
}

// accesses are the protocols whose octets can be asked for, and where those start.
var accesses = map[string]func(p packet) (uint32, result){
	"ether": linkBase, "link": linkBase,
	"ip":   networkBase(wire.EtherTypeIPv4),
	"ip6":  networkBase(wire.EtherTypeIPv6),
	"arp":  networkBase(wire.EtherTypeARP),
	"rarp": networkBase(etherTypeRARP),
	"tcp":  transportBase(6), "udp": transportBase(17), "icmp": transportBase(1),
	"igmp": transportBase(2), "sctp": transportBase(132),
	"icmp6": func(p packet) (uint32, result) {
		if r := p.link(wire.EtherTypeIPv6); r != yes {
			return 0, r
		}
		return p.net() + wire.IPv6Len, p.is(p.net()+6, 1, 0xff, 58)
	},
}

func linkBase(packet) (uint32, result) { return 0, yes }

func networkBase(t wire.EtherType) func(p packet) (uint32, result) {
	return func(p packet) (uint32, result) { return p.net(), p.link(t) }
}

func transportBase(proto uint32) func(p packet) (uint32, result) {
	return func(p packet) (uint32, result) {
		if r := p.ip4(proto); r != yes {
			return 0, r
		}
		return p.firstFragment()
	}
}

// access reads size octets at an offset from where a protocol starts.
func access(base func(p packet) (uint32, result), index arith, size uint32) arith {
	return func(p packet) (uint32, result) {
		start, r := base(p)
		if r != yes {
			return 0, r
		}
		i, r := index(p)
		if r != yes {
			return 0, r
		}
		v, ok := p.load(start+i, size)
		if !ok {
			return 0, abort
		}
		return v, yes
	}
}
