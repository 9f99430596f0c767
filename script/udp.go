package script

import (
	"errors"
	"net/netip"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// udpValue is a UDP socket.
type udpValue struct {
	socketValue
	u      *stack.UDPConn
	local  netip.AddrPort
	remote netip.AddrPort
}

// newUDP opens a socket. The value records the local address and port.
func (h *hostValue) newUDP(t *taskValue, remote netip.AddrPort, open func() (*stack.UDPConn, error)) (*udpValue, error) {
	v := &udpValue{remote: remote}
	var err error
	t.Do(h.w, func(clock.Instant) {
		if v.u, err = open(); err == nil {
			v.local = v.u.Local()
		}
	})
	if err != nil {
		return nil, err
	}
	local := socketAddr("udp", v.local)
	v.socketValue = socketValue{h: h, self: v, typ: "udp_socket", name: "udp " + local, sock: v.u, signal: &v.u.Signal,
		fields: map[string]func() starlark.Value{
			"local":  func() starlark.Value { return starlark.String(local) },
			"peer":   func() starlark.Value { return registry.Endpoint(remote) },
			"port":   func() starlark.Value { return num(int(v.local.Port())) },
			"groups": v.groups,
		}}
	return v, nil
}

func udpBuiltins() []*builtin {
	const open = `u = udp.connect("192.168.69.100:7"); `
	const member = `u = udp.bind(5000); u.join("239.1.2.3"); `
	return []*builtin{
		{Name: "udp.bind", Sig: "port=0, addr=None", Kinds: "port ip", Result: "udp_socket",
			Doc: "Bind a UDP socket to a port.", Example: `udp.bind(6969).port`, See: "udp_socket.send, serve", Fn: udpBind},
		{Name: "udp.connect", Hint: portHint, Sig: "endpoint, local=None", Kinds: "endpoint any", Result: "udp_socket",
			Doc: "Connect a UDP socket to one peer, from which alone it receives.", Example: open + `u.send("hi"); u.recv().data`, Fn: udpConnect},
		{Name: "udp_socket.send", Sig: "data, to=None", Kinds: "data endpoint", Result: "int",
			Doc: "Send a datagram; a socket that is not connected needs to=.", Example: open + `u.send("hi")`, Fn: udpSend},
		{Name: "udp_socket.recv", Sig: "timeout=", Kinds: "duration", Result: "struct", Fields: "data src",
			Doc: "Wait for the next datagram and return it.", Example: open + `u.send("hi"); u.recv(timeout="1s").src`, Fn: udpRecv},
		{Name: "udp_socket.set", Sig: "ttl=, df=", Kinds: "int:1..255 bool", Args: "ttl: time to live of datagrams; df: whether datagrams longer than the path MTU are refused (too big) instead of fragmented",
			Doc: "Change the socket's options.", Example: open + `u.set(ttl=1, df=True)`, Fn: udpSet},
		{Name: "udp_socket.join", Sig: "group", Kinds: "ip", Args: "group: a multicast address, 224.0.0.0 to 239.255.255.255",
			Doc:     "Also receive datagrams to a multicast group and the socket's port, on the interface of the socket's address.",
			Example: member + `u.send("hi", "239.1.2.3:5000"); u.recv(timeout="1s").data`, See: "udp_socket.leave", Fn: udpJoin},
		{Name: "udp_socket.leave", Sig: "group", Kinds: "ip", Args: "group: a multicast address that the socket has joined",
			Doc: "Leave a multicast group.", Example: member + `u.leave("239.1.2.3"); u.groups`, Fn: udpLeave},
		{Name: "udp_socket.close",
			Doc: "Release the port.", Example: open + `u.close()`, Fn: socketClose},
	}
}

func udpBind(c *call) (starlark.Value, error) {
	at := netip.AddrPortFrom(arg[netip.Addr](c, "addr"), uint16(arg[int](c, "port")))
	return c.on().bindUDP(c.t, at)
}

func (h *hostValue) bindUDP(t *taskValue, at netip.AddrPort) (*udpValue, error) {
	v, err := h.newUDP(t, netip.AddrPort{}, func() (*stack.UDPConn, error) { return h.h.BindUDP(at) })
	return v, failed(t, "udp bind", socketAddr("udp", at), err)
}

func udpConnect(c *call) (starlark.Value, error) {
	h, to := c.on(), arg[netip.AddrPort](c, "endpoint")
	local, err := c.localEndpoint()
	if err != nil {
		return nil, err
	}
	v, err := h.newUDP(c.t, to, func() (*stack.UDPConn, error) { return h.h.DialUDP(local, to) })
	return v, failed(c.t, "udp", to, err)
}

func udpSend(c *call) (starlark.Value, error) {
	v, data, to := c.recv.(*udpValue), arg[[]byte](c, "data"), arg[netip.AddrPort](c, "to")
	if !to.IsValid() && !v.remote.IsValid() {
		return nil, c.errorf("argument 2 (to) is needed, for the socket is not connected")
	}
	err := v.send(c.t, data, to)
	return num(len(data)), err
}

func (v *udpValue) send(t *taskValue, data []byte, to netip.AddrPort) error {
	var err error
	t.Do(v.h.w, func(now clock.Instant) { err = v.u.Send(now, data, to) })
	return v.failed(t, to, err)
}

func (v *udpValue) failed(t *taskValue, to netip.AddrPort, err error) error {
	if !to.IsValid() {
		to = v.remote
	}
	if err != nil && to.IsValid() {
		return failed(t, "udp", to, v.h.explain(to.Addr(), err))
	}
	return failed(t, "udp", socketAddr("udp", v.local), err)
}

func udpRecv(c *call) (starlark.Value, error) {
	data, src, err := c.recv.(*udpValue).recv(c.t, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": registry.Endpoint(src),
	}), nil
}

