package tcp

import (
	"time"

	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// bufferLinger is the time for which the storage of an empty buffer is kept, so that a busy connection does not
// allocate for each exchange.
const bufferLinger = time.Second

// Memory is the storage that a connection's buffers occupy, in octets.
type Memory struct {
	Send, Receive int
	Beyond        int // part of Receive, from the first gap to the last octet received out of order
}

// Memory returns the storage that the buffers occupy now.
func (c *Conn) Memory() Memory {
	r := &c.rcv.buf
	return Memory{Send: c.snd.buf.Allocated(), Receive: r.Allocated(), Beyond: r.Beyond()}
}

// Growth returns the octets by which Memory's Receive and Beyond would grow if the text of s were stored: 0 for text outside the
// window.
func (c *Conn) Growth(s *Segment) (storage, beyond int) {
	r := &c.rcv
	first := s.Seq.Sub(r.nxt)
	end := min(first+len(s.Payload), r.windowEdge.Sub(r.nxt))
	if c.state < SynReceived || first >= end || end <= 0 {
		return 0, 0
	}
	if first > 0 {
		beyond = max(0, end-r.buf.Beyond())
	}
	return r.buf.Growth(r.buf.Len() + end), beyond
}

// SendGrowth returns the octets by which Memory's Send would grow if n more octets were written.
func (c *Conn) SendGrowth(n int) int { return c.snd.buf.Growth(c.snd.buf.Len() + n) }

// SendRoom returns the number of octets that Write would accept if the send buffer's storage may grow to storage octets
// at most.
func (c *Conn) SendRoom(storage int) int {
	b := &c.snd.buf
	return min(c.Writable(), max(0, b.Fits(storage)-b.Len()))
}

// CutToStorage cuts the text of s so that the receive buffer's storage need not grow beyond storage octets. If mayWait
// is false, it also cuts off all text beyond a gap. It reports whether it cut anything. It cuts off the FIN together
// with the text; the peer retransmits both. The connection must be synchronised.
func (c *Conn) CutToStorage(s *Segment, storage int, mayWait bool) bool {
	r := &c.rcv
	room := r.buf.Fits(storage) - r.buf.Len() - s.Seq.Sub(r.nxt)
	if r.nxt.Less(s.Seq) && !mayWait {
		room = 0
	}
	if room >= len(s.Payload) {
		return false
	}
	s.Payload = s.Payload[:max(0, room)]
	s.Flags &^= wire.FIN
	return true
}

// Trim releases storage: the octets received out of order, even if SACKs have reported them (RFC 2018 §8), and the
// unused part of both buffers. The peer retransmits the released octets.
func (c *Conn) Trim() {
	r := &c.rcv
	if r.ooo.Len() > 0 {
		c.count(EventPruned)
	}
	r.ooo = nil
	r.buf.Trim()
	c.snd.buf.Trim()
}

// armRelease sets the timer that releases empty buffers.
func (c *Conn) armRelease(now clock.Instant) {
	if c.at.release == clock.Never && c.idleStorage() {
		c.at.release = now.Add(bufferLinger)
	}
}

func (c *Conn) releaseBuffers(now clock.Instant) {
	c.at.release = clock.Never
	if quiet := c.at.active.Add(bufferLinger); now.Before(quiet) {
		c.at.release = quiet
		return
	}
	c.snd.buf.Release()
	c.rcv.buf.Release()
	if c.snd.una == c.snd.max {
		c.snd.scoreboard, c.cong.ctl = nil, nil
	}
	if c.rcv.ooo.Len() == 0 {
		c.rcv.ooo = nil
	}
}

// releasable reports whether a buffer has storage and holds no octet, in order or out of order.
func releasable(r *buf.Ring) bool { return r.Empty() && r.Allocated() > 0 }

// idleStorage reports whether any part of the connection has storage without content.
func (c *Conn) idleStorage() bool {
	v, r := &c.snd, &c.rcv
	return releasable(&v.buf) || releasable(&r.buf) || (v.scoreboard != nil || c.cong.ctl != nil) && v.una == v.max ||
		r.ooo != nil && r.ooo.Len() == 0
}
