package packet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"smolsh/stack/wire"
)

// tcp describes a segment.
func (q *Sequences) tcp(p *Packet, l Layer, from, to netip.AddrPort) string {
	n := l.PayloadLen()
	bits, _ := l.num("flags")
	flags := wire.Flags(bits)
	rawSeq, _ := l.num("seq")
	rawAck, _ := l.num("ack")
	seq, ack := uint32(rawSeq), uint32(rawAck)
	if q != nil && !q.Absolute {
		seq, ack = q.relative(flowKey{from, to}, flags, wire.Seq(seq), wire.Seq(ack))
	}
	window, _ := l.num("window")
	var b strings.Builder
	fmt.Fprintf(&b, "Flags [%v]", flags)
	if n > 0 || flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		fmt.Fprintf(&b, ", seq %d", seq)
	}
	if n > 0 {
		fmt.Fprintf(&b, ":%d", seq+uint32(n))
	}
	if flags.Has(wire.ACK) {
		fmt.Fprintf(&b, ", ack %d", ack)
	}
	fmt.Fprintf(&b, ", win %d", window)
	if flags.Has(wire.URG) {
		urgent, _ := l.num("urgptr")
		fmt.Fprintf(&b, ", urg %d", urgent)
	}
	words, _ := l.num("dataofs")
	if header := int(words) * 4; l.stop || header > l.end-l.begin {
		fmt.Fprintf(&b, " [bad hdr length %d]", header)
		return b.String()
	}
	v, damage := l.read(l.Protocol.Field("options"))
	list, _ := v.([]Option)
	options := optionText(list, flags.Has(wire.SYN), ack-uint32(rawAck))
	if damage != "" && l.body <= len(l.packet.Octets) {
		options = append(options, "[bad opt]")
	}
	if l.body > len(l.packet.Octets) { // the capture has cut some of them off
		options = append(options, "[|tcp]")
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, ", options [%s]", strings.Join(options, ","))
	}
	fmt.Fprintf(&b, ", length %d", n)
	if l.index+1 < len(p.Layers) && p.Layers[l.index+1].Protocol == DNS {
		message, _ := p.Layers[l.index+1].num("length")
		fmt.Fprintf(&b, " %s (%d)", dnsText(p.Layers[l.index+1]), message)
	}
	return b.String()
}

// optionText describes a segment's options in their order. It omits padding. It includes timestamps only for a SYN,
// because every later segment of the connection has them. It adds shift to the sequence numbers of SACK blocks, to
// print them relative.
func optionText(list []Option, syn bool, shift uint32) (parts []string) {
	for _, o := range list {
		text := o.Name
		switch v := o.Value.(type) {
		case uint64:
			text = fmt.Sprintf("%s %d", o.Name, v)
		case [2]uint64:
			if text = fmt.Sprintf("TS val %d ecr %d", v[0], v[1]); !syn {
				continue
			}
		case []SequenceRange:
			text = fmt.Sprintf("sack %d ", len(v))
			for _, r := range v {
				text += fmt.Sprintf("{%d:%d}", r.Left+shift, r.Right+shift)
			}
		case []byte:
			if text == "" {
				text = fmt.Sprintf("unknown-%d", o.Kind)
			}
			if len(v) > 0 {
				text += fmt.Sprintf(" 0x%x", v)
			}
		default:
			if o.Kind <= 1 { // padding
				continue
			}
		}
		if text == "sackok" {
			text = "sackOK"
		}
		parts = append(parts, text)
	}
	return slices.Clip(parts)
}
