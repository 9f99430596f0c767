//go:build linux

package unixport

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/phy/tap/taptest"
)

// stranger is a user who is neither the test's nor root.
const stranger = 65534

// listenAs listens as another user, on a thread that is not used again.
func listenAs(t *testing.T, uid int, path string) *Listener {
	t.Helper()
	type result struct {
		l   *Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		keep := ^uintptr(0)
		if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); err != 0 {
			done <- result{nil, err}
			return
		}
		l, err := Listen(path, 1500)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.l.Close() })
	go func() {
		for {
			g, err := r.l.Accept()
			if err != nil {
				return
			}
			if g.Hello() == nil {
				if p, err := g.Admit("port"); err == nil {
					t.Cleanup(func() { p.Close() })
				}
			}
		}
	}()
	return r.l
}

// TestWhoServes: a host joins and rejoins only a switch that is served by its own user, by root, or by an allowed user.
func TestWhoServes(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0, "root", "run the tests as root")
	dir, err := os.MkdirTemp("", "switch")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sw")

	ours, ports := serve(t, path, 1500)
	told := make(chan error, 10)
	d, err := Dial(path, Options{Refused: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	changed := make(chan struct{}, 10)
	d.Watch(func() { changed <- struct{}{} })
	ours.Close()
	theirs := listenAs(t, stranger, path)
	(<-ports).Close()
	for err = nil; err == nil; { // until the device learns that its switch is gone
		_, err = d.Recv(one())
	}
	<-changed
	if err := <-told; !errors.Is(err, ErrUser) || err.(*Error).Theirs != stranger {
		t.Errorf("joining again: %v", err)
	}
	if d.Up() || d.Refresh() != nil || d.Up() {
		t.Error("it has joined again")
	}

	if _, err := Dial(path, Options{}); !errors.Is(err, ErrUser) {
		t.Errorf("joining: %v", err)
	}
	trusting, err := Dial(path, Options{Users: []int{stranger}})
	if err != nil {
		t.Errorf("joining one that is trusted: %v", err)
	} else {
		trusting.Close()
	}
	theirs.Close()
	_, ports = serve(t, path, 1500)
	defer func() { (<-ports).Close() }()
	<-changed // our switch serves again, and the device has found it
	if len(told) > 0 {
		t.Errorf("told again: %v", <-told)
	}
}
