package gonet_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// exchange opens and closes n connections from a to b, a few at a time, each with a request and an answer.
func exchange(t testing.TB, p *pair, n int) {
	l, err := p.b.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			buf := make([]byte, 4)
			for i := k; i < n; i += 8 {
				c, err := p.a.Dial("tcp4", "10.0.0.2:80")
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				c.Write([]byte("ping"))
				if _, err := io.ReadFull(c, buf); err != nil {
					t.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
}

// settled waits until goroutines and sockets are no more than they were, and reports those that are left.
func settled(t testing.TB, p *pair, goroutines, sockets int) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		g, s := runtime.NumGoroutine(), p.sockets()
		if g <= goroutines && s <= sockets {
			return
		}
		if time.Now().After(limit) {
			t.Errorf("%d goroutines and %d sockets left, were %d and %d", g, s, goroutines, sockets)
			return
		}
	}
}

// TestNoGoroutinePerConnection: a hundred open connections, idle and with deadlines, need no goroutine.
func TestNoGoroutinePerConnection(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	g, s := runtime.NumGoroutine(), p.sockets()
	var all []net.Conn
	for range 100 {
		c, d := p.connect(t, "tcp")
		c.SetDeadline(time.Now().Add(time.Hour))
		all = append(all, c, d)
	}
	if now := runtime.NumGoroutine(); now > g {
		t.Errorf("%d goroutines, were %d", now, g)
	}
	for _, c := range all {
		c.Close()
	}
	settled(t, p, g, s)
}

// TestCallsThatDoNotWait: while the owner is busy, Close, deadlines, options, half-closes and short writes return, and blocked calls end.
func TestCallsThatDoNotWait(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	c, s := p.connect(t, "tcp")
	l, err := p.a.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.a.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	busy, release := make(chan struct{}), make(chan struct{})
	go p.runner.Do(func(clock.Instant) { close(busy); <-release })
	<-busy
	ends := make(chan error, 2)
	go func() { _, err := c.Read(make([]byte, 1)); ends <- err }()
	go func() { _, err := l.Accept(); ends <- err }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 16 {
			if n, err := c.Write(make([]byte, 4096)); n != 4096 || err != nil {
				t.Errorf("write: %d, %v", n, err)
			}
		}
		u.WriteTo([]byte("x"), u.LocalAddr())
		c.SetNoDelay(true)
		c.SetDeadline(time.Now().Add(time.Hour))
		s.CloseWrite()
		s.CloseRead()
		s.Close()
		c.Close()
		l.Close()
		u.Close()
		for range 2 {
			if err := <-ends; !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked call: %v", err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("a call waits for the owner")
	}
	close(release)
	<-done
}

// TestShortWritesKeepTheirOrder: octets of short writes, long writes and ReadFrom arrive in the order of the calls, and before the FIN.
func TestShortWritesKeepTheirOrder(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{Delay: 100 * time.Microsecond})
	c, s := p.connect(t, "tcp")
	want := make([]byte, 3<<20)
	for i := range want {
		want[i] = byte(i>>12) ^ byte(i)
	}
	go func() {
		rest := want
		for k := 1; len(rest) > 0; k++ {
			n := min(k*997%150_000, len(rest))
			if m, err := c.Write(rest[:n]); m != n || err != nil {
				t.Errorf("write of %d: %d, %v", n, m, err)
				break
			}
			rest = rest[n:]
		}
		c.Close()
	}()
	got, err := io.ReadAll(s)
	if err != nil || string(got) != string(want) {
		t.Errorf("%d octets of %d, error %v", len(got), len(want), err)
	}
	s.Close()
}

// TestPartialWrite: a blocked Write that its deadline ends returns the number of octets that the peer will receive.
func TestPartialWrite(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	c, s := p.connect(t, "tcp")
	long := make([]byte, 32<<20)
	c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Write(long)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	c.Close()
	got, err := io.Copy(io.Discard, s)
	if int(got) != n || err != nil {
		t.Errorf("%d octets arrived, Write returned %d; %v", got, n, err)
	}
	s.Close()
}

// TestSilentPeer: keep-alives end a connection whose peer is silent, and the error is an errno.
func TestSilentPeer(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp4")
		p.runner.Do(func(now clock.Instant) { p.hosts[1].Ports()[0].Iface().SetUp(now, false) })
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Count: 3})
		_, err := c.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ETIMEDOUT) && !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("error %v", err)
		}
		c.Close()
		s.Close()
	})
}

// TestAbortAllEndsTheCalls: when the owner ends all sockets of a host, as in a crash, every blocked call on them returns an error.
func TestAbortAllEndsTheCalls(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp")
		l, err := p.a.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		u, err := p.a.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		ends := make(chan error, 4)
		go func() { _, err := c.Read(make([]byte, 1)); ends <- err }()
		go func() { _, err := c.Write(make([]byte, 32<<20)); ends <- err }()
		go func() { _, err := l.Accept(); ends <- err }()
		go func() { _, _, err := u.ReadFrom(make([]byte, 1)); ends <- err }()
		time.Sleep(time.Second)
		p.runner.Do(func(now clock.Instant) { p.hosts[0].AbortAll(now) })
		for range 4 {
			if err := <-ends; err == nil {
				t.Error("a call returned no error")
			}
		}
		for _, k := range []io.Closer{c, s, l, u} {
			k.Close()
		}
	})
}

// BenchmarkStream sends a stream of 32 KiB writes between two hosts of one process.
func BenchmarkStream(b *testing.B) {
	p := newPair(b, drive, lab.LinkConfig{Offload: true})
	c, s := p.connect(b, "tcp")
	go func() {
		io.Copy(io.Discard, s)
		s.Close()
	}()
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
}

// TestCloseKeepsWhatWasWritten: octets that Write has accepted and that no longer fit the send buffer are sent after Close. If the peer
// does not read them, the connection ends after a minute.
func TestCloseKeepsWhatWasWritten(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		shrinkAndClose := func(c *gonet.TCPConn) {
			p.runner.Do(func(clock.Instant) { // so that the calls come before the owner's next turn
				if n, err := c.Write(make([]byte, 60_000)); n != 60_000 || err != nil {
					t.Errorf("write: %d, %v", n, err)
				}
				c.SetWriteBuffer(1024)
				c.Close()
			})
		}
		c, s := p.connect(t, "tcp")
		shrinkAndClose(c)
		if n, err := io.Copy(io.Discard, s); n != 60_000 || err != nil {
			t.Errorf("%d octets arrived, %v", n, err)
		}
		s.Close()
		time.Sleep(time.Second)
		if n := p.sockets(); n != 0 {
			t.Errorf("%d sockets left", n)
		}

		c, s = p.connect(t, "tcp")
		s.SetReadBuffer(4096)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		c.Write(make([]byte, 2<<20)) // fills the peer's window and the send buffer
		c.SetWriteDeadline(time.Time{})
		c.SetWriteBuffer(4 << 20)
		synctest.Wait()
		shrinkAndClose(c)
		time.Sleep(10 * time.Second)
		if n := p.sockets(); n != 2 {
			t.Errorf("%d sockets after ten seconds, want 2", n)
		}
		time.Sleep(3 * time.Minute)
		p.runner.Do(func(now clock.Instant) {
			if n := len(p.hosts[0].SocketInfos(now)); n != 0 {
				t.Errorf("%d sockets left at the writer", n)
			}
		})
		s.Close()
	})
}
