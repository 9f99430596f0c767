package stack

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/tcp"
)

// An observer reads the name of a keep-alive and of a window probe at both ends (RFC 9293 §3.8.4, §3.8.6.1), and at neither end
// is one dropped.
func TestProbesAreNamedAtBothEnds(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		net, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{RecvBuffer: 1000})
		c, err := a.DialTCP(net.now, netip.AddrPort{}, port(f.b, 80), tcp.Config{KeepAlive: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		net.run(900 * time.Millisecond)
		var verdicts []string
		note := func(ev *PacketEvent) {
			if ev.Verdict.Probe != tcp.NoProbe {
				verdicts = append(verdicts, ev.Host.Name()+" "+ev.Verdict.String())
			}
		}
		a.Observe(note)
		b.Observe(note)
		before := len(a.DropInfos()) + len(b.DropInfos()) // announcements of addresses
		for _, want := range []string{"keep-alive", "window probe"} {
			if want == "window probe" { // the reader's buffer is full
				if _, err := c.Write(net.now, make([]byte, 2000)); err != nil {
					t.Fatal(err)
				}
			}
			verdicts = nil
			net.run(1500 * time.Millisecond)
			if len(verdicts) < 2 || !slices.Equal(verdicts[:2], []string{"a sent: " + want, "b ESTABLISHED, " + want}) {
				t.Errorf("%s: %q", want, verdicts)
			}
		}
		if n := len(a.DropInfos()) + len(b.DropInfos()); n != before {
			t.Errorf("dropped: by a %v, by b %v", a.DropInfos(), b.DropInfos())
		}
		if l.Accept() == nil {
			t.Fatal("no connection")
		}
	})
}
