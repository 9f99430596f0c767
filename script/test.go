package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack/clock"
)

// A TestFunc is a test function: a top-level function whose name begins with test_.
type TestFunc struct {
	Name string
	Line int // from 1
}

// Tests returns the test functions of a file, in the file's order. It reads the file and does not run it. The error is
// that of reading, or a *Failure if the file is not valid Starlark.
func Tests(path string) ([]TestFunc, error) {
	src, err := readSource(path)
	if err != nil {
		return nil, err
	}
	f, err := registry.FileOptions.Parse(path, src, 0)
	if err != nil {
		var syn syntax.Error
		if errors.As(err, &syn) {
			return nil, &Failure{File: path, Line: int(syn.Pos.Line), Col: int(syn.Pos.Col), Message: syn.Msg}
		}
		return nil, err
	}
	var list []TestFunc
	for _, stmt := range f.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && strings.HasPrefix(def.Name.Name, "test_") {
			list = append(list, TestFunc{def.Name.Name, int(def.Def.Line)})
		}
	}
	return list, nil
}

// A Failure describes why a test failed.
type Failure struct {
	File      string // file of the innermost position in a script, "" if there is none
	Line, Col int    // from 1
	Message   string // the failure, in one line or more
	Trace     []string
	// Interrupted is true if Session.Interrupt ended the test before anything failed.
	Interrupted bool
}

// Error returns the failure in one line or more, with file and line first.
func (f *Failure) Error() string {
	if f.File == "" {
		return f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// testRun is the state of a session while it runs a test.
type testRun struct {
	troubles []trouble
}

// trouble is an error that no task has waited for: of a task, a handler or a packet function.
type trouble struct {
	who string
	err error
}

// trouble records a background error for the running test. It returns false if no test runs.
func (s *Session) trouble(who string, err error) bool {
	if s.test == nil {
		return false
	}
	s.test.troubles = append(s.test.troubles, trouble{who, err})
	return true
}

// noticed forgets a background error, because the test has read it.
func (s *Session) noticed(err error) {
	if s.test != nil && err != nil {
		s.test.troubles = slices.DeleteFunc(s.test.troubles, func(t trouble) bool { return t.err.Error() == err.Error() })
	}
}

// RunTest evaluates a file and calls one of its test functions, in a session that has run nothing yet. It returns nil
// if the test passes. For that the function must return, each task that failed must have been joined or its error read,
// and in each virtual lab every frame must be accounted for.
func (s *Session) RunTest(path, name string) *Failure {
	s.test = &testRun{}
	err := s.callTest(path, name)
	s.tasks.DeliverInterrupt()
	s.reportPanics()
	fail := s.main.Revive()
	s.out.flush()
	interrupted := fail == task.ErrInterrupted && err != nil
	if fail != nil && err != nil {
		err = s.withCause(err, fail)
	}
	var exit *exitError
	if e := s.ending.exit; e != nil {
		s.ending.exit, err = nil, e
	}
	if errors.As(err, &exit) && exit.code == 0 {
		err = nil
	}
	// A background error is reported first, because it causes later waits to fail.
	if t := s.test.troubles; len(t) > 0 && !interrupted {
		f := s.failure(t[0].err)
		f.Message = t[0].who + ": " + f.Message
		return f
	}
	if err != nil {
		f := s.failure(err)
		f.Interrupted = interrupted
		return f
	}
	return s.conserved()
}

func (s *Session) callTest(path, name string) error {
	s.record(s.local)
	s.name(path)
	src, err := s.main.source(path)
	if err != nil {
		return err
	}
	globals, err := s.exec(s.main, path, src)
	if err != nil {
		return err
	}
	fn, ok := globals[name].(starlark.Callable)
	if !ok {
		return fmt.Errorf("%s has no function %s", path, name)
	}
	err = s.main.safely(func() error {
		_, err := starlark.Call(s.main.thread, fn, nil, nil)
		return err
	})
	if err != nil {
		return err
	}
	return s.main.Yield() // tasks that are ready may still fail
}

// conserved checks that no virtual lab of the session has lost frames uncounted.
func (s *Session) conserved() *Failure {
	for _, w := range s.tasks.Worlds() {
		if !w.Virtual() {
			continue
		}
		var err error
		s.tasks.Do(w, func(clock.Instant) { err = w.World().Conservation() })
		if err != nil {
			return &Failure{Message: "frames have vanished uncounted: " + err.Error()}
		}
	}
	return nil
}

// failure returns err as a Failure, with its position, its source line and its callers.
func (s *Session) failure(err error) *Failure {
	f := &Failure{}
	var list resolve.ErrorList
	var eval *starlark.EvalError
	at := func(pos syntax.Position) { f.File, f.Line, f.Col = pos.Filename(), int(pos.Line), int(pos.Col) }
	source := func(pos syntax.Position) {
		if line := s.sourceLine(pos.Filename(), int(pos.Line)); line != "" {
			f.Trace = append(f.Trace, "    "+line)
		}
	}
	switch {
	case errors.As(err, &list):
		at(list[0].Pos)
		f.Message = s.hint(list[0].Msg)
		source(list[0].Pos)
	case errors.As(err, &eval):
		f.Message = s.unbound(eval.Msg)
		for i := range eval.CallStack {
			fr := eval.CallStack.At(i)
			if fr.Pos.Filename() == "<builtin>" {
				continue
			}
			if f.File == "" {
				at(fr.Pos)
			} else {
				f.Trace = append(f.Trace, fmt.Sprintf("%s:%d: in %s", fr.Pos.Filename(), fr.Pos.Line, fr.Name))
			}
			source(fr.Pos)
		}
	default:
		f.Message = err.Error()
	}
	return f
}

// LastPackets returns the last n packets seen by the hosts of the session's virtual labs and by its own host, in order,
// as trace prints them. With marked it returns only packets that a rule lost, changed, copied or delayed.
func (s *Session) LastPackets(n int, marked bool) []string {
	type line struct {
		order uint64
		text  func(verdict string) string
		said  string
	}
	var lines []line
	for h, r := range s.watching.recent {
		var list []seen
		h.do(func(clock.Instant) { list = r.all() })
		t := &tracer{s: s, name: s.prefix(h)}
		for i := range list {
			p := &list[i]
			what := t.line(p.head[:p.n], p.medium, p.gso)
			if marked && p.marks == (phy.Marks{}) && !strings.Contains(p.verdict.String(), ": fault ") {
				continue
			}
			lines = append(lines, line{p.order, func(v string) string { return t.text(p.now, p.iface, p.dir, p.head[:p.n], p.medium, what, v) }, p.marks.After(p.verdict.String())})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return int(int64(a.order - b.order)) })
	lines = lines[max(0, len(lines)-n):]
	out := make([]string, len(lines))
	widest := 0
	for _, l := range lines {
		widest = max(widest, utf8.RuneCountInString(l.text("")))
	}
	at := s.watching.verdictAt.Swap(int32(min(widest+2, verdictColumn)))
	for i, l := range lines {
		out[i] = l.text(l.said)
	}
	s.watching.verdictAt.Store(at)
	return out
}

// CaptureAll writes every packet of every host of the session's own world to a file until Close. That includes hosts of
// labs made later.
func (s *Session) CaptureAll(path string) error {
	_, err := s.main.startCapture(s.home, path, nil, s.home.World().CaptureTo)
	return err
}
