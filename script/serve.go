package script

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"go.starlark.net/starlark"

	"smolsh/script/complaint"
	"smolsh/script/registry"
	"smolsh/script/service"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// server is the value of serve(): a listening socket and the connections or datagrams that it serves.
type server struct {
	s     *Session
	h     *hostValue
	proto string
	name  string // name in messages, "" for that of the protocol
	log   bool   // true if a line is printed for each connection, or each datagram
	local netip.AddrPort
	tcp   *listenerValue
	udp   *udpValue
	task  *taskValue              // task that accepts or receives; nil if the owner's events do that
	conns []*stack.TCPConn        // connections that are being served; only the owner's goroutine uses the list
	tasks map[*taskValue]struct{} // tasks that run Starlark handlers
	said  complaint.Log
	err   error       // last error of a handler
	ended bool        // true if the server accepts no more connections
	known atomic.Bool // true if a client has come
	gone  bool        // true if the server also serves no connection any more
}

// String describes the server, and whether it has stopped.
func (v *server) String() string { return since(v.title(), v.ended, "stopped") }

// title names the server in messages.
func (v *server) title() string { return "server " + v.served() }

// served names the service in messages.
func (v *server) served() string {
	return cmp.Or(v.name, v.proto) + " " + socketAddr(v.proto, v.local)
}

// say prints a line of the server's log with the time now. It does not wait, so that the owner may call it.
func (v *server) say(now clock.Instant, text string) {
	v.s.out.Offer([]byte(v.s.clean(fmt.Sprintf("%v %s: %s", now, v.served(), text))))
}

// came prints who has connected, if the server keeps a log.
func (v *server) came(now clock.Instant, peer netip.AddrPort) {
	v.known.Store(true)
	if v.log {
		v.say(now, peer.String()+" connected")
	}
}

// received prints who has sent a datagram of n octets, if the server keeps a log.
func (v *server) received(now clock.Instant, n int, src netip.AddrPort) {
	v.known.Store(true)
	if v.log {
		v.say(now, fmt.Sprintf("%v sent %d octets", src, n))
	}
}

// takeLog returns whether the call has the option log=True or False, and takes it from the options. With a number log is TCP's option.
func (c *call) takeLog() bool {
	for i, kv := range c.Opts {
		if on, ok := kv[1].(starlark.Bool); ok && kv[0] == starlark.String("log") {
			c.Opts = slices.Delete(slices.Clone(c.Opts), i, i+1)
			return bool(on)
		}
	}
	return false
}

