package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"ping", "spawn", "print", "sockets", "neighbors", "_", "ss", "len", "run", "int", "up", "any", "local", "counters", "addresses"}
	for _, c := range []struct{ slip, want string }{
		{"pign", "ping"}, {"pin", "ping"}, {"spwan", "spawn"}, {"socket", "sockets"}, {"neighbours", "neighbors"}, {"xyz", ""}, {"x", ""},
		{"Ping", "ping"}, {"SOCKETS", "sockets"}, {"pu", "up"}, // another case, swapped letters
		{"ls", ""}, {"open", ""}, {"sum", ""}, {"bind", ""}, {"an", ""}, {"pear", ""}, {"countt", ""}, {"adress", "addresses"}, // not near
	} {
		if got := Nearest(c.slip, names); got != c.want {
			t.Errorf("nearest(%q) is %q, want %q", c.slip, got, c.want)
		}
	}
}
