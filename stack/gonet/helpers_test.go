package gonet_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// pair is a world of two linked hosts, a (10.0.0.1, 2001:db8::1) and b (10.0.0.2, 2001:db8::2), and their networks.
type pair struct {
	world  *lab.World
	runner lab.Runner
	hosts  [2]*lab.Host
	a, b   *gonet.Net
}

// newPair makes the hosts and starts the runner, which is closed at the end of the test, when the world must come to rest.
func newPair(t testing.TB, start func(*lab.World) lab.Runner, link lab.LinkConfig, opts ...gonet.Option) *pair {
	t.Helper()
	p := &pair{world: lab.NewWorld()}
	l := lab.New(p.world, 1)
	for i, name := range []string{"a", "b"} {
		var err error
		p.hosts[i], err = l.AddHost(lab.HostConfig{
			Name:  name,
			Addrs: []netip.Prefix{prefix4(i), prefix6(i)},
			Stack: stack.Config{TCP: tcp.Config{TimeWait: 10 * time.Millisecond}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Link(p.hosts[0], p.hosts[1], link); err != nil {
		t.Fatal(err)
	}
	p.runner = start(p.world)
	p.a, p.b = gonet.New(p.runner, p.hosts[0], opts...), gonet.New(p.runner, p.hosts[1], opts...)
	t.Cleanup(p.end(t))
	return p
}

func prefix4(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)
}

func prefix6(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 15: byte(1 + i)}), 64)
}

// end closes the runner and checks that the world comes to rest.
func (p *pair) end(t testing.TB) func() {
	return func() {
		p.runner.Close()
		p.runner.Do(func(clock.Instant) { // a goroutine of doOnly may still make a call
			if err := p.world.Drain(1 << 20); err != nil {
				t.Error(err)
			}
		})
	}
}

// drive is the portable runner.
func drive(w *lab.World) lab.Runner { return gonet.Drive(w) }

// doOnly hides Post from gonet.
type doOnly struct{ lab.Runner }

func driveDoOnly(w *lab.World) lab.Runner { return doOnly{gonet.Drive(w)} }

// connect returns the two ends of a connection from a to b on a new listener, which is closed.
func (p *pair) connect(t testing.TB, network string) (dialled, accepted *gonet.TCPConn) {
	t.Helper()
	l, err := p.b.Listen(network, ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := p.a.Dial(network, net.JoinHostPort("b", port))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*gonet.TCPConn), s.(*gonet.TCPConn)
}

// sockets returns the number of sockets of both hosts, those in TIME-WAIT included.
func (p *pair) sockets() (n int) {
	p.runner.Do(func(now clock.Instant) {
		for _, h := range p.hosts {
			n += len(h.SocketInfos(now))
		}
	})
	return n
}
