package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// MaxIPv4Options is the largest length of a header's options in octets.
const MaxIPv4Options = 40

// The options that the stack reads (RFC 791 §3.1). It skips others by their length, the router alert included.
const (
	ipOptEnd         = 0
	ipOptNop         = 1
	ipOptRecordRoute = 7
	ipOptTimestamp   = 68
	ipOptLooseRoute  = 131
	ipOptStrictRoute = 137
)

// ipOptCopied is the flag of an option that is copied into every fragment.
const ipOptCopied = 0x80

// Values of the flag field of a timestamp option.
const (
	stampsOnly     = 0 // timestamps only
	stampsAddress  = 1 // each timestamp after its host's address
	stampsSelected = 3 // like stampsAddress, with addresses that the sender has filled in
)

// IPOption is the position of an option in its header's options, in octets. Len is 0 if the option is absent.
type IPOption struct{ Off, Len int }

// IPOptions holds the positions of the options that a host or router reads.
type IPOptions struct {
	RecordRoute IPOption // RFC 791 §3.1
	Timestamp   IPOption // RFC 791 §3.1
	SourceRoute IPOption // loose or strict
}

// IPv4Options returns the options in the header h. b starts with that header, and the result aliases it.
func (h *IPv4) IPv4Options(b []byte) []byte { return b[IPv4Len:h.HeaderLen] }

// PutWithOptions writes the header like Put, and then the options, 0 to 40 octets. It pads the options to words with
// end of list, and returns the length of header and options.
func (h *IPv4) PutWithOptions(b, options []byte) int {
	n := IPv4Len + (len(options)+3)&^3
	longer := *h
	longer.PayloadLen += n - IPv4Len
	longer.Put(b)
	b[0] = 0x40 | byte(n/4)
	clear(b[IPv4Len+copy(b[IPv4Len:n], options) : n])
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], Checksum(b[:n]))
	return n
}

// ParseIPOptions finds the options in b, 0 to 40 octets. It returns drop.BadOption for an option that is malformed or
// occurs twice. The result at is then the index of the wrong octet, for the pointer of a parameter problem.
func ParseIPOptions(b []byte) (o IPOptions, at int, err error) {
	for k := 0; k < len(b) && b[k] != ipOptEnd; {
		if b[k] == ipOptNop {
			k++
			continue
		}
		if k+1 == len(b) {
			return o, k, drop.BadOption // the option has no length
		}
		n := int(b[k+1])
		if n < 2 || n > len(b)-k {
			return o, k + 1, drop.BadOption
		}
		var seen *IPOption
		wrong := 0 // index in the option of the wrong octet
		switch b[k] {
		case ipOptRecordRoute:
			seen, wrong = &o.RecordRoute, checkRoute(b[k:k+n])
		case ipOptLooseRoute, ipOptStrictRoute:
			seen, wrong = &o.SourceRoute, checkRoute(b[k:k+n])
		case ipOptTimestamp:
			seen, wrong = &o.Timestamp, checkStamps(b[k:k+n])
		}
		switch {
		case wrong != 0:
			return o, k + wrong, drop.BadOption
		case seen != nil && seen.Len != 0:
			return o, k, drop.BadOption // the option occurs twice (RFC 791 §3.1, RFC 1122 §3.2.1.8)
		case seen != nil:
			*seen = IPOption{k, n}
		}
		k += n
	}
	return o, 0, nil
}

// checkRoute returns the index of the wrong octet in a record route or source route option, 0 if there is none. Room
// that is too small for an address is an error (RFC 791 §3.1).
func checkRoute(b []byte) (wrong int) {
	switch ptr := pointer(b); {
	case len(b) < 3:
		return 1
	case ptr < 4 || ptr <= len(b) && ptr+3 > len(b):
		return 2
	}
	return 0
}

// checkStamps returns the index of the wrong octet in a timestamp option, 0 if there is none.
func checkStamps(b []byte) (wrong int) {
	switch ptr := pointer(b); {
	case len(b) < 4:
		return 1
	case stampLen(b) == 0:
		return 3
	case ptr < 5 || ptr <= len(b) && ptr+stampLen(b)-1 > len(b):
		return 2
	}
	return 0
}

// pointer returns the third octet of an option: the position of the next entry, counted from 1 at the option's type.
func pointer(b []byte) int {
	if len(b) < 3 {
		return 0
	}
	return int(b[2])
}

// stampLen returns the length of an entry of a timestamp option in octets, 0 for an unknown flag.
func stampLen(b []byte) int {
	switch b[3] & 15 {
	case stampsOnly:
		return 4
	case stampsAddress, stampsSelected:
		return 8
	}
	return 0
}

// in returns the option's octets, a part of the header's options b.
func (o IPOption) in(b []byte) []byte { return b[o.Off : o.Off+o.Len] }

// SourceRouted reports whether a packet with the options b has a source route. unfinished is true if the route has hops
// left (RFC 791 §3.1).
func (o *IPOptions) SourceRouted(b []byte) (routed, unfinished bool) {
	if o.SourceRoute.Len == 0 {
		return false, false
	}
	r := o.SourceRoute.in(b)
	return true, pointer(r) <= len(r)
}

// Record writes a into the record route option in b, if there is one with room (RFC 791 §3.1).
func (o *IPOptions) Record(b []byte, a netip.Addr) {
	if o.RecordRoute.Len == 0 {
		return
	}
	r := o.RecordRoute.in(b)
	if ptr := pointer(r); ptr <= len(r) {
		putAddr4(r[ptr-1:], a)
		r[2] += 4
	}
}

// Stamp writes a timestamp into the timestamp option in b, if there is one. stamp is in milliseconds since midnight UT,
// or has its highest bit set (RFC 791 §3.1). a is the address to write beside the timestamp. If the sender has filled
// in the addresses, own reports whether the next one is the host's. If the option has no room, its overflow count
// increases. If the count itself overflows, the packet is in error, and at is the index of the count in b; otherwise at
// is 0.
func (o *IPOptions) Stamp(b []byte, a netip.Addr, own func(netip.Addr) bool, stamp uint32) (at int) {
	if o.Timestamp.Len == 0 {
		return 0
	}
	r := o.Timestamp.in(b)
	ptr, n, flag := pointer(r), stampLen(r), r[3]&15
	switch {
	case ptr > len(r) && flag == stampsSelected:
		return 0 // every selected host has entered its timestamp
	case ptr > len(r):
		if r[3]>>4 == 15 {
			return o.Timestamp.Off + 3
		}
		r[3] += 1 << 4
		return 0
	case flag == stampsAddress:
		putAddr4(r[ptr-1:], a)
	case flag == stampsSelected && !own(addr4(r[ptr-1:ptr+3])):
		return 0
	}
	be.PutUint32(r[ptr-1+n-4:], stamp)
	r[2] += byte(n)
	return 0
}

// CopyTraces copies the record route and timestamp options from b to dst, in their order and padded to words, and
// returns their length.
func (o *IPOptions) CopyTraces(dst, b []byte) (n int) {
	first, second := o.RecordRoute, o.Timestamp
	if second.Off < first.Off {
		first, second = second, first
	}
	n = copy(dst, first.in(b))
	n += copy(dst[n:], second.in(b))
	for ; n%4 != 0; n++ {
		dst[n] = ipOptEnd
	}
	return n
}
