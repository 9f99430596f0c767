package stack

import (
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Dir is a direction as seen from the host.
type Dir uint8

// The directions.
const (
	RX Dir = iota
	TX
)

// PacketEvent is what observers get. It and its Frame are only good during the call, and must not be
// changed.
type PacketEvent struct {
	Now     clock.Instant
	Host    *Host
	Iface   *Iface
	Dir     Dir
	Frame   *phy.Frame
	Verdict Verdict
}

// Repeated reports whether the frame was sent on the host's own loop: it is seen again, with its verdict,
// as it arrives.
func (ev *PacketEvent) Repeated() bool {
	return ev.Dir == TX && ev.Verdict.Kind == Transmitted && ev.Iface.loop
}

type observer struct{ fn func(ev *PacketEvent) }

// Observe calls fn with every frame and its verdict from now on, until cancel is called. Observers are
// called in the order in which they came; one may cancel itself.
func (h *Host) Observe(fn func(ev *PacketEvent)) (cancel func()) {
	h.payloadObservers++
	stop, stopped := h.ObserveHeads(fn), false
	return func() {
		if !stopped {
			stopped = true
			h.payloadObservers--
			stop()
		}
	}
}

// ObserveHeads is Observe for who does without payload: the host need not gather that of long segments that
// it sends, and the frame's Bytes end with the headers then.
func (h *Host) ObserveHeads(fn func(ev *PacketEvent)) (cancel func()) {
	o := &observer{fn}
	h.observers = append(slices.Clone(h.observers), o)
	return func() {
		h.observers = slices.DeleteFunc(slices.Clone(h.observers), func(p *observer) bool { return p == o })
	}
}

func (h *Host) observe(now clock.Instant, i *Iface, d Dir, f *phy.Frame, v Verdict) {
	if len(h.observers) == 0 {
		return
	}
	ev := h.event
	if ev == nil { // nil also while an observer makes the host call another
		ev = new(PacketEvent)
	}
	h.event = nil
	*ev = PacketEvent{now, h, i, d, f, v}
	for _, o := range h.observers {
		o.fn(ev)
	}
	*ev = PacketEvent{}
	h.event = ev
}

// exampleLen is how much of a dropped frame is kept to show, in octets.
const exampleLen = 128

// dropRecord counts one reason.
type dropRecord struct {
	rx, tx  uint64
	late    uint64 // delivered to the host itself, and given up after a while
	last    clock.Instant
	medium  phy.Medium
	n       uint8
	example [exampleLen]byte
}

// DropInfo is what drops of one reason there were, of frames that arrived and of frames to be sent.
type DropInfo struct {
	Reason  drop.Reason
	Count   uint64        // in all
	Sending uint64        // those of them that were on their way out
	Last    clock.Instant // when the last one was
	Example []byte        // the head of the last one, at most 128 octets, …
	Medium  phy.Medium    // … and what it starts with
}

// DropInfos is every reason that has occurred, in the catalogue's order.
func (h *Host) DropInfos() []DropInfo {
	var infos []DropInfo
	for r := range h.drops {
		d := &h.drops[r]
		if d.rx+d.tx+d.late == 0 {
			continue
		}
		infos = append(infos, DropInfo{
			Reason: drop.Reason(r), Count: d.rx + d.tx + d.late, Sending: d.tx, Last: d.last,
			Example: slices.Clone(d.example[:d.n]), Medium: d.medium,
		})
	}
	return infos
}

func (d *dropRecord) record(now clock.Instant, m phy.Medium, octets []byte) {
	d.last, d.medium = now, m
	d.n = uint8(copy(d.example[:], octets))
}

// dropTX counts a packet that was to be sent by i, nil where that was not known yet, and is not; it starts
// as on a medium m.
func (h *Host) dropTX(now clock.Instant, i *Iface, m phy.Medium, octets []byte, r drop.Reason) {
	d := &h.drops[r]
	d.tx++
	d.record(now, m, octets)
	h.raiseDrop(now, i, TX, m, octets, r)
}

// dropLate counts a packet that came by i some time ago and was held.
func (h *Host) dropLate(now clock.Instant, i *Iface, octets []byte, r drop.Reason) {
	d := &h.drops[r]
	d.late++
	d.record(now, phy.MediumIP, octets)
	h.raiseDrop(now, i, RX, phy.MediumIP, octets, r)
}

// Conservation returns how many frames came in, and how many of them were delivered, answered,
// forwarded or dropped. The two are equal, always.
func (h *Host) Conservation() (in, accounted uint64) {
	for _, i := range h.ifaces {
		in += i.rxPackets
	}
	accounted = h.verdicts[Delivered] + h.verdicts[Answered] + h.verdicts[Forwarded]
	for r := range h.drops {
		accounted += h.drops[r].rx
	}
	return in, accounted
}
