package gonet_test

import (
	"testing"

	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

func startLive(t testing.TB) func(w *lab.World) lab.Runner {
	return func(w *lab.World) lab.Runner {
		r, err := live.New(w)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// TestConnLive runs nettest on the live runner, over a link in memory.
func TestConnLive(t *testing.T) { testConn(t, startLive(t)) }

// TestNothingIsLeftLive is TestNothingIsLeft on the live runner.
func TestNothingIsLeftLive(t *testing.T) {
	nothingIsLeft(t, newPair(t, startLive(t), lab.LinkConfig{}))
}
