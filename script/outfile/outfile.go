// Package outfile opens files to write, and keeps each from having two writers, whatever the paths to it: a second one would leave a
// damaged file.
package outfile

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// A Set is the set of files that are being written. The zero Set is empty. Any goroutine may call its methods, for opening a
// file may block.
type Set struct {
	mu    sync.Mutex
	files []*claimed
}

// A claimed file is one that a builtin writes.
type claimed struct {
	path string
	by   string // the builtin's name, such as "conn.sink"
	info fs.FileInfo
}

// Capture is the writer's name of every capture, whichever builtin began it.
const Capture = "capture"

// inUse is the error for a file that is being written.
type inUse struct {
	path string
	by   *claimed
}

// Error names the writer.
func (e *inUse) Error() string {
	other := e.by.path != e.path
	switch {
	case e.by.by != Capture && other:
		return fmt.Sprintf("%s writes this file as %s; wait for its end", e.by.by, e.by.path)
	case e.by.by != Capture:
		return e.by.by + " writes this file; wait for its end"
	case other:
		return fmt.Sprintf("the capture %s writes this file; stop it first", e.by.path)
	}
	return "a capture writes this file; stop it first"
}

// Create makes a file or empties it, for the writer by. It refuses a file of the set, and leaves that file as it is. The file is of
// the set until the caller calls release, which may be called more than once. Devices, such as a terminal or /dev/null, may have
// any number of writers and are in no set.
func (s *Set) Create(path string, perm fs.FileMode, by string) (f *os.File, release func(), err error) {
	f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, perm)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		release, err = s.claim(&claimed{path, by, info})
	}
	if err == nil && info.Mode().IsRegular() {
		if err = f.Truncate(0); err != nil {
			release()
		}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, release, nil
}

// claim puts a file into the set, unless it is there.
func (s *Set) claim(x *claimed) (release func(), err error) {
	if x.info.Mode()&fs.ModeDevice != 0 {
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.files {
		if os.SameFile(other.info, x.info) {
			return nil, &inUse{x.path, other}
		}
	}
	s.files = append(s.files, x)
	return func() { s.release(x) }, nil
}

// release takes a file out of the set.
func (s *Set) release(x *claimed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.files, x); i >= 0 {
		s.files = slices.Delete(s.files, i, i+1)
	}
}

// Len returns the number of files in the set.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}
