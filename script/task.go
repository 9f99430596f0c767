package script

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/lab"
)

// What ends a waiting call other than the thing waited for. None can be caught.
var (
	errCanceled    = errors.New("canceled")
	errInterrupted = errors.New("interrupted")
	errTimedOut    = errors.New("timed out")
)

// world is a Runner with what the scheduler knows about it.
type world struct {
	lab.Runner
	held     bool    // virtual, beside a live one: its time passes only while the main task waits in it
	driven   int     // tasks that let its time pass explicitly, as l.run() does
	waiting  int     // tasks that wait for something in it
	servers  int     // servers without a task of their own that listen in it
	steppers []*task // tasks to be woken after each of its events
}

// task is one thread of Starlark. Its fields are the baton holder's, but for cause, which mu guards
// until it is seen.
type task struct {
	id     int
	name   string
	s      *Session
	host   *hostValue // what bare ping(), tcp, … mean in this task
	thread *starlark.Thread
	baton  chan struct{}

	queued  bool // in the ready list; guarded by sched.mu
	waiting string
	in      *world
	about   *hostValue                               // the host that the builtin which runs concerns, nil where it concerns none
	awaits  func(w *world, of func(*task) bool) bool // whether what it waits for is in w, or of a task that is
	fail    error                                    // canceled, interrupted, deadlocked: ends every wait

	done     bool
	result   starlark.Value
	err      error
	joiners  int
	counted  map[*hostValue]map[string]uint64 // counters when the task last asked for increments
	reported bool
	server   *complaints // of the server whose handler it runs; nil for other tasks
}

// sched passes the baton. The baton's holder is the one goroutine that may touch Starlark values;
// while it is inside a Runner's Do or Idle it lends the interpreter to the predicates of fault rules.
type sched struct {
	mu          sync.Mutex
	ready       []*task
	tasks       []*task // not done, by id
	wake        chan struct{}
	interrupted atomic.Bool
	// interrupting is true from an interrupt until the statement or command that it interrupts has ended.
	interrupting     atomic.Bool
	interpreterToken chan struct{} // holds a token while nobody runs Starlark
	conds            []*task       // wait for other tasks or servers
	worlds           []*world
	nextID           int
	main             *task
	requests         []*request
	poked            atomic.Bool // a server's connection ended on its owner
	reap             func()
	foreground       bool     // an interrupt is the main task's alone
	command          *running // an interrupt is its; nil where none runs; guarded by mu
}

func (s *sched) init() {
	s.wake = make(chan struct{}, 1)
	s.interpreterToken = make(chan struct{}, 1)
}

// newTask makes a task that is not running yet.
func (s *Session) newTask(name string, h *hostValue) *task {
	t := &task{id: s.nextID, name: name, s: s, host: h, baton: make(chan struct{}, 1)}
	s.nextID++
	t.newThread()
	s.mu.Lock()
	s.tasks = append(s.tasks, t)
	s.mu.Unlock()
	return t
}

// newThread gives the task an interpreter of its own.
func (t *task) newThread() {
	s := t.s
	thread := &starlark.Thread{Name: t.name, Print: s.print, Load: s.load}
	thread.SetLocal("task", t)
	startime.SetNow(thread, func() (time.Time, error) {
		return time.Unix(0, int64(t.world().Now())).UTC(), nil
	})
	s.mu.Lock()
	t.thread = thread
	s.mu.Unlock()
}

// world is where the task's time passes.
func (t *task) world() *world { return t.host.w }

// spawn queues a new task that runs fn when the caller next waits.
func (s *Session) spawn(name string, h *hostValue, fn func(t *task) (starlark.Value, error)) *task {
	t := s.newTask(name, h)
	go func() {
		<-t.baton
		if s.cfg.Crashed != nil {
			defer s.crashed()
		}
		if t.fail == nil {
			t.err = t.safely(func() (err error) {
				t.result, err = fn(t)
				return err
			})
		} else {
			t.err = t.fail
		}
		s.finish(t)
		s.next().baton <- struct{}{}
	}()
	s.makeReady(t)
	return t
}

