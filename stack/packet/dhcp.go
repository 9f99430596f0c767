package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gopacket/gopacket/layers"

	"smolsh/stack/wire"
)

// dhcpCookie precedes the options (RFC 2131 §3).
const dhcpCookie = 0x63825363

// dhcpFixed is the length of a message's fields before the cookie, in octets.
const dhcpFixed = 236

// DHCP is a message of DHCP for IPv4, or of BOOTP.
var DHCP = define(Protocol{
	Name: "DHCP", Doc: "Dynamic Host Configuration Protocol (RFC 2131 §2)",
	On: []Place{{UDPPorts, 67}, {UDPPorts, 68}},
	Fields: []Field{
		{Name: "op", Bits: 8, Default: uint64(1), Names: named(map[uint64]string{1: "request", 2: "reply"}), Doc: "1 from a client, 2 from a server"},
		{Name: "htype", Bits: 8, Default: uint64(1), Names: hardwareName, Doc: "the type of hardware"},
		{Name: "hlen", Bits: 8, Default: uint64(6), Unit: "octets", Doc: "the length of the client's hardware address"},
		{Name: "hops", Bits: 8, Doc: "relay agents passed"},
		{Name: "xid", Bits: 32, Hex: true, Compute: Host, Doc: "the transaction identifier"},
		{Name: "secs", Bits: 16, Unit: "s", Doc: "seconds since the client began"},
		{Name: "flags", Bits: 16, Kind: Letters, Letters: append(make([]string, 15), "B"), Doc: "B: the client asks for broadcasts"},
		{Name: "ciaddr", Bits: 32, Kind: Addr, Doc: "the client's address, which it has"},
		{Name: "yiaddr", Bits: 32, Kind: Addr, Doc: "the address that the server assigns"},
		{Name: "siaddr", Bits: 32, Kind: Addr, Doc: "the next server"},
		{Name: "giaddr", Bits: 32, Kind: Addr, Doc: "the relay agent"},
		{Name: "chaddr", Bits: 128, Kind: Other, Read: readHardware, Write: writeHardware, Compute: Host, Doc: "the client's hardware address"},
		{Name: "sname", Bits: 512, Kind: Text, Doc: "the server's name, or options (RFC 2132 §9.3)"},
		{Name: "file", Bits: 1024, Kind: Text, Doc: "the boot file's name, or options (RFC 2132 §9.3)"},
		{Name: "cookie", Bits: 32, Hex: true, When: hasCookie, Sent: always, Default: uint64(dhcpCookie), Doc: "the magic cookie, which begins the options"},
		{Name: "option_octets", Kind: Octets, Size: rest, Doc: "the octets of the options", Read: func(l Layer, b []byte) (any, string) {
			_, damage := dhcpOptions(l)
			return b, damage
		}},
		{Name: "options", Kind: Other, Doc: "the options by code, with those of sname and file; parts of one option are joined (RFC 3396)", Write: writeDHCPOptions, canonical: canonicalDHCPOptions, Read: func(l Layer, _ []byte) (any, string) {
			options, _ := dhcpOptions(l)
			return options, ""
		}},
		{Name: "message", Kind: Text, Doc: `the message's type, such as "Discover"; "" without option 53`, Read: func(l Layer, _ []byte) (any, string) {
			return dhcpMessage(l), ""
		}},
	},
	prepare:  prepareDHCP,
	describe: describeDHCP,
})

// hasCookie reports whether DHCP's cookie follows the fixed fields. In a BOOTP message other octets may follow.
func hasCookie(l Layer) bool {
	b := l.octets()
	return len(b) >= dhcpFixed+4 && binary.BigEndian.Uint32(b[dhcpFixed:]) == dhcpCookie
}

// readHardware reads the client's hardware address, which has hlen octets.
func readHardware(l Layer, b []byte) (any, string) {
	n, _ := l.num("hlen")
	if n > uint64(len(b)) {
		return b, fmt.Sprintf("an address of %d octets in %d", n, len(b))
	}
	return arpHardware(l, b[:n])
}

// Options that affect how other options are read (RFC 2132 §3.1, §3.2, §9.3, §9.6).
const (
	dhcpPad      = 0
	dhcpEnd      = 255
	dhcpOverload = 52
	dhcpType     = 53
)

