package script

import (
	"encoding/binary"
	"fmt"

	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// packetViews are the layers of a packet, each a read-only view that is made when it is asked for; nil where
// the packet has none.
var packetViews = map[string]func(p *packetValue, d *Dissected) starlark.Value{
	"eth": viewEth, "vlan": viewVLAN, "arp": viewARP, "ip": viewIP, "ip6": viewIP6, "icmp": viewICMP, "icmp6": viewICMP6,
	"tcp": viewTCP, "udp": viewUDP, "dns": viewDNS, "dhcp": viewDHCP, "payload": viewPayload,
}

func layer(name string, fields starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String(name), fields)
}

func viewEth(_ *packetValue, d *Dissected) starlark.Value {
	if !d.HasEthernet {
		return nil
	}
	return layer("eth", starlark.StringDict{
		"dst": starlark.String(d.Ethernet.Dst.String()), "src": starlark.String(d.Ethernet.Src.String()), "type": num(int(d.Ethernet.Type)),
	})
}

// viewVLAN is the outermost tag.
func viewVLAN(_ *packetValue, d *Dissected) starlark.Value {
	if len(d.VLANs) == 0 {
		return nil
	}
	ids := make([]starlark.Value, len(d.VLANs))
	for i, t := range d.VLANs {
		ids[i] = num(int(t & 0xfff))
	}
	return layer("vlan", starlark.StringDict{
		"id": ids[0], "prio": num(int(d.VLANs[0] >> 13)), "ids": starlark.NewList(ids), "type": num(int(d.EtherType)),
	})
}

func viewARP(_ *packetValue, d *Dissected) starlark.Value {
	a, err := wire.ParseARP(d.Network)
	if d.EtherType != wire.EtherTypeARP || err != nil {
		return nil
	}
	return layer("arp", starlark.StringDict{
		"op": num(int(a.Op)), "hwsrc": starlark.String(a.SenderHW.String()), "psrc": address(a.SenderIP),
		"hwdst": starlark.String(a.TargetHW.String()), "pdst": address(a.TargetIP),
	})
}

func viewIP(_ *packetValue, d *Dissected) starlark.Value {
	if d.IPVersion != 4 {
		return nil
	}
	h := &d.IPv4
	return layer("ip", starlark.StringDict{
		"src": address(h.Src), "dst": address(h.Dst), "ttl": num(int(h.TTL)), "proto": num(int(h.Protocol)),
		"id": num(int(h.ID)), "tos": num(int(h.TOS)), "df": starlark.Bool(h.DontFragment), "mf": starlark.Bool(h.MoreFragments),
		"frag": num(h.FragmentOffset), "len": num(h.HeaderLen + h.PayloadLen),
	})
}

func viewIP6(_ *packetValue, d *Dissected) starlark.Value {
	if d.IPVersion != 6 {
		return nil
	}
	h := &d.IPv6
	return layer("ip6", starlark.StringDict{
		"src": address(h.Src), "dst": address(h.Dst), "hlim": num(int(h.HopLimit)), "nh": num(int(h.NextHeader)),
		"proto": num(int(d.Protocol)), "plen": num(h.PayloadLen), "tc": num(int(h.TrafficClass)), "fl": num(h.FlowLabel), "frag": num(d.FragmentOffset),
	})
}

func viewICMP(p *packetValue, d *Dissected) starlark.Value {
	if d.IPVersion != 4 || d.Protocol != wire.ProtocolICMP || d.FragmentOffset > 0 {
		return nil
	}
	h, data, err := wire.ParseICMP(d.Payload, false)
	if err != nil {
		return nil
	}
	return layer("icmp", starlark.StringDict{
		"type": num(int(h.Type)), "code": num(int(h.Code)), "id": num(int(h.ID)), "seq": num(int(h.Seq)),
		"mtu": num(int(h.MTU)), "quoted": p.quoted(h.IsError(), data),
	})
}

func viewICMP6(p *packetValue, d *Dissected) starlark.Value {
	if d.IPVersion != 6 || d.Protocol != wire.ProtocolICMPv6 || d.FragmentOffset > 0 || len(d.Payload) < ICMPHeaderLen {
		return nil
	}
	b := d.Payload
	fields := starlark.StringDict{"type": num(int(b[0])), "code": num(int(b[1])), "id": num(0), "seq": num(0), "mtu": num(0), "quoted": p.quoted(b[0] < 128, b[8:])}
	switch b[0] {
	case icmp6EchoRequest, icmp6EchoReply:
		fields["id"], fields["seq"] = num(int(binary.BigEndian.Uint16(b[4:]))), num(int(binary.BigEndian.Uint16(b[6:])))
	case icmp6TooBig:
		fields["mtu"] = num(binary.BigEndian.Uint32(b[4:]))
	}
	return layer("icmp6", fields)
}

