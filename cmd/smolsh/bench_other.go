//go:build !linux || portable

package main

import (
	"errors"
	"io"
)

// run returns the error that the verb needs Linux.
func (o *benchOptions) run(io.Writer) (int, error) {
	return 0, deviceError(errors.New("smolsh bench needs Linux, whose kernel it measures too (go test -bench . ./... measures parts of smolsh everywhere)"))
}
