package script

import (
	"strings"
	"testing"
)

// TestNarrowLines: a terminal of less than 160 columns has no length 0, no word Flags and, of a host with one interface, no interface. All else
// is there, on lines below if need be, and the verdict is last.
func TestNarrowLines(t *testing.T) {
	const segment = "10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8], length 0"
	l := packetLine{at: "0.000500", host: "b.", dev: "eth0", alone: true, arrow: "< ", what: segment, verdict: "ESTABLISHED"}
	two := l
	two.alone = false
	long := l
	long.what = strings.Replace(segment, "length 0", "length 1460", 1)
	for _, c := range []struct {
		width int
		line  packetLine
		want  string
	}{
		{0, l, "0.000500 b.eth0 <  " + segment + "  ESTABLISHED"},
		{160, l, "0.000500 b.eth0 <  " + segment + "  ESTABLISHED"},
		{159, l, "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8]  ESTABLISHED"},
		{159, two, "0.000500 b.eth0 <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8]  ESTABLISHED"},
		{80, l, "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21, win 65535,\n    options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8]  ESTABLISHED"},
		{100, long, "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21, win 65535,\n    options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8], length 1460    ESTABLISHED"},
		{60, l, "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29,\n    ack 21, win 65535,\n    options [mss 1460,sackOK,TS val 7 ecr 8,wscale 8]\n    ESTABLISHED"},
	} {
		s := &Session{}
		s.SetWidth(c.width)
		if got := s.line(c.line); got != c.want {
			t.Errorf("%d columns:\n%s\nwant\n%s", c.width, got, c.want)
		}
	}
	s := &Session{cfg: Config{Colour: true}}
	s.SetWidth(24)
	l = packetLine{arrow: " >", what: "ARP, Request who-has 10.0.0.1", hue: faint, verdict: "lost on the link: fault loss"}
	if got, want := s.line(l), "\x1b[35m>\x1b[0m \x1b[2mARP, Request\x1b[0m\n    \x1b[2mwho-has 10.0.0.1\x1b[0m\n    \x1b[31mlost on the link:\x1b[0m\n    \x1b[31mfault loss\x1b[0m"; got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}
