package lab

import (
	"errors"
	"fmt"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// portOctets bounds the buffers of the frames queued for a switch's device, in octets. Their number is bounded by
// portFrames.
const portOctets = 4 << 20

// SwitchPort is a port of a switch: the far end of a link, or a device. Frames for a device wait in a bounded queue
// of the port's own, so that a device that takes none holds up no other.
type SwitchPort struct {
	sw   *Switch
	name string
	host *Host // at the other end of the link; nil on a device

	rx      Flow // into the switch
	flooded uint64
	floods  clock.Bucket

	linkEnd
	deviceQueue
	octets         int  // size of the queued frames' buffers
	flushScheduled bool // in World.unflushed
	tx             Flow // towards the device
}

// AttachDevice makes a port of a device, whose frames must be Ethernet's; the error says so otherwise. The port is
// named as the device, with a number behind that where the name is taken. A pollable device is left to the Runner
// (World.Devices), one in memory is drained by the world. Super-segments and unfinished checksums go whole to a
// device that takes such, and are cut and finished for one that does not. The device stays the caller's to close,
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

// Ports are the switch's ports in the order in which they were attached. The slice is the switch's.
func (s *Switch) Ports() []*SwitchPort { return s.ports }

// add makes p a port of the switch, with the name want, or with a number behind want where a port has that name.
func (s *Switch) add(p *SwitchPort, want string) {
	p.name = want
	for n := 1; s.names[p.name]; n++ {
		p.name = fmt.Sprintf("%s.%d", want, n)
	}
	s.names[p.name] = true
	s.ports = append(s.ports, p)
}

// Switch returns the switch that the port is part of.
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

// MTU returns the longest packet that the link or the device at the port takes, in octets.
func (p *SwitchPort) MTU() int {
	if p.link != nil {
		return p.link.cfg.MTU
	}
	return p.dev.Capabilities().MTU
}

// Received counts the frames that came into the switch at the port, as Switch.Stats does for all ports; flooded is how
// many of them went to every other port.
func (p *SwitchPort) Received() (rx Flow, flooded uint64) { return p.rx, p.flooded }

// Sent counts the frames that left the switch at the port: those for the link, or for the device.
func (p *SwitchPort) Sent() Flow {
	if p.link != nil {
		return p.direction.stats
	}
	return p.tx
}

// Stats counts the frames for the port's device; on a link Link.Stats does. Dropped are a frame that finds the
// queue full (drop.QueueFull), one longer than the device's MTU (drop.TooBig), a super-segment that can't be cut
// (drop.BadLength), an unfinished checksum that can't be finished (drop.BadChecksum), a frame still queued when the link
// goes down or the device out of service (drop.LinkDown), and a frame that the device refuses (drop.TransmitFailed).
func (p *SwitchPort) Stats() Flow { return p.tx }

// Retry offers the queued frames to the device again, in the next turn.
func (p *SwitchPort) Retry() {
	p.full = false
	p.scheduleFlush()
}

// scheduleFlush puts the port among those that have something for their device.
func (p *SwitchPort) scheduleFlush() {
	if w := p.world(); !p.flushScheduled {
		p.flushScheduled = true
		w.unflushed = append(w.unflushed, p)
	}
}

// Drain takes a batch of frames off the port's device and returns how many. A device that fails is taken out of
// service.
func (p *SwitchPort) Drain(now clock.Instant) int {
	return p.drain(now, p.world(), p)
}

// drainMemory is Drain for a device in memory. It retries a full queue too, because no Runner polls such a device.
func (p *SwitchPort) drainMemory(now clock.Instant) (n int) {
	if p.full {
		n = p.flush()
	}
	return n + p.Drain(now)
}

// Relink looks at the link of the port's device anew. A device that was deleted is taken out of service; the
// addresses that were learnt behind a link that is down are forgotten, and links that have the device's MTU follow it.
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

// Detach takes the port's device out of service and the port off the switch, which forgets what it learnt there:
// nothing reads or writes the device any more, and the caller may close it. On a link's port it does nothing.
func (p *SwitchPort) Detach() { p.takeOutOfService(phy.ErrClosed) }

// Fail is Detach for a device that failed, and tells World.OnSwitchError, once. A Runner calls it when polling says
// what the device does not.
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
	w.leaveTrail(f)
	if takesUncut(f, caps) {
		p.enqueue(f, caps)
		return
	}
	if !w.segmenter.Start(f, phy.MediumEthernet) {
		p.tx.In++
		p.tx.Octets += uint64(f.Len())
		p.dropUnqueued(f, drop.BadLength)
		return
	}
	for n := w.segmenter.Segments(); n > 0; n-- {
		if len(p.out) >= portFrames { // no work for the rest of a super-segment with tiny segments
			p.tx.In += uint64(n)
			p.tx.Drops[drop.QueueFull] += uint64(n)
			break
		}
		g := w.frame(segmentSize(f))
		w.segmenter.Next(g)
		p.enqueue(g, caps)
	}
	w.recycle(f)
}

// takesUncut reports whether a device takes f uncut. A super-segment's checksum is always the device's to finish.
func takesUncut(f *phy.Frame, c phy.Capabilities) bool {
	o := f.Offload
	return o.GSOSize == 0 || !o.UDP && o.NeedsCsum && c.TxChecksum && f.Len()-wire.EthernetLen <= c.MaxGSO
}

// enqueue makes f wait for the device, as long as there is room.
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

// flushSwitches offers queued frames to the devices of switches, once each, and returns how many frames they took.
func (w *World) flushSwitches() (n int) {
	for i := 0; i < len(w.unflushed); i++ {
		p := w.unflushed[i]
		p.flushScheduled = false
		n += p.flush()
	}
	clear(w.unflushed)
	w.unflushed = w.unflushed[:0]
	return n
}

// flush offers the queued frames to the device and returns how many it took. It drops the frames that the device
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
