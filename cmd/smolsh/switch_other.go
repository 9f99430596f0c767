//go:build !linux || portable

package main

import (
	"errors"
	"io"
)

// serve returns the error that the verb needs Linux.
func (o *switchOptions) serve(io.Writer, io.Writer) (int, error) {
	return 0, deviceError(errors.New("smolsh switch needs Linux (l.switch() of a virtual lab works everywhere)"))
}
