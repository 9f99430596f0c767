package script

import (
	"fmt"
	"io"
	"net/netip"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
)

// kernelServer is the server that kernel.serve() starts. One task accepts, and one task per connection handles it.
type kernelServer struct {
	k     *kernelValue
	proto string
	local netip.AddrPort
	tcp   *kernelListener
	udp   *kernelUDPSocket
	task  *taskValue
	conns []*kernelConn
	loops int // datagrams that were not answered because their source port is a service's
	said  complaints
}

func (v *kernelServer) String() string {
	return "kernel server " + v.proto + " " + socketAddr(v.proto, v.local)
}
func (v *kernelServer) Type() string          { return "kernel_server" }
func (v *kernelServer) Freeze()               {}
func (v *kernelServer) Truth() starlark.Bool  { return starlark.Bool(!v.task.Done()) }
func (v *kernelServer) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the server.
func (v *kernelServer) Attr(name string) (starlark.Value, error) {
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
		return starlark.String(socketAddr(v.proto, v.local)), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.k.s.member("kernel_server", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *kernelServer) AttrNames() []string {
	return append([]string{"connections", "local", "loops", "port"}, v.k.s.reg.Members["kernel_server"]...)
}

var kernelServerMethods = map[string]method{
	"stop": {kernelStop, `kernel.serve("udp", 8007, echo).stop()`},
	"wait": {kernelServerWait, `s = kernel.serve("tcp", 8007, echo); after("5ms", s.stop); s.wait()`},
}

func kernelServe(c *call) (starlark.Value, error) {
	k, fn := c.kernel(), arg[starlark.Value](c, "handler")
	if _, ok := fn.(handler); !ok {
		if _, ok := fn.(starlark.Callable); !ok {
			return nil, c.errorf("argument 3 (handler) is echo, discard, chargen or a function, got %s %v", fn.Type(), fn)
		}
	}
	if err := c.room(); err != nil {
		return nil, err
	}
	v := &kernelServer{k: k, proto: arg[string](c, "proto")}
	addr, port := arg[netip.Addr](c, "addr"), arg[int](c, "port")
	set, err := c.kernelSetter()
	if err != nil {
		return nil, err
	}
	run := v.acceptAll
	switch v.proto {
	case "tcp":
		if v.tcp, err = k.listen(c, addr, port, arg[int](c, "backlog"), set); err == nil {
			v.local = v.tcp.local
		}
	case "udp":
		if len(set.list) > 0 {
			return nil, c.errorf("%s is an option of TCP", set.list[0].name)
		}
		if v.udp, err = k.bindUDP(c.t, addr, port); err == nil {
			v.local, run = v.udp.local, v.answerAll
		}
	default:
		return nil, c.errorf(`argument 1 (proto) is "tcp" or "udp", got %q`, v.proto)
	}
	if err != nil {
		return nil, err
	}
	v.task = c.s.spawn(v.String(), c.t.host, func(t *taskValue) (starlark.Value, error) { return nil, run(t, fn) })
	return v, nil
}

// acceptAll starts a task per connection until the listener is closed.
func (v *kernelServer) acceptAll(t *taskValue, fn starlark.Value) error {
	running := func() int { return len(v.conns) }
	for {
		err := v.k.s.turnFor(t, running, func() bool { return v.tcp.closed })
		var conn *kernelConn
		if err == nil {
			conn, err = v.tcp.accept(t, task.Forever)
		}
		if v.tcp.closed && t.Err() == nil {
			return nil
		}
		if err != nil {
			return err
		}
		v.conns = append(v.conns, conn)
		h := v.k.s.spawn(fmt.Sprintf("kernel %s %s", v.proto, conn.remote), t.host, func(h *taskValue) (starlark.Value, error) {
			var err error
			if kind, ok := fn.(handler); ok {
				err = conn.serve(h, kind)
			} else {
				_, err = starlark.Call(h.thread, fn, starlark.Tuple{conn}, nil)
			}
			if err != nil && !conn.closed {
				_ = conn.c.SetLinger(0)
			}
			conn.close()
			v.forget(conn)
			return nil, err
		})
		h.server = &v.said
	}
}

func (v *kernelServer) forget(conn *kernelConn) {
	for i, c := range v.conns {
		if c == conn {
			v.conns = append(v.conns[:i], v.conns[i+1:]...)
			return
		}
	}
}

// serve runs one of the services on a connection. It returns no error when the peer closes or resets.
func (v *kernelConn) serve(t *taskValue, kind handler) error {
	_ = t.kernelWait(&v.reads, "the end of "+v.String(), task.Forever, v.c.SetDeadline, func() (err error) {
		switch kind {
		case handlerEcho:
			_, err = io.Copy(v.c, struct{ io.Reader }{v.c})
		case handlerDiscard:
			_, err = io.Copy(io.Discard, v.c)
		case handlerChargen:
			_, err = v.source(-1)
		}
		return err
	})
	return t.Err()
}

// answerAll answers datagrams until the socket is closed. It reports a handler's error and continues.
func (v *kernelServer) answerAll(t *taskValue, fn starlark.Value) error {
	for {
		data, src, err := v.udp.recv(t, task.Forever)
		if t.Err() != nil || v.udp.closed {
			return t.Err()
		}
		if err != nil {
			continue
		}
		reply, ok := data, true
		if fn == handlerEcho || fn == handlerChargen {
			if stack.AnswersAll(src.Port(), v.local.Port()) {
				v.loops++
				continue
			}
		}
		switch fn {
		case handlerEcho:
		case handlerDiscard:
			continue
		case handlerChargen:
			reply = chargen(0, chargenLine)
		default:
			r, err := starlark.Call(t.thread, fn, starlark.Tuple{starlark.Bytes(data), registry.Endpoint(src)}, nil)
			if err != nil && t.Err() == nil {
				if say, held := v.said.take(v.k.s.home.Now(), err); say {
					v.k.s.out.flush()
					fmt.Fprintf(v.k.s.cfg.Stderr, "%v: %s\n%s", v, v.k.s.report(err), alsoHeld(held))
				}
				continue
			}
			if r == nil || r == starlark.None {
				continue
			}
			if reply, ok = registry.Octets(r); !ok {
				return fmt.Errorf("%v: the handler's reply is str, bytes or None, got %s", v, r.Type())
			}
		}
		if err := v.udp.send(t, reply, src); err != nil && t.Err() != nil {
			return err
		}
	}
}

func kernelStop(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelServer)
	if v.tcp != nil {
		v.tcp.close()
	} else {
		v.udp.close()
	}
	c.s.tasks.Changed()
	return starlark.None, nil
}

func kernelServerWait(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelServer)
	its := func(_ *task.World, of func(*task.Task) bool) bool { return of(v.task.Task) }
	err := c.t.untilWithin(timeoutOf(c), v.String(), its, func() bool { return v.task.Done() && len(v.conns) == 0 })
	return starlark.None, failed(c.t, c.b.Name, socketAddr(v.proto, v.local), err)
}
