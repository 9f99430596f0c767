package packetvalue

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// A dhcpOption is the code of a named option of DHCP, with the form of its value (RFC 2132).
type dhcpOption struct {
	code int
	form byte // 'a' addresses, 't' text, 'm' the message's type, 'o' octets; a digit is the width of a number in octets
}

// dhcpOptions has the options of DHCP that have names.
var dhcpOptions = map[string]dhcpOption{
	"subnet-mask": {1, 'a'}, "router": {3, 'a'}, "dns": {6, 'a'}, "hostname": {12, 't'}, "domain": {15, 't'}, "mtu": {26, '2'}, "broadcast": {28, 'a'},
	"ntp": {42, 'a'}, "requested-address": {50, 'a'}, "lease-time": {51, '4'}, "message-type": {53, 'm'}, "server-id": {54, 'a'}, "parameters": {55, 'o'},
	"message": {56, 't'}, "max-size": {57, '2'}, "renewal-time": {58, '4'}, "rebinding-time": {59, '4'}, "vendor-class": {60, 't'}, "client-id": {61, 'o'},
}

// dhcpTypes are the types of messages, from 1 (RFC 2132 §9.6).
var dhcpTypes = []string{"discover", "offer", "request", "decline", "ack", "nak", "release", "inform"}

// dhcp converts a dict of options by code or name.
func (c converter) dhcp(v starlark.Value) (any, error) {
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, c.wrong(v, "")
	}
	options := packet.OptionMap{}
	for _, kv := range d.Items() {
		o, err := c.dhcpOption(kv[0], kv[1])
		if err != nil {
			return nil, err
		}
		options = append(options, o)
	}
	return options, nil
}

func (c converter) dhcpOption(key, v starlark.Value) (o packet.CodeValue, err error) {
	form := byte('o')
	switch key := key.(type) {
	case starlark.String:
		known, ok := dhcpOptions[plain(string(key))]
		if !ok {
			names := slices.Sorted(maps.Keys(dhcpOptions))
			if n := suggest.Nearest(plain(string(key)), names); n != "" {
				return o, c.wrong(key, fmt.Sprintf(" (did you mean %s?)", n))
			}
			return o, c.wrong(key, fmt.Sprintf(": names are %v", names))
		}
		o.Code, form = known.code, known.form
	default:
		n, ok := unsigned(key)
		if !ok || n == 0 || n > 254 {
			return o, c.wrong(key, ": an option's code is 1 to 254")
		}
		o.Code = int(n)
	}
	if b, ok := v.(starlark.Bytes); ok {
		o.Data = []byte(b)
		return o, nil
	}
	o.Data, err = c.dhcpData(form, v)
	if err != nil {
		return o, fmt.Errorf("%s.%s[%v]: %w", c.of.Name, c.f.Name, key, err)
	}
	return o, nil
}

// dhcpData returns the octets of an option's value.
func (c converter) dhcpData(form byte, v starlark.Value) ([]byte, error) {
	switch form {
	case 'a':
		list := []starlark.Value{v}
		if xs, ok := elements(v); ok {
			list = xs
		}
		var b []byte
		for _, x := range list {
			a, err := c.addressOf(x, 4)
			if err != nil {
				return nil, fmt.Errorf("an IPv4 address or a list of them, got %s", registry.Brief(v))
			}
			b = append(b, a.(netip.Addr).AsSlice()...)
		}
		return b, nil
	case 't', 'o':
		if b, ok := registry.Octets(v); ok {
			return b, nil
		}
		return nil, fmt.Errorf("str or bytes, got %s", v.Type())
	case 'm':
		s, isText := starlark.AsString(v)
		if i := slices.Index(dhcpTypes, plain(s)); isText && i >= 0 {
			return []byte{byte(i + 1)}, nil
		}
		if n, ok := unsigned(v); ok && n <= 255 {
			return []byte{byte(n)}, nil
		}
		return nil, fmt.Errorf("a number from 0 to 255 or one of %v, got %s", dhcpTypes, registry.Brief(v))
	}
	n, ok := unsigned(v)
	width := int(form - '0')
	if !ok || n >= 1<<(8*width) {
		return nil, fmt.Errorf("an int from 0 to %d, got %s", uint64(1)<<(8*width)-1, registry.Brief(v))
	}
	return binary.BigEndian.AppendUint64(nil, n)[8-width:], nil
}
