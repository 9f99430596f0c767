package kernel

import (
	"context"
	"net"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
)

// A listener is a listening TCP socket of the operating system.
type listener struct {
	k       *Stack
	l       *net.TCPListener
	local   netip.AddrPort
	set     setter
	accepts turn
	closed  bool
}

func (v *listener) String() string        { return "kernel listener " + registry.SocketAddress(v.local) }
func (v *listener) Type() string          { return "kernel_listener" }
func (v *listener) Freeze()               {}
func (v *listener) Truth() starlark.Bool  { return true }
func (v *listener) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the listener.
func (v *listener) Attr(name string) (starlark.Value, error) {
	switch name {
	case "local":
		return starlark.String(registry.SocketAddress(v.local)), nil
	case "pending":
		n, err := pending(v.l)
		if err != nil {
			return nil, v.k.env.Failed(nil, "tcp", registry.SocketAddress(v.local), err)
		}
		return num(n), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.env.Member("kernel_listener", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *listener) AttrNames() []string {
	return append([]string{"local", "pending", "port"}, v.k.env.Members("kernel_listener")...)
}

func listen(c *Call) (starlark.Value, error) {
	set, err := c.setter()
	if err != nil {
		return nil, err
	}
	at, err := c.boundTo()
	if err != nil {
		return nil, err
	}
	v, err := c.stack().listen(c, at, arg[int](c, "backlog"), set)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (k *Stack) listen(c *Call, at netip.AddrPort, backlog int, set setter) (*listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: set.control}
	lc.SetMultipathTCP(false)
	network, address := listenAddr("tcp", at)
	l, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, k.env.Failed(c.Task, "tcp listen", registry.SocketAddress(at), err)
	}
	v := &listener{k: k, l: l.(*net.TCPListener), local: boundAddr(l.Addr(), at), set: set}
	setBacklog(v.l, backlog)
	k.keep(v.l)
	return v, nil
}

func listenerAccept(c *Call) (starlark.Value, error) {
	conn, err := c.Recv.(*listener).accept(c.Task, c.timeout())
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (v *listener) accept(t Task, timeout time.Duration) (*conn, error) {
	var conn *net.TCPConn
	err := wait(t, &v.accepts, "a connection on the kernel's "+registry.SocketAddress(v.local), timeout, v.l.SetDeadline, func() (err error) {
		conn, err = v.l.AcceptTCP()
		return err
	})
	if err != nil {
		if conn != nil { // accepted while the wait was being ended
			conn.Close()
		}
		return nil, v.k.env.Failed(t, "tcp accept", registry.SocketAddress(v.local), err)
	}
	_ = conn.SetNoDelay(v.set.nodelay())
	return v.k.newConn(conn), nil
}

func listenerClose(c *Call) (starlark.Value, error) {
	c.Recv.(*listener).close()
	return starlark.None, nil
}

func (v *listener) close() {
	v.closed = true
	v.k.close(v.l)
}
