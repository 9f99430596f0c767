package script

import (
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// rawValue is a socket for the packets of one IP protocol, as scripts see it.
type rawValue struct {
	socketValue
	c     *stack.RawConn
	proto int
}

func rawBuiltins() []*builtin {
	const open = `r = raw.bind(89); `
	const answered = `p = peer.raw.bind(89); ` + open + `r.send("hello", "192.168.69.100"); `
	return []*builtin{
		{Name: "raw.bind", Sig: "protocol", Kinds: "int:0..255", Args: "protocol: an IP protocol number, such as 1 for ICMP or 89 for OSPF", Result: "raw_socket",
			Doc: "Receive a copy of every packet of an IP protocol; the stack still processes the packet.", Example: open + `r.protocol`, See: "icmp.bind, frames.bind", Fn: rawBind},
		{Name: "raw_socket.send", Sig: "data, to, ttl=64, df=False", Kinds: "data ip int:1..255 bool", Args: "data: the IP payload, with its checksums (the stack fills in that of ICMPv6); to: an IP address; ttl: time to live; df: whether to set DF, which forbids fragments", Result: "int",
			Doc: "Send a packet; the IP header is added.", Example: open + `r.send("hello", "192.168.69.100")`, Fn: rawSend},
		{Name: "raw_socket.recv", Sig: "timeout=", Kinds: "duration", Result: "struct", Fields: "data src ttl",
			Doc: "Return the next packet, without the IP header.", Example: answered + `p.recv(timeout="1s").data`, Fn: rawRecv},
		{Name: "raw_socket.close",
			Doc: "Close the socket.", Example: open + `r.close()`, Fn: socketClose},
	}
}

// rawChecksumEnd is the least length in octets of an ICMPv6 message, whose checksum the host computes (RFC 3542 §3.1).
const rawChecksumEnd = 4

func rawBind(c *call) (starlark.Value, error) {
	v, h := &rawValue{proto: arg[int](c, "protocol")}, c.on()
	var err error
	c.t.Do(h.w, func(clock.Instant) { v.c, err = h.h.BindRaw(wire.Protocol(v.proto)) })
	if err != nil {
		return nil, failed(c.t, "raw", v.proto, err)
	}
	v.socketValue = socketValue{h: h, self: v, typ: "raw_socket", name: "raw " + wire.Protocol(v.proto).String(), sock: v.c, signal: &v.c.Signal,
		fields: map[string]func() starlark.Value{
			"protocol": func() starlark.Value { return num(v.proto) },
			"lost":     v.lost,
		}}
	return v, nil
}

func rawSend(c *call) (starlark.Value, error) {
	v := c.recv.(*rawValue)
	if n := len(arg[[]byte](c, "data")); n < rawChecksumEnd && v.proto == int(wire.ProtocolICMPv6) && arg[netip.Addr](c, "to").Is6() {
		return nil, c.errorf("an ICMPv6 message has at least %d octets, for its checksum, got %d", rawChecksumEnd, n)
	}
	return v.sendPacket(c, v.c, "raw")
}

func rawRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*rawValue)
	return v.recvPacket(c, v.c, "a packet", "raw", fmt.Sprint("protocol ", v.proto))
}
