//go:build !linux || portable

package kernel

import (
	"errors"
	"net"

	"go.starlark.net/starlark"
)

var errNotHere = errors.New("not to be had on this system")

// setOption is empty because this package sets no socket options on this system.
var setOption = map[string]func(fd int, v any) error{}

// tcpState returns "", because this package can't read a connection's state on this system.
func tcpState(*net.TCPConn) string { return "" }

// setBacklog does nothing, so the system's default backlog stays.
func setBacklog(*net.TCPListener, int) {}

func acceptQueue(int) (int, error) { return 0, errNotHere }

func tcpInfo(int) (starlark.StringDict, error) { return nil, errNotHere }

func listSockets() ([]socketRow, error) { return nil, errNotHere }

func listRoutes() ([]routeRow, error) { return nil, errNotHere }

func listNeighbors() ([]neighborRow, error) { return nil, errNotHere }

func listIfaces() ([]ifaceRow, error) { return nil, errNotHere }

func openPing(bool, int) (*net.IPConn, func(b, oob []byte) ([]byte, int), error) {
	return nil, nil, errNotHere
}
