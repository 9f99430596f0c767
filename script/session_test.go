package script

import (
	"bytes"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// output collects what a session prints; the printer writes from a goroutine of its own.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// testSession is a session on a virtual lab with a peer, as `--device sim` makes it.
type testSession struct {
	*Session
	out, err output
}

func newSim(t testing.TB, seed uint64, args ...string) *testSession {
	t.Helper()
	return newSimOn(t, seed, "192.168.69.1/24", "192.168.69.100/24", args...)
}

// newSimOn is newSim for hosts with other addresses.
func newSimOn(t testing.TB, seed uint64, localAddr, peerAddr string, args ...string) *testSession {
	t.Helper()
	w := lab.NewWorld()
	l := lab.New(w, seed)
	host := func(name, addr string, mac wire.HardwareAddr) *lab.Host {
		h, err := l.AddHost(lab.HostConfig{Name: name, MAC: mac, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	local := host("local", localAddr, wire.HardwareAddr{2, 0, 0, 0, 0, 2})
	peer := host("peer", peerAddr, wire.HardwareAddr{2, 0, 0, 0, 0, 0x64})
	if _, err := l.Link(local, peer, lab.LinkConfig{Delay: 100 * time.Microsecond}); err != nil {
		t.Fatal(err)
	}
	if err := Peer(peer); err != nil {
		t.Fatal(err)
	}
	s := &testSession{}
	s.Session = New(Config{
		Runner: lab.NewVirtual(w), Lab: l, Local: local, Peer: peer, Seed: seed, Args: args,
		Stdout: &s.out, Stderr: &s.err,
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Conservation(); err != nil {
			t.Error(err)
		}
		for _, w := range s.tasks.Worlds() {
			var err error
			s.tasks.Do(w, func(clock.Instant) { err = w.World().Drain(1_000_000) }) // packets meet the functions of fault rules
			if err != nil && !t.Failed() {
				t.Errorf("the hosts are not at rest: %v", err)
			}
		}
	})
	return s
}

// status returns the exit status for err, an error of a run.
func status(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

// want runs source text and compares all that is printed.
func want(t *testing.T, src, stdout string) {
	t.Helper()
	s := newSim(t, 1)
	if err := s.RunSource("test.star", src); err != nil {
		t.Fatalf("%v: %s", err, s.err.String())
	}
	if got := s.out.String(); got != stdout {
		t.Errorf("printed %q, want %q", got, stdout)
	}
	if got := s.err.String(); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

// fails runs source text and compares the exit status and the error output.
func fails(t *testing.T, src string, code int, stderr string) {
	t.Helper()
	s := newSim(t, 1)
	if got := status(s.RunSource("test.star", src)); got != code {
		t.Errorf("exit status %d, want %d", got, code)
	}
	if got := s.err.String(); got != stderr {
		t.Errorf("said %q, want %q", got, stderr)
	}
}
