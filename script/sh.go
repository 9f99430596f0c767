package script

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/command"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
)

func programBuiltins() []*builtin {
	return []*builtin{
		{Name: "sh", Sig: "cmd, input=None, timeout=None, check=True, background=False", Kinds: "command data duration bool bool",
			Args: "cmd: a line for /bin/sh, or a list of a program and its arguments; input: octets of its standard input, empty without; " +
				"timeout: kills it after this time by the clock on the wall; check: False makes a status other than 0 no error; " +
				"background: True returns at once",
			Result: "program", Doc: "Run a program of the operating system in the lab's network namespace.",
			Example: `sh("tr a-z A-Z", input="hello").out`, See: "program.wait, program.kill", Fn: builtinSh},
		{Name: "program.wait", Sig: "timeout=", Kinds: "duration", Result: "int",
			Args: "timeout: by the clock on the wall, after which the program goes on",
			Doc:  "Wait until the program has ended, and return its status.", Example: `p = sh("sleep 0.01", background=True); p.wait()`, See: "sh", Fn: programWait},
		{Name: "program.kill", Sig: `signal="TERM"`, Kinds: "any", Args: `signal: its name, such as "KILL", or its number`,
			Doc:     "Send a signal to the program and the processes of its group; one that has ended is left alone.",
			Example: `p = sh("sleep 60", background=True); p.kill(); p.wait()`, See: "sh", Fn: programKill},
	}
}

// RanPrograms reports whether the script has called sh(), so that its run may not repeat.
func (s *Session) RanPrograms() bool { return s.programs.Used() }

// programValue is a program of the operating system as scripts see it.
type programValue struct {
	s *Session
	*command.Program
}

func (v *programValue) String() string {
	status, ended := v.Result()
	if !ended {
		return fmt.Sprintf("program %d (%s): running", v.PID(), v.Line)
	}
	return fmt.Sprintf("program %d (%s): %s", v.PID(), v.Line, command.StatusWords(status))
}
func (v *programValue) Type() string          { return "program" }
func (v *programValue) Freeze()               {}
func (v *programValue) Truth() starlark.Bool  { return true }
func (v *programValue) Hash() (uint32, error) { return uint32(v.PID()), nil }

