package task

// Interrupt ends every wait of every task, as Ctrl-C does, or only those of the main task if Foreground is set. A task that has
// computed for long is stopped in either case, because no other task runs until it waits. Any goroutine may call Interrupt.
func (s *Scheduler) Interrupt() { s.interrupt(false) }

// InterruptCall interrupts like Interrupt, but spares everything else where the main task is inside a call that keeps its
// results (Keeping): only that call ends, and the task may continue after it (Resume). That happens once between two
// calls of Begin. If Foreground is set and another task computes, InterruptCall stops only that task, as InterruptSpinning does. Any
// goroutine may call InterruptCall.
func (s *Scheduler) InterruptCall() {
	if !s.Foreground || !s.InterruptSpinning() {
		s.interrupt(true)
	}
}

// InterruptSpinning stops the computation of the running task if that is not the main task and has computed for long, and reports
// whether it did. The wait of the main task and the interrupts of Divert are unaffected. Any goroutine may call InterruptSpinning.
func (s *Scheduler) InterruptSpinning() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.holder.Load()
	if s.diverts != nil || t == nil || t == s.main || t.computation == nil || !s.computing(t) {
		return false
	}
	s.interrupting.Store(true)
	s.stopping.Store(true)
	t.computation.Cancel(ErrInterrupted.Error())
	if s.holder.Load() != t {
		s.stopped()
	}
	return true
}

// stopped resets Interrupting when the task that InterruptSpinning has stopped passes the baton on.
func (s *Scheduler) stopped() {
	if s.stopping.CompareAndSwap(true, false) {
		s.interrupting.Store(false)
	}
}

func (s *Scheduler) interrupt(callOnly bool) {
	s.interrupting.Store(true)
	s.resumed.Store(false)
	s.callOnly.Store(callOnly)
	spares := s.spares()
	s.mu.Lock()
	if to := s.diverts; to != nil {
		if t := s.holder.Load(); s.Foreground && t != nil && t != s.main && t.computation != nil && s.runs() > spinsFor {
			t.computation.Cancel(ErrInterrupted.Error()) // Spinning has named it
		}
		s.mu.Unlock()
		to()
		return
	}
	s.interrupted.Store(true)
	for _, t := range s.tasks {
		aimed := !spares && (t == s.main || !s.Foreground) || t != s.main && s.computing(t)
		if c := t.computation; c != nil && aimed {
			c.Cancel(ErrInterrupted.Error())
		}
	}
	s.mu.Unlock()
	s.signal()
}

// Interrupting reports whether an interrupted statement or command is still running. Any goroutine may call it.
func (s *Scheduler) Interrupting() bool { return s.interrupting.Load() }

// InterruptOver resets Interrupting, at the end of the interrupted statement or command.
func (s *Scheduler) InterruptOver() { s.interrupting.Store(false) }

// InterruptPending reports whether an interrupt has not been delivered to the tasks yet.
func (s *Scheduler) InterruptPending() bool { return s.interrupted.Load() }

// DeliverInterrupt ends the waits at which a pending interrupt is aimed.
func (s *Scheduler) DeliverInterrupt() {
	switch {
	case !s.interrupted.CompareAndSwap(true, false):
	case s.Foreground || s.spares():
		s.main.Cancel(ErrInterrupted)
	default:
		s.CancelAll(ErrInterrupted)
	}
}

// spares reports whether the pending interrupt ends only the call of the main task. Any goroutine may call it.
func (s *Scheduler) spares() bool {
	return s.callOnly.Load() && s.Keeps() && !s.spent.Load()
}

// Keeping marks the task's current call as one that returns its results so far when it is interrupted. The caller calls
// the returned function when it has them.
func (t *Task) Keeping() (over func()) {
	before := t.keeping.Swap(true)
	return func() { t.keeping.Store(before) }
}

// Keeps reports whether the main task is inside such a call. Any goroutine may call it.
func (s *Scheduler) Keeps() bool { return s.main.keeping.Load() }

// Resume lets the main task continue after InterruptCall has ended the task's call. It returns false, and changes nothing, if the task has
// to end for another reason or the statement has been resumed before.
func (t *Task) Resume() bool {
	s := t.s
	if t != s.main || t.cause != ErrInterrupted || !s.spares() {
		return false
	}
	t.Revive()
	s.spent.Store(true)
	s.resumed.Store(true)
	s.interrupting.Store(false)
	return true
}

// Resumed reports whether the main task has continued after the last interrupt since Begin. Any goroutine may call it.
func (s *Scheduler) Resumed() bool { return s.resumed.Load() }

// CancelAll ends every wait of every task.
func (s *Scheduler) CancelAll(err error) {
	for _, t := range s.All() {
		t.Cancel(err)
	}
}

// Divert makes interrupts call the function to instead of ending waits, until restore is called, which any goroutine may
// do. pending reports whether the main task was interrupted before; Divert clears that interrupt. Another goroutine than
// the caller's calls the function to.
func (s *Scheduler) Divert(to func()) (pending bool, restore func()) {
	s.mu.Lock()
	pending = s.interrupted.Swap(false) || s.main.cause == ErrInterrupted
	s.diverts = to
	s.mu.Unlock()
	if pending {
		s.Begin()
	}
	return pending, func() {
		s.mu.Lock()
		s.diverts = nil
		s.mu.Unlock()
		s.InterruptOver()
	}
}

// Begin clears an interrupt from before the next statement.
func (s *Scheduler) Begin() {
	s.interrupted.Store(false)
	s.interrupting.Store(false)
	s.spent.Store(false)
	s.resumed.Store(false)
	s.main.Revive()
}
