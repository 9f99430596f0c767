package main

import "testing"

func TestColoured(t *testing.T) {
	for _, c := range []struct {
		term, no string
		want     bool
	}{{"xterm", "", true}, {"xterm", "1", false}, {"dumb", "", false}, {"", "", false}} {
		env := map[string]string{"TERM": c.term, "NO_COLOR": c.no}
		if got := coloured(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
