package proxy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// TestComplaintBound: a route has a bounded number of lines a second, and then one with the number of further failures. Another route has
// its own.
func TestComplaintBound(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, time.Minute)
	one, two := &route{listen: "a:1", target: "b:1"}, &route{listen: "a:2", target: "b:2"}
	r.p.routes = []*route{one, two}
	one.complaint.since = time.Now().Add(time.Minute) // on a slow machine the period must not end meanwhile
	for i := range 600 {
		r.p.complain(one, fmt.Sprint("failure ", i))
		r.p.complain(one, "failure 0")
	}
	r.p.complain(two, "failure")
	if n := len(r.said); n != maxLines+1 || r.said[1] != "a:1 = b:1: failure 1" || r.said[maxLines] != "a:2 = b:2: failure" {
		t.Fatalf("%d lines: %q", n, r.said)
	}
	one.complaint.since = time.Now()
	r.p.tellRest(0)
	r.p.complain(one, "failure 0")
	if got := r.said[maxLines+1:]; !slices.Equal(got, []string{"a:1 = b:1: … and 590 more", "a:1 = b:1: failure 0"}) {
		t.Errorf("then %q", got)
	}
}

// TestComplaintRest: the number of further failures is said after a second at most, without another failure.
func TestComplaintRest(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, time.Minute)
	r.carry("tcp", "127.0.0.1:1")
	for i := range maxLines + 3 {
		r.p.complain(r.p.routes[0], fmt.Sprint("failure ", i))
	}
	r.spoken("127.0.0.1:1: … and 3 more")
}
