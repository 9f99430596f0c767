package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// ECN is a connection's part in explicit congestion notification (RFC 3168).
type ECN uint8

// The parts.
const (
	ECNAccept  ECN = iota // where the peer asks for it
	ECNRequest            // asks for it as well
	ECNRefuse
)

// ecnState is what a connection keeps of ECN; nil where it is not spoken.
type ecnState struct {
	agreed       bool     // until then it has been asked for
	sendECE      bool     // routers have marked what we receive, and the sender has not said that it knows
	sendCWR      bool     // the window has been reduced, of which the next new data is to tell (CWR)
	reduced      bool     // the window has been reduced for a mark; it is not again until what was out then,
	reducedUntil wire.Seq // all before this, is acknowledged
}

// requestECN makes a first SYN ask for ECN. One that goes again does not, lest it is what gets lost
// (RFC 3168 §6.1.1.1).
func (c *Conn) requestECN(s *Segment) {
	if c.ecn != nil && c.snd.max == c.snd.iss {
		s.Flags |= wire.ECE | wire.CWR
	} else {
		c.ecn = nil
	}
}

// negotiateECN settles from the peer's SYN, or its answer to ours, whether ECN is spoken (RFC 3168 §6.1.1).
// A SYN that was marked itself comes from somewhere that writes that field as it likes.
func (c *Conn) negotiateECN(s *Segment) {
	said := s.Flags & (wire.ECE | wire.CWR)
	switch {
	case s.Flags&wire.ACK != 0 && (c.ecn == nil || said != wire.ECE),
		s.Flags&wire.ACK == 0 && c.state == SynSent && c.ecn == nil, // the SYN that crossed it has not asked
		s.Flags&wire.ACK == 0 && (c.cfg.ECN == ECNRefuse || said != wire.ECE|wire.CWR || s.ECN != wire.NotECT):
		c.ecn = nil
	default:
		c.ecn = &ecnState{agreed: true}
	}
}

// usesECN reports whether both ends have agreed on ECN.
func (c *Conn) usesECN() bool { return c.ecn != nil && c.ecn.agreed }

// checkCE takes in what the IP header and the flags of data inside the window say (RFC 3168 §6.1.3): marks are
// echoed from the first on until the sender says that it has reduced its window.
func (c *Conn) checkCE(s *Segment) {
	if !c.usesECN() || len(s.Payload) == 0 {
		return
	}
	if s.Flags&wire.CWR != 0 {
		c.ecn.sendECE = false
	}
	if s.ECN == wire.CE {
		c.ecn.sendECE = true
		c.pending.ack = true
	}
}

// checkECE reduces the window when the peer echoes a mark, as for a loss, and once for each window of data (RFC 3168
// §6.1.2). During a recovery that has been done.
func (c *Conn) checkECE(now clock.Instant, s *Segment) {
	v, g := &c.snd, &c.cong
	if !c.usesECN() || s.Flags&wire.ECE == 0 || g.inRecovery || g.afterTimeout || c.rtt.backoffs > 0 {
		return
	}
	if c.inECNResponse(s.Ack) || v.una == v.max {
		return
	}
	c.controller().Lost(now, &g.Window, c.flightSize(v.max.Sub(v.una)))
	g.Cwnd = min(g.Cwnd, g.Ssthresh)
	*c.ecn = ecnState{agreed: true, sendECE: c.ecn.sendECE, sendCWR: true, reduced: true, reducedUntil: v.max}
	c.reportEpisode(EpisodeMarked, whyEcho)
}

// inECNResponse reports whether the window has been reduced for a mark, and what was out then is not all acknowledged by
// ack.
func (c *Conn) inECNResponse(ack wire.Seq) bool {
	return c.ecn != nil && c.ecn.reduced && c.ecn.reducedUntil.Between(ack, c.snd.max)
}

// reduceForLoss has the controller answer to a loss that was found among flight octets. A window that was reduced for a mark
// a moment ago is not reduced again (RFC 3168 §6.1.2).
func (c *Conn) reduceForLoss(now clock.Instant, flight int) {
	if c.inECNResponse(c.snd.una) {
		return
	}
	c.controller().Lost(now, &c.cong.Window, flight)
	if c.usesECN() {
		c.ecn.sendCWR = true
	}
}

// setECT says of new data that routers may mark it rather than drop it, and that the window has been reduced
// (RFC 3168 §6.1.2). What goes again and what carries no data is not to be marked (§6.1.4, §6.1.5).
func (c *Conn) setECT(s *Segment) {
	if !c.usesECN() || len(s.Payload) == 0 {
		return
	}
	s.ECN = wire.ECT0
	if c.ecn.sendCWR {
		s.Flags |= wire.CWR
		c.ecn.sendCWR = false
	}
}
