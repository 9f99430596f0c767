package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// answerUnacceptable owes an ACK for a segment outside the window, never for a reset. What
// no peer repeats, since it holds nothing or lies more than a window away, is answered at a bounded rate: two
// ends that disagree would answer each other for ever, and who forges it would have us answer the peer.
func (c *Conn) answerUnacceptable(now clock.Instant, s *Segment) {
	if s.Flags&wire.RST != 0 {
		return
	}
	if c.state == TimeWait && s.Flags&wire.FIN != 0 && s.Seq.Add(s.Len()) == c.rcv.nxt {
		c.at.timeWait = now.Add(max(0, c.cfg.TimeWait)) // the peer's FIN again: step eight restarts 2 MSL
	}
	r, end := &c.rcv, s.Seq.Add(s.Len())
	honest := s.Len() > 0 && s.Flags&wire.SYN == 0 && s.Seq.LessEq(r.windowEdge) && r.nxt.Add(-r.buf.Limit()).LessEq(end)
	if !honest && !c.mayChallenge(now) {
		return
	}
	c.pending.ack = true
}

// challengeACK owes RFC 5961's challenge for a segment that may be forged.
func (c *Conn) challengeACK(now clock.Instant) {
	if c.mayChallenge(now) {
		c.count(EventChallengeAck)
		c.pending.ack = true
	}
}

// mayChallenge asks the connection's budget, then the host's, which all connections share (RFC 5961 §7).
func (c *Conn) mayChallenge(now clock.Instant) bool {
	return c.challenge.allow(now) && (c.hooks == nil || c.hooks.Challenge == nil || c.hooks.Challenge(now))
}

// checkReset is step two, with RFC 5961 §3: only a reset at exactly RCV.NXT is believed. first is its own number:
// text that reaches from before RCV.NXT over it must not make a guess good.
func (c *Conn) checkReset(now clock.Instant, first wire.Seq) drop.Reason {
	if first != c.rcv.nxt {
		c.challengeACK(now)
		return drop.TCPBadReset
	}
	switch c.state {
	case TimeWait: // the answer to an old duplicate must not end it before its time (RFC 1337, fix F1)
		return drop.TCPBadReset
	case SynReceived:
		c.count(EventAttemptFail)
		if c.passive {
			c.fail(ErrReset, false) // back to LISTEN: the listener lives on without us
		} else {
			c.fail(ErrRefused, false)
		}
	case Established, FinWait1, FinWait2, CloseWait:
		c.count(EventEstabReset)
		c.fail(ErrReset, false)
	default: // CLOSING, LAST-ACK
		if c.snd.buf.Len() > 0 {
			c.fail(ErrReset, false) // the peer may have lost what it has not acknowledged
			break
		}
		c.close() // only our FIN was not acknowledged
	}
	return drop.None
}

// checkSYN is step four. A passive connection that is not yet synchronised goes back to LISTEN; all
// others send a challenge ACK whatever the sequence number (RFC 5961 §4), and so does that one for a SYN, at first,
// that lies before the window, into which only its text reaches.
func (c *Conn) checkSYN(now clock.Instant, first wire.Seq) drop.Reason {
	if c.state == SynReceived && c.passive && c.rcv.nxt.LessEq(first) {
		c.count(EventAttemptFail)
		c.fail(ErrReset, false)
		return drop.TCPBadSYN
	}
	c.challengeACK(now)
	return drop.TCPBadSYN
}

// challengePerSecond bounds the acknowledgements sent for segments that no honest peer sends
// (RFC 5961 §7), so that nobody can make us a reflector or two confused ends a storm.
const challengePerSecond = 10

// limiter is a budget for each second.
type limiter struct {
	second uint32
	spent  int32
}

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

// acceptableACK is RFC 5961 §5: it reports whether an acknowledgement number lies between SND.UNA - MAX.SND.WND and
// the highest number sent. An older ACK is no honest peer's, nor is one of octets that were never sent.
func (c *Conn) acceptableACK(ack wire.Seq) bool {
	v := &c.snd
	return !v.max.Less(ack) && !ack.Less(v.una.Add(-v.maxWnd))
}
