package proxy

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// TestFullRoute: a line says that a route carries all connections that it may, once for many that wait.
func TestFullRoute(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, time.Minute)
	if err := r.p.Add(Route{"tcp", "127.0.0.1:0", serve(t, echo)}); err != nil {
		t.Fatal(err)
	}
	for _, relay := range r.p.relays {
		relay.slots = make(chan struct{}, 2)
	}
	at := r.begin()
	first := dial(t, at)
	for range 2 {
		dial(t, at)
	}
	r.spoken("2 connections are open; further ones wait for the end of one")
	last := dial(t, at)
	_, _ = last.Write([]byte("x"))
	first.Close()
	r.counterBecomes(3, "connections_total")
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.said); n != 1 {
		t.Errorf("it said %q", r.said)
	}
}

// TestTooManyFiles: the message says how more files may be open.
func TestTooManyFiles(t *testing.T) {
	err := &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	if got, want := cause(err), "accept4: "+syscall.EMFILE.Error()+" (ulimit -n raises the limit of smolsh)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := cause(errors.New("x")); strings.Contains(got, "ulimit") {
		t.Error(got)
	}
}
