package tcp

import "smolsh/stack/clock"

// prr is the state of proportional rate reduction in the present recovery (RFC 9937 §6), in octets.
type prr struct {
	base      int // RecoverFS: octets in flight when recovery began
	delivered int // prr_delivered
	out       int // prr_out
}

// enterRecovery starts loss recovery (RFC 6675 §5), which lasts until everything now in flight has been acknowledged. d
// describes the ACK that showed the loss. flight is the number of octets in flight before that ACK. The reason why is
// reported with the episode.
func (c *Conn) enterRecovery(now clock.Instant, flight int, d *delivery, why string) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	flight = c.flightSize(flight)
	b.undo.arm(g, flight)
	c.reduceForLoss(now, flight)
	g.inRecovery, g.recover = true, v.max
	b.prr = prr{base: max(1, v.nxt.Sub(v.una)-b.sacked+d.octets)}
	c.pending.fastRetransmit = true // the first segment is retransmitted whatever the window (RFC 6675 §5)
	c.updatePRR(d, false)
	c.count(EventFastRetrans)
	c.reportEpisode(EpisodeRecovery, why)
}

// updatePRR sets cwnd during recovery so that it approaches ssthresh in proportion to the octets delivered (RFC 9937
// §6). safe is SafeACK: the ACK moved SND.UNA and showed no further loss.
func (c *Conn) updatePRR(d *delivery, safe bool) {
	g, p, pipe := &c.cong, &c.snd.scoreboard.prr, c.snd.scoreboard.pipe()
	p.delivered += d.octets
	var send int
	if pipe > g.Ssthresh {
		send = (p.delivered*g.Ssthresh+p.base-1)/p.base - p.out
	} else {
		send = max(p.delivered-p.out, d.octets)
		if safe {
			send += g.MSS
		}
		send = min(send, g.Ssthresh-pipe)
	}
	if p.out == 0 {
		send = max(send, g.MSS)
	}
	g.Cwnd = pipe + max(0, send)
}

// leaveRecovery ends loss recovery: everything in flight at its start has been acknowledged.
func (c *Conn) leaveRecovery() {
	c.cong.inRecovery = false
	c.cong.Cwnd = c.cong.Ssthresh
	c.reo.decayReoWindow()
	c.reportEpisode(EpisodeRecovered, whyAcked)
}
