package complaint

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"smolsh/stack/clock"
)

// A Log reports the first error of each kind and counts the others, until ten seconds after the first report.
func TestTake(t *testing.T) {
	var l Log
	reset := func(port int) error { return fmt.Errorf("tcp 10.0.0.1:%d: connection reset", port) }
	for i, c := range []struct {
		at   time.Duration
		err  error
		say  bool
		held int
	}{
		{time.Second, reset(1), true, 0},
		{time.Second, reset(2), false, 0},
		{2 * time.Second, reset(3), false, 0},
		{3 * time.Second, errors.New("division by zero"), true, 2}, // an error of another kind
		{11*time.Second - 1, reset(4), false, 0},
		{11 * time.Second, reset(5), true, 1},
		{11 * time.Second, reset(6), false, 0},
	} {
		if say, held := l.Take(clock.Instant(c.at), c.err); say != c.say || held != c.held {
			t.Errorf("error %d: Take returned %v, %d, want %v, %d", i, say, held, c.say, c.held)
		}
	}
	if held, last := l.Rest(); held != 1 || last == nil || last.Error() != reset(6).Error() {
		t.Errorf("Rest returned %d, %v, want 1, %v", held, last, reset(6))
	}
	if held, last := l.Rest(); held != 0 || last != nil {
		t.Errorf("Rest returned %d, %v after the rest", held, last)
	}
}

// Errors that each have other words, which a peer may choose, are reported four times at most.
func TestKindsAreBounded(t *testing.T) {
	var l Log
	said := 0
	for n := range 1000 {
		if say, _ := l.Take(clock.Instant(time.Second), errors.New("got "+string(rune('a'+n)))); say {
			said++
		}
	}
	if held, _ := l.Rest(); said != maxKinds || held != 1000-maxKinds || len(l.said) != maxKinds {
		t.Errorf("of 1000 kinds %d were reported, %d counted, %d kept", said, held, len(l.said))
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Before(0): "", Before(1): "  and before it one more handler of the same server failed\n",
		Before(2): "  and before it 2 more handlers of the same server failed\n",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
