package wire

import (
	"fmt"
	"strings"
)

// Lengths of domain names in octets (RFC 1035 §2.3.4).
const (
	maxLabel = 63
	maxName  = 255 // with the octet of the root
)

// DomainNames is the names of a DNS search list option, in the uncompressed form of RFC 1035 §3.1. It aliases the packet.
type DomainNames []byte

// DNSSearch returns the names of a DNS search list option and their lifetime in seconds: 0 for names that must no longer be
// used, all ones for infinity (RFC 8106 §5.2). ok is false if there is no name, or one is malformed or not complete, or if the
// padding is not zero.
func (o NDOption) DNSSearch() (names DomainNames, lifetime uint32, ok bool) {
	if o.Type != NDDNSSearch || len(o.Data) < 14 {
		return nil, 0, false
	}
	b := o.Data[6:]
	end := 0
	for n := nameLen(b); n > 1; n = nameLen(b[end:]) {
		end += n
	}
	for _, v := range b[end:] {
		if v != 0 {
			return nil, 0, false
		}
	}
	return DomainNames(b[:end]), be.Uint32(o.Data[2:]), end > 0
}

// nameLen returns the length of the name at the start of b, with the octet of the root, 0 if it is malformed or too long.
func nameLen(b []byte) int {
	for n := 0; n < len(b) && n < maxName; n += 1 + int(b[n]) {
		if b[n] == 0 {
			return n + 1
		}
		if b[n] > maxLabel {
			return 0
		}
	}
	return 0
}

// Next returns the first name without the octet of the root, and the names after it. ok is false if there is none.
func (d DomainNames) Next() (name DomainName, rest DomainNames, ok bool) {
	n := nameLen(d)
	if n < 2 {
		return nil, nil, false
	}
	return DomainName(d[:n-1]), d[n:], true
}

// DomainName is the labels of a domain name, each after its length. It aliases the packet.
type DomainName []byte

// String returns the name with dots between its labels. An octet that is no letter, digit, hyphen or underscore is written as
// \DDD (RFC 1035 §5.1), so that a peer's name is harmless for a terminal and a resolver.
func (d DomainName) String() string {
	var s strings.Builder
	for len(d) > 0 {
		if s.Len() > 0 {
			s.WriteByte('.')
		}
		n := min(int(d[0]), len(d)-1)
		for _, c := range d[1 : 1+n] {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
				s.WriteByte(c)
			default:
				fmt.Fprintf(&s, `\%03d`, c)
			}
		}
		d = d[1+n:]
	}
	return s.String()
}

// PutNDDNSSearch writes a DNS search list option and returns its length in octets. Names are in the form of DomainName, at least
// one, together at most 2032 octets with the octet of the root of each.
func PutNDDNSSearch(b []byte, lifetime uint32, names ...DomainName) int {
	n := 8
	for _, name := range names {
		n += copy(b[n:], name)
		b[n] = 0
		n++
	}
	for ; n%8 != 0; n++ {
		b[n] = 0
	}
	b[0], b[1], b[2], b[3] = byte(NDDNSSearch), byte(n/8), 0, 0
	be.PutUint32(b[4:], lifetime)
	return n
}
