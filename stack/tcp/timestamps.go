package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

const (
	// stampLen is what the timestamps option takes in each segment, padding included, in octets.
	stampLen = 12
	// stampTick is the unit of our timestamps (RFC 7323 §5.4 asks for 1 ms to 1 s).
	stampTick = time.Millisecond
	// stampAge is how long TS.Recent is to be trusted: less than half of its circle (§5.5).
	stampAge = 24 * 24 * time.Hour
)

// stamps is the state of the timestamps option (RFC 7323 §3). It is offered with our SYN, and goes on
// when the peer's SYN has it too.
type stamps struct {
	on       bool
	offset   uint32        // our clock at instant zero
	recent   uint32        // TS.Recent
	ackSent  wire.Seq      // Last.ACK.sent
	recentAt clock.Instant // when recent was last updated
}

// value is TSval at now.
func (t *stamps) value(now clock.Instant) uint32 {
	return t.offset + uint32(now/clock.Instant(stampTick))
}

// put stamps a segment; a SYN without ACK has nothing to echo.
func (t *stamps) put(now clock.Instant, o *wire.TCPOptions) {
	if t.on {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, t.value(now), t.recent
	}
}

// check is PAWS (§5.3, rule R1): a segment older than the last one that advanced the stream is a
// duplicate that took its time. One without the option, once that is agreed on, is somebody else's (§3.2).
// Resets are let through (§5.2): what they must satisfy is the sequence check.
func (t *stamps) check(now clock.Instant, s *Segment) drop.Reason {
	switch {
	case !t.on || s.Flags&wire.RST != 0:
		return drop.None
	case !s.Options.HasTimestamps:
		return drop.TCPNoTimestamp
	case int32(s.Options.TSVal-t.recent) < 0 && now.Sub(t.recentAt) < stampAge:
		return drop.TCPOldTimestamp
	}
	return drop.None
}

// update is rule R3 of §5.3: the stamp of an acceptable segment that begins at or before the last
// acknowledgement sent is what we echo next, so that a delayed ACK tells the longest time. A TS.Recent that
// is too old to be compared with is replaced by any stamp (§5.5).
func (t *stamps) update(now clock.Instant, seq wire.Seq, o *wire.TCPOptions) {
	newer := int32(o.TSVal-t.recent) >= 0 || now.Sub(t.recentAt) >= stampAge
	if t.on && o.HasTimestamps && newer && seq.LessEq(t.ackSent) {
		t.recent, t.recentAt = o.TSVal, now
	}
}

// updateTSRecent is take for a segment that stands at first. One that the peer cannot have sent, a SYN or one that
// acknowledges nothing of ours, leaves the stamp alone: a single forged one from the future would have PAWS
// refuse all that the peer sends. Resets leave it alone, for PAWS does not judge them.
func (c *Conn) updateTSRecent(now clock.Instant, first wire.Seq, s *Segment) {
	if s.Flags&(wire.SYN|wire.RST) == 0 && s.Flags&wire.ACK != 0 && c.acceptableACK(s.Ack) {
		c.ts.update(now, first, &s.Options)
	}
}
