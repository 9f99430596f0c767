package gonet

import (
	"sync"
	"time"
)

// A deadline is the time after which one direction's calls fail. The socket's lock guards it.
type deadline struct {
	at      time.Time // zero: none
	expired bool
	timer   *time.Timer // nil before the first use
}

// set changes the deadline; the zero time removes it. The caller holds mu. expire is called with mu held, once the deadline has passed: at
// once if it lies in the past.
func (d *deadline) set(t time.Time, mu *sync.Mutex, expire func()) {
	d.at, d.expired = t, false
	left := time.Until(t)
	switch {
	case t.IsZero():
		d.stop()
	case left <= 0:
		d.stop()
		d.expired = true
		expire()
	case d.timer == nil:
		d.timer = time.AfterFunc(left, func() {
			mu.Lock()
			defer mu.Unlock()
			d.fire(expire)
		})
	default:
		d.timer.Reset(left)
	}
}

// fire is called when the timer expires, which may be the timer of an earlier deadline.
func (d *deadline) fire(expire func()) {
	if d.at.IsZero() || d.expired {
		return
	}
	if left := time.Until(d.at); left > 0 {
		d.timer.Reset(left)
		return
	}
	d.expired = true
	expire()
}

// stop ends the timer.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
