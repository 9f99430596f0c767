package gonet_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// whileBusy calls fn while the owner is busy.
func (p *pair) whileBusy(fn func()) {
	busy, release := make(chan struct{}), make(chan struct{})
	go p.runner.Do(func(clock.Instant) { close(busy); <-release })
	<-busy
	fn()
	close(release)
	synctest.Wait()
}

// waits reports whether a call waits for the owner. The call goes on.
func waits(call func()) bool {
	done := make(chan struct{})
	go func() { call(); close(done) }()
	synctest.Wait()
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// TestDatagramsAreBounded: while the owner is busy, 256 datagrams, or those of 256 KiB, wait in the socket; the next write waits itself.
func TestDatagramsAreBounded(t *testing.T) {
	for _, c := range []struct{ size, most int }{{1, 256}, {60_000, 4}} {
		bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
			u, err := p.a.ListenPacket("udp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			write := func() { u.WriteTo(make([]byte, c.size), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9}) }
			p.whileBusy(func() {
				for k := range c.most {
					if waits(write) {
						t.Fatalf("datagram %d of %d octets waits", k, c.size)
					}
				}
				if !waits(write) {
					t.Errorf("more than %d datagrams of %d octets are kept", c.most, c.size)
				}
			})
		})
	}
}

// TestFullQueueIsNoError: the stack drops the datagrams that do not fit the interface's queue, and no write reports that.
func TestFullQueueIsNoError(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		var all []net.PacketConn
		for range 20 {
			u, err := p.a.ListenPacket("udp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			all = append(all, u)
		}
		write := func(times int) {
			for range times {
				for _, u := range all {
					if _, err := u.WriteTo(make([]byte, 100), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		write(1) // the neighbour is known afterwards
		time.Sleep(time.Second)
		p.whileBusy(func() { write(256) })
		write(1)
	})
}

// TestSmallWriteBufferCountsAtOnce: after SetWriteBuffer a Write that does not fit the new size waits, though the owner was busy since.
func TestSmallWriteBufferCountsAtOnce(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp")
		p.whileBusy(func() {
			c.SetWriteBuffer(4096)
			if !waits(func() { c.Write(make([]byte, 8192)) }) {
				t.Error("a Write of 8192 octets does not wait")
			}
		})
		c.Close()
		s.Close()
	})
}

// TestCloseWriteEndsWrites: a Write that waits for room returns EPIPE when another goroutine calls CloseWrite, and the peer receives the octets
// that it counts.
func TestCloseWriteEndsWrites(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp")
		const size = 64 << 20
		time.AfterFunc(time.Second, func() { c.CloseWrite() })
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := c.Write(make([]byte, size))
		if !errors.Is(err, syscall.EPIPE) || n == 0 || n == size {
			t.Errorf("%d, %v", n, err)
		}
		got := 0
		for buf := make([]byte, 1<<20); ; {
			k, err := s.Read(buf)
			if got += k; err != nil {
				break
			}
		}
		if got != n {
			t.Errorf("%d octets arrived, Write returned %d", got, n)
		}
		c.Close()
		s.Close()
	})
}
