package script

import (
	"strings"
	"testing"
)

// TestRecursion: an endless recursion is an error of a few lines, at the prompt, in a task and in a callback. catch()
// can catch the error, and the next statement runs.
func TestRecursion(t *testing.T) {
	const f = "def f(n):\n    return f(n + 1)\n"
	for _, src := range []string{"f(0)\n", "spawn(f, 0).join()\n", "sorted([1, 2], key=f)\n"} {
		s := newSim(t, 1)
		_ = s.Typed(f)
		_ = s.Typed(src)
		got := s.err.String()
		if !strings.Contains(got, "recursion: more than 10000 calls are open") || strings.Count(got, "\n") > 30 {
			t.Errorf("%s says %.2000s", src, got)
		}
		if _ = s.Typed("print('on')"); !strings.Contains(s.out.String(), "on\n") {
			t.Errorf("after %s nothing runs: %s", src, s.err.String()[len(got):])
		}
	}
	s := newSim(t, 1)
	_ = s.RunSource("x.star", f+"print(catch(f, 0).error)\nassert.fails(lambda: f(0), '^recursion')\nprint('on')\n")
	if got := s.out.String() + s.err.String(); got != "recursion: more than 10000 calls are open\non\n" {
		t.Errorf("said %.2000q", got)
	}
}
