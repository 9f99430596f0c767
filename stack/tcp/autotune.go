package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// rttRound is one round trip as the receiver sees it: the time in which the reader's appetite is measured.
type rttRound struct {
	began clock.Instant
	stamp uint32 // our timestamp clock then
	read  uint32 // octets that the reader has taken since
}

// tuneReceive sizes a receive buffer that nobody has fixed. Once a round trip it is seen whether it holds twice
// what the reader took in it, and some segments more, since a sender in slow start doubles its window in each; if
// not, it is made twice as large as that, since what fills the next round has to be offered while this one lasts.
// It never shrinks: what it holds is given back when it is empty.
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

// roundOver reports whether the segment whose options are o was sent after the peer had heard of something
// that we said in this round: it echoes a later stamp. Without timestamps the clock must do.
func (c *Conn) roundOver(now clock.Instant, o *wire.TCPOptions) bool {
	r := &c.rcv.rttRound
	if c.ts.on && o.HasTimestamps {
		return int32(o.TSEcr-r.stamp) > 0
	}
	return now.Sub(r.began) > max(c.rtt.srtt, granularity)
}

// tuneSend sizes a send buffer that nobody has fixed: twice the congestion window, so that the
// application has a window's time to come back with more, and at most four times what travels in the
// smallest round trip. What waits in queues beyond that, the peer's receive buffer among them, is no reason
// to keep more: it would only wait longer, and leave the processor's cache meanwhile. rtt is what the
// latest acknowledgement took, 0 when it does not tell. The buffer never shrinks either.
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
