package kernel

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/complaint"
	"smolsh/script/registry"
)

// A Task is a task of a script. *task.Task has all of its methods but Call.
type Task interface {
	// Outside runs fn while other tasks run. fn blocks on the operating system, and must not use values of scripts. If
	// the task has to end before fn returns, Outside calls stop, which must make fn return soon, waits for fn and
	// returns Err.
	Outside(what string, fn, stop func()) error
	// Err returns the reason why the task has to end, nil while it may continue.
	Err() error
	// Done reports whether the task has ended.
	Done() bool
	// Call calls a function of the script in the task.
	Call(fn starlark.Value, args ...starlark.Value) (starlark.Value, error)
}

// An Environment is the part of the program that this package calls: builtins, errors and tasks. The holder of the
// baton calls its methods.
type Environment interface {
	// Member returns the builtin prefix.name bound to recv, nil if there is none.
	Member(prefix string, recv starlark.Value, name string) starlark.Value
	// Members returns the names of the builtins under a prefix, sorted.
	Members(prefix string) []string
	// Width returns the terminal's width in columns, 0 if there is none.
	Width() int
	// Print prints a line.
	Print(line string)
	// Printed returns a struct as the result of a call that has printed it: the prompt does not show it again.
	Printed(x *starlarkstruct.Struct) starlark.Value
	// Group returns the builtins under a prefix as a value, whose attributes are the builtins bound to recv.
	Group(prefix string, recv starlark.Value) starlark.Value

	// Failed converts the operating system's error err into the stack's error. Its text names the operation op and the
	// address where. The task t, which may be nil, made the call. If t has to end, Failed returns err itself. If err is
	// nil, Failed returns nil.
	Failed(t Task, op string, where any, err error) error
	// Complain reports an error after which the server continues, unless said limits the report.
	Complain(server starlark.Value, said *complaint.Log, err error)

	Tasks
}

// Tasks starts the tasks of servers and has the limits on them.
type Tasks interface {
	// Room returns an error if the limit on tasks allows no further task.
	Room() error
	// Start makes a task that calls run. The new task starts when the task by, which asked for it, next waits. The
	// program reports an error that run returns, unless said (which may be nil) limits the report.
	Start(by Task, name string, said *complaint.Log, run func(t Task) error) Task
	// Turn blocks the task t until a server may start one more handler, or ended returns true. running returns the
	// number of the server's handlers that run. If the wait ends in another way, such as an interrupt, Turn returns an
	// error.
	Turn(t Task, running func() int, ended func() bool) error
	// AwaitTask blocks the task t until over returns true. The task u makes over return true. The text what names the
	// wait in messages. A negative timeout means no limit.
	AwaitTask(t, u Task, what string, timeout time.Duration, over func() bool) error
	// Changed makes the tasks inside Turn and AwaitTask test their conditions again.
	Changed()
}

// A Call is one call of a builtin of this package.
type Call struct {
	registry.Arguments
	Name string         // name of the builtin, with which errors about its arguments begin
	Recv starlark.Value // value of which the builtin is a member, nil if it is a function
	Task Task           // task that makes the call

	// Options converts the options of TCP sockets that the call gave. OptionNames has their names.
	Options func() ([]Option, error)
	// SendFile reads the file that the argument path names and calls send for each piece. The call's timeout is the
	// time that the function left returns. SendFile returns the number of octets sent.
	SendFile func(left func() time.Duration, send func(b []byte, timeout time.Duration) error) (int64, error)
	// SinkFile writes the octets that recv returns to the file that the argument path names, until recv returns none.
	// The argument most is the number of octets that recv may return. SinkFile returns the number of octets written.
	SinkFile func(recv func(most int) ([]byte, error)) (int64, error)
}

// An Option is an option of a TCP socket with its converted value: int, bool, string or time.Duration. A duration that
// is switched off has the value false.
type Option struct {
	Name  string
	Value any
}

// arg returns an argument of the call, the zero value if it was not given and has no default.
func arg[T any](c *Call, name string) T { return registry.Arg[T](&c.Arguments, name) }

// errorf returns an error with the builtin's name in front.
func (c *Call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.Name}, args...)...)
}

// ends returns the two ends of the sockets that the arguments endpoint and local allow, in the order in which to try them.
func (c *Call) ends() ([]registry.Ends, error) {
	locals, err := registry.LocalEndpoints(arg[starlark.Value](c, "local"), nil)
	if err != nil {
		return nil, c.errorf("local %w", err)
	}
	list, err := registry.PairEnds(locals, arg[[]netip.AddrPort](c, "endpoint"))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	for k := range list {
		e := &list[k]
		if e.Remote, err = scoped(e.Remote, e.Local.Addr().Zone()); err == nil && e.Local.IsValid() {
			e.Local, err = scoped(e.Local, e.Remote.Addr().Zone())
		}
		if err != nil {
			return nil, c.stack().env.Failed(c.Task, c.proto(), e.Remote, err)
		}
	}
	return list, nil
}

// proto returns the protocol of the builtin's sockets.
func (c *Call) proto() string { return strings.Split(c.Name, ".")[1] }

// boundTo returns the local end that the arguments addr, port and v6only name.
func (c *Call) boundTo() (netip.AddrPort, error) {
	at, err := registry.BoundTo(arg[netip.Addr](c, "addr"), arg[int](c, "port"), arg[bool](c, "v6only"))
	if err == nil {
		at, err = scoped(at, "")
	}
	if err != nil {
		return at, c.errorf("%w", err)
	}
	return at, nil
}

// forever is the timeout of a call that has none.
const forever = time.Duration(-1)

// timeout returns the call's timeout, forever if the call has none.
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
