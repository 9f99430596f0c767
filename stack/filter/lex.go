package filter

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

// kind is the kind of a token.
type kind uint8

const (
	tokEnd  kind = iota
	tokWord      // a keyword or a name
	tokNum       // num
	tokAddr      // addr, a whole IPv4 or IPv6 address
	tokMAC       // mac
	tokOp        // text is one of the operators
)

type token struct {
	kind    kind
	pos     int
	text    string
	num     uint32
	addr    netip.Addr
	mac     wire.HardwareAddr
	escaped bool // true for a word after a backslash, which is never a keyword
}

// describe names the token for an error message.
func (t token) describe() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// operators lists two-octet operators first, because they must be tried before one-octet ones.
var operators = []string{"&&", "||", "==", "!=", "<=", ">=", "<<", ">>",
	"(", ")", "[", "]", ":", "!", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^"}

// lex splits an expression into tokens; the last is tokEnd.
func lex(expr string) ([]token, *Error) {
	if len(expr) > maxExpr {
		return nil, &Error{expr, maxExpr, fmt.Sprintf("the expression has %d octets, and may have %d", len(expr), maxExpr)}
	}
	var out []token
	brackets := 0
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case isWord(c) && c != '-' && c != '.', c == '\\', c == ':' && brackets == 0:
			t, err := lexWord(expr, i, brackets > 0)
			if err != nil {
				return nil, err
			}
			i += len(t.text)
			if t.escaped {
				t.text = t.text[1:]
			}
			out = append(out, t)
			continue
		}
		op := operator(expr[i:])
		switch op {
		case "":
			return nil, &Error{expr, i, "unexpected character " + strconv.QuoteRune([]rune(expr[i:])[0])}
		case "[":
			brackets++
		case "]":
			brackets = max(0, brackets-1)
		}
		out = append(out, token{kind: tokOp, pos: i, text: op})
		i += len(op)
	}
	return append(out, token{pos: len(expr)}), nil
}

func operator(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// lexWord reads the word, number or address at i. Inside brackets a colon ends it.
func lexWord(expr string, i int, inBrackets bool) (token, *Error) {
	t := token{kind: tokWord, pos: i}
	j := i
	if expr[j] == '\\' {
		t.escaped = true
		j++
	}
	colons := 0
	for ; j < len(expr) && (isWord(expr[j]) || expr[j] == ':' && !inBrackets); j++ {
		if expr[j] == ':' {
			colons++
		}
	}
	t.text = expr[i:j]
	var ok bool
	switch {
	case t.escaped:
		if len(t.text) == 1 {
			return t, &Error{expr, i, "expected a name behind the backslash"}
		}
	case colons > 0:
		if t.mac, ok = parseMAC(t.text); ok {
			t.kind = tokMAC
			break
		}
		addr, err := netip.ParseAddr(t.text)
		if err != nil {
			return t, &Error{expr, i, strconv.Quote(t.text) + " is neither an Ethernet nor an IPv6 address"}
		}
		t.kind, t.addr = tokAddr, addr
	case strings.Count(t.text, "-") == 5, strings.Count(t.text, ".") == 5:
		if t.mac, ok = parseMAC(strings.NewReplacer("-", ":", ".", ":").Replace(t.text)); ok {
			t.kind = tokMAC
		}
	case len(t.text) == 14 && t.text[4] == '.' && t.text[9] == '.' || len(t.text) == 12:
		if raw, err := hex.DecodeString(strings.ReplaceAll(t.text, ".", "")); err == nil && len(raw) == len(t.mac) {
			t.kind, t.mac = tokMAC, wire.HardwareAddr(raw)
		}
	case t.text[0] >= '0' && t.text[0] <= '9':
		if addr, err := netip.ParseAddr(t.text); err == nil {
			t.kind, t.addr = tokAddr, addr
		} else if n, err := strconv.ParseUint(t.text, 0, 32); err == nil && !strings.Contains(t.text, "_") {
			t.kind, t.num = tokNum, uint32(n)
		} else if strings.Trim(t.text, "0123456789") == "" {
			return t, &Error{expr, i, "number " + t.text + " does not fit into 32 bits"}
		}
	}
	return t, nil
}

// parseMAC parses six groups of one or two hexadecimal digits between colons. ok is false for another text.
func parseMAC(s string) (a wire.HardwareAddr, ok bool) {
	for i := range a {
		group, rest, found := strings.Cut(s, ":")
		if len(group) == 0 || len(group) > 2 || found != (i < len(a)-1) {
			return a, false
		}
		n, err := strconv.ParseUint(group, 16, 8)
		if err != nil {
			return a, false
		}
		a[i], s = byte(n), rest
	}
	return a, true
}
