package gonet

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// A Poster is a lab.Runner that also runs functions later. Post makes the owner run fn soon and does not wait for it; functions run
// in the order of the calls of Post. The Runners of stack/lab/live and of Drive are Posters. For other Runners a Net starts one
// goroutine while it has calls to make, and that goroutine waits in Do.
type Poster interface {
	Post(fn func(now clock.Instant))
}

// A Net is the network as one host sees it. Its methods may be called by any number of goroutines.
type Net struct {
	runner  lab.Runner
	poster  Poster // runner, nil if it is no Poster
	host    *lab.Host
	steps   *Driver                    // runner, nil if it does not run in steps
	later   func(wake func())          // runs wake after the owner's turn, which steps asks for; nil: a caller is woken at once
	failed  atomic.Pointer[failedWith] // set by Fail
	servers []netip.AddrPort           // DNS servers, in the order in which they are asked

	spare   []*task // storage for the next queue; the owner's
	lastKey uint64  // key of the newest socket; the owner's

	mu     sync.Mutex
	queue  []*task // tasks that the owner has not begun
	posted bool    // true while the owner has been told of the queue
	calls  uint64  // calls that have been made, for the order of tasks without a socket
}

// An Option changes a Net that New makes.
type Option func(*Net)

// WithDNS makes the Resolver ask these DNS servers, in this order, for names that no host of the lab has.
func WithDNS(servers ...netip.AddrPort) Option {
	return func(n *Net) { n.servers = append(n.servers, servers...) }
}

// New returns the network of host, whose world runner advances. Any goroutine must be able to call runner.Do: a Runner of
// stack/lab/live or of Drive allows that, lab.NewVirtual does not. New starts nothing, and there is nothing to close but the sockets.
func New(runner lab.Runner, host *lab.Host, opts ...Option) *Net {
	n := &Net{runner: runner, host: host}
	n.poster, _ = runner.(Poster)
	if d, ok := runner.(*Driver); ok && d.settle != nil {
		n.steps, n.later = d, d.later
	}
	for _, opt := range opts {
		opt(n)
	}
	return n
}

// failedWith is the error of a Net that Fail has ended.
type failedWith struct{ err error }

// Fail makes every later dial, listen and lookup fail with err, as if the program that uses n had no host any more. Open sockets
// stay; the owner of the host may end them (stack.Host.AbortAll), and then their calls fail with err too, except those after the program's own
// Close. Another Net on the same host is not affected.
func (n *Net) Fail(err error) { n.failed.Store(&failedWith{err}) }

// failure returns the error of Fail, nil before it was called.
func (n *Net) failure() error {
	if f := n.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// endError returns the error of a socket's call after the owner has ended the socket: that of Fail, or else err.
func (n *Net) endError(err error) error {
	if f := n.failure(); f != nil {
		return f
	}
	return err
}

// wake runs fn, which lets a caller continue.
func (n *Net) wake(fn func()) {
	if n.later != nil {
		n.later(fn)
		return
	}
	fn()
}

// Host returns the host. Only functions given to the Runner's Do may use it.
func (n *Net) Host() *lab.Host { return n.host }

// A task is a socket's, or a single call's, work for the owner. Its fields belong to the Net's lock, except run and key.
type task struct {
	run    func(now clock.Instant) // called on the owner's goroutine
	key    taskKey                 // set by the owner, or before the first call
	call   uint64
	queued bool
}

// taskKey orders the tasks of one turn: sockets in the order in which the stack made them, then new sockets by what they ask for. So
// the order of frames does not depend on which goroutine called first, as far as calls differ.
type taskKey struct {
	socket uint64 // 0 for a task without a socket
	want   string // network and addresses of a task without a socket
}

// newKey returns the key of the newest socket. Only the owner calls it.
func (n *Net) newKey() taskKey {
	n.lastKey++
	return taskKey{socket: n.lastKey}
}

// submit makes the owner run t in its next turn, once, however often submit was called before. It does not wait. The caller holds
// no lock of a socket.
func (n *Net) submit(t *task) {
	n.mu.Lock()
	if t.queued {
		n.mu.Unlock()
		return
	}
	n.calls++
	t.queued, t.call = true, n.calls
	n.queue = append(n.queue, t)
	tell := !n.posted
	n.posted = true
	n.mu.Unlock()
	switch {
	case !tell:
	case n.steps != nil:
		n.steps.post(n.host.Name(), n.turn)
	case n.poster != nil:
		n.poster.Post(n.turn)
	default:
		go n.runner.Do(n.turn)
	}
}

// turn runs the queued tasks. The owner calls it.
func (n *Net) turn(now clock.Instant) {
	n.mu.Lock()
	list := n.queue
	n.queue, n.spare = n.spare[:0], nil
	n.posted = false
	for _, t := range list {
		t.queued = false
	}
	if len(list) > 1 {
		slices.SortFunc(list, compareTasks)
	}
	n.mu.Unlock()
	next := 0
	defer func() {
		for _, t := range list[next:] { // after a panic of the stack, for a later turn
			n.submit(t)
		}
	}()
	for next < len(list) {
		t := list[next]
		list[next] = nil
		next++
		t.run(now)
	}
	n.spare = list[:0]
}

func compareTasks(a, b *task) int {
	switch {
	case (a.key.socket == 0) != (b.key.socket == 0):
		return cmp.Compare(b.key.socket, a.key.socket) // a task without a socket is last
	case a.key.socket != b.key.socket:
		return cmp.Compare(a.key.socket, b.key.socket)
	}
	return cmp.Or(cmp.Compare(a.key.want, b.key.want), cmp.Compare(a.call, b.call))
}

// do makes the owner run fn and waits for it. want tells calls of the same turn apart; see taskKey. If fn panics, so does do.
func (n *Net) do(want string, fn func(now clock.Instant)) {
	done := make(chan bool, 1)
	n.submit(&task{key: taskKey{want: want}, run: func(now clock.Instant) {
		returned := false
		defer func() { n.wake(func() { done <- returned }) }()
		fn(now)
		returned = true
	}})
	if !<-done {
		panic("gonet: " + want + ": the stack of host " + n.host.Name() + " panicked")
	}
}
