//go:build linux

package live

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"smolsh/stack/clock"
)

// call is something to run on the loop's goroutine.
type call struct {
	fn   func(now clock.Instant)
	done chan struct{} // has room for one, so that the loop never waits
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// mailbox is the list of calls that the loop has not taken yet. Its descriptor is readable while there
// may be any.
type mailbox struct {
	fd int // an eventfd

	mu     sync.Mutex
	list   []*call
	closed bool
}

func newMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("live: eventfd: %w", err)
	}
	return &mailbox{fd: fd}, nil
}

// post puts c into the list, unless the mailbox is closed. The first in an empty list wakes the loop;
// the others find it woken.
func (m *mailbox) post(c *call) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.list = append(m.list, c)
	if len(m.list) == 1 {
		m.wake()
	}
	return true
}

// close lets nothing more in and wakes the loop.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.wake()
	}
}

// wake makes the descriptor readable. The only error of such a write is that the counter would overflow,
// and then it is readable.
func (m *mailbox) wake() {
	one := [8]byte{7: 1}
	for {
		if _, err := unix.Write(m.fd, one[:]); err != unix.EINTR {
			return
		}
	}
}

// take empties the descriptor, then the list into buf, in that order: a call that is put in between is
// taken, and its wake-up costs one more turn at most.
func (m *mailbox) take(buf []*call) (list []*call, closed bool) {
	var counter [8]byte
	unix.Read(m.fd, counter[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	list, m.list = m.list, buf[:0]
	return list, m.closed
}

// release gives the descriptor back, after the loop has ended.
func (m *mailbox) release() { unix.Close(m.fd) }
