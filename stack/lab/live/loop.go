//go:build linux

package live

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// pollErrors is how often in a row a descriptor may report an error or a hang-up though its device
// neither delivers nor fails; then the loop takes the device out of service rather than spin.
const pollErrors = 16

// spin is how long after the last frame or call the loop goes on looking before it sleeps: what answers
// at once is served at once, and an idle loop still costs nothing.
const spin = 20 * time.Microsecond

// errPoll is why: a device that is being deleted complains before its reads fail.
var errPoll = fmt.Errorf("live: descriptor in an error state: %w", phy.ErrClosed)

// loop is the owner of a world.
type loop struct {
	*runner
	fds     []unix.PollFd // the mailbox, then a device each
	ports   []lab.DevicePort
	errors  []int  // poll errors in a row of each
	known   uint64 // generation of the world's list that fds stand for
	taken   []*call
	timeout unix.Timespec
}

func newLoop(r *runner) *loop {
	return &loop{
		runner: r,
		fds:    []unix.PollFd{{Fd: int32(r.box.fd), Events: unix.POLLIN}},
		known:  ^uint64(0),
	}
}

// run is the loop. The thread is the goroutine's own, because it spends its life in system calls.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(l.done)
	defer l.box.release()
	var awake clock.Instant // until when the loop looks instead of sleeping
	for {
		now := l.Now()
		l.world.Sync(now)
		moved := l.drain(now)
		calls, closed := l.serve(now)
		more := l.world.Turn(now)
		if closed {
			l.world.FlushCaptures()
			return
		}
		if moved+calls > 0 {
			awake = l.Now().Add(spin)
		}
		switch {
		case more:
			l.refresh() // events that are due must not hold up the devices
			l.wait(&unix.Timespec{})
		case now < awake:
			l.look()
		default:
			l.sleep()
		}
	}
}

// drain takes a batch from each device that polled readable and returns how many frames there were.
func (l *loop) drain(now clock.Instant) (moved int) {
	for i, p := range l.ports {
		seen := l.fds[i+1].Revents
		if seen == 0 {
			continue
		}
		if seen&unix.POLLOUT != 0 && p.Full() {
			p.Retry()
		}
		n := 0
		if seen&(unix.POLLIN|unix.POLLERR|unix.POLLHUP) != 0 {
			n = p.Drain(now)
		}
		l.judge(i, p, seen, n)
		moved += n
	}
	return moved
}

// judge looks after descriptors that poll keeps complaining of.
func (l *loop) judge(i int, p lab.DevicePort, seen int16, drained int) {
	switch {
	case seen&unix.POLLNVAL != 0:
		p.Fail(fmt.Errorf("live: %w", phy.ErrClosed))
	case seen&(unix.POLLERR|unix.POLLHUP) != 0 && drained == 0:
		if l.errors[i]++; l.errors[i] >= pollErrors {
			p.Fail(errPoll)
		}
	default:
		l.errors[i] = 0
	}
}

// relink takes what a device's link has become, for the port that has the device now. What poll complained of so
// far was about that.
func (l *loop) relink(now clock.Instant, dev phy.Device) {
	ports, _ := l.world.Devices()
	for _, p := range ports {
		if p.Device() == dev {
			p.Relink(now)
			break
		}
	}
	clear(l.errors)
}

// serve runs what callers asked for and returns how much that was.
func (l *loop) serve(now clock.Instant) (calls int, closed bool) {
	l.taken, closed = l.box.take(l.taken)
	calls = len(l.taken)
	for i, c := range l.taken {
		l.world.Called()
		c.run(now)
		l.taken[i] = nil
		c.done <- struct{}{}
	}
	return calls, closed
}

// look takes each device for readable, unless it is full: a read that finds nothing is cheaper than a poll.
func (l *loop) look() {
	l.refresh()
	for i, p := range l.ports {
		if p.Full() {
			l.wait(&unix.Timespec{})
			return
		}
		l.fds[i+1].Revents = unix.POLLIN
	}
}

// sleep waits until a device or a caller wants something or the next event is due.
func (l *loop) sleep() {
	l.refresh()
	var timeout *unix.Timespec
	if next := l.world.Next(); next != clock.Never {
		l.timeout = unix.NsecToTimespec(int64(max(0, next.Sub(l.Now()))))
		timeout = &l.timeout
	}
	if timeout == nil || timeout.Nano() > int64(10*time.Microsecond) {
		l.world.FlushCaptures()
	}
	if !l.box.rest() {
		timeout = &unix.Timespec{}
	}
	l.wait(timeout)
	if l.fds[0].Revents != 0 {
		l.box.empty()
	}
}

// wait is ppoll; nil is no limit.
func (l *loop) wait(timeout *unix.Timespec) {
	if _, err := unix.Ppoll(l.fds, timeout, nil); err != nil {
		for i := range l.fds {
			l.fds[i].Revents = 0 // a signal came: look at the time and sleep again
		}
	}
}

// refresh brings the descriptors up to date with the world's devices and their wish to send.
func (l *loop) refresh() {
	ports, generation := l.world.Devices()
	if generation != l.known {
		l.known = generation
		l.ports, l.fds, l.errors = l.ports[:0], l.fds[:1], l.errors[:0]
		for _, p := range ports {
			l.ports = append(l.ports, p)
			l.fds = append(l.fds, unix.PollFd{Fd: int32(p.Device().(phy.Pollable).FD())})
			l.errors = append(l.errors, 0)
			if d, ok := p.Device().(phy.Watcher); ok {
				d.Watch(func() { l.tell(func(now clock.Instant) { l.relink(now, d) }) })
			}
		}
	}
	for i, p := range l.ports {
		fd := &l.fds[i+1]
		fd.Events = unix.POLLIN
		if p.Full() {
			fd.Events |= unix.POLLOUT
		}
		fd.Revents = 0
	}
	l.fds[0].Revents = 0
}
