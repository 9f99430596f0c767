package script

import (
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// kernelOptions are the tcpOptions that the operating system supports.
var kernelOptions = func() map[string]tcpOption {
	options := map[string]tcpOption{}
	for name := range kernelSet {
		o := tcpOptions[name]
		if name == "congestion" {
			o.doc = "one of the system's, of net.ipv4.tcp_allowed_congestion_control"
		}
		options[name] = o
	}
	return options
}()

// kernelOptionNames returns the names of kernelOptions, for the reference.
func kernelOptionNames() string {
	return "`" + strings.Join(slices.Sorted(maps.Keys(kernelOptions)), "`, `") + "`"
}

// kernelSetter sets the TCP options of a call on the operating system's sockets.
type kernelSetter struct {
	c    *call
	list []givenOption
}

func (c *call) kernelSetter() (kernelSetter, error) {
	list, err := c.options()
	return kernelSetter{c, list}, err
}

// control sets all options on a socket before its handshake, which uses some of them. net.Dialer and net.ListenConfig
// call it.
func (k kernelSetter) control(_, _ string, raw syscall.RawConn) error {
	var fail error
	err := raw.Control(func(fd uintptr) {
		for _, o := range k.list {
			if err := kernelSet[o.name](int(fd), o.value); err != nil {
				fail = k.c.errorf("%s: %v", o.name, err)
				return
			}
		}
	})
	if fail != nil {
		return fail
	}
	return err
}

// nodelay returns the value of the option nodelay, false without it. It is needed because package net switches nodelay
// on for every connection.
func (k kernelSetter) nodelay() bool {
	for _, o := range k.list {
		if o.name == "nodelay" {
			return o.value.(bool)
		}
	}
	return false
}

func kernelSetOptions(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	set, err := c.kernelSetter()
	if err != nil {
		return nil, err
	}
	raw, err := v.c.SyscallConn()
	if err == nil {
		err = set.control("", "", raw)
	}
	return starlark.None, v.failed(c.t, err)
}

// kernelInfo returns conn.info() as far as the system provides it. Counts of packets are converted to octets.
func kernelInfo(c *call) (starlark.Value, error) {
	v := c.recv.(*kernelConn)
	raw, err := v.c.SyscallConn()
	if err != nil {
		return nil, v.failed(c.t, err)
	}
	var info starlark.StringDict
	var fail error
	if err = raw.Control(func(fd uintptr) { info, fail = kernelTCPInfo(int(fd)) }); err == nil {
		err = fail
	}
	if err != nil {
		return nil, v.failed(c.t, err)
	}
	return starlarkstruct.FromStringDict(starlark.String("info"), info), nil
}

// kernelPending returns the number of connections that wait to be accepted.
func kernelPending(l *net.TCPListener) (n int, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fail error
	if err = raw.Control(func(fd uintptr) { n, fail = kernelAcceptQueue(int(fd)) }); err == nil {
		err = fail
	}
	return n, err
}
