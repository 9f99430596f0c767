package stack

import (
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

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
	for r := range h.stats.drops {
		d := &h.stats.drops[r]
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
	d := &h.stats.drops[r]
	d.tx++
	d.record(now, m, octets)
	h.raiseDrop(now, i, TX, m, octets, r)
}

// dropLate counts a packet that came by i some time ago and was held.
func (h *Host) dropLate(now clock.Instant, i *Iface, octets []byte, r drop.Reason) {
	d := &h.stats.drops[r]
	d.late++
	d.record(now, phy.MediumIP, octets)
	h.raiseDrop(now, i, RX, phy.MediumIP, octets, r)
}
