// Package task runs the tasks of a script, one at a time.
//
// A Task is a goroutine that runs only while it holds the baton; the baton's holder is the one goroutine that may touch
// the values that tasks share. A task that waits passes the baton to the next ready task, first in first out. Where no
// task is ready, the Scheduler lets a World in which a task waits move on. Where no World can move, the wait of the main
// task ends with an error that lists all waits.
//
// The package knows neither hosts nor the language. The layer above it gives a task its interpreter as a Computation and
// the host of a running call as a Host. This package has all go statements of the language layer.
//
// The functions are for the baton's holder, except those that any goroutine may call, as their comments say.
package task
