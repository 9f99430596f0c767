package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// sampleEcho samples the round trip from the echoed timestamp (RFC 7323 §4.1). An echo of the original that arrives more than
// half a round trip after the retransmission answers the retransmission: the first ACK was lost, and the peer need not remember
// the later timestamp of octets that it had. An echo that arrives sooner answers the original.
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

// limitByEcho returns rtt, the time since an acknowledged segment was sent, or the echoed timestamp's round trip if that is
// shorter. If earlier ACKs were lost, rtt also contains the time until the segment was sent that this ACK answers, which is no
// part of the round trip.
func (c *Conn) limitByEcho(now clock.Instant, s *Segment, rtt time.Duration) time.Duration {
	if echo, ok := c.ts.roundTrip(now, &s.Options); ok {
		return min(rtt, echo+stampTick)
	}
	return rtt
}

// echoedRTT returns the round trip by the echoed timestamp; 0 if there is none, or if retransmissions make it ambiguous.
func (c *Conn) echoedRTT(now clock.Instant, s *Segment) time.Duration {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok || c.snd.retransmittedAt != 0 && now.Sub(c.snd.retransmittedAt) < 2*c.rtt.srtt {
		return 0
	}
	return rtt
}

// roundTrip returns the time since we sent the timestamp that o echoes (RFC 7323 §4.1). Timestamps count whole ticks, so the
// result is at least one tick.
func (t *stamps) roundTrip(now clock.Instant, o *wire.TCPOptions) (rtt time.Duration, ok bool) {
	if !t.on || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ticks := int32(t.value(now) - o.TSEcr)
	return max(1, time.Duration(ticks)) * stampTick, ticks >= 0
}
