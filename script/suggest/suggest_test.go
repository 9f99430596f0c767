package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"ping", "spawn", "print", "sockets", "neighbors", "_"}
	for _, c := range []struct{ slip, want string }{
		{"pign", "ping"}, {"pin", "ping"}, {"spwan", "spawn"}, {"socket", "sockets"}, {"neighbours", "neighbors"}, {"xyz", ""}, {"x", ""},
	} {
		if got := Nearest(c.slip, names); got != c.want {
			t.Errorf("nearest(%q) is %q, want %q", c.slip, got, c.want)
		}
	}
}
