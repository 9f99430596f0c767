package kernel

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/complaint"
	"smolsh/script/registry"
	"smolsh/script/service"
)

var errCanceled = errors.New("canceled")

// ours returns declarations of a program's own sockets, with the names that package script uses.
func ours() []*registry.Builtin[*Call] {
	return []*registry.Builtin[*Call]{
		{Name: "conn.send", Sig: "data, timeout=", Kinds: "data duration"},
		{Name: "conn.recv", Sig: "max=65536, timeout=", Kinds: "int:1.. duration"},
		{Name: "conn.recv_exactly", Sig: "n, timeout=", Kinds: "int:0.. duration"},
		{Name: "conn.recv_until", Sig: "delimiter, timeout=, max=1048576", Kinds: "data duration int:1.."},
		{Name: "conn.sendfile", Sig: "path, timeout=", Kinds: "infile duration"},
		{Name: "conn.sink", Sig: "path=None, timeout=", Kinds: "outfile duration"},
		{Name: "conn.source", Sig: "n=None, timeout=", Kinds: "int:0.. duration"},
		{Name: "conn.shutdown"}, {Name: "conn.close"}, {Name: "conn.abort"}, {Name: "conn.info"}, {Name: "conn.log", Doc: "not the kernel's"},
		{Name: "conn.set", Sig: "**options"},
		{Name: "listener.accept", Sig: "timeout=", Kinds: "duration", Result: "conn"}, {Name: "listener.close"},
		{Name: "udp_socket.send", Sig: "data, to=None", Kinds: "data endpoint"},
		{Name: "udp_socket.recv", Sig: "timeout=", Kinds: "duration"}, {Name: "udp_socket.close"},
		{Name: "serve", Sig: "proto, port, handler, addr=None, backlog=128, v6only=False, **options", Kinds: "str port any ip int:1..65536 bool", Args: "handler: what serves"},
		{Name: "server.stop"}, {Name: "server.wait", Sig: "timeout=", Kinds: "duration"},
	}
}

// A program implements Environment for tests. A mutex is the baton.
type program struct {
	on6      bool // true if scripts run over IPv6
	t        *testing.T
	reg      *registry.Registry[*Call]
	kernel   *Stack
	baton    sync.Mutex
	moved    *sync.Cond // uses the baton; broadcast when a task begins a wait, ends a wait, or ends
	handlers int        // largest number of handlers of a server at a time
	full     bool       // true if Room returns an error
	tasks    []*fakeTask
	failures []string            // errors of tasks without a joiner, and of Complain
	printed  []string            // lines of Print
	file     []byte              // octets that sendfile sends, or that sink has written
	also     starlark.StringDict // further globals of the script
}

// A fakeTask is a goroutine that holds the baton except inside Outside.
type fakeTask struct {
	p        *program
	thread   *starlark.Thread
	canceled chan struct{}
	cause    error
	outside  bool
	done     bool
	result   starlark.Value
	failure  error
}

// needLoopback skips the test if 127.0.0.1 cannot be reached, as in a new network namespace. With CI=true the test fails.
func needLoopback(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		defer l.Close()
		var c net.Conn
		if c, err = net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
			return
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no loopback: %v", err)
	}
	t.Skipf("no loopback: %v; ip link set lo up", err)
}

func newProgram(t *testing.T, live bool) *program {
	if live {
		needLoopback(t)
	}
	p := &program{t: t, handlers: 100}
	p.moved = sync.NewCond(&p.baton)
	p.kernel = New(p, live)
	p.reg = registry.New(registry.Language[*Call]{Sections: []registry.Section[*Call]{{Builtins: Builtins(ours(), func(c *Call) *Call { return c })}}})
	return p
}

func (p *program) newTask() *fakeTask {
	t := &fakeTask{p: p, canceled: make(chan struct{}), thread: &starlark.Thread{}}
	t.thread.SetLocal("task", t)
	p.tasks = append(p.tasks, t)
	return t
}

func (t *fakeTask) Outside(what string, fn, stop func()) error {
	if t.cause != nil {
		return t.cause
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fn()
	}()
	t.outside = true
	t.p.moved.Broadcast()
	t.p.baton.Unlock()
	select {
	case <-ended:
	case <-t.canceled:
		stop()
		<-ended
	}
	t.p.baton.Lock()
	t.outside = false
	return t.cause
}

