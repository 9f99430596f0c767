package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
)

// kernelConn is a TCP connection of the operating system.
type kernelConn struct {
	k             *kernelValue
	c             *net.TCPConn
	local, remote netip.AddrPort
	ahead         []byte // octets received and not returned yet
	reads, writes kernelTurn
	shut, closed  bool
}

func (v *kernelConn) String() string {
	return fmt.Sprintf("kernel tcp %v > %v %s", v.local, v.remote, v.state())
}
func (v *kernelConn) Type() string          { return "kernel_conn" }
func (v *kernelConn) Freeze()               {}
func (v *kernelConn) Truth() starlark.Bool  { return true }
func (v *kernelConn) Hash() (uint32, error) { return starlark.String(v.remote.String()).Hash() }

// Attr returns a field or a method of the connection.
func (v *kernelConn) Attr(name string) (starlark.Value, error) {
	switch name {
	case "state":
		return starlark.String(v.state()), nil
	case "local":
		return registry.Endpoint(v.local), nil
	case "peer":
		return registry.Endpoint(v.remote), nil
	}
	return suggest.Attr(v, name, v.k.s.member("kernel_conn", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *kernelConn) AttrNames() []string {
	return append([]string{"local", "peer", "state"}, v.k.s.reg.Members["kernel_conn"]...)
}

// state returns the RFC's name of the state. It returns CLOSED after the script has closed the connection.
func (v *kernelConn) state() string {
	if v.closed {
		return "CLOSED"
	}
	return kernelState(v.c)
}

var kernelConnMethods = map[string]method{
	"send":         {kernelSend, kernelDial + `c.send("hi")`},
	"recv":         {kernelRecv, kernelDial + `c.send("hi"); c.recv()`},
	"recv_exactly": {kernelRecvExactly, kernelDial + `c.send("hi"); c.recv_exactly(2)`},
	"recv_until":   {kernelRecvUntil, kernelDial + `c.send("a\nb"); c.recv_until("\n")`},
	"sendfile":     {kernelSendfile, kernelDial + `c.sendfile("other.star")`},
	"sink":         {kernelSink, kernelDial + `c.shutdown(); c.sink()`},
	"source":       {kernelSource, kernelDial + `c.source(100)`},
	"shutdown":     {kernelShutdown, kernelDial + `c.shutdown(); c.recv()`},
	"info":         {kernelInfo, kernelDial + `c.info().mss`},
	"set":          {kernelSetOptions, kernelDial + `c.set(nodelay=True)`},
	"close":        {kernelClose, kernelDial + `c.close()`},
	"abort":        {kernelAbort, kernelDial + `c.abort()`},
}

func (c *call) kernel() *kernelValue { return c.s.kernel }

func kernelConnect(c *call) (starlark.Value, error) {
	to := arg[netip.AddrPort](c, "endpoint")
	local, err := c.localEndpoint("local")
	if err != nil {
		return nil, err
	}
	set, err := c.kernelSetter()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1, Control: set.control}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if timeout := timeoutOf(c); timeout >= 0 {
		ctx, cancel = context.WithTimeout(ctx, max(timeout, time.Millisecond))
		defer cancel()
	}
	var conn net.Conn
	var fail error
	if err = c.t.Outside("a connection to "+to.String(), func() { conn, fail = d.DialContext(ctx, "tcp", to.String()) }, cancel); err == nil {
		err = fail
	} else if conn != nil {
		conn.Close()
	}
	if err != nil {
		return nil, kernelFailed(c.t, "tcp", to, connectCause(ctx, err))
	}
	_ = conn.(*net.TCPConn).SetNoDelay(set.nodelay())
	return c.kernel().newConn(conn.(*net.TCPConn)), nil
}

// connectCause returns why a dial failed: the context's error if there is one, because package net would report only
// i/o timeout.
func connectCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (k *kernelValue) newConn(c *net.TCPConn) *kernelConn {
	k.keep(c)
	return &kernelConn{k: k, c: c, local: addrPort(c.LocalAddr()), remote: addrPort(c.RemoteAddr())}
}

func (v *kernelConn) failed(t *taskValue, err error) error {
	if v.shut && errors.Is(err, syscall.EPIPE) {
		err = stack.ErrClosed
	}
	return kernelFailed(t, "tcp", v.remote, err)
}

func (v *kernelConn) send(t *taskValue, data []byte, timeout time.Duration) error {
	return v.failed(t, t.kernelWait(&v.writes, "room to send to "+v.remote.String(), timeout, v.c.SetWriteDeadline, func() error {
		_, err := v.c.Write(data)
		return err
	}))
}

func kernelSend(c *call) (starlark.Value, error) {
	data := arg[[]byte](c, "data")
	if err := c.recv.(*kernelConn).send(c.t, data, timeoutOf(c)); err != nil {
		return nil, err
	}
	return num(len(data)), nil
}

// recv returns at least one octet, or none at the end of the stream.
func (v *kernelConn) recv(t *taskValue, most int, timeout time.Duration) ([]byte, error) {
	var buf []byte
	n := 0
	ready := func() bool { // an earlier task's canceled wait may have left octets in v.ahead
		n = min(most, len(v.ahead))
		buf, v.ahead = v.ahead[:n:n], v.ahead[n:]
		if n == 0 {
			buf = make([]byte, min(most, 65536))
		}
		return n > 0
	}
	err := t.kernelWaitUnless(ready, &v.reads, "data from "+v.remote.String(), timeout, v.c.SetReadDeadline, func() (err error) {
		n, err = v.c.Read(buf)
		return err
	})
	switch {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		v.ahead = append(v.ahead, buf[:n]...) // octets that arrived just as the wait was ended
		return nil, v.failed(t, err)
	}
	return buf[:n], nil
}

func kernelRecv(c *call) (starlark.Value, error) {
	most := arg[int](c, "max")
	if most < 1 {
		return nil, c.errorf("max is at least 1, got %d", most)
	}
	b, err := c.recv.(*kernelConn).recv(c.t, most, timeoutOf(c))
	return starlark.Bytes(b), err
}

// kernelDeadline returns a function that returns the remaining part of the call's timeout.
func kernelDeadline(c *call) func() time.Duration {
	d, start := timeoutOf(c), time.Now()
	return func() time.Duration {
		if d < 0 {
			return task.Forever
		}
		return max(0, d-time.Since(start))
	}
}

func kernelRecvExactly(c *call) (starlark.Value, error) {
	v, n := c.recv.(*kernelConn), arg[int](c, "n")
	var got []byte
	for left := kernelDeadline(c); len(got) < n; {
		b, err := v.recv(c.t, n-len(got), left())
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			return nil, v.failed(c.t, fmt.Errorf("the stream ended after %d octets, before all of %d", len(got), n))
		}
		got = append(got, b...)
	}
	return starlark.Bytes(got), nil
}

