package script

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// kernelValue is the operating system's stack as a host, in the process's network namespace. It has the same socket
// calls, implemented by package net. While such a call waits, the task does not hold the baton (task.Outside).
type kernelValue struct {
	s    *Session
	open map[io.Closer]struct{} // sockets that are not closed
}

func (k *kernelValue) String() string        { return "kernel" }
func (k *kernelValue) Type() string          { return "kernel" }
func (k *kernelValue) Freeze()               {}
func (k *kernelValue) Truth() starlark.Bool  { return starlark.Bool(!k.s.home.Virtual()) }
func (k *kernelValue) Hash() (uint32, error) { return starlark.String("kernel").Hash() }

// AttrNames implements starlark.HasAttrs.
func (k *kernelValue) AttrNames() []string { return []string{"serve", "tcp", "udp"} }

// Attr returns a group of socket calls. In a virtual lab each call returns an error that states the reason.
func (k *kernelValue) Attr(name string) (starlark.Value, error) {
	if !slices.Contains(k.AttrNames(), name) {
		return suggest.Attr(k, name, nil)
	}
	if name == "serve" {
		return k.s.member("kernel", k, name), nil
	}
	return &namespace{k.s, "kernel." + name, k}, nil
}

// kernelDial is example code that opens a connection from the kernel to a server of ours.
const kernelDial = `serve("tcp", 7, echo); c = kernel.tcp.connect("192.168.69.1:7"); `

// kernelBuiltins returns the kernel's calls, and the methods of the values that they return. A method has the help and
// signature of our own socket's method of that name.
func kernelBuiltins() []*builtin {
	calls := []*builtin{
		{Name: "kernel.tcp.connect", Sig: "endpoint, timeout=, local=None, **options", Kinds: "endpoint duration str", Result: "kernel_conn",
			Doc: "Open a connection from the operating system's stack; not in a virtual lab.", Example: kernelDial + `c.state`, See: "tcp.connect", Fn: kernelConnect},
		{Name: "kernel.tcp.listen", Sig: "port, addr=None, backlog=128, **options", Kinds: "port ip int:1..65536", Result: "kernel_listener",
			Doc:     "Listen in the operating system's stack, so that a script can hold both ends.",
			Example: `l = kernel.tcp.listen(8080); c = tcp.connect("192.168.69.100:8080"); l.accept().peer == c.local`, See: "tcp.listen", Fn: kernelListen},
		{Name: "kernel.udp.bind", Sig: "port=0, addr=None", Kinds: "port ip", Result: "kernel_udp_socket",
			Doc: "Bind a UDP socket in the operating system's stack.", Example: `kernel.udp.bind(6969).port`, See: "udp.bind", Fn: kernelBind},
		{Name: "kernel.udp.connect", Sig: "endpoint, local=None", Kinds: "endpoint str", Result: "kernel_udp_socket",
			Doc: "Connect a UDP socket in the operating system's stack to one peer.", Example: kernelUDP + `u.send("hi"); u.recv().data`, See: "udp.connect", Fn: kernelUDPConnect},
		{Name: "kernel.serve", Sig: "proto, port, handler, addr=None, backlog=128, **options", Kinds: "str port any ip int:1..65536", Result: "kernel_server",
			Doc:     "Serve a port in the operating system's stack with echo, discard, chargen or a function.",
			Args:    serveArgs,
			Example: `kernel.serve("tcp", 8007, echo); c = tcp.connect("192.168.69.100:8007"); c.send("hi"); c.recv()`, See: "serve", Fn: kernelServe},
	}
	for _, b := range calls {
		b.Fn = onlyLive(b.Fn)
	}
	calls = append(calls, alike(connBuiltins(), "conn", kernelConnMethods)...)
	calls = append(calls, alike(tcpBuiltins(), "listener", kernelListenerMethods)...)
	calls = append(calls, alike(udpBuiltins(), "udp_socket", kernelUDPMethods)...)
	return append(calls, alike(serveBuiltins(), "server", kernelServerMethods)...)
}

// onlyLive returns fn for use in a live lab. In a virtual lab the call returns an error that catch() can handle.
func onlyLive(fn func(c *call) (starlark.Value, error)) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		if c.s.home.Virtual() {
			return nil, c.errorf("this is a virtual lab, the operating system's stack is not in it")
		}
		return fn(c)
	}
}

// method is the implementation of one method of a kernel's socket, with an example.
type method struct {
	fn      func(c *call) (starlark.Value, error)
	example string
}

