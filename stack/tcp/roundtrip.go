package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// sampleEcho takes a round-trip sample from the echoed timestamp (RFC 7323 §4.1). The echo of the original's timestamp
// can mean two things after a retransmission. If it arrives less than half a round trip later, it answers the original.
// If it arrives later, it answers the retransmission: the first ACK was lost, and the peer need not remember the later
// timestamp of octets that it had.
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

// limitByEcho returns the smaller of rtt, the time since an acknowledged segment was sent, and the round trip by the
// echoed timestamp. If earlier ACKs were lost, this ACK answers a later segment, so rtt is longer than the round trip.
func (c *Conn) limitByEcho(now clock.Instant, s *Segment, rtt time.Duration) time.Duration {
	if echo, ok := c.ts.roundTrip(now, &s.Options); ok {
		return min(rtt, echo+stampTick)
	}
	return rtt
}

// echoedRTT returns the round trip by the echoed timestamp. It returns 0 without a timestamp, or if a recent
// retransmission makes the echo ambiguous.
func (c *Conn) echoedRTT(now clock.Instant, s *Segment) time.Duration {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok || c.retransmittedLately(now) {
		return 0
	}
	return rtt
}

// retransmittedLately reports whether the acknowledged octets may have been in flight when a segment was retransmitted.
func (c *Conn) retransmittedLately(now clock.Instant) bool {
	return c.rtt.backedOff || c.snd.retransmittedAt != 0 && now.Sub(c.snd.retransmittedAt) < 2*c.rtt.srtt
}

// roundTrip returns the time since we sent the timestamp that o echoes (RFC 7323 §4.1). ok is false if o echoes none.
// Timestamps count whole ticks, so the result is at least one tick.
func (t *stamps) roundTrip(now clock.Instant, o *wire.TCPOptions) (rtt time.Duration, ok bool) {
	if !t.on || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ticks := int32(t.value(now) - o.TSEcr)
	return max(1, time.Duration(ticks)) * stampTick, ticks >= 0
}
