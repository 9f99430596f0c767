// Package kernel has the operating system's sockets as Starlark values: TCP connections and listeners, UDP sockets and
// servers, in the network namespace of the process. They have the methods of the stack's own sockets, so that a script
// can hold both ends of a connection.
//
// The package knows neither hosts nor sessions. A program gives it a Task for each call, an Environment with its
// builtins, tasks and texts of errors, and the declarations of its own sockets, from which a method here takes
// signature and help.
//
// A call that blocks runs in Task.Outside, which lets other tasks run, and ends by a deadline of the socket. One task
// at a time reads from a socket, and one writes, because a deadline would end the waits of all tasks. Only the holder
// of the baton may use the rest of the package.
//
// A Stack that is not live, because time is simulated, opens no socket. Its calls return an error that names this
// reason.
package kernel
