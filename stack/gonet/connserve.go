package gonet

import (
	"io"
	"net"
	"net/netip"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// orphanTimeout is the time for which the octets of a closed connection may wait for the send buffer, if the buffer has shrunk since
// Write accepted them. Other connections may have taken its memory.
const orphanTimeout = time.Minute

// dialing is the part of a connection that is being opened.
type dialing struct {
	local     netip.AddrPort
	remote    remote
	keepAlive *net.KeepAliveConfig // nil for the default
	err       error                // the result, valid once the connection was sent to done
	done      chan *TCPConn        // has room for every connection that may be sent to it; nil after the result
}

// serve does what the calls have asked for, as far as the stack can. The owner calls it for the task, and when the socket has changed.
func (c *TCPConn) serve(now clock.Instant) {
	if c.serving {
		c.again = true
		return
	}
	c.serving = true
	defer func() { c.serving = false }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.sock == nil && !c.open(now) {
		return
	}
	for c.again = true; c.again; {
		c.again = false
		c.notice()
		c.apply(now)
		c.serveReads(now)
		c.serveWrites(now)
		c.notice()
		if c.closed {
			c.serveClose(now)
		}
	}
	c.room = c.sock.Writable()
}

// open opens the socket of a dialled connection, and reports whether there is one.
func (c *TCPConn) open(now clock.Instant) bool {
	d := c.dial
	if d == nil || d.done == nil {
		return false
	}
	if c.closed { // given up before the owner's turn
		d.done = nil
		return false
	}
	if err := c.net.failure(); err != nil {
		c.dialled(err)
		return false
	}
	cfg := c.net.defaults()
	if d.keepAlive != nil {
		keepAlive(&cfg, *d.keepAlive)
	}
	c.options = &cfg
	sock, err := c.net.host.DialTCP(now, d.local, d.remote.to, cfg)
	if err != nil {
		call := "connect"
		if d.local.IsValid() && (err == stack.ErrPortInUse || err == stack.ErrNotOurs) {
			call = "bind"
		}
		c.dialled(sysError(call, err))
		return false
	}
	c.attach(sock, false)
	return true
}

// attach makes sock the connection's socket. both is true if a listener for both families has accepted it. The caller is the owner.
func (c *TCPConn) attach(sock *stack.TCPConn, both bool) {
	c.sock, c.task.key = sock, c.net.newKey()
	c.local, c.remote = net.TCPAddrFromAddrPort(mapped(sock.Local(), both)), net.TCPAddrFromAddrPort(mapped(sock.Remote(), both))
	sock.OnEvent = c.serve
}

// dialled reports the end of the handshake.
func (c *TCPConn) dialled(err error) {
	d, done := c.dial, c.dial.done
	d.err = err
	d.done = nil
	c.net.wake(func() { done <- c })
}

// notice records what the socket's state says: the end of the handshake, the peer's FIN, the connection's end.
func (c *TCPConn) notice() {
	state := c.sock.State()
	switch state {
	case tcp.SynSent, tcp.SynReceived:
		return
	case tcp.CloseWait, tcp.LastAck, tcp.Closing, tcp.TimeWait:
		c.fin = true
	}
	if d := c.dial; d != nil && d.done != nil {
		if state == tcp.Closed {
			c.dialled(c.net.endError(sysError("connect", dialError(c.sock.Err()))))
		} else {
			c.dialled(nil)
		}
	}
	if state != tcp.Closed || c.ended {
		return
	}
	c.ended = true
	c.pending = nil
	c.err = c.sock.Err()
	if c.fin && c.err == tcp.ErrReset {
		c.err = nil // Linux reports EPIPE for a reset after the peer's FIN
	}
}

// dialError returns the error of a connection that ended before it was established.
func dialError(err error) error {
	if err == nil || err == tcp.ErrReset {
		return tcp.ErrRefused
	}
	return err
}

// apply passes changed options to the socket.
func (c *TCPConn) apply(now clock.Instant) {
	if c.changed && !c.ended {
		c.changed = false
		_ = c.sock.SetConfig(now, *c.options) // the sizes of buffers were checked when they were set
	}
}

// serveReads moves received octets to the callers of Read.
func (c *TCPConn) serveReads(now clock.Instant) {
	for len(c.in.list) > 0 {
		r := c.in.list[0]
		n, err := c.sock.Read(now, r.p)
		switch {
		case n > 0:
			r.n = n
			c.in.finish(nil)
		case err == io.EOF, c.in.shut && err == nil:
			c.in.finish(io.EOF)
		case err == nil:
			return
		default:
			c.notice()
			c.in.finish(c.endRead())
		}
	}
}

// endRead returns the error of a Read on a connection that has ended: the reason, to the first call only, and io.EOF to later ones.
func (c *TCPConn) endRead() error {
	err := c.err
	if c.err = nil; err == nil {
		return c.net.endError(io.EOF)
	}
	return c.net.endError(sysError("read", err))
}

// serveWrites moves octets of Write to the send buffer.
func (c *TCPConn) serveWrites(now clock.Instant) {
	if len(c.pending) > 0 {
		n, _ := c.sock.Write(now, c.pending)
		if c.pending = c.pending[n:]; len(c.pending) > 0 {
			if c.sock.State() == tcp.Closed {
				c.notice()
			}
			return
		}
		c.pending = nil
	}
	for len(c.out.list) > 0 {
		r := c.out.list[0]
		n, err := c.sock.Write(now, r.p[r.n:])
		switch r.n += n; {
		case err != nil:
			c.notice()
			c.out.finish(c.endWrite())
		case r.n == len(r.p):
			c.out.finish(nil)
		default:
			return
		}
	}
	if c.in.shut {
		c.sock.CloseRead()
	}
	if c.out.shut && !c.out.told && !c.closed {
		c.out.told = true
		_ = c.sock.CloseWrite(now) // an error means that the connection has ended, which notice records
	}
}

// serveClose ends the socket of a connection that the program has closed, once the stack has its octets.
func (c *TCPConn) serveClose(now clock.Instant) {
	switch {
	case c.ended:
	case c.linger == 0, c.dial != nil && c.dial.done != nil:
		c.sock.Abort(now)
	case len(c.pending) > 0:
		c.limitTime(now)
		return
	default:
		if c.linger > 0 {
			c.limitTime(now)
		}
		c.sock.Close(now)
	}
	c.left, c.again, c.pending = true, false, nil
	if c.dial != nil {
		c.dial.done = nil
	}
	c.sock.OnEvent = c.lingering
	c.lingering(now)
}

// limitTime starts the timer that ends a closed connection: after the time of SetLinger, or else if octets wait for the send buffer for
// orphanTimeout. In steps, when many octets may wait, that time begins again whenever some are sent.
func (c *TCPConn) limitTime(now clock.Instant) {
	switch {
	case c.orphan == nil && c.linger > 0:
		c.orphan = c.net.runner.World().At(now.Add(time.Duration(c.linger)*time.Second), c.giveUp)
	case c.orphan == nil:
		c.orphan = c.net.runner.World().At(now.Add(orphanTimeout), c.giveUp)
		c.waiting = len(c.pending)
	case c.linger < 0 && c.net.steps != nil && len(c.pending) < c.waiting:
		c.orphan.Move(now.Add(orphanTimeout))
		c.waiting = len(c.pending)
	}
}

// lingering stops the timer of a connection that the stack has closed, unless it lingers: its octets or its FIN are unacknowledged.
func (c *TCPConn) lingering(clock.Instant) {
	if c.orphan != nil && c.linger > 0 {
		switch c.sock.State() {
		case tcp.FinWait1, tcp.Closing, tcp.LastAck:
			return
		}
	}
	if c.orphan != nil {
		c.orphan.Stop()
	}
	c.orphan, c.sock.OnEvent = nil, nil
}

// giveUp ends a closed connection whose time is over, though the peer may be alive: its window may be closed for ever.
func (c *TCPConn) giveUp(now clock.Instant) {
	c.mu.Lock()
	c.linger = 0
	left := c.left
	c.mu.Unlock()
	if !left {
		c.serve(now)
		return
	}
	c.orphan, c.sock.OnEvent = nil, nil
	c.sock.Abort(now)
}
