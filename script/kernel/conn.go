package kernel

import (
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
	"smolsh/script/service"
	"smolsh/script/stream"
	"smolsh/script/suggest"
)

// A conn is a TCP connection of the operating system.
type conn struct {
	k             *Stack
	c             *net.TCPConn
	local, remote netip.AddrPort
	ahead         []byte // octets received and not delivered yet
	reads, writes turn
	shut, closed  bool
}

func (v *conn) String() string {
	return fmt.Sprintf("kernel tcp %v > %v %s", v.local, v.remote, v.state())
}
func (v *conn) Type() string          { return "kernel_conn" }
func (v *conn) Freeze()               {}
func (v *conn) Truth() starlark.Bool  { return true }
func (v *conn) Hash() (uint32, error) { return starlark.String(v.remote.String()).Hash() }

// Attr returns a field or a method of the connection.
func (v *conn) Attr(name string) (starlark.Value, error) {
	switch name {
	case "state":
		return starlark.String(v.state()), nil
	case "local":
		return registry.Endpoint(v.local), nil
	case "peer":
		return registry.Endpoint(v.remote), nil
	}
	return suggest.Attr(v, name, v.k.env.Member("kernel_conn", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *conn) AttrNames() []string {
	return append([]string{"local", "peer", "state"}, v.k.env.Members("kernel_conn")...)
}

// closed is the state that scripts see after they have closed a connection, even if the system's connection has not
// ended.
const closed = "CLOSED"

// state returns the connection's state under its name in RFC 9293.
func (v *conn) state() string {
	if v.closed {
		return closed
	}
	return tcpState(v.c)
}

func connect(c *Call) (starlark.Value, error) {
	ends, err := c.ends()
	if err != nil {
		return nil, err
	}
	set, err := c.setter()
	if err != nil {
		return nil, err
	}
	k, left := c.stack(), c.timeLeft()
	var fail error
	for _, e := range ends { // one after the other: the system reports soon if it has no address of a family
		nc, err := dialTCP(c.Task, set, e, left())
		if err == nil {
			_ = nc.SetNoDelay(set.nodelay())
			return k.newConn(nc), nil
		}
		switch {
		case fail != nil && c.Task.Err() == nil:
		case e.Local.IsValid() && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)):
			fail = k.env.Failed(c.Task, "tcp from", registry.SocketAddress(e.Local), err)
		default:
			fail = k.env.Failed(c.Task, "tcp", e.Remote, err)
		}
		if c.Task.Err() != nil {
			break
		}
	}
	return nil, fail
}

// dialTCP opens a connection and waits until it is open. With a negative timeout it waits as long as the system does.
func dialTCP(t Task, set setter, e registry.Ends, timeout time.Duration) (*net.TCPConn, error) {
	to, d := e.Remote, net.Dialer{KeepAlive: -1, Control: set.control}
	if e.Local.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: netIP(e.Local.Addr()), Port: int(e.Local.Port()), Zone: e.Local.Addr().Zone()}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if timeout >= 0 {
		ctx, cancel = context.WithTimeout(ctx, max(timeout, time.Millisecond))
		defer cancel()
	}
	var nc net.Conn
	var err error
	if ended := t.Outside("a connection to "+to.String(), func() { nc, err = d.DialContext(ctx, "tcp", to.String()) }, cancel); ended != nil {
		if nc != nil { // the connection opened while the wait was being ended
			nc.Close()
		}
		return nil, ended
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err() // package net reports the end of the context as an i/o timeout
	case err != nil:
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}

func (k *Stack) newConn(c *net.TCPConn) *conn {
	k.keep(c)
	return &conn{k: k, c: c, local: addrPort(c.LocalAddr()), remote: addrPort(c.RemoteAddr())}
}

func (v *conn) failed(t Task, err error) error {
	if v.shut && errors.Is(err, syscall.EPIPE) {
		err = net.ErrClosed
	}
	return v.k.env.Failed(t, "tcp", v.remote, err)
}

func (v *conn) send(t Task, data []byte, timeout time.Duration) error {
	return v.failed(t, wait(t, &v.writes, "room to send to "+v.remote.String(), timeout, v.c.SetWriteDeadline, func() error {
		_, err := v.c.Write(data)
		return err
	}))
}

func connSend(c *Call) (starlark.Value, error) {
	data := arg[[]byte](c, "data")
	if err := c.Recv.(*conn).send(c.Task, data, c.timeout()); err != nil {
		return nil, err
	}
	return num(len(data)), nil
}

