package tcp

import (
	"io"

	"smolsh/stack/clock"
)

// Write queues octets and returns the number that it accepted: 0 and nil if the buffer is full. Octets written before
// the connection is established stay queued until then (RFC 9293 §3.10.2).
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case c.state == Closed:
		return 0, c.ended()
	case c.snd.closed:
		return 0, ErrClosing
	}
	return c.snd.buf.Write(p), nil
}

// Read moves received octets into p (RFC 9293 §3.10.3). It returns 0 and nil if none are pending. It returns io.EOF
// after the last octet of a stream that the peer has closed, and otherwise the error that ended the connection. Octets
// received before a reset can still be read.
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

// Discard removes up to n octets, at least one, that Read would return, without copying them. It returns Read's errors.
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

// Readable returns the number of octets that Read can return.
func (c *Conn) Readable() int { return c.rcv.buf.Len() }

// Writable returns the number of octets that Write would accept, 0 if it would fail.
func (c *Conn) Writable() int {
	if c.state == Closed || c.snd.closed {
		return 0
	}
	return c.snd.buf.Free()
}

// AtEOF reports whether nothing more will become readable: everything has been read, and the peer has closed or the
// connection has ended.
func (c *Conn) AtEOF() bool { return c.rcv.buf.Len() == 0 && (c.rcv.eof || c.state == Closed) }

// CloseWrite ends the sending half: a FIN follows the queued octets, and reading continues (RFC 9293 §3.6.1, §3.10.4).
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
	c.snd.closed = true // in SYN-RECEIVED the FIN is sent after ESTABLISHED
	return nil
}

// CloseRead records that the application reads no more than the octets that are already pending. The peer does not learn of it, and
// further octets are acknowledged. After CloseWrite, too, they reset the connection, whose calls then return ErrReset (RFC 1122 §4.2.2.13).
func (c *Conn) CloseRead() { c.readShut = true }

// Close ends both halves: queued octets are sent, then a FIN (RFC 9293 §3.6, §3.10.4). If received octets are unread,
// or arrive later, Close aborts the connection, so that the peer learns that they are lost (RFC 1122 §4.2.2.13,
// RFC 2525 §2.17). It does not abort after both FINs have been exchanged, since the peer then waits only for our octets and
// FIN. A second Close does nothing.
func (c *Conn) Close(now clock.Instant) {
	if c.state == Closed || c.rcv.closed {
		return
	}
	switch {
	case c.rcv.buf.Len() == 0:
	case c.state == Closing || c.state == LastAck || c.state == TimeWait: // both FINs have been sent
		c.rcv.buf.Drop()
	default:
		c.count(EventAbortOnClose)
		c.Abort(now)
		return
	}
	c.rcv.closed = true
	if !c.snd.closed {
		_ = c.CloseWrite(now) // CloseWrite can't fail here: the states in which it fails were handled above
	}
	if c.state == FinWait2 {
		c.at.timeWait = now.Add(finWait2Timeout)
	}
}

// Abort ends the connection at once. Later calls return ErrAborted. It sends a RST in SYN-RECEIVED, ESTABLISHED,
// FIN-WAIT-1, FIN-WAIT-2 and CLOSE-WAIT (RFC 9293 §3.10.5).
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
