package stack

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Claim keeps the stack away from a TCP port, a UDP port or an identifier of ICMP queries, on all addresses of both families,
// for somebody who sends and receives its packets by hand. The stack neither answers nor resets what arrives there: it sends no
// RST and no port unreachable, and passes no reply to a ping. ICMP errors that quote a packet from there go to the claim as well.
//
// What arrives counts as delivered. Keep makes the claim store it, in a queue that is bounded like that of a socket.
type Claim struct {
	socket
	key        claimKey
	delivered  uint64
	keep       bool
	answerEcho bool
}

// claimKey is a claim's protocol (TCP, UDP or, for both families, ICMP) and its port or identifier.
type claimKey struct {
	proto  wire.Protocol
	number uint16
}

// stateClaimed is the state of a claim in the table of sockets.
const stateClaimed = "CLAIMED"

// ClaimTCP claims a TCP port; 0 chooses an ephemeral port that no socket has. Errors: ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) ClaimTCP(port uint16) (*Claim, error) { return h.claimPort(wire.ProtocolTCP, port) }

// ClaimUDP claims a UDP port; 0 chooses an ephemeral port that no socket has. Errors: ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) ClaimUDP(port uint16) (*Claim, error) { return h.claimPort(wire.ProtocolUDP, port) }

// ClaimICMP claims an identifier of ICMP's and ICMPv6's queries and their replies; 0 chooses a free one. Errors: ErrPortInUse,
// ErrNoPorts, ErrLimit.
func (h *Host) ClaimICMP(id uint16) (*Claim, error) {
	if id == 0 {
		var err error
		if id, err = h.EchoID(); err != nil {
			return nil, err
		}
	}
	if h.ports.icmpIDs.has(int(id)) {
		return nil, ErrPortInUse
	}
	c, err := h.newClaim(claimKey{wire.ProtocolICMP, id})
	if err == nil {
		h.ports.icmpIDs.add(int(id), numIDs)
	}
	return c, err
}

func (h *Host) claimPort(proto wire.Protocol, port uint16) (*Claim, error) {
	for try := 0; ; try++ {
		c, err := h.claimOnce(proto, port)
		if !h.anotherPort(anyAddress(port), err, try) {
			return c, err
		}
	}
}

// anyAddress is the local end of a socket with a port of every address of the host.
func anyAddress(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.Addr{}, port) }

// claimOnce claims a port, for port 0 one that is not in use. The owner of the host may refuse it (WatchPorts).
func (h *Host) claimOnce(proto wire.Protocol, port uint16) (*Claim, error) {
	which := portsOf(proto)
	if port == 0 {
		var err error
		if port, err = h.unusedPort(which); err != nil {
			return nil, err
		}
	} else if h.ports.anyInUse(which, families{ipv4, ipv6}, port) || h.connectsFrom(which, port) {
		return nil, ErrPortInUse
	}
	if err := h.holdPort(which, anyAddress(port)); err != nil {
		return nil, err
	}
	c, err := h.newClaim(claimKey{proto, port})
	if err != nil {
		h.releasePort(which, anyAddress(port))
		return nil, err
	}
	h.ports.bind(which, families{ipv4, ipv6}, port)
	return c, nil
}

// portsOf returns the index of a protocol's ports.
func portsOf(proto wire.Protocol) int {
	if proto == wire.ProtocolTCP {
		return portsTCP
	}
	return portsUDP
}

// unusedPort chooses an ephemeral port that no socket has, and no connection to any destination.
func (h *Host) unusedPort(which int) (uint16, error) {
	var taken portSet
	if which == portsTCP {
		for _, c := range h.sockets.conns { // map order does not matter
			if p := c.local.Port(); p >= firstEphemeral {
				taken.add(int(p)-firstEphemeral, numEphemeral)
			}
		}
	}
	return h.ephemeral(which, netip.AddrPort{}, netip.AddrPort{}, &taken)
}

// connectsFrom reports whether a connection has a local port.
func (h *Host) connectsFrom(which int, port uint16) bool {
	if which == portsTCP {
		for _, c := range h.sockets.conns { // map order does not matter
			if c.local.Port() == port {
				return true
			}
		}
	}
	return false
}

func (h *Host) newClaim(key claimKey) (*Claim, error) {
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	c := &Claim{socket: s, key: key}
	h.sockets.claims[key] = c
	return c, nil
}

// claim returns the claim of a port or identifier, nil if there is none.
func (h *Host) claim(proto wire.Protocol, number uint16) *Claim {
	if len(h.sockets.claims) == 0 {
		return nil
	}
	return h.sockets.claims[claimKey{proto, number}]
}

