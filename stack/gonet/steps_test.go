package gonet_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// driveInSteps is the portable runner in lock-step with a bubble.
func driveInSteps(w *lab.World) lab.Runner { return gonet.DriveInSteps(w, synctest.Wait) }

// TestSteps: a caller goes on only after the turn in which its call ran, and two writes that a caller makes at one instant arrive together.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, driveInSteps, lab.LinkConfig{Delay: time.Millisecond})
		var order []string
		done := make(chan string, 3)
		for _, n := range []*gonet.Net{p.b, p.a} {
			go func() {
				l, err := n.Listen("tcp", ":0")
				if err != nil {
					t.Error(err)
				}
				l.Close()
				done <- n.Host().Name()
			}()
		}
		go p.runner.Do(func(clock.Instant) {
			if len(done) > 0 {
				t.Error("a caller was woken within the turn")
			}
			order = append(order, "do")
			done <- "do"
		})
		time.Sleep(time.Nanosecond)
		for range 3 {
			order = append(order, <-done)
		}
		slices.Sort(order)
		if want := []string{"a", "b", "do", "do"}; !slices.Equal(order, want) {
			t.Errorf("ran %q, want %q", order, want)
		}
		c, s := p.connect(t, "tcp")
		start := time.Now()
		c.Write([]byte("a"))
		c.Write([]byte("b"))
		if n, err := s.Read(make([]byte, 9)); n != 2 || err != nil || time.Since(start) != time.Millisecond {
			t.Errorf("read %d octets, %v after %v", n, err, time.Since(start))
		}
		c.Close()
		s.Close()
	})
}

// TestFail: a Net that Fail has ended opens nothing and finds no name, and open connections stay.
func TestFail(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	c, s := p.connect(t, "tcp")
	defer c.Close()
	defer s.Close()
	gone := errors.New("gone")
	p.a.Fail(gone)
	calls := map[string]func() error{
		"dial":        func() error { _, err := p.a.Dial("tcp", "10.0.0.2:80"); return err },
		"dial udp":    func() error { _, err := p.a.Dial("udp", "10.0.0.2:80"); return err },
		"dial name":   func() error { _, err := p.a.Dial("tcp", "b:80"); return err },
		"listen":      func() error { _, err := p.a.Listen("tcp", ":80"); return err },
		"listen udp":  func() error { _, err := p.a.ListenPacket("udp", ":80"); return err },
		"lookup":      func() error { _, err := p.a.Resolver().LookupHost(t.Context(), "b"); return err },
		"lookup addr": func() error { _, err := p.a.Resolver().LookupAddr(t.Context(), "10.0.0.2"); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if l, err := gonet.New(p.runner, p.hosts[0]).Listen("tcp", ":80"); err != nil {
		t.Error(err)
	} else {
		l.Close()
	}
}
