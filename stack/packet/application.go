package packet

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The UDP ports whose datagrams are decoded.
const (
	portDNS  = 53
	portMDNS = 5353
	portDHCP = 67 // the server's; the client's is the next
)

// isDNS and isDHCP recognise a protocol by the datagram's ports.
func isDNS(src, dst uint16) bool {
	return src == portDNS || dst == portDNS || src == portMDNS || dst == portMDNS
}

func isDHCP(src, dst uint16) bool {
	return src == portDHCP || dst == portDHCP || src == portDHCP+1 || dst == portDHCP+1
}

// decoded is one of gopacket's layers.
type decoded interface {
	DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error
}

// decode reads a layer from octets of the wire. It returns an error if gopacket fails, and also if gopacket panics.
func decode(l decoded, data []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("undecodable")
		}
	}()
	return l.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
}

// DNS decodes the datagram's data as a DNS message if one of its ports is that of DNS or multicast DNS.
func (d *Dissected) DNS() (m layers.DNS, ok bool) {
	src, dst, _ := d.Ports()
	data, _, ok := d.UDP()
	ok = ok && isDNS(src, dst) && decode(&m, data) == nil
	return m, ok
}

// DHCP decodes the datagram's data as a DHCP message if one of its ports is that of DHCP.
func (d *Dissected) DHCP() (m layers.DHCPv4, ok bool) {
	src, dst, _ := d.Ports()
	data, _, ok := d.UDP()
	ok = ok && isDHCP(src, dst) && decode(&m, data) == nil
	return m, ok
}

// Printable converts text of the wire for a terminal: each rune that is not printable becomes a question mark.
func Printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, string(b))
}

// applicationText describes the data of a datagram, or returns "" if the protocol is unknown. The datagram has
// n octets; data may be only the first of them.
func applicationText(src, dst uint16, data []byte, n int) string {
	switch {
	case isDNS(src, dst):
		var m layers.DNS
		if decode(&m, data) == nil {
			return fmt.Sprintf("dns %s (%d)", dnsText(&m), n)
		}
	case isDHCP(src, dst):
		var m layers.DHCPv4
		if decode(&m, data) == nil {
			return fmt.Sprintf("dhcp %s (%d)", dhcpText(&m), n)
		}
	}
	return ""
}

// dnsText describes a DNS message as tcpdump does: "4711+ A? example.org.", "4711 2/0/0 A 192.0.2.1, A 192.0.2.2".
func dnsText(m *layers.DNS) string {
	var b strings.Builder
	fmt.Fprint(&b, m.ID)
	if m.OpCode != layers.DNSOpCodeQuery {
		fmt.Fprintf(&b, " %s", strings.ToLower(m.OpCode.String()))
	}
	for _, f := range []struct {
		set  bool
		mark string
	}{{!m.QR && m.RD, "+"}, {m.QR && m.AA, "*"}, {m.QR && !m.RA, "-"}, {m.TC, "|"}} {
		if f.set {
			b.WriteString(f.mark)
		}
	}
	if m.QR && m.ResponseCode != layers.DNSResponseCodeNoErr {
		fmt.Fprintf(&b, " %s", strings.ToLower(m.ResponseCode.String()))
	}
	if m.QR {
		fmt.Fprintf(&b, " %d/%d/%d", m.ANCount, m.NSCount, m.ARCount)
	}
	for i, q := range m.Questions {
		if m.QR && len(m.Answers) > 0 || i == maxRecords {
			break
		}
		fmt.Fprintf(&b, " %v? %s.", q.Type, Printable(q.Name))
	}
	for i, a := range m.Answers {
		if i == maxRecords {
			fmt.Fprintf(&b, ", … %d more", len(m.Answers)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %v %s", a.Type, recordText(&a))
	}
	return b.String()
}

// maxRecords is how many questions or answers one line has at most.
const maxRecords = 4

// recordText describes the data of a DNS record, without the record's type.
func recordText(r *layers.DNSResourceRecord) string {
	switch r.Type {
	case layers.DNSTypeMX:
		return fmt.Sprintf("%s. %d", Printable(r.MX.Name), r.MX.Preference)
	case layers.DNSTypeSRV:
		return fmt.Sprintf("%s.:%d %d %d", Printable(r.SRV.Name), r.SRV.Port, r.SRV.Priority, r.SRV.Weight)
	case layers.DNSTypeCNAME:
		return Printable(r.CNAME) + "."
	case layers.DNSTypeNS:
		return Printable(r.NS) + "."
	case layers.DNSTypePTR:
		return Printable(r.PTR) + "."
	case layers.DNSTypeSOA:
		return fmt.Sprintf("%s. serial %d", Printable(r.SOA.MName), r.SOA.Serial)
	case layers.DNSTypeTXT:
		var parts []string
		for _, t := range r.TXTs {
			parts = append(parts, fmt.Sprintf("%q", Printable(t)))
		}
		return strings.Join(parts, " ")
	case layers.DNSTypeA, layers.DNSTypeAAAA:
		return r.IP.String()
	}
	return fmt.Sprintf("%d octets", len(r.Data))
}

// dhcpText describes a DHCP message: "discover from 02:00:00:00:00:01", "ack 10.0.0.5 for 1h0m0s to 02:…".
func dhcpText(m *layers.DHCPv4) string {
	kind, lease, way := strings.ToLower(m.Operation.String()), "", "from"
	for _, o := range m.Options {
		switch {
		case o.Type == layers.DHCPOptMessageType && len(o.Data) == 1:
			kind = strings.ToLower(layers.DHCPMsgType(o.Data[0]).String())
		case o.Type == layers.DHCPOptLeaseTime && len(o.Data) == 4:
			seconds := uint32(o.Data[0])<<24 | uint32(o.Data[1])<<16 | uint32(o.Data[2])<<8 | uint32(o.Data[3])
			lease = fmt.Sprintf(" for %v", time.Duration(seconds)*time.Second)
		case o.Type == layers.DHCPOptRequestIP && len(o.Data) == 4:
			kind += fmt.Sprintf(" of %d.%d.%d.%d", o.Data[0], o.Data[1], o.Data[2], o.Data[3])
		}
	}
	if m.Operation == layers.DHCPOpReply {
		way = "to"
		if !m.YourClientIP.IsUnspecified() {
			kind += " " + m.YourClientIP.String()
		}
	}
	return fmt.Sprintf("%s%s %s %v", kind, lease, way, m.ClientHWAddr)
}

// otherText names the innermost layer that gopacket recognises in a frame that Dissect does not know; "" for none.
func otherText(b []byte, first gopacket.LayerType) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	p := gopacket.NewPacket(b, first, gopacket.DecodeOptions{NoCopy: true})
	for _, l := range p.Layers() {
		switch l.LayerType() {
		case gopacket.LayerTypePayload, gopacket.LayerTypeFragment, gopacket.LayerTypeDecodeFailure, gopacket.LayerTypeZero,
			layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeIPv4, layers.LayerTypeIPv6:
		default:
			name = strings.ToLower(l.LayerType().String())
		}
	}
	return name
}
