package script

import "testing"

// TestExampleScripts runs the example scripts that end by themselves in a virtual lab. Closing the session demands that
// all of the lab's hosts come to rest (see newSim).
func TestExampleScripts(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
	}{
		{"ping.star", []string{"192.168.69.100"}},
		{"httpclient.star", []string{"192.168.69.100", "http://peer:8000/"}},
		{"loopback.star", nil},
		{"topology.star", nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			s := newSim(t, 1, c.args...)
			if got := status(s.RunFile("../examples/" + c.file)); got != 0 || s.out.String() == "" {
				t.Errorf("exit status %d: %s\n%s", got, s.err.String(), s.out.String())
			}
		})
	}
}
