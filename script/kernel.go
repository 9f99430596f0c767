package script

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/complaint"
	"smolsh/script/kernel"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/tcp"
)

// kernelBuiltins are the builtins of package kernel, as calls of this package.
func kernelBuiltins() []*builtin {
	return kernel.Builtins(slices.Concat(connBuiltins(), tcpBuiltins(), udpBuiltins(), serveBuiltins()), (*call).ofKernel)
}

// ofKernel returns the call as one of a builtin of package kernel.
func (c *call) ofKernel() *kernel.Call {
	return &kernel.Call{
		Arguments: c.Arguments, Name: c.b.Name, Recv: c.recv, Task: c.t,
		Options: c.kernelOptions, SendFile: c.sendFile, SinkFile: c.sinkFile,
	}
}

// kernelOptions returns the call's options of TCP sockets for package kernel.
func (c *call) kernelOptions() ([]kernel.Option, error) {
	given, err := c.options()
	list := make([]kernel.Option, len(given))
	for i, o := range given {
		list[i] = kernel.Option{Name: o.name, Value: o.value}
	}
	return list, err
}

// Call implements kernel.Task: it calls a Starlark function in the task.
func (v *taskValue) Call(fn starlark.Value, args ...starlark.Value) (starlark.Value, error) {
	return starlark.Call(v.thread, fn, args, nil)
}

// kernelEnvironment implements kernel.Environment: the session around the operating system's sockets.
type kernelEnvironment struct{ environment }

// Group implements kernel.Environment.
func (e kernelEnvironment) Group(prefix string, recv starlark.Value) starlark.Value {
	return &namespace{e.s, prefix, recv}
}

// Print implements kernel.Environment.
func (e kernelEnvironment) Print(line string) { e.s.out.Print(line) }

// Printed implements kernel.Environment.
func (e kernelEnvironment) Printed(x *starlarkstruct.Struct) starlark.Value { return result{x} }

// Room implements kernel.Tasks.
func (e kernelEnvironment) Room() error { return e.s.room() }

// Start implements kernel.Tasks. The new task belongs to the same host as the task by.
func (e kernelEnvironment) Start(by kernel.Task, name string, said *complaint.Log, run func(t kernel.Task) error) kernel.Task {
	t := e.s.spawn(name, by.(*taskValue).host, func(t *taskValue) (starlark.Value, error) { return nil, run(t) })
	t.server = said
	return t
}

// Turn implements kernel.Tasks.
func (e kernelEnvironment) Turn(t kernel.Task, running func() int, ended func() bool) error {
	return e.s.turnFor(t.(*taskValue), running, ended)
}

// AwaitTask implements kernel.Tasks.
func (e kernelEnvironment) AwaitTask(t, u kernel.Task, what string, timeout time.Duration, over func() bool) error {
	its := func(_ *task.World, of func(*task.Task) bool) bool { return of(u.(*taskValue).Task) }
	return t.(*taskValue).untilWithin(timeout, what, its, over)
}

// Changed implements kernel.Tasks.
func (e kernelEnvironment) Changed() { e.s.tasks.Changed() }

// Complain implements kernel.Environment.
func (e kernelEnvironment) Complain(server starlark.Value, said *complaint.Log, err error) {
	if say, held := said.Take(e.s.home.Now(), err); say {
		e.s.out.Flush()
		fmt.Fprintf(e.s.cfg.Stderr, "%v: %s\n%s", server, e.s.report(err), complaint.Before(held))
	}
}

// Failed implements kernel.Environment.
func (e kernelEnvironment) Failed(t kernel.Task, op string, where any, err error) error {
	if err == nil || t != nil && t.Err() != nil {
		return err
	}
	err = kernelCause(err)
	if op == "udp" && errors.Is(err, tcp.ErrRefused) {
		err = tcp.ErrPortUnreach
	}
	return failed(nil, op, where, err)
}

// kernelErrors maps the system's error numbers to the stack's errors.
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

// kernelCause returns the stack's error for an error of package net's, or the error itself.
func kernelCause(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return task.ErrTimedOut
	case errors.Is(err, net.ErrClosed):
		return stack.ErrClosed
	case errors.As(err, &errno):
		for _, e := range kernelErrors {
			if e.errno == errno {
				return e.err
			}
		}
		return errno
	}
	return err
}
