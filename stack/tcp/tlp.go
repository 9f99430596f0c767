package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// tailLossProbe is the state of a tail loss probe in flight (RFC 8985 §7.1).
type tailLossProbe struct {
	end        wire.Seq // TLP.end_seq
	inFlight   bool
	retransmit bool // true if the probe retransmitted the last segment (TLP.is_retrans)
}

// armTLP sets the tail loss probe's timer (RFC 8985 §7.2). The probe is needed if everything in flight is lost, because
// then no delivered segment shows the loss.
func (c *Conn) armTLP(now clock.Instant) {
	v, b := &c.snd, c.snd.scoreboard
	c.cong.tlpStale = false
	if c.lossTimerFor == waitReorder && c.at.loss != clock.Never {
		return
	}
	c.stopLossTimer(waitTail)
	if b == nil || b.sacked > 0 || b.lost > 0 || b.tlp.inFlight || b.pipe() == 0 || v.nxt.Sub(v.una) > v.wnd ||
		c.cong.inRecovery || c.cong.afterTimeout {
		return
	}
	pto := ptoWithoutRTT
	if c.rtt.srtt > 0 {
		pto = max(2*c.rtt.srtt, 2*granularity)
		if b.pipe() <= c.snd.mss {
			pto += maxAckDelay
		}
	}
	c.at.loss, c.lossTimerFor = min(now.Add(pto), c.at.rexmt), waitTail
}

// nextTLP chooses the tail loss probe (RFC 8985 §7.3). The probe is the next new segment if there is one and the peer's
// window has room, otherwise the last segment again. It begins at sequence number from and has n octets. ok is false if
// there is nothing to probe with.
func (c *Conn) nextTLP(room int) (from wire.Seq, n int, ok bool) {
	v := &c.snd
	if !c.pending.tailProbe || v.scoreboard == nil || v.scoreboard.pipe() == 0 || !c.sending() {
		return 0, 0, false
	}
	limit := min(c.effectiveMSS(), room)
	if limit == 0 {
		return 0, 0, false
	}
	if n = min(v.dataEnd().Sub(v.nxt), v.wnd-v.nxt.Sub(v.una), limit); n > 0 {
		return v.nxt, n, true
	}
	from = v.nxt.Add(-limit)
	if v.finSent {
		from = from.Add(-1)
	}
	from = wire.MaxSeq(v.una, from)
	return from, max(0, min(v.dataEnd().Sub(from), v.nxt.Sub(from), limit)), v.nxt.Sub(v.una) <= v.wnd
}

// emitTLP fills in the tail loss probe (RFC 8985 §7.3).
func (c *Conn) emitTLP(now clock.Instant, p []byte, s *Segment, from wire.Seq) {
	v := &c.snd
	again := from != v.nxt
	c.pending.tailProbe = false
	c.count(EventTailProbe)
	c.reportEpisode(EpisodeProbe, whyTail)
	if again {
		v.scoreboard.noteRetransmit(from, c.emitText(now, p, s, from), now)
	} else {
		c.emitData(now, p, s)
	}
	v.scoreboard.tlp = tailLossProbe{end: v.nxt, inFlight: true, retransmit: again}
	c.stopLossTimer(waitTail)
	c.cong.tlpStale = false
}

// processTLP performs TLP_process_ack (RFC 8985 §7.4). It reports whether the ACK shows that the probe repaired a loss,
// for which the controller must reduce cwnd. dsack is the ACK's D-SACK block.
func (c *Conn) processTLP(s *Segment, progress bool, dsack wire.SACKBlock) (repaired bool) {
	p := &c.snd.scoreboard.tlp
	if !p.inFlight || s.Ack.Less(p.end) {
		return false
	}
	switch {
	case !p.retransmit: // the probe carried new octets, which have been delivered
	case dsack.Left != dsack.Right && p.end.LessEq(dsack.Right): // the original and the probe were both delivered
	case p.end.Less(s.Ack):
		repaired = true
	case !progress && s.Options.NumSACK == 0 && len(s.Payload) == 0: // both were delivered: this is a duplicate ACK from a peer without D-SACK
	default:
		return false
	}
	p.inFlight = false
	return repaired
}
