package script

import "testing"

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
