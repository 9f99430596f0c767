package lab

import (
	"slices"
	"strings"
	"time"

	"smolsh/phy"
	"smolsh/stack"
)

const (
	// maxPendingRecords and maxPendingOctets bound the records of frames in transit that a capture keeps. Beyond them the
	// oldest is written with the outcome so far.
	maxPendingRecords = 1 << 15
	maxPendingOctets  = 16 << 20

	stillInTransit = "in flight"
)

// captureRecord is one frame of a capture of several hosts, until it is written.
type captureRecord struct {
	file     *captureFile
	packet   phy.CapturedPacket
	outcome  []string // fates of the frame and its copies that are known so far
	matches  bool     // true if the frame matches the capture's filter
	complete bool     // true if no copy of the frame is in transit
	written  bool
}

// add appends an outcome of the frame.
func (r *captureRecord) add(what string) {
	if !r.written {
		r.outcome = append(r.outcome, what)
	}
}

// followFrames makes the capture one of several hosts.
func (c *captureFile) followFrames() {
	c.several = true
	c.world.records.following++
}

// observe writes a frame that one of the capture's hosts has seen, or adds the host's verdict to the frame's record.
func (c *captureFile) observe(h *Host, ev *stack.PacketEvent) {
	if ev.Repeated() {
		return
	}
	t := c.world.records.trails[ev.Frame.Trail] // nil for number 0
	if !c.several || t == nil {
		if p, ok := c.packetOf(h, ev); ok {
			p.Data = ev.Frame.Bytes()
			c.put(&p)
		}
		return
	}
	r := c.recordOf(t)
	if r == nil {
		r = &captureRecord{file: c, outcome: slices.Clone(t.early)}
		if r.packet, r.matches = c.packetOf(h, ev); r.matches {
			r.packet.Data = slices.Clone(ev.Frame.Bytes())
			c.pending, c.octets = append(c.pending, r), c.octets+len(r.packet.Data)
		}
		t.records = append(t.records, r)
		c.bound()
	}
	switch {
	case ev.Dir == stack.RX:
		r.add(h.Name() + ": " + ev.Frame.Marks.After(ev.Verdict.String()))
	case ev.Verdict.Kind == stack.Dropped: // a link's verdict about a frame that was sent follows from the link
		r.add(ev.Verdict.String())
	}
}

// recordOf returns the record of the frames on a trail, nil if the capture has none.
func (c *captureFile) recordOf(t *trail) *captureRecord {
	for _, r := range t.records {
		if r.file == c {
			return r
		}
	}
	return nil
}

// packetOf returns the record of an event without its octets. ok is false if the filter does not match the frame, or the
// file can't take its interface.
func (c *captureFile) packetOf(h *Host, ev *stack.PacketEvent) (p phy.CapturedPacket, ok bool) {
	if c.only != nil && !c.only.Match(ev.Frame.Bytes(), ev.Iface.Medium()) {
		return p, false
	}
	i, known := c.ifaces[ev.Iface]
	if !known {
		i = c.addPort(h.portOf(ev.Iface))
	}
	return phy.CapturedPacket{
		Time:     time.Duration(ev.Now),
		Iface:    i,
		Outgoing: ev.Dir == stack.TX,
		Comment:  ev.Frame.Marks.After(ev.Verdict.String()),
	}, i >= 0
}

// put writes one packet.
func (c *captureFile) put(p *phy.CapturedPacket) {
	c.dirty = true
	c.writer.Write(p) // an error sticks in the writer, and stop reports it
}

// writeComplete writes the records that are complete and before which none is pending.
func (c *captureFile) writeComplete() {
	n := 0
	for n < len(c.pending) && c.pending[n].complete {
		c.pending[n].write()
		n++
	}
	c.shift(n)
}

// bound writes the oldest pending records until the limits on their number and octets hold.
func (c *captureFile) bound() {
	n := 0
	for octets := c.octets; n < len(c.pending) && (octets > maxPendingOctets || len(c.pending)-n > maxPendingRecords); n++ {
		octets -= len(c.pending[n].packet.Data)
		c.pending[n].write()
	}
	c.shift(n)
}

// writeAll writes every pending record.
func (c *captureFile) writeAll() {
	for _, r := range c.pending {
		r.write()
	}
	c.shift(len(c.pending))
}

// shift removes the first n pending records, which are written.
func (c *captureFile) shift(n int) {
	for i := range c.pending[:n] {
		c.octets -= len(c.pending[i].packet.Data)
		c.pending[i] = nil
	}
	c.pending = c.pending[n:]
}

// write writes the record with the outcome of its frame.
func (r *captureRecord) write() {
	if !r.complete {
		r.add(stillInTransit)
	}
	r.packet.Comment = strings.Join(r.outcome, "; ")
	r.file.put(&r.packet)
	r.written = true
}
