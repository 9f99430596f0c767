package stack

import (
	"reflect"
	"slices"
	"testing"

	"smolsh/phy"
	dissector "smolsh/stack/packet"
	"smolsh/stack/wire"
)

// sameReading compares the tables of package packet with the parsers of package wire on a frame that a host sends. Both
// must give the same values, and the tables must find no damage.
func sameReading(t testing.TB, f *phy.Frame, m phy.Medium) {
	b := f.Bytes()
	p := dissector.OfMedium(b, m)
	// Checksums are left to the device, or are those of a forwarded packet of a test, which has none.
	d := slices.DeleteFunc(p.Damage(), func(d dissector.Damage) bool { return d.Field != nil && d.Field.Compute == dissector.Checksum })
	if len(d) > 0 {
		t.Errorf("the host sent a packet in which layer %d has damage: %s\n%s", d[0].Layer, d[0].Text, p.Show())
		return
	}
	parsed := dissect(b, m)
	same := func(proto *dissector.Protocol, field string, want any) {
		l, ok := p.Layer(proto)
		if got := l.Value(proto.Field(field)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s.%s is %v by its table, and %v by package wire\n%s", proto.Name, field, got, want, p.Show())
		}
	}
	n := func(proto *dissector.Protocol, field string, want int) { same(proto, field, uint64(want)) }
	if parsed.HasEthernet {
		same(dissector.Ether, "src", parsed.Ethernet.Src)
		same(dissector.Ether, "dst", parsed.Ethernet.Dst)
		n(dissector.Ether, "type", int(parsed.EtherType))
	}
	if a, err := wire.ParseARP(parsed.Network); parsed.EtherType == wire.EtherTypeARP && err == nil {
		n(dissector.ARP, "op", int(a.Op))
		same(dissector.ARP, "hwsrc", a.SenderHW)
		same(dissector.ARP, "psrc", a.SenderIP)
		same(dissector.ARP, "hwdst", a.TargetHW)
		same(dissector.ARP, "pdst", a.TargetIP)
	}
	if parsed.IPVersion == 4 {
		sameIPv4(&parsed, same, n)
	}
}

// sameIPv4 makes the comparison of sameReading for an IPv4 packet.
func sameIPv4(d *dissected, same func(*dissector.Protocol, string, any), n func(*dissector.Protocol, string, int)) {
	ip := &d.IPv4
	same(dissector.IP, "src", ip.Src)
	same(dissector.IP, "dst", ip.Dst)
	same(dissector.IP, "df", ip.DontFragment)
	same(dissector.IP, "mf", ip.MoreFragments)
	n(dissector.IP, "ttl", int(ip.TTL))
	n(dissector.IP, "tos", int(ip.TOS))
	n(dissector.IP, "id", int(ip.ID))
	n(dissector.IP, "frag", ip.FragmentOffset)
	n(dissector.IP, "proto", int(ip.Protocol))
	n(dissector.IP, "len", ip.HeaderLen+ip.PayloadLen)
	if d.FragmentOffset > 0 {
		return
	}
	if h, _, ok := d.TCP(); ok {
		sameTCP(&h, same, n)
	}
	if _, length, ok := d.UDP(); ok && !d.MoreFragments {
		n(dissector.UDP, "len", length+wire.UDPLen)
	}
	if h, _, err := wire.ParseICMP(d.Payload, false); err == nil && d.Protocol == wire.ProtocolICMP {
		n(dissector.ICMP, "type", int(h.Type))
		n(dissector.ICMP, "code", int(h.Code))
		switch h.Type {
		case wire.ICMPEchoRequest, wire.ICMPEchoReply:
			n(dissector.ICMP, "id", int(h.ID))
			n(dissector.ICMP, "seq", int(h.Seq))
		case wire.ICMPRedirect:
			same(dissector.ICMP, "gw", h.Gateway)
		case wire.ICMPParameterProblem:
			n(dissector.ICMP, "ptr", int(h.Pointer))
		}
	}
	if h, err := wire.ParseIGMP(d.Payload); err == nil && d.Protocol == wire.ProtocolIGMP {
		n(dissector.IGMP, "type", int(h.Type))
		n(dissector.IGMP, "mrcode", int(h.MaxResp))
		same(dissector.IGMP, "gaddr", h.Group)
	}
}

// sameTCP makes the comparison of sameReading for a segment.
func sameTCP(h *wire.TCP, same func(*dissector.Protocol, string, any), n func(*dissector.Protocol, string, int)) {
	n(dissector.TCP, "sport", int(h.SrcPort))
	n(dissector.TCP, "dport", int(h.DstPort))
	n(dissector.TCP, "seq", int(uint32(h.Seq)))
	n(dissector.TCP, "ack", int(uint32(h.Ack)))
	n(dissector.TCP, "window", int(h.Window))
	n(dissector.TCP, "urgptr", int(h.Urgent))
	letters := ""
	for i, c := range "FSRPAUEC" {
		if h.Flags.Has(1 << i) {
			letters += string(c)
		}
	}
	same(dissector.TCP, "flags", letters)
	o := &h.Options
	option := func(name string, has bool, v int) {
		if has {
			n(dissector.TCP, name, v)
		} else {
			same(dissector.TCP, name, nil)
		}
	}
	option("mss", o.MSS != 0, int(o.MSS))
	option("wscale", o.HasWindowScale, int(o.WindowScale))
	option("tsval", o.HasTimestamps, int(o.TSVal))
	option("tsecr", o.HasTimestamps, int(o.TSEcr))
	same(dissector.TCP, "sack_ok", o.SACKPermitted)
	var blocks []dissector.SequenceRange
	for _, r := range o.SACK[:o.NumSACK] {
		blocks = append(blocks, dissector.SequenceRange{Left: uint32(r.Left), Right: uint32(r.Right)})
	}
	same(dissector.TCP, "sack", blocks)
}
