package script

import (
	"context"
	"net"
	"net/netip"
	"smolsh/script/suggest"
	"time"

	"go.starlark.net/starlark"
)

// kernelListener is a listening TCP socket of the operating system.
type kernelListener struct {
	k       *kernelValue
	l       *net.TCPListener
	local   netip.AddrPort
	set     kernelSetter
	accepts kernelTurn
	closed  bool
}

func (v *kernelListener) String() string        { return "kernel listener " + socketAddr("tcp", v.local) }
func (v *kernelListener) Type() string          { return "kernel_listener" }
func (v *kernelListener) Freeze()               {}
func (v *kernelListener) Truth() starlark.Bool  { return true }
func (v *kernelListener) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the listener.
func (v *kernelListener) Attr(name string) (starlark.Value, error) {
	switch name {
	case "local":
		return starlark.String(socketAddr("tcp", v.local)), nil
	case "pending":
		n, err := kernelPending(v.l)
		if err != nil {
			return nil, kernelFailed(v.k.s.main, "tcp", socketAddr("tcp", v.local), err)
		}
		return num(n), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.s.member("kernel_listener", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *kernelListener) AttrNames() []string {
	return append([]string{"local", "pending", "port"}, v.k.s.reg.Members["kernel_listener"]...)
}

var kernelListenerMethods = map[string]method{
	"accept": {kernelAccept, `l = kernel.tcp.listen(8080); c = tcp.connect("192.168.69.100:8080"); l.accept().peer`},
	"close":  {kernelListenerClose, `kernel.tcp.listen(8080).close()`},
}

func kernelListen(c *call) (starlark.Value, error) {
	set, err := c.kernelSetter()
	if err != nil {
		return nil, err
	}
	v, err := c.kernel().listen(c, arg[netip.Addr](c, "addr"), arg[int](c, "port"), arg[int](c, "backlog"), set)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (k *kernelValue) listen(c *call, addr netip.Addr, port, backlog int, set kernelSetter) (*kernelListener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: set.control}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", netAddr(addr, port))
	if err != nil {
		return nil, kernelFailed(c.t, "tcp listen", socketAddr("tcp", netip.AddrPortFrom(addr, uint16(port))), err)
	}
	v := &kernelListener{k: k, l: l.(*net.TCPListener), local: addrPort(l.Addr()), set: set}
	setBacklog(v.l, backlog)
	k.keep(v.l)
	return v, nil
}

func kernelAccept(c *call) (starlark.Value, error) {
	conn, err := c.recv.(*kernelListener).accept(c.t, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (v *kernelListener) accept(t *taskValue, timeout time.Duration) (*kernelConn, error) {
	var conn *net.TCPConn
	err := t.kernelWait(&v.accepts, "a connection on the kernel's "+socketAddr("tcp", v.local), timeout, v.l.SetDeadline, func() (err error) {
		conn, err = v.l.AcceptTCP()
		return err
	})
	if err != nil {
		if conn != nil { // a connection that arrived just as the wait was ended
			conn.Close()
		}
		return nil, kernelFailed(t, "tcp accept", socketAddr("tcp", v.local), err)
	}
	_ = conn.SetNoDelay(v.set.nodelay())
	return v.k.newConn(conn), nil
}

func kernelListenerClose(c *call) (starlark.Value, error) {
	c.recv.(*kernelListener).close()
	return starlark.None, nil
}

func (v *kernelListener) close() {
	v.closed = true
	v.k.close(v.l)
}
