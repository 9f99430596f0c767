//go:build !linux

package command

func reap() {}

// Adopt does nothing on this system.
func Adopt() {}

// End does nothing on this system: background processes of commands stay.
func End() {}
