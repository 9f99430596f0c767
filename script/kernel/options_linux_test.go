//go:build !portable

package kernel

import (
	"testing"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"
)

// Nagle's algorithm is on unless the call switches it off, though package net switches it off for every connection.
func TestNodelay(t *testing.T) {
	p := newProgram(t, true)
	p.also = starlark.StringDict{"nodelay": starlark.NewBuiltin("nodelay", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return starlark.Bool(nodelay(args[0].(*conn))), nil
	})}
	p.script(`
c, k = pair()
d, m = pair(nodelay=True)
o, n = pair(nodelay=False)
e = kernel.serve("tcp", 0, echo, addr="127.0.0.1")
conns = [c, k, d, m, o, n, kernel.tcp.connect(e.local, nodelay=True), kernel.tcp.connect(e.local)]
eq([nodelay(x) for x in conns], [False, False, False, True, False, False, True, False])
c.set(nodelay=True)
eq(nodelay(c), True)
`)
}

// nodelay reports whether TCP_NODELAY is on for a connection.
func nodelay(c *conn) (on bool) {
	raw, err := c.c.SyscallConn()
	if err == nil {
		_ = onSocket(raw, func(fd int) error {
			n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
			on = n != 0
			return err
		})
	}
	return on
}
