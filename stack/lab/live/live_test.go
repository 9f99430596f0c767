//go:build linux

package live

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

func start(t *testing.T, w *lab.World) lab.Runner {
	t.Helper()
	r, err := New(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestNoWakeUpIsLost: of ten thousand calls from several goroutines, none is lost, and no two run at once.
func TestNoWakeUpIsLost(t *testing.T) {
	r := start(t, lab.NewWorld())
	const callers, each = 8, 1250
	n := 0 // not atomic, since only the loop accesses it
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				r.Do(func(clock.Instant) { n++ })
			}
		})
	}
	wg.Wait()
	r.Do(func(clock.Instant) {
		if n != callers*each {
			t.Errorf("%d calls ran, want %d", n, callers*each)
		}
	})
}

func TestEventsHappenInOrderAndNotBeforeTheirTime(t *testing.T) {
	w := lab.NewWorld()
	r := start(t, w)
	type ran struct{ due, at clock.Instant }
	got := make(chan ran, 3)
	r.Do(func(now clock.Instant) {
		for _, d := range []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond} {
			due := now.Add(d)
			w.At(due, func(at clock.Instant) { got <- ran{due, at} })
		}
	})
	last := clock.Instant(0)
	for range 3 {
		e := <-got
		if e.at < e.due || e.due < last {
			t.Errorf("due at %v, ran at %v, after %v", e.due, e.at, last)
		}
		last = e.due
	}
}

// TestACallMovesTheDeadline: an event that a call schedules shortens the present sleep.
func TestACallMovesTheDeadline(t *testing.T) {
	w := lab.NewWorld()
	r := start(t, w)
	r.Do(func(now clock.Instant) { w.At(now.Add(time.Hour), func(clock.Instant) { t.Error("an hour passed") }) })
	wake := make(chan struct{}, 1)
	r.Do(func(now clock.Instant) { w.At(now.Add(time.Millisecond), func(clock.Instant) { wake <- struct{}{} }) })
	if !r.Idle(wake) {
		t.Error("Idle says that the runner is closed")
	}
}

func TestCloseEndsIdleAndLeavesTheWorld(t *testing.T) {
	w := lab.NewWorld()
	r, err := New(w)
	if err != nil {
		t.Fatal(err)
	}
	idle := make(chan bool)
	go func() { idle <- r.Idle(nil) }()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if <-idle {
		t.Error("Idle was woken by Close")
	}
	ran := false
	r.Do(func(clock.Instant) { ran = true })
	if !ran {
		t.Error("Do did nothing after Close")
	}
	r.Close()
	if r.Virtual() || r.World() != w || w.Epoch.Year() < 2020 {
		t.Errorf("virtual %v, epoch %v", r.Virtual(), w.Epoch)
	}
}

// TestIdleLoopUsesNoCPU: at rest the loop sleeps, and the process uses almost no CPU time.
func TestIdleLoopUsesNoCPU(t *testing.T) {
	r := start(t, lab.NewWorld())
	r.Do(func(clock.Instant) {})
	used := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	time.Sleep(300 * time.Millisecond)
	if spent := used() - before; spent > 150*time.Millisecond {
		t.Errorf("%v of processor time in 300 ms of rest", spent)
	}
}
