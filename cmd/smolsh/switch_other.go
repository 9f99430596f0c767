//go:build !linux

package main

import (
	"errors"
	"io"
)

func (o *switchOptions) serve(io.Writer, io.Writer) (int, error) {
	return 0, deviceError(errors.New("switches are served on Linux only"))
}
