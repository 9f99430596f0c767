package script

import (
	"errors"
	"io/fs"
	"time"

	"go.starlark.net/starlark"

	"smolsh/phy/capture"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/filter"
)

// captureValue is a capture file being written.
type captureValue struct {
	s    *Session
	w    *task.World
	path string
	file *capture.Writer
	stop func() error
}

// captureDrain is how long the end of a capture waits for the reader of a FIFO.
const captureDrain = time.Second

func (v *captureValue) String() string        { return "capture " + v.path }
func (v *captureValue) Type() string          { return "capture" }
func (v *captureValue) Freeze()               {}
func (v *captureValue) Truth() starlark.Bool  { return v.stop != nil }
func (v *captureValue) Hash() (uint32, error) { return starlark.String(v.path).Hash() }

// Attr is a method of the capture.
func (v *captureValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(v, name, v.s.member("capture", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *captureValue) AttrNames() []string { return v.s.reg.Members["capture"] }

// close finishes the file; a second time it does nothing.
func (v *captureValue) close(s *Session) error {
	stop := v.stop
	if stop == nil {
		return nil
	}
	v.stop = nil
	var err error
	s.tasks.Do(v.w, func(clock.Instant) { err = stop() })
	select {
	case <-v.file.Ended():
	case <-time.After(captureDrain):
	}
	return err
}

// capturer is CaptureTo of a host, a lab or a world.
type capturer func(cw *capture.Writer, only *filter.Filter) (stop func() error, err error)

// startCapture begins a capture; the file is opened on a goroutine of its own.
func (t *taskValue) startCapture(w *task.World, path string, only *filter.Filter, start capturer) (*captureValue, error) {
	var cw *capture.Writer
	var err error
	if ended := t.Aside("opening "+path, func() { cw, err = capture.Create(path, w.World().Epoch) }); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, err
	}
	s := t.s
	v := &captureValue{s: s, w: w, path: path, file: cw}
	s.tasks.Do(w, func(clock.Instant) { v.stop, err = start(cw, only) })
	if err != nil {
		return nil, err
	}
	s.captures = append(s.captures, v)
	return v, nil
}

// Capture writes every packet of the session's own host to a file, until Close.
func (s *Session) Capture(path string) error {
	_, err := s.main.startCapture(s.home, path, nil, s.cfg.Local.CaptureTo)
	return err
}

func builtinCapture(c *call) (starlark.Value, error) {
	h := c.on()
	return c.startCapture(h.w, h.h.CaptureTo)
}

// startCapture begins a capture as the call's path and filter have it.
func (c *call) startCapture(w *task.World, start capturer) (starlark.Value, error) {
	only, err := c.filter()
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
	return v, nil
}

func labCapture(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	return c.startCapture(l.w, l.lab.CaptureTo)
}

func captureStop(c *call) (starlark.Value, error) {
	if err := c.recv.(*captureValue).close(c.s); err != nil {
		return nil, c.errorf("%v", err)
	}
	return starlark.None, nil
}
