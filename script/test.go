package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/script/task"
	"smolsh/script/testcase"
	"smolsh/stack/clock"
)

// A Failure describes why a test failed, and where.
type Failure struct {
	File      string // file of the innermost position in a script, "" if there is none
	Line, Col int    // line and column in File, from 1; 0 if there is no position
	Message   string // description of the failure, in one line or more
	Trace     []string
	setup     bool // true for an error of setup(), or of the call of the test's function
	// Interrupted is true if Session.Interrupt ended the test before an error was found.
	Interrupted bool
}

// A TestResult is the result of a test. If Failure is nil, and Skipped and Expected are false, the test has passed.
type TestResult struct {
	Failure  *Failure // reason of the failure; nil if the test did not fail
	Skipped  bool     // true if skip() ended the test
	Expected bool     // true if the test failed as xfail() expected
	Why      string   // reason that skip() or xfail() was given
}

// Error returns the failure in one line or more. The text begins with file and line.
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

// trouble is an error of a task, a handler or a packet function that no task has waited for.
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

// noticed removes a background error from the running test's list, because the test has read the error.
func (s *Session) noticed(err error) {
	if s.test != nil && err != nil {
		s.test.troubles = slices.DeleteFunc(s.test.troubles, func(t trouble) bool { return t.err.Error() == err.Error() })
	}
}

// RunTest evaluates a file and runs one of its tests, by the printed name, in a session that has run nothing yet: setup(), the
// test's function, and teardown(), which runs if setup() returned. A test passes if its function returns, no task fails that the
// test did not join or ask for its error, and in each virtual lab every frame is accounted for.
func (s *Session) RunTest(path, name string, index int) (r TestResult) {
	s.test = &testRun{}
	var c *testcase.Case
	var file testFile
	skip, fail := s.attempt(func() (err error) {
		file, err = s.prepare(path)
		if err == nil {
			c, err = file.find(name, index)
		}
		return err
	})
	if fail == nil && skip == nil {
		if skip, fail = s.attempt(func() error { return s.callSetup(&file) }); fail != nil {
			fail.setup = true
		}
		file.isSetUp = fail == nil && skip == nil
	}
	if file.isSetUp {
		if skip, fail = s.attempt(func() error { return s.callTest(c, &file) }); skip == nil {
			r = verdictOf(c, fail)
			fail = r.Failure
		}
	}
	if file.isSetUp && file.teardown != nil {
		late, err := s.attempt(func() error { return s.callTeardown(&file) })
		if late != nil {
			err = &Failure{Message: "skip() was called: the test has run"}
		}
		fail = alsoFailed(fail, err, "teardown")
	}
	if fail == nil {
		fail = s.conserved()
	}
	switch {
	case fail != nil:
		return TestResult{Failure: fail}
	case skip != nil:
		return TestResult{Skipped: true, Why: skip.why}
	}
	return r
}

// testFile is an evaluated file of tests. It has the file's functions setup and teardown.
type testFile struct {
	path            string
	globals         starlark.StringDict
	setup, teardown starlark.Callable // nil if the file has none
	fixture         starlark.Value    // result of setup(); nil before the call and without setup()
	isSetUp         bool              // true if setup() has returned, or the file has none
}

// prepare evaluates a file of tests.
func (s *Session) prepare(path string) (f testFile, err error) {
	f.path = path
	s.record(s.local)
	s.name(path)
	src, err := s.main.source(path)
	if err != nil {
		return f, err
	}
	if f.globals, err = s.exec(s.main, path, src); err != nil {
		return f, err
	}
	for name, fn := range map[string]*starlark.Callable{"setup": &f.setup, "teardown": &f.teardown} {
		if v := f.globals[name]; v != nil {
			if c, ok := v.(starlark.Callable); ok {
				*fn = c
			}
		}
	}
	return f, nil
}

// find returns a test of the file by its printed name, and by its index among the cases of its global.
func (f *testFile) find(name string, index int) (*testcase.Case, error) {
	global, _, _ := strings.Cut(name, "[")
	if v := f.globals[global]; v != nil {
		if c, ok := testcase.Nth(global, v, index); ok && (c.Name == name || strings.HasPrefix(name, c.Name+"#")) {
			c.Name = name
			return &c, nil
		}
	}
	return nil, fmt.Errorf("%s has no test %s: its cases are not the same in every evaluation", f.path, name)
}

// callSetup calls setup(), if the file has one.
func (s *Session) callSetup(f *testFile) (err error) {
	if f.setup != nil {
		f.fixture, err = starlark.Call(s.main.thread, f.setup, nil, nil)
	}
	return err
}

// callTest calls the function of a test.
func (s *Session) callTest(c *testcase.Case, f *testFile) error {
	args, err := c.Arguments(f.fixture)
	if err != nil {
		return setupError{err}
	}
	_, err = starlark.Call(s.main.thread, c.Fn, args, nil)
	return err
}

