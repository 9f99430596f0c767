//go:build !linux

package kernel

import (
	"errors"
	"net"

	"go.starlark.net/starlark"
)

var errNotHere = errors.New("not to be had on this system")

// setOption is empty: no option of a socket can be set on this system.
var setOption = map[string]func(fd int, v any) error{}

// tcpState returns "": this system does not tell a connection's state.
func tcpState(*net.TCPConn) string { return "" }

// setBacklog leaves the system's own backlog.
func setBacklog(*net.TCPListener, int) {}

func acceptQueue(int) (int, error) { return 0, errNotHere }

func tcpInfo(int) (starlark.StringDict, error) { return nil, errNotHere }
