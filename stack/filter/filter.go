// Package filter compiles tcpdump's filter expressions into Go predicates over a frame.
//
// Sources: pcap-filter(7) for the language, and the code that libpcap 1.10 generates where the manual says nothing. The
// tests compare both over the same captures. As in libpcap:
//
//   - "and" and "or" have equal precedence and associate to the left; an identifier without a keyword
//     takes the keywords before it ("port 80 or 443");
//   - a packet too short for a read is not matched, not even by "not"; "len", "less" and "greater" mean the length of the
//     frame on the wire, even if fewer octets were captured;
//   - tcp[…] means IPv4 only, and never a later fragment; ports over IPv6 are read directly after its header;
//   - after "vlan", the rest of the expression applies to the packet after the tag, across "or" and parentheses;
//     another "vlan" means a second tag;
//   - "host 10.0" is the network 10.0.0.0/16, "host 80" the address 0.0.0.80, "net 266" is 1.10.0.0/16;
//   - "%" and "^" take all the arithmetic to their right: 6 % 4 + 1 is 6 % 5;
//   - "protochain" continues after an authentication header as if that header stood where the packet begins;
//   - of two numbers joined by an operator only the first one's protocol is checked: "ip[0] + tcp[0] = 1"
//     reads the octet at TCP's offset in any IPv4 packet.
//
// Deviates: libpcap's optimiser omits reads whose value does not matter, and so may match a packet that is too short
// for them. This package performs every read, as `tcpdump -O` does. The name of a service means its number with every
// protocol, and means the same on every machine.
//
// Supported: ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, igrp, pim, vrrp, carp, esp, ah, stp,
// netbeui; host, net (with a length or any mask), port, portrange, proto, protochain with src and dst; vlan, broadcast,
// multicast, less, greater, len; byte access with arithmetic and comparison; the named offsets and flags of TCP, ICMP
// and ICMPv6.
//
// Left out on purpose: names of hosts and networks (the package does not ask a resolver; service names are in a short
// table), "ip broadcast" (a frame does not contain its network's mask; tcpdump refuses it for a file, too), gateway,
// direction (rules and packets have their own), MPLS, PPPoE, LLC's further words and link layers that no capture of
// ours has.
//
// Limits: an expression has at most 8192 octets and 100 levels of nesting, so that the cost of a packet is bounded. A
// Filter never changes and allocates nothing when it matches; any goroutine may use it.
package filter

import (
	"fmt"
	"unicode"

	"smolsh/phy"
)

// Filter is a compiled expression.
type Filter struct {
	expr string
	root node
}

// Error is a syntax error in an expression.
type Error struct {
	Expr string // the whole expression
	Pos  int    // octets from the beginning of Expr, at most its length
	Msg  string // the element that was expected at Pos
}

// Error returns the column and the message, then the expression and a caret below the error's column on two further
// lines.
func (e *Error) Error() string {
	line, at := e.excerpt()
	return fmt.Sprintf("filter, column %d: %s\n  %s\n  %*s", e.Pos+1, e.Msg, line, at+1, "^")
}

// excerpt returns the part of the expression around the error on one line, and the number of characters before the
// error.
func (e *Error) excerpt() (string, int) {
	const around = 60
	printable := func(s string) []rune {
		rs := []rune(s)
		for i, r := range rs {
			if !unicode.IsPrint(r) {
				rs[i] = ' '
			}
		}
		return rs
	}
	before, after := printable(e.Expr[:e.Pos]), printable(e.Expr[e.Pos:])
	if len(before) > around {
		before = append([]rune("… "), before[len(before)-around:]...)
	}
	if len(after) > around {
		after = append(after[:around], []rune(" …")...)
	}
	return string(before) + string(after), len(before)
}

// Limits of an expression.
const (
	maxExpr  = 8192 // octets
	maxDepth = 100  // nested parentheses, brackets and negations
)

// Compile compiles an expression. The empty expression matches every frame. The error is an *Error.
func Compile(expr string) (*Filter, error) {
	root, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return &Filter{expr: expr, root: root}, nil
}

// MustCompile compiles an expression that is part of the program, and panics on an error.
func MustCompile(expr string) *Filter {
	f, err := Compile(expr)
	if err != nil {
		panic(err)
	}
	return f
}

// Match reports whether the expression holds for a frame on medium m. On a medium without a link layer, conditions on Ethernet
// addresses and VLANs do not match, and ether[…] counts from the IP header.
func (f *Filter) Match(frame []byte, m phy.Medium) bool { return f.MatchHead(frame, len(frame), m) }

// MatchHead reports whether the expression holds for a frame of which only the first octets, head, are known. length is
// the length of the whole frame. An expression that reads octets beyond head does not match, as for a truncated packet.
func (f *Filter) MatchHead(head []byte, length int, m phy.Medium) bool {
	return f.root(packet{head, uint32(length), m}) == yes
}

// String returns the expression.
func (f *Filter) String() string { return f.expr }
