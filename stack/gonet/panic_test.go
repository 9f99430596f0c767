package gonet

import (
	"net/netip"
	"testing"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// TestPanicReachesTheCaller: a call whose turn panics panics too, and the other calls of that turn are made.
func TestPanicReachesTheCaller(t *testing.T) {
	w := lab.NewWorld()
	host, err := lab.New(w, 1).AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	reports := 0 // the owner's
	w.OnPanic = func(*lab.Panic) { reports++ }
	d := Drive(w)
	defer d.Close()
	n := New(d, host)
	others := make(chan int, 10)
	busy, release := make(chan struct{}), make(chan struct{})
	d.Post(func(clock.Instant) { close(busy); <-release })
	<-busy
	for k := range 10 {
		n.submit(&task{run: func(clock.Instant) { others <- k }, key: taskKey{want: "z"}})
	}
	caught := make(chan any)
	go func() {
		defer func() { caught <- recover() }()
		n.do("a", func(clock.Instant) { panic("the stack's") })
	}()
	for queued := 0; queued < 11; { // all are of one turn
		n.mu.Lock()
		queued = len(n.queue)
		n.mu.Unlock()
	}
	close(release)
	if v := <-caught; v != "gonet: a: the stack of host a panicked" {
		t.Errorf("the caller saw %v", v)
	}
	for k := range 10 {
		if got := <-others; got != k {
			t.Errorf("call %d ran in place of %d", got, k)
		}
	}
	d.Do(func(clock.Instant) {
		if reports != 1 {
			t.Errorf("%d reports", reports)
		}
	})
}
