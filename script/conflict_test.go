package script

import (
	"strings"
	"testing"
)

// TestConflictLine: the prompt reports each defence of our address against another station with one line.
func TestConflictLine(t *testing.T) {
	s := newSim(t, 1)
	s.sayConflicts()
	err := s.RunCommand(`
mine, thief = [192, 168, 69, 1], [2, 0, 0, 0, 0, 0x66]
for _ in range(5):
    peer.frames.bind().send(bytes([255] * 6 + thief + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + thief + mine + [0] * 6 + mine))
    sleep(1)
`)
	if got := status(err); got != 0 {
		t.Fatalf("exit status %d: %s", got, s.err.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const want = "address conflict: 192.168.69.1 on eth0 is used by 02:00:00:00:00:66 too: defended\n"
	if got := s.out.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("printed %q, want one line that ends in %q", got, want)
	}
}