// dhcpOptions reads a message's options: first those after the cookie, then those in file and in sname, if option 52
// says so. The parts of an option that occurs more than once are joined in this order (RFC 3396 §5 to §7).
func dhcpOptions(l Layer) (options OptionMap, damage string) {
	options = OptionMap{}
	if !hasCookie(l) {
		return options, ""
	}
	from, to := l.Span(l.Protocol.Field("option_octets"))
	known := l.known()
	damage = options.read(l.packet.Octets[min(from, known):min(to, known)], l.complete())
	over := options.get(dhcpOverload)
	if len(over) != 1 {
		return options, damage
	}
	for _, x := range []struct {
		bit   byte
		field string
	}{{1, "file"}, {2, "sname"}} {
		if over[0]&x.bit == 0 {
			continue
		}
		from, to := l.Span(l.Protocol.Field(x.field))
		if to > known {
			continue
		}
		if text := options.read(l.packet.Octets[from:to], true); damage == "" && text != "" {
			damage = x.field + ": " + text
		}
	}
	return options, damage
}

// read reads options up to the end option. The argument whole is true if the capture has not cut off any octets.
func (m *OptionMap) read(b []byte, whole bool) (damage string) {
	for len(b) > 0 {
		code := int(b[0])
		switch code {
		case dhcpPad:
			b = b[1:]
			continue
		case dhcpEnd:
			return ""
		}
		if len(b) < 2 || int(b[1]) > len(b)-2 {
			if !whole {
				return ""
			}
			if len(b) < 2 {
				return fmt.Sprintf("option %d has no length", code)
			}
			return cutOption(code, int(b[1]), len(b)-2)
		}
		n := 2 + int(b[1])
		m.add(code, b[2:n])
		b = b[n:]
	}
	return ""
}

// add appends a part to the option with a code.
func (m *OptionMap) add(code int, data []byte) {
	for i := range *m {
		if o := &(*m)[i]; o.Code == code {
			if !o.joined {
				o.Data, o.joined = slices.Clone(o.Data), true
			}
			o.Data = append(o.Data, data...)
			return
		}
	}
	*m = append(*m, CodeValue{Code: code, Data: data})
}

// get returns the value of an option, nil if the message does not have it.
func (m OptionMap) get(code int) []byte {
	for _, o := range m {
		if o.Code == code {
			return o.Data
		}
	}
	return nil
}

// dhcpMessage returns the type of a message, such as "Discover"; "" without option 53.
func dhcpMessage(l Layer) string {
	options, _ := dhcpOptions(l)
	if t := options.get(dhcpType); len(t) == 1 {
		return layers.DHCPMsgType(t[0]).String()
	}
	return ""
}

// dhcpText describes a DHCP message of length octets: "BOOTP/DHCP, Request from 02:00:00:00:00:01, length 244, discover",
// "BOOTP/DHCP, Reply, length 250, ack 10.0.0.5 for 1h0m0s to 02:…".
func dhcpText(l Layer, length int) string {
	client := hardwareText(l.Value(l.Protocol.Field("chaddr")))
	reply := l.is("op", 2)
	text := fmt.Sprintf("BOOTP/DHCP, Request from %s, length %d", client, length)
	if reply {
		text = fmt.Sprintf("BOOTP/DHCP, Reply, length %d", length)
	}
	kind := strings.ToLower(dhcpMessage(l))
	options, damage := dhcpOptions(l)
	if v := options.get(50); len(v) == 4 {
		kind += " of " + addr4(v).String()
	}
	if v, _ := l.num("yiaddr"); reply && v != 0 {
		kind += fmt.Sprint(" ", l.Value(l.Protocol.Field("yiaddr")))
	}
	if v := options.get(51); len(v) == 4 {
		kind += fmt.Sprintf(" for %v", time.Duration(binary.BigEndian.Uint32(v))*time.Second)
	}
	if reply {
		kind += " to " + client
	}
	if kind = strings.TrimPrefix(kind, " "); kind != "" {
		text += ", " + kind
	}
	if damage != "" {
		text += " [bad option]"
	}
	return text
}

// hardwareText formats a hardware address of any length.
func hardwareText(v any) string {
	switch v := v.(type) {
	case wire.HardwareAddr:
		return v.String()
	case []byte:
		return strings.ReplaceAll(fmt.Sprintf("% x", v), " ", ":")
	}
	return "?"
}
