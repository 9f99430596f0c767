package script

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// icmpValue is an ICMP socket. It receives messages with an identifier, or errors about a UDP port.
type icmpValue struct {
	socketValue
	c    *stack.ICMPConn
	what string
}

func icmpBuiltins() []*builtin {
	const open = `i = icmp.bind(7); `
	const send = `i.send(b"\x08\x00\x00\x00\x00\x07\x00\x01hello", "192.168.69.100")`
	return []*builtin{
		{Name: "icmp.bind", Sig: "id=0", Kinds: "int:0..65535", Args: "id: an identifier (0 chooses one)", Result: "icmp_socket",
			Doc: "Receive replies and errors with this identifier.", Example: open + `i.id`, See: "ping", Fn: icmpBind},
		{Name: "icmp.listen", Beside: true, Sig: "udp", Kinds: "port", Args: "udp: a local UDP port", Result: "icmp_socket",
			Doc: "Receive ICMP errors about datagrams sent from a UDP port.", Example: `icmp.listen(udp=6969)`, Fn: icmpListen},
		{Name: "icmp_socket.send", Sig: "data, to, ttl=64, df=False", Kinds: "data ip int:1..255 bool", Args: "data: the message, which starts with its type; to: an IP address; ttl: time to live; df: whether to set DF, which forbids fragments", Result: "int",
			Doc: "Send an ICMP message; the checksum is filled in.", Example: open + send, Fn: icmpSend},
		{Name: "icmp_socket.recv", Sig: "timeout=", Kinds: "duration", Result: "struct", Fields: "data src ttl",
			Doc: "Return the next ICMP message, without the IP header.", Example: open + send + `; i.recv(timeout="1s").src`, Fn: icmpRecv},
		{Name: "icmp_socket.close",
			Doc: "Release the identifier.", Example: open + `i.close()`, Fn: socketClose},
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
	v, h := &icmpValue{what: what}, c.on()
	var err error
	h.do(func(clock.Instant) { v.c, err = open(h) })
	if err != nil {
		return nil, failed(c.t, "icmp", what, err)
	}
	v.socketValue = socketValue{h: h, self: v, typ: "icmp_socket", name: "icmp " + what, sock: v.c, signal: &v.c.Signal,
		fields: map[string]func() starlark.Value{"id": func() starlark.Value { return num(int(v.c.ID())) }}}
	return v, nil
}

func icmpSend(c *call) (starlark.Value, error) {
	if msg := arg[[]byte](c, "data"); len(msg) < wire.ICMPLen {
		return nil, c.errorf("an ICMP message has at least %d octets, got %d", wire.ICMPLen, len(msg))
	}
	v := c.recv.(*icmpValue)
	return v.sendPacket(c, v.c, "icmp")
}

func icmpRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*icmpValue)
	return v.recvPacket(c, v.c, "a message", "icmp", v.what)
}
