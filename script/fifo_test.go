//go:build linux

package script

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fifo makes a named pipe in the working directory.
func fifo(t *testing.T, name string) {
	t.Helper()
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writer opens the other end of a pipe for writing as soon as somebody waits to read the pipe. It writes nothing.
func writer(t *testing.T, name string) *os.File {
	t.Helper()
	for range 30000 {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), name)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("nobody reads %s", name)
	return nil
}

// An interrupt ends every call that waits for a FIFO, and the session continues. The FIFO has no process at its other
// end, or a writer that writes nothing. The clock is the simulated one or the wall clock.
func TestInterruptedFiles(t *testing.T) {
	const conn = `tcp.connect("192.168.69.100:7")`
	for _, wall := range []bool{false, true} {
		for _, c := range []struct {
			src   string
			reads bool // true if the call reads the file, false if it writes it
		}{
			{`read_capture("fifo.pcapng")`, true}, {`load("fifo.pcapng", "x")`, true}, {`run("fifo.pcapng")`, true},
			{conn + `.sendfile("fifo.pcapng")`, true},
			{conn + `.sink("fifo.pcapng")`, false}, {`read_file("fifo.pcapng")`, true}, {`write_file("fifo.pcapng", "x")`, false}, {`log("fifo.pcapng")`, false},
			{`save("fifo.pcapng")`, false}, {`capture("fifo.pcapng")`, false}, {`local.lab.capture("fifo.pcapng", "icmp")`, false},
		} {
			interruptFile(t, wall, c.src, c.reads, false)
			if c.reads {
				interruptFile(t, wall, c.src, true, true)
			}
		}
	}
}

// interruptFile interrupts a call that reads or writes fifo.pcapng, which has a writer or nobody at its other end.
func interruptFile(t *testing.T, wall bool, src string, reads, written bool) {
	t.Chdir(t.TempDir())
	fifo(t, "fifo.pcapng")
	s := newSim(t, 1)
	if wall {
		s.home.Runner, s.virt = onWall{s.home.Runner}, nil
	}
	if err := s.Typed("x = 1"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.RunCommand(src) }()
	if written {
		defer writer(t, "fifo.pcapng").Close() // the call reads now, and has nothing to read
	} else {
		time.Sleep(50 * time.Millisecond) // the call opens the FIFO, and has probably handed the baton on
	}
	s.Interrupt()
	select {
	case err := <-done:
		if got := status(err); got != 130 {
			t.Errorf("%s: exit status %d: %s", src, got, s.err.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not ended by the interrupt", src)
	}
	if err := s.RunCommand(`sleep("1ms")`); err != nil {
		t.Errorf("%s: afterwards: %s", src, s.err.String())
	}
	switch {
	case !reads:
		abandoned(t, s, src)
	case !written && strings.Contains(src, "sendfile"):
		closed(t, writer(t, "fifo.pcapng"), src)
	}
}

// closed fails the test if a FIFO's other end stays open.
func closed(t *testing.T, w *os.File, what string) {
	t.Helper()
	defer w.Close()
	fds := []unix.PollFd{{Fd: int32(w.Fd())}}
	if n, err := unix.Poll(fds, 30_000); n != 1 || fds[0].Revents&unix.POLLERR == 0 {
		t.Errorf("%s: the file is open at its other end: %v", what, err)
	}
}

// abandoned opens the other end of a FIFO that an interrupted call was going to write. The opening succeeds then, for nobody: the
// file is closed, so that the reader reads to its end, and the claim ends.
func abandoned(t *testing.T, s *testSession, src string) {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		_, err := os.ReadFile("fifo.pcapng")
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: its file is open after the interrupt", src)
	}
	for range 30000 {
		n := s.files.outputs.Len()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%s: a claim outlives the call", src)
}

// A capture into a FIFO is read from its other end while it runs, and to its end.
func TestCaptureIntoAFIFO(t *testing.T) {
	t.Chdir(t.TempDir())
	fifo(t, "fifo.pcapng")
	s := newSim(t, 1)
	read := make(chan []byte)
	go func() {
		b, err := os.ReadFile("fifo.pcapng")
		if err != nil {
			t.Error(err)
		}
		read <- b
	}()
	if err := s.RunCommand(`c = capture("fifo.pcapng"); ping("192.168.69.100", count=1); c.stop()`); err != nil {
		t.Fatal(s.err.String())
	}
	if err := os.WriteFile("file.pcapng", <-read, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.RunCommand(`len(read_capture("file.pcapng", "icmp"))`); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	if got := s.out.String(); !strings.HasSuffix(got, "\n2\n") {
		t.Errorf("printed %q", got)
	}
}

// A capture into a device or a FIFO that does not take it all fails at its end, as one into a file does.
func TestCaptureNotTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	fifo(t, "fifo.pcapng")
	for _, end := range []string{"c.stop()", ""} {
		s := newSim(t, 1)
		err := s.RunCommand(`c = capture("/dev/full"); ping("192.168.69.100", count=1); ` + end)
		notTaken(t, s, err, end, "write /dev/full: no space left on device")

		s = newSim(t, 1)
		left := make(chan error, 1)
		go func() {
			f, err := os.Open("fifo.pcapng")
			if err == nil {
				err = f.Close()
			}
			left <- err
		}()
		if err := s.RunCommand(`c = capture("fifo.pcapng")`); err != nil {
			t.Fatal(s.err.String())
		}
		if err := <-left; err != nil {
			t.Fatal(err)
		}
		err = s.RunCommand(`ping("192.168.69.100", count=1); ` + end)
		notTaken(t, s, err, end, "write fifo.pcapng: broken pipe")

		s = newSim(t, 1)
		reads := make(chan *os.File, 1)
		go func() {
			f, _ := os.Open("fifo.pcapng") // reads nothing
			reads <- f
		}()
		err = s.RunCommand(`c = capture("fifo.pcapng"); ping("192.168.69.100", count=1000, size=1400, interval="1ms"); ` + end)
		notTaken(t, s, err, end, "the reader at the other end is too slow")
		(<-reads).Close()
	}
}

// notTaken ends the session, and checks that the command or the end of the session failed with an error.
func notTaken(t *testing.T, s *testSession, err error, end, want string) {
	t.Helper()
	got := s.err.String()
	if end == "" {
		if err != nil {
			t.Errorf("%v: %s", err, got)
		}
		got = fmt.Sprint(s.Close())
	} else if err == nil {
		t.Errorf("%s: no error", end)
	}
	if !strings.Contains(got, want) {
		t.Errorf("%q: got %q, want %q", end, got, want)
	}
}