// background runs fn, which touches no Starlark value, on a goroutine of its own, and calls then.
func background(fn, then func()) {
	go func() {
		fn()
		then()
	}()
}

// outside runs fn, which blocks on the operating system and touches no Starlark value, while other tasks
// go on. Where the task has to end first, stop is called, which must make fn return soon; the error then
// says why. A live lab only.
func (t *task) outside(what string, fn, stop func()) error {
	if t.fail != nil {
		return t.fail
	}
	var done atomic.Bool
	var panicked *crash.Panic
	background(func() { panicked = quietly(fn) }, func() {
		done.Store(true)
		t.s.makeReady(t)
	})
	stopped := false
	for !done.Load() {
		t.park(t.s.home, what)
		if t.fail != nil && !stopped {
			stopped = true
			stop()
		}
	}
	if panicked != nil {
		panic(panicked)
	}
	if stopped {
		return t.fail
	}
	return nil
}

// quietly runs fn and returns its panic, nil where it returned: a goroutine without anybody above it hands it on.
func quietly(fn func()) (p *crash.Panic) {
	defer func() {
		if v := recover(); v != nil {
			p = crash.Caught(v)
		}
	}()
	fn()
	return nil
}

// finish records a task's end and wakes the tasks that wait for it.
func (s *Session) finish(t *task) {
	t.done = true
	if t.fail == nil && t.err != nil && s.interrupted.Load() && !s.foreground {
		t.fail = errInterrupted // it was computing
	}
	if t.fail != nil {
		t.err = t.fail
	}
	s.mu.Lock()
	for i, u := range s.tasks {
		if u == t {
			s.tasks = append(s.tasks[:i], s.tasks[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	var exit *exitError
	switch {
	case t.err == nil || t.fail != nil:
	case errors.As(t.err, &exit):
		s.end(exit)
	case t.joiners == 0:
		t.reported = true
		s.reportTask(t)
	}
	s.changed()
}

// changed wakes the tasks that wait for other tasks or servers: they look again.
func (s *sched) changed() {
	for _, t := range s.conds {
		s.makeReady(t)
	}
	s.conds = s.conds[:0]
}

// makeReady puts a task at the end of the ready list; any goroutine may call it.
func (s *sched) makeReady(t *task) {
	s.mu.Lock()
	if !t.queued {
		t.queued = true
		s.ready = append(s.ready, t)
	}
	s.mu.Unlock()
	s.signal()
}

// poke asks for a look at the servers; any goroutine may call it.
func (s *sched) poke() {
	s.poked.Store(true)
	s.signal()
}

func (s *sched) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sched) pop() *task {
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

// next is the task that runs next. Where none is ready it lets the worlds move until one is.
func (s *sched) next() *task {
	for {
		select {
		case <-s.wake:
		default:
		}
		if s.interrupted.CompareAndSwap(true, false) {
			s.interruptTasks()
		}
		if s.poked.CompareAndSwap(true, false) {
			s.reap()
		}
		s.answer()
		if t := s.pop(); t != nil {
			return t
		}
		if !s.advanceWorld() {
			s.deadlock()
		}
	}
}

// advanceWorld moves one world in which a task waits. It tries virtual worlds first, because they need no time.
func (s *sched) advanceWorld() bool {
	for _, virtual := range []bool{true, false} {
		for _, w := range s.worlds {
			if w.Virtual() != virtual || w.waiting+w.servers == 0 || w.held && !s.wanted(w) {
				continue
			}
			ok := false
			s.idle(func() { ok = w.Idle(s.wake) })
			if ok {
				for _, t := range w.steppers {
					s.makeReady(t)
				}
				w.steppers = w.steppers[:0]
				return true
			}
		}
	}
	return false
}

// wanted reports whether a world that is held may move: a task drives it, or the main task waits in it,
// if only for another task that does. What runs in the background waits for that.
func (s *sched) wanted(w *world) bool {
	if w.driven > 0 {
		return true
	}
	seen := map[*task]bool{}
	var waits func(t *task) bool
	waits = func(t *task) bool {
		if t.in == w {
			return true
		}
		if seen[t] || t.awaits == nil {
			return false
		}
		seen[t] = true
		return t.awaits(w, waits)
	}
	return waits(s.main)
}

// drive marks a world as moving for as long as the caller waits; the function that it gives ends that.
func (w *world) drive() (end func()) {
	w.driven++
	return func() { w.driven-- }
}

// idle runs fn, which moves a world, while predicates may have the interpreter.
func (s *sched) idle(fn func()) {
	s.interpreterToken <- struct{}{}
	defer func() { <-s.interpreterToken }()
	fn()
}

// interruptTasks ends the waits that an interrupt is meant for.
func (s *sched) interruptTasks() {
	if s.foreground {
		s.cancel(s.main, errInterrupted)
		return
	}
	s.failAll(errInterrupted)
}

// failAll ends every wait of every task.
func (s *sched) failAll(err error) {
	s.mu.Lock()
	all := append([]*task(nil), s.tasks...)
	s.mu.Unlock()
	for _, t := range all {
		s.cancel(t, err)
	}
}

// cancel ends a task's waits with err, and its computing.
func (s *sched) cancel(t *task, err error) {
	if t.done || t.fail != nil {
		return
	}
	t.fail = err
	t.thread.Cancel(err.Error())
	s.makeReady(t)
}

// deadlockError says that nothing is left to happen, and what each task and server waits for.
type deadlockError struct{ waits []string }

func (e *deadlockError) Error() string {
	return "deadlock: nothing left to happen" + strings.Join(e.waits, "")
}

func (s *sched) deadlock() {
	e := &deadlockError{}
	s.mu.Lock() // an interrupt walks the list on another goroutine
	sort.Slice(s.tasks, func(i, j int) bool { return s.tasks[i].id < s.tasks[j].id })
	tasks := slices.Clone(s.tasks)
	s.mu.Unlock()
	for _, t := range tasks {
		e.waits = append(e.waits, fmt.Sprintf("\n  task %d %s waits for %s", t.id, t.name, t.waiting))
	}
	for _, v := range s.main.s.serving {
		e.waits = append(e.waits, "\n  "+v.waits())
	}
	s.cancel(s.main, e)
	s.makeReady(s.main)
}

// park hands the baton on and returns when it comes back; in is the world in which the task waits,
// nil when it waits for other tasks.
func (t *task) park(in *world, what string) {
	t.waiting, t.in = what, in
	if in != nil {
		in.waiting++
	}
	if n := t.s.next(); n != t {
		n.baton <- struct{}{}
		<-t.baton
	}
	if in != nil {
		in.waiting--
	}
	t.waiting, t.in = "", nil
}

// do runs fn on the world's owner.
func (t *task) do(w *world, fn func(now clock.Instant)) { t.s.do(w, fn) }

func (s *sched) do(w *world, fn func(now clock.Instant)) {
	s.idle(func() { w.Do(fn) })
}

// forever as a timeout means none.
const forever = time.Duration(-1)

// await runs try on the owner, again each time sig fires, until it reports true. A negative timeout is
// none. The error is errTimedOut, or why the task has to end.
func (t *task) await(w *world, what string, sig *stack.Signal, timeout time.Duration, try func(now clock.Instant) bool) error {
	if t.fail != nil {
		return t.fail
	}
	var (
		ev         *lab.Event
		done, late bool
		broken     error
		deadline   = clock.Never
		first      = true
		waiter     = stack.Waiter{Wake: func() { t.s.makeReady(t) }}
	)
	release := func(clock.Instant) {
		if sig != nil {
			sig.Cancel(&waiter)
		}
		if ev != nil {
			ev.Stop()
		}
	}
	attempt := func(now clock.Instant) {
		if first && timeout >= 0 {
			deadline = now.Add(timeout)
		}
		first = false
		if h := t.about; h != nil && h.w == w {
			broken = h.outOfService()
		}
		done = broken != nil || try(now)
		late = deadline.Due(now)
		if done || late {
			release(now)
			return
		}
		if sig != nil {
			sig.Cancel(&waiter)
			sig.Wait(&waiter)
		}
		if ev == nil && deadline != clock.Never {
			ev = w.World().At(deadline, func(clock.Instant) { t.s.makeReady(t) })
		}
	}
	for {
		t.do(w, attempt)
		if done {
			return broken
		}
		if late {
			return errTimedOut
		}
		t.park(w, what)
		if t.fail != nil {
			t.do(w, release)
			return t.fail
		}
	}
}

// untilWithin is until with a timeout; a negative one is none. awaits tells for whom.
func (t *task) untilWithin(timeout time.Duration, what string, awaits func(w *world, of func(*task) bool) bool, cond func() bool) error {
	t.awaits = awaits
	defer func() { t.awaits = nil }()
	if timeout < 0 {
		return t.until(what, cond)
	}
	return t.await(t.world(), what, nil, timeout, func(clock.Instant) bool {
		if cond() {
			return true
		}
		t.s.conds = append(t.s.conds, t)
		return false
	})
}

// until waits for what other tasks do: cond is asked again whenever a task or server ends.
func (t *task) until(what string, cond func() bool) error {
	for {
		if t.fail != nil {
			return t.fail
		}
		if cond() {
			return nil
		}
		if t.about != nil {
			if err := t.about.broken(); err != nil {
				return err
			}
		}
		t.s.conds = append(t.s.conds, t)
		t.park(nil, what)
	}
}

// sleep waits for d in world w.
func (t *task) sleep(w *world, d time.Duration) error {
	err := t.await(w, "sleep", nil, max(d, 0), func(clock.Instant) bool { return false })
	if err == errTimedOut {
		return nil
	}
	return err
}

// yield lets every task that is ready run first.
func (t *task) yield() error {
	t.s.makeReady(t)
	t.park(nil, "its turn")
	return t.fail
}

// Interrupt ends every waiting call of every task, as Ctrl-C does; in a shell only those of the typed statement. Any
// goroutine may call it.
func (s *Session) Interrupt() {
	s.interrupting.Store(true)
	s.mu.Lock()
	if r := s.command; r != nil {
		s.mu.Unlock()
		r.interrupt()
		return
	}
	s.interrupted.Store(true)
	for _, t := range s.tasks {
		if t == s.main || !s.foreground {
			t.thread.Cancel(errInterrupted.Error())
		}
	}
	s.mu.Unlock()
	s.signal()
}

// Interrupting reports whether the statement or command that was interrupted still runs. Any goroutine may call it.
func (s *Session) Interrupting() bool { return s.interrupting.Load() }

// begin forgets an interrupt from before the next statement, which the interrupt does not concern.
func (s *Session) begin() {
	s.interrupted.Store(false)
	s.interrupting.Store(false)
	s.main.fail = nil
	s.main.thread.Uncancel()
}

// predicate runs fn, which may run Starlark, on a world's owner while the baton's holder is elsewhere.
// It reports false when a live owner would have to wait too long for a computing script.
func (s *sched) predicate(live bool, fn func()) bool {
	if !live {
		<-s.interpreterToken
	} else {
		select {
		case <-s.interpreterToken:
		case <-time.After(predicateWait):
			return false
		}
	}
	defer func() { s.interpreterToken <- struct{}{} }()
	fn()
	return true
}

// predicateWait is how long a live lab waits for the interpreter to run a predicate.
const predicateWait = 5 * time.Millisecond
