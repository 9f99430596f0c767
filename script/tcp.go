package script

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// listenerValue is a listening TCP socket.
type listenerValue struct {
	s     *Session
	w     *task.World
	h     *hostValue
	l     *stack.TCPListener
	local netip.AddrPort

	closed bool // true if the script has closed the listener; only the owner uses it
}

// String describes the listener, and whether it is closed.
func (v *listenerValue) String() string {
	closed := false
	v.s.tasks.Do(v.w, func(clock.Instant) { closed = v.closed })
	return since("listener "+socketAddr("tcp", v.local), closed, "closed")
}

func (v *listenerValue) Type() string          { return "listener" }
func (v *listenerValue) Freeze()               {}
func (v *listenerValue) Truth() starlark.Bool  { return true }
func (v *listenerValue) Hash() (uint32, error) { return uint32(v.local.Port()), nil }

// Attr returns a field or a method of the listener.
func (v *listenerValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "pending":
		n := 0
		v.s.tasks.Do(v.w, func(clock.Instant) { n = v.l.Pending() })
		return num(n), nil
	case "local":
		return starlark.String(socketAddr("tcp", v.local)), nil
	case "port":
		return num(int(v.local.Port())), nil
	}
	return suggest.Attr(v, name, v.s.member("listener", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *listenerValue) AttrNames() []string {
	return append([]string{"local", "pending", "port"}, v.s.reg.Members["listener"]...)
}

func tcpBuiltins() []*builtin {
	return []*builtin{
		{Name: "tcp.connect", Hint: portHint, Sig: "endpoint, timeout=, local=None, **options", Kinds: "endpoint duration any", Result: "conn",
			Args: "timeout: time to wait (by default as long as TCP retransmits the SYN); local: an address, an endpoint or a port",
			Doc:  "Open a connection.", Example: `tcp.connect("192.168.69.100:7").state`, See: "conn.send, conn.recv", Fn: tcpConnect},
		{Name: "tcp.listen", Sig: "port, addr=None, backlog=128, v6only=False, **options", Kinds: "port ip int:1..65536 bool", Result: "listener",
			Doc: "Listen for TCP connections.", Example: `tcp.listen(80).pending`, See: "serve", Fn: tcpListen},
		{Name: "listener.accept", Sig: "timeout=", Kinds: "duration", Result: "conn",
			Doc: "Wait for the next connection and return it.", Example: `l = tcp.listen(80); c = tcp.connect("192.168.69.1:80"); l.accept().peer`, Fn: listenerAccept},
		{Name: "listener.close",
			Doc: "Stop listening; connections that were not accepted are reset.", Example: `tcp.listen(80).close()`, Fn: listenerClose},
	}
}

// ends returns the two ends of the connections that the arguments endpoint and local allow, in the order in which to try them.
func (c *call) ends(remotes []netip.AddrPort) ([]registry.Ends, error) {
	locals, err := registry.LocalEndpoints(arg[starlark.Value](c, "local"), c)
	if err != nil {
		return nil, c.errorf("local %w", err)
	}
	list, err := registry.PairEnds(locals, remotes)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return list, nil
}

func tcpConnect(c *call) (starlark.Value, error) {
	cfg, err := c.tcpConfig(tcp.Default())
	if err != nil {
		return nil, err
	}
	ends, err := c.ends(arg[[]netip.AddrPort](c, "endpoint"))
	if err != nil {
		return nil, err
	}
	v, err := c.on().connect(c.t, ends, cfg, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	return v, nil
}

// boundTo returns the local end that the arguments addr, port and v6only name.
func (c *call) boundTo() (netip.AddrPort, error) {
	at, err := registry.BoundTo(arg[netip.Addr](c, "addr"), arg[int](c, "port"), arg[bool](c, "v6only"))
	if err != nil {
		return at, c.errorf("%w", err)
	}
	return at, nil
}

func tcpListen(c *call) (starlark.Value, error) {
	cfg, err := c.tcpConfig(tcp.Default())
	if err != nil {
		return nil, err
	}
	at, err := c.boundTo()
	if err != nil {
		return nil, err
	}
	l, err := c.on().listen(c.t, at, arg[int](c, "backlog"), cfg)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// listen listens at an address and port. The address :: stands for all addresses of IPv6, the zero Addr for those of both families.
func (h *hostValue) listen(t *taskValue, at netip.AddrPort, backlog int, cfg tcp.Config) (*listenerValue, error) {
	v := &listenerValue{s: h.s, w: h.w, h: h}
	listen := h.h.ListenTCP
	if at.Addr() == netip.IPv6Unspecified() {
		listen = h.h.ListenTCP6
	}
	var err error
	t.Do(h.w, func(clock.Instant) {
		if v.l, err = listen(at, backlog, cfg); err == nil {
			v.local = v.l.Local()
		}
	})
	if err != nil {
		return nil, failed(t, "tcp listen", socketAddr("tcp", at), err)
	}
	return v, nil
}

func listenerAccept(c *call) (starlark.Value, error) {
	conn, err := c.recv.(*listenerValue).accept(c.t, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (v *listenerValue) accept(t *taskValue, timeout time.Duration) (*connValue, error) {
	var conn *connValue
	closed := false
	err := t.Await(v.w, "a connection on "+socketAddr("tcp", v.local), &v.l.Signal, timeout, func(clock.Instant) bool {
		if c := v.l.Accept(); c != nil {
			conn = v.h.newConn(c)
			return true
		}
		closed = v.closed
		return closed
	})
	if err == nil && closed {
		err = tcp.ErrNotConnected
	}
	if err != nil {
		return nil, failed(t, "tcp accept", socketAddr("tcp", v.local), err)
	}
	return conn, nil
}

func listenerClose(c *call) (starlark.Value, error) {
	v := c.recv.(*listenerValue)
	c.t.Do(v.w, v.close)
	return starlark.None, nil
}

// close closes the listener, which ends every wait for a connection. Only the owner calls close.
func (v *listenerValue) close(now clock.Instant) {
	if v.closed {
		return
	}
	v.closed = true
	v.l.Close(now)
	v.l.Signal.Fire()
}

// isUnreachable reports whether err means that the destination can't be reached.
func isUnreachable(err error) bool { return errors.Is(err, tcp.ErrHostUnreach) }

// explain adds to an error about an unreachable neighbour which interface sent ARP requests or neighbour solicitations, and how many. To
// the error of a host without a route it adds the call that makes one.
func (h *hostValue) explain(a netip.Addr, err error) error {
	if errors.Is(err, stack.ErrNoRoute) {
		h.do(func(clock.Instant) { err = withoutRoute(h.h, a, err) })
		return err
	}
	if !isUnreachable(err) {
		return err
	}
	text := ""
	h.do(func(now clock.Instant) {
		if n, ok := h.h.NextHop(now, a); ok && n.State == "FAILED" {
			text = unanswered(&n)
		}
	})
	if text == "" {
		return err
	}
	return fmt.Errorf("%w%s", err, text)
}
