package packet

import (
	"fmt"
	"strings"
)

// maxOwnText is the largest number of fields of a user's own protocol in a line.
const maxOwnText = 8

// ownText describes the header of a user's own protocol: its fields by name, of octets and lists only how many there are.
func ownText(l Layer) string {
	var parts []string
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if f.Compute != Given || !l.Has(f) {
			continue
		}
		if len(parts) == maxOwnText {
			parts = append(parts, "…")
			break
		}
		text := ""
		switch v := l.Value(f).(type) {
		case nil:
			continue
		case []byte:
			text = amount(len(v), "octet", "octets")
		case []any:
			text = amount(len(v), "entry", "entries")
		case uint64:
			text = f.Format(l)
		default:
			text = Format(v)
		}
		parts = append(parts, f.Name+" "+text)
	}
	return strings.TrimSuffix(l.Protocol.Name+" "+strings.Join(parts, ", "), " ")
}

// amount returns a number with its noun.
func amount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
