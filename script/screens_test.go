package script

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smolsh/script/screen"
)

var updateScreens = flag.Bool("update", false, "write what the screen shows into testdata/screens")

// screens are the lines that are typed for each screen. PEER is the other host's address.
var screens = []struct {
	name  string
	typed []string
}{
	{"trace", []string{`trace()`, `ping("PEER", count=1)`, `c = tcp.connect(("PEER", 7))`, `c.send("hello")`, `c.recv()`, `c.abort()`,
		`catch(tcp.connect, ("PEER", 81)).error`, `trace(False)`}},
	{"log", []string{`c = tcp.connect(("PEER", 7), log=8)`, `c.send("x" * 3000)`, `x = c.recv()`, `c.log()`}},
	{"ifaces", []string{`ping("PEER", count=1)`, `ifaces()`}},
	{"info", []string{`c = tcp.connect(("PEER", 7))`, `c.send("x" * 3000)`, `c.info()`}},
	{"ss", []string{`v = serve("tcp", 7, echo)`, `c = tcp.connect(("PEER", 7))`, `c.send("x")`, `ss()`}},
	{"neighbors", []string{`ping("PEER", count=1)`, `neighbors()`, `routes()`, `drops()`, `limits()`}},
	{"errors", []string{`ping("PEER", 70000)`, `tcp.connect("PEER")`, `tcp.connect(("PEER", 7), tiemout=3)`}},
}

// longest are the builtins with the longest help texts.
var longest = strings.Fields("tcp.connect tcp.listen serve conn.set lab.host fault lab.link limits.set on read_capture")

var screenWidths = []int{60, 80, 120, 200}

// screenOf returns what a terminal of the given width shows of a session. Width 0 is none.
func screenOf(t *testing.T, family, width int, colour bool, typed []string) string {
	t.Helper()
	local, peer := "192.168.69.1/24", "192.168.69.100/24"
	if family == 6 {
		local, peer = "fdaa::1/64", "fdaa::64:1234:ff:fe00/64"
	}
	s := newSimOn(t, 1, local, peer)
	s.cfg.Terminal, s.cfg.Colour = true, colour
	s.SetWidth(width)
	addr, _, _ := strings.Cut(peer, "/")
	for _, line := range typed {
		seen := len(s.err.String())
		if err := s.Typed(strings.ReplaceAll(line, "PEER", addr) + "\n"); err != nil {
			s.Flush()
			s.Print(screen.Fold(strings.TrimSuffix(s.err.String()[seen:], "\n"), width, hang))
		}
		s.Flush()
	}
	return s.out.String()
}

var colourSequence = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestScreens compares what terminals of four widths show with testdata/screens. No word is cut, whatever the width, and colours
// change nothing but the colour.
func TestScreens(t *testing.T) {
	for _, sc := range screens {
		for _, family := range []int{4, 6} {
			var all strings.Builder
			whole := screenOf(t, family, 0, false, sc.typed)
			for _, width := range screenWidths {
				text := screenOf(t, family, width, false, sc.typed)
				fmt.Fprintf(&all, "-- %d --\n%s", width, text)
				uncut(t, fmt.Sprintf("%s, IPv%d, %d columns", sc.name, family, width), text, whole, width)
				if coloured := screenOf(t, family, width, true, sc.typed); colourSequence.ReplaceAllString(coloured, "") != text {
					t.Errorf("%s, IPv%d, %d columns: with colours\n%s\nwithout\n%s", sc.name, family, width, coloured, text)
				} else if sc.name == "trace" && width == 80 {
					fmt.Fprintf(&all, "-- %d, coloured --\n%s", width, strings.ReplaceAll(coloured, "\x1b", "^["))
				}
			}
			golden(t, fmt.Sprintf("%s%d.txt", sc.name, family), all.String())
		}
	}
}

// TestHelpScreens does the same for the longest pages of help, and checks that those of all other names fit, too.
func TestHelpScreens(t *testing.T) {
	s := newSim(t, 1)
	var all strings.Builder
	for _, width := range screenWidths {
		fmt.Fprintf(&all, "-- %d --\n", width)
		for _, name := range longest {
			page, err := s.reg.Page(name, width)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(page + "\n\n")
		}
		for _, name := range append(slices.Sorted(maps.Keys(s.reg.ByName)), "conn", "tcp", "lab", "packet", "table") {
			page, err := s.reg.Page(name, width)
			if err != nil {
				t.Fatal(err)
			}
			whole, _ := s.reg.Page(name, 10000)
			uncut(t, fmt.Sprintf("help(%s), %d columns", name, width), page, whole, width)
		}
		uncut(t, fmt.Sprintf("help(), %d columns", width), s.reg.Overview(width), s.reg.Overview(10000), width)
		uncut(t, fmt.Sprintf("help(), %d columns", width), s.reg.Glance(width, nil), s.reg.Glance(10000, nil), width)
	}
	golden(t, "help.txt", all.String())
}

// golden compares a text with a file of testdata/screens.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("../testdata/screens", name)
	if *updateScreens {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s: %v; the screens are\n%s", name, err, text)
	}
}

// uncut complains about a line that is wider than the terminal, unless it is one word, and about a word that is not in the whole text.
// A block of a table has the names of columns in small letters.
func uncut(t *testing.T, what, text, whole string, width int) {
	t.Helper()
	known := map[string]bool{"": true}
	words := func(line string) []string {
		return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' })
	}
	for _, w := range words(whole) {
		known[w] = true
	}
	for line := range strings.SplitSeq(text, "\n") {
		if n := len(words(line)); screen.Width(line) > width && n > 1 {
			t.Errorf("%s: a line of %d: %q", what, screen.Width(line), line)
		}
		for _, w := range words(line) {
			column, isName := strings.CutSuffix(w, ":")
			if !known[w] && !(isName && known[strings.ToUpper(strings.ReplaceAll(column, "_", "-"))]) {
				t.Errorf("%s: %q is cut: %q", what, w, line)
			}
		}
	}
}
