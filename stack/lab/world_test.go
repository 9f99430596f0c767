package lab

import (
	"slices"
	"testing"
	"time"

	"smolsh/stack/clock"
)

func at(d time.Duration) clock.Instant { return clock.Instant(0).Add(d) }

func TestEventsRunByInstantThenByOrderOfScheduling(t *testing.T) {
	w := NewWorld()
	var got []string
	note := func(s string) func(clock.Instant) {
		return func(now clock.Instant) { got = append(got, now.String()+" "+s) }
	}
	w.At(at(2*time.Second), note("c"))
	w.At(at(time.Second), note("a"))
	w.At(at(time.Second), func(now clock.Instant) {
		note("b")(now)
		w.At(0, note("late")) // an instant in the past means as soon as possible
	})
	stopped := w.At(at(time.Second), note("never"))
	stopped.Stop()
	moved := w.At(at(time.Second), note("d"))
	moved.Move(at(3 * time.Second))
	w.At(clock.Never, note("never"))
	if got := w.Next(); got != at(time.Second) {
		t.Fatalf("Next = %v, want 1 s", got)
	}
	steps := 0
	for w.Step() {
		steps++
	}
	want := []string{"1.000000 a", "1.000000 b", "1.000000 late", "2.000000 c", "3.000000 d"}
	if !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
	if steps != len(want) || w.Now() != at(3*time.Second) || w.Next() != clock.Never {
		t.Errorf("%d steps, now %v, next %v", steps, w.Now(), w.Next())
	}
}

func TestAdvanceRunsEachEventAtItsOwnInstant(t *testing.T) {
	w := NewWorld()
	var got []clock.Instant
	var tick func(now clock.Instant)
	tick = func(now clock.Instant) {
		got = append(got, now)
		w.At(now.Add(30*time.Millisecond), tick)
	}
	w.At(at(30*time.Millisecond), tick)
	w.Advance(at(100 * time.Millisecond))
	want := []clock.Instant{at(30 * time.Millisecond), at(60 * time.Millisecond), at(90 * time.Millisecond)}
	if !slices.Equal(got, want) || w.Now() != at(100*time.Millisecond) {
		t.Errorf("ran at %v, now %v", got, w.Now())
	}
	w.Advance(at(50 * time.Millisecond))
	if w.Now() != at(100*time.Millisecond) {
		t.Errorf("the clock went back to %v", w.Now())
	}
}

func TestTurnIsBoundedAndRunsLateEventsNow(t *testing.T) {
	w := NewWorld()
	n, last := 0, clock.Instant(0)
	for i := range turnEvents + 10 {
		w.At(clock.Instant(i), func(now clock.Instant) { n, last = n+1, now })
	}
	if !w.Turn(at(time.Second)) || n != turnEvents {
		t.Errorf("first turn ran %d events, want %d and more to do", n, turnEvents)
	}
	if w.Turn(at(2*time.Second)) || n != turnEvents+10 || last != at(2*time.Second) {
		t.Errorf("second turn: %d events in all, the last at %v", n, last)
	}
}

func TestStepWithoutAnythingIsADeadlock(t *testing.T) {
	w := NewWorld()
	if w.Step() || w.Next() != clock.Never {
		t.Errorf("an empty world moves")
	}
	w.Kick()
	if w.Next() != w.Now() {
		t.Errorf("a kicked world has nothing to do")
	}
	if w.Step() {
		t.Errorf("a kick alone counts as something that happened")
	}
}

func TestVirtualRunnerJumpsInIdleOnly(t *testing.T) {
	r := NewVirtual(NewWorld())
	ran := false
	r.Do(func(now clock.Instant) {
		r.World().At(at(time.Hour), func(clock.Instant) { ran = true })
	})
	if ran || r.Now() != 0 || !r.Virtual() {
		t.Fatalf("time passed in Do")
	}
	if !r.Idle(nil) || !ran || r.Now() != at(time.Hour) {
		t.Errorf("Idle did not jump: ran %v, now %v", ran, r.Now())
	}
	if r.Idle(nil) {
		t.Errorf("Idle found something in an empty queue")
	}
}

func TestSeedStreamsAreApart(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(50) {
		for kind := range uint64(5) {
			for n := range uint64(50) {
				v := mix(seed, kind, n)
				if seen[v] {
					t.Fatalf("seed %d, stream %d %d repeats another", seed, kind, n)
				}
				seen[v] = true
			}
		}
	}
	// The meaning of a seed must not change from version to version.
	if got, want := mix(1, streamHost, 1), uint64(0x8c9eb4685b1dad7); got != want {
		t.Errorf("mix(1, streamHost, 1) = %#x, want %#x", got, want)
	}
}
