package script

import (
	"net/netip"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// udpValue is a UDP socket.
type udpValue struct {
	s      *Session
	h      *hostValue
	u      *stack.UDPConn
	local  netip.AddrPort
	remote netip.AddrPort
	closed bool // on the owner
}

func (v *udpValue) String() string        { return "udp " + socketAddr("udp", v.local) }
func (v *udpValue) Type() string          { return "udp_socket" }
func (v *udpValue) Freeze()               {}
func (v *udpValue) Truth() starlark.Bool  { return true }
func (v *udpValue) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr is a field or a method of the socket.
func (v *udpValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "local":
		return starlark.String(socketAddr("udp", v.local)), nil
	case "peer":
		return endpoint(v.remote), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return attr(v, name, v.s.member("udp_socket", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *udpValue) AttrNames() []string {
	return append([]string{"local", "peer", "port"}, v.s.reg.members["udp_socket"]...)
}

func udpBuiltins() []*builtin {
	const open = `u = udp.connect("192.168.69.100:7"); `
	return []*builtin{
		{name: "udp.bind", sig: "port=0, addr=None", kinds: "port ip", result: "udp_socket",
			doc: "A UDP socket on a port; 0 chooses one.", example: `udp.bind(6969).port`, see: "udp_socket.send, serve", fn: udpBind},
		{name: "udp.connect", sig: "endpoint, local=None", kinds: "endpoint str", result: "udp_socket",
			doc: "A UDP socket that speaks to one peer only.", example: open + `u.send("hi"); u.recv().data`, fn: udpConnect},
		{name: "udp_socket.send", sig: "data, to=None", kinds: "data endpoint", result: "int",
			doc: "Send a datagram; to= is needed where the socket is not connected.", example: open + `u.send("hi")`, fn: udpSend},
		{name: "udp_socket.recv", sig: "timeout=", kinds: "duration", result: "struct", fields: "data src",
			doc: "The next datagram, waiting for one.", example: open + `u.send("hi"); u.recv(timeout="1s").src`, fn: udpRecv},
		{name: "udp_socket.set", sig: "ttl=", kinds: "int:1..255",
			doc: "Change options.", example: open + `u.set(ttl=1)`, fn: udpSet},
		{name: "udp_socket.join", sig: "group", kinds: "ip", args: "group: a multicast address",
			doc: "Receive a multicast group's datagrams: not there yet.", example: `catch(lambda: udp.bind().join("224.0.0.251")).error`, fn: notYet("multicast is")},
		{name: "udp_socket.leave", sig: "group", kinds: "ip", args: "group: a multicast address",
			doc: "Receive them no more: not there yet.", example: `catch(lambda: udp.bind().leave("224.0.0.251")).error`, fn: notYet("multicast is")},
		{name: "udp_socket.close",
			doc: "Release the port.", example: open + `u.close()`, fn: udpClose},
	}
}

// notYet is a builtin whose place is kept.
func notYet(what string) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) { return nil, c.errorf("%s not there yet", what) }
}

func udpBind(c *call) (starlark.Value, error) {
	at := netip.AddrPortFrom(arg[netip.Addr](c, "addr"), uint16(arg[int](c, "port")))
	v, err := c.on().bindUDP(c.t, at)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (h *hostValue) bindUDP(t *task, at netip.AddrPort) (*udpValue, error) {
	v := &udpValue{s: h.s, h: h}
	var err error
	t.do(h.w, func(clock.Instant) {
		if v.u, err = h.h.BindUDP(at); err == nil {
			v.local = v.u.Local()
		}
	})
	if err != nil {
		return nil, failed(t, "udp bind", socketAddr("udp", at), err)
	}
	return v, nil
}

func udpConnect(c *call) (starlark.Value, error) {
	h, to := c.on(), arg[netip.AddrPort](c, "endpoint")
	local, err := c.localEndpoint("local")
	if err != nil {
		return nil, err
	}
	v := &udpValue{s: c.s, h: h, remote: to}
	c.t.do(h.w, func(clock.Instant) {
		if v.u, err = h.h.DialUDP(local, to); err == nil {
			v.local = v.u.Local()
		}
	})
	if err != nil {
		return nil, failed(c.t, "udp", to, err)
	}
	return v, nil
}

func udpSend(c *call) (starlark.Value, error) {
	v, data, to := c.recv.(*udpValue), arg[[]byte](c, "data"), arg[netip.AddrPort](c, "to")
	if !to.IsValid() && !v.remote.IsValid() {
		return nil, c.errorf("argument 2 (to) is needed, for the socket is not connected")
	}
	err := v.send(c.t, data, to)
	return num(len(data)), err
}

func (v *udpValue) send(t *task, data []byte, to netip.AddrPort) error {
	var err error
	t.do(v.h.w, func(now clock.Instant) { err = v.u.Send(now, data, to) })
	return v.failed(t, to, err)
}

func (v *udpValue) failed(t *task, to netip.AddrPort, err error) error {
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
		"data": starlark.Bytes(data), "src": endpoint(src),
	}), nil
}

func (v *udpValue) recv(t *task, timeout time.Duration) (data []byte, src netip.AddrPort, err error) {
	var fail error
	err = t.await(v.h.w, "a datagram on "+v.String(), &v.u.Signal, timeout, func(clock.Instant) bool {
		if v.closed {
			fail = tcp.ErrNotConnected
			return true
		}
		data = make([]byte, max(v.u.NextLen(), 0))
		var n int
		n, src, fail = v.u.Recv(data)
		if fail != nil {
			return true
		}
		if n < 0 {
			return false
		}
		data = data[:n]
		return true
	})
	if err == nil {
		err = fail
	}
	if err != nil {
		return nil, src, v.failed(t, src, err)
	}
	return data, src, nil
}

func udpSet(c *call) (starlark.Value, error) {
	v := c.recv.(*udpValue)
	if c.given("ttl") {
		c.t.do(v.h.w, func(clock.Instant) { v.u.SetTTL(uint8(arg[int](c, "ttl"))) })
	}
	return starlark.None, nil
}

func udpClose(c *call) (starlark.Value, error) {
	v := c.recv.(*udpValue)
	c.t.do(v.h.w, v.close)
	return starlark.None, nil
}

// close releases the port and ends every wait; on the owner.
func (v *udpValue) close(clock.Instant) {
	if v.closed {
		return
	}
	v.closed = true
	v.u.Close()
	v.u.Signal.Fire()
}