// setupError is an error of a test whose parameters do not fit its case. Such an error fails a test that xfail() marks, too.
type setupError struct{ error }

// Unwrap returns the error itself.
func (e setupError) Unwrap() error { return e.error }

// callTeardown calls teardown(). If teardown() has a parameter, it gets the result of setup().
func (s *Session) callTeardown(f *testFile) error {
	c := &testcase.Case{Fn: f.teardown}
	fixture := f.fixture
	if fixture == nil {
		fixture = starlark.None
	}
	args, err := c.Arguments(fixture)
	if err == nil {
		_, err = starlark.Call(s.main.thread, c.Fn, args, nil)
	}
	return err
}

// maxTurns bounds the turns that other tasks get after a part of a test: some tasks are always ready.
const maxTurns = 10_000

// attempt runs a part of a test in the main task, and then the tasks that are ready, until each waits or has ended: they may still fail. It
// returns the failure, or the call of skip() that ended the part.
func (s *Session) attempt(fn func() error) (*skipError, *Failure) {
	err := s.main.safely(fn)
	for n := 0; err == nil && n < maxTurns; n++ {
		if err = s.main.Yield(); !s.tasks.Ready() {
			break
		}
	}
	s.tasks.DeliverInterrupt()
	s.reportPanics()
	cause := s.main.Revive()
	s.out.Flush()
	interrupted := cause == task.ErrInterrupted && err != nil
	if cause != nil && err != nil {
		err = s.withCause(err, cause)
	}
	exit := s.ending.exit
	s.ending.exit = nil
	if exit != nil || errors.As(err, &exit) {
		err = sameplace(err, fmt.Errorf("exit(%d) was called: a test ends when its function returns, or by skip()", exit.code))
	}
	// An error in the background comes first, since it may have caused the error of a later wait.
	if t := s.test.troubles; len(t) > 0 && !interrupted {
		s.test.troubles = nil
		f := s.failure(t[0].err)
		f.Message = t[0].who + ": " + f.Message
		return nil, f
	}
	var skip *skipError
	if errors.As(err, &skip) {
		return skip, nil
	}
	if err == nil {
		return nil, nil
	}
	f := s.failure(err)
	f.Interrupted = interrupted
	f.setup = exit != nil || errors.As(err, new(setupError))
	return nil, f
}

// sameplace returns an error with the text of said and the backtrace of err. If err has no backtrace, it returns said.
func sameplace(err, said error) error {
	var eval *starlark.EvalError
	if errors.As(err, &eval) {
		return &starlark.EvalError{Msg: said.Error(), CallStack: eval.CallStack}
	}
	return said
}

// verdictOf returns the result of the test c. fail is nil if the test's function returned without an error.
func verdictOf(c *testcase.Case, fail *Failure) TestResult {
	switch {
	case !c.XFail || fail != nil && (fail.setup || fail.Interrupted):
		return TestResult{Failure: fail}
	case fail != nil && c.Match != nil && !c.Match.MatchString(fail.Message):
		fail.Message += fmt.Sprintf("\nexpected was a failure that matches %s: %s", c.Match, c.Why)
		return TestResult{Failure: fail}
	case fail != nil:
		return TestResult{Expected: true, Why: c.Why}
	}
	f := &Failure{Message: "it passed, and was expected to fail: " + c.Why}
	if fn, ok := c.Fn.(*starlark.Function); ok {
		pos := fn.Position()
		f.File, f.Line, f.Col = pos.Filename(), int(pos.Line), int(pos.Col)
	}
	return TestResult{Failure: f}
}

// alsoFailed combines the failure of a test with the failure of a later step, such as teardown, which where names.
// Either may be nil. It returns nil if both are nil.
func alsoFailed(test, after *Failure, where string) *Failure {
	switch {
	case after == nil:
		return test
	case test == nil:
		after.Message = where + ": " + after.Message
		return after
	}
	test.Trace = append(test.Trace, fmt.Sprintf("and %s: %s", where, after.Error()))
	return test
}

// conserved returns a Failure if a virtual lab of the session has lost a frame that no counter shows, otherwise nil.
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

// failure converts err to a Failure with the position in the script, the source line there, and the calls that led to
// it.
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
		eachCall(eval.CallStack, func(fr starlark.CallFrame) {
			if f.File == "" {
				at(fr.Pos)
			} else {
				f.Trace = append(f.Trace, fmt.Sprintf("%s:%d: in %s", fr.Pos.Filename(), fr.Pos.Line, fr.Name))
			}
			source(fr.Pos)
		}, func(n int) { f.Trace = append(f.Trace, fmt.Sprintf("… %d calls more …", n)) })
	default:
		f.Message = err.Error()
	}
	return f
}
