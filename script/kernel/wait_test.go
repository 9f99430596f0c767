package kernel

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

// A lateTask is told to end just after fn of each wait has run, so each wait returns an error although fn succeeded.
type lateTask struct{ *fakeTask }

func (t lateTask) Outside(_ string, fn, _ func()) error {
	fn()
	return errCanceled
}

// pair returns both ends of a connection over loopback.
func (p *program) pair(t Task) (c, k *conn, l *listener) {
	p.t.Helper()
	nl, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		p.t.Fatal(err)
	}
	l = &listener{k: p.kernel, l: nl, local: addrPort(nl.Addr())}
	p.kernel.keep(nl)
	nc, err := dialTCP(t, setter{}, registry.Ends{Remote: l.local}, forever)
	if err != nil {
		p.t.Fatal(err)
	}
	if k, err = l.accept(t, forever); err != nil {
		p.t.Fatal(err)
	}
	return p.kernel.newConn(nc), k, l
}

// If a task has to end just after its wait succeeded, the result is not lost. The next reader gets the data, the next
// task gets the turn, and a new connection is closed.
func TestWaitThatEndsAsItSucceeds(t *testing.T) {
	p := newProgram(t, true)
	p.baton.Lock()
	defer p.baton.Unlock()
	main := p.newTask()
	c, k, l := p.pair(main)
	defer p.kernel.Close()

	if err := c.send(main, []byte("abc"), forever); err != nil {
		t.Fatal(err)
	}
	if _, err := k.recv(lateTask{main}, 2, forever); !errors.Is(err, errCanceled) {
		t.Errorf("recv returned %v", err)
	}
	if b, err := k.recv(main, 10, forever); string(b) != "ab" || err != nil {
		t.Errorf("then recv returned %q, %v", b, err)
	}

	closedByPeer := func(c *conn, err error) {
		t.Helper()
		if err == nil {
			var b []byte
			if b, err = c.recv(main, 1, forever); err == nil && len(b) == 0 {
				return
			}
		}
		t.Errorf("the peer did not close: %v", err)
	}
	if _, err := dialTCP(lateTask{main}, setter{}, registry.Ends{Remote: l.local}, forever); !errors.Is(err, errCanceled) {
		t.Errorf("connect returned %v", err)
	}
	closedByPeer(l.accept(main, forever))
	nc, err := dialTCP(main, setter{}, registry.Ends{Remote: l.local}, forever)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.accept(lateTask{main}, forever); !errors.Is(err, errCanceled) {
		t.Errorf("accept returned %v", err)
	}
	closedByPeer(p.kernel.newConn(nc), nil)

	first := &turn{busy: true}
	other := make(chan struct{})
	err = first.take(giver{main, func() { first.give(); first.waiting = append(first.waiting, other) }}, "its turn", time.Time{})
	if !errors.Is(err, errCanceled) || !first.busy {
		t.Errorf("take returned %v", err)
	}
	select {
	case <-other:
	default:
		t.Error("the turn did not pass on to the next task")
	}
}

// A giver is a task that has to end at the moment at which the function give passes it the turn.
type giver struct {
	*fakeTask
	give func()
}

func (t giver) Outside(_ string, fn, _ func()) error {
	t.give()
	fn()
	return errCanceled
}

// Close closes every open socket, which ends the waits for the sockets.
func TestClose(t *testing.T) {
	p := newProgram(t, true)
	p.baton.Lock()
	defer p.baton.Unlock()
	main := p.newTask()
	_, k, l := p.pair(main)
	u, err := p.kernel.bindUDP(main, netip.AddrPortFrom(addrPort(l.l.Addr()).Addr(), 0))
	if err != nil {
		t.Fatal(err)
	}
	var tasks []*fakeTask
	for _, wait := range []func(t *fakeTask) error{
		func(t *fakeTask) error { _, err := k.recv(t, 1, forever); return err },
		func(t *fakeTask) error { _, err := l.accept(t, forever); return err },
		func(t *fakeTask) error { _, _, err := u.recv(t, forever); return err },
	} {
		task := p.newTask()
		p.run(task, func() (starlark.Value, error) { return nil, wait(task) })
		p.await(func() bool { return task.outside })
		tasks = append(tasks, task)
	}
	p.kernel.Close()
	for i, task := range tasks {
		p.await(task.Done)
		ended := i == 0 && task.failure == nil // the connection's other end was closed first
		if !errors.Is(task.failure, net.ErrClosed) && !ended {
			t.Errorf("wait %d ended with %v", i, task.failure)
		}
	}
	if n := len(p.kernel.open); n != 0 {
		t.Errorf("%d sockets are open after Close", n)
	}
}
