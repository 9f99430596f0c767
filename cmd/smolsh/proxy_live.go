//go:build linux && !portable

package main

import (
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

// proxyRunner returns the Runner of the proxy's lab. With timed, it is the one whose timers are exact to microseconds. Otherwise it is the one
// that a goroutine wakes without a system call, which halves the time of a round trip and more; its timers may be a millisecond late.
func proxyRunner(w *lab.World, timed bool) (lab.Runner, error) {
	if timed {
		return live.New(w)
	}
	return gonet.Drive(w), nil
}
