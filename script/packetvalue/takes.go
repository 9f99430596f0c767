package packetvalue

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// maxValues is the largest number of names of values that a text lists.
const maxValues = 6

// Takes describes the values that a field can be set to, with their range and unit: "an int from 0 to 65535 (octets)".
func Takes(p *packet.Protocol, f *packet.Field) string {
	switch shapeOf(p, f) {
	case shapeNumber:
		return takesNumber(f)
	case shapeMAC:
		return `a hardware address such as "02:00:00:00:00:01"` + orBytes(f)
	case shapeAddr:
		word := map[int]string{4: "an IPv4 address", 6: "an IPv6 address", 0: "an IP address"}[family(p, f)]
		return word + ", or a host or its name" + orBytes(f)
	case shapeOctets:
		return "str or bytes" + atMost(f)
	case shapeText:
		return "str or bytes" + atMost(f)
	case shapePacket:
		return "a packet or bytes"
	case shapeOptions:
		return fmt.Sprintf("a list of names, (name, value) and (kind, octets), or bytes; names: %s", strings.Join(f.OptionNames(), " "))
	case shapeDHCP:
		return `a dict such as {"message-type": "discover", 55: b"\x01\x03"}`
	case shapeRecords:
		return "a list of dicts" + orBytes(f)
	case shapeAddrs:
		return "a list of addresses" + orBytes(f)
	case shapeEntries:
		p := f.Entries()
		if len(p.Fields) == 1 {
			return "a list, each entry " + Takes(p, &p.Fields[0])
		}
		return fmt.Sprintf("a list of dicts such as dict(%s=…)", p.Fields[0].Name) + orBytes(f)
	case shapeNames:
		return "a list of domain names" + orBytes(f)
	}
	return "bytes" + atMost(f)
}

// orBytes returns the end of a text about a field that octets can be set in too.
func orBytes(f *packet.Field) string {
	if f.Derived() {
		return ""
	}
	return ", or bytes" + atMost(f)
}

// atMost returns the limit of a field of fixed width.
func atMost(f *packet.Field) string {
	switch {
	case f.Bits == 0:
		return ""
	case f.Kind == packet.Text || f.Kind == packet.Other:
		return fmt.Sprintf(" of at most %d octets", f.Bits/8)
	}
	return fmt.Sprintf(" of %d octets", f.Bits/8)
}

// takesNumber describes the values of a field with a number.
func takesNumber(f *packet.Field) string {
	text := "an int"
	most, step, bounded := limits(f)
	if bounded {
		text += fmt.Sprintf(" from 0 to %d", most)
	}
	if step > 1 {
		text += fmt.Sprintf(" in steps of %d", step)
	}
	if f.Unit != "" {
		text += " (" + f.Unit + ")"
	}
	switch {
	case f.Kind == packet.Bool:
		return "True or False"
	case f.Kind == packet.Letters:
		letters := slices.DeleteFunc(slices.Clone(f.Letters), func(s string) bool { return s == "" })
		between := ""
		if slices.ContainsFunc(letters, func(s string) bool { return len(s) > 1 }) {
			between = " with plus signs between them"
		}
		return fmt.Sprintf("letters of %s in any order%s, or %s", strings.Join(letters, " "), between, text)
	case f.Names != nil:
		names := valuesOf(f)
		sorted := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
			if names[a] < names[b] {
				return -1
			}
			return 1
		})
		if len(sorted) == 0 {
			return text
		}
		rest := ""
		if len(sorted) > maxValues {
			sorted, rest = sorted[:maxValues], ", …"
		}
		text += " or a name: " + strings.Join(sorted, ", ") + rest
	}
	return text
}

// ValueNames returns the names of a field's values, sorted.
func ValueNames(f *packet.Field) []string { return slices.Sorted(maps.Keys(valuesOf(f))) }

// IsAddress reports whether a field is an IP address.
func IsAddress(p *packet.Protocol, f *packet.Field) bool { return shapeOf(p, f) == shapeAddr }

// oneAddress returns the end of an error about a prefix or a range of addresses in a packet's field, "" about other values.
func oneAddress(v starlark.Value) string {
	s, _ := starlark.AsString(v)
	if _, err := netip.ParsePrefix(s); err != nil {
		return ""
	}
	return `: a packet has one address, [IP(dst="10.0.0.%d" % n) for n in range(1, 5)] are several packets`
}

// emptyValue reports whether a value is octets or text without any, as other tools write it for an option without a value.
func emptyValue(x any) bool {
	b, octets := x.([]byte)
	s, text := x.(string)
	return octets && len(b) == 0 || text && s == ""
}

// otherOptions are names that Scapy has for options.
var otherOptions = map[string]string{"timestamp": "ts", "altchksum": `(14, b"\x01")`, "altchksumopt": `(15, b"\x00\x00")`, "mood": `(25, b":-)")`}

// optionMeant returns the option of which a name in lower case is another tool's name, or most likely a misspelling; "" for none.
func optionMeant(name string, known []string) string {
	if other := otherOptions[name]; other != "" && (other[0] == '(' || slices.Contains(known, other)) {
		return other
	}
	return suggest.Nearest(name, known)
}
