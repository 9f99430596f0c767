package script

import (
	"errors"
	"io/fs"

	"go.starlark.net/starlark"

	"smolsh/stack/clock"
	"smolsh/stack/filter"
)

// captureValue is a capture file being written.
type captureValue struct {
	s    *Session
	w    *world
	path string
	stop func() error
}

func (v *captureValue) String() string        { return "capture " + v.path }
func (v *captureValue) Type() string          { return "capture" }
func (v *captureValue) Freeze()               {}
func (v *captureValue) Truth() starlark.Bool  { return v.stop != nil }
func (v *captureValue) Hash() (uint32, error) { return starlark.String(v.path).Hash() }

// Attr is a method of the capture.
func (v *captureValue) Attr(name string) (starlark.Value, error) {
	return attr(v, name, v.s.member("capture", v, name))
}

// AttrNames is starlark.HasAttrs'.
func (v *captureValue) AttrNames() []string { return v.s.reg.members["capture"] }

// close finishes the file; a second time it does nothing.
func (v *captureValue) close(s *Session) error {
	stop := v.stop
	if stop == nil {
		return nil
	}
	v.stop = nil
	var err error
	s.do(v.w, func(clock.Instant) { err = stop() })
	return err
}

func (s *Session) startCapture(w *world, path string, only *filter.Filter, start func(path string, only *filter.Filter) (func() error, error)) (*captureValue, error) {
	v := &captureValue{s: s, w: w, path: path}
	var err error
	s.do(w, func(clock.Instant) { v.stop, err = start(path, only) })
	if err != nil {
		return nil, err
	}
	s.captures = append(s.captures, v)
	return v, nil
}

// Capture writes every packet of the session's own host to a file, until Close.
func (s *Session) Capture(path string) error {
	_, err := s.startCapture(s.home, path, nil, s.cfg.Local.Capture)
	return err
}

func builtinCapture(c *call) (starlark.Value, error) {
	h := c.on()
	return c.startCapture(h.w, h.h.Capture)
}

// startCapture begins a capture as the call's path and filter have it.
func (c *call) startCapture(w *world, start func(path string, only *filter.Filter) (func() error, error)) (starlark.Value, error) {
	only, err := c.filter()
	if err != nil {
		return nil, err
	}
	v, err := c.s.startCapture(w, arg[string](c, "path"), only, start)
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
	return c.startCapture(l.w, l.lab.Capture)
}

func captureStop(c *call) (starlark.Value, error) {
	if err := c.recv.(*captureValue).close(c.s); err != nil {
		return nil, c.errorf("%v", err)
	}
	return starlark.None, nil
}
