package kernel

import (
	"os"
	"slices"
	"time"
)

// A turn lets one task at a time use a direction of a socket, in the order of asking. The baton guards it.
type turn struct {
	busy    bool
	waiting []chan struct{} // of the tasks that wait, in order; closed when the turn is the task's
}

// take waits until the turn is the task's. A zero deadline is none. After an error the caller must not call give.
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
		u.give() // the turn came as the wait was ended
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

// wait runs fn, which blocks on a socket until the deadline that set gives the socket. A negative timeout is none.
func wait(t Task, u *turn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	return waitUnless(nil, t, u, what, timeout, set, fn)
}

// waitUnless is wait, but does not run fn if ready reports true when the turn has come.
func waitUnless(ready func() bool, t Task, u *turn, what string, timeout time.Duration, set func(time.Time) error, fn func() error) error {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(max(timeout, time.Millisecond)) // data that has arrived is still read
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
