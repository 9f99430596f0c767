package proxy

import "testing"

// TestAdmission: a slot is free again after either order of dial and accept, and after the end of a connection that was not accepted.
func TestAdmission(t *testing.T) {
	a := newAdmission()
	never := make(chan struct{})
	for _, c := range []struct {
		what  string
		calls func()
	}{
		{"failed dial", a.failed},
		{"dial, accept, end", func() { a.opened("x"); a.accept("x"); a.ended("x") }},
		{"accept, dial, end", func() { a.accept("x"); a.opened("x"); a.ended("x") }},
		{"dial, end, accept", func() { a.opened("x"); a.ended("x"); a.accept("x") }},
		{"dial, end, and never an accept", func() { a.opened("x"); a.ended("x") }},
		{"the same port again", func() { a.opened("x"); a.accept("x"); a.ended("x") }},
	} {
		if !a.begin(never) {
			t.Fatal("no slot")
		}
		c.calls()
		if n := len(a.slots); n != 0 {
			t.Fatalf("%s: %d slots are held", c.what, n)
		}
	}
	if n := len(a.dialled) + len(a.accepted) + len(a.gone); n != 0 {
		t.Errorf("%d connections are kept", n)
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
