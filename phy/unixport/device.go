//go:build linux

package unixport

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// Options are the options of Dial.
type Options struct {
	// MTU is the MTU that the switch must have, in octets; 0 accepts any.
	MTU int
	// Users holds the numbers of users who may serve the switch, in addition to the process's own user and root.
	Users []int
	// Refused, if set, is called on Watch's goroutine when the device does not join a switch at the path, once for each
	// reason.
	Refused func(err error)
}

// trusts reports whether a process of the user uid may serve the switch. Such a process sees all frames that the host
// sends.
func (o *Options) trusts(uid int) bool {
	return uid == 0 || uid == os.Geteuid() || slices.Contains(o.Users, uid)
}

// Shortest and longest time between two attempts to find a switch again.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Device is a host's end of the cable. When the switch ends, the link goes down. While Watch runs, the link comes up again when a
// switch serves the same path.
type Device struct {
	conn
	path    string
	opts    Options
	idle    int // descriptor that FD stands for while there is no switch; never readable
	up      bool
	closed  bool
	watched bool
	loss    chan struct{} // makes the watcher look for a switch
	stop    chan struct{} // closed when the device is closed

	mu    sync.Mutex // guards the fields below, which the watcher sets for Refresh
	found *meeting
	ended bool
}

// meeting is a connection to a switch that has sent its hello.
type meeting struct{ fd, mtu int }

// Dial connects to the switch that serves path. The device's name is the path's last element. Its hardware address is
// local (IEEE 802-2014 §8.4) and random, so that each process has a different one. If one of this package's errors is
// the reason, the error matches it.
func Dial(path string, opts Options) (*Device, error) {
	idle, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, &os.PathError{Op: "eventfd", Path: path, Err: err}
	}
	m, err := meet(path, &opts)
	if err != nil {
		unix.Close(idle)
		return nil, err
	}
	d := &Device{conn: newConn(filepath.Base(path), m.fd, m.mtu), path: path, opts: opts, idle: idle, up: true,
		loss: make(chan struct{}, 1), stop: make(chan struct{})}
	d.caps.MAC = localMAC()
	return d, nil
}

func localMAC() (a wire.HardwareAddr) {
	_, _ = rand.Read(a[:]) // never fails
	a[0] = 2
	return a
}

// meet connects to the switch, checks which user serves it, and exchanges hellos.
func meet(path string, opts *Options) (*meeting, error) {
	mtu := opts.MTU
	if err := checkPath(path); err != nil {
		return nil, err
	}
	c, err := net.DialTimeout("unixpacket", path, helloTime)
	if err != nil {
		return nil, dialError(path, err)
	}
	defer c.Close()
	who, err := peer(c.(*net.UnixConn))
	if err != nil {
		return nil, err
	}
	if !opts.trusts(int(who.Uid)) {
		return nil, &Error{Path: path, Err: ErrUser, Theirs: int(who.Uid), Ours: os.Geteuid()}
	}
	_ = c.SetDeadline(time.Now().Add(helloTime))
	if _, err := c.Write(control(kindHello, mtu)); err != nil {
		return nil, helloError(path, err)
	}
	var b [64]byte
	n, err := c.Read(b[:])
	if err != nil {
		return nil, helloError(path, err)
	}
	version, kind, number := parseControl(b[:n])
	switch {
	case kind == 0:
		return nil, &Error{Path: path, Err: ErrOther}
	case version != Version:
		return nil, &Error{Path: path, Err: ErrVersion, Ours: Version, Theirs: int(version)}
	case kind == kindFull:
		return nil, &Error{Path: path, Err: ErrFull, Theirs: number}
	case kind != kindHello || number < MinMTU || number > MaxMTU:
		return nil, &Error{Path: path, Err: ErrOther}
	case mtu != 0 && mtu != number:
		return nil, &Error{Path: path, Err: ErrMTU, Ours: mtu, Theirs: number}
	}
	fd, err := duplicate(c.(*net.UnixConn))
	if err != nil {
		return nil, err
	}
	return &meeting{fd, number}, nil
}

