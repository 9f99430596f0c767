// Package filter compiles tcpdump's filter expressions into Go predicates over a frame.
//
// Sources: pcap-filter(7) for the language; where the manual is silent, what libpcap generates. As
// there, "and" and "or" have equal precedence and associate to the left, an identifier without a
// keyword takes the keywords before it ("port 80 or 443"), the access tcp[…] means IPv4 only and
// never a later fragment, and a packet too short for what is asked is not matched at all, not even by
// "not". Deviates: a comparison is false when any protocol it accesses is not in the packet, while
// libpcap forgets the check behind the first arithmetic operator; the name of a service stands for its
// number with every protocol.
//
// There are: ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp; host, net, port, portrange,
// proto with src and dst; broadcast, multicast, less, greater, len; byte access with arithmetic and
// comparison; the named offsets and flags of TCP, ICMP and ICMPv6.
//
// Left out on purpose: names of hosts and networks (nothing here asks a resolver; service names come
// from a short table), VLAN, MPLS, PPPoE and LLC, protochain, gateway, and what no capture of ours can
// hold.
//
// A Filter never changes and allocates nothing when it matches; any goroutine may use it.
package filter

import (
	"fmt"

	"smolsh/phy"
)

// Filter is a compiled expression.
type Filter struct {
	expr string
	root node
}

// Error is what is wrong with an expression.
type Error struct {
	Expr string // the whole expression
	Pos  int    // octets from its beginning, at most its length
	Msg  string // what was expected there
}

// Error names the expression, the column, counted from 1, and what was expected.
func (e *Error) Error() string {
	return fmt.Sprintf("filter %q: column %d: %s", e.Expr, e.Pos+1, e.Msg)
}

// Limits of an expression.
const (
	maxExpr  = 8192 // octets
	maxDepth = 100  // nested parentheses, brackets and negations
)

// Compile compiles an expression; the empty one matches everything. The error is an *Error.
func Compile(expr string) (*Filter, error) {
	root, err := parse(expr)
	if err != nil {
		return nil, err
	}
	return &Filter{expr: expr, root: root}, nil
}

// MustCompile is Compile for expressions that are part of the program; it panics on an error.
func MustCompile(expr string) *Filter {
	f, err := Compile(expr)
	if err != nil {
		panic(err)
	}
	return f
}

// Match reports whether the expression holds for a frame on medium m. On a medium without a link layer
// nothing is an Ethernet address, and ether[…] counts from the IP header.
func (f *Filter) Match(frame []byte, m phy.Medium) bool {
	return f.root(packet{b: frame, m: m}) == yes
}

// String is the expression that was compiled.
func (f *Filter) String() string { return f.expr }
