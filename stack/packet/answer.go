package packet

import (
	"bytes"
	"net/netip"

	"smolsh/stack/wire"
)

// Answers reports whether the packet is an answer to q: an ARP reply, a packet with addresses and ports exchanged whose numbers or identifiers
// fit, a neighbour's or router's advertisement, or an ICMP error that quotes q.
func (p *Packet) Answers(q *Packet) bool {
	if arp, ok := q.Layer(ARP); ok {
		reply, ok := p.Layer(ARP)
		return ok && arp.is("op", 1) && reply.is("op", 2) && Equal(reply.Value(ARP.MustField("psrc")), arp.Value(ARP.MustField("pdst")))
	}
	asked, ok := q.network()
	got, ok2 := p.network()
	if !ok || !ok2 {
		return false
	}
	if quoted := p.quoted(got); quoted != nil {
		return quoted.isQuoteOf(q)
	}
	src, dst, ok := asked.addresses()
	from, to, ok2 := got.addresses()
	if !ok || !ok2 || got.Protocol != asked.Protocol || !reaches(to, src) {
		return false
	}
	above, have := q.transport(asked)
	reply, has := p.transport(got)
	if !have || !has {
		proto, _ := q.transportProtocol(asked)
		back, _ := p.transportProtocol(got)
		return have == has && proto == back && from == dst
	}
	if from != dst && !dst.IsMulticast() && !broadcast(dst) {
		return false
	}
	switch {
	case above.Protocol == TCP:
		return reply.Protocol == TCP && portsExchanged(above, reply) && reply.acknowledges(above)
	case above.Protocol == UDP:
		return reply.Protocol == UDP && portsExchanged(above, reply) && sameDNS(q, p)
	case above.Protocol == ICMP, above.Protocol.Is(ICMPv6):
		return reply.replies(above)
	}
	return reply.Protocol.Is(above.Protocol)
}

// reaches reports whether a packet to the address to reaches a host that sent from src. A source that was not yet known is
// reached by every address.
func reaches(to, src netip.Addr) bool {
	return to == src || src.IsUnspecified() || to.IsMulticast() || broadcast(to)
}

