package script

import (
	"strings"
	"testing"

	"smolsh/script/escape"
)

// TestNoControlsOnATerminal: print() and errors escape the control characters of a peer's octets if the output is a terminal. If it is a
// file or a pipe, print() writes the octets as they are.
func TestNoControlsOnATerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	const src = `
evil = "\x1b[2J\x07\u009b1m"
peer.serve("tcp", 99, lambda c: c.send(evil))
def got(): return tcp.connect("192.168.69.100:99").recv()
print(got(), str(got()), [got()])
trace()
u = udp.connect("192.168.69.100:53")
name = bytes([17]) + bytes(evil) + bytes("x" * (17 - len(bytes(evil)))) + bytes([0, 0, 1, 0, 1])
u.send(bytes([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name)
sleep("1s")
for p in trace(last=5): p.show(); p.hexdump()
watch(lambda: str(got()), count=1)
spawn(lambda: fail(str(got())))
sleep("1s")
serve("udp", 9, lambda data, src: fail(str(data)))
peer.udp.connect("192.168.69.1:9").send(evil)
sleep("1s")
fail(str(got()))
`
	for _, terminal := range []bool{true, false} {
		s := newSim(t, 1)
		s.cfg.Terminal = terminal
		if terminal {
			s.cfg.Stderr = escape.Writer{To: s.cfg.Stderr}
		}
		if got := status(s.RunSource("test.star", src)); got != 1 {
			t.Errorf("exit status %d", got)
		}
		s.Flush()
		out, said := s.out.String(), s.err.String()
		if terminal {
			for _, bad := range []string{"\x1b", "\a", "\u009b"} {
				if strings.Contains(out, bad) || strings.Contains(said, bad) {
					t.Errorf("%q is in %q or %q", bad, out, said)
				}
			}
			for _, text := range []string{out, said} {
				if !strings.Contains(text, `\x1b[2J\x07\u009b1m`) {
					t.Errorf("escaped it is not in %q", text)
				}
			}
		} else if !strings.Contains(out, "\x1b[2J\a\u009b1m") {
			t.Errorf("as it is it is not in %q", out)
		}
	}
}
