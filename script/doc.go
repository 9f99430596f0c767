// Package script binds a lab to Starlark: the builtins a person types, a script calls and a test
// asserts with. /docs has the language; the registry in this package has every builtin with its
// signature, one line and an example that the tests run.
//
// A Session is one script or one shell. It reaches hosts only through a lab.Runner's Do, so that the
// same builtins work on a virtual lab and on a live one. Starlark values hold handles, which are used
// inside Do alone, and frozen snapshots.
//
// Tasks share values, so exactly one runs at a time: task.go holds the scheduler and the package's
// only go statement. All exported methods are to be called from the goroutine that made the Session,
// but for Interrupt, which any goroutine may call, and Complete and Begin, which are for the one that reads
// while the session is inside Await.
//
// Left out for now: packets composed by scripts, captures that are read back, names that are resolved, and
// the scenario runner.
package script
