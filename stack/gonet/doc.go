// Package gonet is package net for Go programs on a host of a lab: net.Conn, net.Listener and net.PacketConn over the host's own stack. A
// program that takes a dial function and a listener, as net/http does, runs on it unchanged.
//
//	n := gonet.New(runner, host)
//	l, err := n.Listen("tcp", ":80")
//	c, err := n.DialContext(ctx, "tcp", "server:80")
//
// The Runner may be live (stack/lab/live, with devices of the operating system) or a Driver, which is portable and in a testing/synctest
// bubble runs in the bubble's virtual time.
//
// A call puts its request on the socket's list, tells the owner of the host, and waits on a channel until the owner, a deadline or Close
// ends the request. There is no goroutine per connection. Locks are held for moments only, never while a call waits. Close, deadlines,
// options and writes that fit the send buffer do not wait for the owner. So a library may make these calls while it holds a lock.
//
// Addresses and errors are those of package net on Linux: *net.OpError with os.ErrDeadlineExceeded, net.ErrClosed, or an errno in an
// *os.SyscallError. docs/go.md lists each difference and its reason; a test compares both.
//
// Left out on purpose: descriptors (SyscallConn and File return errors.ErrUnsupported), Unix sockets, raw IP, and multicast groups.
package gonet
