package task

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"smolsh/stack/clock"
)

// Scheduler passes the baton from task to task. While the baton's holder is inside a Runner's Do or Idle, predicates
// may use the interpreter: Predicate runs them on the owner of a World. Exported fields must be set before the first
// task runs.
type Scheduler struct {
	// Foreground restricts an interrupt to the main task.
	Foreground bool
	// Crashed is called with a panic of the scheduler and its stack. No task runs afterwards. If Crashed is nil, the
	// panic ends the program.
	Crashed func(v any, stack []byte)
	// Poked is called with the baton some time after Poke.
	Poked func()
	// Spinning is called with a task other than the main one that has computed for spinsFor without a wait, once for each such
	// computation, if Foreground is set. It runs on a goroutine of its own and must not use values of the tasks. It may be nil.
	Spinning func(t *Task)
	// Servers returns a line for each server that describes what the server waits for. A deadlock's error contains the
	// lines.
	Servers func() []string
	// Bound limits the tasks other than the main task. The scheduler does not enforce it; callers check Room.
	Bound Bound

	mu      sync.Mutex
	ready   []*Task
	tasks   []*Task // tasks that have not ended
	diverts func()  // receives interrupts instead of the tasks; nil outside Divert

	wake     chan struct{} // signals that a task is ready or that there is a request; buffered by one
	requests []*request    // guarded by mu
	poked    atomic.Bool

	interrupted atomic.Bool // interrupt that the baton's holder has not processed yet
	// interrupting is true from an interrupt until the statement or command that it interrupts has ended.
	interrupting atomic.Bool
	callOnly     atomic.Bool // the last interrupt was InterruptCall
	resumed      atomic.Bool // true if the main task has continued after the last interrupt
	spent        atomic.Bool // true if the main task has continued after an interrupt since Begin
	stopping     atomic.Bool // true from InterruptSpinning until the task that it has stopped passes the baton on

	interpreter chan struct{} // holds a token while no goroutine runs the interpreter
	conds       []*Task       // tasks that wait for other tasks or servers
	home        *World
	worlds      []*World
	nextID      int
	main        *Task
	holder      atomic.Pointer[Task] // the task that runs; nil while every task waits
	holds       atomic.Int64         // time at which holder received the baton, by the wall clock, in nanoseconds from 1970
	spins       *time.Timer          // calls spun some time after the baton was passed; nil before the first time
}

// Bound is a limit with a count of refusals.
type Bound struct{ Limit, Refused int }

// NewScheduler makes a scheduler without tasks. home is the world in which a task waits while it waits for the
// operating system.
func NewScheduler(home *World) *Scheduler {
	return &Scheduler{home: home, worlds: []*World{home}, wake: make(chan struct{}, 1), interpreter: make(chan struct{}, 1)}
}

// AddWorld adds a world, which the scheduler advances when tasks wait in it.
func (s *Scheduler) AddWorld(w *World) { s.worlds = append(s.worlds, w) }

// Worlds returns the worlds in the order in which they were added. The caller must not change the list.
func (s *Scheduler) Worlds() []*World { return s.worlds }

// All returns a copy of the list of tasks that have not ended. Any goroutine may call it.
func (s *Scheduler) All() []*Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tasks)
}

// computes is the time after which a task that runs counts as computing, and not as one that is about to wait.
const computes = 100 * time.Millisecond

// computing reports whether t has run for long without a wait. Any goroutine may call it.
func (s *Scheduler) computing(t *Task) bool {
	return t == s.holder.Load() && s.runs() > computes
}

// runs returns the time for which the holder has had the baton. Any goroutine may call it.
func (s *Scheduler) runs() time.Duration { return time.Since(time.Unix(0, s.holds.Load())) }

// spinsFor is the time after which a task that computes without a wait is reported.
const spinsFor = 3 * time.Second

// watchSpinning makes spun run if t keeps the baton for spinsFor.
func (s *Scheduler) watchSpinning(t *Task) {
	switch {
	case !s.Foreground || s.Spinning == nil:
	case t == s.main:
		if s.spins != nil {
			s.spins.Stop()
		}
	case s.spins == nil:
		s.spins = time.AfterFunc(spinsFor, s.spun)
	default:
		s.spins.Reset(spinsFor)
	}
}

// spun reports the task that runs.
func (s *Scheduler) spun() {
	if t := s.holder.Load(); t != nil && t != s.main && s.runs() > spinsFor/2 {
		s.Spinning(t)
	}
}

// Running returns the interpreter of the task that runs, nil if every task waits. Any goroutine may call it, but the interpreter is the
// task's own.
func (s *Scheduler) Running() Computation {
	t := s.holder.Load()
	if t == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.computation
}

// Others returns the number of tasks beside the main one. Any goroutine may call it.
func (s *Scheduler) Others() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tasks) - 1
}

// Ready reports whether a task waits for the baton only.
func (s *Scheduler) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ready) > 0
}

