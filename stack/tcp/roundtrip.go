package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// sampleEcho takes the round trip that the echoed timestamp tells of (RFC 7323 §4.1). An echo of the first
// copy that comes a round trip after the repeat answers the repeat: the first answer was lost, and a peer
// need not remember the stamp of what it had already. One that comes sooner has been on its way all along.
func (c *Conn) sampleEcho(now clock.Instant, s *Segment) {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok {
		return
	}
	if since := now.Sub(c.snd.retransmittedAt); since < rtt && since >= c.rtt.srtt/2 {
		rtt = max(since, stampTick)
	}
	c.rtt.sample(rtt, c.cfg)
}

// limitByEcho is rtt, the time since something now acknowledged was sent, less what passed before the segment was
// sent that this acknowledgement answers, of which the echoed stamp tells: earlier answers may have been lost.
func (c *Conn) limitByEcho(now clock.Instant, s *Segment, rtt time.Duration) time.Duration {
	if echo, ok := c.ts.roundTrip(now, &s.Options); ok {
		return min(rtt, echo+stampTick)
	}
	return rtt
}

// echoedRTT is the round trip that the echoed timestamp tells of; 0: nothing tells.
func (c *Conn) echoedRTT(now clock.Instant, s *Segment) time.Duration {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok || c.snd.retransmittedAt != 0 && now.Sub(c.snd.retransmittedAt) < 2*c.rtt.srtt {
		return 0
	}
	return rtt
}

// roundTrip is the time since the segment was sent whose stamp o echoes (§4.1). Stamps are exact to a
// tick, so that it is at least one.
func (t *stamps) roundTrip(now clock.Instant, o *wire.TCPOptions) (rtt time.Duration, ok bool) {
	if !t.on || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ticks := int32(t.value(now) - o.TSEcr)
	return max(1, time.Duration(ticks)) * stampTick, ticks >= 0
}
