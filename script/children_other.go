//go:build !linux

package script

func adopt() {}
func reap()  {}

// EndCommands does nothing: background processes of commands stay.
func EndCommands() {}
