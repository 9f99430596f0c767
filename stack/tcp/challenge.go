package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// answerUnacceptable makes an ACK pending for a segment outside the window, unless the segment is a RST. A segment that
// is empty, or lies more than a window away, is no retransmission; ACKs for such segments count against the limit on
// challenge ACKs (RFC 5961 §7). Without the limit two ends that disagree would answer each other for ever, and a forger
// could make us flood the peer.
func (c *Conn) answerUnacceptable(now clock.Instant, s *Segment) {
	if s.Flags&wire.RST != 0 {
		return
	}
	if c.state == TimeWait && s.Flags&wire.FIN != 0 && s.Seq.Add(s.Len()) == c.rcv.nxt {
		c.at.timeWait = now.Add(max(0, c.cfg.TimeWait)) // a retransmitted FIN restarts the 2 MSL timer (RFC 9293 §3.10.7.4, eighth step)
	}
	r, end := &c.rcv, s.Seq.Add(s.Len())
	honest := s.Len() > 0 && s.Flags&wire.SYN == 0 && s.Seq.LessEq(r.windowEdge) && r.nxt.Add(-r.buf.Limit()).LessEq(end)
	if !honest && !c.mayChallenge(now) {
		return
	}
	c.pending.ack = true
}

// challengeACK makes a challenge ACK pending for a segment that may be forged (RFC 5961 §3 to §5).
func (c *Conn) challengeACK(now clock.Instant) {
	if c.mayChallenge(now) {
		c.count(EventChallengeAck)
		c.pending.ack = true
	}
}

// mayChallenge reports whether a challenge ACK may be sent (ACK throttling, RFC 5961 §7). It checks the connection's
// limit, and then the host's, which all connections share.
func (c *Conn) mayChallenge(now clock.Instant) bool {
	return c.challenge.allow(now) && (c.hooks == nil || c.hooks.Challenge == nil || c.hooks.Challenge(now))
}

// checkReset processes a RST (RFC 9293 §3.5.3, §3.10.7.4, second step). It accepts a RST only at exactly RCV.NXT
// (RFC 5961 §3). The argument first is the segment's sequence number before the segment was cut to the window: cutting
// off text in front of the RST must not move a guessed number to RCV.NXT.
func (c *Conn) checkReset(now clock.Instant, first wire.Seq) drop.Reason {
	if first != c.rcv.nxt {
		c.challengeACK(now)
		return drop.TCPBadReset
	}
	switch c.state {
	case TimeWait: // a RST that answers an old duplicate must not end TIME-WAIT early (RFC 1337 §3, fix F1)
		return drop.TCPBadReset
	case SynReceived:
		c.count(EventAttemptFail)
		if c.passive {
			c.fail(ErrReset, false) // this connection ends, and its listener stays in LISTEN
		} else {
			c.fail(ErrRefused, false)
		}
	case Established, FinWait1, FinWait2, CloseWait:
		c.count(EventEstabReset)
		c.fail(ErrReset, false)
	default: // CLOSING, LAST-ACK
		if c.snd.buf.Len() > 0 {
			c.fail(ErrReset, false) // queued octets may be lost, so the application gets an error
			break
		}
		c.close() // all octets were acknowledged, so this is an orderly close
	}
	return drop.None
}

// checkSYN processes a SYN (RFC 9293 §3.10.7.4, fourth step). A passive connection in SYN-RECEIVED ends, and its
// listener stays in LISTEN. Any other connection sends a challenge ACK, whatever the sequence number (RFC 5961 §4). A
// passive connection also sends a challenge ACK if the SYN's sequence number, first, is below RCV.NXT: only the
// segment's text is then inside the window.
func (c *Conn) checkSYN(now clock.Instant, first wire.Seq) drop.Reason {
	if c.state == SynReceived && c.passive && c.rcv.nxt.LessEq(first) {
		c.count(EventAttemptFail)
		c.fail(ErrReset, false)
		return drop.TCPBadSYN
	}
	c.challengeACK(now)
	return drop.TCPBadSYN
}

// challengePerSecond bounds the challenge ACKs of one connection (RFC 5961 §7). Without the bound a forger could use us
// as a reflector, and two ends that disagree could answer each other for ever.
const challengePerSecond = 10

// limiter counts the events in the current second of the clock.
type limiter struct {
	second uint32
	spent  int32
}

// allow reports whether another event may happen at time now. If it returns true, it counts the event.
func (l *limiter) allow(now clock.Instant) bool {
	if second := uint32(now / clock.Instant(time.Second)); second != l.second {
		l.second, l.spent = second, 0
	}
	if l.spent >= challengePerSecond {
		return false
	}
	l.spent++
	return true
}

// acceptableACK reports whether an acknowledgement number lies between SND.UNA - MAX.SND.WND and SND.MAX, the highest
// number sent (RFC 5961 §5). No honest peer sends an older number, or acknowledges octets that were never sent.
func (c *Conn) acceptableACK(ack wire.Seq) bool {
	v := &c.snd
	return !v.max.Less(ack) && !ack.Less(v.una.Add(-v.maxWnd))
}
