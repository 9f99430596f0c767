package stack

// Signal is the list of tasks that wait for a change of a socket. The zero Signal is an empty list.
type Signal struct {
	first, last *Waiter
}

// Waiter is one waiting task. Wake is called at most once per Wait, on the owner's goroutine. It must not call the
// host; it may only record that the task can continue.
type Waiter struct {
	Wake       func()
	in         *Signal
	next, prev *Waiter
}

// Wait makes w wait for the next Fire of s. A waiter waits for one signal at a time.
func (s *Signal) Wait(w *Waiter) {
	if w.in != nil {
		w.in.Cancel(w)
	}
	w.in, w.prev, w.next = s, s.last, nil
	if s.last == nil {
		s.first = w
	} else {
		s.last.next = w
	}
	s.last = w
}

// Cancel ends the wait of w. It does nothing if w does not wait for s.
func (s *Signal) Cancel(w *Waiter) {
	if w.in != s {
		return
	}
	if w.prev == nil {
		s.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		s.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
}

// Fire wakes each waiter once, in the order in which they started to wait. A woken task repeats its call.
func (s *Signal) Fire() {
	last := s.last
	for w := s.first; w != nil; w = s.first {
		s.Cancel(w)
		if w.Wake != nil {
			w.Wake()
		}
		if w == last {
			return // a waiter that waits again after it was woken is woken by the next Fire
		}
	}
}
