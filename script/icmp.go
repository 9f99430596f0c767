package script

import (
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// icmpValue is an ICMP socket: messages with an identifier, or errors about a UDP port.
type icmpValue struct {
	s      *Session
	h      *hostValue
	c      *stack.ICMPConn
	what   string
	closed bool // on the owner
}

func (v *icmpValue) String() string        { return "icmp " + v.what }
func (v *icmpValue) Type() string          { return "icmp_socket" }
func (v *icmpValue) Freeze()               {}
func (v *icmpValue) Truth() starlark.Bool  { return true }
func (v *icmpValue) Hash() (uint32, error) { return starlark.String(v.what).Hash() }

// Attr is a field or a method of the socket.
func (v *icmpValue) Attr(name string) (starlark.Value, error) {
	if name == "id" {
		var id uint16
		v.h.do(func(clock.Instant) { id = v.c.ID() })
		return num(int(id)), nil
	}
	return attr(v, name, v.s.member("icmp_socket", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *icmpValue) AttrNames() []string {
	return append([]string{"id"}, v.s.reg.members["icmp_socket"]...)
}

func icmpBuiltins() []*builtin {
	const open = `i = icmp.bind(7); `
	const send = `i.send(b"\x08\x00\x00\x00\x00\x07\x00\x01hello", "192.168.69.100")`
	return []*builtin{
		{name: "icmp.bind", sig: "id=0", kinds: "port", args: "id: 0 to 65535, 0 chooses one", result: "icmp_socket",
			doc: "Receive the replies and errors with this identifier; 0 chooses one.", example: open + `i.id`, see: "ping", fn: icmpBind},
		{name: "icmp.listen", sig: "udp", kinds: "port", args: "udp: a UDP port of ours", result: "icmp_socket",
			doc: "Receive the errors about datagrams sent from a UDP port.", example: `icmp.listen(udp=6969)`, fn: icmpListen},
		{name: "icmp_socket.send", sig: "data, to, ttl=64", kinds: "data ip int:1..255", args: "data: the message from its type on; to: an IP address", result: "int",
			doc: "Send a whole ICMP message; its checksum is filled in.", example: open + send, fn: icmpSend},
		{name: "icmp_socket.recv", sig: "timeout=", kinds: "duration", result: "struct", fields: "data src ttl",
			doc: "The next ICMP message, without the IP header.", example: open + send + `; i.recv(timeout="1s").src`, fn: icmpRecv},
		{name: "icmp_socket.close",
			doc: "Release the identifier.", example: open + `i.close()`, fn: icmpClose},
	}
}

func icmpBind(c *call) (starlark.Value, error) {
	id := arg[int](c, "id")
	return c.openICMP(fmt.Sprintf("id %d", id), func(h *hostValue) (*stack.ICMPConn, error) { return h.h.BindICMP(uint16(id)) })
}

func icmpListen(c *call) (starlark.Value, error) {
	port := arg[int](c, "udp")
	return c.openICMP(fmt.Sprintf("errors about udp :%d", port), func(h *hostValue) (*stack.ICMPConn, error) {
		return h.h.ListenICMP(uint16(port))
	})
}

func (c *call) openICMP(what string, open func(h *hostValue) (*stack.ICMPConn, error)) (starlark.Value, error) {
	v := &icmpValue{s: c.s, h: c.on(), what: what}
	var err error
	v.h.do(func(clock.Instant) { v.c, err = open(v.h) })
	if err != nil {
		return nil, failed(c.t, "icmp", what, err)
	}
	return v, nil
}

func icmpSend(c *call) (starlark.Value, error) {
	v, msg, to := c.recv.(*icmpValue), arg[[]byte](c, "data"), arg[netip.Addr](c, "to")
	ttl := arg[int](c, "ttl")
	if len(msg) < 8 {
		return nil, c.errorf("an ICMP message has at least 8 octets, got %d", len(msg))
	}
	var err error
	c.t.do(v.h.w, func(now clock.Instant) { err = v.c.Send(now, msg, to, uint8(ttl)) })
	return num(len(msg)), failed(c.t, "icmp", to, err)
}

func icmpRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*icmpValue)
	buf := make([]byte, 65536)
	var src netip.Addr
	var ttl uint8
	var fail error
	err := c.t.await(v.h.w, "a message on "+v.String(), &v.c.Signal, timeoutOf(c), func(clock.Instant) bool {
		if v.closed {
			fail = tcp.ErrNotConnected
			return true
		}
		var n int
		n, src, ttl, fail = v.c.Recv(buf)
		if fail != nil {
			return true
		}
		if n < 0 {
			return false
		}
		buf = buf[:n]
		return true
	})
	if err == nil {
		err = fail
	}
	if err != nil {
		where := v.what
		if src.IsValid() {
			where = src.String()
		}
		return nil, failed(c.t, "icmp", where, err)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(buf), "src": address(src), "ttl": num(int(ttl)),
	}), nil
}

func icmpClose(c *call) (starlark.Value, error) {
	v := c.recv.(*icmpValue)
	c.t.do(v.h.w, func(clock.Instant) {
		if !v.closed {
			v.closed = true
			v.c.Close()
			v.c.Signal.Fire()
		}
	})
	return starlark.None, nil
}
