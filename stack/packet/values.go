package packet

import (
	"net/netip"
	"strings"
	"unicode"

	"smolsh/stack/wire"
)

// A Record is a list entry with named parts, such as a DNS record.
type Record struct {
	Name  string
	Parts []Part
}

// A Part is one value of a Record, of a type that Layer.Value may return.
type Part struct {
	Name  string
	Value any
}

// An Option is one option of a header of TCP, IP, IPv6 or DHCP.
type Option struct {
	Kind  int
	Name  string // "" for an option without a name
	Value any    // nil if the record has only a name; otherwise uint64, []byte, [2]uint64 for timestamps, []SequenceRange, …
}

// A SequenceRange is a block of a TCP SACK option (RFC 2018). Left is the block's first sequence number, Right the one
// after its last.
type SequenceRange struct{ Left, Right uint32 }

// An OptionMap holds the options of a DHCP message by code, in the order of the message.
type OptionMap []CodeValue

// A CodeValue is one option of a DHCP message.
type CodeValue struct {
	Code int
	Data []byte // part of the frame, unless several parts were joined

	joined bool
}

// addr4 and mac convert an address. b must have its length.
func addr4(b []byte) netip.Addr      { return netip.AddrFrom4([4]byte(b)) }
func addr16(b []byte) netip.Addr     { return netip.AddrFrom16([16]byte(b)) }
func mac(b []byte) wire.HardwareAddr { return wire.HardwareAddr(b) }

// address reads an address of four or sixteen octets.
func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Printable converts text from the wire for a terminal. Each rune that is not printable becomes a question mark.
func Printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, string(b))
}
