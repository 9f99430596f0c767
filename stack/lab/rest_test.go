package lab

import (
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
)

// TestRest makes the world hold one thing after another: Rest names each, and Drain ends all.
func TestRest(t *testing.T) { bothFamilies(t, testRest) }

func testRest(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: time.Second})
	s.settle()
	wants := func(want string) {
		t.Helper()
		if err := s.w.Rest(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	u := s.bindUDP(s.a, 5)
	wants("host a: 1 UDP sockets left")
	s.sendUDP(u, "x", v.at(2, 9))
	u.Close()
	wants("host a: 1 frames of the pools") // the datagram that waits for its neighbour's address
	if err := s.w.Drain(1000); err != nil {
		t.Fatal(err)
	}

	late := s.w.At(s.w.Now().Add(time.Second), func(clock.Instant) {})
	wants("1 events are scheduled, the next at ")
	late.Stop()
	s.k.ab.stats.InFlight++
	wants("link 0: 1 frames in flight")
	s.k.ab.stats.InFlight--
	s.w.touch(s.b)
	wants("1 hosts are to be asked for frames")
	if err := s.w.Drain(1000); err != nil {
		t.Fatal(err)
	}

	var again *Event
	again = s.w.At(s.w.Now(), func(now clock.Instant) { again.Move(now.Add(time.Second)) })
	if err := s.w.Drain(1000); err == nil || !strings.HasPrefix(err.Error(), "events go on: ") {
		t.Errorf("a clock that ticks for ever: %v", err)
	}
}
