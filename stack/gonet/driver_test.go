package gonet_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// TestHTTPInABubble: net/http unchanged, over a link that loses frames and keeps its delay, in the bubble's time. The bubble fails if a
// goroutine is left.
func TestHTTPInABubble(t *testing.T) {
	began := time.Now()
	bubble(t, lab.LinkConfig{Delay: 50 * time.Millisecond, Loss: 0.05, RateBps: 10_000_000}, func(t *testing.T, p *pair) {
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("server: %d octets, %v", len(body), err)
			}
			w.Write(body)
		})}
		go web.Serve(listen(t, p.b, "tcp", ":80"))
		defer web.Close()
		transport := &http.Transport{DialContext: p.a.DialContext}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: time.Hour}
		start := time.Now()
		for range 20 {
			answer, err := client.Post("http://b/echo", "text/plain", io.LimitReader(zeros{}, 100_000))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, answer.Body); n != 100_000 || err != nil {
				t.Errorf("%d octets, %v", n, err)
			}
			answer.Body.Close()
		}
		if took := time.Since(start); took < 2*time.Second {
			t.Errorf("20 requests took %v of virtual time, less than the link needs", took)
		}
		time.Sleep(24 * time.Hour)
	})
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// zeros is an endless stream of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestDriver: calls run in their order, events at their times, and after Close calls run on the caller's goroutine.
func TestDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lab.NewWorld()
		d := gonet.Drive(w)
		var got []string
		for k := range 3 {
			d.Post(func(clock.Instant) { got = append(got, fmt.Sprint("post ", k)) })
		}
		d.Do(func(now clock.Instant) {
			got = append(got, "do")
			w.At(now.Add(time.Minute), func(at clock.Instant) { got = append(got, "after "+at.Sub(now).String()) })
		})
		began := time.Now()
		time.Sleep(time.Hour)
		d.Do(func(now clock.Instant) {
			got = append(got, "hour")
			if d.Now() != now || w.Now() != now || time.Since(began) != time.Hour || d.Virtual() || d.World() != w {
				t.Errorf("now %v, the world's %v", now, w.Now())
			}
		})
		func() {
			defer func() {
				if p, ok := recover().(*crash.Panic); !ok || p.Value != "mine" {
					t.Errorf("Do panicked with %v", p)
				}
			}()
			d.Do(func(clock.Instant) { panic("mine") })
		}()
		woken := make(chan struct{}, 1)
		woken <- struct{}{}
		if !d.Idle(woken) {
			t.Error("Idle says that the Driver is closed")
		}
		d.Close()
		d.Close()
		if d.Idle(nil) {
			t.Error("Idle says that the Driver is open")
		}
		d.Do(func(clock.Instant) { got = append(got, "closed") })
		want := []string{"post 0", "post 1", "post 2", "do", "after 1m0s", "hour", "closed"}
		if !slices.Equal(got, want) {
			t.Errorf("ran %q, want %q", got, want)
		}
	})
}

// TestPanicOfACall: the panic of one call is reported, the caller learns of it, and other calls go on.
func TestPanicOfACall(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	reports := make(chan *lab.Panic, 1)
	p.runner.Do(func(clock.Instant) { p.world.OnPanic = func(p *lab.Panic) { reports <- p } })
	p.runner.(*gonet.Driver).Post(func(clock.Instant) { panic("posted") })
	if r := <-reports; r.Value != "posted" {
		t.Errorf("reported %v", r.Value)
	}
	c, s := p.connect(t, "tcp")
	c.Close()
	s.Close()
}

// TestInspect: Inspect looks at the world between turns, and does not wait for a turn that is running.
func TestInspect(t *testing.T) {
	d := gonet.Drive(lab.NewWorld())
	looked := false
	look := func(now clock.Instant) { looked = now == d.World().Now() }
	d.Do(func(clock.Instant) {
		if d.Inspect(look) || looked {
			t.Error("Inspect looked during a turn")
		}
	})
	for !d.Inspect(look) { // the turn of Do may still run
		time.Sleep(time.Millisecond)
	}
	if !looked {
		t.Error("Inspect has not looked")
	}
	looked = false
	if d.Close(); !d.Inspect(look) || !looked {
		t.Error("Inspect has not looked after Close")
	}
}
