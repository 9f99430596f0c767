package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// loadedFile is a file that load() has read, or is reading.
type loadedFile struct {
	globals starlark.StringDict
	err     error
	loading bool
}

// exec runs source text in a task. Its globals are not frozen: functions, handlers and tests may change
// what the file made.
func (s *Session) exec(t *task, name, src string) (starlark.StringDict, error) {
	s.sources[name] = src
	_, prog, err := starlark.SourceProgramOptions(fileOptions, name, src, s.globals.Has)
	if err != nil {
		return nil, err
	}
	return prog.Init(t.thread, s.globals)
}

func (s *Session) execFile(t *task, path string) error {
	src, err := readSource(path)
	if err != nil {
		return err
	}
	_, err = s.exec(t, path, src)
	return err
}

func readSource(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return "", fmt.Errorf("%s: %v", path, pe.Err)
		}
		return "", err
	}
	return string(b), nil
}

// load is load("other.star", …): relative to the file it stands in, each file run once.
func (s *Session) load(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	path := module
	if !filepath.IsAbs(path) {
		if from := thread.CallFrame(0).Pos.Filename(); from != StdinName && from != CommandName {
			path = filepath.Join(filepath.Dir(from), module)
		}
	}
	if f := s.loaded[abs(path)]; f != nil {
		if f.loading {
			return nil, fmt.Errorf("it loads itself")
		}
		return f.globals, f.err
	}
	f := &loadedFile{loading: true}
	s.loaded[abs(path)] = f
	src, err := readSource(path)
	if err == nil {
		// The same thread goes on, so that what the file waits for can be canceled with its task.
		t := thread.Local("task").(*task)
		f.globals, err = s.exec(t, path, src)
	}
	f.err, f.loading = err, false
	return f.globals, f.err
}

// CommandName is the file name of what -c gives.
const CommandName = "<command>"

// Typed runs one chunk that was typed, as the prompt does: an expression's value is printed and kept in
// _, and assignments are seen by everything typed before and after.
func (s *Session) Typed(src string) error {
	s.begin()
	return s.result(s.typed(s.main, StdinName, src))
}

// RunCommand runs the text of -c, printing the value of an expression as the prompt does.
func (s *Session) RunCommand(src string) error {
	return s.result(s.typed(s.main, CommandName, src))
}

func (s *Session) typed(t *task, name, src string) error {
	s.sources[name] = src
	f, err := fileOptions.Parse(name, src, 0)
	if err != nil {
		return err
	}
	var last syntax.Expr
	if n := len(f.Stmts); n > 0 {
		if stmt, ok := f.Stmts[n-1].(*syntax.ExprStmt); ok {
			last, f.Stmts = stmt.X, f.Stmts[:n-1]
		}
	}
	if len(f.Stmts) > 0 {
		if err := starlark.ExecREPLChunk(f, t.thread, s.globals); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	v, err := starlark.EvalExprOptions(fileOptions, t.thread, last, s.globals)
	if err != nil {
		return err
	}
	if v != starlark.None {
		s.globals["_"] = v
		if text := s.display(v); text != "" {
			s.out.print(text)
		}
	}
	return nil
}

// displayer is a value that shows more at the prompt than print() does.
type displayer interface{ display() string }

func (s *Session) display(v starlark.Value) string {
	if d, ok := v.(displayer); ok {
		return d.display()
	}
	return v.String()
}
