package lab

import (
	"smolsh/phy"
	"smolsh/stack"
)

// A Chooser chooses frames, as a filter does.
type Chooser interface {
	Match(frame []byte, m phy.Medium) bool
}

// captureFile is a running capture: an observer that writes the frames of one or more hosts to a file.
type captureFile struct {
	world   *World
	writer  phy.CaptureWriter
	only    Chooser // matches the frames to write; nil for all
	ifaces  map[*stack.Iface]int
	several bool             // true for a capture of several hosts, in which a frame has one record
	shared  bool             // true if the writer is not closed with the capture
	pending []*captureRecord // records that are not written yet, in the order in which the frames were sent
	octets  int              // octets of the pending records
	err     error            // the first interface that the file could not take
	release []func()
	hosts   []*Host
	dirty   bool
}

// CaptureTo writes every frame of every host's interfaces, of hosts yet to be added too, with its verdict
// as comment, until stop is called. The caller has made the Writer, a capture.Writer as a rule, with World.Epoch. While the capture runs
// the hosts' frames are of wire size. A frame has one record, the sender's: its octets before the rules of the port that
// sent it, and as comment the fate of the frame and of its copies at each receiver. A record is written when the last of
// these is known. Records keep the order in which the frames were sent. A frame from a device has the record of its first
// receiver. What a host sends to itself shows once, as it arrives.
// Where only is not nil, the frames that it matches are written and no others.
// stop closes the Writer and reports the first error.
func (l *Lab) CaptureTo(cw phy.CaptureWriter, only Chooser) (stop func() error, err error) {
	c := l.world.newCapture(cw, only)
	c.followFrames()
	for _, h := range l.hosts {
		c.add(h)
	}
	l.captures = append(l.captures, c)
	return c.stopper(l)
}

// CaptureTo writes every frame that passes the host's interfaces in either direction, and the host's verdict on it. A
// frame shows as the stack saw it: before the rules of the port that sent it, after those of the port that received it.
func (h *Host) CaptureTo(cw phy.CaptureWriter, only Chooser) (stop func() error, err error) {
	c := h.lab.world.newCapture(cw, only)
	c.add(h)
	return c.stopper(h.lab)
}

// CaptureTo captures the frames of every lab of the world to one file, also of labs made later. See Lab.CaptureTo.
func (w *World) CaptureTo(cw phy.CaptureWriter, only Chooser) (stop func() error, err error) {
	return w.capture(w.newCapture(cw, only))
}

// CaptureInto does what CaptureTo does, and leaves cw open when it is stopped: worlds may share a Writer.
func (w *World) CaptureInto(cw phy.CaptureWriter, only Chooser) (stop func() error, err error) {
	c := w.newCapture(cw, only)
	c.shared = true
	return w.capture(c)
}

// capture starts the capture of every host of the world.
func (w *World) capture(c *captureFile) (stop func() error, err error) {
	c.followFrames()
	for _, h := range w.hosts {
		c.add(h)
	}
	w.records.allHostCaptures = append(w.records.allHostCaptures, c)
	return c.stopper(nil)
}

// FlushCaptures writes the captured frames to their files. A wall-clock Runner calls it before it sleeps, so that a
// reader finds every frame while the capture runs. stop returns the errors.
func (w *World) FlushCaptures() {
	for _, c := range w.records.captures {
		if c.dirty {
			c.dirty = false
			c.writer.Flush()
		}
	}
}

func (w *World) newCapture(cw phy.CaptureWriter, only Chooser) *captureFile {
	c := &captureFile{world: w, writer: cw, only: only, ifaces: map[*stack.Iface]int{}}
	w.records.captures = append(w.records.captures, c)
	return c
}

// stopper returns the function that ends the capture. It ends the capture at once if an interface could not be added to
// the file.
func (c *captureFile) stopper(l *Lab) (stop func() error, err error) {
	stopped := false
	stop = func() error {
		if stopped {
			return phy.ErrCaptureClosed
		}
		stopped = true
		for _, fn := range c.release {
			fn()
		}
		for _, h := range c.hosts {
			h.captures = without(h.captures, c)
		}
		if l != nil {
			l.captures = without(l.captures, c)
		}
		c.world.records.allHostCaptures = without(c.world.records.allHostCaptures, c)
		c.world.records.captures = without(c.world.records.captures, c)
		if c.several {
			c.world.records.following--
		}
		c.writeAll()
		if c.shared {
			return c.err
		}
		if err := c.writer.Close(); err != nil {
			return err
		}
		return c.err
	}
	if c.err != nil {
		return nil, stop()
	}
	return stop, nil
}

// add adds a host to the capture.
func (c *captureFile) add(h *Host) {
	c.hosts = append(c.hosts, h)
	h.captures = append(h.captures, c)
	for _, p := range h.ports {
		c.addPort(p)
	}
	c.release = append(c.release, h.WireFrames(), h.Observe(func(ev *stack.PacketEvent) { c.observe(h, ev) }))
}

// addPort adds a port's interface to the file and returns the interface's index there. The hidden loopback interface is
// added with its first frame, and left out if the classic format can't hold it.
func (c *captureFile) addPort(p *Port) int {
	name := p.iface.Name()
	if c.several {
		name = p.host.Name() + "/" + name
	}
	i, err := c.writer.AddIface(name, p.caps.Medium, 0)
	if err != nil {
		i = -1
		if c.err == nil && !p.hidden {
			c.err = err
		}
	}
	c.ifaces[p.iface] = i
	return i
}

// portOf returns the port of one of the host's interfaces.
func (h *Host) portOf(i *stack.Iface) *Port {
	for _, p := range h.ports {
		if p.iface == i {
			return p
		}
	}
	return h.loop
}
