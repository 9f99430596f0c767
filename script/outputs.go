package script

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// outputs are the files that captures and other builtins write. Files are opened on goroutines of their own, hence the lock.
type outputs struct {
	mu    sync.Mutex
	files []*outputFile
}

// outputFile is a file that a builtin writes.
type outputFile struct {
	path string
	by   string // the builtin's name, such as "conn.sink"; writesCapture for a capture
	info fs.FileInfo
}

// writesCapture is the writer's name of every capture, whichever builtin began it.
const writesCapture = "capture"

// inUse is the error for a file that a builtin writes already, whatever either path is.
type inUse struct {
	path string
	by   *outputFile
}

// Error names the writer.
func (e *inUse) Error() string {
	other := e.by.path != e.path
	switch {
	case e.by.by != writesCapture && other:
		return fmt.Sprintf("%s writes this file as %s; wait for its end", e.by.by, e.by.path)
	case e.by.by != writesCapture:
		return e.by.by + " writes this file; wait for its end"
	case other:
		return fmt.Sprintf("the capture %s writes this file; stop it first", e.by.path)
	}
	return "a capture writes this file; stop it first"
}

// open makes a file or empties it, for a writer that is named. It refuses a file that another builtin writes, and leaves that
// file as it is. No other call of open may write the file until release, which may be called more than once.
func (o *outputs) open(path string, perm fs.FileMode, by string) (f *os.File, release func(), err error) {
	f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, perm)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		release, err = o.claim(&outputFile{path, by, info})
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

// claim refuses a file that another builtin writes. Devices, such as a terminal or /dev/null, may have any number of writers.
func (o *outputs) claim(x *outputFile) (release func(), err error) {
	if x.info.Mode()&fs.ModeDevice != 0 {
		return func() {}, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.files {
		if os.SameFile(other.info, x.info) {
			return nil, &inUse{x.path, other}
		}
	}
	o.files = append(o.files, x)
	return func() { o.release(x) }, nil
}

// release gives a claimed file back.
func (o *outputs) release(x *outputFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.files, x); i >= 0 {
		o.files = slices.Delete(o.files, i, i+1)
	}
}
