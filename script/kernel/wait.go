package kernel

import (
	"os"
	"slices"
	"time"
)

// A turn lets one task at a time read from a socket, or write to it. Tasks get the turn in the order in which they call
// take. The baton guards it.
type turn struct {
	busy    bool
	waiting []chan struct{} // one channel per waiting task, in order; give closes a channel when its task gets the turn
}

// take waits until the task t has the turn, or until the deadline if it is not zero. At the deadline it returns
// os.ErrDeadlineExceeded. After an error the caller does not have the turn and must not call give.
func (u *turn) take(t Task, what string, deadline time.Time) error {
	if !u.busy {
		u.busy = true
		return nil
	}
	mine, stop := make(chan struct{}), make(chan struct{})
	u.waiting = append(u.waiting, mine)
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	err := t.Outside(what, func() {
		select {
		case <-mine:
		case <-expired:
		case <-stop:
		}
	}, func() { close(stop) })
	if i := slices.Index(u.waiting, mine); i >= 0 {
		u.waiting = slices.Delete(u.waiting, i, i+1)
		if err == nil {
			err = os.ErrDeadlineExceeded
		}
		return err
	}
	if err != nil {
		u.give() // the task got the turn while its wait was being ended
	}
	return err
}

// give passes the turn to the task that has waited longest.
func (u *turn) give() {
	if len(u.waiting) == 0 {
		u.busy = false
		return
	}
	close(u.waiting[0])
	u.waiting = u.waiting[1:]
}

// wait takes the turn u and runs fn, which blocks on a socket. set sets the socket's deadline, at which fn returns an
// error. A negative timeout means no deadline.
func wait(t Task, u *turn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	return waitUnless(nil, t, u, what, timeout, set, fn)
}

// waitUnless does the same as wait. But if ready is not nil and returns true when the task has the turn, waitUnless
// returns nil and does not run fn.
func waitUnless(ready func() bool, t Task, u *turn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(max(timeout, time.Millisecond)) // at least a millisecond, so that fn reads data that has already arrived
	}
	if err := u.take(t, what, deadline); err != nil {
		return err
	}
	defer u.give()
	if ready != nil && ready() {
		return nil
	}
	err := set(deadline)
	if err != nil {
		return err
	}
	if ended := t.Outside(what, func() { err = fn() }, func() { _ = set(time.Unix(1, 0)) }); ended != nil {
		return ended
	}
	return err
}
