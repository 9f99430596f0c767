package gonet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"smolsh/stack"
	"smolsh/stack/tcp"
)

// errnos maps the errors of the stack to those that Linux reports for the same event.
var errnos = [...]struct {
	err   error
	errno syscall.Errno
}{
	{tcp.ErrReset, syscall.ECONNRESET},
	{tcp.ErrRefused, syscall.ECONNREFUSED},
	{tcp.ErrPortUnreach, syscall.ECONNREFUSED},
	{tcp.ErrUserTimeout, syscall.ETIMEDOUT},
	{tcp.ErrHostUnreach, syscall.EHOSTUNREACH},
	{tcp.ErrProhibited, syscall.EHOSTUNREACH},
	{tcp.ErrNetUnreach, syscall.ENETUNREACH},
	{tcp.ErrProtoUnreach, syscall.ENOPROTOOPT},
	{tcp.ErrAborted, syscall.ECONNABORTED},
	{tcp.ErrClosing, syscall.EPIPE},
	{tcp.ErrNotConnected, syscall.ENOTCONN},
	{stack.ErrAddrRemoved, syscall.ECONNABORTED},
	{stack.ErrNoStorage, syscall.ENOBUFS},
	{stack.ErrPortInUse, syscall.EADDRINUSE},
	{stack.ErrNoPorts, syscall.EADDRNOTAVAIL},
	{stack.ErrNotOurs, syscall.EADDRNOTAVAIL},
	{stack.ErrTooBig, syscall.EMSGSIZE},
	{stack.ErrQueueFull, syscall.ENOBUFS},
	{stack.ErrLimit, syscall.EMFILE},
	{stack.ErrNotBound, syscall.EDESTADDRREQ},
	{stack.ErrDown, syscall.ENETDOWN},
	{stack.ErrZone, syscall.EINVAL},
	{stack.ErrInvalid, syscall.EINVAL},
}

// sysError returns an error of the stack as package net has it: an errno in an os.SyscallError that names the call.
func sysError(call string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return err
	case errors.Is(err, stack.ErrClosed):
		return net.ErrClosed
	}
	for _, m := range errnos {
		if errors.Is(err, m.err) {
			return os.NewSyscallError(call, m.errno)
		}
	}
	return err
}

// timeoutError is the error of a dial whose time is over. errors.Is matches it with context.DeadlineExceeded, as that of package net.
type timeoutError struct{}

func (timeoutError) Error() string        { return "i/o timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// unreachableError is the error of a dial whose time is over, after a router or a neighbour has reported the destination as unreachable.
// errors.Is matches it with the errno of that report too.
type unreachableError struct {
	timeoutError
	cause error // an os.SyscallError
}

func (e unreachableError) Error() string {
	return e.timeoutError.Error() + " (" + e.cause.Error() + ")"
}
func (e unreachableError) Unwrap() error { return e.cause }

// canceledError is the error of a dial whose context was cancelled. errors.Is matches it with context.Canceled.
type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }

// contextError returns the error that package net has for a context's.
func contextError(err error) error {
	switch err {
	case context.DeadlineExceeded:
		return timeoutError{}
	case context.Canceled:
		return canceledError{}
	}
	return err
}
