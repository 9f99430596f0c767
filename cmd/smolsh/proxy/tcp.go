package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// conn is a TCP connection of the kernel, or of a host of the lab.
type conn interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// dialFunc opens the connection that carries on what c brings. It may read from c and write to it first. rest is nil, or reads what c sends
// after that.
type dialFunc func(ctx context.Context, c conn) (far conn, rest io.Reader, err error)

const (
	dialTimeout = 30 * time.Second       // bound for the kernel's attempt to reach a target
	drainLimit  = 30 * time.Second       // time that octets have to arrive before a reset follows them
	drainPause  = 10 * time.Millisecond  // time between two looks at the received octets
	acceptPause = 100 * time.Millisecond // time before the next accept if the system has no descriptor left
	firstBuffer = 4 << 10                // size in octets of a direction's buffer at first
	maxBuffer   = 128 << 10              // the largest that it grows to; gonet copies a Write of up to 64 KiB once more
)

// dialKernel connects a socket of the kernel.
func dialKernel(ctx context.Context, target string) (conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// reset ends a connection by a RST, and drops what it holds.
func reset(c conn) {
	_ = c.SetLinger(0) // an error means that the connection is closed
	_ = c.Close()
}

// tcpRelay accepts connections on one side of a host, and opens one on its other side for each.
type tcpRelay struct {
	p     *Proxy
	r     *route
	in    net.Listener
	dial  dialFunc
	slots chan struct{}
	admit *admission
	front bool // true for the programs' side, which counts
}

// serve accepts until the listener is closed.
func (t *tcpRelay) serve() {
	for {
		c, err := t.in.Accept()
		switch {
		case errors.Is(err, net.ErrClosed) || t.p.ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return
		case err != nil:
			t.p.complain(t.r, err.Error())
			select {
			case <-time.After(acceptPause):
			case <-t.p.ctx.Done():
			}
			continue
		}
		if !t.front {
			t.admit.accept(c.RemoteAddr().String())
		}
		select {
		case t.slots <- struct{}{}:
		case <-t.p.ctx.Done():
			_ = c.Close()
			return
		}
		t.p.running.Go(func() {
			defer func() { <-t.slots }()
			t.carry(c.(conn))
		})
	}
}

// carry serves one accepted connection until its end.
func (t *tcpRelay) carry(near conn) {
	if !t.p.track(near) {
		return
	}
	defer t.p.forget(near)
	if t.front {
		t.r.count.conns.Add(1)
		t.r.count.open.Add(1)
		defer t.r.count.open.Add(-1)
	}
	far, rest, err := t.dial(t.p.ctx, near)
	if err != nil {
		t.failed(near, err)
		return
	}
	if t.front {
		defer t.admit.ended(far.LocalAddr().String())
	}
	if !t.p.track(far) {
		reset(near)
		return
	}
	defer t.p.forget(far)
	x := exchange{ctx: t.p.ctx, near: near, far: far, from: near}
	if rest != nil {
		x.from = rest
	}
	if t.front {
		x.up, x.down = &t.r.count.up, &t.r.count.down
	}
	if x.run() && t.front {
		t.r.count.resets.Add(1)
	}
}

// failed ends a connection that can't be carried on. One whose client was told why ends normally.
func (t *tcpRelay) failed(near conn, err error) {
	var told *refusal
	if errors.As(err, &told) {
		_ = near.CloseWrite()
		if told.quiet {
			return
		}
	} else {
		reset(near)
	}
	t.r.count.failures.Add(1)
	side := "the target can't be reached: "
	if t.front {
		side = "the lab has no way: "
	}
	if told != nil {
		side = ""
	}
	t.p.complain(t.r, side+cause(err))
}

// cause returns an error's text without the addresses, which the route names.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		var dns *net.DNSError
		if errors.As(op.Err, &dns) {
			return dns.Error()
		}
		return op.Err.Error()
	}
	return err.Error()
}

// exchange copies between two connections.
type exchange struct {
	ctx       context.Context
	near, far conn
	from      io.Reader      // reads near
	up, down  *atomic.Uint64 // counters of octets from near and from far; nil for none
}

// ending says how one direction ended.
type ending struct {
	src, dst conn
	dead     conn // the connection of which a call failed; nil after the end of the source
}

// run copies in both directions until both have ended, and then closes both connections. It reports whether they ended by a reset or another
// error.
//
// If a connection has failed, what it sent before still goes to the other end, which is then reset.
func (x *exchange) run() (failed bool) {
	ends := make(chan ending, 2)
	go func() { ends <- copyWay(x.far, x.near, x.from, x.up) }()
	go func() { ends <- copyWay(x.near, x.far, x.far, x.down) }()
	e, running := <-ends, 1
	if e.dead == nil {
		e, running = <-ends, 0
	}
	if e.dead != nil {
		alive := x.near
		if e.dead == x.near {
			alive = x.far
		}
		if running > 0 && e.dst == e.dead { // what it has sent may not have been read
			limit := time.Now().Add(drainLimit)
			_, _ = e.dead.SetReadDeadline(limit), alive.SetWriteDeadline(limit)
			<-ends
			running = 0
		}
		x.drain(alive)
		reset(alive)
		reset(e.dead)
		failed = true
	}
	for ; running > 0; running-- {
		<-ends
	}
	_, _ = x.near.Close(), x.far.Close()
	return failed
}

// copyWay copies what src sends, which from reads, to dst.
func copyWay(dst, src conn, from io.Reader, count *atomic.Uint64) ending {
	buf := make([]byte, firstBuffer)
	for {
		n, rerr := from.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return ending{src, dst, dst}
			}
			if count != nil {
				count.Add(uint64(n))
			}
		}
		switch {
		case rerr == io.EOF:
			_ = dst.CloseWrite() // an error means that dst has ended, which its other direction finds
			return ending{src, dst, nil}
		case rerr != nil:
			return ending{src, dst, src}
		case n == len(buf) && n < maxBuffer:
			buf = make([]byte, 2*n)
		}
	}
}

// drain waits until the other end of c has acknowledged the written octets, for drainLimit at most.
func (x *exchange) drain(c conn) {
	tick := time.NewTicker(drainPause)
	defer tick.Stop()
	for limit := time.Now().Add(drainLimit); unacknowledged(c) > 0 && time.Now().Before(limit); {
		select {
		case <-tick.C:
		case <-x.ctx.Done():
			return
		}
	}
}

// unacknowledged returns the number of octets of c that its other end has not acknowledged.
func unacknowledged(c conn) int {
	switch c := c.(type) {
	case interface{ Unacknowledged() int }:
		return c.Unacknowledged()
	case *net.TCPConn:
		return queued(c)
	}
	return 0
}
