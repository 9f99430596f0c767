package script

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/script/outfile"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// captureValue is a capture file being written.
type captureValue struct {
	s     *Session
	w     *task.World
	path  string
	given *os.File // the open file that is written, nil to make path
	file  *capture.Writer
	done  func()   // lets other calls write the file again
	of    string   // the host, or "all"
	only  *chooser // nil for every packet
	since clock.Instant
	also  func()       // ends the capture's part in another world; nil without one
	stop  func() error // nil once it has been stopped
}

// chooser returns what chooses the packets to write, nil for every packet.
func (v *captureValue) chooser() lab.Chooser {
	if v.only == nil {
		return nil
	}
	return v.only
}

// captureDrain is the time that a capture waits at its end for the reader of a FIFO.
const captureDrain = time.Second

func (v *captureValue) String() string        { return since("capture "+v.path, v.stop == nil, "stopped") }
func (v *captureValue) Type() string          { return "capture" }
func (v *captureValue) Freeze()               {}
func (v *captureValue) Truth() starlark.Bool  { return v.stop != nil }
func (v *captureValue) Hash() (uint32, error) { return starlark.String(v.path).Hash() }

// Attr returns a method of the capture.
func (v *captureValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(v, name, v.s.member("capture", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *captureValue) AttrNames() []string { return v.s.reg.Members["capture"] }

// close finishes the file. A second call does nothing.
func (v *captureValue) close(s *Session) error {
	stop := v.stop
	if stop == nil {
		return nil
	}
	v.stop = nil
	if v.also != nil {
		v.also()
	}
	var err error
	s.tasks.Do(v.w, func(clock.Instant) { err = stop() })
	select {
	case <-v.file.Ended():
	case <-time.After(captureDrain):
	}
	if err == nil {
		err = v.file.Rest()
	}
	v.done()
	return err
}

// capturer is the method CaptureTo of a host, a lab or a world.
type capturer func(cw phy.CaptureWriter, only lab.Chooser) (stop func() error, err error)

// startCapture begins a capture. The file is opened on another goroutine.
func (t *taskValue) startCapture(w *task.World, path string, only *chooser, start capturer) (*captureValue, error) {
	return t.beginCapture(&captureValue{s: t.s, w: w, path: path, of: "all", only: only}, start)
}

// beginCapture opens the file of a capture and begins it.
func (t *taskValue) beginCapture(v *captureValue, start capturer) (*captureValue, error) {
	s := t.s
	var err error
	var settled atomic.Bool // set when the file is open, or when the task has ended; the second of the two closes the file
	ended := t.Aside("opening "+v.path, func() {
		if err = v.open(); err == nil && !settled.CompareAndSwap(false, true) {
			v.discard()
		}
	})
	if ended != nil {
		if !settled.CompareAndSwap(false, true) {
			v.discard()
		}
		return nil, ended
	}
	if err != nil {
		return nil, err
	}
	s.tasks.Do(v.w, func(now clock.Instant) {
		v.since = now
		v.stop, err = start(v.file, v.chooser())
	})
	if err != nil {
		v.done()
		return nil, err
	}
	s.watching.captures = append(s.watching.captures, v)
	return v, nil
}

// open opens the capture's file, claims and empties it, and makes the Writer.
func (v *captureValue) open() error {
	f := v.given
	v.done = func() {}
	if f == nil {
		var err error
		if f, v.done, err = v.s.files.outputs.Create(v.path, 0o644, outfile.Capture); err != nil {
			return err
		}
	}
	var err error
	if v.file, err = capture.NewFile(f, v.w.World().Epoch); err != nil {
		v.done()
	}
	return err
}

// discard closes the file of a capture that has not begun.
func (v *captureValue) discard() {
	v.file.Close()
	v.done()
}

// flushCaptures writes all captured packets to their files, so that a reader sees them.
func (s *Session) flushCaptures() {
	for _, v := range s.watching.captures {
		if v.stop != nil {
			s.tasks.Do(v.w, func(clock.Instant) { v.file.Flush() }) // stop reports a write error
		}
	}
}

func builtinCapture(c *call) (starlark.Value, error) {
	h := c.on()
	return c.startCapture(h.w, h.name, h.h.CaptureTo)
}

// startCapture begins a capture with the call's path and filter. The argument of is the host's name, or "all".
func (c *call) startCapture(w *task.World, of string, start capturer) (starlark.Value, error) {
	only, err := c.filter(w)
	if err != nil {
		return nil, err
	}
	v, err := c.t.startCapture(w, arg[string](c, "path"), only, start)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &opError{"capture", arg[string](c, "path"), err}
	}
	v.of = of
	return v, nil
}

func labCapture(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	return c.startCapture(l.w, "all", l.lab.CaptureTo)
}

// captureColumns are the column titles of captures().
const captureColumns = "FILE HOST FILTER PACKETS BYTES SINCE"

func capturesTable(c *call) (starlark.Value, error) {
	t := c.table(table.Columns(captureColumns)...)
	t.Columns[5].Show = showSeconds
	for _, v := range c.s.watching.captures {
		if v.stop == nil {
			continue
		}
		var only starlark.Value = starlark.None
		if v.only != nil {
			only = starlark.String(v.only.String())
		}
		var packets int
		var octets int64
		c.s.tasks.Do(v.w, func(clock.Instant) { packets, octets = v.file.Written() })
		r := t.Add(starlark.String(v.path), starlark.String(v.of), only, starlark.MakeInt(packets), starlark.MakeInt64(octets), starlark.Float(v.since.Seconds()))
		r.Actions, r.About = "capture", v
	}
	return t, nil
}

func captureStop(c *call) (starlark.Value, error) {
	if err := c.recv.(*captureValue).close(c.s); err != nil {
		return nil, c.errorf("%v", err)
	}
	return starlark.None, nil
}
