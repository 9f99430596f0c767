package packet

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// An optionTable has the options of one kind of header.
type optionTable struct {
	kinds  map[int]optionKind
	single []string // names of the kinds from 0 on that are one octet, without a length
	head   int      // octets of kind and length that an option's length counts
	order  []int    // kinds that have rows, sorted
	byName map[string]int
}

// newOptions returns the table of the rows of kinds.
func newOptions(single []string, head int, kinds map[int]optionKind) *optionTable {
	t := &optionTable{kinds: kinds, single: single, head: head, order: slices.Sorted(maps.Keys(kinds)), byName: map[string]int{}}
	for _, kind := range slices.Backward(t.order) { // the lowest kind of a name has it
		t.byName[kinds[kind].name] = kind
	}
	return t
}

// An optionKind is one row of the table of options of TCP, IP or IPv6.
type optionKind struct {
	name string
	form *optionForm // nil for octets
}

// An optionForm is the form of an option's value.
type optionForm struct {
	takes string // values that the option can have, such as "0 to 65535"
	// read converts an option's octets after kind and length. ok is false for a length that the option can't have.
	read func(b []byte) (v any, ok bool)
	// write converts a value that read returns, or one that a script has instead, to octets. ok is false for other values.
	write func(v any) (b []byte, ok bool)
}

// number returns the form of an option of one number of the given width in octets.
func number(octets int) *optionForm {
	most := uint64(1)<<(8*octets) - 1
	return &optionForm{fmt.Sprintf("0 to %d", most), func(b []byte) (any, bool) {
		if len(b) != octets {
			return nil, false
		}
		v := uint64(0)
		for _, o := range b {
			v = v<<8 | uint64(o)
		}
		return v, true
	}, func(v any) ([]byte, bool) {
		n, ok := asUint(v)
		if !ok || n > most {
			return nil, false
		}
		b := make([]byte, octets)
		putBits(b, 0, 8*octets, n)
		return b, true
	}}
}

// empty is the form of an option that has only kind and length.
var empty = &optionForm{"no value", func(b []byte) (any, bool) { return nil, len(b) == 0 },
	func(v any) ([]byte, bool) { return nil, v == nil }}

// headerOptions reads the options of a TCP or IPv4 header. Kind 0 ends them, kind 1 is one octet, all others have a
// length. It continues after a damaged option if the option's length leads to the next one. damage describes the first
// damaged option.
func headerOptions(b []byte, t *optionTable) (list []Option, damage string) {
	wrong := func(format string, args ...any) {
		if damage == "" {
			damage = fmt.Sprintf(format, args...)
		}
	}
	list = []Option{}
	for len(b) > 0 {
		kind := int(b[0])
		if kind < len(t.single) {
			list = append(list, Option{Kind: kind, Name: t.single[kind]})
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
		if row, known := t.kinds[kind]; known {
			o.Name = row.name
			if row.form != nil {
				v, ok := row.form.read(b[2:n])
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
var tcpOptions = newOptions([]string{"eol", "nop"}, 2, map[int]optionKind{
	2:  {"mss", number(2)},
	3:  {"wscale", number(1)},
	4:  {"sackok", empty},
	5:  {"sack", &optionForm{"a list of (left, right), each 0 to 4294967295", sackBlocks, writeSACK}},
	6:  {"echo", nil},
	7:  {"echoreply", nil},
	8:  {"ts", &optionForm{"(value, echo), each 0 to 4294967295", timestamps, writeTimestamps}},
	19: {"md5", nil},
	28: {"uto", number(2)},
	29: {"ao", nil},
	30: {"mptcp", nil},
	34: {"tfo", nil},
})

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
var ipOptions = newOptions([]string{"eol", "nop"}, 2, map[int]optionKind{
	7:   {"rr", routeForm},
	68:  {"timestamp", nil},
	130: {"security", nil},
	131: {"lsrr", routeForm},
	136: {"streamid", number(2)},
	137: {"ssrr", routeForm},
	148: {"router_alert", number(2)},
})

// A RouteOption is a record route or source route option. Pointer is the octet of the option at which the next address
// is read or entered, counted from 1.
type RouteOption struct {
	Pointer   uint64
	Addresses []any
}

var routeForm = &optionForm{"(pointer, [IPv4 addresses]), the pointer 0 to 255", route, writeRoute}

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
