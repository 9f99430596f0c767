package script

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// outputs are the files that captures, sinks and logs write. Files are opened on goroutines of their own, hence the lock.
type outputs struct {
	mu    sync.Mutex
	files []outputFile
}

// outputFile is a file that is written.
type outputFile struct {
	path string
	by   claimant
	info fs.FileInfo
}

// claimant says what writes a file; the empty one claims nothing.
type claimant string

const (
	byCapture claimant = "capture"
	bySink    claimant = "sink"
	byLog     claimant = "log"
)

// inUse is the error for a file that is written already, whatever either path is.
type inUse struct {
	path  string
	other outputFile
}

// Error names the capture, sink or log.
func (e *inUse) Error() string {
	text := fmt.Sprintf("the %s %s writes this file", e.other.by, e.other.path)
	if e.path == e.other.path {
		text = fmt.Sprintf("a %s writes this file", e.other.by)
	}
	if e.other.by != bySink { // a sink ends with its stream
		text += "; stop it first"
	}
	return text
}

// open opens a file as os.OpenFile does, but refuses to write a file that was claimed, and leaves that file as it is.
// With a claimant no other call of open may write the file until release.
func (o *outputs) open(path string, flag int, perm fs.FileMode, by claimant) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_TRUNC, perm)
	if err != nil || flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f, err
	}
	info, err := f.Stat()
	if err == nil {
		err = o.admit(path, info, by)
	}
	if err == nil && flag&os.O_TRUNC != 0 && info.Mode().IsRegular() {
		if err = f.Truncate(0); err != nil && by != "" {
			o.release(info)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// admit refuses a file that was claimed. Devices, such as a terminal or /dev/null, may have any number of writers.
func (o *outputs) admit(path string, info fs.FileInfo, by claimant) error {
	if info.Mode()&fs.ModeDevice != 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.files {
		if os.SameFile(other.info, info) {
			return &inUse{path, other}
		}
	}
	if by != "" {
		o.files = append(o.files, outputFile{path, by, info})
	}
	return nil
}

// release gives a claimed file back.
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
