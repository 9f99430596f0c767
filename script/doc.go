// Package script binds labs to Starlark: the builtins that people type, that scripts call, and with which tests
// assert. /docs describes the language. The packages below it hold the parts that need no session: registry has the
// declaration of a builtin, conversion of arguments and help; table and packetvalue have values that builtins return;
// kernel has the operating system's sockets.
//
// A Session is one script or one shell. It reaches hosts only through the Do of a lab.Runner, so that the same
// builtins work on virtual and live labs. Starlark values hold handles, which are used inside Do alone, and frozen
// snapshots.
//
// Tasks share values, so exactly one task runs at a time. Package script/task has the scheduler and all go statements.
// The goroutine that made a Session calls its exported methods, with these exceptions: any goroutine may call
// Interrupt, and the goroutine that reads while the session is inside Await may call Complete and Begin.
package script
