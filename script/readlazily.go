package script

import (
	"errors"
	"io"
	"sync/atomic"

	"go.starlark.net/starlark"

	"smolsh/phy/capture"
)

// A captureFile is a capture file whose packets a for loop reads one by one. Each loop reads the file from its beginning.
type captureFile struct {
	s    *Session
	by   *builtin // the builtin that made the file, which warnings name
	path string
	only *chooser // nil for every packet
	most int      // 0 for all
}

// readLazily returns the packets of a file for loops. The file is opened once, so that a file that can't be read is an error of the call.
func (c *call) readLazily(path string, only *chooser) (starlark.Value, error) {
	c.s.flushCaptures()
	var err error
	if ended := c.t.Aside("opening "+path, func() {
		var r *capture.Reader
		if r, err = capture.Open(path); err == nil {
			r.Close()
		}
	}); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, readError(path, err)
	}
	f := &captureFile{s: c.s, by: c.b, path: path, only: only}
	if c.Given("count") {
		f.most = arg[int](c, "count")
	}
	return f, nil
}

// String implements starlark.Value.
func (f *captureFile) String() string { return "packets of " + f.path }

// Type implements starlark.Value.
func (f *captureFile) Type() string { return "capture_file" }

// Freeze implements starlark.Value.
func (f *captureFile) Freeze() {}

// Truth implements starlark.Value.
func (f *captureFile) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (f *captureFile) Hash() (uint32, error) { return starlark.String(f.path).Hash() }

// Iterate implements starlark.Iterable. The loop waits for the file in the task that runs now, which need not be the task that opened the
// file. A function that judges packets has no task and can't wait: its computation is stopped with an error.
func (f *captureFile) Iterate() starlark.Iterator {
	i := &captureLoop{file: f, only: f.only.forLoop()}
	if thread := f.s.judging; thread != nil {
		thread.Cancel("the " + f.String() + " are " + notWhileJudging)
		i.over = true
		return i
	}
	thread, _ := f.s.tasks.Running().(*starlark.Thread)
	if thread != nil {
		i.t, _ = thread.Local("task").(*taskValue)
	}
	i.over = i.t == nil
	return i
}

// warn prints warnings about the file on standard error.
func (f *captureFile) warn(warnings ...string) { f.s.warn(f.by, f.path, warnings) }

// A captureLoop is one loop over a file.
type captureLoop struct {
	file *captureFile
	only *chooser        // the file's, with a pattern that no other loop uses
	t    *taskValue      // task that loops
	r    *capture.Reader // nil before the first packet and while a goroutine has it
	n    int             // packets that the loop has had
	over bool
}

// Next implements starlark.Iterator. A fault of the file ends the loop, with a warning. An interrupt ends it too, and the script at its next call.
func (i *captureLoop) Next(p *starlark.Value) bool {
	f := i.file
	for !i.over && (f.most == 0 || i.n < f.most) {
		rec := i.record()
		if rec == nil {
			i.over = true
			return false
		}
		v := recorded(f.s, rec)
		if i.only != nil && i.only.pattern.Calls() {
			ok, err := i.only.pattern.Match(v)
			if err != nil {
				i.over = true
				f.warn(err.Error())
			}
			if !ok {
				continue
			}
		}
		i.n++
		*p = v
		return true
	}
	return false
}

// record reads the next packet that the file's pattern chooses. One that calls a function needs the interpreter, and is asked later. The
// result is nil at the file's end, after a fault, and if the task has to end.
func (i *captureLoop) record() *capture.Record {
	var rec *capture.Record
	var err error
	var settled atomic.Bool // set by the end of the reading or the end of the task, whichever is first; the later one closes the reader
	r := i.r
	i.r = nil
	ended := i.t.Aside("reading "+i.file.path, func() {
		if r == nil {
			r, err = capture.Open(i.file.path)
		}
		if err == nil {
			rec, err = i.nextOf(r)
		}
		if !settled.CompareAndSwap(false, true) && r != nil {
			r.Close()
		}
	})
	if ended != nil {
		if !settled.CompareAndSwap(false, true) && r != nil {
			r.Close()
		}
		return nil
	}
	i.r = r
	if err == nil {
		return rec
	}
	if r != nil {
		i.file.warn(r.Warnings()...)
	}
	if !errors.Is(err, io.EOF) {
		i.file.warn(readError(i.file.path, err).Error())
	}
	return nil
}

// nextOf reads up to the next packet that the pattern chooses, or any packet if the pattern calls a function.
func (i *captureLoop) nextOf(r *capture.Reader) (*capture.Record, error) {
	for {
		rec, err := r.Next()
		if err != nil || i.only != nil && i.only.pattern.Calls() || i.only.record(rec) {
			return rec, err
		}
	}
}

// Done implements starlark.Iterator.
func (i *captureLoop) Done() {
	if i.r != nil {
		i.r.Close()
	}
}
