package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/table"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// frameValue is a socket for whole Ethernet frames.
type frameValue struct {
	socketValue
	c   *stack.FrameConn
	dev *stack.Iface // nil for every interface with frames
	typ int          // 0 for every type
}

func framesBuiltins() []*builtin {
	const open = `f = frames.bind(0x88b5); `
	const answered = `p = peer.frames.bind(0x88b5); ` + open + `f.send("hello", "ff:ff:ff:ff:ff:ff"); `
	return []*builtin{
		{Name: "frames.bind", Sig: "ethertype=None, dev=None", Kinds: "int:1..65535 any", Args: "ethertype: a type such as 0x0806 for ARP, None for all types; dev: an interface's name or row", Result: "frame_socket",
			Doc: "Receive a copy of every frame that arrives, whatever its destination.", Example: open + `f.ethertype`, See: "raw.bind, arping", Fn: framesBind},
		{Name: "frame_socket.send", Sig: "data, to=None, dev=None", Kinds: "data mac any", Args: "data: a whole frame, or with to= its payload; to: a hardware address", Result: "int",
			Doc: "Send a frame unchanged; to= adds an Ethernet header.", Example: open + `f.send("hello", "02:00:00:00:00:64")`, Fn: framesSend},
		{Name: "frame_socket.recv", Sig: "timeout=", Kinds: "duration", Result: "struct", Fields: "data src dev",
			Doc: "Return the next frame, header included.", Example: answered + `p.recv(timeout="1s").src`, Fn: framesRecv},
		{Name: "frame_socket.close",
			Doc: "Close the socket.", Example: open + `f.close()`, Fn: socketClose},
	}
}

// anyDev returns the interface that the argument dev names or whose row dev is. It returns nil if the call has no dev.
func (c *call) anyDev(h *hostValue) (*stack.Iface, error) {
	name := ""
	switch v := c.Values[c.b.Index("dev")].(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.String:
		name = string(v)
	case *table.Row:
		if i, ok := v.About.(*ifaceValue); ok {
			name = i.name
		}
	}
	if name == "" {
		return nil, c.errorf("dev is an interface's name or row")
	}
	var found *stack.Iface
	c.t.Do(h.w, func(clock.Instant) {
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
	v, h := &frameValue{typ: arg[int](c, "ethertype")}, c.on()
	var err error
	if v.dev, err = c.anyDev(h); err != nil {
		return nil, err
	}
	v.socketValue = socketValue{h: h, self: v, typ: "frame_socket", name: "frames",
		fields: map[string]func() starlark.Value{
			"ethertype": func() starlark.Value { return starlark.None },
			"lost":      v.lost,
		}}
	if v.typ != 0 {
		v.name = fmt.Sprintf("frames 0x%04x", v.typ)
		v.fields["ethertype"] = func() starlark.Value { return num(v.typ) }
	}
	c.t.Do(h.w, func(clock.Instant) { v.c, err = h.h.BindFrames(v.dev, wire.EtherType(v.typ)) })
	if err != nil {
		return nil, v.failed(c, v.dev, err)
	}
	v.sock, v.signal = v.c, &v.c.Signal
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
	if c.b.Name == "arping" {
		return failed(c.t, c.b.Name, "", err)
	}
	return failed(c.t, v.name, "", err)
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
	if c.Given("to") && v.typ == 0 {
		return nil, c.errorf("argument 2 (to) needs a socket that is bound to one type")
	}
	c.t.Do(v.h.w, func(now clock.Instant) {
		if dev == nil {
			if dev = v.c.Iface(); dev == nil {
				err = stack.ErrNotBound
				return
			}
		}
		if c.Given("to") {
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
	var on string
	data, err := v.recv(c.t, "a frame", timeoutOf(c), func(room []byte) (int, error) {
		n, i, err := v.c.Recv(room)
		if i != nil {
			on = i.Name()
		}
		return n, err
	})
	if err != nil {
		return nil, v.failed(c, v.dev, err)
	}
	eth, _, _ := wire.ParseEthernet(data) // can't fail: shorter data is no frame, and is refused before
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": starlark.String(eth.Src.String()), "dev": starlark.String(on),
	}), nil
}
