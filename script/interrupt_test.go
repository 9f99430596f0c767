package script

import (
	"strings"
	"testing"
	"time"
)

// TestInterruptStopsWhatComputes: a background task that computes for long keeps the typed statement from running. An interrupt stops it,
// with an error that names it, and leaves a task alone that waits.
func TestInterruptStopsWhatComputes(t *testing.T) {
	s := newSim(t, 1)
	s.tasks.Foreground = true // as at a prompt
	if err := s.Typed("waits = spawn(sleep, 100)\ndef f():\n    while True: pass\n"); err != nil {
		t.Fatal(s.err.String())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Typed("t = spawn(f); sleep(1)") }()
	for s.tasks.Running() == nil { // until f computes
		time.Sleep(time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	s.Interrupt()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the statement does not end")
	}
	if err := s.Typed("print(t.done, waits.done)"); err != nil {
		t.Fatal(err, s.err.String())
	}
	s.Flush()
	if out := s.out.String(); out != "True False\n" {
		t.Errorf("printed %q", out)
	}
	if said := s.err.String(); !strings.HasPrefix(said, "task 2 (f): interrupted\n  <stdin>:2") {
		t.Errorf("said %q", said)
	}
}
