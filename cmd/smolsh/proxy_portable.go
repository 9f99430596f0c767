//go:build !linux || portable

package main

import (
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// proxyRunner returns the Runner of the proxy's lab.
func proxyRunner(w *lab.World, _ bool) (lab.Runner, error) { return gonet.Drive(w), nil }
