//go:build linux && !portable

package main

import (
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

// proxyRunner returns the Runner of the proxy's lab: the one whose timers are the most exact.
func proxyRunner(w *lab.World) (lab.Runner, error) { return live.New(w) }
