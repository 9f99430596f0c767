//go:build linux

package live

import (
	"slices"
	"testing"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// TestPostRunsInOrderAndDoesNotWait: a function that is posted while the loop is busy runs later, functions run in the order of the
// calls, and after Close the caller's goroutine runs them.
func TestPostRunsInOrderAndDoesNotWait(t *testing.T) {
	r := start(t, lab.NewWorld())
	post := r.(interface{ Post(func(clock.Instant)) }).Post
	var got []int
	busy, release := make(chan struct{}), make(chan struct{})
	post(func(clock.Instant) { close(busy); <-release })
	<-busy
	for k := range 5 { // returns although the loop is busy
		post(func(clock.Instant) { got = append(got, k) })
	}
	close(release)
	r.Do(func(clock.Instant) {})
	if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("ran %v", got)
	}
	r.Close()
	post(func(clock.Instant) { got = nil })
	if got != nil {
		t.Error("a function posted after Close did not run")
	}
}

// TestPostedPanicIsReported: the panic of a posted function reaches World.OnPanic, and the loop continues.
func TestPostedPanicIsReported(t *testing.T) {
	w := lab.NewWorld()
	reports := make(chan *lab.Panic, 1)
	w.OnPanic = func(p *lab.Panic) { reports <- p }
	r := start(t, w)
	r.(interface{ Post(func(clock.Instant)) }).Post(func(clock.Instant) { panic("posted") })
	if p := <-reports; p.Value != "posted" {
		t.Errorf("reported %v", p.Value)
	}
	r.Do(func(clock.Instant) {})
}
