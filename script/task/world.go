package task

import "smolsh/stack/lab"

// World is a Runner with the scheduler's account of it. Its fields are the baton holder's.
type World struct {
	lab.Runner
	// Held is true for a virtual world beside a live one. The time of such a world passes only while the main task waits
	// in it, or a task drives it.
	Held bool

	driven   int     // number of tasks that let the time of a held world pass explicitly
	waiting  int     // number of tasks that wait for an event in it
	servers  int     // number of servers without a task of their own that listen in it
	steppers []*Task // tasks to be woken after its next event
}

// Drive lets the time of a held world pass while the caller waits in it, until the caller calls end.
func (w *World) Drive() (end func()) {
	w.driven++
	return func() { w.driven-- }
}

// AddServer counts a server that listens in the world and has no task that waits. While a world has servers its time
// passes whenever all tasks wait.
func (w *World) AddServer() { w.servers++ }

// RemoveServer takes back one AddServer.
func (w *World) RemoveServer() { w.servers-- }

// HasServers reports whether any server listens in the world.
func (w *World) HasServers() bool { return w.servers > 0 }
