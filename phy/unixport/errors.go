//go:build linux

package unixport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Reasons in an Error of Dial and Listen, matched with errors.Is.
var (
	// ErrNotFound means that the path or its directory does not exist.
	ErrNotFound = errors.New("no such socket")
	// ErrStale means that no process serves the socket any more.
	ErrStale = errors.New("nobody listens")
	// ErrPermission means that another user owns the socket or its directory.
	ErrPermission = errors.New("not permitted")
	// ErrOther means that the file at the path is not a switch's socket.
	ErrOther = errors.New("no switch")
	// ErrSilent means that the process which serves the socket does not answer.
	ErrSilent = errors.New("no answer")
	// ErrVersion means that the other end uses another version of the protocol.
	ErrVersion = errors.New("another version")
	// ErrMTU means that the switch's MTU is not the requested one.
	ErrMTU = errors.New("another MTU")
	// ErrUser means that Options.Users does not allow the user who serves the switch.
	ErrUser = errors.New("served by another user")
	// ErrFull means that the switch has no port left.
	ErrFull = errors.New("no port left")
	// ErrServed means that another switch serves the path.
	ErrServed = errors.New("served already")
	// ErrPath means that the path is empty, or longer than a Unix socket's path may be.
	ErrPath = errors.New("no path for a socket")
)

// Error is the reason why Dial or Listen failed.
type Error struct {
	Path string
	Err  error
	// Ours and Theirs are the versions for ErrVersion, the MTUs for ErrMTU, and the users for ErrUser. For ErrFull,
	// Theirs is the number of ports.
	Ours, Theirs int
}

// Error returns the path and the reason.
func (e *Error) Error() string {
	switch e.Err {
	case ErrUser:
		return fmt.Sprintf("%s: %v: %d", e.Path, e.Err, e.Theirs)
	case ErrVersion, ErrMTU:
		return fmt.Sprintf("%s: %v: %d, not %d", e.Path, e.Err, e.Theirs, e.Ours)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

const (
	// MinMTU is the smallest MTU of a switch, in octets. RFC 791 requires it of any medium.
	MinMTU = 68
	// MaxMTU is the largest MTU of a switch, in octets: IPv4's longest packet.
	MaxMTU = maxPacket
	// MaxPath is the longest path of a socket, in octets (unix(7)).
	MaxPath = 107
)

func checkPath(path string) error {
	if path == "" || path[0] == '@' || len(path) > MaxPath { // an @ would denote a name outside the file system
		return &Error{Path: path, Err: ErrPath}
	}
	return nil
}

// dialError returns the Error for a failed connect.
func dialError(path string, err error) error {
	reason := err
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		reason = ErrNotFound
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		reason = ErrPermission
	case errors.Is(err, unix.EPROTOTYPE):
		reason = ErrOther
	case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		reason = ErrSilent
	case errors.Is(err, unix.ECONNREFUSED):
		reason = ErrStale
		if fi, e := os.Stat(path); e == nil && fi.Mode()&fs.ModeSocket == 0 {
			reason = ErrOther
		}
	}
	return &Error{Path: path, Err: reason}
}

// helloError returns the Error for a failed exchange of hellos.
func helloError(path string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Path: path, Err: ErrSilent}
	}
	return &Error{Path: path, Err: ErrOther}
}
