//go:build !linux

package script

import (
	"errors"
	"net"

	"go.starlark.net/starlark"
)

var errNotHere = errors.New("not to be had on this system")

// kernelSet is empty: no socket option is supported on this system.
var kernelSet = map[string]func(fd int, v any) error{}

// kernelState returns "": the state is not available on this system.
func kernelState(*net.TCPConn) string { return "" }

// setBacklog does nothing on this system.
func setBacklog(*net.TCPListener, int) {}

func kernelAcceptQueue(int) (int, error) { return 0, errNotHere }

func kernelTCPInfo(int) (starlark.StringDict, error) { return nil, errNotHere }
