//go:build !linux

package main

import "io"

// run says why not.
func (o *benchOptions) run(io.Writer) (int, error) { return 0, usageError("bench: it needs Linux") }
