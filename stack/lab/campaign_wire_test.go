package lab

import (
	"bytes"
	"fmt"
	"strings"

	"smolsh/stack"
	"smolsh/stack/buf"
	"smolsh/stack/wire"
)

// wiretap checks a connection by its segments alone. Each end must send only its stream's octets, within the window
// offered to it, acknowledge (ACK or SACK) only received octets, and never shrink its window.
type wiretap struct {
	client uint16 // the port of the client; 0 before the first segment
	ends   [2]tapEnd
}

// tapEnd is one sender. Positions are relative to its initial sequence number: 0 is the SYN, 1 the stream's
// first octet.
type tapEnd struct {
	stream   []byte
	iss      wire.Seq
	open     bool // true once its SYN has been seen
	scale    uint8
	offered  wire.Seq // right edge of the window that it has offered
	offers   bool
	told     wire.Seq // right edge of the window that it has received
	knows    bool
	ghost    bool       // true if another connection has the same ports
	heard    bool       // true once the peer has acknowledged something
	received buf.Ranges // ranges received from the peer
}

// see checks a segment that end i sent or received.
func (w *wiretap) see(i int, ev *stack.PacketEvent) error {
	b := ev.Frame.Bytes()
	refused := ev.Verdict.Kind == stack.Dropped
	if refused && !strings.HasPrefix(ev.Verdict.Reason.String(), "tcp ") { // the segment was damaged, or is for another host
		return nil
	}
	rest, err := segmentIn(b)
	if rest == nil || err != nil {
		return err
	}
	h, payload, err := wire.ParseTCP(rest)
	if err != nil {
		return err
	}
	from := i
	if ev.Dir == stack.RX {
		from = 1 - i
	}
	client := h.SrcPort
	if from == 1 {
		client = h.DstPort
	}
	if h.Flags&wire.RST != 0 {
		return nil
	}
	if h.Flags.Has(wire.SYN) && client != w.client && ev.Dir == stack.TX { // a new connection
		w.client = client
		for k := range w.ends {
			w.ends[k] = tapEnd{stream: w.ends[k].stream}
		}
	}
	if client != w.client {
		return nil
	}
	if ev.Dir == stack.TX {
		return w.sent(from, &h, payload)
	}
	w.arrived(i, &h, payload, refused)
	return nil
}

// segmentIn returns the TCP segment in an Ethernet frame, nil if the frame has none.
func segmentIn(b []byte) ([]byte, error) {
	eth, rest, err := wire.ParseEthernet(b)
	if err != nil {
		return nil, err
	}
	proto := wire.Protocol(0)
	switch eth.Type {
	case wire.EtherTypeIPv4:
		var ip wire.IPv4
		ip, rest, err = wire.ParseIPv4(rest)
		proto = ip.Protocol
	case wire.EtherTypeIPv6:
		var ip wire.IPv6
		ip, rest, err = wire.ParseIPv6(rest)
		proto = ip.NextHeader
	}
	if err != nil || proto != wire.ProtocolTCP {
		return nil, err
	}
	return rest, nil
}

// length returns SEG.LEN.
func length(h *wire.TCP, payload []byte) int {
	n := len(payload)
	if h.Flags&wire.SYN != 0 {
		n++
	}
	if h.Flags&wire.FIN != 0 {
		n++
	}
	return n
}

// edge returns the right edge of the window that a segment of e offers.
func (e *tapEnd) edge(h *wire.TCP) wire.Seq {
	if h.Flags&wire.SYN != 0 {
		return h.Ack.Add(int(h.Window))
	}
	return h.Ack.Add(int(h.Window) << e.scale)
}

func (w *wiretap) sent(i int, h *wire.TCP, payload []byte) error {
	e, peer := &w.ends[i], &w.ends[1-i]
	if h.Flags&wire.SYN != 0 && e.open && e.iss != h.Seq && e.heard {
		e.ghost = true // an old SYN has made another connection, which will get no answer
		return nil
	}
	if h.Flags&wire.SYN != 0 && (!e.open || e.iss != h.Seq) {
		*e = tapEnd{stream: e.stream, iss: h.Seq, open: true, scale: h.Options.WindowScale, received: e.received, told: e.told, knows: e.knows}
	}
	at, n := h.Seq.Sub(e.iss), length(h, payload)
	if at < 0 || at+n > len(e.stream)+2 {
		if e.ghost {
			return nil
		}
		return fmt.Errorf("end %d sends %d numbers at %d of a stream of %d", i, n, at, len(e.stream))
	}
	if len(payload) > 0 {
		if at < 1 || at-1+len(payload) > len(e.stream) || !bytes.Equal(payload, e.stream[at-1:at-1+len(payload)]) {
			return fmt.Errorf("end %d sends %d octets at %d that are not the stream's", i, len(payload), at-1)
		}
	}
	if end := h.Seq.Add(n); e.knows && h.Flags&wire.SYN == 0 && n > 1 && e.told.Less(end) {
		return fmt.Errorf("end %d sends %d octets at %d, up to %d beyond the window", i, n, at, end.Sub(e.told))
	}
	if h.Flags&wire.ACK == 0 || !peer.open {
		return nil
	}
	if ack := h.Ack.Sub(peer.iss); ack < 0 || !e.received.Covers(0, int64(ack)) {
		return fmt.Errorf("end %d acknowledges %d, which has not all come", i, ack)
	}
	peer.heard = true
	for _, s := range h.Options.SACK[:h.Options.NumSACK] {
		l, r := s.Left.Sub(peer.iss), s.Right.Sub(peer.iss)
		if l < 0 || r <= l || !e.received.Covers(int64(l), int64(r)) {
			return fmt.Errorf("end %d acknowledges %d to %d selectively, which has not all come", i, l, r)
		}
	}
	edge := e.edge(h)
	if slack := 1<<e.scale - 1; e.offers && h.Flags&wire.SYN == 0 && edge.Add(slack).Less(e.offered) {
		return fmt.Errorf("end %d takes back %d octets of its window", i, e.offered.Sub(edge))
	}
	if !e.offers || e.offered.Less(edge) {
		e.offered, e.offers = edge, true
	}
	return nil
}

// arrived records a segment that arrived at end i. A dropped segment's acknowledgement and window may have been processed
// (RFC 9293 §3.10.7.4: "special allowance").
func (w *wiretap) arrived(i int, h *wire.TCP, payload []byte, refused bool) {
	e, peer := &w.ends[i], &w.ends[1-i]
	if !peer.open {
		return
	}
	if at, n := h.Seq.Sub(peer.iss), length(h, payload); at >= 0 && n > 0 && !refused {
		e.received.Add(int64(at), int64(at+n))
	}
	if h.Flags&wire.ACK == 0 {
		return
	}
	if edge := peer.edge(h); !e.knows || e.told.Less(edge) {
		e.told, e.knows = edge, true
	}
}
