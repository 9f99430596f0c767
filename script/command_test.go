package script

import (
	"os/exec"
	"testing"
	"time"
)

// TestInterruptBeforeACommand: an interrupt that comes before the command's process exists keeps the process from
// starting.
func TestInterruptBeforeACommand(t *testing.T) {
	s := newSim(t, 1)
	s.tasks.Foreground = true
	s.Interrupt()
	if got := s.Shell("exit 3"); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
	if got := s.Shell("exit 3"); got != 3 {
		t.Errorf("exit status %d of the one after it", got)
	}
	if err := s.RunCommand("sleep(1)"); err != nil {
		t.Error(s.err.String())
	}
}

// TestInterruptOfANewCommand: the keyboard sends its own signal to the command's process. So an interrupt is passed on
// to a process that has just started, since it may have been given before the start, and not to an older process.
func TestInterruptOfANewCommand(t *testing.T) {
	r := &running{cmd: exec.Command("sleep", "3600")}
	done := make(chan error, 1)
	go func() { done <- r.run() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		up := !r.started.IsZero()
		r.mu.Unlock()
		if up {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command does not start")
		}
	}
	r.mu.Lock()
	r.started = time.Now().Add(-2 * soon)
	r.mu.Unlock()
	r.interrupt()
	select {
	case err := <-done:
		t.Fatalf("it was interrupted twice: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	r.mu.Lock()
	r.started = time.Now()
	r.mu.Unlock()
	r.interrupt()
	if err := <-done; err == nil || err.Error() != "signal: interrupt" {
		t.Errorf("it ended with %v", err)
	}
}
