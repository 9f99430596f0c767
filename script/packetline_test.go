package script

import "testing"

// TestNarrowLines: on a narrow terminal a packet's line loses the interface, the length, the options and the window, in this order,
// and then goes on below. The verdict is whole and last.
func TestNarrowLines(t *testing.T) {
	l := packetLine{at: "0.000500", host: "b.", dev: "eth0", arrow: "< ", verdict: "ESTABLISHED",
		what: "10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,wscale 8], length 0"}
	for width, want := range map[int]string{
		0:   "0.000500 b.eth0 <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,wscale 8], length 0  ESTABLISHED",
		144: "0.000500 b.eth0 <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,wscale 8], length 0  ESTABLISHED",
		140: "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,wscale 8], length 0  ESTABLISHED",
		130: "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535, options [mss 1460,sackOK,wscale 8]  ESTABLISHED",
		100: "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21, win 65535  ESTABLISHED",
		86:  "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: Flags [S.], seq 29, ack 21  ESTABLISHED",
		80:  "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21  ESTABLISHED",
		66:  "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29, ack 21\n    ESTABLISHED",
		60:  "0.000500 b <  10.0.0.2.7 > 10.0.0.1.53454: [S.], seq 29,\n    ack 21                    ESTABLISHED",
	} {
		s := &Session{}
		s.SetWidth(width)
		if got := s.line(l); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
	s := &Session{cfg: Config{Colour: true}}
	s.SetWidth(24)
	l = packetLine{arrow: " >", what: "ARP, Request who-has 10.0.0.1", hue: faint, verdict: "lost on the link: fault loss"}
	if got, want := s.line(l), "\x1b[35m>\x1b[0m \x1b[2mARP, Request\x1b[0m\n    \x1b[2mwho-has 10.0.0.1\x1b[0m\n    \x1b[31mlost on the link:\x1b[0m\n    \x1b[31mfault loss\x1b[0m"; got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}