// Claims returns the host's claims, in the order in which they were made.
func (h *Host) Claims() []*Claim {
	list := make([]*Claim, 0, len(h.sockets.claims))
	for _, c := range h.sockets.claims {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Claim) int { return cmp.Compare(a.id, b.id) })
	return list
}

// claimOf returns the claim for an arriving packet, nil if there is none. The packet may be malformed behind its ports.
func (h *Host) claimOf(p *packet) *Claim {
	b := p.payload
	switch {
	case p.proto == wire.ProtocolTCP || p.proto == wire.ProtocolUDP:
		if len(b) >= 4 {
			return h.claim(p.proto, binary.BigEndian.Uint16(b[2:]))
		}
	case p.proto == p.family.icmp() && len(b) >= wire.ICMPLen:
		query, reply := queryOrReply(p.family, b[0])
		if !query && !reply {
			return nil
		}
		if c := h.claim(wire.ProtocolICMP, binary.BigEndian.Uint16(b[4:])); c != nil && (reply || !c.answerEcho) {
			return c
		}
	}
	return nil
}

// queryOrReply reports whether a type of ICMP or ICMPv6 is a query with an identifier, or the reply to one: echo, and the timestamp,
// information and address mask messages of IPv4 (RFC 792, RFC 950).
func queryOrReply(f family, typ byte) (query, reply bool) {
	if f == ipv6 {
		return wire.ICMPv6Type(typ) == wire.ICMPv6EchoRequest, wire.ICMPv6Type(typ) == wire.ICMPv6EchoReply
	}
	switch typ {
	case 8, 13, 15, 17:
		return true, false
	case 0, 14, 16, 18:
		return false, true
	}
	return false, false
}

// claimOfQuoted returns the claim from which the packet was sent that an ICMP error quotes, nil if there is none.
func (h *Host) claimOfQuoted(q *quoted) *Claim {
	switch {
	case q.proto == wire.ProtocolTCP || q.proto == wire.ProtocolUDP:
		return h.claim(q.proto, q.srcPort)
	case q.echo:
		return h.claim(wire.ProtocolICMP, q.id)
	}
	return nil
}

// receive counts an arriving packet, and stores it if Keep asks for that.
func (c *Claim) receive(now clock.Instant, p *packet) Verdict {
	if c.keep && !c.enqueue(now, p.octets, netip.AddrPortFrom(p.src, 0), p.ttl) {
		return dropped(drop.SocketQueueFull)
	}
	c.delivered++
	v := deliveredTo(c.key.proto, c.key.number)
	v.Claimed = true
	return v
}

// Protocol returns TCP, UDP or, for both families, ICMP.
func (c *Claim) Protocol() wire.Protocol { return c.key.proto }

// Number returns the claimed port or identifier.
func (c *Claim) Number() uint16 { return c.key.number }

// Delivered returns the number of packets that the claim has received.
func (c *Claim) Delivered() uint64 { return c.delivered }

// Queued returns the octets that the queue holds, overhead included.
func (c *Claim) Queued() int { return c.queue.charged }

// Keep sets whether the claim stores the packets that arrive from now on. A full queue drops them.
func (c *Claim) Keep(on bool) { c.keep = on }

// AnswerEcho sets whether the stack answers echo requests with the claimed identifier, which others may choose for their requests.
func (c *Claim) AnswerEcho(on bool) { c.answerEcho = on }

// Recv copies the next packet that Keep has stored into b, from its IP header on, and cuts it to the length of b. n is -1 if no packet
// is queued; err is ErrClosed after Release.
func (c *Claim) Recv(b []byte) (n int, from netip.Addr, err error) {
	n, src, _, err := c.recv(b)
	return n, src.Addr(), err
}

// Release ends the claim and discards its queue. From then on the stack answers as usual. A second call does nothing.
func (c *Claim) Release() {
	if !c.closeSocket() {
		return
	}
	h := c.host
	if delete(h.sockets.claims, c.key); len(h.sockets.claims) == 0 {
		h.sockets.claims = make(map[claimKey]*Claim) // a map does not shrink by itself
	}
	if c.key.proto == wire.ProtocolICMP {
		h.ports.icmpIDs.remove(int(c.key.number))
		return
	}
	h.ports.unbind(portsOf(c.key.proto), families{ipv4, ipv6}, c.key.number)
	h.releasePort(portsOf(c.key.proto), anyAddress(c.key.number))
}

// Released reports whether Release was called.
func (c *Claim) Released() bool { return c.closed }
