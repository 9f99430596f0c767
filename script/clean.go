package script

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A terminal obeys control characters, and a peer may send them in data that a script prints, in names and in errors.
// Such text is therefore escaped before it is written to a terminal. It is written unchanged to a file or a pipe.

// clean returns text as standard output must show it.
func (s *Session) clean(text string) string {
	if !s.cfg.Terminal {
		return text
	}
	return escapeControls(text)
}

// escapeControls escapes control characters, invisible characters and octets that are not UTF-8 as Go and Starlark
// literals do: \x1b, \u202e. Line ends and tabs stay.
func escapeControls(text string) string {
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

// cleanWriter writes messages to a terminal, with control characters escaped.
type cleanWriter struct{ to io.Writer }

// Write implements io.Writer. p must be a whole message.
func (w cleanWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, escapeControls(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
