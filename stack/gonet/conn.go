package gonet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"smolsh/stack"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// maxPending is the number of octets that Write copies and queues for the owner without waiting for its turn. A longer Write waits
// until the stack has taken its octets from the caller's slice.
const maxPending = 64 << 10

// maxPendingInSteps is that number for a Driver in steps, whether the octets fit the send buffer or not. Libraries write under a mutex. In a
// synctest bubble, a second goroutine that waits for the mutex would stop the time that the first one needs.
const maxPendingInSteps = 4 << 20

// copyBuffer is the size in octets of the buffer of ReadFrom and of WriteTo, that of io.Copy.
const copyBuffer = 32 << 10

// A TCPConn is a TCP connection. It implements net.Conn with the contract of net.TCPConn. Any number of goroutines may call its methods.
//
// Read and a Write that does not fit the send buffer wait for the owner of the host. Close, CloseWrite, CloseRead, the options, the
// deadlines, and a Write of at most 64 KiB that fits the send buffer only record what the owner is to do.
type TCPConn struct {
	net           *Net
	task          task
	network       string       // tcp, tcp4 or tcp6
	local, remote *net.TCPAddr // set before the program gets the connection
	dial          *dialing     // nil for an accepted connection; see connserve.go

	// The owner's part.
	sock    *stack.TCPConn // nil until the owner has opened it
	serving bool           // true while serve runs
	left    bool           // true after the owner has ended the socket, for Close
	again   bool           // true if the socket has changed while serve ran
	fin     bool           // true after the peer's FIN
	orphan  *lab.Event     // the end of a closed connection whose octets wait or which lingers; nil for most
	waiting int            // octets of pending when orphan was set

	mu      sync.Mutex
	in      half
	out     half
	pending []byte // octets that Write has accepted and the stack has not
	room    int    // octets that the stack would accept, pending included, when the owner looked last
	ended   bool   // true after the connection has ended, other than by Close
	err     error  // why it ended, until a call has returned it, as SO_ERROR; nil then
	closed  bool   // true after Close
	linger  int    // seconds; negative: close in the background (the default)
	options *tcp.Config
	changed bool          // true if the owner has not applied options
	idle    time.Duration // period of keep-alives that are off; 0: the default
}

// half is one direction of a connection.
type half struct {
	requests
	deadline deadline
	shut     bool // true after CloseRead or CloseWrite
	told     bool // true if the owner has told the stack so
}

var (
	_ net.Conn      = (*TCPConn)(nil)
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
)

func (n *Net) newTCP(network string) *TCPConn {
	c := &TCPConn{net: n, network: network, linger: -1}
	c.task.run = c.serve
	c.in.later, c.out.later = n.later, n.later
	return c
}

// opError returns err as package net has it, nil for nil.
func (c *TCPConn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr returns the local address, a *net.TCPAddr.
func (c *TCPConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the peer's address, a *net.TCPAddr.
func (c *TCPConn) RemoteAddr() net.Addr { return c.remote }

// Read waits for octets and moves them from the stack's buffer into p. It returns io.EOF after the peer's FIN.
func (c *TCPConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	return n, c.opError("read", err)
}

func (c *TCPConn) read(p []byte) (int, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return 0, net.ErrClosed
	case len(p) == 0:
		c.mu.Unlock()
		return 0, nil
	case c.in.deadline.expired:
		c.mu.Unlock()
		return 0, os.ErrDeadlineExceeded
	}
	r := c.in.add(p)
	c.mu.Unlock()
	return c.wait(r, &c.in)
}

// wait makes the owner look at a request and waits for its end.
func (c *TCPConn) wait(r *request, h *half) (int, error) {
	got := c.net.wait(&c.task, r, &c.mu, &h.requests)
	return got.n, got.err
}

// Write queues p to be sent. It waits while the send buffer has no room for p, and for the owner's turn if p is longer than 64 KiB. An
// error means that the connection has ended, though octets of earlier calls may be lost as well, as with every TCP.
func (c *TCPConn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	return n, c.opError("write", err)
}

func (c *TCPConn) write(p []byte) (int, error) {
	c.mu.Lock()
	if err := c.mayWrite(); err != nil || len(p) == 0 {
		c.mu.Unlock()
		return 0, err
	}
	most := min(c.room, maxPending)
	if c.net.steps != nil {
		most = maxPendingInSteps
	}
	if len(c.out.list) == 0 && len(c.pending)+len(p) <= most {
		c.pending = append(c.pending, p...)
		c.mu.Unlock()
		c.net.submit(&c.task)
		return len(p), nil
	}
	r := c.out.add(p)
	c.mu.Unlock()
	return c.wait(r, &c.out)
}

// mayWrite returns the error of a Write that can't begin. The caller holds the lock.
func (c *TCPConn) mayWrite() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.out.deadline.expired:
		return os.ErrDeadlineExceeded
	case c.ended:
		return c.endWrite()
	case c.out.shut:
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	return nil
}

