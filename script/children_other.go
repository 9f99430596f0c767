//go:build !linux

package script

func adopt() {}
func reap()  {}

// EndCommands does nothing: what commands leave running is the system's.
func EndCommands() {}
