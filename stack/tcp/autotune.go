package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// rttRound is one round trip, over which the receiver measures how fast the application reads.
type rttRound struct {
	began clock.Instant
	stamp uint32 // our timestamp clock at that instant
	read  uint32 // octets read by the application since that instant
}

// tuneReceive sizes a receive buffer without a fixed size. Once per round trip it computes twice the octets that the application
// has read, plus some segments, since a sender in slow start doubles its window in each round. A smaller buffer is enlarged to
// twice that result, since the next round's data must be offered during this one. The buffer never shrinks; its storage is
// released when it is empty.
func (c *Conn) tuneReceive(now clock.Instant, o *wire.TCPOptions) {
	r := &c.rcv.rttRound
	if c.cfg.RecvBuffer != 0 || !c.roundOver(now, o) {
		return
	}
	if taken, more := int(r.read), 16*int(c.rcv.mss); 2*taken+more > c.rcv.buf.Limit() {
		c.rcv.buf.SetLimit(min(4*taken+more, c.cfg.RecvBufferMax))
	}
	*r = rttRound{began: now, stamp: c.ts.value(now)}
}

// roundOver reports whether the current round has ended. It ends when a segment echoes a timestamp that we sent after
// the round's start. Without timestamps a round lasts one SRTT.
func (c *Conn) roundOver(now clock.Instant, o *wire.TCPOptions) bool {
	r := &c.rcv.rttRound
	if c.ts.on && o.HasTimestamps {
		return int32(o.TSEcr-r.stamp) > 0
	}
	return now.Sub(r.began) > max(c.rtt.srtt, granularity)
}

// tuneSend sizes a send buffer without a fixed size. The size is twice the congestion window, so that the application
// has a round trip to write more. It is at most four times the octets in flight during the smallest round trip, since
// further octets would only wait in queues, such as the peer's receive buffer. rtt is the round trip of the latest ACK,
// 0 if unknown. The buffer never shrinks.
func (c *Conn) tuneSend(rtt time.Duration) {
	b, least := &c.snd.buf, c.rtt.min
	if c.cfg.SendBuffer != 0 {
		return
	}
	need := 2 * c.cong.Cwnd
	if rtt = max(rtt, c.rtt.srtt); least > 0 && rtt > 2*least {
		travelling := int(int64(c.cong.Cwnd) * int64(least) / int64(rtt))
		need = max(2*startBuffer, 4*travelling)
	}
	if need > b.Limit() {
		b.SetLimit(min(need, c.cfg.SendBufferMax))
	}
}
