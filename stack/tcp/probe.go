package tcp

import (
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Probe is the kind of a segment that is sent only to be acknowledged. The zero value is any other segment.
type Probe uint8

// The probes.
const (
	NoProbe     Probe = iota
	KeepAlive         // RFC 9293 §3.8.4
	WindowProbe       // zero-window probe, RFC 9293 §3.8.6.1
)

// String returns the probe's name in traces; empty for NoProbe.
func (p Probe) String() string { return [...]string{"", "keep-alive", "window probe"}[p] }

// probeOf returns the kind of probe whose form an arriving segment has. It must see the segment before cutToWindow does.
//
// A keep-alive is at RCV.NXT-1 and has no octet, or one that need not be data (§3.8.4). It has no flag but ACK, so that a
// retransmission of one octet, which has PSH, is none; and its sender is idle, so that we have acknowledged all text.
// A window probe is one octet at RCV.NXT beyond a zero window (§3.8.6.1), or has a keep-alive's form at a zero window, as Linux
// sends it.
func (c *Conn) probeOf(s *Segment) Probe {
	r := &c.rcv
	if len(s.Payload) > 1 || s.Flags&(wire.ACK|wire.SYN|wire.RST) != wire.ACK {
		return NoProbe
	}
	switch c.state {
	case Established, FinWait1, FinWait2, CloseWait, Closing, LastAck:
	default:
		return NoProbe
	}
	zeroWindow := r.windowEdge == r.nxt && !r.fin
	idle := s.Flags&^(wire.ECE|wire.CWR) == wire.ACK && r.unackedSegs == 0 && c.acceptableACK(s.Ack)
	switch {
	case zeroWindow && s.Seq == r.nxt && len(s.Payload) == 1:
		return WindowProbe
	case s.Seq != r.nxt.Add(-1) || !idle:
		return NoProbe
	case zeroWindow:
		return WindowProbe
	}
	return KeepAlive
}

// acceptProbe returns drop.None for a segment in a probe's form that was refused for its sequence number only and whose answer is
// pending: the segment has done all that it was sent for. Otherwise the segment is no probe, and acceptProbe returns r. The limit
// of challenge ACKs leaves a keep-alive without an answer (RFC 5961 §7).
func (c *Conn) acceptProbe(s *Segment, r drop.Reason) drop.Reason {
	if (r == drop.TCPDuplicate || r == drop.TCPOutOfWindow) && c.pending.ack {
		return drop.None
	}
	s.Probe = NoProbe
	return r
}
