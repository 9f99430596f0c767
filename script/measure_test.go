package script

import (
	"strings"
	"testing"
)

// TestPrintedOnce: measure() and show() print the value that they return. A print() of it that follows prints nothing more, a later one does.
// At the prompt, the value typed by its name prints again.
func TestPrintedOnce(t *testing.T) {
	const m = "peer.measure.serve(5201); x = measure('192.168.69.100:5201', '1ms')"
	for src, want := range map[string]int{
		m + "\nprint(x)\n":             1,
		m + "\nprint('-')\nprint(x)\n": 2,
		m + "; print(x, 1)\n":          2,
		"trace('icmp'); p = spawn(sniff, 'icmp', count=1); sleep(0); ping('peer', count=1); print(p.join()[0].show())\n": 1,
	} {
		s := newSim(t, 1)
		if err := s.RunSource("x.star", src); err != nil {
			t.Fatal(s.err.String())
		}
		if got := strings.Count(s.out.String(), "\nup 192") + strings.Count(s.out.String(), "[icmp]"); got != want {
			t.Errorf("%s: printed %d times, want %d: %s", src, got, want, s.out.String())
		}
	}
	s := newSim(t, 1)
	for i, line := range []string{m, "x", "print(x)"} {
		if err := s.Typed(line); err != nil {
			t.Fatal(s.err.String())
		}
		s.Flush()
		if got := strings.Count(s.out.String(), "\nup 192"); got != i+1 {
			t.Errorf("%s: printed %d times", line, got)
		}
	}
}
