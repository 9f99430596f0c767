package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Port connects a host's interface to a link or a device. The port's fault rules apply here.
type Port struct {
	host         *Host
	iface        *stack.Iface
	index        int  // number among the host's ports
	loop         bool // true for the host's own loop
	hidden       bool
	besideKernel bool // true if the kernel has the interface's addresses too
	faults       *fault.Set

	caps         phy.Capabilities // capabilities that the interface was last given
	wireSizeOnly bool             // true if the device was told to deliver only frames of wire size
	detached     bool             // true after the port has stopped delivering frames to the stack

	linkEnd
	shared *Switch // switch at the other end of the link, which now has the port's device
	deviceQueue
	sizes []int // octets of each queued frame
}

// Host returns the host that has the port.
func (p *Port) Host() *Host { return p.host }

// Iface returns the host's interface at the port.
func (p *Port) Iface() *stack.Iface { return p.iface }

// Faults returns the fault rules at the port. RX is towards the host. While there is a rule, the host sends frames of
// wire size, and super-segments that arrive are cut.
func (p *Port) Faults() *fault.Set { return p.faults }

// Link returns the link at the port, or nil if the port is on a device.
func (p *Port) Link() *Link { return p.link }

// Retry offers the queued frames to the device again, in the next turn.
func (p *Port) Retry() {
	p.full = false
	p.world().touch(p.host)
}

// Detach takes the port's device out of service. The interface goes down, the port no longer reads or writes the
// device, and the caller may close it. It does nothing if the port is on a link.
func (p *Port) Detach() { p.takeOutOfService(phy.ErrClosed) }

func (p *Port) world() *World { return p.host.lab.world }

func (p *Port) newFaults(n uint64) *fault.Set {
	return fault.NewSet(p.host.lab.stream(streamPortFaults, p.host.ordinal, n))
}

// open makes the port's interface. If that fails, it removes the port.
func (p *Port) open(name string, addrs []netip.Prefix, hidden bool) error {
	h, w := p.host, p.world()
	p.hidden = hidden
	cfg := stack.IfaceConfig{Name: name, Caps: p.caps, Loop: p.loop, Hidden: hidden, Shared: p.besideKernel}
	if p.besideKernel {
		cfg.MAC = p.caps.MAC
	} else if p.caps.Medium == phy.MediumEthernet {
		cfg.MAC = h.hardwareAddr(p.index, p.caps.MAC)
		h.lab.macs[cfg.MAC]++
	}
	p.iface = h.AddIface(w.now, cfg)
	if !hidden { // a hidden interface's name is shown nowhere
		h.names[name] = true
	}
	w.touch(h)
	for _, a := range addrs {
		if err := p.iface.AddAddr(w.now, a); err != nil {
			p.close()
			return fmt.Errorf("host %s: %s: address %s: %w", h.Name(), name, a, err)
		}
	}
	if p.loop {
		return nil
	}
	if !p.besideKernel && h.setup.speaksIPv6(addrs) {
		p.iface.EnableIPv6(w.now)
	}
	if err := h.addGateways(addrs, p.iface); err != nil {
		p.close()
		return err
	}
	if h.setup.advertise != nil && !p.besideKernel && p.caps.Medium == phy.MediumEthernet {
		if err := p.iface.Advertise(w.now, h.setup.advertise); err != nil {
			p.close()
			return err
		}
	}
	for _, c := range h.captures {
		c.addPort(p)
	}
	if fn := h.lab.OnPort; fn != nil {
		fn(p)
	}
	return nil
}

// close removes a port whose link or device could not be made.
func (p *Port) close() {
	p.iface.SetUp(p.world().now, false)
	delete(p.host.names, p.iface.Name())
	p.host.nextLink = 0
	p.host.ports = without(p.host.ports, p)
}

// currentCapabilities returns the capabilities that the interface may use now. While rules or captures need frames of
// wire size, it tells the device to deliver only those, if the device can. Otherwise the port cuts super-segments
// itself.
func (p *Port) currentCapabilities() phy.Capabilities {
	var c phy.Capabilities
	plain := p.host.wireSizeUsers > 0 || !p.faults.Empty()
	if p.dev != nil {
		if d, ok := p.dev.(phy.Offloader); ok && plain != p.wireSizeOnly && d.SetOffload(!plain) == nil {
			p.wireSizeOnly = plain
		}
		c = p.dev.Capabilities()
		if m := p.host.setup.mtu; m > 0 && !p.hidden {
			c.MTU = min(c.MTU, m)
		}
	} else {
		c = p.link.capabilities(p.host)
		plain = plain || !p.link.faults.Empty()
	}
	if plain {
		c.MaxGSO, c.TxChecksum, c.Gather = 0, false, false
	}
	return c
}

// refresh updates the interface's capabilities. Only calls of the application can change them, and after each such call
// the world refreshes before it sends a frame.
func (p *Port) refresh() {
	if p.err != nil {
		return
	}
	if c := p.currentCapabilities(); c != p.caps {
		p.caps = c
		p.iface.SetCapabilities(c)
	}
}

