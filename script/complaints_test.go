package script

import (
	"strings"
	"testing"
)

// TestAbortsAreCounted: a server whose peer resets one connection after the other reports it once, and then a count.
func TestAbortsAreCounted(t *testing.T) {
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
v = serve("tcp", 7, lambda c: c.recv_exactly(100))
def abort(n):
    for _ in range(n):
        c = peer.tcp.connect("192.168.69.1:7")
        c.send("x")
        sleep("1ms")
        c.abort()
        sleep("1ms")
abort(200)
sleep("11s")
abort(3)
v.stop()
v.wait()
u = serve("udp", 9, lambda data, src: 1 // 0)
q = peer.udp.connect("192.168.69.1:9")
for _ in range(50):
    q.send("x")
sleep("1s")
u.stop()
u.wait()
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	var lines []string
	for l := range strings.Lines(s.err.String()) {
		if !strings.HasPrefix(l, "  test.star") && !strings.HasPrefix(l, "      ") {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	for i, want := range []string{
		"connection reset", "connection reset", "  and before it 199 more handlers of the same server failed",
		"server tcp *:7: 2 more handlers failed, the last: tcp 192.168.69.100:",
		"server udp *:9: floored division by zero", "server udp *:9: 49 more handlers failed, the last: ",
	} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d lacks %q", i, want)
		}
	}
	if len(lines) != 6 || t.Failed() {
		t.Errorf("said\n%s", strings.Join(lines, "\n"))
	}
}
