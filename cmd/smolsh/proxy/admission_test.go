package proxy

import "testing"

// TestAdmission: a slot is free again after either order of dial and accept, and after the end of a connection that was not accepted.
func TestAdmission(t *testing.T) {
	a := newAdmission()
	never := make(chan struct{})
	for _, c := range []struct {
		what  string
		kept  int
		calls func()
	}{
		{"failed dial", 0, a.failed},
		{"dial, accept, end", 0, func() { a.opened("x"); a.accept("x"); a.ended("x") }},
		{"accept, dial, end", 0, func() { a.accept("x"); a.opened("x"); a.ended("x") }},
		{"dial, end, accept", 0, func() { a.opened("x"); a.ended("x"); a.accept("x") }},
		{"dial, end, and never an accept", 1, func() { a.opened("x"); a.ended("x") }},
		{"the same port again", 0, func() { a.opened("x"); a.accept("x"); a.ended("x") }},
	} {
		if !a.begin(never) {
			t.Fatal("no slot")
		}
		c.calls()
		if n := len(a.slots); n != 0 {
			t.Fatalf("%s: %d slots are held", c.what, n)
		}
		if n := len(a.dialled) + len(a.accepted) + len(a.gone); n != c.kept {
			t.Errorf("%s: %d connections are kept, want %d", c.what, n, c.kept)
		}
	}
	for range maxUnaccepted {
		a.begin(never)
	}
	over := make(chan struct{})
	close(over)
	if a.begin(over) {
		t.Error("there is no bound")
	}
}