// Relink reads the state of the device's link again. A Runner calls it when the device has signalled a change. If the
// device was deleted, Relink takes it out of service.
func (p *Port) Relink(now clock.Instant) {
	d, ok := p.relink(p)
	if !ok {
		return
	}
	p.caps = p.currentCapabilities()
	p.iface.SetLink(now, p.caps, d.Up())
	p.world().touch(p.host)
}

// mayMove reports whether the interface may have a frame to transmit, or the device may accept or deliver one.
func (p *Port) mayMove(now clock.Instant) bool {
	if p.full || len(p.out) > 0 || p.host.Pending(now, p.iface) {
		return true
	}
	return p.loop && p.loopDevice().Pending() > 0
}

// loopDevice returns the device of the host's own loop.
func (p *Port) loopDevice() *phy.Memory { return p.dev.(*phy.Memory) }

// transmitBatch transmits a batch of the interface's frames, offers queued frames to the device, and returns the number
// of frames moved.
func (p *Port) transmitBatch(now clock.Instant) (n int) {
	if p.err != nil {
		return 0
	}
	if p.full {
		if _, ok := p.dev.(phy.Pollable); ok {
			return 0 // Retry ends this state
		}
		if n = p.flush(now); p.full {
			return n
		}
	}
	w, size := p.world(), p.caps.FrameSize()
	for range batch {
		if !p.host.Pending(now, p.iface) {
			break
		}
		f := w.frame(size)
		if !p.host.Transmit(now, p.iface, f) {
			w.recycle(f)
			break
		}
		n++
		p.cutToMedium(now, f)
	}
	if len(p.out) > 0 {
		n += p.flush(now)
	}
	return n
}

// cutToMedium cuts a super-segment and finishes a checksum if the port's medium can't do so.
func (p *Port) cutToMedium(now clock.Instant, f *phy.Frame) {
	w, m := p.world(), p.caps.Medium
	if f.Offload.GSOSize != 0 && p.caps.MaxGSO == 0 && w.frames.segmenter.Start(f, m) {
		for w.frames.segmenter.Segments() > 0 {
			g := w.frame(w.frames.segmenter.SegmentSize())
			w.frames.segmenter.Next(g)
			p.applyTxFaults(now, g)
		}
		w.recycle(f)
		return
	}
	if !p.caps.TxChecksum {
		phy.FinishChecksum(f, m)
	}
	p.applyTxFaults(now, f)
}

// applyTxFaults applies the port's outgoing rules to a frame. It reports a drop to the stack, or dispatches the frame.
// A frame for a device is counted later, when the device accepts or refuses it.
func (p *Port) applyTxFaults(now clock.Instant, f *phy.Frame) {
	if p.direction != nil {
		p.world().follow(f)
	}
	if p.faults.Empty() {
		p.dispatch(now, f)
		return
	}
	w := p.world()
	seen := w.clone(f) // observers see the frame that the stack sent, not a rule's changes
	v := p.faults.Apply(now, fault.TX, p.caps.Medium, f)
	if v.Drop != drop.None {
		p.host.FrameSent(now, p.iface, seen, v.Drop)
		w.recycle(seen)
		w.recycle(f)
		return
	}
	v.Mark(seen, true)
	p.notifySent(now, seen)
	w.recycle(seen)
	w.inject(now, v, f, portOut{p})
}

// dispatch sends a frame to the link or device, past the port's rules. Observers see the frame with the link's verdict,
// which is known at once.
func (p *Port) dispatch(now clock.Instant, f *phy.Frame) {
	if p.direction == nil || !p.direction.carriesUncut(f) {
		p.notifySent(now, f)
		p.enqueue(now, f)
		return
	}
	w, seen := p.world(), f
	if !p.link.faults.Empty() {
		seen = w.clone(f)
	}
	v := p.direction.decideFate(now, f)
	seen.Marks.Lost = v.Drop
	v.Mark(seen, true)
	p.notifySent(now, seen)
	if seen != f {
		w.recycle(seen)
	}
	p.direction.carry(f, v)
}

// notifySent reports to the stack that a frame was sent on the link, or queued for the device.
func (p *Port) notifySent(now clock.Instant, f *phy.Frame) {
	if p.direction != nil {
		p.host.FrameSent(now, p.iface, f, drop.None)
		return
	}
	p.host.FrameQueued(now, p.iface, f)
}

// inject passes a frame, and the copies that the rules make of it, to the sink after the delay that the rules set.
func (w *World) inject(now clock.Instant, v fault.Verdict, f *phy.Frame, to sink) {
	v.Mark(f, false)
	for i := 0; i <= v.Copies; i++ {
		g := f
		if i < v.Copies {
			g = w.clone(f)
			g.Marks.Copy = true
		}
		if v.Delay > 0 {
			w.send(now.Add(v.Delay), g, to)
		} else {
			to.arrive(now, g)
		}
	}
}

// portOut is the sink after a port's outgoing rules, portIn the one after its incoming rules.
type (
	portOut struct{ *Port }
	portIn  struct{ *Port }
)

