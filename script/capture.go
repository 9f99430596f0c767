package script

import (
	"go.starlark.net/starlark"

	"smolsh/stack/clock"
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

func (s *Session) startCapture(w *world, path string, start func(path string) (func() error, error)) (*captureValue, error) {
	v := &captureValue{s: s, w: w, path: path}
	var err error
	s.do(w, func(clock.Instant) { v.stop, err = start(path) })
	if err != nil {
		return nil, err
	}
	s.captures = append(s.captures, v)
	return v, nil
}

// Capture writes every packet of the session's own host to a file, until Close.
func (s *Session) Capture(path string) error {
	_, err := s.startCapture(s.home, path, s.cfg.Local.Capture)
	return err
}

func builtinCapture(c *call) (starlark.Value, error) {
	h := c.on()
	if c.given("filter") {
		return nil, c.errorf("argument 2 (filter) is not there yet")
	}
	v, err := c.s.startCapture(h.w, arg[string](c, "path"), h.h.Capture)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return v, nil
}

func labCapture(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	v, err := c.s.startCapture(l.w, arg[string](c, "path"), l.lab.Capture)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return v, nil
}

func captureStop(c *call) (starlark.Value, error) {
	if err := c.recv.(*captureValue).close(c.s); err != nil {
		return nil, c.errorf("%v", err)
	}
	return starlark.None, nil
}