func broadcast(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// transport returns the layer after an IP header and its extension headers. ok is false if no table describes it.
func (p *Packet) transport(ip Layer) (l Layer, ok bool) {
	for _, l := range p.Layers[ip.index+1:] {
		if !l.Protocol.extension() {
			return l, l.Protocol != Raw && l.Protocol != Padding
		}
	}
	return l, false
}

// quoted returns the packet that an ICMP error quotes, nil for another packet.
func (p *Packet) quoted(ip Layer) *Packet {
	l, ok := p.transport(ip)
	if !ok || l.Protocol != ICMP && !l.Protocol.Is(ICMPv6) {
		return nil
	}
	f := l.Protocol.Field("quoted")
	if f == nil {
		return nil
	}
	quoted, _ := l.Value(f).(*Packet)
	return quoted
}

// isQuoteOf reports whether the packet, of which an error quotes the first octets, is q as it has left its sender. It compares all octets that
// are quoted, except those that routers and address translators change: hop limit, traffic class, DF, checksums, and options.
func (p *Packet) isQuoteOf(q *Packet) bool {
	a, ok := p.network()
	b, ok2 := q.network()
	if !ok || !ok2 || a.Protocol != b.Protocol || !a.sameDatagram(b) {
		return false
	}
	above, have := q.transport(b)
	quoted, has := p.transport(a)
	if !have || !has {
		return samePrefix(p.aboveIP(a), q.aboveIP(b))
	}
	least := 4 // the ports
	if above.Protocol == ICMP || above.Protocol.Is(ICMPv6) {
		least = 6 // type, code, identifier and sequence number
	}
	came, sent := quoted.unchanged(), above.unchanged()
	return len(came) >= least && len(sent) >= least && string(came[:least]) == string(sent[:least]) && samePrefix(came[least:], sent[least:])
}

// unchanged returns the octets of a layer above IP that routers and address translators leave alone: all but the checksum and TCP's options, in
// which routers reduce the MSS.
func (l Layer) unchanged() []byte {
	b := l.octets()
	without := func(at, n int) []byte {
		return append(b[:min(at, len(b)):min(at, len(b))], b[min(at+n, len(b)):]...)
	}
	switch {
	case l.Protocol == TCP:
		options := max(0, len(l.Header())-wire.TCPLen)
		b = without(wire.TCPLen, options)
		return without(16, 2)
	case l.Protocol == UDP:
		return without(6, 2)
	case l.Protocol == ICMP, l.Protocol.Is(ICMPv6):
		return without(2, 2)
	}
	return b
}

// sameDatagram reports whether a quoted IP header is that of a packet that was sent: addresses, protocol, and the identification or flow label. It
// compares the position of a fragment too. A router may set a flow label that is zero (RFC 6437 §3).
func (l Layer) sameDatagram(sent Layer) bool {
	src, dst, ok := l.addresses()
	src2, dst2, ok2 := sent.addresses()
	x, _ := l.packet.transportProtocol(l)
	y, _ := sent.packet.transportProtocol(sent)
	if !ok || !ok2 || x != y || dst != dst2 || src != src2 && !src2.IsUnspecified() {
		return false
	}
	if l.Protocol == IP {
		id, _ := sent.num("id")
		at, _ := sent.num("frag")
		return l.is("id", id) && l.is("frag", at)
	}
	if label, _ := sent.num("fl"); label != 0 && !l.is("fl", label) {
		return false
	}
	return string(l.fragmentHeader()) == string(sent.fragmentHeader())
}

// fragmentHeader returns the octets of the fragment header after an IPv6 header, nil without one.
func (l Layer) fragmentHeader() []byte {
	for _, x := range l.packet.extensions(l) {
		if x.Protocol == Fragment {
			return x.Header()
		}
	}
	return nil
}

// aboveIP returns the octets after an IP header and its extension headers.
func (p *Packet) aboveIP(ip Layer) []byte {
	if headers := p.extensions(ip); len(headers) > 0 {
		ip = headers[len(headers)-1]
	}
	return ip.Payload()
}

// samePrefix reports whether quoted octets are the first of those that were sent. Zeros at their end may be padding, by which
// a router lengthens a quoted packet to 128 octets (RFC 4884 §4.3).
func samePrefix(quoted, sent []byte) bool {
	if len(quoted) > len(sent) || string(quoted) != string(sent[:len(quoted)]) {
		quoted = bytes.TrimRight(quoted, "\x00")
	}
	return bytes.HasPrefix(sent, quoted)
}

// portsExchanged reports whether each layer has the ports of the other, in the other order.
func portsExchanged(a, b Layer) bool {
	as, ok1 := a.num("sport")
	ad, ok2 := a.num("dport")
	bs, ok3 := b.num("sport")
	bd, ok4 := b.num("dport")
	return ok1 && ok2 && ok3 && ok4 && as == bd && ad == bs
}

// acknowledges reports whether a segment is an answer to another by its numbers: an ACK of octets between the first and the last of
// that segment, or a reset at the octet that it acknowledges (RFC 9293 §3.10.7.1).
func (l Layer) acknowledges(sent Layer) bool {
	n, _ := l.num("flags")
	m, _ := sent.num("flags")
	seq, _ := sent.num("seq")
	ack, _ := l.num("ack")
	flags, asked := wire.Flags(n), wire.Flags(m)
	if !flags.Has(wire.ACK) {
		back, _ := sent.num("ack")
		at, _ := l.num("seq")
		return flags.Has(wire.RST) && (at == back || !asked.Has(wire.ACK))
	}
	length := uint32(sent.PayloadLen())
	if asked.Has(wire.SYN) {
		length++
	}
	if asked.Has(wire.FIN) {
		length++
	}
	return uint32(ack)-uint32(seq) <= length
}

// sameDNS reports whether two packets carry DNS messages with the same identifier, or not both carry one.
func sameDNS(q, p *Packet) bool {
	a, ok := q.Layer(DNS)
	b, ok2 := p.Layer(DNS)
	if !ok || !ok2 {
		return true
	}
	id, _ := a.num("id")
	return b.is("id", id) && b.is("qr", 1)
}

// icmpReplies maps types of queries to those of their replies.
var icmpReplies = map[uint64]uint64{8: 0, 13: 14, 15: 16, 17: 18, 128: 129, 133: 134, 135: 136}

// replies reports whether an ICMP message is the reply to a query: of the type that answers it, with its identifier and sequence number, or, in
// neighbour discovery, with its target. The messages may be damaged: a table of ICMPv6 that was chosen by hand may have another type than its own.
func (l Layer) replies(query Layer) bool {
	asked, ok := query.numOr("type")
	typ, ok2 := l.numOr("type")
	want, known := icmpReplies[asked]
	if !ok || !ok2 || !known || typ != want || l.Protocol == ICMP != (query.Protocol == ICMP) {
		return false
	}
	if tgt := query.Protocol.Field("tgt"); tgt != nil {
		f := l.Protocol.Field("tgt")
		return f != nil && l.Value(f) == query.Value(tgt)
	}
	for _, name := range []string{"id", "seq"} {
		n, has := query.numOr(name)
		m, answers := l.numOr(name)
		if has && (!answers || n != m) {
			return false
		}
	}
	return true
}
