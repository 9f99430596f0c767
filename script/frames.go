package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// frameValue is a socket for whole Ethernet frames.
type frameValue struct {
	s      *Session
	h      *hostValue
	c      *stack.FrameConn
	dev    *stack.Iface // nil: every one that has frames
	typ    int          // 0: every type
	closed bool         // on the owner
}

func (v *frameValue) String() string {
	if v.typ == 0 {
		return "frames"
	}
	return fmt.Sprintf("frames 0x%04x", v.typ)
}
func (v *frameValue) Type() string          { return "frame_socket" }
func (v *frameValue) Freeze()               {}
func (v *frameValue) Truth() starlark.Bool  { return true }
func (v *frameValue) Hash() (uint32, error) { return uint32(v.typ), nil }

// Attr is a field or a method of the socket.
func (v *frameValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "ethertype":
		if v.typ == 0 {
			return starlark.None, nil
		}
		return num(v.typ), nil
	case "lost":
		var n uint64
		v.h.do(func(clock.Instant) { n = v.c.Lost() })
		return num(n), nil
	}
	return attr(v, name, v.s.member("frame_socket", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *frameValue) AttrNames() []string {
	return append([]string{"ethertype", "lost"}, v.s.reg.members["frame_socket"]...)
}

func framesBuiltins() []*builtin {
	const open = `f = frames.bind(0x88b5); `
	const answered = `p = peer.frames.bind(0x88b5); ` + open + `f.send("hello", "ff:ff:ff:ff:ff:ff"); `
	return []*builtin{
		{name: "frames.bind", sig: "ethertype=None, dev=None", kinds: "int:1..65535 any", args: "ethertype: such as 0x0806 for ARP, None for every one; dev: an interface's name or row", result: "frame_socket",
			doc: "Receive a copy of every frame that arrives, whoever it is addressed to.", example: open + `f.ethertype`, see: "raw.bind, arping", fn: framesBind},
		{name: "frame_socket.send", sig: "data, to=None, dev=None", kinds: "data mac any", args: "data: a whole frame, or behind a header that is made when to= is given; to: a hardware address", result: "int",
			doc: "Send a frame as it is given.", example: open + `f.send("hello", "02:00:00:00:00:64")`, fn: framesSend},
		{name: "frame_socket.recv", sig: "timeout=", kinds: "duration", result: "struct", fields: "data src dev",
			doc: "The next frame, whole.", example: answered + `p.recv(timeout="1s").src`, fn: framesRecv},
		{name: "frame_socket.close",
			doc: "End the socket.", example: open + `f.close()`, fn: framesClose},
	}
}

// anyDev is the interface that dev= names, nil where it names none.
func (c *call) anyDev(h *hostValue) (*stack.Iface, error) {
	name := ""
	switch v := c.args[c.b.index("dev")].(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.String:
		name = string(v)
	case *row:
		if i, ok := v.about.(*ifaceValue); ok {
			name = i.name
		}
	}
	if name == "" {
		return nil, c.errorf("dev is an interface's name or row")
	}
	var found *stack.Iface
	c.t.do(h.w, func(clock.Instant) {
		for _, i := range h.h.Ifaces() {
			if i.Name() == name {
				found = i
			}
		}
	})
	if found == nil {
		return nil, c.errorf("no interface %s", name)
	}
	return found, nil
}

func framesBind(c *call) (starlark.Value, error) {
	v := &frameValue{s: c.s, h: c.on(), typ: arg[int](c, "ethertype")}
	var err error
	if v.dev, err = c.anyDev(v.h); err != nil {
		return nil, err
	}
	c.t.do(v.h.w, func(clock.Instant) { v.c, err = v.h.h.BindFrames(v.dev, wire.EtherType(v.typ)) })
	if err != nil {
		return nil, v.failed(c, v.dev, err)
	}
	return v, nil
}

func (v *frameValue) failed(c *call, dev *stack.Iface, err error) error {
	switch {
	case errors.Is(err, stack.ErrNoFrames) && dev != nil:
		err = fmt.Errorf("%s carries bare IP packets, no frames", dev.Name())
	case errors.Is(err, stack.ErrNoFrames):
		err = errors.New("no interface has frames: they carry bare IP packets")
	case errors.Is(err, stack.ErrNotBound):
		err = errors.New("several interfaces have frames: say dev=")
	case errors.Is(err, stack.ErrInvalid):
		err = fmt.Errorf("a frame has at least %d octets: destination, source, type", wire.EthernetLen)
	}
	return failed(c.t, v.String(), "", err)
}

func framesSend(c *call) (starlark.Value, error) {
	v, data := c.recv.(*frameValue), arg[[]byte](c, "data")
	dev, err := c.anyDev(v.h)
	if err != nil {
		return nil, err
	}
	if dev == nil {
		dev = v.dev
	}
	if c.given("to") && v.typ == 0 {
		return nil, c.errorf("argument 2 (to) needs a socket that is bound to one type")
	}
	c.t.do(v.h.w, func(now clock.Instant) {
		if dev == nil {
			if dev = v.c.Iface(); dev == nil {
				err = stack.ErrNotBound
				return
			}
		}
		if c.given("to") {
			eth := wire.Ethernet{Dst: arg[hardwareAddr](c, "to"), Src: dev.MAC(), Type: wire.EtherType(v.typ)}
			frame := make([]byte, wire.EthernetLen+len(data))
			copy(frame[eth.Put(frame):], data)
			data = frame
		}
		err = v.c.Send(now, dev, data)
	})
	return num(len(data)), v.failed(c, dev, err)
}

func framesRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*frameValue)
	var data []byte
	var on string
	var fail error
	err := c.t.await(v.h.w, "a frame on "+v.String(), &v.c.Signal, timeoutOf(c), func(clock.Instant) bool {
		if v.closed {
			fail = tcp.ErrNotConnected
			return true
		}
		data = make([]byte, max(v.c.NextLen(), 0))
		n, i, err := v.c.Recv(data)
		if i != nil {
			on = i.Name()
		}
		fail = err
		return n >= 0 || fail != nil
	})
	if err == nil {
		err = fail
	}
	if err != nil {
		return nil, v.failed(c, v.dev, err)
	}
	eth, _, _ := wire.ParseEthernet(data) // shorter ones are no frames, and never get here
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": starlark.String(eth.Src.String()), "dev": starlark.String(on),
	}), nil
}

func framesClose(c *call) (starlark.Value, error) {
	v := c.recv.(*frameValue)
	c.t.do(v.h.w, func(clock.Instant) {
		v.closed = true
		v.c.Close()
	})
	return starlark.None, nil
}
