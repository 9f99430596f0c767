package gonet

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// aliveConn is what both TCPConn types have of keep-alives.
type aliveConn interface {
	SetKeepAlive(on bool) error
	SetKeepAlivePeriod(d time.Duration) error
	SetKeepAliveConfig(k net.KeepAliveConfig) error
}

// TestKeepAliveLikePackageNet makes the same calls on a connection of the kernel's and on one of a host, and compares after each whether
// keep-alives are on, and the idle time before the first.
func TestKeepAliveLikePackageNet(t *testing.T) {
	w := lab.NewWorld()
	host, err := lab.New(w, 1).AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	d := Drive(w)
	defer d.Close()
	n := New(d, host)
	theirs := loopConn(t, net.Listen, net.Dial).(*net.TCPConn)
	ours := loopConn(t, n.Listen, n.Dial).(*TCPConn)
	raw, err := theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (v int) {
		raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, name) })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, call := range []func(c aliveConn) error{
		func(c aliveConn) error { return nil },
		func(c aliveConn) error { return c.SetKeepAlivePeriod(40 * time.Second) },
		func(c aliveConn) error { return c.SetKeepAlivePeriod(-1) },
		func(c aliveConn) error { return c.SetKeepAlive(false) },
		func(c aliveConn) error { return c.SetKeepAlive(true) },
		func(c aliveConn) error { return c.SetKeepAlive(false) },
		func(c aliveConn) error { return c.SetKeepAlivePeriod(50 * time.Second) },
		func(c aliveConn) error { return c.SetKeepAlive(true) },
		func(c aliveConn) error { return c.SetKeepAlivePeriod(0) },
		func(c aliveConn) error { return c.SetKeepAlivePeriod(20 * time.Second) },
		func(c aliveConn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1})
		},
		func(c aliveConn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Idle: 70 * time.Second})
		},
		func(c aliveConn) error { return c.SetKeepAlive(true) },
		func(c aliveConn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Idle: -1, Interval: -1, Count: -1})
		},
		func(c aliveConn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1})
		},
		func(c aliveConn) error { return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) },
	} {
		if a, b := call(theirs), call(ours); a != nil || b != nil {
			t.Errorf("call %d: %v, %v", i, a, b)
		}
		on, idle := option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) != 0, time.Duration(option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))*time.Second
		ours.mu.Lock()
		ourIdle := ours.options.KeepAlive
		ours.mu.Unlock()
		if on != (ourIdle > 0) || on && idle != ourIdle {
			t.Errorf("after call %d: on %v with %v in package net, %v in gonet", i, on, idle, ourIdle)
		}
	}
}

// loopConn returns a connection to a listener of the same network.
func loopConn(t *testing.T, listen func(network, address string) (net.Listener, error), dial func(network, address string) (net.Conn, error)) net.Conn {
	t.Helper()
	l, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
