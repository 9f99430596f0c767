package registry

import (
	"strings"
	"testing"

	"smolsh/script/screen"
)

// TestPagesFit: a page fits the terminal. Its text is folded at words, and is indented where it goes on. A signature goes on after a
// comma.
func TestPagesFit(t *testing.T) {
	lang := language()
	lang.Sections[0].Builtins[0].Doc = "Send echo requests and print each reply, as soon as it has arrived."
	lang.Sections[0].Builtins[0].Args = "host: the address of a host, or its name; count: how many packets to send, one after the other"
	r := New(lang)
	want := `ping(host, count=4,
     interval="1s") ->
       result
  Send echo requests and
  print each reply, as soon
  as it has arrived.
  host      the address of a
            host, or its
            name
  count     how many packets
            to send, one
            after the other,
            1 to 9
  interval  a duration
  result: sent
  ping(1); ping(2)
  see also: conn.set`
	if got, err := r.Page("ping", 28); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for _, width := range []int{40, 60, 80} {
		for _, name := range []string{"ping", "conn", "conn.set", "tcp", ""} {
			page := r.Overview(width)
			if name != "" {
				page, _ = r.Page(name, width)
			}
			for line := range strings.SplitSeq(page, "\n") {
				if screen.Width(line) > width {
					t.Errorf("%s in %d columns: %q", name, width, line)
				}
			}
		}
	}
}
