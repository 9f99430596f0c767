package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// always is the condition of a field that every message has which is built.
func always(Layer) bool { return true }

// A dhcpForm is the form of the value of an option of DHCP.
type dhcpForm uint8

const (
	dhcpOctets dhcpForm = iota
	dhcpText8           // text
	dhcpAddress
	dhcpAddresses
	dhcpNumber8
	dhcpNumber16
	dhcpNumber32
	dhcpCodes // list of numbers below 256
	dhcpKind  // a message's type
)

// takes describes the values of a form.
func (f dhcpForm) takes() string {
	return [...]string{"octets", "text", "an IPv4 address", "a list of IPv4 addresses", "0 to 255", "0 to 65535", "0 to 4294967295", "a list of codes 0 to 255",
		"1 to 255 or one of " + strings.Join(dhcpMessages[1:], " ")}[f]
}

// dhcpMessages are the types of messages (RFC 2132 §9.6).
var dhcpMessages = []string{"", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"}

// dhcpNames has the options that have a name (RFC 2132), by Scapy's names.
var dhcpNames = []struct {
	code int
	name string
	form dhcpForm
}{
	{1, "subnet_mask", dhcpAddress}, {2, "time_zone", dhcpNumber32}, {3, "router", dhcpAddresses}, {4, "time_server", dhcpAddresses}, {6, "name_server", dhcpAddresses},
	{12, "hostname", dhcpText8}, {15, "domain", dhcpText8}, {17, "root_disk_path", dhcpText8}, {26, "interface-mtu", dhcpNumber16}, {28, "broadcast_address", dhcpAddress},
	{42, "NTP_server", dhcpAddresses}, {43, "vendor_specific", dhcpOctets}, {50, "requested_addr", dhcpAddress}, {51, "lease_time", dhcpNumber32},
	{52, "dhcp-option-overload", dhcpNumber8}, {53, "message-type", dhcpKind}, {54, "server_id", dhcpAddress}, {55, "param_req_list", dhcpCodes}, {56, "error_message", dhcpText8},
	{57, "max_dhcp_size", dhcpNumber16}, {58, "renewal_time", dhcpNumber32}, {59, "rebinding_time", dhcpNumber32}, {60, "vendor_class_id", dhcpText8},
	{61, "client_id", dhcpOctets}, {66, "TFTP_server_name", dhcpText8}, {67, "boot-file-name", dhcpText8}, {81, "client_FQDN", dhcpOctets}, {82, "relay_agent_information", dhcpOctets},
	{121, "classless_static_routes", dhcpOctets},
}

// DHCPOptionNames returns the names of the options of DHCP that ParseDHCPOption knows.
func DHCPOptionNames() (names []string) {
	for _, o := range dhcpNames {
		names = append(names, o.name)
	}
	return names
}

// ParseDHCPOption returns the option of DHCP with a name, such as "message-type" or "lease_time". Dashes and underscores in names
// are alike. The value is octets, or what the option is: an address or a list of them, a number, text, a message's type such as
// "discover". The error says which values the option has.
func ParseDHCPOption(name string, value any) (CodeValue, error) {
	alike := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	for _, o := range dhcpNames {
		if alike(o.name) != alike(name) {
			continue
		}
		b, ok := o.form.write(value)
		if !ok {
			return CodeValue{}, fmt.Errorf("%s is %s, got %s", o.name, o.form.takes(), shown(value))
		}
		return CodeValue{Code: o.code, Data: b}, nil
	}
	return CodeValue{}, fmt.Errorf("no option of DHCP is called %q: there are %s, and codes 1 to 254 with octets", name, strings.Join(DHCPOptionNames(), " "))
}

// write returns the octets of a value; ok is false if the form does not have it.
func (f dhcpForm) write(value any) (b []byte, ok bool) {
	if b, ok := value.([]byte); ok {
		return b, true
	}
	n, number := asUint(value)
	text, isText := value.(string)
	switch f {
	case dhcpText8:
		return []byte(text), isText
	case dhcpAddress:
		a, err := asAddress(value, 4)
		return a.AsSlice(), err == nil
	case dhcpAddresses:
		list, many := asList(value)
		if !many {
			list = []any{value}
		}
		b, err := writeAddresses(4)(list)
		return b, err == nil && len(b) > 0
	case dhcpNumber8:
		return []byte{byte(n)}, number && n < 1<<8
	case dhcpNumber16:
		return binary.BigEndian.AppendUint16(nil, uint16(n)), number && n < 1<<16
	case dhcpNumber32:
		return binary.BigEndian.AppendUint32(nil, uint32(n)), number && n < 1<<32
	case dhcpKind:
		if i := slices.Index(dhcpMessages, strings.ToLower(text)); isText && i > 0 {
			n, number = uint64(i), true
		}
		return []byte{byte(n)}, number && n > 0 && n < 1<<8
	case dhcpCodes:
		list, many := asList(value)
		for _, x := range list {
			n, number := asUint(x)
			if !number || n > 255 {
				return nil, false
			}
			b = append(b, byte(n))
		}
		return b, many
	}
	return []byte(text), isText
}

// canonicalDHCPOptions converts a list of options to an OptionMap: a CodeValue, or a pair of a name or code and a value.
func canonicalDHCPOptions(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return v, nil
	}
	m := OptionMap{}
	for _, x := range list {
		o, ok := x.(CodeValue)
		if pair, is := x.([]any); is && len(pair) == 2 {
			name, named := pair[0].(string)
			code, numbered := asUint(pair[0])
			data, octets := pair[1].([]byte)
			var err error
			switch {
			case named:
				if o, err = ParseDHCPOption(name, pair[1]); err != nil {
					return nil, err
				}
				ok = true
			case numbered && octets:
				o, ok = CodeValue{Code: int(min(code, 256)), Data: data}, true
			}
		}
		if !ok {
			return nil, fmt.Errorf("an option is (name, value) or (code, octets), got %s", shown(x))
		}
		m = append(m, o)
	}
	return m, nil
}

