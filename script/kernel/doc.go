// Package kernel has the operating system's sockets as Starlark values: TCP connections and listeners, UDP sockets and
// servers, in the network namespace of the process. They have the methods of the stack's own sockets, so that a script can
// hold both ends of a connection.
//
// The package knows neither hosts nor sessions. A program gives it a Task for each call, an Environment with its builtins,
// tasks and words for errors, and the declarations of its own sockets, from which a method here takes signature and help.
//
// A call that blocks runs in Task.Outside, which lets other tasks run, and ends by a deadline of the socket. One task at
// a time uses a direction of a socket: a deadline would end the waits of all. Everything else is for the holder of the
// baton alone.
//
// A Stack that is not live, because time is simulated, opens no socket: its calls are errors that say so.
package kernel
