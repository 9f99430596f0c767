package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// finWait2Timeout is how long an abandoned connection waits for the peer's FIN (RFC 1122
// §4.2.2.20 allows any bound; this is the common one).
const finWait2Timeout = 60 * time.Second

func (c *Conn) enterTimeWait(now clock.Instant) {
	ack := c.pending.ack
	c.setState(TimeWait)
	c.at = noTimers
	c.pending = pending{ack: ack}
	c.at.timeWait = now.Add(max(0, c.cfg.TimeWait))
	c.snd.buf.Drop()
	c.snd.scoreboard, c.rcv.ooo = nil, nil
}

// ReuseTimeWait reports whether the SYN s may replace this connection, which then is in TIME-WAIT, by
// a new one, and the number its initial sequence number must exceed. A later timestamp, or one where there
// were none, tells the new connection's segments from the old one's; without it they must lie beyond all
// that was used, and an earlier one is an old duplicate's (RFC 6191 §2, RFC 1122 §4.2.2.13).
func (c *Conn) ReuseTimeWait(s *Segment) (after wire.Seq, ok bool) {
	const mask = wire.SYN | wire.ACK | wire.RST | wire.FIN
	if c.state != TimeWait || s.Flags&mask != wire.SYN {
		return c.snd.max, false
	}
	ok = c.rcv.nxt.Less(s.Seq)
	if s.Options.HasTimestamps && !c.cfg.NoTimestamps { // the new connection would have them
		later := int32(s.Options.TSVal - c.ts.recent)
		ok = !c.ts.on || later > 0 || later == 0 && ok
	}
	return c.snd.max, ok
}
