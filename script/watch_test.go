package script

import (
	"strings"
	"testing"
)

// TestWatchRedraws: on a terminal each display replaces the previous one, with all the rows that it occupied, unless
// something else has been printed in between.
func TestWatchRedraws(t *testing.T) {
	s := newSim(t, 1)
	s.cfg.Width = 10
	err := s.RunSource("test.star", `
rows = ["one", "two\n" + "x" * 21, "three", "four"]
def next():
    if rows[0] == "four":
        print("between")
    return rows.pop(0)
watch(lambda: next(), every="1ms", count=4)
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	want := "one\n" + "\x1b[1A\r\x1b[J"
	if got := s.out.String(); !strings.HasPrefix(got, want) {
		t.Errorf("printed %q, want %q first", got, want)
	}
	if got := s.out.String(); strings.Count(got, "\x1b[") != 4 || !strings.Contains(got, "between\nfour") {
		t.Errorf("printed %q", got)
	}
}

// TestRowsOfAText: the rows of a text include those that the terminal makes by wrapping long lines.
func TestRowsOfAText(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{{"", 1}, {"0123456789", 1}, {"0123456789\n01234567890\n", 4}, {"\x1b[1m0123456789\x1b[0m", 1}} {
		if got := rowsOf(c.text, 10); got != c.want {
			t.Errorf("%q takes %d rows, want %d", c.text, got, c.want)
		}
	}
	const text = "a\nb\n01234567890\nc\nd"
	for _, c := range []struct {
		rows int
		want string
	}{{6, text}, {0, text}, {5, "a\nb\n01234567890\n… 2 more rows"}, {4, "a\nb\n… 3 more rows"}, {3, "a\nb\n… 3 more rows"}, {2, "a\n… 4 more rows"}} {
		if got := cutRows(text, 10, c.rows); got != c.want {
			t.Errorf("in %d rows %q, want %q", c.rows, got, c.want)
		}
	}
}

// TestOnAndWait: a handler waits for events without end, so that wait() does not return. In a virtual lab without
// further events, wait() reports that.
func TestOnAndWait(t *testing.T) {
	fails(t, "on(\"drop\", print)\nwait()\n", 1, "deadlock: nothing left to happen\n"+
		"  task 0 main waits for the other tasks and servers\n  task 1 on drop print waits for drop events\n"+
		"  test.star:2:5: in <toplevel>\n      wait()\n")
}

// TestOnHandlerFails: an error of a handler's function is printed once and ends the handler. Nothing else ends it.
func TestOnHandlerFails(t *testing.T) {
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
o = on("tcp", lambda e: fail("no"))
c = tcp.connect("192.168.69.100:7")
c.send("hi")
assert.eq(c.recv(), "hi")
assert.true(o.task.done)
assert.eq(o.count, 1)
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	if got := s.err.String(); strings.Count(got, "fail: no") != 1 {
		t.Errorf("said %q", got)
	}
}
