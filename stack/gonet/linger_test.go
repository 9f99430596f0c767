package gonet_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// TestLinger: a closed connection with SetLinger(2) exists for two seconds at most, whether the peer is silent or keeps its window closed,
// and whether its octets fit the send buffer or not. Its peer sees a reset.
func TestLinger(t *testing.T) {
	for _, c := range []struct {
		name   string
		octets int
		silent bool
	}{
		{"silent peer, all octets sent", 1000, true}, {"silent peer, octets pending", 3 << 20, true},
		{"closed window, octets in the send buffer", 90_000, false}, {"closed window, octets pending", 3 << 20, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, driveInSteps, lab.LinkConfig{Delay: time.Millisecond})
				k, s := p.connect(t, "tcp4")
				s.SetReadBuffer(4096)
				k.SetWriteBuffer(1 << 16)
				time.Sleep(time.Second)
				if c.silent {
					p.runner.Do(func(now clock.Instant) { p.hosts[1].Ports()[0].Iface().SetUp(now, false) })
				}
				if n, err := k.Write(make([]byte, c.octets)); n != c.octets || err != nil {
					t.Fatal(n, err)
				}
				time.Sleep(100 * time.Millisecond)
				k.SetLinger(2)
				k.Close()
				for _, at := range []struct {
					after time.Duration
					want  int
				}{{1900 * time.Millisecond, 1}, {200 * time.Millisecond, 0}} {
					time.Sleep(at.after)
					if n := p.socketsOf(0); n != at.want {
						t.Errorf("%d sockets, want %d", n, at.want)
					}
				}
				if _, err := io.Copy(io.Discard, s); !c.silent && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the peer reads %v", err)
				}
				s.Close()
			})
		})
	}
}

// socketsOf is the number of sockets of one host.
func (p *pair) socketsOf(host int) (n int) {
	p.runner.Do(func(now clock.Instant) { n = len(p.hosts[host].SocketInfos(now)) })
	return n
}

// TestLingerEndsWithTheLastACK: a connection with SetLinger whose octets and FIN are acknowledged ends in order, and its timer stops.
func TestLingerEndsWithTheLastACK(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp4")
		c.Write([]byte("all of it"))
		c.SetLinger(10_000)
		c.Close()
		time.Sleep(time.Second)
		got, err := io.ReadAll(s)
		if string(got) != "all of it" || err != nil {
			t.Errorf("the peer reads %q, %v", got, err)
		}
		s.Close()
		time.Sleep(2 * time.Hour)
		p.runner.Do(func(now clock.Instant) {
			if at := p.world.Wake(); at != clock.Never && at.Sub(now) < 3*time.Hour {
				t.Errorf("the host's next event is after %v, though all is acknowledged and closed", at.Sub(now))
			}
		})
	})
}

// TestLingerInFinWait2: the time of SetLinger does not count once all is acknowledged: a peer that keeps its half open longer is not reset.
func TestLingerInFinWait2(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp4")
		c.SetLinger(2)
		c.Close()
		time.Sleep(3 * time.Second)
		if n := p.socketsOf(0); n != 1 {
			t.Errorf("%d sockets in FIN-WAIT-2, want 1", n)
		}
		s.Close()
	})
}

// TestOrphanWithProgress: in steps, octets of a closed connection that wait for the send buffer are sent for longer than a minute, as long
// as some of them are sent in each.
func TestOrphanWithProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, driveInSteps, lab.LinkConfig{Delay: time.Millisecond, RateBps: 100_000})
		c, s := p.connect(t, "tcp4")
		c.SetWriteBuffer(1 << 15)
		const octets = 3 << 20 // 250 s
		c.Write(make([]byte, octets))
		c.Close()
		began := time.Now()
		n, err := io.Copy(io.Discard, s)
		if n != octets || err != nil || time.Since(began) < 2*time.Minute {
			t.Errorf("%d octets, %v after %v", n, err, time.Since(began))
		}
		s.Close()
	})
}

// TestUnacknowledgedCountsPending: octets that Write has accepted and that do not fit the send buffer count too.
func TestUnacknowledgedCountsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, driveInSteps, lab.LinkConfig{})
		c, s := p.connect(t, "tcp4")
		c.SetWriteBuffer(1 << 16)
		s.SetReadBuffer(4096)
		time.Sleep(time.Second)
		c.Write(make([]byte, 1<<20))
		time.Sleep(time.Second)
		if n := c.Unacknowledged(); n < 1<<20-1<<17 || n > 1<<20 {
			t.Errorf("%d octets are unacknowledged", n)
		}
		c.SetLinger(0)
		c.Close()
		s.Close()
	})
}
