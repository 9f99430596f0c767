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

// Shared holds what the sessions of a process, one after the other, need not make anew: the registry, and the compiled form of files
// that they run again and again. The zero value is empty, and a nil Shared shares nothing.
type Shared struct {
	reg      *builtinRegistry
	compiled map[string]compiled
}

// registry returns the language's registry.
func (p *Shared) registry() *builtinRegistry {
	if p == nil {
		return registry.New(language())
	}
	if p.reg == nil {
		p.reg = registry.New(language())
	}
	return p.reg
}

// compiled is a program with the text that it was made of and the number of names that were predeclared for it.
type compiled struct {
	src   string
	names int
	prog  *starlark.Program
}

// compile returns the compiled program of a file. If the same text was compiled before, it returns that program again.
func (p *Shared) compile(name, src string, predeclared starlark.StringDict) (*starlark.Program, error) {
	if p != nil {
		if c, ok := p.compiled[name]; ok && c.src == src && c.names == len(predeclared) {
			return c.prog, nil
		}
	}
	_, prog, err := starlark.SourceProgramOptions(registry.FileOptions, name, src, predeclared.Has)
	if err == nil && p != nil {
		if p.compiled == nil {
			p.compiled = map[string]compiled{}
		}
		p.compiled[name] = compiled{src, len(predeclared), prog}
	}
	return prog, err
}

// exec runs source text in a task. Its globals are not frozen: functions, handlers and tests may change
// what the file made.
func (s *Session) exec(t *taskValue, name, src string) (starlark.StringDict, error) {
	s.recordOwn()
	s.files.sources[name] = src
	prog, err := s.cfg.Shared.compile(name, src, s.globals)
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

// beside returns the path of the file name. If name is relative, it is relative to the folder of the file from.
func beside(from, name string) string {
	if filepath.IsAbs(name) || from == StdinName || from == CommandName {
		return name
	}
	return filepath.Join(filepath.Dir(from), name)
}

// load implements `load("other.star", …)`. The path is relative to the folder of the loading file, and each file runs
// once.
func (s *Session) load(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	path := beside(thread.CallFrame(0).Pos.Filename(), module)
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
