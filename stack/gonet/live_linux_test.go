package gonet_test

import (
	"runtime"
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

// TestNothingIsLeftLive: after 500 connections on the live runner there are as many goroutines and sockets as before.
func TestNothingIsLeftLive(t *testing.T) {
	p := newPair(t, startLive(t), lab.LinkConfig{})
	g, s := runtime.NumGoroutine(), p.sockets()
	exchange(t, p, 500)
	settled(t, p, g, s)
}
