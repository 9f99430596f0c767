package script

import (
	"net"
	"net/netip"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// kernelUDPSocket is a UDP socket of the operating system.
type kernelUDPSocket struct {
	k             *kernelValue
	u             *net.UDPConn
	local, remote netip.AddrPort
	reads, writes kernelTurn
	closed        bool
}

func (v *kernelUDPSocket) String() string        { return "kernel udp " + socketAddr("udp", v.local) }
func (v *kernelUDPSocket) Type() string          { return "kernel_udp_socket" }
func (v *kernelUDPSocket) Freeze()               {}
func (v *kernelUDPSocket) Truth() starlark.Bool  { return true }
func (v *kernelUDPSocket) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the socket.
func (v *kernelUDPSocket) Attr(name string) (starlark.Value, error) {
	switch name {
	case "local":
		return starlark.String(socketAddr("udp", v.local)), nil
	case "peer":
		return registry.Endpoint(v.remote), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.s.member("kernel_udp_socket", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *kernelUDPSocket) AttrNames() []string {
	return append([]string{"local", "peer", "port"}, v.k.s.reg.Members["kernel_udp_socket"]...)
}

const kernelUDP = `serve("udp", 7, echo); u = kernel.udp.connect("192.168.69.1:7"); `

var kernelUDPMethods = map[string]method{
	"send":  {kernelUDPSend, kernelUDP + `u.send("hi")`},
	"recv":  {kernelUDPRecv, kernelUDP + `u.send("hi"); u.recv(timeout="1s").src`},
	"close": {kernelUDPClose, kernelUDP + `u.close()`},
}

func kernelBind(c *call) (starlark.Value, error) {
	return c.kernel().bindUDP(c.t, arg[netip.Addr](c, "addr"), arg[int](c, "port"))
}

func (k *kernelValue) bindUDP(t *taskValue, addr netip.Addr, port int) (*kernelUDPSocket, error) {
	at := &net.UDPAddr{Port: port}
	if addr.IsValid() {
		at = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(port)))
	}
	u, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, kernelFailed(t, "udp bind", socketAddr("udp", netip.AddrPortFrom(addr, uint16(port))), err)
	}
	k.keep(u)
	return &kernelUDPSocket{k: k, u: u, local: addrPort(u.LocalAddr())}, nil
}

func kernelUDPConnect(c *call) (starlark.Value, error) {
	to := arg[netip.AddrPort](c, "endpoint")
	local, err := c.localEndpoint("local")
	if err != nil {
		return nil, err
	}
	var from *net.UDPAddr
	if local.IsValid() {
		from = net.UDPAddrFromAddrPort(local)
	}
	u, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, kernelFailed(c.t, "udp", to, err)
	}
	c.kernel().keep(u)
	return &kernelUDPSocket{k: c.kernel(), u: u, local: addrPort(u.LocalAddr()), remote: to}, nil
}

func kernelUDPSend(c *call) (starlark.Value, error) {
	v, data, to := c.recv.(*kernelUDPSocket), arg[[]byte](c, "data"), arg[netip.AddrPort](c, "to")
	if !to.IsValid() && !v.remote.IsValid() {
		return nil, c.errorf("argument 2 (to) is needed, for the socket is not connected")
	}
	if to.IsValid() && v.remote.IsValid() && to != v.remote {
		return nil, c.errorf("the socket is connected to %v", v.remote)
	}
	return num(len(data)), v.send(c.t, data, to)
}

func (v *kernelUDPSocket) send(t *taskValue, data []byte, to netip.AddrPort) error {
	where := to
	if v.remote.IsValid() {
		where = v.remote
	}
	return kernelFailed(t, "udp", where, t.kernelWait(&v.writes, "room to send to "+where.String(), task.Forever, v.u.SetWriteDeadline, func() (err error) {
		if v.remote.IsValid() {
			_, err = v.u.Write(data)
		} else {
			_, err = v.u.WriteToUDPAddrPort(data, to)
		}
		return err
	}))
}

func kernelUDPRecv(c *call) (starlark.Value, error) {
	data, src, err := c.recv.(*kernelUDPSocket).recv(c.t, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": registry.Endpoint(src),
	}), nil
}

func (v *kernelUDPSocket) recv(t *taskValue, timeout time.Duration) (data []byte, src netip.AddrPort, err error) {
	buf := make([]byte, 65536)
	n := 0
	err = t.kernelWait(&v.reads, "a datagram on "+v.String(), timeout, v.u.SetReadDeadline, func() (err error) {
		n, src, err = v.u.ReadFromUDPAddrPort(buf)
		return err
	})
	if err != nil {
		if v.remote.IsValid() {
			return nil, src, kernelFailed(t, "udp", v.remote, err)
		}
		return nil, src, kernelFailed(t, "udp", socketAddr("udp", v.local), err)
	}
	return buf[:n], netip.AddrPortFrom(src.Addr().Unmap(), src.Port()), nil
}

func kernelUDPClose(c *call) (starlark.Value, error) {
	c.recv.(*kernelUDPSocket).close()
	return starlark.None, nil
}

func (v *kernelUDPSocket) close() {
	v.closed = true
	v.k.close(v.u)
}
