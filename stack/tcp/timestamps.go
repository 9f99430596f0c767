package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

const (
	// stampLen is the length of the timestamps option with its padding, in octets.
	stampLen = 12
	// stampTick is one tick of our timestamp clock (RFC 7323 §5.4 requires 1 ms to 1 s).
	stampTick = time.Millisecond
	// stampAge is the longest time for which TS.Recent can be compared: less than half of the clock's period (RFC 7323 §5.5).
	stampAge = 24 * 24 * time.Hour
)

// stamps is the state of the timestamps option (RFC 7323 §3). Our SYN offers the option, which is used if the
// peer's SYN has it too.
type stamps struct {
	on       bool
	offset   uint32        // value of our timestamp clock at instant zero
	recent   uint32        // TS.Recent
	ackSent  wire.Seq      // Last.ACK.sent
	recentAt clock.Instant // time of recent's last update
}

// value returns the value of TSval at time now.
func (t *stamps) value(now clock.Instant) uint32 {
	return t.offset + uint32(now/clock.Instant(stampTick))
}

// put adds the timestamps option to a segment. A SYN without ACK echoes 0.
func (t *stamps) put(now clock.Instant, o *wire.TCPOptions) {
	if t.on {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, t.value(now), t.recent
	}
}

// check is PAWS (RFC 7323 §5.3, rule R1): a segment whose timestamp is older than TS.Recent is an old duplicate. A
// segment without the option is dropped after timestamps were agreed on, since the peer did not send it (§3.2). A RST
// passes, since only the sequence check applies to it (§5.2).
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

// update applies rule R3 of RFC 7323 §5.3: TS.Recent becomes the timestamp of an acceptable segment that begins at or
// before the last ACK sent. A delayed ACK therefore echoes the earliest segment that it covers. Any timestamp replaces
// a TS.Recent that is too old to compare with (§5.5).
func (t *stamps) update(now clock.Instant, seq wire.Seq, o *wire.TCPOptions) {
	newer := int32(o.TSVal-t.recent) >= 0 || now.Sub(t.recentAt) >= stampAge
	if t.on && o.HasTimestamps && newer && seq.LessEq(t.ackSent) {
		t.recent, t.recentAt = o.TSVal, now
	}
}

// updateTSRecent calls update for the segment s, whose sequence number was first before it was cut to the window. It
// ignores a SYN and a segment with an unacceptable ACK, since one forged timestamp from the future would make PAWS drop
// everything that the peer sends. It ignores a RST, since PAWS does not check its timestamp.
func (c *Conn) updateTSRecent(now clock.Instant, first wire.Seq, s *Segment) {
	if s.Flags&(wire.SYN|wire.RST) == 0 && s.Flags&wire.ACK != 0 && c.acceptableACK(s.Ack) {
		c.ts.update(now, first, &s.Options)
	}
}
