package script

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestAbsoluteNumbers: a trace counts from the connection's first sequence numbers, in mid-connection too, and with
// `absolute=True` it prints those of the wire.
func TestAbsoluteNumbers(t *testing.T) {
	for _, c := range []struct {
		begin, how string
		relative   bool
	}{{"trace('tcp')", "", true}, {"trace('tcp', absolute=True)", "", false}, {"", "trace('tcp', last=9)", true}, {"", "trace('tcp', last=9, absolute=True)", false},
		{"local.lab.trace('tcp')", "", true}, {"local.lab.trace('tcp', absolute=True)", "", false}, {"t = spawn(tcpdump, 'tcp', absolute=True); sleep(0)", "", false}} {
		s := newSim(t, 1)
		for _, src := range []string{"c = tcp.connect('192.168.69.100:7')", "trace(last=1)", c.begin, "n = c.send('hello'); b = c.recv_exactly(5)", c.how} {
			if err := s.Typed(src); err != nil {
				t.Fatal(s.err.String())
			}
		}
		if err := s.Typed("print('wire', [p.tcp.seq for p in trace('tcp', last=9) if p.payload][0])"); err != nil {
			t.Fatal(s.err.String())
		}
		s.Flush()
		out := s.out.String()
		wire := regexp.MustCompile(`(?m)^wire (\d+)$`).FindStringSubmatch(out)
		if wire == nil {
			t.Fatal(out)
		}
		out, _, _ = strings.Cut(out, "wire "+wire[1])
		if c.how == "" { // the lines of the last trace() follow
			out, _, _ = strings.Cut(out, "\nwire")
		}
		var n uint32
		fmt.Sscan(wire[1], &n)
		absolute := fmt.Sprintf("seq %d:%d", n, n+5)
		if strings.Contains(out, absolute) == c.relative {
			t.Errorf("%s%s printed %q; relative %v, the wire's number is %d", c.begin, c.how, out, c.relative, n)
		}
	}
}
