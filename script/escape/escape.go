// Package escape makes text harmless for a terminal. A terminal obeys control characters, and a peer may put them into
// data that a script prints, into names and into errors.
package escape

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Controls returns the text with control characters, invisible ones and octets that are no UTF-8 in the notation of Go's and
// Starlark's literals: \x1b, \u202e. It leaves line ends and tabs.
func Controls(text string) string {
	plain := func(r rune) bool { return r == '\n' || r == '\t' || strconv.IsGraphic(r) && r != utf8.RuneError }
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case plain(r) || r == utf8.RuneError:
			b.WriteString(text[i : i+n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// A Writer writes to a terminal what it gets, through Controls.
type Writer struct{ To io.Writer }

// Write implements io.Writer; p is a whole message.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.To, Controls(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
