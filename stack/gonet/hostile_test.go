package gonet_test

import (
	"context"
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

// TestNeverAccepted: connections beyond the backlog that nobody accepts are not kept, and closing the listener resets those that wait.
func TestNeverAccepted(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		l := listen(t, p.b, "tcp4", ":80")
		const backlog, extra = 1024, 200
		var all []net.Conn
		var mu sync.Mutex
		var dials sync.WaitGroup
		for range backlog + extra {
			dials.Go(func() {
				c, err := p.a.DialTimeout("tcp4", "10.0.0.2:80", time.Minute)
				if err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, c)
			})
		}
		dials.Wait()
		p.runner.Do(func(now clock.Instant) {
			if n := len(p.hosts[1].SocketInfos(now)); n > 2*backlog+1 {
				t.Errorf("%d sockets at the server", n)
			}
		})
		if len(all) < backlog {
			t.Errorf("%d connections", len(all))
		}
		l.Close()
		for _, c := range all {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
				break
			}
		}
		for _, c := range all {
			c.Close()
		}
		time.Sleep(5 * time.Minute)
		if n := p.sockets(); n != 0 {
			t.Errorf("%d sockets left", n)
		}
	})
}

// TestManyDeadlines: a deadline that is set 100,000 times, ahead, in the past and removed, costs one timer, and the last one counts.
func TestManyDeadlines(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp")
		u, err := p.a.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t, p.b, "tcp", ":0").(*gonet.TCPListener)
		var before, after runtime.MemStats
		goroutines := runtime.NumGoroutine()
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		for k := range 100_000 {
			at := [...]time.Time{start.Add(time.Hour + time.Duration(k)), start.Add(-time.Hour), {}}[k%3]
			c.SetDeadline(at)
			u.SetDeadline(at)
			l.SetDeadline(at)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10 || runtime.NumGoroutine() > goroutines {
			t.Errorf("the heap has grown by %d octets, to %d goroutines from %d", grown, runtime.NumGoroutine(), goroutines)
		}
		end := start.Add(time.Minute)
		for k := range 5 { // an earlier one, a later one, and none in between
			at := [...]time.Time{end.Add(-time.Second), end.Add(time.Hour), {}, end.Add(time.Second), end}[k]
			c.SetReadDeadline(at)
			u.SetReadDeadline(at)
			l.SetDeadline(at)
		}
		var calls sync.WaitGroup
		for _, call := range []func() error{
			func() error { _, err := c.Read(make([]byte, 1)); return err },
			func() error { _, _, err := u.ReadFrom(make([]byte, 1)); return err },
			func() error { _, err := l.Accept(); return err },
		} {
			calls.Go(func() {
				if err := call(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		calls.Wait()
		for _, k := range []io.Closer{c, s, u} {
			k.Close()
		}
	})
}

// TestDialCancelledAtEveryStage cancels a dial at every millisecond of its lookup, handshake and end: it returns the cancellation or a
// connection, and leaves nothing at either host.
func TestDialCancelledAtEveryStage(t *testing.T) {
	for _, steps := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			start := drive
			if steps {
				start = driveInSteps
			}
			p := newPair(t, start, lab.LinkConfig{Delay: 5 * time.Millisecond})
			l := listen(t, p.b, "tcp", ":80")
			go acceptAndClose(l)
			open, cancelled := 0, 0
			for at := range 60 {
				ctx, cancel := context.WithCancel(t.Context())
				if at == 0 {
					cancel()
				}
				time.AfterFunc(time.Duration(at)*time.Millisecond, cancel)
				began := time.Now()
				c, err := p.a.DialContext(ctx, "tcp", "b:80")
				switch {
				case err == nil:
					open++
					c.Close()
				case errors.Is(err, context.Canceled):
					if cancelled++; time.Since(began) > time.Duration(at)*time.Millisecond+time.Microsecond {
						t.Errorf("cancelled after %d ms, returned after %v", at, time.Since(began))
					}
				default:
					t.Errorf("after %d ms: %v", at, err)
				}
				cancel()
				p.runner.Do(func(now clock.Instant) { // so that every dial asks for the neighbour
					p.hosts[0].Ports()[0].Iface().FlushNeighbors(now)
				})
			}
			if open == 0 || cancelled < 10 {
				t.Errorf("%d connections, %d cancelled", open, cancelled)
			}
			time.Sleep(time.Minute)
			if n := p.sockets(); n != 1 { // the listener
				t.Errorf("%d sockets", n)
			}
		})
	}
}

// TestCloseDuringCalls: Close during writes, reads, CloseWrite and option calls of many goroutines ends all of them, and nothing is left.
func TestCloseDuringCalls(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	goroutines := runtime.NumGoroutine()
	for k := range 50 {
		c, s := p.connect(t, "tcp")
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() { // ends with an error, since the peer reads nothing
				for err := error(nil); err == nil; {
					_, err = c.Write(make([]byte, 100_000))
				}
			})
			calls.Go(func() {
				for err := error(nil); err == nil; {
					_, err = c.Read(make([]byte, 10))
				}
			})
			calls.Go(func() {
				for err := error(nil); err == nil; {
					err = c.SetDeadline(time.Now().Add(time.Hour))
					c.SetNoDelay(false)
					c.SetWriteBuffer(1 << 16)
				}
			})
		}
		if k%2 == 0 {
			calls.Go(func() { s.Write([]byte("unread")); s.Close() })
		}
		if k%3 == 0 {
			c.CloseWrite()
		}
		runtime.Gosched()
		calls.Go(func() { c.Close() })
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		calls.Wait()
		s.Close()
	}
	settled(t, p, goroutines, 0)
}

// TestManyReaders: the octets that a peer sends reach exactly one of several readers each, and the end reaches all.
func TestManyReaders(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{Delay: 10 * time.Microsecond})
	c, s := p.connect(t, "tcp")
	const size = 1 << 20
	var mu sync.Mutex
	var counts [256]int
	var readers sync.WaitGroup
	for k := range 8 {
		readers.Go(func() {
			buf := make([]byte, 100+k*977)
			for {
				n, err := s.Read(buf)
				mu.Lock()
				for _, b := range buf[:n] {
					counts[b]++
				}
				mu.Unlock()
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i)
	}
	if n, err := c.Write(sent); n != size || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	c.Close()
	readers.Wait()
	for b, n := range counts {
		if n != size/256 {
			t.Fatalf("octet %d arrived %d times", b, n)
		}
	}
	s.Close()
}

// TestListenerClosedWhileAccepting: connections that are dialled while the listener closes are accepted, refused or reset, and none is left.
func TestListenerClosedWhileAccepting(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	goroutines := runtime.NumGoroutine()
	for range 30 {
		l := listen(t, p.b, "tcp4", ":80")
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Error(err)
						}
						return
					}
					c.Close()
				}
			})
			calls.Go(func() {
				for range 8 {
					c, err := p.a.Dial("tcp4", "10.0.0.2:80")
					if err != nil {
						if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
							t.Error(err)
						}
						continue
					}
					c.Close()
				}
			})
		}
		time.Sleep(time.Millisecond)
		l.Close()
		calls.Wait()
	}
	settled(t, p, goroutines, 0)
}