// Attr returns a field or a method of the program.
func (v *programValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "status":
		if status, ended := v.Result(); ended {
			return starlark.MakeInt(status), nil
		}
		return starlark.None, nil
	case "out":
		return starlark.Bytes(v.Out.Text()), nil
	case "err":
		return starlark.Bytes(v.Err.Text()), nil
	case "pid":
		return starlark.MakeInt(v.PID()), nil
	}
	return suggest.Attr(v, name, v.s.member("program", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *programValue) AttrNames() []string {
	return append([]string{"err", "out", "pid", "status"}, v.s.reg.Members["program"]...)
}

// display returns the text for the prompt: the output of the program, and its status unless the status is 0. For a
// program that runs it returns the text of String.
func (v *programValue) display() string {
	status, ended := v.Result()
	if !ended {
		return v.s.clean(v.String())
	}
	text := strings.TrimSuffix(v.s.clean(v.Out.Text()+v.Err.Text()), "\n")
	if status == 0 {
		return text
	}
	return strings.TrimPrefix(text+"\n"+command.StatusWords(status), "\n")
}

// off runs fn, which waits for the operating system. The task does not hold the baton while fn runs. The time of a
// virtual lab then stands still; other tasks of a live lab run. If the task has to end before fn returns, off calls
// stop, which must make fn return soon, and returns Err.
func (t *taskValue) off(what string, fn, stop func()) error {
	if !t.s.home.Virtual() {
		return t.Outside(what, fn, stop)
	}
	err := t.Aside(what, fn)
	if err != nil {
		stop()
	}
	return err
}

func builtinSh(c *call) (starlark.Value, error) {
	if c.s.cfg.NoFiles {
		return nil, c.errorf("%s", errNoFiles)
	}
	background := arg[bool](c, "background")
	what := arg[registry.Command](c, "cmd")
	args := what.Args
	if args == nil {
		args = []string{"/bin/sh", "-c", what.Line}
	}
	p, err := c.s.programs.New(what.String(), args)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	p.KeepsOn = background
	if c.Given("input") {
		p.Input = arg[[]byte](c, "input")
	}
	if c.Given("timeout") {
		p.Timeout = arg[time.Duration](c, "timeout")
	}
	c.s.flushCaptures() // so that the program can read the capture files
	task.Background(p.Run, func() {})
	until := p.Over()
	if background {
		until = p.Started()
	}
	left := make(chan struct{})
	err = c.t.off("the program "+p.Line, func() { either(until, left) }, func() {
		p.Stop(task.ErrCanceled)
		close(left)
	})
	switch {
	case err != nil:
		return nil, err
	case p.Failure() != nil:
		return nil, c.failedProgram(p, p.Failure())
	case background:
		return &programValue{c.s, p}, nil
	}
	status, _ := p.Result()
	if err := p.Reason(); err != nil {
		return nil, c.failedProgram(p, err)
	}
	if status != 0 && arg[bool](c, "check") {
		return nil, c.failedProgram(p, errors.New(command.StatusWords(status)))
	}
	return &programValue{c.s, p}, nil
}

// either returns when one of the channels is closed.
func either(a, b <-chan struct{}) {
	select {
	case <-a:
	case <-b:
	}
}

// failedProgram returns an error about a program: the command, the cause, and the last lines that the program has written.
func (c *call) failedProgram(p *command.Program, cause error) error {
	text := p.Err.Text()
	if strings.TrimSpace(text) == "" {
		text = p.Out.Text()
	}
	var said strings.Builder
	for _, l := range lastLines(text) {
		said.WriteString("\n  " + l)
	}
	return &opError{"sh", p.Line, fmt.Errorf("%w%s", cause, said.String())}
}

// lastLines returns the last ten lines of a text. It cuts each line after 200 characters.
func lastLines(text string) []string {
	const lines, columns = 10, 200
	text = text[max(0, len(text)-4*lines*columns):]
	list := strings.Split(strings.TrimRight(strings.ToValidUTF8(text, "\uFFFD"), " \t\r\n"), "\n")
	list = list[max(0, len(list)-lines):]
	for i, l := range list {
		if r := []rune(strings.TrimRight(l, "\r")); len(r) > columns {
			list[i] = string(r[:columns-1]) + "…"
		}
	}
	if len(list) == 1 && list[0] == "" {
		return nil
	}
	return list
}

func programWait(c *call) (starlark.Value, error) {
	p := c.recv.(*programValue).Program
	var late <-chan time.Time
	if c.Given("timeout") {
		timer := time.NewTimer(arg[time.Duration](c, "timeout"))
		defer timer.Stop()
		late = timer.C
	}
	left := make(chan struct{})
	timedOut := false
	err := c.t.off("the program "+p.Line, func() {
		select {
		case <-p.Over():
		case <-left:
		case <-late:
			timedOut = true
		}
	}, func() { close(left) })
	switch {
	case err != nil:
		return nil, err
	case timedOut:
		return nil, &opError{"program.wait", p.Line, task.ErrTimedOut}
	}
	if err := p.Reason(); err != nil {
		return nil, c.failedProgram(p, err)
	}
	status, _ := p.Result()
	return starlark.MakeInt(status), nil
}

func programKill(c *call) (starlark.Value, error) {
	sig, err := signalOf(c.Values[0].(starlark.Value))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	c.recv.(*programValue).Signal(sig)
	return starlark.None, nil
}

// signalOf converts a name, with or without SIG, or a number to a signal.
func signalOf(v starlark.Value) (syscall.Signal, error) {
	if n, err := starlark.AsInt32(v); err == nil && n >= 1 && n <= 64 {
		return syscall.Signal(n), nil
	}
	if name, ok := starlark.AsString(v); ok {
		if sig := command.SignalNamed(name); sig != 0 {
			return sig, nil
		}
	}
	return 0, fmt.Errorf(`signal is a name such as "TERM" or a number from 1 to 64, got %s`, registry.Brief(v))
}
