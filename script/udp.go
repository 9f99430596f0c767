package script

import (
	"errors"
	"fmt"
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
		{Name: "udp.bind", Sig: "port=0, addr=None, v6only=False", Kinds: "port ip bool", Result: "udp_socket",
			Doc: "Bind a UDP socket to a port.", Example: `udp.bind(6969).port`, See: "udp_socket.send, serve", Fn: udpBind},
		{Name: "udp.connect", Beside: true, Hint: portHint, Sig: "endpoint, local=None", Kinds: "endpoint any", Result: "udp_socket",
			Doc: "Connect a UDP socket to one peer, from which alone it receives.", Example: open + `u.send("hi"); u.recv().data`, Fn: udpConnect},
		{Name: "udp_socket.send", Sig: "data, to=None", Kinds: "data endpoint", Result: "int",
			Doc: "Send a datagram; a socket that is not connected needs to=.", Example: open + `u.send("hi")`, Fn: udpSend},
		{Name: "udp_socket.recv", Sig: "timeout=", Kinds: "duration", Result: "struct", Fields: "data src",
			Doc: "Wait for the next datagram and return it: data is bytes, src the sender's address and port.", Example: open + `u.send("hi"); u.recv(timeout="1s").src`, Fn: udpRecv},
		{Name: "udp_socket.set", Sig: "ttl=, df=", Kinds: "int:1..255 bool", Args: "ttl: time to live or hop limit of datagrams; df: whether datagrams longer than the path MTU are refused (too big) instead of fragmented",
			Doc: "Change the socket's options.", Example: open + `u.set(ttl=1, df=True)`, Fn: udpSet},
		{Name: "udp_socket.join", Sig: "group, dev=None", Kinds: "ip any", Args: `group: a multicast address, 224.0.0.0 to 239.255.255.255 or ff00::/8; dev: an interface's name or row, instead of a zone such as "ff02::1:3%eth0"`,
			Doc:     "Also receive datagrams to a multicast group and the socket's port, on one interface.",
			Example: member + `u.send("hi", "239.1.2.3:5000"); u.recv(timeout="1s").data`, See: "udp_socket.leave", Fn: udpJoin},
		{Name: "udp_socket.leave", Sig: "group, dev=None", Kinds: "ip any", Args: "group: a multicast address that the socket has joined; dev: the interface on which it has",
			Doc: "Leave a multicast group.", Example: member + `u.leave("239.1.2.3"); u.groups`, Fn: udpLeave},
		{Name: "udp_socket.close",
			Doc: "Release the port.", Example: open + `u.close()`, Fn: socketClose},
	}
}

func udpBind(c *call) (starlark.Value, error) {
	at, err := c.boundTo()
	if err != nil {
		return nil, err
	}
	return c.on().bindUDP(c.t, at)
}

// bindUDP binds a socket to an address and port. The address :: stands for all addresses of IPv6, the zero Addr for those of both
// families.
func (h *hostValue) bindUDP(t *taskValue, at netip.AddrPort) (*udpValue, error) {
	bind := h.h.BindUDP
	if at.Addr() == netip.IPv6Unspecified() {
		bind = h.h.BindUDP6
	}
	v, err := h.newUDP(t, netip.AddrPort{}, func() (*stack.UDPConn, error) { return bind(at) })
	return v, failed(t, "udp bind", socketAddr("udp", at), err)
}

func udpConnect(c *call) (starlark.Value, error) {
	h := c.on()
	ends, err := c.ends(arg[[]netip.AddrPort](c, "endpoint"))
	if err != nil {
		return nil, err
	}
	local, to := ends[0].Local, ends[0].Remote // the first of the order, for no answer could tell that another one is better
	v, err := h.newUDP(c.t, to, func() (*stack.UDPConn, error) { return h.h.DialUDP(local, to) })
	return v, failed(c.t, "udp", to, h.explain(to.Addr(), err))
}

func udpSend(c *call) (starlark.Value, error) {
	v, data, list := c.recv.(*udpValue), arg[[]byte](c, "data"), arg[[]netip.AddrPort](c, "to")
	if len(list) == 0 && !v.remote.IsValid() {
		return nil, c.errorf("argument 2 (to) is needed, for the socket is not connected")
	}
	to := netip.AddrPort{}
	if len(list) > 0 {
		var err error
		if to, err = v.reachable(list); err != nil {
			return nil, failed(c.t, "udp", list[0], err)
		}
	}
	err := v.send(c.t, data, to)
	return num(len(data)), err
}

// reachable returns the first destination of a family for which the socket is.
func (v *udpValue) reachable(list []netip.AddrPort) (netip.AddrPort, error) {
	own := v.local.Addr()
	for _, to := range list {
		if !own.IsValid() || own.Is4() == to.Addr().Is4() {
			return to, nil
		}
	}
	return list[0], fmt.Errorf("the socket is bound to %s, which is not of that family", socketAddr("udp", v.local))
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
	dev, err := c.anyDev(v.h)
	if err != nil {
		return nil, err
	}
	c.t.Do(v.h.w, func(now clock.Instant) { err = v.u.Join(now, group, dev) })
	return starlark.None, v.groupFailed(c.t, "join", group, dev, err)
}

func udpLeave(c *call) (starlark.Value, error) {
	v, group := c.recv.(*udpValue), arg[netip.Addr](c, "group")
	dev, err := c.anyDev(v.h)
	if err != nil {
		return nil, err
	}
	c.t.Do(v.h.w, func(clock.Instant) { err = v.u.LeaveOn(group, dev) })
	return starlark.None, v.groupFailed(c.t, "leave", group, dev, err)
}

// groupFailed returns the error of join or leave. dev is the interface that the call named, nil if it named none.
func (v *udpValue) groupFailed(t *taskValue, op string, group netip.Addr, dev *stack.Iface, err error) error {
	own := v.local.Addr()
	switch {
	case errors.Is(err, stack.ErrInvalid) && group.IsMulticast() && own.IsValid() && own.Is4() != group.Is4():
		err = fmt.Errorf("the socket is bound to %s, which is not of that family", socketAddr("udp", v.local))
	case errors.Is(err, stack.ErrInvalid) && group.IsMulticast() && dev != nil:
		err = fmt.Errorf("the group's zone is not %s", dev.Name())
	case errors.Is(err, stack.ErrInvalid) && group.Is4():
		err = errors.New("no multicast group: those are 224.0.0.0 to 239.255.255.255")
	case errors.Is(err, stack.ErrInvalid):
		err = errors.New("no multicast group: those are ff00::/8")
	case errors.Is(err, stack.ErrExists):
		err = errors.New("joined already")
	case errors.Is(err, stack.ErrNotFound):
		err = errors.New("not joined")
	case errors.Is(err, stack.ErrNoRoute):
		err = errors.New("no interface to receive it on")
	}
	return failed(t, "udp "+op, group, err)
}
