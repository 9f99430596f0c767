package packet

import (
	"encoding/binary"
	"fmt"
)

// An optionKind is one row of the table of options of TCP or IP.
type optionKind struct {
	name string
	// read converts an option's octets after kind and length; nil keeps them as octets. ok is false for a length that
	// the option can't have.
	read func(b []byte) (v any, ok bool)
}

// number returns a function that reads an option of one number of the given width in octets, and returns false if the
// option has another length.
func number(octets int) func(b []byte) (any, bool) {
	return func(b []byte) (any, bool) {
		if len(b) != octets {
			return nil, false
		}
		v := uint64(0)
		for _, o := range b {
			v = v<<8 | uint64(o)
		}
		return v, true
	}
}

// empty reads an option that has only kind and length. It returns false if the option has data.
func empty(b []byte) (any, bool) { return nil, len(b) == 0 }

// headerOptions reads the options of a TCP or IPv4 header. Kind 0 ends them, kind 1 is one octet, all others have a
// length. It continues after a damaged option if the option's length leads to the next one. damage describes the first
// damaged option.
func headerOptions(b []byte, kinds map[int]optionKind) (list []Option, damage string) {
	wrong := func(format string, args ...any) {
		if damage == "" {
			damage = fmt.Sprintf(format, args...)
		}
	}
	list = []Option{}
	for len(b) > 0 {
		kind := int(b[0])
		if kind <= 1 {
			list = append(list, Option{Kind: kind, Name: [...]string{"eol", "nop"}[kind]})
			if b = b[1:]; kind == 0 {
				return list, damage // padding follows
			}
			continue
		}
		if len(b) < 2 {
			wrong("option %d has no length", kind)
			return list, damage
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			wrong("%s", cutOption(kind, n, len(b)))
			return list, damage
		}
		o := Option{Kind: kind, Value: b[2:n]}
		if row, known := kinds[kind]; known {
			o.Name = row.name
			if row.read != nil {
				v, ok := row.read(b[2:n])
				if !ok {
					wrong("%s", badOption(row.name, n))
					v, o.Name = b[2:n], ""
				}
				o.Value = v
			}
		}
		list, b = append(list, o), b[n:]
	}
	return list, damage
}

// tcpOptions has the TCP options that have a name.
var tcpOptions = map[int]optionKind{
	2:  {"mss", number(2)},
	3:  {"wscale", number(1)},
	4:  {"sackok", empty},
	5:  {"sack", sackBlocks},
	6:  {"echo", nil},
	7:  {"echoreply", nil},
	8:  {"ts", timestamps},
	19: {"md5", nil},
	28: {"uto", number(2)},
	29: {"ao", nil},
	30: {"mptcp", nil},
	34: {"tfo", nil},
}

// sackBlocks reads the blocks of a SACK option (RFC 2018 §3). It returns false if the length is wrong.
func sackBlocks(b []byte) (any, bool) {
	if len(b) == 0 || len(b)%8 != 0 {
		return nil, false
	}
	blocks := []SequenceRange{}
	for ; len(b) > 0; b = b[8:] {
		blocks = append(blocks, SequenceRange{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])})
	}
	return blocks, true
}

// timestamps reads TSval and TSecr (RFC 7323 §3.2). It returns false if the length is wrong.
func timestamps(b []byte) (any, bool) {
	if len(b) != 8 {
		return nil, false
	}
	return [2]uint64{uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))}, true
}

// ipOptions has the IPv4 options that have a name (RFC 791 §3.1, RFC 2113).
var ipOptions = map[int]optionKind{
	7:   {"rr", route},
	68:  {"timestamp", nil},
	130: {"security", nil},
	131: {"lsrr", route},
	136: {"streamid", number(2)},
	137: {"ssrr", route},
	148: {"router_alert", number(2)},
}

// A RouteOption is a record route or source route option. Pointer is the octet of the option at which the next address
// is read or entered, counted from 1.
type RouteOption struct {
	Pointer   uint64
	Addresses []any
}

func route(b []byte) (any, bool) {
	if len(b) == 0 || len(b)%4 != 1 {
		return nil, false
	}
	r := RouteOption{Pointer: uint64(b[0]), Addresses: []any{}}
	for b = b[1:]; len(b) > 0; b = b[4:] {
		r.Addresses = append(r.Addresses, addr4(b[:4]))
	}
	return r, true
}

// optionValue returns the value of the first option of a kind, nil if the list has none.
func optionValue(list []Option, kind int) any {
	for _, o := range list {
		if o.Kind == kind && o.Name != "" {
			return o.Value
		}
	}
	return nil
}

// cutOption describes an option that is longer than the rest of its header, badOption one whose length is wrong for its
// kind.
func cutOption(kind, n, there int) string {
	return fmt.Sprintf("option %d has the length %d, and %d octets are there", kind, n, there)
}

func badOption(name string, n int) string { return fmt.Sprintf("option %s has the length %d", name, n) }
