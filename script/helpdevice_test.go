package script

import (
	"strings"
	"testing"
)

// TestHelpForDevice: without the virtual lab's peer, a page says what its examples need, and no example has the name of the virtual lab's interface.
func TestHelpForDevice(t *testing.T) {
	s := newSim(t, 1)
	page := func(name string) string {
		text, err := helpNamed(s.reg, nil, name, 100)
		if err != nil {
			t.Fatal(err)
		}
		return s.forDevice(text)
	}
	for _, name := range []string{"measure", "http.get", "handshake", "udp.connect", "drops"} {
		if strings.Contains(page(name), "# ") {
			t.Errorf("in the virtual lab:\n%s", page(name))
		}
	}
	s.cfg.Peer = nil
	for name, want := range map[string]string{
		"measure":     "# here kernel.measure.serve in place of peer.measure.serve:\n  peer.measure",
		"http.get":    "whose peer has a web server:\n  http.get(",
		"handshake":   "    # here first kernel.serve(\"tcp\", 7, echo):\n    c = tcp.connect",
		"udp.connect": "# here first kernel.serve(\"udp\", 7, echo):",
		"drops":       "smolsh --device sim, which has peer:\n    peer.drops()",
	} {
		if !strings.Contains(page(name), want) {
			t.Errorf("no %q in\n%s", want, page(name))
		}
	}
	for name, b := range s.reg.ByName {
		for _, sign := range []string{"peer.", `100:7"`, ":8000/"} {
			if strings.Contains(b.Example, sign) && !strings.Contains(b.Example, "kernel.") && !strings.Contains(b.Example, ".peer.") && !strings.Contains(page(name), "  # ") {
				t.Errorf("%s does not say what its example needs: %s", name, b.Example)
			}
		}
		if strings.Contains(b.Example, `"eth0"`) && !strings.Contains(b.Example, "lab(") {
			t.Errorf("%s: the name of the interface is another on other devices: %s", name, b.Example)
		}
	}
	if got := s.hint("undefined: peer"); !strings.Contains(got, "kernel, which is the other end on this device") {
		t.Error(got)
	}
}
