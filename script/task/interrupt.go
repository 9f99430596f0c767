package task

// Interrupt ends every wait of every task, as Ctrl-C does, or only those of the main task if Foreground is set. A task that has
// computed for long is stopped in either case, because no other task runs until it waits. Any goroutine may call Interrupt.
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
		if c := t.computation; c != nil && (t == s.main || !s.Foreground || s.computing(t)) {
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

// Divert makes interrupts call the function to instead of ending waits, until restore is called. pending reports
// whether the main task was interrupted before; Divert clears that interrupt. Another goroutine than the caller's calls
// the function.
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

// Begin clears an interrupt from before the next statement.
func (s *Scheduler) Begin() {
	s.interrupted.Store(false)
	s.interrupting.Store(false)
	s.main.Revive()
}