// quoted is the packet that an ICMP error is about, a packet itself.
func (p *packetValue) quoted(isError bool, b []byte) starlark.Value {
	if d := Dissect(b, phy.MediumIP); !isError || d.IPVersion == 0 {
		return starlark.None
	}
	return newPacket(p.s, b, phy.MediumIP)
}

func viewTCP(_ *packetValue, d *Dissected) starlark.Value {
	h, _, ok := d.TCP()
	if !ok {
		return nil
	}
	o := &h.Options
	fields := starlark.StringDict{
		"sport": num(int(h.SrcPort)), "dport": num(int(h.DstPort)), "seq": num(uint32(h.Seq)), "ack": num(uint32(h.Ack)),
		"flags": starlark.String(scapyFlags(h.Flags)), "window": num(int(h.Window)), "urgptr": num(int(h.Urgent)),
		"mss": starlark.None, "wscale": starlark.None, "sack_ok": starlark.Bool(o.SACKPermitted), "tsval": starlark.None, "tsecr": starlark.None,
	}
	if o.MSS != 0 {
		fields["mss"] = num(int(o.MSS))
	}
	if o.HasWindowScale {
		fields["wscale"] = num(int(o.WindowScale))
	}
	if o.HasTimestamps {
		fields["tsval"], fields["tsecr"] = num(o.TSVal), num(o.TSEcr)
	}
	var sack []starlark.Value
	for _, r := range o.SACK[:o.NumSACK] {
		sack = append(sack, starlark.Tuple{num(uint32(r.Left)), num(uint32(r.Right))})
	}
	fields["sack"] = starlark.NewList(sack)
	return layer("tcp", fields)
}

func viewUDP(_ *packetValue, d *Dissected) starlark.Value {
	src, dst, _ := d.Ports()
	_, n, ok := d.UDP()
	if !ok {
		return nil
	}
	return layer("udp", starlark.StringDict{"sport": num(int(src)), "dport": num(int(dst)), "len": num(n + wire.UDPLen)})
}

// viewPayload is what the innermost layer that we know carries, as far as it is there.
func viewPayload(_ *packetValue, d *Dissected) starlark.Value {
	if d.IPVersion == 0 {
		return nil
	}
	if _, data, ok := d.TCP(); ok {
		return starlark.Bytes(data)
	}
	if data, _, ok := d.UDP(); ok {
		return starlark.Bytes(data)
	}
	isICMP := d.IPVersion == 4 && d.Protocol == wire.ProtocolICMP || d.IPVersion == 6 && d.Protocol == wire.ProtocolICMPv6
	if isICMP && d.FragmentOffset == 0 && len(d.Payload) >= ICMPHeaderLen {
		return starlark.Bytes(d.Payload[ICMPHeaderLen:])
	}
	return starlark.Bytes(d.Payload)
}

func viewDNS(_ *packetValue, d *Dissected) starlark.Value {
	m, ok := d.DNS()
	if !ok {
		return nil
	}
	var questions, answers []starlark.Value
	for _, q := range m.Questions {
		questions = append(questions, layer("question", starlark.StringDict{"name": starlark.String(Printable(q.Name)), "type": starlark.String(q.Type.String())}))
	}
	for _, a := range m.Answers {
		answers = append(answers, layer("answer", starlark.StringDict{"name": starlark.String(Printable(a.Name)), "type": starlark.String(a.Type.String()),
			"ttl": num(a.TTL), "data": starlark.String(recordText(&a))}))
	}
	return layer("dns", starlark.StringDict{
		"id": num(int(m.ID)), "qr": starlark.Bool(m.QR), "aa": starlark.Bool(m.AA), "tc": starlark.Bool(m.TC), "rd": starlark.Bool(m.RD), "ra": starlark.Bool(m.RA),
		"rcode": num(int(m.ResponseCode)), "questions": starlark.NewList(questions), "answers": starlark.NewList(answers),
	})
}

func viewDHCP(_ *packetValue, d *Dissected) starlark.Value {
	m, ok := d.DHCP()
	if !ok {
		return nil
	}
	kind, options := "", starlark.NewDict(len(m.Options))
	for _, o := range m.Options {
		if o.Type == layers.DHCPOptMessageType && len(o.Data) == 1 {
			kind = layers.DHCPMsgType(o.Data[0]).String()
		}
		options.SetKey(starlark.MakeInt(int(o.Type)), starlark.Bytes(o.Data))
	}
	options.Freeze()
	text := func(v fmt.Stringer) starlark.Value { return starlark.String(v.String()) }
	return layer("dhcp", starlark.StringDict{
		"op": num(int(m.Operation)), "message": starlark.String(kind), "xid": num(m.Xid), "chaddr": text(m.ClientHWAddr),
		"ciaddr": text(m.ClientIP), "yiaddr": text(m.YourClientIP), "siaddr": text(m.NextServerIP), "options": options,
	})
}
