package script

import (
	"strings"
	"testing"

	"smolsh/phy/fault"
)

// TestTracedInterfaces: on a narrow terminal a line has the interface of a host that has several, and of no other.
func TestTracedInterfaces(t *testing.T) {
	s := newSim(t, 1)
	s.SetWidth(80)
	typed(t, s, `l = lab(); a = l.host("a", "10.0.0.1/24"); r = l.host("r", "10.0.0.254/24", "10.0.1.254/24", forward=True); b = l.host("b", "10.0.1.1/24")`,
		`x = l.link(a, r), l.link(b, r), a.routes.add("default", "10.0.0.254"), b.routes.add("default", "10.0.1.254")`,
		`l.trace("icmp"); x = a.ping(b, count=1)`, `l.trace(False); r.trace("icmp", last=9)`)
	for _, want := range []string{" r.eth0  > 10.0.1.1 ", " r.eth1  > 10.0.0.1 ", " r.eth0 <  10.0.0.1 ", " a <  10.0.1.1 > 10.0.0.1"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("no %q in\n%s", want, s.out.String())
		}
	}
}

// TestInjectedLines: smoltcp's line about a lost packet is printed for rules of the command line, and for no rule of fault().
func TestInjectedLines(t *testing.T) {
	for _, flagged := range []bool{false, true} {
		s := newSim(t, 1)
		if flagged {
			s.AddFault(fault.Rule{Loss: 1}, "loss=1")
		}
		typed(t, s, `f = fault(ifaces()[0], match="icmp"), fault(ifaces()[0], loss=1.0)`, `trace(); x = ping("192.168.69.100", count=1, timeout="10ms")`)
		if got := strings.Contains(s.out.String(), "dropping a packet"); got != flagged || !strings.Contains(s.out.String(), "dropped: fault loss") {
			t.Errorf("%v:\n%s", flagged, s.out.String())
		}
	}
}

// typed types lines, each of which has to succeed.
func typed(t *testing.T, s *testSession, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if err := s.Typed(line); err != nil {
			t.Fatalf("%s: %s", line, s.err.String())
		}
	}
	s.Flush()
}
