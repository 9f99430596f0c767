package task

// Interrupt ends every wait of every task, as Ctrl-C does, or only those of the main task if Foreground is set. Any
// goroutine may call it.
func (s *Scheduler) Interrupt() {
	s.interrupting.Store(true)
	s.mu.Lock()
	if to := s.diverts; to != nil {
		s.mu.Unlock()
		to()
		return
	}
	s.interrupted.Store(true)
	for _, t := range s.tasks {
		if c := t.computation; c != nil && (t == s.main || !s.Foreground) {
			c.Cancel(ErrInterrupted.Error())
		}
	}
	s.mu.Unlock()
	s.signal()
}

// Interrupting reports whether the statement or command that was interrupted still runs. Any goroutine may call it.
func (s *Scheduler) Interrupting() bool { return s.interrupting.Load() }

// InterruptOver makes Interrupting false, at the end of the interrupted statement or command.
func (s *Scheduler) InterruptOver() { s.interrupting.Store(false) }

// InterruptPending reports whether there was an interrupt that the tasks have not received yet.
func (s *Scheduler) InterruptPending() bool { return s.interrupted.Load() }

// DeliverInterrupt ends the waits that a pending interrupt is meant for.
func (s *Scheduler) DeliverInterrupt() {
	switch {
	case !s.interrupted.CompareAndSwap(true, false):
	case s.Foreground:
		s.main.Cancel(ErrInterrupted)
	default:
		s.CancelAll(ErrInterrupted)
	}
}

// CancelAll ends every wait of every task.
func (s *Scheduler) CancelAll(err error) {
	for _, t := range s.All() {
		t.Cancel(err)
	}
}

// Divert makes interrupts call to, in place of ending waits, until the caller calls restore. pending reports whether an
// interrupt of the main task had preceded; Divert takes that interrupt back. Goroutines other than the caller's call to.
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
	}
}

// Begin forgets an interrupt that preceded the next statement.
func (s *Scheduler) Begin() {
	s.interrupted.Store(false)
	s.interrupting.Store(false)
	s.main.Revive()
}
