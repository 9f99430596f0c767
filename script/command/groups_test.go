//go:build unix && (!linux || portable)

package command

import (
	"os"
	"path/filepath"
	"testing"

	"smolsh/script/task"
)

// The end of a Set ends the processes that its programs have left behind in their groups, and no program of another Set.
func TestEndOfGroups(t *testing.T) {
	var set, other Set
	run := func(s *Set, line string) *Program {
		p, err := s.New(line, []string{"/bin/sh", "-c", line})
		if err != nil {
			t.Fatal(err)
		}
		task.Background(p.Run, func() {})
		<-p.Started()
		return p
	}
	ended := filepath.Join(t.TempDir(), "ended")
	left := run(&set, "(trap 'echo ended >"+ended+"; exit' TERM; echo >"+ended+".soon; while :; do sleep 0.01; done) >/dev/null 2>&1 & "+
		"until [ -e "+ended+".soon ]; do sleep 0.01; done")
	<-left.Over()
	running, apart := run(&set, "exec sleep 3600"), run(&other, "exec sleep 3600")
	if n := len(marked(left.mark)); n != 1 {
		t.Fatalf("%d groups have the mark of the program that left a process behind", n)
	}
	set.End()
	<-running.Over()
	if status, _ := running.Result(); status != 143 {
		t.Errorf("status %d, want that of SIGTERM", status)
	}
	if _, err := os.Stat(ended); err != nil {
		t.Errorf("the process that was left behind has received no SIGTERM: %v", err)
	}
	if _, ended := apart.Result(); ended {
		t.Error("the program of the other set has ended")
	}
	other.End()
	<-apart.Over()
}
