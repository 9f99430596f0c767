package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// receiveOptions checks the options of a packet, for this host or to be forwarded. If ok is false, v is the packet's
// verdict.
//
// A malformed option is answered with parameter problem (RFC 1122 §3.2.2.5, RFC 1812 §4.3.3.5). The host does not route
// by source routes. A packet whose source route is not finished is not for this host, and is answered with source route
// failed (RFC 1122 §3.3.5). A router drops every packet that has a source route, which RFC 1812 §5.2.4.1 allows and
// RFC 7126 §4.3 advises.
func (h *Host) receiveOptions(now clock.Instant, p *packet, forwarded bool) (v Verdict, ok bool) {
	b := p.octets[wire.IPv4Len:p.headerLen]
	o, at, err := wire.ParseIPOptions(b)
	if err != nil {
		return h.badOption(now, p, at), false
	}
	if routed, unfinished := o.SourceRouted(b); unfinished || forwarded && routed {
		h.count(mib.IPInAddrErrors)
		return h.sendError(now, p, icmpError{kind: sourceRouteFailed}, drop.SourceRoute), false
	}
	return v, true
}

// badOption answers a packet with a parameter problem. The index at is that of the wrong octet in the options.
func (h *Host) badOption(now clock.Instant, p *packet, at int) Verdict {
	h.count(mib.IPInHdrErrors)
	return h.sendError(now, p, icmpError{kind: parameterProblem, value: uint32(wire.IPv4Len + at)}, drop.BadOption)
}

// recordHop adds the address a to the record route and timestamp options in b. The result at is the index of the wrong
// octet in b, 0 if there is none (RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 1812 §5.2.4.2 and §5.2.4.3).
func (h *Host) recordHop(now clock.Instant, b []byte, a netip.Addr) (o wire.IPOptions, at int) {
	o, at, err := wire.ParseIPOptions(b)
	if err != nil {
		return o, at
	}
	// The host does not know the time of day, so the highest bit marks the time as nonstandard (RFC 791 §3.1).
	const nonstandard = 1 << 31
	stamp := uint32(now/clock.Instant(time.Millisecond)) | nonstandard
	if at = o.Stamp(b, a, func(a netip.Addr) bool { return h.net.localAddrs[a] != nil }, stamp); at == 0 {
		o.Record(b, a)
	}
	return o, at
}

// echoOptions writes the options of the reply to the echo request p into b, and returns their length. The reply has the
// request's record route and timestamp with the host's own entry added (RFC 1122 §3.2.2.6). A source route is not
// reversed, since the host sends no packets by source routes. The result at is the index of the wrong octet in the
// request's options, 0 if there is none.
func (h *Host) echoOptions(now clock.Instant, p *packet, b *[wire.MaxIPv4Options]byte) (n, at int) {
	var request [wire.MaxIPv4Options]byte
	options := request[:copy(request[:], p.octets[wire.IPv4Len:p.headerLen])]
	o, at := h.recordHop(now, options, p.dst)
	if at != 0 {
		return 0, at
	}
	return o.CopyTraces(b[:], options), 0
}
