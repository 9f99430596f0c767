package kernel

import (
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/complaint"
	"smolsh/script/registry"
)

// A Task is a task of a script. *task.Task has all of its methods but Call.
type Task interface {
	// Outside runs fn, which blocks on the operating system and touches no value of the tasks, while other tasks run. If the
	// task has to end first, Outside calls stop, which must make fn return soon, waits for fn and returns Err.
	Outside(what string, fn, stop func()) error
	// Err returns why the task has to end, nil while it may go on.
	Err() error
	// Done reports whether the task has ended.
	Done() bool
	// Call calls a function of the script's in the task.
	Call(fn starlark.Value, args ...starlark.Value) (starlark.Value, error)
}

// An Environment is the program around the sockets. The holder of the baton calls its methods.
type Environment interface {
	// Member returns the builtin prefix.name bound to recv, nil if there is none.
	Member(prefix string, recv starlark.Value, name string) starlark.Value
	// Members returns the names of the builtins under a prefix, sorted.
	Members(prefix string) []string
	// Group returns the builtins under a prefix as a value, whose attributes are the builtins bound to recv.
	Group(prefix string, recv starlark.Value) starlark.Value

	// Failed returns the error of an operation on an address, with the language's words for an error of the operating
	// system's. t, which may be nil, made the call. If t has to end, Failed returns err itself; if err is nil it returns nil.
	Failed(t Task, op string, where any, err error) error
	// Complain reports an error after which a server goes on, unless said holds the report back.
	Complain(server starlark.Value, said *complaint.Log, err error)

	Tasks
}

// Tasks starts the tasks of servers and has the limits on them.
type Tasks interface {
	// Room returns an error if the limit allows no further task.
	Room() error
	// Start makes a task, on behalf of the task by, which runs run when by next waits. The program reports the error of run,
	// unless said, if it is not nil, holds the report back.
	Start(by Task, name string, said *complaint.Log, run func(t Task) error) Task
	// Turn waits in t until a server may start one more handler beside those running, or ended reports true.
	Turn(t Task, running func() int, ended func() bool) error
	// AwaitTask waits in t until over reports true, which depends on the task u. A negative timeout is none.
	AwaitTask(t, u Task, what string, timeout time.Duration, over func() bool) error
	// Changed makes the tasks inside Turn and AwaitTask test their conditions again.
	Changed()
}

// A Call is one call of a builtin of this package.
type Call struct {
	registry.Arguments
	Name string         // the builtin's, with which errors about its arguments begin
	Recv starlark.Value // of which the builtin is a member
	Task Task           // makes the call

	// Options converts the call's options of TCP sockets, those of OptionNames.
	Options func() ([]Option, error)
	// SendFile passes the file of the argument path to send, in pieces, each with the rest of the timeout, which left
	// returns. It returns the number of octets sent.
	SendFile func(left func() time.Duration, send func(b []byte, timeout time.Duration) error) (int64, error)
	// SinkFile writes a stream to the file of the argument path, until recv returns no octets. most is the number of octets
	// that recv may return. SinkFile returns the number of octets written.
	SinkFile func(recv func(most int) ([]byte, error)) (int64, error)
}

// An Option is an option of a TCP socket with its converted value: int, bool, string or time.Duration. The value is false
// for a duration that is switched off.
type Option struct {
	Name  string
	Value any
}

// arg returns an argument of the call; the zero value if it was not given and has no default.
func arg[T any](c *Call, name string) T { return registry.Arg[T](&c.Arguments, name) }

// errorf returns an error with the builtin's name in front.
func (c *Call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.Name}, args...)...)
}

// localEndpoint returns the argument local, the zero value if the call did not give it.
func (c *Call) localEndpoint() (netip.AddrPort, error) {
	ap, err := registry.LocalEndpoint(arg[starlark.Value](c, "local"), nil)
	if err != nil {
		return ap, c.errorf("local %w", err)
	}
	return ap, nil
}

// forever as a timeout means none.
const forever = time.Duration(-1)

// timeout returns the call's timeout; forever if there is none.
func (c *Call) timeout() time.Duration {
	if c.Given("timeout") {
		return arg[time.Duration](c, "timeout")
	}
	return forever
}

// timeLeft returns a function that returns the rest of the call's timeout.
func (c *Call) timeLeft() func() time.Duration {
	d, start := c.timeout(), time.Now()
	return func() time.Duration {
		if d < 0 {
			return forever
		}
		return max(0, d-time.Since(start))
	}
}

// num returns a number as scripts get it.
func num[T int | uint64 | uint32](n T) starlark.Value { return starlark.MakeUint64(uint64(n)) }
