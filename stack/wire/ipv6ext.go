package wire

import (
	"smolsh/stack/drop"
)

// The extension headers that the stack reads or passes over. Every other next header is an upper-layer protocol.
const (
	extHopByHop    Protocol = 0  // RFC 8200 §4.3
	extRouting     Protocol = 43 // RFC 8200 §4.4
	extFragment    Protocol = 44 // RFC 8200 §4.5
	extAuth        Protocol = 51 // RFC 4302 §2
	extDestination Protocol = 60 // RFC 8200 §4.6
)

// The options that the stack reads. It treats all others as unknown (RFC 8200 §4.2).
const (
	ip6OptPad1        = 0
	ip6OptPadN        = 1
	ip6OptRouterAlert = 5 // RFC 2711 §2.1
)

// Limits of an extension header chain, so that a packet costs a bounded number of steps.
const (
	maxExtHeaders = 8  // a chain in the order of RFC 8200 §4.1 has at most seven
	maxIP6Options = 8  // options of one header without padding (RFC 8504 §5.3)
	maxIP6Padding = 7  // octets of padding in a row (RFC 8504 §5.3); no option needs more to be aligned
	minExtHeader  = 8  // octets of the shortest extension header
	minAuthHeader = 12 // octets of an authentication header without its check value (RFC 4302 §2)

	// maxExtOctets is the largest length of a chain: a sender that does not know the path MTU has no room for more in a first
	// fragment, which must have the whole chain (RFC 7112 §5, RFC 8200 §5).
	maxExtOctets = MinMTU6 - IPv6Len
)

// FragmentHeader is the number of the fragment header in the field before it.
const FragmentHeader = byte(extFragment)

// IPv6FragmentLen is the length of a fragment header, RouterAlert6Len that of hop-by-hop options with a router alert, both in
// octets.
const (
	IPv6FragmentLen = 8
	RouterAlert6Len = 8
)

// IPv6Fragment is a fragment header (RFC 8200 §4.5).
type IPv6Fragment struct {
	Next   Protocol // the first header of the fragmentable part
	Offset int      // octets, a multiple of 8
	More   bool     // other fragments follow
	ID     uint32
}

// IsFragment reports whether the packet lacks a part of its datagram. It is false for an atomic fragment, which is processed
// like a packet without a fragment header (RFC 8200 §4.5).
func (f *IPv6Fragment) IsFragment() bool { return f.More || f.Offset != 0 }

// Put writes the header and returns IPv6FragmentLen.
func (f *IPv6Fragment) Put(b []byte) int {
	b[0], b[1] = byte(f.Next), 0
	field := uint16(f.Offset)
	if f.More {
		field |= 1
	}
	be.PutUint16(b[2:], field)
	be.PutUint32(b[4:], f.ID)
	return IPv6FragmentLen
}

// PutRouterAlert6 writes hop-by-hop options with a router alert for MLD (RFC 2711 §2.1), which every MLD message has, and
// returns RouterAlert6Len. next is the header that follows.
func PutRouterAlert6(b []byte, next Protocol) int {
	return copy(b, []byte{byte(next), 0, ip6OptRouterAlert, 2, 0, 0, ip6OptPadN, 0})
}

// IPv6Problem is the parameter problem that answers a discarded packet (RFC 4443 §3.4).
type IPv6Problem struct {
	Answer  bool   // false if the packet must be discarded silently
	Code    uint8  // ParamErroneousField to ParamIncompleteChain
	Pointer uint32 // octets from the start of the packet
}

// IPv6Chain is the result of a walk along the extension headers of a packet. Offsets are octets from the start of the packet.
type IPv6Chain struct {
	Protocol       Protocol // of the upper layer; in a later fragment it is that of the fragmentable part's first header
	Offset         int      // of the upper-layer header; in a later fragment of its data
	NextHeaderAt   int      // of the field that names Protocol, for the pointer of an unrecognised next header
	HasFragment    bool
	Fragment       IPv6Fragment // valid with HasFragment
	FragmentAt     int          // of the fragment header
	HasRouterAlert bool
	RouterAlert    uint16      // 0 for MLD (RFC 2711 §2.1); valid with HasRouterAlert
	Problem        IPv6Problem // set if WalkIPv6 returns an error
}

// isExtension reports whether p is an extension header that WalkIPv6 reads.
func (p Protocol) isExtension() bool {
	switch p {
	case extHopByHop, extRouting, extFragment, extAuth, extDestination:
		return true
	}
	return false
}