func (v *server) Type() string          { return "server" }
func (v *server) Freeze()               {}
func (v *server) Truth() starlark.Bool  { return starlark.Bool(!v.ended) }
func (v *server) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the server.
func (v *server) Attr(name string) (starlark.Value, error) {
	switch name {
	case "connections":
		var list []starlark.Value
		v.h.do(func(clock.Instant) {
			for _, c := range v.conns {
				list = append(list, &connValue{s: v.s, w: v.h.w, h: v.h, c: c, local: c.Local(), remote: c.Remote()})
			}
		})
		return starlark.NewList(list), nil
	case "error":
		if v.err == nil {
			return starlark.None, nil
		}
		v.s.noticed(v.err)
		return starlark.String(v.s.unbound(v.err.Error())), nil
	case "local":
		return starlark.String(socketAddr(v.proto, v.local)), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.s.member("server", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *server) AttrNames() []string {
	return append([]string{"connections", "error", "local", "port"}, v.s.reg.Members["server"]...)
}

// serveArgs is the help on the argument handler.
const serveArgs = `handler: echo, discard, chargen, f(conn) for TCP, f(data, src) for UDP that returns the reply or None. On UDP, echo and ` +
	`chargen drop datagrams from ports 7, 13, 17, 19, 37 and their own ("service loop"), because two services would answer each other for ever`

func serveBuiltins() []*builtin {
	return []*builtin{
		{Name: "serve", Sig: "proto, port, handler, addr=None, backlog=128, v6only=False, **options", Kinds: "str port any ip int:1..65536 bool", Result: "server", Host: true,
			Doc:     "Serve a TCP or UDP port with echo, discard, chargen or a function; log=True prints who came.",
			Args:    serveArgs,
			Example: `s = serve("tcp", 7, echo); c = tcp.connect("192.168.69.1:7"); c.send("hi"); c.recv()`,
			See:     "tcp.listen, server.stop, server.wait", Fn: serve},
		{Name: "server.stop",
			Doc: "Stop accepting; connections that are being served continue.", Example: `serve("udp", 7, echo).stop()`, Fn: serverStop},
		{Name: "server.wait", Sig: "timeout=", Kinds: "duration",
			Doc: "Wait until the server has been stopped and its connections have ended.", Example: `s = serve("tcp", 7, echo); after("1s", s.stop); s.wait()`, Fn: serverWait},
	}
}

func serve(c *call) (starlark.Value, error) {
	h := c.on()
	v := &server{s: c.s, h: h, proto: arg[string](c, "proto"), log: c.takeLog(), tasks: map[*taskValue]struct{}{}}
	fn := arg[starlark.Value](c, "handler")
	if !service.IsHandler(fn) {
		return nil, c.errorf("argument 3 (handler) is echo, discard, chargen or a function, got %s %v", fn.Type(), fn)
	}
	if _, ok := fn.(starlark.Callable); ok {
		if err := c.room(); err != nil {
			return nil, err
		}
	}
	var err error
	switch v.proto {
	case "tcp":
		err = c.serveTCP(v, fn)
	case "udp":
		err = c.serveUDP(v, fn)
	default:
		return nil, c.errorf(`argument 1 (proto) is "tcp" or "udp", got %q`, v.proto)
	}
	if err != nil {
		return nil, err
	}
	c.s.servers.list = append(c.s.servers.list, v)
	h.w.AddServer()
	return v, nil
}

func (c *call) serveTCP(v *server, fn starlark.Value) error {
	cfg, err := c.tcpConfig(tcp.Default())
	if err != nil {
		return err
	}
	at, err := c.boundTo()
	if err != nil {
		return err
	}
	if v.tcp, err = v.h.listen(c.t, at, arg[int](c, "backlog"), cfg); err != nil {
		return err
	}
	v.local = v.tcp.local
	if kind, ok := fn.(service.Kind); ok {
		c.t.Do(v.h.w, func(now clock.Instant) {
			v.tcp.l.OnEvent = func(now clock.Instant) { v.accept(now, kind) }
			v.accept(now, kind)
		})
		return nil
	}
	v.task = c.s.spawn(v.title(), v.h, func(t *taskValue) (starlark.Value, error) {
		return nil, v.acceptAll(t, fn.(starlark.Callable))
	})
	return nil
}

// accept starts a pump for every connection that waits to be accepted. It runs on the goroutine of the host's owner.
func (v *server) accept(now clock.Instant, kind service.Kind) {
	for c := v.tcp.l.Accept(); c != nil; c = v.tcp.l.Accept() {
		v.conns = append(v.conns, c)
		v.came(now, c.Remote())
		p := &pump{conn: c, kind: kind, limit: -1, close: true}
		p.ended = func() { v.forget(c); v.s.tasks.Poke() }
		p.start(now)
	}
}

// forget removes a connection from the list in place, so a loop during which connections may end needs a copy of the
// list. Only the owner calls forget.
func (v *server) forget(c *stack.TCPConn) {
	if i := slices.Index(v.conns, c); i >= 0 {
		v.conns = slices.Delete(v.conns, i, i+1)
	}
}

// acceptAll starts a task per connection until the listener is closed.
func (v *server) acceptAll(t *taskValue, fn starlark.Callable) error {
	t.concern(v.h)
	running := func() int { return len(v.tasks) }
	for {
		err := v.s.turnFor(t, running, func() bool { return v.ended })
		var conn *connValue
		if err == nil {
			conn, err = v.tcp.accept(t, task.Forever)
		}
		if err != nil {
			v.end()
			if v.tcp.closed {
				return nil
			}
			return err
		}
		t.Do(v.h.w, func(now clock.Instant) {
			v.conns = append(v.conns, conn.c)
			v.came(now, conn.remote)
		})
		h := v.s.spawn(fmt.Sprintf("%s %s", v.proto, conn.remote), v.h, func(h *taskValue) (starlark.Value, error) {
			_, err := starlark.Call(h.thread, fn, starlark.Tuple{conn}, nil)
			h.Do(v.h.w, func(now clock.Instant) {
				v.forget(conn.c)
				switch {
				case v.h.h.Broken() != nil:
				case err != nil:
					conn.c.Abort(now)
				default:
					conn.close(now)
				}
			})
			if err != nil && h.Err() == nil {
				v.err = err
			}
			delete(v.tasks, h)
			v.s.reapServers()
			return nil, err
		})
		h.server = &v.said
		v.tasks[h] = struct{}{}
	}
}

func (c *call) serveUDP(v *server, fn starlark.Value) error {
	if _, err := c.tcpConfig(tcp.Config{}); err != nil || len(c.Opts) > 0 {
		return c.errorf("%v is an option of TCP", c.Opts[0][0])
	}
	at, err := c.boundTo()
	if err != nil {
		return err
	}
	if v.udp, err = v.h.bindUDP(c.t, at); err != nil {
		return err
	}
	v.local = v.udp.local
	if kind, ok := fn.(service.Kind); ok {
		buf := make([]byte, 65536)
		c.t.Do(v.h.w, func(clock.Instant) {
			v.udp.u.OnEvent = func(now clock.Instant) { v.datagrams(now, kind, buf) }
			v.udp.u.SetService(kind != service.Discard)
		})
		return nil
	}
	v.task = c.s.spawn(v.title(), v.h, func(t *taskValue) (starlark.Value, error) {
		return nil, v.answerAll(t, fn.(starlark.Callable))
	})
	return nil
}

// datagrams answers the pending datagrams, on the owner. It drops the errors of earlier answers.
func (v *server) datagrams(now clock.Instant, kind service.Kind, buf []byte) {
	for !v.udp.closed {
		n, src, err := v.udp.u.Recv(buf)
		if err != nil {
			continue
		}
		if n < 0 {
			return
		}
		v.received(now, n, src)
		switch kind {
		case service.Echo:
			_ = v.udp.u.Send(now, buf[:n], src)
		case service.Chargen:
			_ = v.udp.u.Send(now, service.Characters(0, service.Line), src)
		}
	}
}

// answerAll calls fn(data, src) for each datagram. It reports an error of fn and continues.
func (v *server) answerAll(t *taskValue, fn starlark.Callable) error {
	t.concern(v.h)
	for {
		data, src, err := v.udp.recv(t, task.Forever)
		if v.udp.closed || t.Err() != nil || v.ended {
			v.end()
			return t.Err()
		}
		if err != nil {
			continue
		}
		v.received(v.h.w.Now(), len(data), src)
		reply, err := starlark.Call(t.thread, fn, starlark.Tuple{starlark.Bytes(data), registry.Endpoint(src)}, nil)
		if err != nil && t.Err() == nil {
			v.complain(err)
			continue
		}
		if reply == nil || reply == starlark.None {
			continue
		}
		b, ok := registry.Octets(reply)
		if !ok {
			v.complain(fmt.Errorf("the handler's reply is str, bytes or None, got %s", reply.Type()))
			continue
		}
		if err := v.udp.send(t, b, src); err != nil && t.Err() != nil {
			return err
		}
	}
}

// complain reports a handler's error. The server continues.
func (v *server) complain(err error) {
	v.err = err
	if v.s.trouble(v.title(), err) {
		return
	}
	if say, held := v.said.Take(v.h.w.Now(), err); say {
		v.s.out.Flush()
		fmt.Fprintf(v.s.cfg.Stderr, "%v: %s\n%s", v.title(), v.s.report(err), complaint.Before(held))
	}
}

// complainRest reports how many errors of the server's handlers were counted since the last report, as the server ends.
func (s *Session) complainRest(v *server) {
	held, last := v.said.Rest()
	if held == 0 {
		return
	}
	s.out.Flush()
	fmt.Fprintf(s.cfg.Stderr, "%s: %s failed, the last: %s\n", v.title(), complaint.More(held), s.firstLine(last))
}

// end stops the server from accepting.
func (v *server) end() {
	v.ended = true
	v.s.reapServers()
}

// waits describes what the server still waits for.
func (v *server) waits() string {
	var peers []string
	v.h.do(func(clock.Instant) {
		for _, c := range v.conns {
			peers = append(peers, c.Remote().String())
		}
	})
	switch {
	case len(peers) > 0:
		if n := len(peers) - 3; n > 0 {
			peers = append(peers[:3], fmt.Sprintf("and %d more", n))
		}
		return fmt.Sprintf("%v serves %s: until they close, or .abort() of its .connections", v.title(), strings.Join(peers, " "))
	case v.ended:
		return fmt.Sprintf("%v waits for its handlers", v)
	}
	return fmt.Sprintf("%v waits for clients, until its .stop()", v)
}

// Unvisited returns a line about servers of a live host that end with the script before any client has come, as those of a script that
// does not wait do. It returns "" if there are none.
func (s *Session) Unvisited() string {
	var names []string
	for _, v := range s.servers.list {
		if v.h == s.local && !s.home.Virtual() && !v.ended && !v.known.Load() {
			names = append(names, v.title())
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " ends with the script, before anyone came: wait() at the end keeps it"
	}
	return fmt.Sprintf("%s and %d more end with the script, before anyone came: wait() at the end keeps them", names[0], len(names)-1)
}

// reapServers removes each server that was stopped and has no connection left.
func (s *Session) reapServers() {
	for _, v := range slices.Clone(s.servers.list) {
		if !v.ended || len(v.tasks) > 0 {
			continue
		}
		left := 0
		v.h.do(func(clock.Instant) { left = len(v.conns) })
		if left > 0 {
			continue
		}
		v.gone = true
		s.complainRest(v)
		v.h.w.RemoveServer()
		s.servers.list = slices.DeleteFunc(s.servers.list, func(u *server) bool { return u == v })
		s.tasks.Changed()
	}
}

func serverStop(c *call) (starlark.Value, error) {
	v := c.recv.(*server)
	c.t.Do(v.h.w, func(now clock.Instant) {
		if v.tcp != nil {
			v.tcp.close(now)
		} else {
			v.udp.close(now)
		}
	})
	v.end()
	c.s.tasks.Changed()
	return starlark.None, nil
}

func serverWait(c *call) (starlark.Value, error) {
	v := c.recv.(*server)
	its := func(w *task.World, _ func(*task.Task) bool) bool { return w == v.h.w }
	err := c.t.untilWithin(timeoutOf(c), v.title(), its, func() bool { return v.gone })
	return starlark.None, failed(c.t, c.b.Name, socketAddr(v.proto, v.local), err)
}
