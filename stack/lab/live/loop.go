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

// pollErrors is the number of consecutive polls that may report an error or a hang-up for a descriptor whose device
// neither delivers nor fails. Then the loop takes the device out of service, so that it does not spin.
const pollErrors = 16

// spin is the time for which the loop polls without sleeping after the last frame or call. An immediate answer is then
// served at once, and an idle loop still uses no CPU.
const spin = 20 * time.Microsecond

// errPoll is the error for such a device. A device that is being deleted reports errors in poll before its reads fail.
var errPoll = fmt.Errorf("live: descriptor in an error state: %w", phy.ErrClosed)

// loop is the owner of a world.
type loop struct {
	*runner
	fds     []unix.PollFd // the mailbox's descriptor, then one of each device
	ports   []lab.DevicePort
	errors  []int  // consecutive poll errors of each device
	known   uint64 // generation of the world's list from which fds was made
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

// run runs the loop on its own thread, because the loop is mostly in system calls.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(l.done)
	defer l.box.release()
	var awake clock.Instant // time until which the loop polls without sleeping
	for {
		now := l.Now()
		l.world.Sync(now)
		moved := l.drain(now)
		calls := l.serveCalls(now)
		more := l.world.Turn(now)
		if l.box.finish() {
			l.world.FlushCaptures()
			return
		}
		if moved+calls > 0 {
			awake = l.Now().Add(spin)
		}
		switch {
		case more:
			l.refresh() // without this, due events would keep new devices from being polled
			l.wait(&unix.Timespec{})
		case now < awake:
			l.look()
		default:
			l.sleep()
		}
	}
}

// drain receives a batch from each device that is readable, and returns the number of frames.
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

// judge handles the error conditions that poll reports for a descriptor.
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

// relink makes the port that has the device now read its link state again. Poll errors so far may have concerned the
// old state, so their counts are cleared.
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

// serveCalls runs the calls in the mailbox and returns their number.
func (l *loop) serveCalls(now clock.Instant) (calls int) {
	l.taken = l.box.take(l.taken)
	for i, c := range l.taken {
		l.world.Called()
		l.taken[i] = nil
		l.serve(c, now)
	}
	return len(l.taken)
}

// look marks each device as readable without a poll, unless it is full, because a read that finds nothing is cheaper
// than a poll.
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

// sleep waits until a device or a caller is ready or the next event is due.
func (l *loop) sleep() {
	l.refresh()
	var timeout *unix.Timespec
	if next := l.world.Wake(); next != clock.Never {
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

// wait calls ppoll. A nil timeout means no limit.
func (l *loop) wait(timeout *unix.Timespec) {
	if _, err := unix.Ppoll(l.fds, timeout, nil); err != nil {
		for i := range l.fds {
			l.fds[i].Revents = 0 // a signal has interrupted the wait, so the loop reads the time and sleeps again
		}
	}
}

// refresh updates the list of descriptors, and polls for room only where frames wait.
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
