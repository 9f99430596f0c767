package script

import (
	"regexp"
	"strings"
	"testing"
)

// shown returns what the prompt of a session prints on a terminal of 80 columns.
func shown(t *testing.T, lines ...string) string {
	t.Helper()
	s := newSim(t, 1)
	s.cfg.Terminal = true
	s.SetWidth(80)
	for _, line := range lines {
		before := len(s.out.String())
		if err := s.Typed(line + "\n"); err != nil {
			t.Fatalf("%s: %s", line, s.err.String())
		}
		if line == lines[len(lines)-1] {
			return s.out.String()[before:]
		}
	}
	return ""
}

// TestLongValues: the prompt shows the begin of a long value, with how much is left and how to see it. print() shows all of it.
func TestLongValues(t *testing.T) {
	for _, c := range []struct{ x, begin, want string }{
		{`b"\x00" * 10000`, `b"\x00\x00`, "\n… 8000 of 10000 octets more: print(_) shows all\n"},
		{`"日" * 1000`, `"日日`, "\n… 1002 of 3000 octets more: print(_) shows all\n"},
		{`list(range(10000))`, "[0, 1, 2, ", ", …]\n… 9578 of 10000 elements more: print(_) shows all\n"},
		{`tuple(range(10000))`, "(0, 1, 2, ", ", …)\n… 9578 of 10000 elements more: print(_) shows all\n"},
		{`{i: "x" for i in range(1000)}`, `{0: "x", 1: "x", `, ", …}\n… 789 of 1000 items more: print(_) shows all\n"},
		{`[b"x" * 3000, 1]`, `[b"x`, " … 1000 of 3000 octets more: print(_) shows all, …]\n… 1 of 2 elements more: print(_) shows all\n"},
		{`[1, (2,), (3, 4), {}, [], set([5])]`, "[1, (2,), (3, 4), {}, [], set([5])]\n", ""},
	} {
		got := shown(t, c.x)
		if plain := regexp.MustCompile(`\n +`).ReplaceAllString(got, " "); !strings.HasPrefix(got, c.begin) || !strings.HasSuffix(plain, c.want) {
			t.Errorf("%s:\n%s\nwant %s … %s", c.x, got, c.begin, c.want)
		}
	}
	if got := shown(t, `print(b"x" * 10000)`); len(got) < 10000 {
		t.Errorf("print() is cut to %d octets", len(got))
	}
}

// TestStructs: the prompt shows a struct's fields as names and values. Those of a connection are in the order of the RFCs.
func TestStructs(t *testing.T) {
	got := shown(t, `c = tcp.connect("192.168.69.100:7")`, `c.info()`)
	last := 0
	for _, name := range strings.Fields("state recv_q send_q timer snd_una snd_nxt snd_wnd iss rcv_nxt rcv_wnd irs") {
		at := strings.Index(got, "\n"+name+" ")
		if name == "state" {
			at = strings.Index(got, "state ")
		}
		if at < last {
			t.Errorf("%s is not where it belongs", name)
		}
		last = at
	}
	for line := range strings.Lines(got) {
		if len(line) > 81 {
			t.Errorf("too wide: %q", line)
		}
	}
	if !strings.Contains(got, "ESTABLISHED") || t.Failed() {
		t.Errorf("shown\n%s", got)
	}
	if got, want := shown(t, `struct(b=1, a="x")`), "struct(a = \"x\", b = 1)\n"; got != want {
		t.Errorf("a short struct is %q, want %q", got, want)
	}
	long := shown(t, `struct(name="a", text="word " * 20)`)
	if want := "name  a\ntext  " + strings.Repeat("word ", 14) + "word\n      " + strings.Repeat("word ", 4) + "word\n"; long != want {
		t.Errorf("a long struct is %q, want %q", long, want)
	}
}

// TestFoldedValues: the prompt folds a value between its parts, and no string, which would be another one.
func TestFoldedValues(t *testing.T) {
	s := newSim(t, 1)
	s.SetWidth(40)
	typed(t, s, `"key" + " " * 40 + "end"`, `b"a, b, " * 9`, `["one two three", "four five six", "seven, eight, nine ten"]`)
	want := `"key` + strings.Repeat(" ", 40) + "end\"\nb\"" + strings.Repeat("a, b, ", 9) + "\"\n" +
		"[\"one two three\", \"four five six\",\n \"seven, eight, nine ten\"]\n"
	if s.out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", s.out.String(), want)
	}
}

// TestBlocks: tables and packets in a struct stand below their names, in lines of their own.
func TestBlocks(t *testing.T) {
	got := shown(t, `r = sr([IP(dst="192.168.69.100")/TCP(dport=7), IP(dst="192.168.69.100")/UDP(dport=99)], timeout=1)`, `struct(answered=r.answered, n=1, unanswered=[Ether()])`)
	head, rest, _ := strings.Cut(got, "\nanswered:\n")
	if head != "n  1" || !strings.Contains(rest, "\nunanswered:\n") || strings.Contains(got, `\n`) || strings.Count(rest, "Flags [S.]") != 1 {
		t.Errorf("shown\n%s", got)
	}
}
