// Package outfile opens files to write, and keeps each from having two writers, whatever the paths to it: a second one would leave a
// damaged file. An advisory lock, flock(2), does the same between processes.
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

// Names of the writers that write until they are stopped. Other writers end by themselves.
const (
	// Capture is the writer's name of every capture, whichever builtin began it.
	Capture = "capture"
	// Log is the writer's name of every log.
	Log = "log"
)

// inUse is the error for a file that is being written.
type inUse struct {
	path string
	by   *claimed
}

// Error names the writer.
func (e *inUse) Error() string {
	other := e.by.path != e.path
	stopped := e.by.by == Capture || e.by.by == Log
	switch {
	case stopped && other:
		return fmt.Sprintf("the %s %s writes this file; stop it first", e.by.by, e.by.path)
	case stopped:
		return fmt.Sprintf("a %s writes this file; stop it first", e.by.by)
	case other:
		return fmt.Sprintf("%s writes this file as %s; wait for its end", e.by.by, e.by.path)
	}
	return e.by.by + " writes this file; wait for its end"
}

// Create makes a file or empties it. The errors of other writers name this writer as by. Create refuses a file of the
// set, and leaves that file as it is. The file is of the set until the caller calls release, which may be called more
// than once. Devices, such as a terminal or /dev/null, may have any number of writers and are in no set. Create also refuses a
// regular file that another process has opened by this package.
func (s *Set) Create(path string, perm fs.FileMode, by string) (f *os.File, release func(), err error) {
	if f, release, err = s.open(path, 0, perm, by); err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		release()
		return nil, nil, err
	}
	return f, release, nil
}

// Append does the same as Create, but keeps the file's octets and writes after them. Several processes may append to one file.
func (s *Set) Append(path string, perm fs.FileMode, by string) (f *os.File, release func(), err error) {
	return s.open(path, os.O_APPEND, perm, by)
}

// open opens a file to write and puts it into the set. flag is one of os.OpenFile's besides those.
func (s *Set) open(path string, flag int, perm fs.FileMode, by string) (f *os.File, release func(), err error) {
	f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, perm)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		release, err = s.claim(&claimed{path, by, info})
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return f, release, nil
	}
	if !lock(f, flag&os.O_APPEND != 0) {
		f.Close()
		release()
		return nil, nil, locker(info)
	}
	unclaim := release
	return f, func() { unclaim(); unlock(f) }, nil
}

// claim adds a file to the set. If the set already has the file, claim returns an error.
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
