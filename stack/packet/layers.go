package packet

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// A Layer is one header of a packet: its name, and its fields in the order in which they were read.
type Layer struct {
	Name   string
	Fields []Field
}

// A Field is one value of a layer. Value is nil where the header has no such option, and otherwise a bool,
// int, string, netip.Addr, Quoted, SequenceRange, Layer, Options, or a []any of these.
type Field struct {
	Name  string
	Value any
}

// Quoted holds the octets of the IP packet that an ICMP error quotes. They are part of the frame.
type Quoted []byte

// A SequenceRange is a block of a TCP SACK option (RFC 2018): Left is the block's first sequence number, Right
// the one after its last.
type SequenceRange struct{ Left, Right uint32 }

// Options are a DHCP message's options in the order of the message.
type Options []Option

// An Option is one option of a DHCP message: its code, and the octets of its value, part of the frame.
type Option struct {
	Code int
	Data []byte
}

// layerReaders has a reader for every layer; a reader returns nil where the packet has no such layer.
var layerReaders = map[string]func(d *Dissected) []Field{
	"eth": ethFields, "vlan": vlanFields, "arp": arpFields, "ip": ipFields, "ip6": ip6Fields, "icmp": icmpFields, "icmp6": icmp6Fields,
	"tcp": tcpFields, "udp": udpFields, "dns": dnsFields, "dhcp": dhcpFields,
}

// LayerNames returns the names of all layers, the outermost first.
func LayerNames() []string {
	return []string{"eth", "vlan", "arp", "ip", "ip6", "icmp", "icmp6", "udp", "tcp", "dns", "dhcp"}
}

// IsLayer reports whether a packet may have a layer of that name.
func IsLayer(name string) bool { return layerReaders[name] != nil }

// Layer reads the layer of a name; ok is false where the packet has no such layer, or the name is no layer's.
func (d *Dissected) Layer(name string) (l Layer, ok bool) {
	read := layerReaders[name]
	if read == nil {
		return l, false
	}
	l = Layer{name, read(d)}
	return l, l.Fields != nil
}

func ethFields(d *Dissected) []Field {
	if !d.HasEthernet {
		return nil
	}
	return []Field{{"dst", d.Ethernet.Dst.String()}, {"src", d.Ethernet.Src.String()}, {"type", int(d.Ethernet.Type)}}
}

// vlanFields reads the outermost tag; ids has the VLANs of all tags.
func vlanFields(d *Dissected) []Field {
	if len(d.VLANs) == 0 {
		return nil
	}
	ids := make([]any, len(d.VLANs))
	for i, t := range d.VLANs {
		ids[i] = int(t & 0xfff)
	}
	return []Field{{"id", ids[0]}, {"prio", int(d.VLANs[0] >> 13)}, {"ids", ids}, {"type", int(d.EtherType)}}
}

func arpFields(d *Dissected) []Field {
	a, err := wire.ParseARP(d.Network)
	if d.EtherType != wire.EtherTypeARP || err != nil {
		return nil
	}
	return []Field{{"op", int(a.Op)}, {"hwsrc", a.SenderHW.String()}, {"psrc", a.SenderIP}, {"hwdst", a.TargetHW.String()}, {"pdst", a.TargetIP}}
}

func ipFields(d *Dissected) []Field {
	if d.IPVersion != 4 {
		return nil
	}
	h := &d.IPv4
	return []Field{
		{"src", h.Src}, {"dst", h.Dst}, {"ttl", int(h.TTL)}, {"proto", int(h.Protocol)},
		{"id", int(h.ID)}, {"tos", int(h.TOS)}, {"df", h.DontFragment}, {"mf", h.MoreFragments},
		{"frag", h.FragmentOffset}, {"len", h.HeaderLen + h.PayloadLen},
	}
}

func ip6Fields(d *Dissected) []Field {
	if d.IPVersion != 6 {
		return nil
	}
	h := &d.IPv6
	return []Field{
		{"src", h.Src}, {"dst", h.Dst}, {"hlim", int(h.HopLimit)}, {"nh", int(h.NextHeader)}, {"proto", int(d.Protocol)},
		{"plen", h.PayloadLen}, {"tc", int(h.TrafficClass)}, {"fl", int(h.FlowLabel)}, {"frag", d.FragmentOffset},
	}
}

func icmpFields(d *Dissected) []Field {
	if d.IPVersion != 4 || d.Protocol != wire.ProtocolICMP || d.FragmentOffset > 0 {
		return nil
	}
	h, data, err := wire.ParseICMP(d.Payload, false)
	if err != nil {
		return nil
	}
	return []Field{
		{"type", int(h.Type)}, {"code", int(h.Code)}, {"id", int(h.ID)}, {"seq", int(h.Seq)},
		{"mtu", int(h.MTU)}, {"quoted", quoted(h.IsError(), data)},
	}
}