func (v *udpValue) recv(t *taskValue, timeout time.Duration) (data []byte, src netip.AddrPort, err error) {
	data, err = v.socketValue.recv(t, "a datagram", timeout, func(room []byte) (n int, err error) {
		n, src, err = v.u.Recv(room)
		return n, err
	})
	return data, src, v.failed(t, src, err)
}

func udpSet(c *call) (starlark.Value, error) {
	v := c.recv.(*udpValue)
	c.t.Do(v.h.w, func(clock.Instant) {
		if c.Given("ttl") {
			v.u.SetTTL(uint8(arg[int](c, "ttl")))
		}
		if c.Given("df") {
			v.u.SetDontFragment(arg[bool](c, "df"))
		}
	})
	return starlark.None, nil
}

// groups returns the multicast groups that the socket has joined.
func (v *udpValue) groups() starlark.Value {
	var groups []netip.Addr
	v.h.do(func(clock.Instant) { groups = v.u.Groups() })
	list := make([]starlark.Value, len(groups))
	for k, g := range groups {
		list[k] = registry.Address(g)
	}
	return starlark.NewList(list)
}

func udpJoin(c *call) (starlark.Value, error) {
	v, group := c.recv.(*udpValue), arg[netip.Addr](c, "group")
	var err error
	c.t.Do(v.h.w, func(now clock.Instant) { err = v.u.Join(now, group, nil) })
	return starlark.None, v.groupFailed(c.t, "join", group, err)
}

func udpLeave(c *call) (starlark.Value, error) {
	v, group := c.recv.(*udpValue), arg[netip.Addr](c, "group")
	var err error
	c.t.Do(v.h.w, func(clock.Instant) { err = v.u.Leave(group) })
	return starlark.None, v.groupFailed(c.t, "leave", group, err)
}

func (v *udpValue) groupFailed(t *taskValue, op string, group netip.Addr, err error) error {
	switch {
	case errors.Is(err, stack.ErrInvalid) && group.Is4():
		err = errors.New("no multicast group: those are 224.0.0.0 to 239.255.255.255")
	case errors.Is(err, stack.ErrExists):
		err = errors.New("joined already")
	case errors.Is(err, stack.ErrNotFound):
		err = errors.New("not joined")
	case errors.Is(err, stack.ErrNoRoute):
		err = errors.New("no interface to receive it on")
	}
	return failed(t, "udp "+op, group, err)
}