// JoinIPv6 rewrites the headers of a first fragment, from which the fragment header was removed, to those of the whole packet b.
// unfragmentable is the length of these headers in octets. The octets of the datagram must follow. next is the first header of
// the fragmentable part. The packet is marked CE if ce is set.
func JoinIPv6(b []byte, unfragmentable int, next Protocol, ce bool) {
	at := 6 // of the field that names the fragment header
	for off, p := IPv6Len, Protocol(b[6]); p != extFragment && off+1 < unfragmentable; p = Protocol(b[at]) {
		at = off
		if p == extAuth {
			off += (int(b[off+1]) + 2) * 4
		} else {
			off += (int(b[off+1]) + 1) * 8
		}
	}
	b[at] = byte(next)
	be.PutUint16(b[4:], uint16(len(b)-IPv6Len))
	if ce {
		b[1] |= byte(CE) << 4
	}
}

// WalkIPv6 reads the extension headers of a packet as its destination does (RFC 8200 §4). payload is the octets after the base
// header h. upper is the octets from the upper-layer header on. If the packet is to be discarded, err is the reason, and
// c.Problem the answer. The caller checks further rules for sending ICMPv6 errors, on source address and rate (RFC 4443 §2.4).
//
// In a first fragment WalkIPv6 only passes over the headers of the fragmentable part, which must be complete up to that of the
// upper layer. Their options are examined in the reassembled packet. In a later fragment the walk ends at the fragment header.
func WalkIPv6(h *IPv6, payload []byte) (c IPv6Chain, upper []byte, err error) {
	c.Protocol, c.NextHeaderAt, c.Offset = h.NextHeader, 6, IPv6Len
	if !c.Protocol.isExtension() {
		return c, payload, nil
	}
	w := chainWalk{c: &c, b: payload, multicast: h.Dst.IsMulticast(), examine: true}
	at, err := w.walk()
	if err != nil {
		return c, nil, err
	}
	c.Offset = IPv6Len + at
	return c, payload[at:], nil
}

// UpperLayer returns the upper-layer protocol behind the extension headers in b, of which next is the first, and the octets from
// its header on. It does not examine the headers. It returns ProtocolNoNextHeader if b ends before, or is a later fragment.
func UpperLayer(next Protocol, b []byte) (Protocol, []byte) {
	c := IPv6Chain{Protocol: next}
	w := chainWalk{c: &c, b: b, quoted: true}
	if at, err := w.walk(); err == nil && c.Fragment.Offset == 0 {
		return c.Protocol, b[at:]
	}
	return ProtocolNoNextHeader, nil
}

// A chainWalk is a walk along extension headers. Indices are into b, the octets after the base header.
type chainWalk struct {
	c         *IPv6Chain
	b         []byte
	multicast bool // the packet's destination is a group
	examine   bool // options and routing headers are processed, not only passed over
	quoted    bool // b is from a quotation, which may be cut anywhere
}

// walk passes over all extension headers, and returns the index of the octet after them.
func (w *chainWalk) walk() (at int, err error) {
	c := w.c
	for n := 0; c.Protocol.isExtension(); n++ {
		if n == maxExtHeaders {
			return 0, drop.TooManyHeaders
		}
		size, err := w.header(at, n == 0)
		if err != nil {
			return 0, err
		}
		c.Protocol, c.NextHeaderAt = Protocol(w.b[at]), IPv6Len+at
		if at += size; at > maxExtOctets {
			return 0, drop.HeadersTooLong
		}
		if c.Fragment.Offset != 0 {
			return at, nil
		}
	}
	if c.Fragment.More && !w.quoted && len(w.b)-at < upperLen(c.Protocol, w.b[at:]) {
		return 0, w.cut(0)
	}
	return at, nil
}

// header processes the extension header at index at, and returns its length in octets.
func (w *chainWalk) header(at int, first bool) (size int, err error) {
	b, proto := w.b[at:], w.c.Protocol
	if proto == extHopByHop && !first && !w.quoted { // RFC 8200 §4
		return 0, w.problem(drop.BadNextHeader, ParamUnknownNextHeader, w.c.NextHeaderAt-IPv6Len)
	}
	if len(b) < minExtHeader {
		return 0, w.cut(-1)
	}
	size = (int(b[1]) + 1) * 8
	switch proto {
	case extFragment:
		size = IPv6FragmentLen
	case extAuth:
		if size = (int(b[1]) + 2) * 4; size < minAuthHeader {
			return 0, w.problem(drop.BadHeaderLen, ParamErroneousField, at+1)
		}
	}
	if size > len(b) {
		return 0, w.cut(at + 1)
	}
	if proto == extFragment {
		return size, w.fragment(at)
	}
	if !w.examine {
		return size, nil
	}
	switch proto {
	case extHopByHop, extDestination:
		return size, w.options(at, at+size, proto == extHopByHop)
	case extRouting:
		// No type is supported. Type 0 is treated like an unknown one (RFC 8200 §4.4, RFC 5095 §3).
		if b[3] != 0 {
			return 0, w.problem(drop.RoutingHeader, ParamErroneousField, at+2)
		}
	}
	return size, nil
}

