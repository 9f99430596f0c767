package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"smolsh/script/registry"
)

// Files are opened, read and written on other goroutines. A FIFO without a writer, an unreachable file system or
// /proc/kmsg then delays neither the stack nor an interrupt.

const (
	// fileChunk is the number of octets of a file that are read or written at once.
	fileChunk = 1 << 20
	// maxSource is the largest script, in octets.
	maxSource = 16 << 20
)

// errNoFiles is the end of the error that a session without files returns.
const errNoFiles = "files and programs are forbidden (--no-files)"

// Permit refuses a file that is an argument, in a session without files, unless it is read and was named on the
// command line.
func (c *call) Permit(p *registry.Param, x any) error {
	if p.Kind != registry.KindInFile && p.Kind != registry.KindOutFile {
		return nil
	}
	path, _ := x.(string)
	if !c.s.cfg.NoFiles || p.Kind == registry.KindInFile && c.s.named(path) {
		return nil
	}
	return c.errorf("%s: %s", path, errNoFiles)
}

// name records that the command line names a file. The file's folder becomes the script's folder.
func (s *Session) name(path string) {
	s.files.given[abs(path)] = true
	s.files.folder = filepath.Dir(abs(path))
}

// named reports whether the command line names the file.
func (s *Session) named(path string) bool { return s.files.given[abs(path)] }

// mayLoad returns an error for a file that load() must not read in a session without files. It allows files in the
// script's folder, after resolving links, and files that the command line names.
func (s *Session) mayLoad(path string) error {
	if !s.cfg.NoFiles || s.named(path) {
		return nil
	}
	real, err := filepath.EvalSymlinks(abs(path))
	if err != nil {
		return pathError(path, err)
	}
	if folder, err := filepath.EvalSymlinks(s.files.folder); s.files.folder != "" && err == nil {
		if rel, err := filepath.Rel(folder, real); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	return fmt.Errorf("%s: %s, but for the script's own folder", path, errNoFiles)
}

// pathError returns a file's error in the form of messages: the name and the reason.
func pathError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// open opens a file for reading. If a running capture writes the file, open first writes all packets so far to it.
func (t *taskValue) open(path string) (*os.File, error) {
	t.s.flushCaptures()
	var f *os.File
	var err error
	var settled atomic.Bool // set by the end of the opening or the end of the task, whichever is first; the later one closes the file
	ended := t.Aside("opening "+path, func() {
		if f, err = os.Open(path); err == nil && !settled.CompareAndSwap(false, true) {
			f.Close()
		}
	})
	if ended != nil {
		if !settled.CompareAndSwap(false, true) {
			f.Close()
		}
		return nil, ended
	}
	if err != nil {
		return nil, pathError(path, err)
	}
	return f, nil
}

// create makes a file or empties it, for the builtin named by. create refuses a file that a capture or another builtin
// writes. Other writers refuse the new file until the caller calls the function that create returns.
func (t *taskValue) create(path, by string) (*os.File, func(), error) {
	return t.claim(path, by, t.s.files.outputs.Create)
}

// append does the same as create, but keeps the file's octets and writes after them.
func (t *taskValue) append(path, by string) (*os.File, func(), error) {
	return t.claim(path, by, t.s.files.outputs.Append)
}

// claim opens a file for writing with the function open, a method of outfile.Set. The builtin named by writes the file.
func (t *taskValue) claim(path, by string, open func(string, fs.FileMode, string) (*os.File, func(), error)) (*os.File, func(), error) {
	var f *os.File
	var release func()
	var err error
	var settled atomic.Bool // set by the end of the opening or the end of the task, whichever is first; the later one closes the file
	discard := func() {
		f.Close()
		release()
	}
	ended := t.Aside("opening "+path, func() {
		if f, release, err = open(path, 0o666, by); err == nil && !settled.CompareAndSwap(false, true) {
			discard()
		}
	})
	if ended != nil {
		if !settled.CompareAndSwap(false, true) {
			discard()
		}
		return nil, nil, ended
	}
	if err != nil {
		return nil, nil, pathError(path, err)
	}
	return f, release, nil
}

// read reads some octets of a file into b; the error is io.EOF at its end. After another error b is not to be used.
func (t *taskValue) read(f *os.File, b []byte) (int, error) {
	var n int
	var err error
	if ended := t.Aside("reading "+f.Name(), func() { n, err = f.Read(b) }); ended != nil {
		return 0, ended
	}
	if err != nil && err != io.EOF {
		err = pathError(f.Name(), err)
	}
	return n, err
}

// write writes all of b to a file. After an error the caller must not change b.
func (t *taskValue) write(f *os.File, b []byte) error {
	var err error
	if ended := t.Aside("writing "+f.Name(), func() { _, err = f.Write(b) }); ended != nil {
		return ended
	}
	if err != nil {
		err = pathError(f.Name(), err)
	}
	return err
}

// source reads a script without blocking the other tasks.
func (t *taskValue) source(path string) (string, error) {
	var text string
	var fail error
	if ended := t.Aside("reading "+path, func() { text, fail = readSource(path) }); ended != nil {
		return "", ended
	}
	return text, fail
}

// readSource reads a script. It blocks as long as the file does.
func readSource(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", pathError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	switch {
	case err != nil:
		return "", pathError(path, err)
	case len(b) > maxSource:
		return "", fmt.Errorf("%s: it has more than %d MiB, too much for a script", path, maxSource>>20)
	}
	if at := bytes.IndexByte(b, 0); at >= 0 { // the scanner takes it for the end of the file
		return "", &Failure{File: path, Line: 1 + bytes.Count(b[:at], []byte("\n")), Message: "it has a NUL octet and is no text"}
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil // some editors begin a file with a byte order mark
}
