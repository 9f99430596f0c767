package packet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Domain names are text in the form of a zone file (RFC 1035 §5.1), without the last dot. A dot or a backslash within a label has
// a backslash before it, and octets that are not printable are in decimal: "Printer v1\.0", "\027[31m". Thus the text is safe for a terminal,
// and tells all octets of the name.

// Limits of a name on the wire (RFC 1035 §3.1). A name of maxNameOctets has no more pointers than labels.
const (
	maxNameOctets   = 255
	maxLabelOctets  = 63
	maxNamePointers = maxNameOctets / 2
	pointerMark     = 0xc0 // the two highest bits of a compression pointer
	maxPointer      = 1<<14 - 1
)

// readName reads the name at an offset of a message, whose compression pointers it follows (RFC 1035 §4.1.4). next is the
// offset of the octet after the name. ok is false for octets that are no name.
func readName(b []byte, at int) (name string, next int, ok bool) {
	var text strings.Builder
	octets, pointers := 1, 0
	for at < len(b) {
		n := int(b[at])
		if pointers == 0 {
			next = at + 1
		}
		switch {
		case n == 0:
			return text.String(), next, true
		case n >= pointerMark:
			if at+2 > len(b) || pointers == maxNamePointers {
				return "", 0, false
			}
			if pointers == 0 {
				next = at + 2
			}
			pointers++
			at = (n-pointerMark)<<8 | int(b[at+1])
			continue
		}
		octets += 1 + n
		if n > maxLabelOctets || at+1+n > len(b) || octets > maxNameOctets {
			return "", 0, false
		}
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		escape(&text, b[at+1:at+1+n], `.\`)
		at += 1 + n
	}
	return "", 0, false
}

// escape writes octets as text: those in special with a backslash before them, and those that are not printable in decimal.
func escape(text *strings.Builder, b []byte, special string) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < utf8.RuneSelf && strings.IndexByte(special, b[0]) >= 0:
			text.WriteByte('\\')
			text.WriteByte(b[0])
		case unicode.IsPrint(r) && r != unicode.ReplacementChar:
			text.Write(b[:n])
		default:
			for _, o := range b[:n] {
				text.Write([]byte{'\\', '0' + o/100, '0' + o/10%10, '0' + o%10})
			}
		}
		b = b[n:]
	}
}

// unescape returns the octet that the text after a backslash stands for, and the rest of the text.
func unescape(s string) (c byte, rest string, err error) {
	switch {
	case s == "":
		return 0, "", fmt.Errorf(`a backslash stands before a character, or before an octet in decimal such as \027`)
	case s[0] < '0' || s[0] > '9':
		return s[0], s[1:], nil
	case len(s) >= 3:
		if n, err := strconv.ParseUint(s[:3], 10, 8); err == nil {
			return byte(n), s[3:], nil
		}
	}
	return 0, "", fmt.Errorf(`\%s is no octet in decimal, which is \000 to \255`, Printable([]byte(s[:min(3, len(s))])))
}

// parseName returns the labels of a name. The last dot may be left out.
func parseName(name string) (labels []string, err error) {
	if name == "" || name == "." {
		return nil, nil
	}
	var label []byte
	octets := 1
	end := func() error {
		if len(label) == 0 || len(label) > maxLabelOctets {
			return fmt.Errorf("a label of a name has 1 to 63 octets, got %q", Printable(label))
		}
		octets += 1 + len(label)
		labels, label = append(labels, string(label)), label[:0]
		return nil
	}
	ended := false
	for s := name; s != ""; {
		c := s[0]
		s = s[1:]
		ended = c == '.'
		if ended {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		if c == '\\' {
			if c, s, err = unescape(s); err != nil {
				return nil, err
			}
		}
		label = append(label, c)
	}
	if !ended {
		if err := end(); err != nil {
			return nil, err
		}
	}
	if octets > maxNameOctets {
		return nil, fmt.Errorf("a name has at most 253 octets, got %d", octets-2)
	}
	return labels, nil
}

// canonicalName returns the text of labels.
func canonicalName(labels []string) string {
	var text strings.Builder
	for i, l := range labels {
		if i > 0 {
			text.WriteByte('.')
		}
		escape(&text, []byte(l), `.\`)
	}
	return text.String()
}

// appendName appends a name to a message. seen has the offsets of names and ends of names that are in the message already; nil
// means no compression.
func appendName(b []byte, labels []string, seen map[string]int) []byte {
	for i, l := range labels {
		if seen != nil {
			rest := wireName(labels[i:])
			if at, ok := seen[rest]; ok {
				return append(b, pointerMark|byte(at>>8), byte(at))
			}
			if len(b) <= maxPointer {
				seen[rest] = len(b)
			}
		}
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0)
}

// wireName returns labels with the length before each, which no other name has.
func wireName(labels []string) string {
	var b []byte
	for _, l := range labels {
		b = slices.Concat(b, []byte{byte(len(l))}, []byte(l))
	}
	return string(b)
}
