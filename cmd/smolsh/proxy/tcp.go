package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
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
	acceptPause = 100 * time.Millisecond // time before the next accept if the system has no descriptor left
	fullPeriod  = time.Minute            // time between two lines about a route whose slots are all taken
	maxRefused  = 8 << 20                // octets that a client may send after the refusal of its request
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
	slots chan struct{} // one value for each connection that the relay carries; Serve makes it
	admit *admission
	front bool      // true for the programs' side, which counts
	full  time.Time // when a line said that all slots are taken
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
			t.p.complain(t.r, cause(err))
			select {
			case <-time.After(acceptPause):
			case <-t.p.ctx.Done():
			}
			continue
		}
		if !t.front {
			t.admit.accept(c.RemoteAddr().String())
		}
		if !t.takeSlot() {
			_ = c.Close()
			return
		}
		t.p.running.Go(func() {
			defer func() { <-t.slots }()
			t.carry(c.(conn))
		})
	}
}

// takeSlot waits until the relay may carry one more connection. It returns false if the Proxy is closed first.
func (t *tcpRelay) takeSlot() bool {
	select {
	case t.slots <- struct{}{}:
		return true
	default:
	}
	if now := time.Now(); t.front && now.Sub(t.full) >= fullPeriod { // only one goroutine serves the front
		t.full = now
		t.p.complain(t.r, fmt.Sprintf("%d connections are open; further ones wait for the end of one", cap(t.slots)))
	}
	select {
	case t.slots <- struct{}{}:
		return true
	case <-t.p.ctx.Done():
		return false
	}
}

// carry serves one accepted connection until its end.
func (t *tcpRelay) carry(c conn) {
	near := t.p.watch(c)
	if near == nil {
		return
	}
	defer t.p.unwatch(near)
	if t.front {
		t.r.count.conns.Add(1)
		t.r.count.open.Add(1)
		defer t.r.count.open.Add(-1)
	}
	to, rest, err := t.dial(near.ctx, near)
	switch {
	case err == nil:
	case near.ended(): // the program has left, or the Proxy is closed
		reset(near)
		if t.front {
			t.r.count.resets.Add(1)
		}
		return
	default:
		t.failed(near, err)
		return
	}
	if t.front {
		defer t.admit.ended(to.LocalAddr().String())
	}
	far := t.p.watch(to)
	if far == nil {
		reset(near)
		return
	}
	defer t.p.unwatch(far)
	x := newExchange(near, far, t.p.stallLimit)
	if rest != nil {
		x.up.from = rest
	}
	if t.front {
		x.up.count, x.down.count = &t.r.count.up, &t.r.count.down
	}
	if x.run() && t.front {
		t.r.count.resets.Add(1)
	}
}

// failed ends a connection that can't be carried on. One whose client was told why ends normally.
func (t *tcpRelay) failed(near *watched, err error) {
	var told *refusal
	switch refused := errors.As(err, &told); {
	case refused && told.quiet:
		return
	case refused:
		defer t.part(near)
	default:
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

// part ends a connection whose client was told why. It discards what the client still sends, such as the body of its request, because the
// close of a connection with unread octets is a reset, which may overtake the answer.
func (t *tcpRelay) part(near conn) {
	_ = near.CloseWrite()
	_ = near.SetReadDeadline(time.Now().Add(t.p.negotiationLimit))
	_, _ = io.CopyN(io.Discard, near, maxRefused)
}

// cause returns an error's text without the addresses, which the route names.
func cause(err error) string {
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		text = op.Err.Error()
		var dns *net.DNSError
		if errors.As(op.Err, &dns) {
			text = dns.Error()
		}
	}
	if errors.Is(err, syscall.EMFILE) {
		text += " (ulimit -n raises the limit of smolsh)"
	}
	return text
}
