package syncookie

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
)

var (
	local  = netip.MustParseAddrPort("10.0.0.2:80")
	remote = netip.MustParseAddrPort("10.0.0.1:5000")
)

func generator() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// TestSegmentSize: a cookie encodes the largest size of the table that does not exceed the peer's.
func TestSegmentSize(t *testing.T) {
	var s Secrets
	rng := generator()
	for mss, want := range map[int]int{1: 48, 48: 48, 535: 48, 536: 536, 1459: 1440, 1460: 1460, 9000: 8960, 65535: 8960} {
		iss := s.Make(0, rng, local, remote, 7, mss)
		if got, ok := s.Check(0, rng, local, remote, 7, iss); !ok || got != want {
			t.Errorf("%d: %d, %v, want %d", mss, got, ok, want)
		}
	}
}

// TestPeriods: a cookie is valid in its period and the next, and not later.
func TestPeriods(t *testing.T) {
	var s Secrets
	rng := generator()
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {Period - 1, true}, {Period, true}, {2*Period - 1, true}, {2 * Period, false}, {100 * Period, false},
	} {
		s = Secrets{}
		iss := s.Make(0, rng, local, remote, 7, 1460)
		for at := time.Duration(0); at < c.after && at < 4*Period; at += Period / 2 { // the keys rotate in steps
			s.Make(clock.Instant(at), rng, local, remote, 7, 1460)
		}
		if _, ok := s.Check(clock.Instant(c.after), rng, local, remote, 7, iss); ok != c.want {
			t.Errorf("after %v: %v", c.after, ok)
		}
	}
}

// TestForgeries: a change in any bit of a cookie, in either end or in the peer's sequence number makes it invalid.
func TestForgeries(t *testing.T) {
	var s Secrets
	rng := generator()
	iss := s.Make(0, rng, local, remote, 7, 1460)
	for bit := range 32 {
		if _, ok := s.Check(0, rng, local, remote, 7, iss^1<<bit); ok {
			t.Errorf("bit %d does not matter", bit)
		}
	}
	other := netip.MustParseAddrPort("10.0.0.1:5001")
	for what, ok := range map[string]func() bool{
		"remote": func() bool { _, ok := s.Check(0, rng, local, other, 7, iss); return ok },
		"local":  func() bool { _, ok := s.Check(0, rng, other, remote, 7, iss); return ok },
		"peer":   func() bool { _, ok := s.Check(0, rng, local, remote, 8, iss); return ok },
		"host":   func() bool { var s Secrets; _, ok := s.Check(0, rng, local, remote, 7, iss); return ok },
	} {
		if ok() {
			t.Errorf("another %s does not matter", what)
		}
	}
}

func TestActive(t *testing.T) {
	var s Secrets
	if s.Active(0) {
		t.Error("active before a cookie was sent")
	}
	s.Sent(5)
	end := clock.Instant(5).Add(2 * Period)
	if !s.Active(end-1) || s.Active(end) {
		t.Errorf("active until %v", end)
	}
}
