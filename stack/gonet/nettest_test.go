package gonet_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"smolsh/stack/lab"
)

// testConn runs nettest's checks of the contract of net.Conn, for connections of both families. Each has a world of its own, which comes to
// rest at the end of the test.
func testConn(t *testing.T, start func(*lab.World) lab.Runner) {
	link := lab.LinkConfig{Delay: 10 * time.Microsecond}
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) { return pipe(t, newPair(t, start, link), network) })
		})
	}
}

// pipe returns two connected ends for nettest, and what closes them.
func pipe(t *testing.T, p *pair, network string) (c1, c2 net.Conn, stop func(), err error) {
	d, a := p.connect(t, network)
	return d, a, func() { d.Close(); a.Close() }, nil
}

// TestConnDriver runs nettest on the portable runner, in real time.
func TestConnDriver(t *testing.T) { testConn(t, drive) }

// TestConnDoOnly runs nettest on a Runner that is no Poster.
func TestConnDoOnly(t *testing.T) { testConn(t, driveDoOnly) }

// TestConnVirtual runs nettest in the virtual time of a bubble, and TestConnInSteps in lock-step with it. The link needs a rate: some of
// nettest's goroutines write without an end, and time passes only while all wait.
func TestConnVirtual(t *testing.T) { testConnInABubble(t, drive) }
func TestConnInSteps(t *testing.T) { testConnInABubble(t, driveInSteps) }

func testConnInABubble(t *testing.T, start func(*lab.World) lab.Runner) {
	link := lab.LinkConfig{Delay: 10 * time.Microsecond, RateBps: 100_000_000}
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Inside a bubble a test has no subtests, and nettest needs some: they are tests of their own. A bubble has one Driver in steps.
				all := func(t *testing.T) {
					p := newPair(t, start, link)
					nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) { return pipe(t, p, network) })
				}
				if !runTest("nettest", all) {
					t.Error("nettest fails")
				}
			})
		})
	}
}
