//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestShellCommand runs commands as `!cmd` does. smolsh returns their status. They receive an interrupt themselves, and
// the stack and its tasks continue.
func TestShellCommand(t *testing.T) {
	s := newLive(t)
	for line, want := range map[string]int{"exit 3": 3, "true": 0, "kill -INT $$": 130, "/no/such/program 2>/dev/null": 127} {
		if got := s.Shell(line); got != want {
			t.Errorf("%s: status %d, want %d", line, got, want)
		}
	}
	if err := s.Typed(`t = spawn(lambda: ping("192.168.69.100", count=1))`); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0) // the open returns when the command has started
		if err != nil {
			t.Error(err)
			return
		}
		time.Sleep(200 * time.Millisecond) // an interrupt at the start is passed on to the command
		s.Interrupt()
		if _, err := f.WriteString("line\n"); err != nil {
			t.Error(err)
		}
		f.Close()
	}()
	if got := s.Shell("read x <" + fifo + " && test $x = line && sleep 0.05 && exit 4"); got != 4 {
		t.Errorf("status %d, want 4", got)
	}
	if err := s.Typed(`assert.true(t.done); assert.eq(t.result.received, 1)`); err != nil {
		t.Error(err, s.err.String())
	}
}