// recv waits for octets and returns at least one. The argument most is the largest number of octets to return. At the
// end of the stream recv returns none.
func (v *conn) recv(t Task, most int, timeout time.Duration) ([]byte, error) {
	var buf []byte
	n := 0
	ready := func() bool { // the wait of an earlier task may have left octets in v.ahead
		n = min(most, len(v.ahead))
		buf, v.ahead = v.ahead[:n:n], v.ahead[n:]
		if n == 0 {
			buf = make([]byte, min(most, 65536))
		}
		return n > 0
	}
	err := waitUnless(ready, t, &v.reads, "data from "+v.remote.String(), timeout, v.c.SetReadDeadline, func() (err error) {
		n, err = v.c.Read(buf)
		return err
	})
	switch {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		v.ahead = append(v.ahead, buf[:n]...) // received while the wait was being ended
		return nil, v.failed(t, err)
	}
	return buf[:n], nil
}

func connRecv(c *Call) (starlark.Value, error) {
	b, err := c.Recv.(*conn).recv(c.Task, arg[int](c, "max"), c.timeout())
	return starlark.Bytes(b), err
}

func connRecvExactly(c *Call) (starlark.Value, error) {
	v, n := c.Recv.(*conn), arg[int](c, "n")
	var got []byte
	for left := c.timeLeft(); len(got) < n; {
		b, err := v.recv(c.Task, n-len(got), left())
		if err == nil && len(b) == 0 {
			err = v.failed(c.Task, fmt.Errorf("the stream ended after %d octets, before all of %d", len(got), n))
		}
		if err != nil {
			v.ahead = append(got, v.ahead...)
			return nil, err
		}
		got = append(got, b...)
	}
	return starlark.Bytes(got), nil
}

func connRecvUntil(c *Call) (starlark.Value, error) {
	v, delim, most := c.Recv.(*conn), arg[[]byte](c, "delimiter"), arg[int](c, "max")
	if len(delim) == 0 {
		return nil, c.errorf("the delimiter is empty")
	}
	var got []byte
	for left := c.timeLeft(); ; {
		b, err := v.recv(c.Task, 65536, left())
		if err == nil && len(b) == 0 {
			err = v.failed(c.Task, fmt.Errorf("the stream ended after %d octets, before %q", len(got), delim))
		}
		from := max(0, len(got)-len(delim)+1)
		got = append(got, b...)
		end, big := stream.Delimited(got, from, delim, most)
		if end > 0 {
			v.ahead = append(got[end:len(got):len(got)], v.ahead...)
			return starlark.Bytes(got[:end]), nil
		}
		if err == nil && big != nil {
			err = v.failed(c.Task, big)
		}
		if err != nil {
			v.ahead = append(got, v.ahead...)
			return nil, err
		}
	}
}

func connSendfile(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	n, err := c.SendFile(c.timeLeft(), func(b []byte, timeout time.Duration) error { return v.send(c.Task, b, timeout) })
	return starlark.MakeInt64(n), err
}

func connSink(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	if c.Given("path") {
		left := c.timeLeft()
		n, err := c.SinkFile(func(most int) ([]byte, error) { return v.recv(c.Task, most, left()) })
		return starlark.MakeInt64(n), err
	}
	ahead := int64(len(v.ahead))
	v.ahead = nil
	var n int64
	err := wait(c.Task, &v.reads, "the end of the stream from "+v.remote.String(), c.timeout(), v.c.SetReadDeadline, func() (err error) {
		// The wrappers hide ReadFrom and WriteTo: io.Discard's ReadFrom reads only 8 KiB at a time.
		n, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{v.c}, make([]byte, 4*service.Chunk))
		return err
	})
	return starlark.MakeInt64(ahead + n), v.failed(c.Task, err)
}

func connSource(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	limit := int64(-1)
	if c.Given("n") {
		limit = int64(arg[int](c, "n"))
	}
	var n int64
	err := wait(c.Task, &v.writes, "room to send to "+v.remote.String(), c.timeout(), v.c.SetWriteDeadline, func() (err error) {
		n, err = v.source(limit)
		return err
	})
	return starlark.MakeInt64(n), v.failed(c.Task, err)
}

// source sends n octets of the character generator's stream. If n is negative, it sends without end. It returns the
// number of octets sent. It runs without the baton.
func (v *conn) source(n int64) (sent int64, err error) {
	for err == nil && sent != n {
		b := service.Characters(sent, service.Chunk)
		if left := n - sent; n >= 0 && left < int64(len(b)) {
			b = b[:left]
		}
		var m int
		m, err = v.c.Write(b)
		sent += int64(m)
	}
	return sent, err
}

func connShutdown(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	v.shut = true
	return starlark.None, v.failed(c.Task, v.c.CloseWrite())
}

func connClose(c *Call) (starlark.Value, error) {
	c.Recv.(*conn).close()
	return starlark.None, nil
}

// close closes the connection. If octets were received and not delivered, it resets the connection, as the system does
// for unread data.
func (v *conn) close() {
	if len(v.ahead) > 0 {
		_ = v.c.SetLinger(0)
	}
	v.closed = true
	v.k.close(v.c)
}

func connAbort(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	_ = v.c.SetLinger(0)
	v.close()
	return starlark.None, nil
}
