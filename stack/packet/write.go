package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"smolsh/stack/wire"
)

// asList returns the entries of a list that a caller may have in another type.
func asList(v any) (list []any, ok bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []netip.Addr:
		for _, a := range v {
			list = append(list, a)
		}
		return list, true
	case []string:
		for _, s := range v {
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}

// asAddress returns an address, which may be text, of size octets.
func asAddress(v any, size int) (a netip.Addr, err error) {
	a, ok := v.(netip.Addr)
	if text, is := v.(string); is {
		a, err = netip.ParseAddr(text)
		ok = err == nil
	}
	if !ok || a.BitLen() != 8*size || a.Zone() != "" {
		return a, fmt.Errorf("%s is no %s address", shown(v), map[int]string{4: "IPv4", 16: "IPv6"}[size])
	}
	return a, nil
}

// canonicalAddresses returns a function that converts a list of addresses of size octets.
func canonicalAddresses(size int) func(any) (any, error) {
	return func(v any) (any, error) {
		list, ok := asList(v)
		if !ok {
			return v, nil
		}
		addresses := []any{}
		for _, x := range list {
			a, err := asAddress(x, size)
			if err != nil {
				return nil, err
			}
			addresses = append(addresses, a)
		}
		return addresses, nil
	}
}

// writeAddresses returns the Write of a list of addresses of size octets.
func writeAddresses(size int) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) {
		list, ok := asList(v)
		if !ok {
			return nil, fmt.Errorf("it is a list of addresses or octets, got %s", shown(v))
		}
		b := make([]byte, 0, size*len(list))
		for _, x := range list {
			a, err := asAddress(x, size)
			if err != nil {
				return nil, err
			}
			b = append(b, a.AsSlice()...)
		}
		return b, nil
	}
}

// writeHardware writes a hardware address of Ethernet. Others are octets.
func writeHardware(v any) ([]byte, error) {
	if a, ok := v.(wire.HardwareAddr); ok {
		return a[:], nil
	}
	return nil, fmt.Errorf("it is a hardware address or octets, got %s", shown(v))
}

// writeProtocolAddress writes an address of ARP: of IPv4, or of another protocol.
func writeProtocolAddress(v any) ([]byte, error) {
	if a, ok := v.(netip.Addr); ok && a.IsValid() {
		return a.AsSlice(), nil
	}
	return nil, fmt.Errorf("it is an address or octets, got %s", shown(v))
}

// A builder is a *Draft. The tables name it by its method, because a draft's method refers to the tables.
type builder interface{ Build() (*Packet, error) }

// writeQuoted writes the packet that an error quotes, which may be a draft.
func writeQuoted(v any) ([]byte, error) {
	switch x := v.(type) {
	case *Packet:
		return x.Octets, nil
	case builder:
		p, err := x.Build()
		if err != nil {
			return nil, err
		}
		return p.Octets, nil
	}
	return nil, fmt.Errorf("it is a packet or octets, got %s", shown(v))
}

// recordParts are the parts of a group record of IGMPv3 or MLDv2, in the order of Read.
var recordParts = []string{"rtype", "auxdlen", "numsrc", "maddr", "srcaddrs"}

// canonicalRecords returns a function that completes group records with addresses of size octets: rtype is 1 where it is not
// given, and numsrc the number of srcaddrs.
func canonicalRecords(size int) func(any) (any, error) {
	return func(v any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return v, nil
		}
		records := []any{}
		for _, x := range list {
			r, err := canonicalRecord(x, size)
			if err != nil {
				return nil, err
			}
			records = append(records, r)
		}
		return records, nil
	}
}