func kernelRecvUntil(c *call) (starlark.Value, error) {
	v, delim, most := c.recv.(*kernelConn), arg[[]byte](c, "delimiter"), arg[int](c, "max")
	if len(delim) == 0 {
		return nil, c.errorf("the delimiter is empty")
	}
	var got []byte
	for left := kernelDeadline(c); ; {
		b, err := v.recv(c.t, 65536, left())
		if err == nil && len(b) == 0 {
			err = v.failed(c.t, fmt.Errorf("the stream ended after %d octets, before %q", len(got), delim))
		}
		from := max(0, len(got)-len(delim)+1)
		got = append(got, b...)
		if i := bytes.Index(got[from:], delim); i >= 0 {
			end := from + i + len(delim)
			v.ahead = append(got[end:len(got):len(got)], v.ahead...)
			return starlark.Bytes(got[:end]), nil
		}
		if err == nil && len(got) > most {
			err = v.failed(c.t, fmt.Errorf("no %q in the first %d octets: too big", delim, most))
		}
		if err != nil {
			v.ahead = append(got, v.ahead...)
			return nil, err
		}
	}
}

func kernelSendfile(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	n, err := c.sendFile(kernelDeadline(c), func(b []byte, timeout time.Duration) error { return v.send(c.t, b, timeout) })
	return starlark.MakeInt64(n), err
}

func kernelSink(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	if c.given("path") {
		left := kernelDeadline(c)
		n, err := c.sinkFile(func() ([]byte, error) { return v.recv(c.t, fileChunk, left()) })
		return starlark.MakeInt64(n), err
	}
	ahead := int64(len(v.ahead))
	v.ahead = nil
	var n int64
	err := c.t.kernelWait(&v.reads, "the end of the stream from "+v.remote.String(), timeoutOf(c), v.c.SetReadDeadline, func() (err error) {
		// Hides io.Discard's ReadFrom, which would read only 8 KiB at a time.
		n, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{v.c}, make([]byte, 4*pumpChunk))
		return err
	})
	return starlark.MakeInt64(ahead + n), v.failed(c.t, err)
}

func kernelSource(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	limit := int64(-1)
	if c.given("n") {
		limit = int64(arg[int](c, "n"))
	}
	var n int64
	err := c.t.kernelWait(&v.writes, "room to send to "+v.remote.String(), timeoutOf(c), v.c.SetWriteDeadline, func() (err error) {
		n, err = v.source(limit)
		return err
	})
	return starlark.MakeInt64(n), v.failed(c.t, err)
}

// source sends n octets of the character generator's stream, without end if n is negative. The caller does not hold the
// baton.
func (v *kernelConn) source(n int64) (sent int64, err error) {
	for err == nil && sent != n {
		b := chargen(sent, pumpChunk)
		if left := n - sent; n >= 0 && left < int64(len(b)) {
			b = b[:left]
		}
		var m int
		m, err = v.c.Write(b)
		sent += int64(m)
	}
	return sent, err
}

func kernelShutdown(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	v.shut = true
	return starlark.None, v.failed(c.t, v.c.CloseWrite())
}

func kernelClose(c *call) (starlark.Value, error) {
	c.recv.(*kernelConn).close()
	return starlark.None, nil
}

// close closes the connection. Data that was read ahead and not returned to the script counts as unread.
func (v *kernelConn) close() {
	if len(v.ahead) > 0 {
		_ = v.c.SetLinger(0)
	}
	v.closed = true
	v.k.close(v.c)
}

func kernelAbort(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	_ = v.c.SetLinger(0)
	v.close()
	return starlark.None, nil
}
