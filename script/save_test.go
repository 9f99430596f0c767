package script

import (
	"os"
	"strings"
	"testing"
)

// TestSavedScriptRuns types lines, saves them, and runs the file in a new session, where the last check must hold too.
func TestSavedScriptRuns(t *testing.T) {
	const x = "def double(n): return 2 * n\nanswer = double(21)\n_private = 1\nwho = args[0] if args else None\n"
	for _, c := range []struct {
		name  string
		typed []string
		saved string // expected text of the file
		check string // condition that holds after the file has run; "" for none
	}{
		{"plain", []string{"a = 1", "def f():\n    return a\n", "f()"}, "a = 1\ndef f():\n    return a\nf()\n", "f() == 1"},
		{"the names of a run file", []string{`run("x.star")`, "b = double(answer)", "c = _private"},
			"# the names of x.star, which run() would not make available here:\ndef double", "(b, c, who) == (84, 1, None)"},
		{"its arguments", []string{`run("x.star", "me")`, "d = who"}, "args = [\"me\"]\n", `d == "me"`},
		{"a run file whose names are not used", []string{`run("x.star")`, "e = 1"}, "run(\"x.star\")\ne = 1\n", "e == 1"},
		{"run once more", []string{`run("x.star")`, "reload()", "answer"}, "# the names of x.star", "answer == 42"},
		{"run in a loop", []string{`for i in range(2): run("x.star")`, "g = answer", "h = 3"},
			"# not repeated: undefined: answer\n# g = answer\nh = 3\n", "h == 3"},
		{"a line that failed", []string{"i = 1; j = 1 // 0", "k = i", "m = 4"},
			"# failed: floored division by zero\n# i = 1; j = 1 // 0\n# not repeated: undefined: i\n# k = i\nm = 4\n", "m == 4"},
		{"a command of the system", []string{"!true", "n2 = 5"}, "# not repeated: a script runs a command by sh(…)\n# !true\nn2 = 5\n", "n2 == 5"},
		{"a line that is none", []string{"1 +", "n = 5"}, "# failed: ", "n == 5"},
		{"what follows from a line that failed", []string{"o = p", "q = o", "r = q", "t = 6"}, "# r = q\nt = 6\n", "t == 6"},
		{"the last value", []string{"6 * 7", "None", "u = _ + 1", "_ + 1", "v = _"}, "_ = 6 * 7\nNone\nu = _ + 1\n_ = _ + 1\n", "(u, v) == (43, 43)"},
		{"the last value with a comment", []string{"6 * 7  # why", "", "# a comment", "x = _"}, "_ = (6 * 7  # why\n)\n\n# a comment\n", "x == 42"},
		{"the last value, unused", []string{"6 * 7  # why not", "w = 1"}, "6 * 7  # why not\nw = 1\n", "w == 1"},
		{"saved within a line", []string{"é = 1; save('other.star'); b2 = é + 1"}, "é = 1; pass; b2 = é + 1\n", "b2 == 2"},
		{"saved within a paste", []string{"def f():\n    return 3\n\nsave('other.star')\nb3 = f()\n"}, "def f():\n    return 3\n\npass\nb3 = f()\n", "b3 == 3"},
		{"the last value of two", []string{"y = 7; y", "z = _", "z2 = 8"}, "# not repeated: _ was a value of several statements, or of a line that failed\n# z = _\nz2 = 8\n", "z2 == 8"},
		{"the last value of an older line", []string{"1", "y = 7; y", "z = _", "9", "z3 = _"}, "# z = _\n_ = 9\n", "z3 == 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("x.star", []byte(x), 0o666); err != nil {
				t.Fatal(err)
			}
			s := newSim(t, 1)
			s.tasks.Foreground, s.cfg.Interactive = true, true // as at a prompt
			for _, line := range append(c.typed, `save("saved.star")`) {
				if cmd, ok := strings.CutPrefix(line, "!"); ok {
					s.Shell(cmd)
					continue
				}
				_ = s.Typed(line)
			}
			b, err := os.ReadFile("saved.star")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), c.saved) {
				t.Errorf("saved:\n%s\nwant:\n%s", b, c.saved)
			}
			again := newSim(t, 1)
			if got := status(again.RunSource("saved.star", string(b)+"assert.true("+c.check+")\n")); got != 0 {
				t.Errorf("the saved file ends with status %d: %s\n%s", got, again.err.String(), b)
			}
		})
	}
}

// TestSaveAtTheEndOfALine: save() knows the statements before it in its own line.
func TestSaveAtTheEndOfALine(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if err := s.Typed("x = 1; y = 'é'; save('saved.star')"); err != nil {
		t.Fatal(s.err.String())
	}
	if b, err := os.ReadFile("saved.star"); string(b) != "x = 1; y = 'é'\n" {
		t.Errorf("saved %q: %v", b, err)
	}
}

func TestNothingToSave(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	_ = s.Typed("nothing")
	if err := s.Typed(`save("saved.star")`); err == nil || !strings.Contains(s.err.String(), "nothing was typed yet that went well") {
		t.Errorf("said %s", s.err.String())
	}
}
