package task

import "smolsh/stack/lab"

// World is a Runner with the scheduler's counts. Only the holder of the baton uses its fields.
type World struct {
	lab.Runner
	// Held is true for a virtual world in a session with a live one. The time of such a world advances only while the
	// main task waits in it, or a task drives it.
	Held bool

	driven   int     // number of tasks that drive the world (see Drive)
	waiting  int     // number of tasks that wait for an event in the world
	servers  int     // number of servers that listen in the world without a task
	steppers []*Task // tasks to wake after the next event
}

// Drive lets the time of a held world advance while the caller waits in it, until end is called.
func (w *World) Drive() (end func()) {
	w.driven++
	return func() { w.driven-- }
}

// AddServer counts a server that listens in the world without a task that waits. The time of a world with servers
// advances whenever all tasks wait.
func (w *World) AddServer() { w.servers++ }

// RemoveServer reverses one AddServer.
func (w *World) RemoveServer() { w.servers-- }

// HasServers reports whether any server listens in the world.
func (w *World) HasServers() bool { return w.servers > 0 }