func icmp6Fields(d *Dissected) []Field {
	if d.IPVersion != 6 || d.Protocol != wire.ProtocolICMPv6 || d.FragmentOffset > 0 || len(d.Payload) < ICMPHeaderLen {
		return nil
	}
	b := d.Payload
	id, seq, mtu := 0, 0, 0
	switch b[0] {
	case icmp6EchoRequest, icmp6EchoReply:
		id, seq = int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	case icmp6TooBig:
		mtu = int(binary.BigEndian.Uint32(b[4:]))
	}
	return []Field{{"type", int(b[0])}, {"code", int(b[1])}, {"id", id}, {"seq", seq}, {"mtu", mtu}, {"quoted", quoted(b[0] < 128, b[8:])}}
}

// quoted is the packet that an ICMP error quotes, nil where the message is no error or quotes no IP header.
func quoted(isError bool, b []byte) any {
	if !isError {
		return nil
	}
	if d := Dissect(b, phy.MediumIP); d.IPVersion == 0 {
		return nil
	}
	return Quoted(b)
}

func tcpFields(d *Dissected) []Field {
	h, _, ok := d.TCP()
	if !ok {
		return nil
	}
	o := &h.Options
	var mss, wscale, tsval, tsecr any
	if o.MSS != 0 {
		mss = int(o.MSS)
	}
	if o.HasWindowScale {
		wscale = int(o.WindowScale)
	}
	if o.HasTimestamps {
		tsval, tsecr = int(o.TSVal), int(o.TSEcr)
	}
	sack := []any{}
	for _, r := range o.SACK[:o.NumSACK] {
		sack = append(sack, SequenceRange{uint32(r.Left), uint32(r.Right)})
	}
	return []Field{
		{"sport", int(h.SrcPort)}, {"dport", int(h.DstPort)}, {"seq", int(uint32(h.Seq))}, {"ack", int(uint32(h.Ack))},
		{"flags", scapyFlags(h.Flags)}, {"window", int(h.Window)}, {"urgptr", int(h.Urgent)},
		{"mss", mss}, {"wscale", wscale}, {"sack_ok", o.SACKPermitted}, {"tsval", tsval}, {"tsecr", tsecr}, {"sack", sack},
	}
}

// scapyFlags writes TCP's flags as Scapy does: "SA", "PA", "F".
func scapyFlags(f wire.Flags) string {
	s := ""
	for i, c := range "FSRPAUEC" {
		if f.Has(1 << i) {
			s += string(c)
		}
	}
	return s
}

func udpFields(d *Dissected) []Field {
	src, dst, _ := d.Ports()
	_, n, ok := d.UDP()
	if !ok {
		return nil
	}
	return []Field{{"sport", int(src)}, {"dport", int(dst)}, {"len", n + wire.UDPLen}}
}

func dnsFields(d *Dissected) []Field {
	m, ok := d.DNS()
	if !ok {
		return nil
	}
	questions, answers := []any{}, []any{}
	for _, q := range m.Questions {
		questions = append(questions, Layer{"question", []Field{{"name", Printable(q.Name)}, {"type", q.Type.String()}}})
	}
	for _, a := range m.Answers {
		answers = append(answers, Layer{"answer", []Field{{"name", Printable(a.Name)}, {"type", a.Type.String()}, {"ttl", int(a.TTL)}, {"data", recordText(&a)}}})
	}
	return []Field{
		{"id", int(m.ID)}, {"qr", m.QR}, {"aa", m.AA}, {"tc", m.TC}, {"rd", m.RD}, {"ra", m.RA},
		{"rcode", int(m.ResponseCode)}, {"questions", questions}, {"answers", answers},
	}
}

func dhcpFields(d *Dissected) []Field {
	m, ok := d.DHCP()
	if !ok {
		return nil
	}
	kind, options := "", Options{}
	for _, o := range m.Options {
		if o.Type == layers.DHCPOptMessageType && len(o.Data) == 1 {
			kind = layers.DHCPMsgType(o.Data[0]).String()
		}
		options = append(options, Option{int(o.Type), o.Data})
	}
	return []Field{
		{"op", int(m.Operation)}, {"message", kind}, {"xid", int(m.Xid)}, {"chaddr", m.ClientHWAddr.String()},
		{"ciaddr", m.ClientIP.String()}, {"yiaddr", m.YourClientIP.String()}, {"siaddr", m.NextServerIP.String()}, {"options", options},
	}
}

// Data returns the octets that the innermost known layer carries, as far as the frame has them; ok is false
// for a packet that is not of IP.
func (d *Dissected) Data() (data []byte, ok bool) {
	if d.IPVersion == 0 {
		return nil, false
	}
	if _, data, ok := d.TCP(); ok {
		return data, true
	}
	if data, _, ok := d.UDP(); ok {
		return data, true
	}
	isICMP := d.IPVersion == 4 && d.Protocol == wire.ProtocolICMP || d.IPVersion == 6 && d.Protocol == wire.ProtocolICMPv6
	if isICMP && d.FragmentOffset == 0 && len(d.Payload) >= ICMPHeaderLen {
		return d.Payload[ICMPHeaderLen:], true
	}
	return d.Payload, true
}
