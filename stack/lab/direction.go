package lab

import (
	"math/rand/v2"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// maxInFlight is the largest number of frames that one direction of a link holds, whatever its rate and delay.
const maxInFlight = 1 << 16

// Flow counts the frames of one direction. In + Copies is always
// Delivered + InFlight + the sum of Drops.
type Flow struct {
	In        uint64 // frames sent into the direction, of wire size unless the link carries super-segments
	Copies    uint64 // additional copies made by fault rules or flooding
	Delivered uint64
	InFlight  uint64
	Octets    uint64                  // octets of the frames in In
	Lost      uint64                  // drops by LinkConfig.Loss; Drops includes them
	Faulted   uint64                  // drops by rules on the link; Drops includes them
	Drops     [drop.NumReasons]uint64 // number of dropped frames by reason
}

// Dropped returns the sum of the drops.
func (s *Flow) Dropped() (n uint64) {
	for _, d := range s.Drops {
		n += d
	}
	return n
}

// direction is one direction of a link.
type direction struct {
	link  *Link
	dir   fault.Dir
	rng   *rand.Rand
	to    sink
	stats Flow

	free    clock.Instant   // time at which the transmitter has serialised every queued frame
	leaving []clock.Instant // ring of the times at which the last bits of queued frames leave
	head, n int
	last    clock.Instant // the latest arrival of a frame that no rule held back
}

// accept sends a frame from the near end, and owns it from then on. It cuts a super-segment unless the link carries it
// uncut.
func (l *direction) accept(now clock.Instant, f *phy.Frame) {
	w := l.link.lab.world
	if !l.carriesUncut(f) && w.frames.segmenter.Start(f, phy.MediumEthernet) {
		for w.frames.segmenter.Segments() > 0 {
			g := w.frame(w.frames.segmenter.SegmentSize())
			w.frames.segmenter.Next(g)
			l.carry(g, l.decideFate(now, g))
		}
		w.recycle(f)
		return
	}
	l.carry(f, l.decideFate(now, f))
}

// carriesUncut reports whether f crosses the link without being cut into segments.
func (l *direction) carriesUncut(f *phy.Frame) bool {
	return f.Offload.GSOSize == 0 || l.link.cfg.Offload && l.link.faults.Empty()
}

// fate is the outcome for a frame: a drop reason, or the time at which its last bit leaves.
type fate struct {
	left clock.Instant
	fault.Verdict
}

// decideFate serialises one frame and returns its fate. carry then drops or sends the frame.
func (l *direction) decideFate(now clock.Instant, f *phy.Frame) (v fate) {
	cfg := &l.link.cfg
	if !cfg.Offload || !l.link.faults.Empty() {
		phy.FinishChecksum(f, phy.MediumEthernet)
	}
	if f.Offload.NeedsCsum {
		f.Offload.CsumValid = true // the checksum stays valid, since nothing on the link damages the frame
	}
	l.stats.In++
	l.stats.Octets += uint64(f.Len())
	if v.Drop = l.link.refuses(f.Bytes()); v.Drop != drop.None {
		return v
	}
	switch {
	case tooBig(f, cfg.MTU):
		v.Drop = drop.TooBig
		return v
	case l.stats.InFlight >= maxInFlight || !l.hasRoom(now):
		v.Drop = drop.LinkQueueFull
		return v
	}
	v.left = l.serialise(now, f.Len())
	if cfg.Loss > 0 && l.rng.Float64() < cfg.Loss {
		v.Drop = drop.FaultLoss
		l.stats.Lost++
		return v
	}
	if !l.link.faults.Empty() {
		if v.Verdict = l.link.faults.Apply(v.left, l.dir, phy.MediumEthernet, f); v.Drop != drop.None {
			l.stats.Faulted++
		}
	}
	return v
}

// carry drops a frame, or schedules the arrival of the frame and its copies.
func (l *direction) carry(f *phy.Frame, v fate) {
	w := l.link.lab.world
	if v.Drop != drop.None {
		l.drop(f, v.Drop)
		return
	}
	v.Mark(f, false)
	f = w.compact(f)
	for i := 0; i <= v.Copies; i++ {
		g := f
		if i < v.Copies {
			g = w.clone(f)
			g.Marks.Copy = true
			l.stats.Copies++
		}
		l.stats.InFlight++
		w.send(l.arrival(v.left).Add(v.Delay), g, l)
	}
}

// hasRoom reports whether the transmitter's queue has room for one more frame.
func (l *direction) hasRoom(now clock.Instant) bool {
	if l.link.cfg.RateBps == 0 {
		return true
	}
	if l.leaving == nil {
		l.leaving = make([]clock.Instant, l.queueSlots())
	}
	return l.serialising(now) < l.queueSlots()
}

// queueSlots returns the frames that may wait and the one that leaves.
func (l *direction) queueSlots() int { return l.link.cfg.Queue + 1 }

// serialising returns the number of frames whose last bit has not left at time now.
func (l *direction) serialising(now clock.Instant) int {
	for l.n > 0 && l.leaving[l.head] <= now {
		l.head = (l.head + 1) % len(l.leaving)
		l.n--
	}
	return l.n
}

// resizeQueue makes room for a queue of another length. It keeps every queued frame.
func (l *direction) resizeQueue() {
	slots := max(l.queueSlots(), l.n)
	if l.leaving == nil || slots == len(l.leaving) {
		return
	}
	ring := make([]clock.Instant, slots)
	for i := range l.n {
		ring[i] = l.leaving[(l.head+i)%len(l.leaving)]
	}
	l.leaving, l.head = ring, 0
}

// serialise returns the time at which the last bit of a frame of so many octets leaves.
func (l *direction) serialise(now clock.Instant, octets int) clock.Instant {
	rate := l.link.cfg.RateBps
	if rate == 0 {
		return max(l.free, now) // a frame waits for earlier frames that were sent when the link had a rate
	}
	work := uint64(octets) * 8 * uint64(time.Second)
	takes := work / rate
	if work%rate != 0 {
		takes++ // rounded up, so that the rate is never exceeded
	}
	l.free = max(l.free, now).Add(time.Duration(takes))
	l.leaving[(l.head+l.n)%len(l.leaving)] = l.free
	l.n++
	return l.free
}

// arrival returns the time at which a frame arrives. The argument left is the time at which its last bit leaves the
// sender. Without jitter the result is not before the arrival of an earlier frame, also if the delay has become
// shorter.
func (l *direction) arrival(left clock.Instant) clock.Instant {
	at := left.Add(l.delay())
	if l.link.cfg.Jitter == 0 {
		at = max(at, l.last)
	}
	l.last = max(l.last, at)
	return at
}

// delay returns the delay of one frame, which includes jitter.
func (l *direction) delay() time.Duration {
	d, j := l.link.cfg.Delay, l.link.cfg.Jitter
	if j > 0 {
		d += time.Duration(l.rng.Int64N(2*int64(j)+1)) - j
	}
	return max(d, 0)
}

// tooBig reports whether a frame exceeds the MTU. For a super-segment the size of its segments counts, because a medium
// that carries segments singly sees only them.
func tooBig(f *phy.Frame, mtu int) bool {
	if f.Offload.GSOSize != 0 {
		return int(f.Offload.GSOSize)+leastHeaders(f) > mtu
	}
	n := f.Len() - wire.EthernetLen
	return n > mtu && n-wire.VLANTagsLen(f.Bytes()) > mtu // a VLAN tag is no part of the packet
}

// leastHeaders returns the octets of the IP and transport headers of a super-segment without options.
func leastHeaders(f *phy.Frame) int {
	n := wire.IPv4Len
	if at := wire.EthernetLen + wire.VLANTagsLen(f.Bytes()); at < len(f.Bytes()) && f.Bytes()[at]>>4 == 6 {
		n = wire.IPv6Len
	}
	if f.Offload.UDP {
		return n + wire.UDPLen
	}
	return n + wire.TCPLen
}

func (l *direction) drop(f *phy.Frame, why drop.Reason) {
	l.stats.Drops[why]++
	l.link.lab.world.noteDrop(f, l.receiver(), why, true)
	l.link.lab.world.recycle(f)
}

// receiver names the host at the far end of a switch's link, because a frame may be on several of them. It is empty otherwise.
func (l *direction) receiver() string {
	if to, ok := l.to.(*Port); ok && l.link.b == nil {
		return to.host.Name()
	}
	return ""
}

// arrive hands the frame to the port or switch at the far end.
func (l *direction) arrive(now clock.Instant, f *phy.Frame) {
	l.stats.InFlight--
	if why := l.link.refuses(f.Bytes()); why != drop.None {
		l.drop(f, why)
		return
	}
	l.stats.Delivered++
	l.to.arrive(now, f)
}