// canonicalRecord completes one group record.
func canonicalRecord(v any, size int) (Record, error) {
	parts, err := partsOf(v, "a record", recordParts)
	if err != nil {
		return Record{}, err
	}
	sources := []any{}
	if given := parts["srcaddrs"]; given != nil {
		list, err := canonicalAddresses(size)(given)
		if err != nil {
			return Record{}, fmt.Errorf("srcaddrs: %w", err)
		}
		var ok bool
		if sources, ok = list.([]any); !ok {
			return Record{}, fmt.Errorf("srcaddrs is a list of addresses, got %s", shown(given))
		}
	}
	group, err := asAddress(parts["maddr"], size)
	if err != nil {
		return Record{}, fmt.Errorf("maddr: %w", err)
	}
	r := Record{Name: "record"}
	for _, n := range []struct {
		name         string
		unset, limit uint64
	}{{"rtype", 1, 255}, {"auxdlen", 0, 255}, {"numsrc", uint64(len(sources)), 65535}} {
		value, err := partNumber(parts, n.name, n.unset, n.limit)
		if err != nil {
			return Record{}, err
		}
		r.Parts = append(r.Parts, Part{n.name, value})
	}
	r.Parts = append(r.Parts, Part{"maddr", group}, Part{"srcaddrs", sources})
	return r, nil
}

// partsOf returns the parts of a Record by name. The error lists the names that such a record has.
func partsOf(v any, what string, names []string) (map[string]any, error) {
	r, ok := v.(Record)
	if !ok {
		return nil, fmt.Errorf("%s has %s, got %s", what, strings.Join(names, " "), shown(v))
	}
	parts := map[string]any{}
	for _, p := range r.Parts {
		known := false
		for _, name := range names {
			known = known || name == p.Name
		}
		if !known {
			return nil, fmt.Errorf("%s has no %q: it has %s", what, p.Name, strings.Join(names, " "))
		}
		if p.Value != nil {
			parts[p.Name] = p.Value
		}
	}
	return parts, nil
}

// partNumber returns the number in a part, unset if the record does not have the part.
func partNumber(parts map[string]any, name string, unset, limit uint64) (uint64, error) {
	v, there := parts[name]
	if !there {
		return unset, nil
	}
	n, ok := asUint(v)
	if !ok || n > limit {
		return 0, fmt.Errorf("%s is 0 to %d, got %s", name, limit, shown(v))
	}
	return n, nil
}

// writeRecords returns the Write of group records. Auxiliary data is zeros.
func writeRecords(size int) func(any) ([]byte, error) {
	return func(v any) (b []byte, err error) {
		v, err = canonicalRecords(size)(v)
		if err != nil {
			return nil, err
		}
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("it is a list of records or octets, got %s", shown(v))
		}
		for _, x := range list {
			r := x.(Record)
			b = append(b, byte(r.Parts[0].Value.(uint64)), byte(r.Parts[1].Value.(uint64)))
			b = binary.BigEndian.AppendUint16(b, uint16(r.Parts[2].Value.(uint64)))
			b = append(b, r.Parts[3].Value.(netip.Addr).AsSlice()...)
			for _, a := range r.Parts[4].Value.([]any) {
				b = append(b, a.(netip.Addr).AsSlice()...)
			}
			b = append(b, make([]byte, 4*r.Parts[1].Value.(uint64))...)
		}
		return b, nil
	}
}

// writeSearchList writes domain names without compression (RFC 8106 §5.2).
func writeSearchList(v any) (b []byte, err error) {
	list, ok := asList(v)
	if !ok {
		return nil, fmt.Errorf("it is a list of names or octets, got %s", shown(v))
	}
	for _, x := range list {
		name, ok := x.(string)
		labels, err := parseName(name)
		if !ok || err == nil && labels == nil {
			return nil, fmt.Errorf("%s is no domain name", shown(x))
		}
		if err != nil {
			return nil, err
		}
		b = appendName(b, labels, nil)
	}
	return b, nil
}

// writePrefix writes the prefix of a route information option.
func writePrefix(v any) ([]byte, error) {
	a, err := asAddress(v, 16)
	if err != nil {
		return nil, err
	}
	return a.AsSlice(), nil
}

// writeFamily writes the address family of a BSD loopback header as most machines do, with the lowest octet first.
func writeFamily(v any) ([]byte, error) {
	n, ok := asUint(v)
	if !ok || n > 1<<32-1 {
		return nil, fmt.Errorf("it is 0 to 4294967295, got %s", shown(v))
	}
	return binary.LittleEndian.AppendUint32(nil, uint32(n)), nil
}
