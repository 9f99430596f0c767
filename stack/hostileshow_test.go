package stack

import (
	"fmt"
	"strings"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// describe returns a description of the headers of a frame that can be parsed, followed by the frame's octets.
func describe(i *Iface, f *phy.Frame) string {
	b := f.Bytes()
	words := "frame"
	if i.caps.Medium == phy.MediumEthernet {
		eth, rest, err := wire.ParseEthernet(b)
		switch {
		case err != nil:
			words = err.Error()
		case eth.Type == wire.EtherTypeARP:
			words = describeARP(rest)
		case eth.Type == wire.EtherTypeIPv4:
			words = describeIP(rest)
		}
	} else {
		words = describeIP(b)
	}
	if f.Offload.GSOSize > 0 {
		words += fmt.Sprintf(", in segments of %d", f.Offload.GSOSize)
	}
	if !f.Offload.CsumValid && !f.Offload.NeedsCsum {
		words += ", checksum on the wire"
	}
	return fmt.Sprintf("%s  %x", words, b)
}

func describeARP(b []byte) string {
	a, err := wire.ParseARP(b)
	switch {
	case err != nil:
		return "arp " + err.Error()
	case a.Op == wire.ARPRequest:
		return fmt.Sprintf("arp who has %v tell %v at %v", a.TargetIP, a.SenderIP, a.SenderHW)
	}
	return fmt.Sprintf("arp %v is at %v", a.SenderIP, a.SenderHW)
}

func describeIP(b []byte) string {
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return "ip " + err.Error()
	}
	head := fmt.Sprintf("%v > %v %v", ip.Src, ip.Dst, ip.Protocol)
	if ip.IsFragment() {
		return fmt.Sprintf("%s fragment of datagram %d from %d, %d octets, more %v", head, ip.ID, ip.FragmentOffset, len(payload), ip.MoreFragments)
	}
	switch ip.Protocol {
	case wire.ProtocolTCP:
		return head + " " + describeTCP(payload)
	case wire.ProtocolUDP:
		if u, data, err := wire.ParseUDP(payload, ip.Src, ip.Dst, false); err == nil {
			return fmt.Sprintf("%s %d > %d, %d octets", head, u.SrcPort, u.DstPort, len(data))
		}
	case wire.ProtocolICMP:
		if m, data, err := wire.ParseICMP(payload, false); err == nil {
			return fmt.Sprintf("%s %v, mtu %d, %d octets", head, &m, m.MTU, len(data))
		}
	case wire.ProtocolIGMP:
		if m, err := wire.ParseIGMP(payload); err == nil {
			return head + " " + m.String()
		}
	}
	return fmt.Sprintf("%s %d octets", head, len(payload))
}

func describeTCP(b []byte) string {
	s, text, err := wire.ParseTCP(b)
	if err != nil {
		return err.Error()
	}
	var o strings.Builder
	if s.Options.MSS > 0 {
		fmt.Fprintf(&o, " mss %d", s.Options.MSS)
	}
	if s.Options.HasWindowScale {
		fmt.Fprintf(&o, " scale %d", s.Options.WindowScale)
	}
	if s.Options.SACKPermitted {
		o.WriteString(" sackOK")
	}
	if s.Options.HasTimestamps {
		fmt.Fprintf(&o, " stamps %d %d", s.Options.TSVal, s.Options.TSEcr)
	}
	for _, k := range s.Options.SACK[:s.Options.NumSACK] {
		fmt.Fprintf(&o, " sack %d-%d", k.Left, k.Right)
	}
	return fmt.Sprintf("%d > %d [%v] seq %d ack %d window %d, %d octets%s", s.SrcPort, s.DstPort, s.Flags, s.Seq, s.Ack, s.Window, len(text), o.String())
}