// endWrite returns the error of a Write on a connection that has ended: the reason, to the first call only, and EPIPE to later ones.
func (c *TCPConn) endWrite() error {
	err := c.err
	if c.err = nil; err == nil {
		return c.net.endError(os.NewSyscallError("write", syscall.EPIPE))
	}
	return c.net.endError(sysError("write", err))
}

// ReadFrom sends the octets of r up to its end and returns their number. The stack takes them from the buffer into which ReadFrom
// reads. A *net.OpError wraps the error of r, too.
func (c *TCPConn) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, copyBuffer)
	for {
		got, rerr := r.Read(buf)
		if got > 0 {
			sent, werr := c.send(buf[:got])
			n += int64(sent)
			if werr != nil {
				return n, c.opError("readfrom", c.opError("write", werr))
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, c.opError("readfrom", rerr)
		}
	}
}

// send is write without the copy into pending: the stack takes the octets from p, for which send waits.
func (c *TCPConn) send(p []byte) (int, error) {
	c.mu.Lock()
	if err := c.mayWrite(); err != nil {
		c.mu.Unlock()
		return 0, err
	}
	r := c.out.add(p)
	c.mu.Unlock()
	return c.wait(r, &c.out)
}

// WriteTo writes the octets of the peer to w, up to the FIN, and returns their number. A *net.OpError wraps the error of w, too.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	buf := make([]byte, copyBuffer)
	for {
		got, rerr := c.read(buf)
		if got > 0 {
			put, werr := w.Write(buf[:got])
			n += int64(put)
			switch {
			case werr != nil:
				return n, c.opError("writeto", werr)
			case put != got:
				return n, c.opError("writeto", io.ErrShortWrite)
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, c.opError("writeto", c.opError("read", rerr))
		}
	}
}

// Close ends the connection and never waits. Blocked calls return net.ErrClosed. The stack sends the octets written so far and then a
// FIN, or a RST if received octets are unread. Errors: net.ErrClosed for every call but the first.
func (c *TCPConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.close()
	c.mu.Unlock()
	c.net.submit(&c.task)
	return nil
}

// close ends the blocked calls. The caller holds the lock, and submits the task.
func (c *TCPConn) close() {
	c.closed = true
	for _, h := range [...]*half{&c.in, &c.out} {
		h.deadline.set(time.Time{}, nil, nil)
		h.finishAll(net.ErrClosed)
	}
}

// CloseWrite sends a FIN after the octets written so far. Reading continues. A Write that waits for room returns EPIPE.
func (c *TCPConn) CloseWrite() error {
	err := c.shutdown(&c.out)
	return c.opError("close", err)
}

// CloseRead makes Read return io.EOF once the octets received so far are read. The peer is not told. If CloseWrite was called too, further
// octets of the peer reset the connection (RFC 1122 §4.2.2.13).
func (c *TCPConn) CloseRead() error {
	err := c.shutdown(&c.in)
	return c.opError("close", err)
}

func (c *TCPConn) shutdown(h *half) error {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return net.ErrClosed
	case c.ended:
		c.mu.Unlock()
		return c.net.endError(os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	h.shut = true
	if h == &c.out {
		h.finishAll(os.NewSyscallError("write", syscall.EPIPE))
	}
	c.mu.Unlock()
	c.net.submit(&c.task)
	return nil
}

// SetDeadline sets both deadlines.
func (c *TCPConn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.in, &c.out) }

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded, a blocked one included; the zero time removes it.
func (c *TCPConn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.in) }

// SetWriteDeadline sets the time after which Write fails with os.ErrDeadlineExceeded, a blocked one included, which returns the number
// of octets that the stack has taken. The zero time removes it.
func (c *TCPConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.out) }

func (c *TCPConn) setDeadline(t time.Time, halves ...*half) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return &net.OpError{Op: "set", Net: c.network, Addr: c.local, Err: net.ErrClosed}
	}
	for _, h := range halves {
		h.deadline.set(t, &c.mu, func() { h.finishAll(os.ErrDeadlineExceeded) })
	}
	return nil
}

// SyscallConn returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (c *TCPConn) SyscallConn() (syscall.RawConn, error) {
	return nil, c.opError("raw-control", errNoDescriptor)
}

// File returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (c *TCPConn) File() (*os.File, error) { return nil, c.opError("file", errNoDescriptor) }
