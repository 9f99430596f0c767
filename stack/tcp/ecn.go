package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// ECN is a connection's use of explicit congestion notification (RFC 3168 §6.1.1).
type ECN uint8

// The ways in which a connection uses ECN.
const (
	ECNAccept  ECN = iota // ECN is used if the peer requests it
	ECNRequest            // ECN is requested from the peer, and used if the peer agrees
	ECNRefuse
)

// ecnState is the state of ECN on a connection (RFC 3168 §6.1).
type ecnState struct {
	agreed       bool     // false while ECN is only requested
	sendECE      bool     // true from a received CE mark until the peer sends CWR
	sendCWR      bool     // true after cwnd was reduced, until new data has carried CWR
	reduced      bool     // true after cwnd was reduced for ECE
	reducedUntil wire.Seq // SND.MAX at that reduction; cwnd is not reduced again before this number is acknowledged
}

// requestECN makes the first SYN request ECN. A retransmitted SYN does not request ECN, since the request may have
// caused the loss of the first SYN (RFC 3168 §6.1.1.1).
func (c *Conn) requestECN(s *Segment) {
	if c.ecn != nil && c.snd.max == c.snd.iss {
		s.Flags |= wire.ECE | wire.CWR
	} else {
		c.ecn = nil
	}
}

// negotiateECN decides by the peer's SYN or SYN-ACK whether ECN is used (RFC 3168 §6.1.1). If the SYN itself has a CE
// or ECT mark, some device on the path rewrites the ECN field, and ECN is refused.
func (c *Conn) negotiateECN(s *Segment) {
	said := s.Flags & (wire.ECE | wire.CWR)
	switch {
	case s.Flags&wire.ACK != 0 && (c.ecn == nil || said != wire.ECE),
		s.Flags&wire.ACK == 0 && c.state == SynSent && c.ecn == nil, // our own SYN, in a simultaneous open, has not requested ECN
		s.Flags&wire.ACK == 0 && (c.cfg.ECN == ECNRefuse || said != wire.ECE|wire.CWR || s.ECN != wire.NotECT):
		c.ecn = nil
	default:
		c.ecn = &ecnState{agreed: true}
	}
}

// usesECN reports whether both ends have agreed on ECN.
func (c *Conn) usesECN() bool { return c.ecn != nil && c.ecn.agreed }

// checkCE is the receiver's part of ECN (RFC 3168 §6.1.3). After a data segment marked CE, every ACK carries ECE until
// the peer sends CWR. A segment without data inside the window does not count.
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

// checkECE is the sender's part of ECN (RFC 3168 §6.1.2): an ACK with ECE reduces cwnd like a loss, once for each
// window of data. During recovery and after a timeout checkECE does nothing, since cwnd has been reduced already.
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

// inECNResponse reports whether cwnd has been reduced for an ECN mark, and ack does not yet acknowledge everything that was in
// flight at the reduction.
func (c *Conn) inECNResponse(ack wire.Seq) bool {
	return c.ecn != nil && c.ecn.reduced && c.ecn.reducedUntil.Between(ack, c.snd.max)
}

// reduceForLoss lets the controller respond to a loss among flight octets. If an ECN mark has just reduced cwnd,
// the loss does not reduce it again (RFC 3168 §6.1.2).
func (c *Conn) reduceForLoss(now clock.Instant, flight int) {
	if c.inECNResponse(c.snd.una) {
		return
	}
	c.controller().Lost(now, &c.cong.Window, flight)
	if c.usesECN() {
		c.ecn.sendCWR = true
	}
}

// setECT marks new data as ECN-capable, and adds CWR if cwnd has been reduced (RFC 3168 §6.1.2). Retransmissions and
// segments without data are not marked (RFC 3168 §6.1.4, §6.1.5).
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
