package task

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// onWall is a virtual Runner that claims to follow the wall clock, so that other tasks run while a call to the
// operating system blocks.
type onWall struct{ lab.Runner }

func (onWall) Virtual() bool { return false }

// Idle executes the next event of the virtual world, or waits for a signal if there is none.
func (r onWall) Idle(wake <-chan struct{}) bool {
	if !r.Runner.Idle(wake) {
		<-wake
	}
	return true
}

// fixture is a scheduler with its main task, which runs on the test's goroutine, and a log of the tasks' actions.
type fixture struct {
	*Scheduler
	t    *testing.T
	w    *World
	main *Task
	log  []string
}

func newFixture(t *testing.T) *fixture {
	w := &World{Runner: lab.NewVirtual(lab.NewWorld())}
	f := &fixture{Scheduler: NewScheduler(w), t: t, w: w}
	f.main = f.New("main")
	return f
}

func (f *fixture) say(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

// start makes a task that executes run. The task runs when the main task waits.
func (f *fixture) start(name string, run func(t *Task) error) *Task {
	t := f.New(name)
	t.Go(func() error { return run(t) }, func() {})
	return t
}

// join makes the main task wait until u has ended.
func (f *fixture) join(u *Task) error {
	return f.main.UntilWithin(f.w, Forever, u.Name, func(_ *World, of func(*Task) bool) bool { return of(u) }, u.Done)
}

// joinAll makes the main task wait until it is the only task.
func (f *fixture) joinAll() error {
	return f.main.Until("the others", func() bool { return f.Others() == 0 })
}

func (f *fixture) wantLog(want ...string) {
	f.t.Helper()
	if !slices.Equal(f.log, want) {
		f.t.Errorf("the log is %q, want %q", f.log, want)
	}
}

func (f *fixture) wantErr(got, want error) {
	f.t.Helper()
	if got != want {
		f.t.Errorf("the error is %v, want %v", got, want)
	}
}

// TestBatonIsFirstInFirstOut: ready tasks get the baton in the order in which they became ready.
func TestBatonIsFirstInFirstOut(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		f.start(name, func(t *Task) error {
			for n := range 2 {
				f.say("%s%d", name, n)
				if err := t.Yield(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	f.say("main")
	f.wantErr(f.joinAll(), nil)
	f.wantLog("main", "a0", "b0", "c0", "a1", "b1", "c1")
}

// TestWakeTwice: a task that is woken twice before it runs is in the list once.
func TestWakeTwice(t *testing.T) {
	f := newFixture(t)
	a := f.start("a", func(t *Task) error {
		t.Park(f.w, "a wake-up")
		f.say("woken once")
		t.Park(f.w, "another")
		f.say("woken again")
		return nil
	})
	f.start("b", func(t *Task) error {
		a.Wake()
		a.Wake()
		return nil
	})
	f.wantErr(f.main.Yield(), nil)
	f.wantErr(f.main.Yield(), nil)
	f.wantLog("woken once")
	a.Wake()
	f.wantErr(f.join(a), nil)
}

// TestTimersByTime: timers wake tasks in the order of their times, whatever the order in which the tasks began to wait.
func TestTimersByTime(t *testing.T) {
	f := newFixture(t)
	for _, d := range []time.Duration{30, 10, 20} {
		f.start("sleeper", func(t *Task) error {
			err := t.Sleep(f.w, d*time.Millisecond)
			f.say("%v", time.Duration(f.w.Now()))
			return err
		})
	}
	f.wantErr(f.joinAll(), nil)
	f.wantLog("10ms", "20ms", "30ms")
}

// TestAwaitSignal: Await tests its condition on each signal, and never after it has returned.
func TestAwaitSignal(t *testing.T) {
	f := newFixture(t)
	var sig stack.Signal
	n := 0
	f.start("sender", func(t *Task) error {
		for i := range 5 {
			if err := t.Sleep(f.w, time.Millisecond); err != nil {
				return err
			}
			t.Do(f.w, func(clock.Instant) { n = i + 1; sig.Fire() })
		}
		return nil
	})
	f.wantErr(f.main.Await(f.w, "three", &sig, time.Second, func(clock.Instant) bool {
		f.say("%d", n)
		return n == 3
	}), nil)
	f.wantErr(f.joinAll(), nil)
	f.wantLog("0", "1", "2", "3")
}

// TestAwaitTimeout: a timeout ends a wait at its time. With a timeout of 0, Await tests the condition once.
func TestAwaitTimeout(t *testing.T) {
	f := newFixture(t)
	for _, d := range []time.Duration{0, 250 * time.Millisecond} {
		start := f.w.Now()
		f.wantErr(f.main.Await(f.w, "nothing", nil, d, func(clock.Instant) bool { return false }), ErrTimedOut)
		if took := f.w.Now().Sub(start); took != d {
			t.Errorf("the wait of %v took %v", d, took)
		}
	}
	f.wantErr(f.main.Await(f.w, "nothing", nil, 0, func(clock.Instant) bool { return true }), nil)
	f.wantErr(f.main.UntilWithin(f.w, time.Second, "nothing", nil, func() bool { return false }), ErrTimedOut)
}

// computation records why it was stopped.
type computation struct{ reasons []string }

func (c *computation) Cancel(reason string) { c.reasons = append(c.reasons, reason) }
func (c *computation) Uncancel()            { c.reasons = append(c.reasons, "go on") }

// TestCancel: a cancellation ends the task's present wait and its later ones, stops its computation, and leaves no
// waiter at the signal.
func TestCancel(t *testing.T) {
	f := newFixture(t)
	var sig stack.Signal
	c := &computation{}
	tries := 0
	u := f.start("u", func(t *Task) error {
		err := t.Await(f.w, "a signal", &sig, time.Hour, func(clock.Instant) bool { tries++; return false })
		f.say("%v %v %v", err, t.Sleep(f.w, time.Hour), t.Until("x", func() bool { return false }))
		return errors.New("hidden by the cancellation")
	})
	u.SetComputation(c)
	f.wantErr(f.main.Sleep(f.w, time.Second), nil)
	u.Cancel(ErrCanceled)
	u.Cancel(ErrInterrupted) // too late: the first reason stays
	f.wantErr(f.join(u), nil)
	f.wantErr(u.Failure(), ErrCanceled)
	f.wantLog("canceled canceled canceled")
	if !slices.Equal(c.reasons, []string{"canceled"}) {
		t.Errorf("the computation was stopped by %q", c.reasons)
	}
	f.main.Do(f.w, func(clock.Instant) { sig.Fire() })
	f.wantErr(f.main.Yield(), nil)
	var dead *DeadlockError // since the timer has been removed too
	if err := f.main.Await(f.w, "nothing", nil, Forever, func(clock.Instant) bool { return false }); !errors.As(err, &dead) {
		t.Errorf("the error is %v", err)
	}
	if tries != 1 || f.w.Now() != clock.Instant(time.Second) {
		t.Errorf("%d tries until %v", tries, f.w.Now())
	}
}

// TestCancelBeforeTheStart: a task that is canceled before it has run never runs.
func TestCancelBeforeTheStart(t *testing.T) {
	f := newFixture(t)
	u := f.start("u", func(*Task) error { f.say("ran"); return nil })
	u.Cancel(ErrCanceled)
	f.wantErr(f.join(u), nil)
	f.wantErr(u.Failure(), ErrCanceled)
	f.wantLog()
}

// TestDeadlock: a deadlock ends only the main task's wait. Its error names every wait and every server.
func TestDeadlock(t *testing.T) {
	f := newFixture(t)
	f.Servers = func() []string { return []string{"server s waits for clients"} }
	var sig stack.Signal
	u := f.start("u", func(t *Task) error {
		return t.Await(f.w, "a signal", &sig, Forever, func(clock.Instant) bool { return false })
	})
	err := f.join(u)
	var dead *DeadlockError
	if !errors.As(err, &dead) {
		t.Fatalf("the error is %v", err)
	}
	if want := "deadlock: nothing left to happen\n  task 0 main waits for u\n  task 1 u waits for a signal\n  server s waits for clients"; err.Error() != want {
		t.Errorf("the error says %q, want %q", err, want)
	}
	f.wantErr(f.main.Revive(), err)
	u.Cancel(ErrCanceled)
	f.wantErr(f.join(u), nil)
}

// host is a Host that is in service until broken is set.
type host struct {
	w      *World
	broken error
}

func (h *host) World() *World       { return h.w }
func (h *host) OutOfService() error { return h.broken }

// TestHostOutOfService: a wait for a host ends with the reason when the host goes out of service. Other waits continue.
func TestHostOutOfService(t *testing.T) {
	f := newFixture(t)
	h, other := &host{w: f.w}, &host{w: f.w}
	wait := func(about Host, until bool) *Task {
		return f.start("u", func(t *Task) error {
			t.SetAbout(about)
			if until {
				return t.Until("others", func() bool { return false })
			}
			return t.Await(f.w, "a frame", nil, Forever, func(clock.Instant) bool { return false })
		})
	}
	broken := []*Task{wait(h, false), wait(h, true)}
	whole := []*Task{wait(other, false), wait(nil, false)}
	f.wantErr(f.main.Yield(), nil)
	f.main.Do(f.w, func(clock.Instant) { h.broken = errors.New("out of service") })
	f.Poked = func() { f.WakeAbout(h) }
	f.Poke()
	for _, u := range broken {
		f.wantErr(f.join(u), nil)
		f.wantErr(u.Failure(), h.broken)
	}
	for _, u := range whole {
		if u.Done() || u.Waiting() != "a frame" {
			t.Errorf("task %d is done or waits for %q", u.ID, u.Waiting())
		}
	}
	f.CancelAll(ErrCanceled)
	f.main.Revive()
	f.wantErr(f.joinAll(), nil)
}

// TestInterrupt: an interrupt ends the waits of all tasks, or, with Foreground set, only the wait of the main task.
func TestInterrupt(t *testing.T) {
	for _, foreground := range []bool{false, true} {
		f := newFixture(t)
		f.Foreground = foreground
		mine, its := &computation{}, &computation{}
		f.main.SetComputation(mine)
		u := f.start("u", func(t *Task) error { return t.Sleep(f.w, time.Hour) })
		u.SetComputation(its)
		f.wantErr(f.main.Yield(), nil)
		f.Interrupt()
		if !f.InterruptPending() || !f.Interrupting() {
			t.Error("no interrupt is pending")
		}
		f.wantErr(f.main.Sleep(f.w, time.Minute), ErrInterrupted)
		f.Begin()
		if f.InterruptPending() || f.Interrupting() || f.main.Err() != nil {
			t.Error("the interrupt lasts")
		}
		f.wantErr(f.join(u), nil)
		want := ErrInterrupted
		if foreground {
			want = nil
		}
		f.wantErr(u.Failure(), want)
		if len(mine.reasons) == 0 || (len(its.reasons) == 0) != foreground {
			t.Errorf("foreground %v: computations stopped by %q and %q", foreground, mine.reasons, its.reasons)
		}
	}
}

// TestInterruptCall: the first interrupt of a call that keeps its results ends that call alone, and the main task continues. The next one
// ends every wait.
func TestInterruptCall(t *testing.T) {
	f := newFixture(t)
	mine, its := &computation{}, &computation{}
	f.main.SetComputation(mine)
	u := f.start("u", func(t *Task) error { return t.Sleep(f.w, time.Hour) })
	u.SetComputation(its)
	f.wantErr(f.main.Yield(), nil)
	over := f.main.Keeping()
	f.InterruptCall()
	f.wantErr(f.main.Sleep(f.w, time.Minute), ErrInterrupted)
	if len(its.reasons) > 0 || u.Done() || !f.main.Resume() || !f.Resumed() || f.Interrupting() || f.main.Err() != nil {
		t.Errorf("the other task got %q; main: %v", its.reasons, f.main.Err())
	}
	f.wantErr(f.main.Sleep(f.w, time.Second), nil)
	f.InterruptCall()
	f.wantErr(f.main.Sleep(f.w, time.Minute), ErrInterrupted)
	if f.main.Resume() || f.Resumed() || len(its.reasons) == 0 {
		t.Errorf("the second interrupt: %q", its.reasons)
	}
	over()
	f.Begin()
	f.wantErr(f.join(u), nil)
	f.wantErr(u.Failure(), ErrInterrupted)
}

// spinning makes the fixture one of a shell in which a task has computed for two seconds until stop. It returns after the interrupt
// that act sends, when the task has ended.
func (f *fixture) spinning(act func(), spinner *computation) error {
	f.Foreground = true
	stop := make(chan struct{})
	u := f.start("u", func(*Task) error {
		act()
		<-stop
		return nil
	})
	u.SetComputation(spinner)
	time.AfterFunc(50*time.Millisecond, func() { close(stop) })
	return f.join(u)
}

// TestInterruptSpins: Ctrl-C stops a background task that computes, and neither the main task's wait nor a second Ctrl-C is affected. A task
// that has just begun is not one that computes.
func TestInterruptSpins(t *testing.T) {
	for _, long := range []bool{true, false} {
		f := newFixture(t)
		mine, its := &computation{}, &computation{}
		f.main.SetComputation(mine)
		f.wantErr(f.spinning(func() {
			if long {
				f.holds.Add(-int64(2 * time.Second))
			}
			f.InterruptCall()
			if !f.Interrupting() {
				t.Error("no interrupt is under way")
			}
		}, its), map[bool]error{true: nil, false: ErrInterrupted}[long])
		if long && (len(mine.reasons) > 0 || !slices.Equal(its.reasons, []string{"interrupted"}) || f.Interrupting() || f.InterruptPending()) {
			t.Errorf("stopped by %q and %q; interrupting %v, pending %v", mine.reasons, its.reasons, f.Interrupting(), f.InterruptPending())
		}
		if !long && len(its.reasons) > 0 {
			t.Errorf("the task was stopped by %q", its.reasons)
		}
		if f.InterruptSpinning() {
			t.Error("a task computes that has ended")
		}
	}
}

// TestInterruptSpinsBesideCommand: while interrupts are diverted to a command, they stop a task beside it only after the task has been
// named. When the command has ended, they stop the task.
func TestInterruptSpinsBesideCommand(t *testing.T) {
	for _, c := range []struct {
		runs     time.Duration
		restored bool
		stops    bool
	}{{2 * time.Second, false, false}, {4 * time.Second, false, true}, {2 * time.Second, true, true}} {
		f := newFixture(t)
		calls, its := 0, &computation{}
		_, restore := f.Divert(func() { calls++ })
		f.wantErr(f.spinning(func() {
			f.holds.Add(-int64(c.runs))
			if c.restored {
				restore()
			}
			f.InterruptCall()
		}, its), nil)
		restore()
		if (calls == 0) != c.restored || (len(its.reasons) > 0) != c.stops {
			t.Errorf("%+v: %d calls, the task was stopped by %q", c, calls, its.reasons)
		}
	}
}

// TestSpinningIsNamed: in a shell, a task that keeps the baton for long is named, the main task never.
func TestSpinningIsNamed(t *testing.T) {
	f := newFixture(t)
	var named []string
	f.Spinning = func(t *Task) { named = append(named, t.Name) }
	f.wantErr(f.spinning(func() {
		f.spun()
		f.holds.Add(-int64(4 * time.Second))
		f.spun()
	}, &computation{}), nil)
	f.spun()
	if !slices.Equal(named, []string{"u"}) || f.spins == nil || f.spins.Stop() {
		t.Errorf("named %q", named)
	}
}

// TestDivert: a diverted interrupt ends no wait. Divert reports and withdraws an interrupt that is already pending.
func TestDivert(t *testing.T) {
	f := newFixture(t)
	for _, early := range []bool{false, true} {
		if early {
			f.Interrupt()
		}
		calls := 0
		pending, restore := f.Divert(func() { calls++ })
		if pending != early {
			t.Errorf("pending is %v", pending)
		}
		f.Interrupt()
		f.wantErr(f.main.Sleep(f.w, time.Second), nil)
		restore()
		if calls != 1 || f.InterruptPending() {
			t.Errorf("%d calls, pending %v", calls, f.InterruptPending())
		}
	}
}

// TestHeldWorld: the time of a held world passes only while the main task waits in it or for another task, or while a
// task drives it.
func TestHeldWorld(t *testing.T) {
	f := newFixture(t)
	f.w.Runner = onWall{f.w.Runner} // the scheduler asks virtual worlds first, so that the held one would advance first
	held := &World{Runner: lab.NewVirtual(lab.NewWorld()), Held: true}
	f.AddWorld(held)
	u := f.start("u", func(t *Task) error { return t.Sleep(held, 10*time.Second) })
	wantNow := func(d time.Duration) {
		t.Helper()
		if held.Now() != clock.Instant(d) {
			t.Errorf("it is %v, want %v", held.Now(), d)
		}
	}
	f.wantErr(f.main.Sleep(f.w, time.Minute), nil)
	wantNow(0)
	f.wantErr(f.main.Sleep(held, time.Second), nil)
	wantNow(time.Second)
	end := held.Drive()
	f.wantErr(f.main.Sleep(held, time.Second), nil)
	end()
	wantNow(2 * time.Second)
	f.wantErr(f.join(u), nil)
	wantNow(10 * time.Second)
}

// TestServersMoveTheWorld: the time of a world with servers advances while all tasks wait, although none of them waits
// in that world.
func TestServersMoveTheWorld(t *testing.T) {
	f := newFixture(t)
	over := false
	f.Do(f.w, func(clock.Instant) {
		f.w.World().At(clock.Instant(time.Second), func(clock.Instant) { over = true; f.main.Wake() })
	})
	f.w.AddServer()
	f.wantErr(f.main.Until("the server", func() bool { return over }), nil)
	f.w.RemoveServer()
	if f.w.HasServers() {
		t.Error("a server is left")
	}
}

// TestAwaitEvent: AwaitEvent returns after each event of the world.
func TestAwaitEvent(t *testing.T) {
	f := newFixture(t)
	n := 0
	f.Do(f.w, func(clock.Instant) {
		for i := range 3 {
			f.w.World().At(clock.Instant(i), func(clock.Instant) { n++ })
		}
	})
	for want := 1; want <= 3; want++ {
		f.wantErr(f.main.AwaitEvent(f.w, "an event"), nil)
		if n != want {
			t.Errorf("%d events, want %d", n, want)
		}
	}
	if f.Step(f.w) {
		t.Error("a further event happened")
	}
}

// TestBound: Room counts the tasks other than the main one, and counts its refusals.
func TestBound(t *testing.T) {
	f := newFixture(t)
	f.Bound.Limit = 2
	for f.Room() {
		f.start("u", func(t *Task) error { return t.Sleep(f.w, time.Second) })
	}
	if f.Others() != 2 || f.Room() || f.Bound.Refused != 2 {
		t.Errorf("%d tasks, %d refused", f.Others(), f.Bound.Refused)
	}
	f.wantErr(f.joinAll(), nil)
	if !f.Room() {
		t.Error("the tasks that have ended count still")
	}
}

// TestOutside: other tasks run during a call to the operating system, and a cancellation stops the call.
func TestOutside(t *testing.T) {
	f := newFixture(t)
	f.w.Runner = onWall{f.w.Runner}
	gate, stopped := make(chan struct{}), make(chan struct{})
	u := f.start("u", func(t *Task) error {
		return t.Outside("the gate", func() { <-gate }, func() {})
	})
	v := f.start("v", func(t *Task) error {
		return t.Outside("the stop", func() { <-stopped }, func() { close(stopped) })
	})
	f.wantErr(f.main.Yield(), nil)
	close(gate)
	f.wantErr(f.join(u), nil)
	f.wantErr(u.Failure(), nil)
	v.Cancel(ErrCanceled)
	f.wantErr(f.join(v), nil)
	f.wantErr(v.Failure(), ErrCanceled)
}

// TestOutsidePanic: a panic in a call to the operating system panics in the task that made the call.
func TestOutsidePanic(t *testing.T) {
	f := newFixture(t)
	f.w.Runner = onWall{f.w.Runner}
	for name, call := range map[string]func(fn func()) error{
		"Outside": func(fn func()) error { return f.main.Outside("x", fn, func() {}) },
		"Aside":   func(fn func()) error { return f.main.Aside("x", fn) },
	} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "oh") {
					t.Errorf("%s: recovered %v", name, v)
				}
			}()
			_ = call(func() { panic("oh") })
		}()
	}
}

// TestAside: an interrupt ends a wait for a file in a virtual world, though the world's time does not pass during the
// wait.
func TestAside(t *testing.T) {
	f := newFixture(t)
	n := 0
	f.wantErr(f.main.Aside("a file", func() { n++ }), nil)
	gate := make(chan struct{})
	defer close(gate)
	f.wantErr(f.main.Aside("a file", func() { f.Interrupt(); <-gate }), ErrInterrupted)
	if n != 1 || f.w.Now() != 0 {
		t.Errorf("%d calls until %v", n, f.w.Now())
	}
}

// TestRequest: requests from another goroutine run with the baton while the main task waits for input. A panic in a
// request ends neither task nor program.
func TestRequest(t *testing.T) {
	for _, wall := range []bool{false, true} {
		f := newFixture(t)
		if wall {
			f.w.Runner = onWall{f.w.Runner}
		}
		ran := 0 // has no lock, so that the race detector would report a request that runs without the baton
		f.AwaitInput(func() {
			for range 3 {
				if !f.Request(func() { ran++; panic("of the request") }, time.Minute) {
					t.Error("a request was not run")
				}
			}
		}, nil, func() bool { return false })
		if ran != 3 {
			t.Errorf("%d requests ran", ran)
		}
	}
	f := newFixture(t)
	if f.Request(func() { t.Error("it ran after its limit") }, 0) {
		t.Error("a request ran while a task computed")
	}
	f.wantErr(f.main.Yield(), nil)
}

// TestAwaitInputStops: AwaitInput calls its stop function once, after the session has ended.
func TestAwaitInputStops(t *testing.T) {
	f := newFixture(t)
	f.w.Runner = onWall{f.w.Runner}
	over := false
	f.start("u", func(t *Task) error {
		over = true
		f.main.Wake()
		return nil
	})
	gate := make(chan struct{})
	f.AwaitInput(func() { <-gate }, func() { close(gate) }, func() bool { return over })
}

// TestPredicate: predicates run on the world's owner goroutine while the task that holds the baton waits for the
// result. If a task computes, the owner of a live lab waits for the baton only for a limited time.
func TestPredicate(t *testing.T) {
	f := newFixture(t)
	f.Do(f.w, func(clock.Instant) {
		if !f.Predicate(true, func() { f.say("live") }) || !f.Predicate(false, func() { f.say("virtual") }) {
			t.Error("a predicate did not run")
		}
	})
	f.wantLog("live", "virtual")
	if f.Predicate(true, func() { t.Error("it ran while a task computed") }) {
		t.Error("a predicate ran while a task computed")
	}
}

// TestCrashed: a panic in the scheduler itself is passed to Crashed.
func TestCrashed(t *testing.T) {
	f := newFixture(t)
	crashed := make(chan any, 1)
	f.Crashed = func(v any, stack []byte) {
		if !strings.Contains(string(stack), "goroutine") {
			t.Errorf("the stack is %q", stack)
		}
		crashed <- v
	}
	var once atomic.Bool
	f.Poked = func() {
		if once.CompareAndSwap(false, true) {
			panic("oh")
		}
	}
	f.start("u", func(t *Task) error { f.Poke(); return nil })
	Background(func() { f.main.Park(f.w, "never") }, func() {})
	if v := <-crashed; v != "oh" {
		t.Errorf("crashed with %v", v)
	}
}
