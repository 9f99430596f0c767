package lab

import (
	"net/netip"
	"testing"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// BenchmarkConnect opens one connection after the other in a virtual lab. Each end sends one octet, and then the
// client, whose TIME-WAIT is short, closes the connection.
func BenchmarkConnect(b *testing.B) {
	for _, v := range families {
		b.Run(v.name, func(b *testing.B) { benchmarkConnect(b, v) })
	}
}

func benchmarkConnect(b *testing.B, v *addressing) {
	s := v.scene(b, 1, LinkConfig{})
	cfg := tcp.Config{NoDelay: true, TimeWait: -1}
	at := netip.MustParseAddrPort(v.at(2, 80))
	var buf [16]byte
	s.r.Do(func(clock.Instant) {
		l, err := s.b.ListenTCP(netip.AddrPortFrom(netip.Addr{}, at.Port()), 0, cfg)
		if err != nil {
			b.Fatal(err)
		}
		l.OnEvent = func(now clock.Instant) {
			for c := l.Accept(); c != nil; c = l.Accept() {
				c.OnEvent = func(now clock.Instant) {
					n, err := c.Read(now, buf[:])
					if n > 0 {
						c.Write(now, buf[:n])
					}
					if err != nil {
						c.OnEvent = nil
						c.Close(now)
					}
				}
				c.OnEvent(now)
			}
		}
	})
	done := false
	dial := func(now clock.Instant) {
		c, err := s.a.DialTCP(now, netip.AddrPort{}, at, cfg)
		if err != nil {
			b.Fatal(err)
		}
		c.Write(now, []byte{1})
		done = false
		c.OnEvent = func(now clock.Instant) { echoed(c, now, buf[:], &done) }
	}
	b.ReportAllocs()
	for b.Loop() {
		s.r.Do(dial)
		for !done && s.r.Idle(nil) {
		}
	}
	s.check()
}

func echoed(c *stack.TCPConn, now clock.Instant, buf []byte, done *bool) {
	if n, err := c.Read(now, buf); n > 0 {
		c.Close(now)
	} else if err != nil || c.State() == tcp.Closed {
		*done = true
	}
}
