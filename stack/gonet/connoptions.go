package gonet

import (
	"cmp"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"smolsh/stack/tcp"
)

// errNoDescriptor is the error of calls for a socket's descriptor: the host's sockets are not the operating system's.
var errNoDescriptor = errors.ErrUnsupported

// Keep-alives are on by default, as in package net: the first after 15 s of silence, and the connection ends after nine unanswered ones.
const (
	keepAliveIdle  = 15 * time.Second
	keepAliveCount = 9
)

// The largest options of keep-alives, as on Linux.
const (
	maxKeepAlive      = 32767 * time.Second
	maxKeepAliveCount = 127
)

// defaults returns the options of new connections, for the owner: the host's, with Nagle's algorithm off and keep-alives on, as package net sets them.
func (n *Net) defaults() tcp.Config {
	cfg := n.host.TCPDefaults()
	cfg.NoDelay = true
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive, cfg.KeepAliveMax = keepAliveIdle, keepAliveCount
	}
	return cfg
}

// set changes the options, which the owner applies in its next turn.
func (c *TCPConn) set(change func(cfg *tcp.Config)) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.setError(net.ErrClosed)
	}
	cfg := *c.options
	change(&cfg)
	c.options, c.changed = &cfg, true
	c.mu.Unlock()
	c.net.submit(&c.task)
	return nil
}

// setError returns the error of an option.
func (c *TCPConn) setError(err error) error {
	return &net.OpError{Op: "set", Net: c.network, Source: c.local, Addr: c.remote, Err: err}
}

// SetNoDelay sets whether segments are sent without Nagle's algorithm (RFC 9293 §3.7.4). The default is true.
func (c *TCPConn) SetNoDelay(on bool) error {
	return c.set(func(cfg *tcp.Config) { cfg.NoDelay = on })
}

// SetKeepAlive sets whether the stack sends keep-alives (RFC 9293 §3.8.4). The default is true. Their period stays what it was.
func (c *TCPConn) SetKeepAlive(on bool) error {
	return c.set(func(cfg *tcp.Config) {
		switch {
		case !on && cfg.KeepAlive > 0:
			c.idle, cfg.KeepAlive = cfg.KeepAlive, 0
		case on && cfg.KeepAlive == 0:
			cfg.KeepAlive = cmp.Or(c.idle, keepAliveIdle)
		}
	})
}

// SetKeepAlivePeriod sets the time of silence before a keep-alive, and that between two; 0: 15 s; a negative d changes nothing. It does not
// begin keep-alives that are off.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	if d > maxKeepAlive {
		return c.outOfRange()
	}
	return c.set(func(cfg *tcp.Config) {
		switch {
		case d < 0:
		case cfg.KeepAlive == 0:
			c.idle = d
		default:
			cfg.KeepAlive = cmp.Or(d, keepAliveIdle)
		}
	})
}

// SetKeepAliveConfig sets the options of keep-alives. The stack has one time for Idle and Interval, and takes Idle. Zero fields mean the
// defaults, negative ones leave the option unchanged.
func (c *TCPConn) SetKeepAliveConfig(k net.KeepAliveConfig) error {
	if max(k.Idle, k.Interval) > maxKeepAlive || k.Count > maxKeepAliveCount {
		return c.outOfRange()
	}
	return c.set(func(cfg *tcp.Config) {
		if cfg.KeepAlive > 0 {
			c.idle = cfg.KeepAlive
		}
		keepAlive(cfg, k)
		switch {
		case k.Idle < 0 && k.Enable:
			cfg.KeepAlive = cmp.Or(c.idle, keepAliveIdle)
		case k.Idle >= 0:
			c.idle = k.Idle
		}
	})
}

// outOfRange returns the error of an option of keep-alives that is too large.
func (c *TCPConn) outOfRange() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.setError(net.ErrClosed)
	}
	return c.setError(os.NewSyscallError("setsockopt", syscall.EINVAL))
}

func keepAlive(cfg *tcp.Config, k net.KeepAliveConfig) {
	switch {
	case !k.Enable:
		cfg.KeepAlive = 0
		return
	case k.Idle > 0:
		cfg.KeepAlive = k.Idle
	case k.Idle == 0 || cfg.KeepAlive == 0:
		cfg.KeepAlive = keepAliveIdle
	}
	switch {
	case k.Count > 0:
		cfg.KeepAliveMax = k.Count
	case k.Count == 0:
		cfg.KeepAliveMax = keepAliveCount
	}
}

// SetReadBuffer sets the size of the receive buffer in octets, from tcp.MinBuffer to tcp.MaxBuffer; a size beyond them becomes the
// nearest. By default the buffer sizes itself.
func (c *TCPConn) SetReadBuffer(octets int) error {
	return bufferError(c.set(func(cfg *tcp.Config) { cfg.RecvBuffer = min(max(octets, tcp.MinBuffer), tcp.MaxBuffer) }))
}

// SetWriteBuffer sets the size of the send buffer in octets, like SetReadBuffer.
func (c *TCPConn) SetWriteBuffer(octets int) error {
	n := min(max(octets, tcp.MinBuffer), tcp.MaxBuffer)
	err := c.set(func(cfg *tcp.Config) { cfg.SendBuffer = n })
	c.mu.Lock()
	c.room = min(c.room, n)
	c.mu.Unlock()
	return bufferError(err)
}

// bufferError returns the error of set as package net has it for the sizes of buffers: with the local address only.
func bufferError(err error) error {
	if e, ok := err.(*net.OpError); ok {
		e.Addr, e.Source = e.Source, nil
	}
	return err
}

// SetLinger sets what Close does with octets that were not sent or acknowledged. Negative sec, the default: the stack sends them in the
// background. 0: it discards them and sends a RST. Positive: it sends them in the background for at most sec seconds, after which the
// connection is reset, if octets or the FIN are unacknowledged.
func (c *TCPConn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.setError(net.ErrClosed)
	}
	c.linger = sec
	return nil
}
