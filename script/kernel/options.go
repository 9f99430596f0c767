package kernel

import (
	"maps"
	"net"
	"slices"
	"syscall"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// OptionNames returns, sorted, the names of the TCP options that this package can set on a socket of the operating
// system.
func OptionNames() []string { return slices.Sorted(maps.Keys(setOption)) }

// A setter sets the options that a call gave on its socket.
type setter struct {
	c    *Call
	list []Option
}

// setter returns the setter of the call's options.
func (c *Call) setter() (setter, error) {
	list, err := c.Options()
	return setter{c, list}, err
}

// control sets all options. It is the function Control of net.Dialer and net.ListenConfig, which call it before the
// handshake.
func (k setter) control(_, _ string, raw syscall.RawConn) error {
	return onSocket(raw, func(fd int) error {
		for _, o := range k.list {
			set := setOption[o.Name]
			if set == nil {
				return k.c.errorf("%s: smolsh sets no such option of the kernel's sockets on this system", o.Name)
			}
			if err := set(fd, o.Value); err != nil {
				return k.c.errorf("%s: %v", o.Name, err)
			}
		}
		return nil
	})
}

// onSocket runs fn with the socket's descriptor.
func onSocket(raw syscall.RawConn, fn func(fd int) error) error {
	var fail error
	err := raw.Control(func(fd uintptr) { fail = fn(int(fd)) })
	if fail != nil {
		return fail
	}
	return err
}

// nodelay returns the value of the option nodelay, false if the call did not give it. Package net switches TCP_NODELAY
// on for every connection, so the caller sets this value after the handshake.
func (k setter) nodelay() bool {
	for _, o := range k.list {
		if o.Name == "nodelay" {
			return o.Value.(bool)
		}
	}
	return false
}

func connSet(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	set, err := c.setter()
	if err != nil {
		return nil, err
	}
	raw, err := v.c.SyscallConn()
	if err == nil {
		err = set.control("", "", raw)
	}
	return starlark.None, v.failed(c.Task, err)
}

// connInfo implements conn.info() with the variables that the system reports. It converts packets to octets.
func connInfo(c *Call) (starlark.Value, error) {
	v := c.Recv.(*conn)
	var info starlark.StringDict
	raw, err := v.c.SyscallConn()
	if err == nil {
		err = onSocket(raw, func(fd int) (err error) {
			info, err = tcpInfo(fd)
			return err
		})
	}
	if err != nil {
		return nil, v.failed(c.Task, err)
	}
	return starlarkstruct.FromStringDict(starlark.String("info"), info), nil
}

// pending returns the number of connections that wait to be accepted.
func pending(l *net.TCPListener) (n int, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = onSocket(raw, func(fd int) (err error) {
		n, err = acceptQueue(fd)
		return err
	})
	return n, err
}
