//go:build !linux

package script

func reap() {}

// AdoptCommands does nothing here.
func AdoptCommands() {}

// EndCommands does nothing: background processes of commands stay.
func EndCommands() {}