// alike returns the methods of type kernel_of, made from the methods of type of in list. Only the implementation and
// the example differ.
func alike(list []*builtin, of string, methods map[string]method) []*builtin {
	var out []*builtin
	for _, b := range list {
		name, ok := strings.CutPrefix(b.Name, of+".")
		m, there := methods[name]
		if !ok || !there {
			continue
		}
		like := *b
		like.Params, like.Positional, like.Rest, like.TakesOptions = nil, 0, "", false
		like.Name, like.Fn, like.Example = "kernel_"+b.Name, m.fn, m.example
		if like.Result == of || of == "listener" && like.Result == "conn" {
			like.Result = "kernel_" + like.Result
		}
		out = append(out, &like)
	}
	return out
}

// likeKernel returns the type of our own sockets whose help page also describes the kernel's type name.
func likeKernel(name string) string { return strings.TrimPrefix(name, "kernel_") }

// kernelTurn lets one task at a time wait in one direction of a socket. It is needed because the operating system can't
// end one of several waits.
type kernelTurn struct {
	busy    bool
	waiting int
	free    stack.Signal
}

func (u *kernelTurn) take(t *taskValue, what string, timeout time.Duration) error {
	if !u.busy {
		u.busy = true
		return nil
	}
	u.waiting++
	err := t.Await(t.s.home, what, &u.free, timeout, func(clock.Instant) bool {
		if u.busy {
			return false
		}
		u.busy = true
		return true
	})
	u.waiting--
	return err
}

func (u *kernelTurn) give(t *taskValue) {
	u.busy = false
	if u.waiting > 0 {
		t.Do(t.s.home, func(clock.Instant) { u.free.Fire() })
	}
}

// kernelWait runs fn, which blocks on a socket. It sets the socket's deadline by set, from timeout.
func (t *taskValue) kernelWait(u *kernelTurn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	return t.kernelWaitUnless(nil, u, what, timeout, set, fn)
}

// kernelWaitUnless waits like kernelWait. It does not run fn if ready returns true when the task's turn comes.
func (t *taskValue) kernelWaitUnless(ready func() bool, u *kernelTurn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(max(timeout, time.Millisecond)) // at least 1 ms, so that data which has arrived is still read
	}
	if err := u.take(t, what, timeout); err != nil {
		return err
	}
	defer u.give(t)
	if ready != nil && ready() {
		return nil
	}
	err := set(deadline)
	if err != nil {
		return err
	}
	if ended := t.Outside(what, func() { err = fn() }, func() { _ = set(time.Unix(1, 0)) }); ended != nil {
		return ended
	}
	return err
}

// kernelErrors maps the system's errors to those of the stack.
var kernelErrors = []struct {
	errno syscall.Errno
	err   error
}{
	{syscall.ECONNREFUSED, tcp.ErrRefused},
	{syscall.ECONNRESET, tcp.ErrReset},
	{syscall.EPIPE, tcp.ErrReset},
	{syscall.ECONNABORTED, tcp.ErrReset},
	{syscall.ETIMEDOUT, tcp.ErrUserTimeout},
	{syscall.EHOSTUNREACH, tcp.ErrHostUnreach},
	{syscall.ENETUNREACH, tcp.ErrNetUnreach},
	{syscall.EADDRINUSE, stack.ErrPortInUse},
	{syscall.EADDRNOTAVAIL, stack.ErrNotOurs},
	{syscall.EMSGSIZE, stack.ErrTooBig},
}

// kernelFailed wraps an error of the system like failed, in the language's words.
func kernelFailed(t *taskValue, op string, where any, err error) error {
	if err == nil || t.Err() != nil {
		return err
	}
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		err = task.ErrTimedOut
	case errors.Is(err, net.ErrClosed):
		err = stack.ErrClosed
	case errors.As(err, &errno):
		err = errno
		for _, e := range kernelErrors {
			if e.errno == errno {
				err = e.err
			}
		}
	}
	if op == "udp" && errors.Is(err, tcp.ErrRefused) {
		err = tcp.ErrPortUnreach
	}
	return failed(t, op, where, err)
}

// keep records a socket, which closeAll closes at the session's end.
func (k *kernelValue) keep(c io.Closer) {
	if k.open == nil {
		k.open = map[io.Closer]struct{}{}
	}
	k.open[c] = struct{}{}
}

func (k *kernelValue) close(c io.Closer) {
	delete(k.open, c)
	_ = c.Close()
}

// closeAll closes every socket, which ends every wait for one.
func (k *kernelValue) closeAll() {
	for c := range k.open {
		k.close(c)
	}
}

// addrPort converts an address of package net. An unspecified address becomes the zero value.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		if a != nil {
			ap = a.AddrPort()
		}
	}
	if !ap.IsValid() {
		return ap
	}
	if ap.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.Addr{}, ap.Port())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// netAddr returns an address in the syntax of package net: ":80" without an address.
func netAddr(a netip.Addr, port int) string {
	if !a.IsValid() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)).String()[len("0.0.0.0"):]
	}
	return netip.AddrPortFrom(a, uint16(port)).String()
}
