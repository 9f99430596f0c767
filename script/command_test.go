package script

import (
	"os/exec"
	"testing"
	"time"
)

// An interrupt that came before the command's process was there keeps it from starting.
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

// One that is told of as the command has just started may have come before; later the keyboard's own
// signal has reached it.
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

// The operator & is found outside quotes, and not in && and redirections.
func TestStartsInBackground(t *testing.T) {
	for line, want := range map[string]bool{
		"sleep 1 &": true, "sleep 1&": true, "&": true, "a & b": true, "(a; b) &": true, "a&&b&": true, `echo "x" & `: true, "a 2>&1 &": true,
		`echo \\&`: true, "a && b": false, "a 2>&1": false, "a <&3": false, "a &>x": false, `echo "&"`: false, `echo '&'`: false,
		`echo \&`: false, `echo "\"&"`: false, `echo '\'&`: true, "": false, "a |& b": false, "curl 'http://x/?a=1&b=2'": false,
	} {
		if got := startsInBackground(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
