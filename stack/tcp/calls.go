package tcp

import (
	"io"

	"smolsh/stack/clock"
)

// Write queues octets and returns how many were taken: 0 and nil when the buffer is full. Before the
// connection is established they wait (RFC 9293 §3.10.2).
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case c.state == Closed:
		return 0, c.ended()
	case c.snd.closed:
		return 0, ErrClosing
	}
	return c.snd.buf.Write(p), nil
}

// Read moves received octets into p: 0 and nil when there are none yet, io.EOF after the last one of a
// stream the peer has closed, the reason when the connection has ended otherwise. What was received
// before a reset can still be read.
func (c *Conn) Read(p []byte) (int, error) {
	if c.rcv.closed {
		return 0, ErrClosing
	}
	if n := c.rcv.buf.Read(p); n > 0 || len(p) == 0 {
		c.rcv.rttRound.read += uint32(n)
		return n, nil
	}
	switch {
	case c.rcv.eof:
		return 0, io.EOF
	case c.state == Closed:
		return 0, c.ended()
	}
	return 0, nil
}

// Discard takes up to n octets, at least one, off what Read would give, without copying them. Errors are
// Read's.
func (c *Conn) Discard(n int) (int, error) {
	if c.Readable() == 0 || c.rcv.closed {
		return c.Read(make([]byte, 1))
	}
	n = min(n, c.rcv.buf.Len())
	c.rcv.buf.Discard(n)
	c.rcv.rttRound.read += uint32(n)
	return n, nil
}

func (c *Conn) ended() error {
	if c.err != nil {
		return c.err
	}
	return ErrNotConnected
}

// Readable is the number of octets Read has for the caller.
func (c *Conn) Readable() int { return c.rcv.buf.Len() }

// Writable is the number of octets Write would take, 0 when it would fail.
func (c *Conn) Writable() int {
	if c.state == Closed || c.snd.closed {
		return 0
	}
	return c.snd.buf.Free()
}

// AtEOF reports whether nothing more will become readable: the peer has closed and all has been read,
// or the connection is over.
func (c *Conn) AtEOF() bool { return c.rcv.buf.Len() == 0 && (c.rcv.eof || c.state == Closed) }

// CloseWrite ends the sending half: a FIN follows what is queued, reading goes on (RFC 9293 §3.6,
// §3.10.4).
func (c *Conn) CloseWrite(now clock.Instant) error {
	switch {
	case c.state == Closed:
		return c.ended()
	case c.snd.closed:
		return ErrClosing
	}
	switch c.state {
	case Listen, SynSent:
		c.close()
		return nil
	case Established:
		c.setState(FinWait1)
	case CloseWait:
		c.setState(LastAck)
	}
	c.snd.closed = true // in SYN-RECEIVED the FIN waits for ESTABLISHED
	return nil
}

// Close ends both halves: what is queued is still sent, then FIN. Octets that nobody will read, there
// already or to come, turn it into an abort, so that the peer learns that they were lost (RFC 1122
// §4.2.2.13, RFC 2525 §2.17), unless both FINs are out already: then the peer waits for our octets and
// FIN, not for news of its own. Closing twice is harmless.
func (c *Conn) Close(now clock.Instant) {
	if c.state == Closed || c.rcv.closed {
		return
	}
	switch {
	case c.rcv.buf.Len() == 0:
	case c.state == Closing || c.state == LastAck || c.state == TimeWait: // both FINs are out
		c.rcv.buf.Drop()
	default:
		c.count(EventAbortOnClose)
		c.Abort(now)
		return
	}
	c.rcv.closed = true
	if !c.snd.closed {
		_ = c.CloseWrite(now) // the states in which it fails have been dealt with
	}
	if c.state == FinWait2 {
		c.at.timeWait = now.Add(finWait2Timeout)
	}
}

// Abort ends the connection at once: calls report ErrAborted, and the peer is sent a RST where it could
// know of the connection (RFC 9293 §3.10.5).
func (c *Conn) Abort(now clock.Instant) {
	switch c.state {
	case Closed:
	case SynReceived, Established, FinWait1, FinWait2, CloseWait:
		c.fail(ErrAborted, true)
	default:
		c.fail(ErrAborted, false)
	}
	c.rcv.buf.Drop()
}