// Room reports whether Bound allows one more task, and counts a refusal if it does not.
func (s *Scheduler) Room() bool {
	if s.Others() < s.Bound.Limit {
		return true
	}
	s.Bound.Refused++
	return false
}

// Changed wakes the tasks that wait for other tasks or servers, so that each tests its condition again.
func (s *Scheduler) Changed() {
	for _, t := range s.conds {
		t.Wake()
	}
	s.conds = s.conds[:0]
}

// WakeAbout wakes the tasks whose calls concern h.
func (s *Scheduler) WakeAbout(h Host) {
	for _, t := range s.All() {
		if t.about == h {
			t.Wake()
		}
	}
}

// Poke makes the baton's holder call Poked before the next task runs. Any goroutine may call it.
func (s *Scheduler) Poke() {
	s.poked.Store(true)
	s.signal()
}

// signal ends the idling of a world.
func (s *Scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pop removes and returns the first task of the ready list that has not ended, nil if there is none.
func (s *Scheduler) pop() *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) > 0 {
		t := s.ready[0]
		s.ready = s.ready[1:]
		t.queued = false
		if !t.done {
			return t
		}
	}
	return nil
}

// next returns the task that runs next. While no task is ready, it advances the worlds.
func (s *Scheduler) next() *Task {
	s.stopped()
	for {
		select {
		case <-s.wake:
		default:
		}
		s.DeliverInterrupt()
		if s.poked.CompareAndSwap(true, false) {
			s.Poked()
		}
		s.answer()
		if t := s.pop(); t != nil {
			s.holds.Store(time.Now().UnixNano())
			s.holder.Store(t)
			s.watchSpinning(t)
			return t
		}
		s.holder.Store(nil)
		if !s.advanceWorld() {
			s.deadlock()
		}
	}
}

// advanceWorld advances one world in which a task waits, and returns false if it could advance none. It tries virtual
// worlds first, because they take no real time.
func (s *Scheduler) advanceWorld() bool {
	for _, virtual := range []bool{true, false} {
		for _, w := range s.worlds {
			if w.Virtual() != virtual || w.waiting+w.servers == 0 || w.Held && !s.wanted(w) {
				continue
			}
			ok := false
			s.lend(func() { ok = w.Idle(s.wake) })
			if ok {
				for _, t := range w.steppers {
					t.Wake()
				}
				w.steppers = w.steppers[:0]
				return true
			}
		}
	}
	return false
}

// wanted reports whether a held world may advance. It may if a task drives it, if the main task waits in it, or if the main task waits
// for a task that waits in it. The wait of any other task does not advance a held world.
func (s *Scheduler) wanted(w *World) bool {
	if w.driven > 0 {
		return true
	}
	seen := map[*Task]bool{}
	var waits func(t *Task) bool
	waits = func(t *Task) bool {
		if t.in == w {
			return true
		}
		if seen[t] || t.reach == nil {
			return false
		}
		seen[t] = true
		return t.reach(w, waits)
	}
	return waits(s.main)
}

// DeadlockError reports that no event is left, and what each task and server waits for.
type DeadlockError struct{ waits []string }

// Error lists the waits, a line each.
func (e *DeadlockError) Error() string {
	return "deadlock: nothing left to happen" + strings.Join(e.waits, "")
}

// deadlock ends the wait of the main task with a DeadlockError.
func (s *Scheduler) deadlock() {
	e := &DeadlockError{}
	tasks := s.All()
	slices.SortFunc(tasks, func(a, b *Task) int { return a.ID - b.ID })
	for _, t := range tasks {
		e.waits = append(e.waits, fmt.Sprintf("\n  task %d %s waits for %s", t.ID, t.Name, t.waiting))
	}
	if s.Servers != nil {
		for _, line := range s.Servers() {
			e.waits = append(e.waits, "\n  "+line)
		}
	}
	s.main.Cancel(e)
	s.main.Wake()
}

// lend runs fn, which advances a world. Predicates may use the interpreter meanwhile.
func (s *Scheduler) lend(fn func()) {
	s.interpreter <- struct{}{}
	defer func() { <-s.interpreter }()
	fn()
}

// Do runs fn on the world's owner.
func (s *Scheduler) Do(w *World, fn func(now clock.Instant)) {
	s.lend(func() { w.Do(fn) })
}

// Step runs the next event of a virtual world. It returns false if there is none.
func (s *Scheduler) Step(w *World) (happened bool) {
	s.lend(func() { happened = w.World().Step() })
	return happened
}

// predicateWait is the time that a live lab waits for the interpreter to run a predicate.
const predicateWait = 5 * time.Millisecond

// Predicate runs fn, which may use the interpreter, on a world's owner while the baton's holder waits for the owner. If
// live is true and a task computes for longer than predicateWait, Predicate returns false and does not run fn.
func (s *Scheduler) Predicate(live bool, fn func()) bool {
	if !live {
		<-s.interpreter
	} else {
		select {
		case <-s.interpreter:
		case <-time.After(predicateWait):
			return false
		}
	}
	defer func() { s.interpreter <- struct{}{} }()
	fn()
	return true
}
