//go:build !linux

package main

import "io"

// run returns the error that the verb needs Linux.
func (o *benchOptions) run(io.Writer) (int, error) { return 0, usageError("bench: it needs Linux") }
