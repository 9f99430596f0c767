package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// finWait2Timeout is the time that a connection which the application has closed waits in FIN-WAIT-2 for the peer's
// FIN. RFC 1122 §4.2.2.20 allows any bound; 60 s is common.
const finWait2Timeout = 60 * time.Second

// enterTimeWait enters TIME-WAIT for 2 MSL (RFC 9293 §3.3.2, §3.6). A pending ACK is still sent.
func (c *Conn) enterTimeWait(now clock.Instant) {
	ack := c.pending.ack
	c.setState(TimeWait)
	c.at = noTimers
	c.pending = pending{ack: ack}
	c.at.timeWait = now.Add(max(0, c.cfg.TimeWait))
	c.snd.buf.Drop()
	c.snd.scoreboard, c.rcv.ooo = nil, nil
}

// ReuseTimeWait reports whether the SYN s may replace this connection, which is in TIME-WAIT, by a new one. The new
// connection's initial sequence number must exceed after. With timestamps the SYN's timestamp must be later, unless the
// old connection had none. Without timestamps its sequence number must lie beyond all used ones (RFC 6191 §2, RFC 1122
// §4.2.2.13, RFC 7323 §5.8). Any other SYN may be an old duplicate.
func (c *Conn) ReuseTimeWait(s *Segment) (after wire.Seq, ok bool) {
	const mask = wire.SYN | wire.ACK | wire.RST | wire.FIN
	if c.state != TimeWait || s.Flags&mask != wire.SYN {
		return c.snd.max, false
	}
	ok = c.rcv.nxt.Less(s.Seq)
	if s.Options.HasTimestamps && !c.cfg.NoTimestamps { // the new connection would use timestamps
		later := int32(s.Options.TSVal - c.ts.recent)
		ok = !c.ts.on || later > 0 || later == 0 && ok
	}
	return c.snd.max, ok
}
