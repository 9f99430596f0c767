package script

import (
	"fmt"
	"net/netip"

	"smolsh/stack"
	"smolsh/stack/wire"
)

// icmpMessage is a message of ICMP or ICMPv6 that an ICMP socket has received: an echo reply, or an error about a packet of ours.
type icmpMessage struct {
	text      string // its name: "echo reply", "port unreachable"
	echoReply bool
	isError   bool
	seq       uint16 // of the echo reply, or of the echo request that the error quotes
	data      []byte // of the echo reply

	// Fields of an error.
	typ, code uint8
	dst       netip.Addr // destination of the quoted packet, with the zone of the address that was probed
	dstPort   uint16     // port of a quoted datagram
}

// parseMessage parses a message of the family of to, the address that was probed. The error says that the message is malformed, or
// that its quotation is too short.
func parseMessage(b []byte, to netip.Addr) (m icmpMessage, err error) {
	if to.Is6() {
		return parseMessage6(b, to)
	}
	v, data, err := wire.ParseICMP(b, false)
	if err != nil {
		return m, err
	}
	m = icmpMessage{
		text: v.String(), echoReply: v.Type == wire.ICMPEchoReply, isError: v.IsError(), seq: v.Seq, data: data,
		typ: uint8(v.Type), code: v.Code,
	}
	if m.isError {
		q, err := wire.ParseQuoted(data)
		m.dst, m.dstPort, m.seq = q.IP.Dst, q.DstPort, q.EchoSeq
		return m, err
	}
	return m, nil
}

func parseMessage6(b []byte, to netip.Addr) (m icmpMessage, err error) {
	v, data, err := wire.ParseICMPv6(b, netip.Addr{}, netip.Addr{}, false)
	if err != nil {
		return m, err
	}
	m = icmpMessage{
		text: v.String(), echoReply: v.Type == wire.ICMPv6EchoReply, isError: v.Type.IsError(), seq: v.Seq, data: data,
		typ: uint8(v.Type), code: v.Code,
	}
	if m.isError {
		q, err := wire.ParseQuoted6(data)
		m.dst, m.dstPort, m.seq = q.IP.Dst, q.DstPort, q.EchoSeq
		if m.dst == to.WithZone("") {
			m.dst = to
		}
		return m, err
	}
	return m, nil
}

// resolution returns the name of the protocol that finds the hardware address of a neighbour.
func resolution(a netip.Addr) string {
	if a.Is6() {
		return "neighbour discovery"
	}
	return "ARP"
}

// unanswered describes, for an error, the requests that a neighbour has not answered.
func unanswered(n *stack.NeighborInfo) string {
	requests := "ARP requests"
	if n.Addr.Is6() {
		requests = "neighbour solicitations"
	}
	return fmt.Sprintf(" (no answer to %d %s on %s)", n.Probes, requests, n.Dev)
}
