package lab

import (
	"time"

	"smolsh/phy/capture"
	"smolsh/stack"
	"smolsh/stack/filter"
)

// captureFile is a running capture: an observer that writes the frames of one or more hosts to a file.
type captureFile struct {
	world    *World
	writer   *capture.Writer
	only     *filter.Filter // filter for the frames to write; nil for all
	prefixed bool           // true if interfaces are named with their host
	ifaces   map[*stack.Iface]int
	err      error // error of the first interface that could not be added to the file
	release  []func()
	hosts    []*Host
	dirty    bool
}

// Capture writes every frame of every host's interfaces, with its verdict as comment, until stop is called. Hosts added
// later are included. The file is pcapng, or classic pcap if the name ends in .pcap. If only is not nil, only frames
// that it matches are written. stop closes the file and returns the first error.
//
// While a capture runs, the hosts' frames are of wire size. A frame is captured as the stack sees it: a sent frame
// before the port's fault rules, a received frame after them. A packet from a host to itself is captured once, when it
// arrives.
func (l *Lab) Capture(path string, only *filter.Filter) (stop func() error, err error) {
	cw, err := capture.Create(path, l.world.Epoch)
	if err != nil {
		return nil, err
	}
	return l.CaptureTo(cw, only)
}

// CaptureTo captures like Capture, to a Writer that the caller has made with World.Epoch, because opening a file may
// block. stop closes the Writer.
func (l *Lab) CaptureTo(cw *capture.Writer, only *filter.Filter) (stop func() error, err error) {
	c := l.world.newCapture(cw, only)
	c.prefixed = true
	for _, h := range l.hosts {
		c.add(h)
	}
	l.captures = append(l.captures, c)
	return c.stopper(l)
}

// Capture captures the frames of one host, as Lab.Capture does for all hosts.
func (h *Host) Capture(path string, only *filter.Filter) (stop func() error, err error) {
	cw, err := capture.Create(path, h.lab.world.Epoch)
	if err != nil {
		return nil, err
	}
	return h.CaptureTo(cw, only)
}

// CaptureTo captures the frames of one host, as Lab.CaptureTo does for all hosts.
func (h *Host) CaptureTo(cw *capture.Writer, only *filter.Filter) (stop func() error, err error) {
	c := h.lab.world.newCapture(cw, only)
	c.add(h)
	return c.stopper(h.lab)
}

// CaptureTo captures the frames of every lab of the world to one file, also of labs made later. See Lab.CaptureTo.
func (w *World) CaptureTo(cw *capture.Writer, only *filter.Filter) (stop func() error, err error) {
	c := w.newCapture(cw, only)
	c.prefixed = true
	for _, h := range w.hosts {
		c.add(h)
	}
	w.allHostCaptures = append(w.allHostCaptures, c)
	return c.stopper(nil)
}

// FlushCaptures writes the captured frames to their files. A wall-clock Runner calls it before it sleeps, so that a
// reader finds every frame while the capture runs. stop returns the errors.
func (w *World) FlushCaptures() {
	for _, c := range w.captures {
		if c.dirty {
			c.dirty = false
			c.writer.Flush()
		}
	}
}

func (w *World) newCapture(cw *capture.Writer, only *filter.Filter) *captureFile {
	c := &captureFile{world: w, writer: cw, only: only, ifaces: map[*stack.Iface]int{}}
	w.captures = append(w.captures, c)
	return c
}

// stopper returns the function that ends the capture. It ends the capture at once if an interface could not be added to
// the file.
func (c *captureFile) stopper(l *Lab) (stop func() error, err error) {
	stopped := false
	stop = func() error {
		if stopped {
			return capture.ErrClosed
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
		c.world.allHostCaptures = without(c.world.allHostCaptures, c)
		c.world.captures = without(c.world.captures, c)
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
	c.release = append(c.release, h.WireFrames(), h.Observe(func(ev *stack.PacketEvent) { c.write(h, ev) }))
}

// addPort adds a port's interface to the file and returns the interface's index there. The hidden loop is added with
// its first frame, and left out if the classic format can't hold it.
func (c *captureFile) addPort(p *Port) int {
	name := p.iface.Name()
	if c.prefixed {
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

func (c *captureFile) write(h *Host, ev *stack.PacketEvent) {
	if ev.Repeated() || c.only != nil && !c.only.Match(ev.Frame.Bytes(), ev.Iface.Medium()) {
		return
	}
	i, known := c.ifaces[ev.Iface]
	if !known {
		i = c.addPort(h.portOf(ev.Iface))
	}
	if i < 0 {
		return
	}
	c.dirty = true
	c.writer.Write(&capture.Packet{ // the writer keeps an error, which stop returns
		Time:     time.Duration(ev.Now),
		Iface:    i,
		Outgoing: ev.Dir == stack.TX,
		Comment:  ev.Frame.Marks.After(ev.Verdict.String()),
		Data:     ev.Frame.Bytes(),
	})
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
