package dns

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// maxName is the largest number of octets of a name without its final dot (RFC 1035 §2.3.4).
const maxName = 253

// IsName reports whether s has the form of a name that a resolver asks for: labels of 1 to 63 letters, digits, hyphens and underscores,
// at most 253 octets together. A final dot is allowed. Letters beyond ASCII need the form xn--… (RFC 5891).
func IsName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !(c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
				return false
			}
		}
	}
	return true
}

// Reverse returns the name under which the DNS has the name of an address: 4.3.2.1.in-addr.arpa for 1.2.3.4 (RFC 1035 §3.5), and the
// nibbles under ip6.arpa for IPv6 (RFC 3596 §2.5). The zone of an address is ignored.
func Reverse(a netip.Addr) string {
	b := a.Unmap().AsSlice()
	var s strings.Builder
	if len(b) == 4 {
		fmt.Fprintf(&s, "%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
		return s.String()
	}
	digits := hex.EncodeToString(b)
	for k := len(digits) - 1; k >= 0; k-- {
		s.WriteByte(digits[k])
		s.WriteByte('.')
	}
	return s.String() + "ip6.arpa"
}

// equalNames compares names without regard to the case of ASCII letters (RFC 4343 §3).
func equalNames(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range len(a) {
		if lower(a[k]) != lower(b[k]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// undotted returns a name without its final dot, except the root.
func undotted(s string) string {
	if s == "." {
		return s
	}
	return strings.TrimSuffix(s, ".")
}
