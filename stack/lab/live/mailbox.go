//go:build linux

package live

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"smolsh/stack/clock"
	"smolsh/stack/crash"
)

// call is a function to run on the loop's goroutine.
type call struct {
	fn   func(now clock.Instant)
	fail *crash.Panic  // panic of fn, nil if fn returned
	done chan struct{} // has room for one value, so that the loop never waits

	posted bool // true if nobody waits for done
}

// run runs the call. It recovers a panic, which is passed to the caller, and the loop continues.
func (c *call) run(now clock.Instant) {
	defer func() {
		if v := recover(); v != nil {
			c.fail = crash.Caught(v)
		}
	}()
	c.fn(now)
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// mailbox is the list of calls that the loop has not run yet. Its descriptor becomes readable when a call is added
// while the loop sleeps.
type mailbox struct {
	fd int // an eventfd

	news atomic.Bool // true if the list may have a call, or the mailbox was closed

	mu      sync.Mutex
	list    []*call
	asleep  bool // true while the loop waits for the descriptor
	closed  bool // true after close
	ended   bool // true after the loop's last turn
	running bool // true while a caller runs the list, after the loop's last turn
}

func newMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("live: eventfd: %w", err)
	}
	return &mailbox{fd: fd}, nil
}

// post adds c to the list, or returns false if the loop has ended. The first call wakes a sleeping loop; further
// calls find it awake.
func (m *mailbox) post(c *call) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	m.list = append(m.list, c)
	m.tell()
	return true
}

// finish reports whether the loop may end: the mailbox is closed and has no call. The loop runs no call afterwards.
func (m *mailbox) finish() bool {
	if !m.news.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = m.closed && len(m.list) == 0
	return m.ended
}

// postLast adds c to the list after the loop has ended, and reports whether the caller must run the list. If another caller runs it,
// perhaps one whose function posts c, that caller runs c too.
func (m *mailbox) postLast(c *call) (run bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, c)
	run = !m.running
	m.running = true
	return run
}

// nextLast removes the first call of the list after the loop has ended. It returns nil if there is none, and the caller no longer
// runs the list.
func (m *mailbox) nextLast() *call {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == 0 {
		m.running = false
		return nil
	}
	c := m.list[0]
	m.list = slices.Delete(m.list, 0, 1)
	return c
}

// close wakes the loop, which ends when the list is empty.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.tell()
	}
}

// tell makes the loop read the mailbox.
func (m *mailbox) tell() {
	m.news.Store(true)
	if !m.asleep {
		return
	}
	m.asleep = false
	one := [8]byte{7: 1}
	for { // repeats after EINTR; the only other error is an overflow, after which the descriptor is readable
		if _, err := unix.Write(m.fd, one[:]); err != unix.EINTR {
			return
		}
	}
}

// rest records that the loop is about to wait for the descriptor. It returns false if the loop must not wait, because
// the mailbox has a call or is closed.
func (m *mailbox) rest() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = len(m.list) == 0 && !m.closed
	return m.asleep
}

// empty makes the descriptor unreadable again.
func (m *mailbox) empty() {
	var counter [8]byte
	unix.Read(m.fd, counter[:])
}

// take moves the calls in the list into buf. It does not lock while the list is empty.
func (m *mailbox) take(buf []*call) (list []*call) {
	if !m.news.Load() {
		return buf[:0]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = false
	m.news.Store(m.closed) // stays true after close
	list, m.list = m.list, buf[:0]
	return list
}

// release closes the descriptor, after the loop has ended.
func (m *mailbox) release() { unix.Close(m.fd) }
