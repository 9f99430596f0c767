package script

import (
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// rawValue is a socket for the packets of one IP protocol.
type rawValue struct {
	s      *Session
	h      *hostValue
	c      *stack.RawConn
	proto  int
	closed bool // on the owner
}

func (v *rawValue) String() string        { return "raw " + wire.Protocol(v.proto).String() }
func (v *rawValue) Type() string          { return "raw_socket" }
func (v *rawValue) Freeze()               {}
func (v *rawValue) Truth() starlark.Bool  { return true }
func (v *rawValue) Hash() (uint32, error) { return uint32(v.proto), nil }

// Attr is a field or a method of the socket.
func (v *rawValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "protocol":
		return num(v.proto), nil
	case "lost":
		var n uint64
		v.h.do(func(clock.Instant) { n = v.c.Lost() })
		return num(n), nil
	}
	return attr(v, name, v.s.member("raw_socket", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *rawValue) AttrNames() []string {
	return append([]string{"lost", "protocol"}, v.s.reg.members["raw_socket"]...)
}

func rawBuiltins() []*builtin {
	const open = `r = raw.bind(89); `
	const answered = `p = peer.raw.bind(89); ` + open + `r.send("hello", "192.168.69.100"); `
	return []*builtin{
		{name: "raw.bind", sig: "protocol", kinds: "int:0..255", args: "protocol: an IP protocol number, such as 1 for ICMP or 89 for OSPF", result: "raw_socket",
			doc: "Receive a copy of every packet of an IP protocol; nobody else goes without it.", example: open + `r.protocol`, see: "icmp.bind, frames.bind", fn: rawBind},
		{name: "raw_socket.send", sig: "data, to, ttl=64", kinds: "data ip int:1..255", args: "data: what follows the IP header, checksums and all; to: an IP address", result: "int",
			doc: "Send a packet; its IP header is made.", example: open + `r.send("hello", "192.168.69.100")`, fn: rawSend},
		{name: "raw_socket.recv", sig: "timeout=", kinds: "duration", result: "struct", fields: "data src ttl",
			doc: "The next packet, without its IP header.", example: answered + `p.recv(timeout="1s").data`, fn: rawRecv},
		{name: "raw_socket.close",
			doc: "End the socket.", example: open + `r.close()`, fn: rawClose},
	}
}

func rawBind(c *call) (starlark.Value, error) {
	v := &rawValue{s: c.s, h: c.on(), proto: arg[int](c, "protocol")}
	var err error
	c.t.do(v.h.w, func(clock.Instant) { v.c, err = v.h.h.BindRaw(wire.Protocol(v.proto)) })
	if err != nil {
		return nil, failed(c.t, "raw", v.proto, err)
	}
	return v, nil
}

func rawSend(c *call) (starlark.Value, error) {
	v, data, to := c.recv.(*rawValue), arg[[]byte](c, "data"), arg[netip.Addr](c, "to")
	ttl := arg[int](c, "ttl")
	var err error
	c.t.do(v.h.w, func(now clock.Instant) { err = v.c.Send(now, data, to, uint8(ttl)) })
	return num(len(data)), failed(c.t, "raw", to, err)
}

func rawRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*rawValue)
	var data []byte
	var src netip.Addr
	var ttl uint8
	var fail error
	err := c.t.await(v.h.w, "a packet on "+v.String(), &v.c.Signal, timeoutOf(c), func(clock.Instant) bool {
		if v.closed {
			fail = tcp.ErrNotConnected
			return true
		}
		data = make([]byte, max(v.c.NextLen(), 0))
		var n int
		n, src, ttl, fail = v.c.Recv(data)
		return n >= 0 || fail != nil
	})
	if err == nil {
		err = fail
	}
	if err != nil {
		return nil, failed(c.t, "raw", fmt.Sprint("protocol ", v.proto), err)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": address(src), "ttl": num(int(ttl)),
	}), nil
}

func rawClose(c *call) (starlark.Value, error) {
	v := c.recv.(*rawValue)
	c.t.do(v.h.w, func(clock.Instant) {
		v.closed = true
		v.c.Close()
	})
	return starlark.None, nil
}
