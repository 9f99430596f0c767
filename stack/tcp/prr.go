package tcp

import "smolsh/stack/clock"

// prr is the state of proportional rate reduction (RFC 9937 §6), in octets of the present recovery.
type prr struct {
	base      int // RecoverFS: what was out when it began
	delivered int // prr_delivered
	out       int // prr_out
}

// enterRecovery begins a recovery from losses that the board shows: it lasts until all that is out now has
// been acknowledged. d is what the acknowledgement that showed them has brought, flight what was out
// before it, why the reason in words.
func (c *Conn) enterRecovery(now clock.Instant, flight int, d *delivery, why string) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	flight = c.flightSize(flight)
	b.undo.arm(g, flight)
	c.reduceForLoss(now, flight)
	g.inRecovery, g.recover = true, v.max
	b.prr = prr{base: max(1, v.nxt.Sub(v.una)-b.sacked+d.octets)}
	c.pending.fastRetransmit = true // the first segment goes whatever the window
	c.updatePRR(d, false)
	c.count(EventFastRetrans)
	c.reportEpisode(EpisodeRecovery, why)
}

// updatePRR sets the congestion window during recovery so that it comes down to ssthresh in proportion to
// what is delivered (RFC 9937 §6). safe: the acknowledgement moved SND.UNA and showed no further loss.
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

// leaveRecovery ends it: everything that was out when it began has been acknowledged.
func (c *Conn) leaveRecovery() {
	c.cong.inRecovery = false
	c.cong.Cwnd = c.cong.Ssthresh
	c.reo.decayReoWindow()
	c.reportEpisode(EpisodeRecovered, whyAcked)
}
