package script

import (
	"fmt"
	"path/filepath"
	"smolsh/script/registry"

	"go.starlark.net/starlark"
)

// loadedFile is a file that load() has read, or is reading.
type loadedFile struct {
	globals starlark.StringDict
	err     error
	loading bool
}

// exec runs source text in a task. The globals are not frozen, so functions, handlers and tests may change objects that
// the file made.
func (s *Session) exec(t *taskValue, name, src string) (starlark.StringDict, error) {
	s.recordOwn()
	s.files.sources[name] = src
	_, prog, err := starlark.SourceProgramOptions(registry.FileOptions, name, src, s.globals.Has)
	if err != nil {
		return nil, err
	}
	return s.init(t, prog)
}

// init runs a program in a task.
func (s *Session) init(t *taskValue, prog *starlark.Program) (g starlark.StringDict, err error) {
	err = t.safely(func() error {
		g, err = prog.Init(t.thread, s.globals)
		return err
	})
	return g, err
}

func (s *Session) execFile(t *taskValue, path string) error {
	src, err := t.source(path)
	if err != nil {
		return err
	}
	_, err = s.exec(t, path, src)
	return err
}

// load implements load("other.star", …). The path is relative to the loading file, and each file runs once.
func (s *Session) load(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	path := module
	if !filepath.IsAbs(path) {
		if from := thread.CallFrame(0).Pos.Filename(); from != StdinName && from != CommandName {
			path = filepath.Join(filepath.Dir(from), module)
		}
	}
	if err := s.mayLoad(path); err != nil {
		return nil, err
	}
	if f := s.files.loaded[abs(path)]; f != nil {
		if f.loading {
			return nil, fmt.Errorf("it loads itself")
		}
		return f.globals, f.err
	}
	f := &loadedFile{loading: true}
	s.files.loaded[abs(path)] = f
	// The file runs in the same thread, so that canceling the task also ends a wait in the file.
	t := thread.Local("task").(*taskValue)
	src, err := t.source(path)
	if err == nil {
		f.globals, err = s.exec(t, path, src)
	}
	f.err, f.loading = err, false
	if t.Err() != nil {
		delete(s.files.loaded, abs(path)) // the file was not read completely, so a later load reads it again
	}
	return f.globals, f.err
}
