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
	t.Run("from the last calls", postFromTheLastCalls)
}

// postFromTheLastCalls checks that a call which posts, in the loop's last turn or after the loop has ended, does not wait for itself.
func postFromTheLastCalls(t *testing.T) {
	r := start(t, lab.NewWorld())
	post := r.(interface{ Post(func(clock.Instant)) }).Post
	var got []int
	note := func(k int) func(clock.Instant) { return func(clock.Instant) { got = append(got, k) } }
	busy, release := make(chan struct{}), make(chan struct{})
	post(func(clock.Instant) {
		close(busy)
		<-release
		post(note(1))
	})
	<-busy
	closed := make(chan struct{})
	go func() { r.Close(); close(closed) }()
	for box := r.(*runner).box; ; {
		box.mu.Lock()
		done := box.closed
		box.mu.Unlock()
		if done {
			break
		}
	}
	close(release)
	<-closed
	r.Do(func(now clock.Instant) {
		post(func(now clock.Instant) { note(3)(now); post(note(4)) })
		note(2)(now)
	})
	if !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("ran %v", got)
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
