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

// marks is what a connection keeps of ECN; nil where it is not spoken.
type marks struct {
	agreed  bool     // until then it has been asked for
	echo    bool     // routers have marked what we receive, and the sender has not said that it knows
	tell    bool     // the window has been reduced, of which the next new data is to tell (CWR)
	reduced bool     // the window has been reduced for a mark; it is not again until what was out then,
	until   wire.Seq // all before this, is acknowledged
}

// askECN makes a first SYN ask for ECN. One that goes again does not, lest it is what gets lost
// (RFC 3168 §6.1.1.1).
func (c *Conn) askECN(s *Segment) {
	if c.ecn != nil && c.snd.max == c.snd.iss {
		s.Flags |= wire.ECE | wire.CWR
	} else {
		c.ecn = nil
	}
}

// takeECN settles from the peer's SYN, or its answer to ours, whether ECN is spoken (RFC 3168 §6.1.1).
// A SYN that was marked itself comes from somewhere that writes that field as it likes.
func (c *Conn) takeECN(s *Segment) {
	said := s.Flags & (wire.ECE | wire.CWR)
	switch {
	case s.Flags&wire.ACK != 0 && (c.ecn == nil || said != wire.ECE),
		s.Flags&wire.ACK == 0 && c.state == SynSent && c.ecn == nil, // the SYN that crossed it has not asked
		s.Flags&wire.ACK == 0 && (c.cfg.ECN == ECNRefuse || said != wire.ECE|wire.CWR || s.ECN != wire.NotECT):
		c.ecn = nil
	default:
		c.ecn = &marks{agreed: true}
	}
}

// speaksECN reports whether both ends have agreed on ECN.
func (c *Conn) speaksECN() bool { return c.ecn != nil && c.ecn.agreed }

// noteMark takes in what the IP header and the flags of data inside the window say (RFC 3168 §6.1.3): marks are
// echoed from the first on until the sender says that it has reduced its window.
func (c *Conn) noteMark(s *Segment) {
	if !c.speaksECN() || len(s.Payload) == 0 {
		return
	}
	if s.Flags&wire.CWR != 0 {
		c.ecn.echo = false
	}
	if s.ECN == wire.CE {
		c.ecn.echo = true
		c.owe.ack = true
	}
}

// heedEcho reduces the window when the peer echoes a mark, as for a loss, and once for each window of data (RFC 3168
// §6.1.2). During a recovery that has been done.
func (c *Conn) heedEcho(now clock.Instant, s *Segment) {
	v, g := &c.snd, &c.cong
	if !c.speaksECN() || s.Flags&wire.ECE == 0 || g.inRecovery || g.afterTimeout || c.rtt.backoffs > 0 {
		return
	}
	if c.reduced(s.Ack) || v.una == v.max {
		return
	}
	c.controller().Lost(now, &g.Window, c.flightSize(v.max.Sub(v.una)))
	g.Cwnd = min(g.Cwnd, g.Ssthresh)
	*c.ecn = marks{agreed: true, echo: c.ecn.echo, tell: true, reduced: true, until: v.max}
	c.tell(EpisodeMarked, whyEcho)
}

// reduced reports whether the window has been reduced for a mark, and what was out then is not all acknowledged by
// ack.
func (c *Conn) reduced(ack wire.Seq) bool {
	return c.ecn != nil && c.ecn.reduced && c.ecn.until.Between(ack, c.snd.max)
}

// lose has the controller answer to a loss that was found among flight octets. A window that was reduced for a mark
// a moment ago is not reduced again (RFC 3168 §6.1.2).
func (c *Conn) lose(now clock.Instant, flight int) {
	if c.reduced(c.snd.una) {
		return
	}
	c.controller().Lost(now, &c.cong.Window, flight)
	if c.speaksECN() {
		c.ecn.tell = true
	}
}

// mark says of new data that routers may mark it rather than drop it, and that the window has been reduced
// (RFC 3168 §6.1.2). What goes again and what carries no data is not to be marked (§6.1.4, §6.1.5).
func (c *Conn) mark(s *Segment) {
	if !c.speaksECN() || len(s.Payload) == 0 {
		return
	}
	s.ECN = wire.ECT0
	if c.ecn.tell {
		s.Flags |= wire.CWR
		c.ecn.tell = false
	}
}
