package kernel

import (
	"fmt"
	"io"
	"net/netip"
	"slices"

	"go.starlark.net/starlark"

	"smolsh/script/complaint"
	"smolsh/script/registry"
	"smolsh/script/service"
	"smolsh/script/suggest"
	"smolsh/stack/wire"
)

// A server is the value of kernel.serve(): a task that accepts or receives, and for TCP a task per connection.
type server struct {
	k     *Stack
	proto string
	local netip.AddrPort
	tcp   *listener
	udp   *udpSocket
	task  Task
	conns []*conn
	loops int // number of datagrams dropped because an answer to their source port could be answered without end
	said  complaint.Log
}

// String returns the protocol, the address and, after stop(), the word stopped.
func (v *server) String() string {
	if v.task != nil && v.task.Done() {
		return v.title() + ", stopped"
	}
	return v.title()
}

// title returns the server's name in messages.
func (v *server) title() string {
	return "kernel server " + v.proto + " " + registry.SocketAddress(v.local)
}

func (v *server) Type() string          { return "kernel_server" }
func (v *server) Freeze()               {}
func (v *server) Truth() starlark.Bool  { return starlark.Bool(!v.task.Done()) }
func (v *server) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the server.
func (v *server) Attr(name string) (starlark.Value, error) {
	switch name {
	case "connections":
		list := make([]starlark.Value, len(v.conns))
		for i, c := range v.conns {
			list[i] = c
		}
		return starlark.NewList(list), nil
	case "loops":
		return num(v.loops), nil
	case "local":
		return starlark.String(registry.SocketAddress(v.local)), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.env.Member("kernel_server", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *server) AttrNames() []string {
	return append([]string{"connections", "local", "loops", "port"}, v.k.env.Members("kernel_server")...)
}

func serve(c *Call) (starlark.Value, error) {
	fn := arg[starlark.Value](c, "handler")
	if !service.IsHandler(fn) {
		return nil, c.errorf("argument 3 (handler) is echo, discard, chargen or a function, got %s %v", fn.Type(), fn)
	}
	return c.serveOn(arg[string](c, "proto"), fn)
}

// serveOn starts a server of a protocol with the handler fn, on the port and with the options of the call.
func (c *Call) serveOn(proto string, fn starlark.Value) (starlark.Value, error) {
	k := c.stack()
	if err := k.env.Room(); err != nil {
		return nil, c.errorf("%w", err)
	}
	v := &server{k: k, proto: proto}
	at, err := c.boundTo()
	if err != nil {
		return nil, err
	}
	set, err := c.setter()
	if err != nil {
		return nil, err
	}
	run := v.acceptAll
	switch v.proto {
	case "tcp":
		if v.tcp, err = k.listen(c, at, arg[int](c, "backlog"), set); err == nil {
			v.local = v.tcp.local
		}
	case "udp":
		if len(set.list) > 0 {
			return nil, c.errorf("%s is an option of TCP", set.list[0].Name)
		}
		if v.udp, err = k.bindUDP(c.Task, at); err == nil {
			v.local, run = v.udp.local, v.answerAll
		}
	default:
		return nil, c.errorf(`argument 1 (proto) is "tcp" or "udp", got %q`, v.proto)
	}
	if err != nil {
		return nil, err
	}
	v.task = k.env.Start(c.Task, v.String(), nil, func(t Task) error { return run(t, fn) })
	return v, nil
}

// acceptAll starts a task for each connection until the listener is closed. It then returns nil.
func (v *server) acceptAll(t Task, fn starlark.Value) error {
	running := func() int { return len(v.conns) }
	for {
		err := v.k.env.Turn(t, running, func() bool { return v.tcp.closed })
		var c *conn
		if err == nil {
			c, err = v.tcp.accept(t, forever)
		}
		if v.tcp.closed && t.Err() == nil {
			return nil
		}
		if err != nil {
			return err
		}
		v.conns = append(v.conns, c)
		name := fmt.Sprintf("kernel %s %s", v.proto, c.remote)
		v.k.env.Start(t, name, &v.said, func(h Task) error { return v.handle(h, fn, c) })
	}
}

// handle runs the handler fn for one connection, and then closes the connection. If the handler returned an error,
// handle resets the connection and returns the error.
func (v *server) handle(t Task, fn starlark.Value, c *conn) (err error) {
	if kind, ok := fn.(service.Kind); kind == meter {
		err = c.measure(t)
	} else if ok {
		err = c.serve(t, kind)
	} else {
		_, err = t.Call(fn, c)
	}
	if err != nil && !c.closed {
		_ = c.c.SetLinger(0)
	}
	c.close()
	v.conns = slices.DeleteFunc(v.conns, func(o *conn) bool { return o == c })
	return err
}

// serve runs one of the services until the connection ends. It returns an error only if t has to end: the end of the
// connection, even by a reset, is no error.
func (v *conn) serve(t Task, kind service.Kind) error {
	_ = wait(t, &v.reads, "the end of "+v.String(), forever, v.c.SetDeadline, func() (err error) {
		switch kind {
		case service.Echo:
			_, err = io.Copy(v.c, struct{ io.Reader }{v.c})
		case service.Discard:
			_, err = io.Copy(io.Discard, v.c)
		case service.Chargen:
			_, err = v.source(-1)
		}
		return err
	})
	return t.Err()
}

// answerAll answers datagrams until the socket is closed. It continues after an error of the handler.
func (v *server) answerAll(t Task, fn starlark.Value) error {
	for {
		data, src, err := v.udp.recv(t, forever)
		if t.Err() != nil || v.udp.closed {
			return t.Err()
		}
		if err != nil {
			continue
		}
		reply, ok, err := v.reply(t, fn, data, src)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := v.udp.send(t, reply, src); err != nil && t.Err() != nil {
			return err
		}
	}
}

// reply returns the handler's reply to a datagram; ok is false if there is none. The caller ends the server after an
// error.
func (v *server) reply(t Task, fn starlark.Value, data []byte, src netip.AddrPort) (reply []byte, ok bool, err error) {
	if (fn == service.Echo || fn == service.Chargen) && wire.AnswersAll(src.Port(), v.local.Port()) {
		v.loops++
		return nil, false, nil
	}
	switch fn {
	case service.Echo:
		return data, true, nil
	case service.Discard:
		return nil, false, nil
	case service.Chargen:
		return service.Characters(0, service.Line), true, nil
	}
	r, err := t.Call(fn, starlark.Bytes(data), registry.Endpoint(src))
	if err != nil && t.Err() == nil {
		v.k.env.Complain(v, &v.said, err)
		return nil, false, nil
	}
	if r == nil || r == starlark.None {
		return nil, false, nil
	}
	if reply, ok = registry.Octets(r); !ok {
		return nil, false, fmt.Errorf("%v: the handler's reply is str, bytes or None, got %s", v, r.Type())
	}
	return reply, true, nil
}

func serverStop(c *Call) (starlark.Value, error) {
	v := c.Recv.(*server)
	if v.tcp != nil {
		v.tcp.close()
	} else {
		v.udp.close()
	}
	v.k.env.Changed()
	return starlark.None, nil
}

func serverWait(c *Call) (starlark.Value, error) {
	v := c.Recv.(*server)
	over := func() bool { return v.task != nil && v.task.Done() && len(v.conns) == 0 }
	err := v.k.env.AwaitTask(c.Task, v.task, v.title(), c.timeout(), over)
	return starlark.None, v.k.env.Failed(c.Task, c.Name, registry.SocketAddress(v.local), err)
}
