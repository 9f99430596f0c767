package repl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// what types a line and checks its output.
func (x *terminal) what(line, want string) {
	x.t.Helper()
	if got := x.line(line); got != want {
		x.t.Errorf("%q printed %q, want %q", line, got, want)
	}
}

func TestEditing(t *testing.T) {
	x := start(t, "virtual", 80)
	for _, c := range []struct{ keys, want string }{
		{"ac" + left + "b", `"abc"`},
		{"bc" + home + right + "" + left + "a", `"abc"`},
		{"b" + ctrlA + "a" + ctrlE + "c", `"abc"`},
		{"abx" + left + left + end + "\x7f" + "c", `"abc"`},
		{"xxx" + ctrlU + "\"abc", `"abc"`},
		{"abc def" + ctrlW + "\x7f", `"abc"`},
		{"abcdef" + left + left + left + ctrlK, `"abc"`},
		{"axbc" + left + left + left + del, `"abc"`},
		{"b" + "\x1bOH" + "a" + "\x1bOF" + "c", `"abc"`},
	} {
		// The opening quote is typed first, except if the test kills the line; Home then moves in front of it.
		keys := strings.ReplaceAll(strings.ReplaceAll(c.keys, home, home+right), ctrlA, ctrlA+right)
		keys = strings.ReplaceAll(keys, "\x1bOH", "\x1bOH"+right)
		x.what(`"`+keys+end+`"`, c.want+"\n")
	}
	x.what(del+"1", "1\n") // the delete key at an empty line is not Ctrl-D
	x.what("\x00\x1c2", "2\n")
	x.keys("exit()", enter)
	x.exits(0)
}

func TestLeaving(t *testing.T) {
	x := start(t, "virtual", 80)
	x.clear()
	x.keys("half", ctrlC)
	x.shows("virtual> half^C\nvirtual>")
	x.keys(ctrlC, ctrlC)
	x.shows("virtual> ^C\nvirtual> ^C\nCtrl-D or exit() leaves the shell\nvirtual>")
	x.keys(ctrlD)
	x.exits(0)

	x = start(t, "live", 80)
	x.keys("exit(3)", enter)
	x.exits(3)

	x = start(t, "live", 80)
	x.line(`t = after("10ms", lambda: exit(4))`)
	x.exits(4)

	x = start(t, "live", 80)
	if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.exits(143)
}

func TestCompletion(t *testing.T) {
	x := start(t, "virtual", 80)
	x.keys(`pin`, tab)
	x.shows("virtual> ping")
	x.keys(`("192.168.69.1`, tab)
	x.shows("virtual> ping(\"192.168.69.1\n192.168.69.1    192.168.69.100\nvirtual> ping(\"192.168.69.1")
	x.keys(`00", co`, tab)
	x.shows(`virtual> ping("192.168.69.100", count=`)
	x.keys(ctrlU, `neighbors.a`, tab)
	x.shows("virtual> neighbors.add")
	x.keys(ctrlU, `c = tcp.conn`, tab, `("192.168.69.100:7`, tab)
	x.shows(`virtual> c = tcp.connect("192.168.69.100:7"`)
	x.keys(")", enter)
	x.shows("\nvirtual>")
	x.keys(`c.recv_u`, tab)
	x.shows(`virtual> c.recv_until`)
	// A packet has its own layers, and a layer its fields.
	x.keys(ctrlU, `p = trace("tcp", last=1)[0]`, enter)
	x.shows("\nvirtual>")
	x.keys(`p.tc`, tab, `.opt`, tab)
	x.shows(`virtual> p.tcp.options`)
	x.keys(ctrlU, `p.i`, tab, `.pro`, tab) // neither ip6 nor icmp
	x.shows(`virtual> p.ip.proto`)
	x.keys(ctrlU, `p[TCP].urg`, tab)
	x.shows(`virtual> p[TCP].urgptr`)
	x.keys(ctrlU, `fields(UD`, tab)
	x.shows(`virtual> fields(UDP`)
	x.keys(ctrlU, `p.udp`, tab) // a layer that the packet does not have
	x.shows(`virtual> p.udp`)
	// A Tab at the beginning of a line indents.
	x.keys(ctrlU, `if True:`, enter, tab, `print("in")`, enter, enter)
	x.shows("\n........\nin\nvirtual>")
}

// TestPaste pastes a function with tabs and empty lines, another statement after it, and a statement whose last line
// has no line feed.
func TestPaste(t *testing.T) {
	x := start(t, "virtual", 80)
	x.clear()
	x.keys(pasteBegin, "def f(n):\r\tif n:\r\t\treturn 'yes'\r\r\treturn g(n)\r\rdef g(n):\r\treturn 'no\t'\r\rf(1)\rf(0)\r", pasteEnd)
	x.shows(`
........
........ f(1)
........ f(0)
"yes"
"no\t"
virtual>`[1:])
	x.clear()
	x.keys(pasteBegin, "def g(n):\n    return 3", pasteEnd)
	x.shows("virtual> def g(n):\n........     return 3")
	x.keys("7", enter)
	x.shows("\nvirtual>")
	x.what("f(0)", "37\n") // f calls the new g
	// Within a line, a paste is text: a tab in it completes nothing, and the text around it stays.
	x.what("len('"+pasteBegin+"a\tb"+pasteEnd+"')", "3\n")
}

