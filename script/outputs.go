package script

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// outputs is the set of files that captures write. The lock is needed because files are opened on other goroutines.
type outputs struct {
	mu    sync.Mutex
	files []outputFile
}

// outputFile is a file that a capture writes.
type outputFile struct {
	path string
	info fs.FileInfo
}

// inUse is the error for a file that a capture writes already. The two paths may differ.
type inUse struct{ path, by string }

// Error returns the error's text, with the path of the capture.
func (e *inUse) Error() string {
	if e.path == e.by {
		return "a capture writes this file; stop it first"
	}
	return fmt.Sprintf("the capture %s writes this file; stop it first", e.by)
}

// open opens a file as os.OpenFile does. It refuses to open a file for writing while a capture writes it, and then does
// not change the file. With claim, other calls refuse the file until release.
func (o *outputs) open(path string, flag int, perm fs.FileMode, claim bool) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_TRUNC, perm)
	if err != nil || flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f, err
	}
	info, err := f.Stat()
	if err == nil {
		err = o.admit(path, info, claim)
	}
	if err == nil && flag&os.O_TRUNC != 0 && info.Mode().IsRegular() {
		if err = f.Truncate(0); err != nil && claim {
			o.release(info)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// admit returns an error for a file that a capture writes. It admits any number of writers to a device, such as a
// terminal or /dev/null.
func (o *outputs) admit(path string, info fs.FileInfo, claim bool) error {
	if info.Mode()&fs.ModeDevice != 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.files {
		if os.SameFile(other.info, info) {
			return &inUse{path, other.path}
		}
	}
	if claim {
		o.files = append(o.files, outputFile{path, info})
	}
	return nil
}

// release ends the claim of a file.
func (o *outputs) release(info fs.FileInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, x := range o.files {
		if os.SameFile(x.info, info) {
			o.files = append(o.files[:i:i], o.files[i+1:]...)
			return
		}
	}
}
