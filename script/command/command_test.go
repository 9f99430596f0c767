package command

import (
	"testing"
	"time"
)

// Status returns the exit status of the command, or 128 plus the number of the signal that ended the command.
func TestStatus(t *testing.T) {
	for line, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "exec /no/such/program 2>/dev/null": Missing} {
		if got, ran := Status(New(line).Run()); got != want || !ran {
			t.Errorf("%s: status %d, %v, want %d", line, got, ran, want)
		}
	}
	c := New("true")
	c.cmd.Path = "/no/such/shell"
	if got, ran := Status(c.Run()); got != Missing || ran {
		t.Errorf("without a shell the status is %d, %v", got, ran)
	}
}

// An interrupt before the start keeps the command from starting.
func TestInterruptBeforeStart(t *testing.T) {
	c := New("exit 3")
	c.Interrupt()
	err := c.Run()
	if got, ran := Status(err); err != ErrInterrupted || got != 130 || !ran || c.cmd.Process != nil {
		t.Errorf("Run returned %v, status %d", err, got)
	}
}

// Interrupt passes an interrupt on just after the start of the command, since the signal may have preceded the process.
// Later it does not, since the keyboard's signal has reached the process.
func TestInterruptOfANewCommand(t *testing.T) {
	r := New("exec sleep 3600")
	done := make(chan error, 1)
	go func() { done <- r.Run() }()
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
	r.Interrupt()
	select {
	case err := <-done:
		t.Fatalf("the command was interrupted twice: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	r.mu.Lock()
	r.started = time.Now()
	r.mu.Unlock()
	r.Interrupt()
	if err := <-done; err == nil || err.Error() != "signal: interrupt" {
		t.Errorf("the command ended with %v", err)
	}
}
