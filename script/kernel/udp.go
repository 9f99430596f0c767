package kernel

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/suggest"
)

// A udpSocket is a UDP socket of the operating system.
type udpSocket struct {
	k             *Stack
	u             *net.UDPConn
	local, remote netip.AddrPort
	reads, writes turn
	closed        bool
}

func (v *udpSocket) String() string        { return "kernel udp " + registry.SocketAddress(v.local) }
func (v *udpSocket) Type() string          { return "kernel_udp_socket" }
func (v *udpSocket) Freeze()               {}
func (v *udpSocket) Truth() starlark.Bool  { return true }
func (v *udpSocket) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the socket.
func (v *udpSocket) Attr(name string) (starlark.Value, error) {
	switch name {
	case "local":
		return starlark.String(registry.SocketAddress(v.local)), nil
	case "peer":
		return registry.Endpoint(v.remote), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.env.Member("kernel_udp_socket", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *udpSocket) AttrNames() []string {
	return append([]string{"local", "peer", "port"}, v.k.env.Members("kernel_udp_socket")...)
}

func bind(c *Call) (starlark.Value, error) {
	at, err := c.boundTo()
	if err != nil {
		return nil, err
	}
	return c.stack().bindUDP(c.Task, at)
}

func (k *Stack) bindUDP(t Task, at netip.AddrPort) (*udpSocket, error) {
	network, address := listenAddr("udp", at)
	u, err := (&net.ListenConfig{}).ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, k.env.Failed(t, "udp bind", registry.SocketAddress(at), err)
	}
	v := &udpSocket{k: k, u: u.(*net.UDPConn), local: boundAddr(u.LocalAddr(), at)}
	k.keep(v.u)
	return v, nil
}

func connectUDP(c *Call) (starlark.Value, error) {
	ends, err := c.ends()
	if err != nil {
		return nil, err
	}
	k := c.stack()
	var fail error
	for _, e := range ends {
		var from *net.UDPAddr
		if e.Local.IsValid() {
			from = &net.UDPAddr{IP: netIP(e.Local.Addr()), Port: int(e.Local.Port()), Zone: e.Local.Addr().Zone()}
		}
		u, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(e.Remote))
		if err == nil {
			k.keep(u)
			return &udpSocket{k: k, u: u, local: addrPort(u.LocalAddr()), remote: e.Remote}, nil
		}
		if fail == nil {
			fail = k.env.Failed(c.Task, "udp", e.Remote, err)
		}
	}
	return nil, fail
}

func udpSend(c *Call) (starlark.Value, error) {
	v, data, list := c.Recv.(*udpSocket), arg[[]byte](c, "data"), arg[[]netip.AddrPort](c, "to")
	if len(list) == 0 && !v.remote.IsValid() {
		return nil, c.errorf("argument 2 (to) is needed, for the socket is not connected")
	}
	if len(list) > 0 && v.remote.IsValid() && !slices.Contains(list, v.remote) {
		return nil, c.errorf("the socket is connected to %v", v.remote)
	}
	var to netip.AddrPort
	if len(list) > 0 {
		to = list[0]
	}
	for _, ap := range list {
		if own := v.local.Addr(); !own.IsValid() || own.Is4() == ap.Addr().Is4() {
			to = ap
			break
		}
	}
	return num(len(data)), v.send(c.Task, data, to)
}

func (v *udpSocket) send(t Task, data []byte, to netip.AddrPort) error {
	where := to
	if v.remote.IsValid() {
		where = v.remote
	}
	return v.k.env.Failed(t, "udp", where, wait(t, &v.writes, "room to send to "+where.String(), forever, v.u.SetWriteDeadline, func() (err error) {
		if v.remote.IsValid() {
			_, err = v.u.Write(data)
		} else {
			_, err = v.u.WriteToUDPAddrPort(data, to)
		}
		return err
	}))
}

func udpRecv(c *Call) (starlark.Value, error) {
	data, src, err := c.Recv.(*udpSocket).recv(c.Task, c.timeout())
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": registry.Endpoint(src),
	}), nil
}

func (v *udpSocket) recv(t Task, timeout time.Duration) (data []byte, src netip.AddrPort, err error) {
	buf := make([]byte, 65536)
	n := 0
	err = wait(t, &v.reads, "a datagram on "+v.String(), timeout, v.u.SetReadDeadline, func() (err error) {
		n, src, err = v.u.ReadFromUDPAddrPort(buf)
		return err
	})
	if err != nil {
		if v.remote.IsValid() {
			return nil, src, v.k.env.Failed(t, "udp", v.remote, err)
		}
		return nil, src, v.k.env.Failed(t, "udp", registry.SocketAddress(v.local), err)
	}
	return buf[:n], netip.AddrPortFrom(src.Addr().Unmap(), src.Port()), nil
}

func udpClose(c *Call) (starlark.Value, error) {
	c.Recv.(*udpSocket).close()
	return starlark.None, nil
}

func (v *udpSocket) close() {
	v.closed = true
	v.k.close(v.u)
}
