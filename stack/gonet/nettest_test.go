package gonet_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"smolsh/stack/lab"
)

// testConn runs nettest's checks of the contract of net.Conn, for connections of both families and between sockets of UDP.
func testConn(t *testing.T, start func(*lab.World) lab.Runner) {
	link := lab.LinkConfig{Delay: 10 * time.Microsecond}
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				p := newPair(t, start, link)
				d, a := p.connect(t, network)
				return d, a, func() { d.Close(); a.Close() }, nil
			})
		})
	}
}

// TestConnDriver runs nettest on the portable runner, in real time.
func TestConnDriver(t *testing.T) { testConn(t, drive) }

// TestConnDoOnly runs nettest on a Runner that is no Poster.
func TestConnDoOnly(t *testing.T) { testConn(t, driveDoOnly) }
