//go:build linux

package script

import (
	"os"
	"strings"
	"testing"
	"time"
)

// lazily makes a session with a capture of two pings in file.pcapng, and pk, the echo requests in x.pcapng, which is then replaced by a FIFO.
func lazily(t *testing.T, wall bool) *testSession {
	t.Helper()
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if wall {
		s.home.Runner, s.virt = onWall{s.home.Runner}, nil
	}
	if err := s.Typed(`c = capture("x.pcapng"); ping("192.168.69.100", count=2); c.stop(); pk = read_capture("x.pcapng", ICMP(type=8), lazy=True)`); err != nil {
		t.Fatal(s.err.String())
	}
	if err := os.Rename("x.pcapng", "file.pcapng"); err != nil {
		t.Fatal(err)
	}
	fifo(t, "x.pcapng")
	return s
}

// command runs a command with a limit in real time.
func (s *testSession) command(t *testing.T, src string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.RunCommand(src) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(s.err.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the command does not end")
	}
}

// The task that loops over a file waits for the file, and the task that has opened the file runs meanwhile.
func TestLazyReadingParksTheLoop(t *testing.T) {
	s := lazily(t, true)
	go func() {
		b, err := os.ReadFile("file.pcapng")
		f := writer(t, "x.pcapng")
		time.Sleep(100 * time.Millisecond)
		if err == nil {
			_, err = f.Write(b)
		}
		if err != nil {
			t.Error(err)
		}
		f.Close()
	}()
	s.command(t, `
def waiting():
    n = 0
    while not t.done:
        sleep("1ms")
        n += 1
    return n
t = spawn(lambda: len(list(pk)))
assert.true(waiting() > 5)
assert.eq(t.join(), 2)`)
}

// A loop that is canceled while the file is opened leaves nothing open, and another loop uses neither its reader nor its pattern.
func TestLazyReadingIsCanceled(t *testing.T) {
	s := lazily(t, true)
	s.command(t, `
t = spawn(lambda: [p for p in pk])
sleep("50ms")
t.cancel()
sleep("1ms")
assert.true(t.done)`)
	b, err := os.ReadFile("file.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	f := writer(t, "x.pcapng") // the abandoned reading goes on
	if err := os.Rename("file.pcapng", "x.pcapng"); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := f.Write(b)
		written <- err
	}()
	s.command(t, `assert.eq([p.icmp.seq for p in pk], [0, 1])`)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	closed(t, f, "the canceled loop")
	if got := s.err.String(); strings.Contains(got, "warning") {
		t.Errorf("standard error has %q", got)
	}
}
