package scenario

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"smolsh/script/screen"
)

var updateScreens = flag.Bool("update", false, "write what the screen shows into testdata/screens")

// TestScreens compares what terminals of four widths show of a failing test with testdata/screens. No line but the command that repeats the
// test is wider than the terminal.
func TestScreens(t *testing.T) {
	path, err := filepath.Abs("../../../testdata/screens/failure.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // so that the reports have a name of one length
	var all strings.Builder
	for _, width := range []int{60, 80, 120, 200} {
		out := &bytes.Buffer{}
		text := `
def check(one, other):
    l = lab()
    a = l.host("a", one)
    b = l.host("b", other)
    l.link(a, b)
    v = b.serve("tcp", 7, echo)
    c = a.tcp.connect((other.split("/")[0], 7))
    c.send("hello")
    assert.eq(c.recv(), "HELLO", "the echo of the other host is to be in capital letters, as nobody has ever asked")

test_echo = cases(check, [("10.0.0.1/24", "10.0.0.2/24"), ("fdaa::1/64", "fdaa::2/64")])
`
		if err := os.WriteFile("x.star", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		files, _, err := Files([]string{"x.star"})
		if err != nil {
			t.Fatal(err)
		}
		c := &Config{Seeds: Seeds{1, 1}, Jobs: 1, Timeout: DefaultTimeout, Open: open, Stdout: out, Terminal: true, Columns: width, NoCaptures: true}
		t.Cleanup(c.Close)
		c.Tests = c.Collect(files).Tests
		if _, err := c.Run(); err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(` +\d+\.\d+ m?s\b`).ReplaceAllString(out.String(), "  0.1 ms")
		for line := range strings.SplitSeq(text, "\n") {
			if screen.Width(line) > width && !strings.HasPrefix(line, "      again:") {
				t.Errorf("%d columns: %q", width, line)
			}
		}
		fmt.Fprintf(&all, "-- %d --\n%s", width, text)
	}
	if *updateScreens {
		if err := os.WriteFile(path, []byte(all.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != all.String() {
		t.Errorf("%v; the screens are\n%s", err, all.String())
	}
}