// peer returns the process at the other end. Its identifiers (pid, uid, gid) are from the time when it connected or
// began to listen (SO_PEERCRED, unix(7)).
func peer(c *net.UnixConn) (who *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return who, errors.Join(err, cerr)
}

// duplicate returns a second descriptor for the connection, non-blocking like the original.
func duplicate(c *net.UnixConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(n uintptr) { fd, err = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, cerr)
}

// Recv returns the pending frames. phy.ErrDown means that the switch has ended. It may return.
func (d *Device) Recv(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	if !d.up {
		return 0, phy.ErrDown
	}
	n, err := d.recv(frames)
	return n, d.judge(err)
}

// Send queues frames to the switch until the socket is full. phy.ErrDown means that the switch has ended. It may
// return.
func (d *Device) Send(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	if !d.up {
		return 0, phy.ErrDown
	}
	n, err := d.send(frames)
	return n, d.judge(err)
}

// judge takes the link down when the switch has ended. The descriptor keeps its number, so that the caller can continue
// to poll it. It reports no events until there is a switch again.
func (d *Device) judge(err error) error {
	if err != errGone {
		return err
	}
	d.up = false
	_ = unix.Dup3(d.idle, d.fd, unix.O_CLOEXEC)
	select {
	case d.loss <- struct{}{}:
	default:
	}
	return phy.ErrDown
}

// Up reports whether a switch was at the other end when the device was last used.
func (d *Device) Up() bool { return d.up }

// Path returns the socket's path.
func (d *Device) Path() string { return d.path }

// Watch calls changed when the switch is lost and when it is found again. It runs on its own goroutine, which looks for
// the switch until the device is closed. Further calls do nothing.
func (d *Device) Watch(changed func()) {
	if d.watched || d.closed {
		return
	}
	d.watched = true
	go func() {
		for {
			select {
			case <-d.loss:
				changed()
				if !d.seek() {
					return
				}
				changed()
			case <-d.stop:
				return
			}
		}
	}()
}

// seek looks for a switch at growing intervals, and stores the connection for Refresh. It returns false if the device
// is closed.
func (d *Device) seek() bool {
	told := ""
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		select {
		case <-time.After(wait):
		case <-d.stop:
			return false
		}
		m, err := meet(d.path, &d.opts)
		if err != nil {
			if d.opts.Refused != nil && refusal(err) && told != err.Error() {
				told = err.Error()
				d.opts.Refused(err)
			}
			continue
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.ended {
			unix.Close(m.fd)
			return false
		}
		d.found = m
		return true
	}
}

// refusal reports whether err means that there is a switch which the device must not join.
func refusal(err error) bool {
	return errors.Is(err, ErrUser) || errors.Is(err, ErrVersion) || errors.Is(err, ErrMTU) || errors.Is(err, ErrFull)
}

// Refresh replaces the connection by the one that the watcher has found. It does nothing if the watcher has found none.
func (d *Device) Refresh() error {
	if d.closed {
		return phy.ErrClosed
	}
	d.mu.Lock()
	m := d.found
	d.found = nil
	d.mu.Unlock()
	if m == nil {
		return nil
	}
	err := unix.Dup3(m.fd, d.fd, unix.O_CLOEXEC)
	unix.Close(m.fd)
	if err != nil {
		return err
	}
	mac, stats := d.caps.MAC, d.stats
	d.conn = newConn(d.name, d.fd, m.mtu)
	d.caps.MAC, d.stats, d.up = mac, stats, true
	return nil
}

// Close disconnects the host from the switch.
func (d *Device) Close() error {
	if d.closed {
		return phy.ErrClosed
	}
	d.closed = true
	close(d.stop)
	d.mu.Lock()
	d.ended = true
	if d.found != nil {
		unix.Close(d.found.fd)
	}
	d.mu.Unlock()
	unix.Close(d.idle)
	return unix.Close(d.fd)
}
