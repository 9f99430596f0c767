// Package outfile opens files, and keeps a file that a capture writes from being written by anything else, whatever the path
// to it: a second writer would leave a damaged capture.
package outfile

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

const writes = os.O_WRONLY | os.O_RDWR

// A Set is the set of files that captures write. The zero Set is empty. Any goroutine may call its methods, for opening a
// file may block.
type Set struct {
	mu    sync.Mutex
	files []claimed
}

// A claimed file is one that a capture writes.
type claimed struct {
	path string
	info fs.FileInfo
}

// inUse is the error for a file that a capture writes.
type inUse struct{ path, by string }

// Error names the capture.
func (e *inUse) Error() string {
	if e.path == e.by {
		return "a capture writes this file; stop it first"
	}
	return fmt.Sprintf("the capture %s writes this file; stop it first", e.by)
}

// Open opens a file as os.OpenFile does. It refuses to open a file of the set to write, and leaves that file as it is.
func (s *Set) Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return s.open(path, flag, perm, false)
}

// Claim is Open, and puts a file that it opened to write into the set, until Release. Devices, such as a terminal or
// /dev/null, may have any number of writers and are in no set.
func (s *Set) Claim(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return s.open(path, flag, perm, true)
}

func (s *Set) open(path string, flag int, perm fs.FileMode, claim bool) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_TRUNC, perm)
	if err != nil || flag&writes == 0 {
		return f, err
	}
	info, err := f.Stat()
	if err == nil {
		err = s.admit(path, info, claim)
	}
	if err == nil && flag&os.O_TRUNC != 0 && info.Mode().IsRegular() {
		if err = f.Truncate(0); err != nil && claim {
			s.Release(info)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// admit refuses a file of the set, and claims the file otherwise if claim is set.
func (s *Set) admit(path string, info fs.FileInfo, claim bool) error {
	if info.Mode()&fs.ModeDevice != 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.files {
		if os.SameFile(other.info, info) {
			return &inUse{path, other.path}
		}
	}
	if claim {
		s.files = append(s.files, claimed{path, info})
	}
	return nil
}

// Release takes a file out of the set. It does nothing if the file is not in the set.
func (s *Set) Release(info fs.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, x := range s.files {
		if os.SameFile(x.info, info) {
			s.files = append(s.files[:i:i], s.files[i+1:]...)
			return
		}
	}
}
