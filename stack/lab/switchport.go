package lab

import (
	"errors"
	"fmt"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// portOctets bounds the buffers of the frames queued for a switch's device, in octets. portFrames bounds the number of
// these frames.
const portOctets = 4 << 20

// SwitchPort is a port of a switch: the far end of a link, or a device. Each device has its own bounded queue, so that
// a slow device delays no other port.
type SwitchPort struct {
	sw   *Switch
	name string
	host *Host // host at the other end of the link; nil on a device

	rx      Flow // frames into the switch
	flooded uint64
	floods  clock.Bucket

	linkEnd
	deviceQueue
	octets         int  // total size of the queued frames' buffers
	flushScheduled bool // true while the port is in World.unflushed
	tx             Flow // frames to the device
}

// AttachDevice makes a port on a device. It returns an error unless the device's medium is Ethernet. The port has the
// device's name. If that name is in use, AttachDevice adds a number to it. A Runner polls and drains a pollable device
// (World.Devices); the world drains a device in memory. A device with segmentation and checksum offload gets
// super-segments and unfinished checksums; for other devices they are cut and finished. The caller closes the device
// after SwitchPort.Detach.
func (s *Switch) AttachDevice(dev phy.Device) (*SwitchPort, error) {
	if dev.Capabilities().Medium != phy.MediumEthernet {
		return nil, fmt.Errorf("switch %s: %s carries no Ethernet", s.name, dev.Name())
	}
	p := &SwitchPort{sw: s, deviceQueue: deviceQueue{dev: dev}, floods: s.floods}
	s.add(p, dev.Name())
	s.lab.world.attach(p)
	return p, nil
}

// Ports returns the switch's ports in the order in which they were attached. The caller must not change the slice.
func (s *Switch) Ports() []*SwitchPort { return s.ports }

// add makes p a port of the switch and gives it the name want. If another port has that name, add adds a number to it.
func (s *Switch) add(p *SwitchPort, want string) {
	p.name = want
	for n := 1; s.names[p.name]; n++ {
		p.name = fmt.Sprintf("%s.%d", want, n)
	}
	s.names[p.name] = true
	s.ports = append(s.ports, p)
}

// Switch returns the switch that has the port.
func (p *SwitchPort) Switch() *Switch { return p.sw }

// Name returns the name of the host at the other end of the link, or of the device.
func (p *SwitchPort) Name() string { return p.name }

// Up reports whether the link or the device at the port carries frames.
func (p *SwitchPort) Up() bool {
	if p.link != nil {
		return p.link.Up()
	}
	d, ok := p.dev.(phy.Watcher)
	return p.err == nil && (!ok || d.Up())
}

// MTU returns the longest packet that the link or the device at the port carries, in octets.
func (p *SwitchPort) MTU() int {
	if p.link != nil {
		return p.link.cfg.MTU
	}
	return p.dev.Capabilities().MTU
}

// Received returns the counters of frames that arrived in the switch at the port, as Switch.Stats does for all ports.
// flooded counts those that were sent to every other port.
func (p *SwitchPort) Received() (rx Flow, flooded uint64) { return p.rx, p.flooded }

// Sent returns the counters of frames that left the switch at the port, to the link or to the device.
func (p *SwitchPort) Sent() Flow {
	if p.link != nil {
		return p.direction.stats
	}
	return p.tx
}

// Stats returns the counters of frames to the port's device; see Link.Stats for a link. Drops are a frame that finds
// the queue full (drop.QueueFull), a frame longer than the device's MTU (drop.TooBig), a super-segment that can't be
// cut (drop.BadLength), an unfinished checksum that can't be finished (drop.BadChecksum), a frame queued when the link
// goes down or the device fails (drop.LinkDown), and a frame that the device refuses (drop.TransmitFailed).
func (p *SwitchPort) Stats() Flow { return p.tx }

// Retry offers the queued frames to the device again, in the next turn.
func (p *SwitchPort) Retry() {
	p.full = false
	p.scheduleFlush()
}

// scheduleFlush adds the port to the list of ports with frames for their devices.
func (p *SwitchPort) scheduleFlush() {
	if w := p.world(); !p.flushScheduled {
		p.flushScheduled = true
		w.ports.unflushed = append(w.ports.unflushed, p)
	}
}

// Drain receives a batch of frames from the port's device and returns their number. If the device fails, Drain takes it
// out of service.
func (p *SwitchPort) Drain(now clock.Instant) int {
	return p.drain(now, p.world(), p)
}

// drainMemory drains a device in memory. It also retries a full queue, because no Runner polls such a device.
func (p *SwitchPort) drainMemory(now clock.Instant) (n int) {
	if p.full {
		n = p.flush()
	}
	return n + p.Drain(now)
}

// Relink reads the state of the device's link again. If the device was deleted, Relink takes it out of service. If the
// link is down, the switch forgets the addresses learnt at the port. Links with the device's MTU get the new MTU.
func (p *SwitchPort) Relink(clock.Instant) {
	d, ok := p.relink(p)
	if !ok {
		return
	}
	if !d.Up() {
		p.sw.forget(p)
	}
	p.sw.follow(p)
}

// Detach takes the port's device out of service and removes the port from the switch, which forgets the addresses
// learnt there. The port no longer reads or writes the device, and the caller may close it. It does nothing if the port
// is on a link.
func (p *SwitchPort) Detach() { p.takeOutOfService(phy.ErrClosed) }

// Fail takes the port's failed device out of service and passes err to World.OnSwitchError. It does nothing if the
// device is already out of service. A Runner calls it when polling the device reports an error.
func (p *SwitchPort) Fail(err error) {
	if p.takeOutOfService(err) {
		if fn := p.world().OnSwitchError; fn != nil {
			fn(p, err)
		}
	}
}

func (p *SwitchPort) takeOutOfService(err error) bool {
	if !p.stop(p.world(), p, err) {
		return false
	}
	p.dropQueued(len(p.out), drop.LinkDown)
	p.sw.ports = without(p.sw.ports, p)
	delete(p.sw.names, p.name)
	p.sw.forget(p)
	return true
}

func (p *SwitchPort) world() *World { return p.sw.lab.world }

// transmit sends f out of the port.
func (p *SwitchPort) transmit(now clock.Instant, f *phy.Frame) {
	if p.direction != nil {
		p.direction.accept(now, f)
		return
	}
	w, caps := p.world(), p.dev.Capabilities()
	if st, ok := p.dev.(stationDevice); ok && st.isFor(f) && len(p.out) < portFrames && !tooBig(f, caps.MTU) {
		w.noteArrival(f, st.Name()) // the queue is empty by the end of the turn, because a station takes every frame
	}
	w.leaveTrail(f)
	if takesUncut(f, caps) {
		p.enqueue(f, caps)
		return
	}
	if !w.frames.segmenter.Start(f, phy.MediumEthernet) {
		p.tx.In++
		p.tx.Octets += uint64(f.Len())
		p.dropUnqueued(f, drop.BadLength)
		return
	}
	for n := w.frames.segmenter.Segments(); n > 0; n-- {
		if len(p.out) >= portFrames { // avoids work for the rest of a super-segment with tiny segments
			p.tx.In += uint64(n)
			p.tx.Drops[drop.QueueFull] += uint64(n)
			break
		}
		g := w.frame(w.frames.segmenter.SegmentSize())
		w.frames.segmenter.Next(g)
		p.enqueue(g, caps)
	}
	w.recycle(f)
}

// takesUncut reports whether a device accepts f uncut. A super-segment always leaves its checksum to the device.
func takesUncut(f *phy.Frame, c phy.Capabilities) bool {
	o := f.Offload
	return o.GSOSize == 0 || !o.UDP && o.NeedsCsum && c.TxChecksum && f.Len()-wire.EthernetLen <= c.MaxGSO
}

// enqueue queues f for the device, if there is room.
func (p *SwitchPort) enqueue(f *phy.Frame, c phy.Capabilities) {
	p.tx.In++
	p.tx.Octets += uint64(f.Len())
	f = p.world().compact(f)
	switch {
	case tooBig(f, c.MTU):
		p.dropUnqueued(f, drop.TooBig)
	case len(p.out) >= portFrames || p.octets+f.Size() > portOctets:
		p.dropUnqueued(f, drop.QueueFull)
	case !c.TxChecksum && !phy.FinishChecksum(f, phy.MediumEthernet):
		p.dropUnqueued(f, drop.BadChecksum)
	default:
		p.out, p.octets = append(p.out, f), p.octets+f.Size()
		p.tx.InFlight++
		if !p.full {
			p.scheduleFlush()
		}
	}
}

func (p *SwitchPort) dropUnqueued(f *phy.Frame, why drop.Reason) {
	p.tx.Drops[why]++
	p.world().recycle(f)
}

// flushSwitches offers queued frames to the devices of switches, once each. It returns the number of frames that they
// accepted.
func (w *World) flushSwitches() (n int) {
	for i := 0; i < len(w.ports.unflushed); i++ {
		p := w.ports.unflushed[i]
		p.flushScheduled = false
		n += p.flush()
	}
	clear(w.ports.unflushed)
	w.ports.unflushed = w.ports.unflushed[:0]
	return n
}

// flush offers the queued frames to the device and returns the number accepted. It drops the frames that the device
// refuses with an error.
func (p *SwitchPort) flush() (taken int) {
	p.full = false
	for p.err == nil && len(p.out) > 0 {
		n, lost, err := p.offer()
		p.tx.Delivered += uint64(n)
		p.shift(n)
		taken += n
		if err == nil {
			break
		}
		why := drop.TransmitFailed
		if errors.Is(err, phy.ErrDown) || errors.Is(err, phy.ErrClosed) {
			why = drop.LinkDown
		}
		p.dropQueued(lost, why)
		if errors.Is(err, phy.ErrClosed) {
			p.Fail(err)
		}
	}
	return taken
}

// dropQueued drops the first n queued frames.
func (p *SwitchPort) dropQueued(n int, why drop.Reason) {
	p.tx.Drops[why] += uint64(n)
	p.shift(n)
}

// shift recycles the first n queued frames.
func (p *SwitchPort) shift(n int) {
	p.deviceQueue.shift(p.world(), n)
	p.tx.InFlight -= uint64(n)
	p.octets = 0
	for _, f := range p.out {
		p.octets += f.Size()
	}
}