func (o portOut) arrive(now clock.Instant, f *phy.Frame) { o.enqueue(now, f) }
func (i portIn) arrive(now clock.Instant, f *phy.Frame)  { i.receive(now, f) }

// enqueue passes a frame to the link, or appends it to the device's queue.
func (p *Port) enqueue(now clock.Instant, f *phy.Frame) {
	if p.direction != nil {
		p.direction.accept(now, f)
		return
	}
	if p.err != nil || len(p.out) >= portFrames {
		p.notifyUnsent(now, f)
		p.world().recycle(f)
		return
	}
	p.out, p.sizes = append(p.out, f), append(p.sizes, f.Len())
	if p.caps.Gather && !p.full {
		p.flush(now) // while the octets that the frame borrows are in the cache
		return
	}
	p.world().touch(p.host)
}

// notifyUnsent reports to the stack that the device has not accepted a frame.
func (p *Port) notifyUnsent(now clock.Instant, f *phy.Frame) {
	p.host.FrameSent(now, p.iface, f, drop.TransmitFailed)
}

// flush offers the queued frames to the device and returns the number accepted. It drops the frames that the device
// refuses with an error.
func (p *Port) flush(now clock.Instant) (taken int) {
	p.full = false
	for len(p.out) > 0 {
		n, lost, err := p.offer()
		for _, size := range p.sizes[:n] {
			p.host.FrameTaken(p.iface, size)
		}
		for _, f := range p.out[n : n+lost] {
			p.notifyUnsent(now, f)
		}
		p.shift(n + lost)
		taken += n
		if err == nil {
			break
		}
		if errors.Is(err, phy.ErrClosed) {
			p.Fail(err)
		}
	}
	for _, f := range p.out {
		f.Own() // a queued frame must not keep the octets that it borrows
	}
	return taken
}

// shift recycles the first n queued frames.
func (p *Port) shift(n int) {
	p.deviceQueue.shift(p.world(), n)
	p.sizes = slices.Delete(p.sizes, 0, n)
}

// Drain receives a batch of frames from the port's device and returns their number. A Runner calls it for pollable
// devices that are readable. After a full batch there may be more frames. If the device fails, Drain takes it out of
// service.
func (p *Port) Drain(now clock.Instant) int {
	return p.drain(now, p.world(), p)
}

// drainMemory drains a device in memory. It also retries a full queue, because no Runner polls such a device.
func (p *Port) drainMemory(now clock.Instant) (n int) {
	if p.full {
		if n = p.flush(now); n > 0 {
			p.world().touch(p.host)
		}
	}
	if p.loop && p.loopDevice().Pending() == 0 {
		return n // most of the time a host's loop is idle
	}
	return n + p.Drain(now)
}

// arrive processes a frame from the link or device.
func (p *Port) arrive(now clock.Instant, f *phy.Frame) {
	if p.faults.Empty() && p.host.wireSizeUsers == 0 && !f.Offload.UDP {
		p.receive(now, f)
		return
	}
	w, m := p.world(), p.caps.Medium
	if f.Offload.GSOSize != 0 && w.frames.segmenter.Start(f, m) {
		for w.frames.segmenter.Segments() > 0 {
			g := w.frame(w.frames.segmenter.SegmentSize())
			w.frames.segmenter.Next(g)
			p.applyRxFaults(now, g)
		}
		w.recycle(f)
		return
	}
	phy.FinishChecksum(f, m)
	p.applyRxFaults(now, f)
}

// applyRxFaults applies the port's incoming rules to a frame of wire size.
func (p *Port) applyRxFaults(now clock.Instant, f *phy.Frame) {
	if p.faults.Empty() {
		p.receive(now, f)
		return
	}
	w := p.world()
	v := p.faults.Apply(now, fault.RX, p.caps.Medium, f)
	if v.Drop != drop.None {
		p.host.FrameDroppedBeforeStack(now, p.iface, f, v.Drop)
		w.recycle(f)
		return
	}
	w.inject(now, v, f, portIn{p})
}

// receive delivers a frame to the stack.
func (p *Port) receive(now clock.Instant, f *phy.Frame) {
	h := p.host
	w := h.lab.world
	if !p.detached && h.broken == nil {
		w.turn.entered.receiver, w.turn.entered.frame = p, f
		h.Receive(now, p.iface, f)
		w.turn.entered.receiver = nil
		w.touch(h)
	}
	w.recycle(f)
}

// Fail takes the port's failed device out of service and passes err to World.OnDeviceError. It does nothing if the
// device is already out of service. A Runner calls it when polling the device reports an error.
func (p *Port) Fail(err error) {
	if p.takeOutOfService(err) {
		if fn := p.world().OnDeviceError; fn != nil {
			fn(p, err)
		}
	}
}

func (p *Port) takeOutOfService(err error) bool {
	w := p.world()
	if !p.stop(w, p, err) {
		return false
	}
	p.detached = true
	for _, f := range p.out {
		p.notifyUnsent(w.now, f)
	}
	p.shift(len(p.out))
	p.iface.SetUp(w.now, false)
	w.touch(p.host)
	return true
}
