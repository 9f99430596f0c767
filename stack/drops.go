package stack

import (
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// exampleLen is the number of octets of a dropped frame that are kept as an example.
const exampleLen = 128

// dropRecord counts the drops of one reason and keeps the head of the last dropped frame.
type dropRecord struct {
	rx, tx   uint64
	answered uint64 // packets that arrived and were answered with an error; their verdict is Answered
	late     uint64 // packets that were dropped later than they arrived, such as fragments
	last     clock.Instant
	medium   phy.Medium
	n        uint8
	example  [exampleLen]byte
}

// DropInfo describes the drops of one reason, of arriving frames and of frames to be sent. An arriving packet that the host
// answered with an error instead of delivering or forwarding it is one of them.
type DropInfo struct {
	Reason  drop.Reason
	Count   uint64        // drops of both directions
	Sending uint64        // drops of frames to be sent
	Last    clock.Instant // time of the last drop
	Example []byte        // first octets of the last dropped frame, at most 128
	Medium  phy.Medium    // medium, which determines the header that Example starts with
}

// DropInfos returns the drops of every reason that has occurred, in the catalogue's order.
func (h *Host) DropInfos() []DropInfo {
	var infos []DropInfo
	for r := range h.stats.drops {
		d := &h.stats.drops[r]
		count := d.rx + d.tx + d.answered + d.late
		if count == 0 {
			continue
		}
		infos = append(infos, DropInfo{
			Reason: drop.Reason(r), Count: count, Sending: d.tx, Last: d.last,
			Example: slices.Clone(d.example[:d.n]), Medium: d.medium,
		})
	}
	return infos
}

func (d *dropRecord) record(now clock.Instant, m phy.Medium, octets []byte) {
	d.last, d.medium = now, m
	d.n = uint8(copy(d.example[:], octets))
}

// dropTX counts a packet that the host drops instead of sending it. i is nil if no interface was chosen yet. octets is
// the packet, starting with the header of the medium m.
func (h *Host) dropTX(now clock.Instant, i *Iface, m phy.Medium, octets []byte, r drop.Reason) {
	d := &h.stats.drops[r]
	d.tx++
	d.record(now, m, octets)
	h.raiseDrop(now, i, TX, m, octets, r)
}

// dropLate counts the drop of a packet that had arrived on i and was held, such as a fragment.
func (h *Host) dropLate(now clock.Instant, i *Iface, octets []byte, r drop.Reason) {
	d := &h.stats.drops[r]
	d.late++
	d.record(now, phy.MediumIP, octets)
	h.raiseDrop(now, i, RX, phy.MediumIP, octets, r)
}