// TestLongPaste: what the terminal draws for a paste is proportional to the paste, with and without brackets, as one line and as
// many. An end of a line in the middle of a paste's brackets is found wherever the reads cut it.
func TestLongPaste(t *testing.T) {
	var lines strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&lines, "n += [%d, len('%s')][0]\r", i, "some text")
	}
	long := "len('" + strings.Repeat("é1", 8000) + "')"
	for _, c := range []struct {
		name, keys string
		most       int // octets drawn for one pasted
	}{
		{"lines", pasteBegin + lines.String() + pasteEnd, 3},
		{"lines without brackets", lines.String(), 10},
		{"one line", pasteBegin + long + pasteEnd + enter, 20},
		{"one line without brackets", long + enter, 60},
	} {
		x := start(t, "virtual", 80)
		x.line("n = 0")
		x.mu.Lock()
		before := len(x.bytes)
		x.mu.Unlock()
		for keys := c.keys; keys != ""; { // as the terminal takes it
			part := keys[:min(len(keys), 1000)]
			keys = keys[len(part):]
			x.keys(part)
		}
		x.keys("'the end'", enter)
		x.waitFor(c.name, func(s string) bool { return strings.HasSuffix(s, "\n\"the end\"\nvirtual>") })
		x.mu.Lock()
		drawn := len(x.bytes) - before
		x.mu.Unlock()
		if drawn > c.most*len(c.keys) {
			t.Errorf("%s: %d octets are drawn for %d", c.name, drawn, len(c.keys))
		}
		if strings.HasPrefix(c.name, "lines") {
			x.what("n", "49995000\n")
		}
	}
}

func TestMultiLine(t *testing.T) {
	x := start(t, "virtual", 80)
	x.clear()
	x.keys("def f():", enter, "  return [1,", enter, "", enter, "  2]", enter, enter)
	x.shows("........   2]\n........\nvirtual>")
	x.what("f()", "[1, 2]\n")
	x.clear()
	x.keys("def f(", enter)
	x.shows("virtual> def f(\n........")
	x.keys(ctrlC)
	x.shows("........ ^C\nvirtual>")
	x.what("f()", "[1, 2]\n")
}

func TestHistory(t *testing.T) {
	state := t.TempDir()
	env := "XDG_STATE_HOME=" + state
	x := start(t, "virtual", 80, env)
	x.what("first = 1", "")
	x.what("second = 2", "")
	x.what("first + second", "3\n")
	x.what(up+up+"0", "") // edits "second = 20"
	x.what("second", "20\n")
	x.clear()
	x.keys("def f():", enter, "\treturn 5", enter, enter)
	x.shows("\nvirtual>")
	x.keys(ctrlD)
	x.exits(0)

	file := filepath.Join(state, "smolsh", "history")
	got, err := os.ReadFile(file)
	if want := "first = 1\nsecond = 2\nfirst + second\nsecond = 20\nsecond\ndef f():\\n    return 5\n"; err != nil || string(got) != want {
		t.Errorf("the file has %q, want %q: %v", got, want, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info, err)
	}

	x = start(t, "virtual", 80, env)
	x.what("first = 7", "")
	x.what("second = 8", "")
	x.keys(ctrlR, "first +")
	x.has("bck-i-search: first +")
	x.clear()
	x.keys(enter)
	x.shows("15\nvirtual>")
	x.keys(up, up, up, up)
	x.shows("virtual> def f():⏎    return 5")
	x.keys(enter)
	x.shows("\nvirtual>")
	x.what("f()", "5\n")
}

// TestNoHistory: without a folder for the history, the shell starts without a warning.
func TestNoHistory(t *testing.T) {
	for _, env := range []string{"HOME=", "XDG_STATE_HOME=/dev/null"} {
		x := start(t, "virtual", 80, env)
		x.what("1", "1\n")
		x.what(up, "1\n")
		x.keys(ctrlD)
		x.exits(0)
	}
}

// TestResize: a table and a list of completions fit the terminal after it has got another width.
func TestResize(t *testing.T) {
	first := map[int]string{
		80: "name: eth0  medium: ethernet  state: UP  mtu: 1500  hwaddr: 02:00:00:00:00:02", 40: "name: eth0  medium: ethernet", 20: "name: eth0"}
	x := start(t, "virtual", 80)
	if got, _, _ := strings.Cut(x.line("ifaces()"), "\n"); got != first[80] {
		t.Errorf("80 columns: %q", got)
	}
	for _, width := range []int{40, 20, 3} {
		x.keys("1 +")
		x.shows("1 +")
		x.mu.Lock()
		x.screen.width = width
		x.mu.Unlock()
		if err := pty.Setsize(x.pty, &pty.Winsize{Rows: 24, Cols: uint16(width)}); err != nil {
			t.Fatal(err)
		}
		x.clear()
		x.keys(" 1", enter)
		if width == 3 {
			x.waitFor("the sum", func(s string) bool { return strings.Contains("\n"+s, "\n2\n") })
			break
		}
		x.shows("\n2\nvirtual>")
		if got, _, _ := strings.Cut(x.line("ifaces()"), "\n"); got != first[width] {
			t.Errorf("%d columns: %q", width, got)
		}
		x.keys("tcp.", tab)
		x.has("listen")
		x.keys(ctrlU)
	}
}