// fragment processes the fragment header at index at (RFC 8200 §4.5). Deviates: RFC 8200 §4.1, a second fragment header is not
// accepted, since no honest sender fragments a packet twice.
func (w *chainWalk) fragment(at int) error {
	if w.c.HasFragment {
		return drop.FragmentNested
	}
	field := be.Uint16(w.b[at+2:])
	f := IPv6Fragment{Next: Protocol(w.b[at]), Offset: int(field &^ 7), More: field&1 != 0, ID: be.Uint32(w.b[at+4:])}
	w.c.HasFragment, w.c.Fragment, w.c.FragmentAt = true, f, IPv6Len+at
	data := len(w.b) - at - IPv6FragmentLen
	if w.quoted {
		return nil
	}
	if f.More && data%8 != 0 {
		return w.problem(drop.BadLength, ParamErroneousField, 4-IPv6Len) // the payload length
	}
	if at+f.Offset+data > 0xffff { // the payload length of the reassembled packet
		return w.problem(drop.BadLength, ParamErroneousField, at+2)
	}
	w.examine = !f.IsFragment()
	return nil
}

// options processes the options of a header between the indices at and end.
func (w *chainWalk) options(at, end int, hopByHop bool) error {
	count, padding := 0, 0 // octets of padding after the last option
	for i := at + 2; i < end; {
		kind := w.b[i]
		size := 1
		if kind != ip6OptPad1 {
			if i+1 == end {
				return w.problem(drop.BadOption, ParamErroneousField, i)
			}
			if size = 2 + int(w.b[i+1]); size > end-i {
				return w.problem(drop.BadOption, ParamErroneousField, i+1)
			}
		}
		if kind == ip6OptPad1 || kind == ip6OptPadN {
			if padding += size; padding > maxIP6Padding || !isPadding(w.b[i:i+size]) {
				return drop.BadPadding
			}
			i += size
			continue
		}
		padding = 0
		if count++; count > maxIP6Options {
			return drop.TooManyOptions
		}
		err := error(nil)
		if hopByHop && kind == ip6OptRouterAlert {
			err = w.routerAlert(i, size)
		} else {
			err = w.unknownOption(kind, i)
		}
		if err != nil {
			return err
		}
		i += size
	}
	return nil
}

// isPadding reports whether the data of a padding option, at most five octets, is zero (RFC 8200 §4.2, RFC 4942 §2.1.9.5).
func isPadding(option []byte) bool {
	for _, v := range option[min(2, len(option)):] {
		if v != 0 {
			return false
		}
	}
	return true
}

// routerAlert processes the router alert option of size octets at index i, which occurs once at most (RFC 2711 §2.1).
func (w *chainWalk) routerAlert(i, size int) error {
	switch {
	case size != 4:
		return w.problem(drop.BadOption, ParamErroneousField, i+1)
	case w.c.HasRouterAlert:
		return w.problem(drop.BadOption, ParamErroneousField, i)
	}
	w.c.HasRouterAlert, w.c.RouterAlert = true, be.Uint16(w.b[i+2:])
	return nil
}

// unknownOption applies the action in the two highest bits of an unknown option's type (RFC 8200 §4.2).
func (w *chainWalk) unknownOption(kind byte, i int) error {
	switch kind >> 6 {
	case 0:
		return nil
	case 1:
		return drop.UnknownOption
	}
	err := w.problem(drop.UnknownOption, ParamUnknownOption, i)
	if kind>>6 == 2 { // to be answered whatever the destination
		w.c.Problem.Answer = true
	}
	return err
}

// problem sets the answer for a wrong octet at index i. A packet to a group is discarded silently (RFC 4443 §2.4(e.3)).
func (w *chainWalk) problem(r drop.Reason, code uint8, i int) error {
	w.c.Problem = IPv6Problem{Answer: !w.multicast, Code: code, Pointer: uint32(IPv6Len + i)}
	return r
}

// cut returns the reason for a chain that goes beyond the packet. i is the index of the length field at fault, negative if the
// octets end before it. Only the length of a header, and a first fragment without its whole chain, are answered (RFC 8200
// §4.5).
func (w *chainWalk) cut(i int) error {
	switch {
	case w.c.Fragment.More && !w.quoted:
		return w.problem(drop.HeaderChainCut, ParamIncompleteChain, -IPv6Len) // the pointer is 0
	case i < 0:
		return drop.Truncated
	}
	return w.problem(drop.Truncated, ParamErroneousField, i)
}

// upperLen returns the octets of an upper-layer header that a first fragment must have (RFC 7112 §3): of ICMPv6 type, code and
// checksum, of a protocol that the stack does not process none. b starts with that header.
func upperLen(p Protocol, b []byte) int {
	switch p {
	case ProtocolTCP:
		if len(b) < TCPLen {
			return TCPLen
		}
		return max(TCPLen, int(b[12]>>4)*4)
	case ProtocolUDP:
		return UDPLen
	case ProtocolICMPv6:
		return 4
	}
	return 0
}
