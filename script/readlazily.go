package script

import (
	"errors"
	"io"

	"go.starlark.net/starlark"

	"smolsh/phy/capture"
	"smolsh/stack/filter"
)

// A captureFile is a capture file whose packets a for loop reads one by one. Each loop reads the file from its beginning.
type captureFile struct {
	c    *call
	path string
	only *filter.Filter // nil for every packet
	most int            // 0 for all
}

// readLazily returns the packets of a file for loops. The file is opened once, so that a file that can't be read is an error of the call.
func (c *call) readLazily(path string, only *filter.Filter) (starlark.Value, error) {
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
	f := &captureFile{c: c, path: path, only: only}
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

// Iterate implements starlark.Iterable.
func (f *captureFile) Iterate() starlark.Iterator { return &captureLoop{file: f} }

// A captureLoop is one loop over a file.
type captureLoop struct {
	file *captureFile
	r    *capture.Reader // nil before the first packet and after the last
	n    int             // packets that the loop has had
	over bool
}

// Next implements starlark.Iterator. A fault of the file ends the loop, with a warning. An interrupt ends it too, and the script at its next call.
func (i *captureLoop) Next(p *starlark.Value) bool {
	f := i.file
	if i.over || f.most > 0 && i.n == f.most {
		return false
	}
	var rec *capture.Record
	var err error
	ended := f.c.t.Aside("reading "+f.path, func() {
		if i.r == nil {
			i.r, err = capture.Open(f.path)
		}
		for err == nil {
			if rec, err = i.r.Next(); err == nil && (f.only == nil || f.only.MatchHead(rec.Frame())) {
				return
			}
		}
	})
	switch {
	case ended != nil:
		i.over = true
		return false
	case err != nil:
		i.over = true
		if i.r != nil {
			f.c.warn(f.path, i.r.Warnings())
		}
		if !errors.Is(err, io.EOF) {
			f.c.warn(f.path, []string{readError(f.path, err).Error()})
		}
		return false
	}
	i.n++
	*p = recorded(f.c.s, rec)
	return true
}

// Done implements starlark.Iterator.
func (i *captureLoop) Done() {
	if i.r != nil {
		i.r.Close()
	}
}
