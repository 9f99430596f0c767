//go:build !linux

package script

func reap() {}

// AdoptCommands does nothing on this system.
func AdoptCommands() {}

// EndCommands does nothing: background processes of commands keep running.
func EndCommands() {}
