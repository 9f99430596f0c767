//go:build linux

package live

import (
	"net/netip"
	"strings"
	"testing"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// TestPanicOnTheLoop: if a host panics on the loop, the loop takes it out of service and reports it. A panic in a
// caller's function panics in the caller. The loop and the other hosts continue after both.
func TestPanicOnTheLoop(t *testing.T) {
	w := lab.NewWorld()
	told := make(chan *lab.Panic, 10)
	w.OnPanic = func(p *lab.Panic) { told <- p }
	l := lab.New(w, 1)
	host := func(name, addr string) *lab.Host {
		h, err := l.AddHost(lab.HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	a, b, c := host("a", "10.0.0.1/24"), host("b", "10.0.0.2/24"), host("c", "10.0.0.3/24")
	s := l.Switch("s")
	for _, h := range []*lab.Host{a, b, c} {
		if _, err := s.Attach(h, lab.LinkConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := New(w)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dial := func(to string, port uint16) *stack.TCPConn {
		var conn *stack.TCPConn
		r.Do(func(now clock.Instant) {
			if conn, err = a.DialTCP(now, netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(to), port), tcp.Config{}); err != nil {
				t.Error(err)
			}
		})
		return conn
	}
	r.Do(func(clock.Instant) {
		b.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir == stack.RX {
				panic("b has had enough")
			}
		})
		if _, err := c.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80), 4, tcp.Config{}); err != nil {
			t.Error(err)
		}
	})
	dial("10.0.0.2", 80)
	p := <-told
	if p.Host != b || p.Value != "b has had enough" || p.Doing != "received a frame on eth0" || len(p.Frame) < 14 {
		t.Errorf("told of %+v", p)
	}
	r.Do(func(clock.Instant) {
		if b.Broken() != p || b.Ports()[0].Iface().Up() || a.Broken() != nil {
			t.Error("b serves, or its interface is up, or a does not")
		}
	})
	func() {
		defer func() {
			p, ok := recover().(*crash.Panic)
			if !ok || !strings.HasPrefix(p.Error(), "panic: so, in live.TestPanicOnTheLoop.") {
				t.Errorf("the caller has %v", p)
			}
		}()
		r.Do(func(clock.Instant) { panic("so") })
	}()
	conn := dial("10.0.0.3", 80)
	woken := make(chan struct{}, 1)
	wake := &stack.Waiter{Wake: func() { woken <- struct{}{} }}
	open := func() (ok bool) {
		r.Do(func(clock.Instant) {
			if ok = conn.State() == tcp.Established; !ok {
				conn.Signal.Wait(wake)
			}
		})
		return ok
	}
	for !open() {
		<-woken
	}
	if len(told) > 0 {
		t.Errorf("told of %+v too", <-told)
	}
}