func (t *fakeTask) Err() error { return t.cause }
func (t *fakeTask) Done() bool { return t.done }

func (t *fakeTask) Call(fn starlark.Value, args ...starlark.Value) (starlark.Value, error) {
	return starlark.Call(t.thread, fn, args, nil)
}

func (t *fakeTask) cancel() {
	if t.cause == nil {
		t.cause = errCanceled
		close(t.canceled)
	}
}

// await waits until cond returns true. Its caller holds the baton, which other tasks have during the wait.
func (p *program) await(cond func() bool) {
	for !cond() {
		p.moved.Wait()
	}
}

func (p *program) run(t *fakeTask, fn func() (starlark.Value, error)) {
	go func() {
		p.baton.Lock()
		defer p.baton.Unlock()
		if t.failure = t.cause; t.cause == nil {
			t.result, t.failure = fn()
		}
		t.done = true
		p.moved.Broadcast()
	}()
}

func (p *program) Room() error {
	if p.full {
		return errors.New("no room")
	}
	return nil
}

func (p *program) Start(_ Task, _ string, said *complaint.Log, run func(t Task) error) Task {
	t := p.newTask()
	p.run(t, func() (starlark.Value, error) {
		err := run(t)
		if err != nil && t.cause == nil {
			p.failures = append(p.failures, err.Error())
		}
		return nil, err
	})
	return t
}

func (p *program) Turn(t Task, running func() int, ended func() bool) error {
	p.await(func() bool { return t.Err() != nil || running() < p.handlers || ended() })
	return t.Err()
}

func (p *program) AwaitTask(t, _ Task, _ string, _ time.Duration, over func() bool) error {
	p.await(func() bool { return t.Err() != nil || over() })
	return t.Err()
}

func (p *program) Changed() { p.moved.Broadcast() }

func (p *program) Failed(t Task, op string, where any, err error) error {
	if err == nil || t != nil && t.Err() != nil {
		return err
	}
	return fmt.Errorf("%s %v: %w", op, where, err)
}

func (p *program) Complain(_ starlark.Value, _ *complaint.Log, err error) {
	p.failures = append(p.failures, err.Error())
}

func (p *program) Width() int { return 0 }

func (p *program) Print(line string) { p.printed = append(p.printed, line) }

func (p *program) Printed(x *starlarkstruct.Struct) starlark.Value { return x }

func (p *program) Members(prefix string) []string { return p.reg.Members[prefix] }

func (p *program) Group(prefix string, recv starlark.Value) starlark.Value {
	d := starlark.StringDict{}
	for _, name := range p.Members(prefix) {
		d[name] = p.Member(prefix, recv, name)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, d)
}

func (p *program) Member(prefix string, recv starlark.Value, name string) starlark.Value {
	b := p.reg.ByName[prefix+"."+name]
	if b == nil {
		return nil
	}
	return starlark.NewBuiltin(b.Name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		a, err := b.Bind(args, kwargs, permissive{})
		if err != nil {
			return nil, err
		}
		c := &Call{Arguments: a, Name: b.Name, Recv: recv, Task: thread.Local("task").(*fakeTask), Options: func() ([]Option, error) { return options(a.Opts) }}
		c.SendFile, c.SinkFile = p.sendFile, p.sinkFile
		v, err := b.Fn(c)
		if v == nil && err == nil {
			v = starlark.None
		}
		return v, err
	})
}

// options converts the options of a call. It reads an int as a number of seconds if the option is a duration.
func options(opts []starlark.Tuple) (list []Option, err error) {
	for _, kv := range opts {
		o := Option{Name: string(kv[0].(starlark.String))}
		switch v := kv[1].(type) {
		case starlark.Bool:
			o.Value = bool(v)
		case starlark.String:
			o.Value = string(v)
		case starlark.Int:
			n, _ := v.Int64()
			if o.Value = int(n); o.Name == "keepalive" || o.Name == "user_timeout" {
				o.Value = time.Duration(n) * time.Second
			}
		default:
			return nil, fmt.Errorf("%s: got %v", o.Name, v)
		}
		list = append(list, o)
	}
	return list, nil
}

