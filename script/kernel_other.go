//go:build !linux

package script

import (
	"errors"
	"net"

	"go.starlark.net/starlark"
)

var errNotHere = errors.New("not to be had on this system")

// kernelSet: no option of a socket can be set here.
var kernelSet = map[string]func(fd int, v any) error{}

// kernelState is not to be had here.
func kernelState(*net.TCPConn) string { return "" }

// setBacklog leaves the system's own.
func setBacklog(*net.TCPListener, int) {}

func kernelAcceptQueue(int) (int, error) { return 0, errNotHere }

func kernelTCPInfo(int) (starlark.StringDict, error) { return nil, errNotHere }
