package script

import (
	"strings"
	"testing"
)

// On a terminal each showing replaces the one before, with all the rows it took, unless something else
// has been printed since.
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

// A screenful counts the rows that its lines are broken into.
func TestScreenfulCountsRows(t *testing.T) {
	s := newSim(t, 1)
	s.cfg.Width = 10
	var f screenful
	f.show(s.Session, "0123456789\n01234567890\n")
	if f.rows != 4 {
		t.Errorf("%d rows, want 4", f.rows)
	}
	f.show(s.Session, "short")
	s.Flush()
	if want := "0123456789\n01234567890\n\n\x1b[4A\r\x1b[Jshort\n"; s.out.String() != want {
		t.Errorf("printed %q, want %q", s.out.String(), want)
	}
	s.cfg.Width = 0 // no terminal
	f.show(s.Session, "again")
	s.Flush()
	if got := s.out.String(); !strings.HasSuffix(got, "short\nagain\n") {
		t.Errorf("printed %q", got)
	}
}

// A handler waits for events for ever, so that wait() goes on; in a virtual lab nothing is left to happen
// then, and it says so.
func TestOnAndWait(t *testing.T) {
	fails(t, "on(\"drop\", print)\nwait()\n", 1, "deadlock: nothing left to happen\n"+
		"  task 0 main waits for the other tasks and servers\n  task 1 on drop print waits for drop events\n"+
		"  test.star:2:5: in <toplevel>\n      wait()\n")
}

// A handler's error is printed once and ends it; nothing else does.
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
