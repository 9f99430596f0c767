//go:build linux

package script

import (
	"os"
	"path/filepath"
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

// TestInterruptedFiles: an interrupt ends every call that waits for a file, on the virtual clock and on the wall clock,
// and the session continues.
func TestInterruptedFiles(t *testing.T) {
	const conn = `tcp.connect("192.168.69.100:7")`
	for _, wall := range []bool{false, true} {
		for _, c := range []struct {
			src   string
			reads bool
		}{
			{`read_capture("fifo.pcapng")`, true}, {`load("fifo.pcapng", "x")`, true}, {`run("fifo.pcapng")`, true},
			{conn + `.sendfile("fifo.pcapng")`, true},
			{conn + `.sink("fifo.pcapng")`, false}, {`save("fifo.pcapng")`, false}, {`capture("fifo.pcapng")`, false},
		} {
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
			go func() { done <- s.RunCommand(c.src) }()
			if c.reads {
				defer writer(t, "fifo.pcapng").Close() // the call now reads the pipe, which has no data
			}
			s.Interrupt()
			select {
			case err := <-done:
				if got := status(err); got != 130 {
					t.Errorf("%s: exit status %d: %s", c.src, got, s.err.String())
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: not ended by the interrupt", c.src)
			}
			if err := s.RunCommand(`sleep("1ms")`); err != nil {
				t.Errorf("%s: afterwards: %s", c.src, s.err.String())
			}
		}
	}
}

// TestCaptureIntoAFIFO: a capture into a FIFO can be read from the other end while it runs, and then to its end.
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

// TestCompletionOfFIFO: the completion of file names opens folders only.
func TestCompletionOfFIFO(t *testing.T) {
	dir := t.TempDir()
	fifo(t, filepath.Join(dir, "x"))
	if got := files(filepath.Join(dir, "x")+"/", false); len(got) != 0 {
		t.Errorf("completes %v", got)
	}
}