// writeDHCPOptions writes options and the end option. An option of more than 255 octets becomes several (RFC 3396 §5).
func writeDHCPOptions(v any) (b []byte, err error) {
	if v, err = canonicalDHCPOptions(v); err != nil {
		return nil, err
	}
	m, ok := v.(OptionMap)
	if !ok {
		return nil, fmt.Errorf("it is a map of codes to octets, got %s", shown(v))
	}
	for _, o := range m {
		if o.Code <= dhcpPad || o.Code >= dhcpEnd {
			return nil, fmt.Errorf("an option's code is 1 to 254, got %d", o.Code)
		}
		for data := o.Data; ; {
			n := min(len(data), 255)
			b = append(append(b, byte(o.Code), byte(n)), data[:n]...)
			if data = data[n:]; len(data) == 0 {
				break
			}
		}
	}
	return append(b, dhcpEnd), nil
}

// prepareDHCP writes the options, and sets the length of the client's address. A message without options has the end option only.
func prepareDHCP(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
	l = l.fillLength("hlen", "chaddr", 16)
	options := l.of("options")
	switch {
	case options == nil:
		return l, nil
	case l.of("option_octets") != nil:
		return l, fmt.Errorf("options and option_octets can't both be set")
	}
	b, err := writeDHCPOptions(options)
	if err != nil {
		return l, fmt.Errorf("options: %w", err)
	}
	return l.put(l.Protocol.Field("option_octets"), b), nil
}

// describeDHCP sets a message's options in place of their octets, if these can be written from them.
func describeDHCP(l Layer, d DraftLayer) DraftLayer {
	octets, ok := d.of("option_octets").([]byte)
	options, damage := dhcpOptions(l)
	if b, err := writeDHCPOptions(options); !ok || damage != "" || err != nil || !slices.Equal(b, octets) {
		return d
	}
	d = d.put(d.Protocol.Field("options"), options)
	return d.put(d.Protocol.Field("option_octets"), nil)
}