func (p *program) sendFile(left func() time.Duration, send func(b []byte, timeout time.Duration) error) (total int64, err error) {
	for part := range strings.SplitAfterSeq(string(p.file), "\n") {
		if err := send([]byte(part), left()); err != nil {
			return total, err
		}
		total += int64(len(part))
	}
	return total, nil
}

func (p *program) sinkFile(recv func(most int) ([]byte, error)) (int64, error) {
	for p.file = nil; ; {
		b, err := recv(3)
		if err != nil || len(b) == 0 {
			return int64(len(p.file)), err
		}
		p.file = append(p.file, b...)
	}
}

// globals returns the globals of the tests' scripts: kernel and the following functions. spawn(fn) starts a task with
// join() and cancel(); settle() waits until every other task waits for the system or has ended.
func (p *program) globals(main *fakeTask) starlark.StringDict {
	fn := func(name string, f func(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) *starlark.Builtin {
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return f(args, kwargs)
		})
	}
	g := starlark.StringDict{
		"kernel": p.kernel, "echo": service.Echo, "discard": service.Discard, "chargen": service.Chargen,
		"spawn": fn("spawn", func(args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			t := p.newTask()
			p.run(t, func() (starlark.Value, error) { return t.Call(args[0], args[1:]...) })
			return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
				"join": fn("join", func(starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
					p.await(t.Done)
					return t.result, t.failure
				}),
				"cancel": fn("cancel", func(starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
					t.cancel()
					return starlark.None, nil
				}),
			}), nil
		}),
		"settle": fn("settle", func(starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			p.await(func() bool {
				for _, t := range p.tasks {
					if t != main && !t.done && !t.outside {
						return false
					}
				}
				return true
			})
			return starlark.None, nil
		}),
		"error": starlark.NewBuiltin("error", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			v, err := starlark.Call(thread, args[0], args[1:], kwargs)
			if err == nil {
				return nil, fmt.Errorf("%v returned %s, not an error", args[0], registry.Brief(v))
			}
			return starlark.String(err.Error()), nil
		}),
		"eq": fn("eq", func(args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			if ok, err := starlark.Equal(args[0], args[1]); err != nil || !ok {
				return nil, fmt.Errorf("got %v, want %v", args[0], args[1])
			}
			return starlark.None, nil
		}),
		"has": fn("has", func(args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			if text, part := string(args[0].(starlark.String)), string(args[1].(starlark.String)); !strings.Contains(text, part) {
				return nil, fmt.Errorf("%q lacks %q", text, part)
			}
			return starlark.None, nil
		}),
	}
	maps.Copy(g, p.also)
	return g
}

// script runs a script in the main task, closes the stack and waits for the other tasks.
func (p *program) script(src string) {
	p.t.Helper()
	src = prelude + src
	if p.on6 {
		src = strings.NewReplacer("127.0.0.1:", "[::1]:", "127.0.0.1", "::1").Replace(src)
	}
	p.baton.Lock()
	defer p.baton.Unlock()
	main := p.newTask()
	if _, err := starlark.ExecFileOptions(registry.FileOptions, main.thread, "test.star", src, p.globals(main)); err != nil {
		text := err.Error()
		var eval *starlark.EvalError
		if errors.As(err, &eval) {
			text = eval.Backtrace()
		}
		p.t.Errorf("%s", text)
	}
	for _, t := range p.tasks {
		t.cancel()
	}
	p.kernel.Close()
	p.moved.Broadcast()
	main.done = true
	p.await(func() bool {
		for _, t := range p.tasks {
			if !t.done {
				return false
			}
		}
		return true
	})
	if n := len(p.kernel.open); n != 0 {
		p.t.Errorf("%d sockets are open after Close", n)
	}
}

// prelude is script text that opens a connection over loopback and names both ends.
const prelude = `
def pair(**options):
    l = kernel.tcp.listen(0, addr="127.0.0.1", **options)
    c = kernel.tcp.connect(l.local)
    k = l.accept()
    l.close()
    return c, k
`

// permissive is a registry.Caller that allows everything and knows no hosts.
type permissive struct{}

func (permissive) Permit(*registry.Param, any) error             { return nil }
func (permissive) HostOf(starlark.Value) (starlark.Value, error) { return nil, nil }
func (permissive) AddrsOf(starlark.Value) ([]netip.Addr, error)  { return nil, nil }
func (permissive) Lookup(string) ([]netip.Addr, error)           { return nil, nil }
