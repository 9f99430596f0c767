package script

import (
	"slices"
	"strings"
)

// endsWhole reports whether a text ends right behind a string or a bracket, where no name may follow.
func endsWhole(text string) bool {
	return text != "" && strings.ContainsRune("\"')]}", rune(text[len(text)-1]))
}

// reserved are the words of the language's grammar.
var reserved = strings.Fields("and break continue def elif else for if in lambda load not or pass return while")

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// matching are the items with the prefix, sorted, each once.
func matching(prefix string, items []string) []string {
	var out []string
	for _, it := range items {
		if strings.HasPrefix(it, prefix) && (it != "_" || prefix == "_") {
			out = append(out, it)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// place is where a text ends.
type place struct {
	comment bool
	quote   int      // where the string begins that it ends in, -1 when it ends in none
	call    *bracket // the innermost bracket, when that is one of a call
}

// bracket is an open bracket and what stands in it so far.
type bracket struct {
	open  int      // its index
	kind  byte     // '(' of a call is 'c'
	arg   int      // where the present argument begins
	index int      // its number
	named []string // keywords that are given
}

// placeIn reads the text as Starlark's scanner would, as far as strings and brackets go.
func placeIn(text string) place {
	at := place{quote: -1}
	var open []bracket
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				at.comment = true
				return at
			}
			i += n
		case '"', '\'':
			end := stringEnd(text, i)
			if end < 0 {
				at.quote = i
				i = len(text)
				continue
			}
			i = end
		case '(', '[', '{':
			kind := c
			if c == '(' && i > 0 && (isNameByte(text[i-1]) || text[i-1] == ')' || text[i-1] == ']') && (!isReserved(lastName(text[:i])) || lastName(text[:i]) == "load") {
				kind = 'c'
			}
			open = append(open, bracket{open: i, kind: kind, arg: i + 1})
		case ')', ']', '}':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case ',':
			if n := len(open); n > 0 {
				open[n-1].arg = i + 1
				open[n-1].index++
			}
		case '=':
			if n := len(open); n > 0 && open[n-1].kind == 'c' {
				if name := strings.TrimSpace(text[open[n-1].arg:i]); isName(name) {
					open[n-1].named = append(open[n-1].named, name)
				}
			}
		}
	}
	if n := len(open); n > 0 && open[n-1].kind == 'c' {
		at.call = &open[n-1]
	}
	return at
}

// stringEnd is the index of the last quote of the string that begins at i, -1 when it has no end. A
// string of one line that has none by the line's end is over there.
func stringEnd(text string, i int) int {
	q := text[i : i+1]
	raw := i > 0 && (text[i-1] == 'r' || text[i-1] == 'R')
	if strings.HasPrefix(text[i:], q+q+q) {
		if n := strings.Index(text[i+3:], q+q+q); n >= 0 {
			return i + 3 + n + 2
		}
		return -1
	}
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && !raw:
			j++
		case text[j] == q[0] || text[j] == '\n':
			return j
		}
	}
	return -1
}

func isName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}

func isReserved(s string) bool { return slices.Contains(reserved, s) }

func lastName(text string) string {
	i := len(text)
	for i > 0 && isNameByte(text[i-1]) {
		i--
	}
	return text[i:]
}

// primary returns the expression at the end of a text: a name with its selectors, calls and indices.
func primary(text string) string {
	i := len(text)
	for i > 0 {
		switch c := text[i-1]; {
		case isNameByte(c) || c == '.':
			i--
		case (c == ')' || c == ']' || c == '"' || c == '\'') && i == len(text) || c == ')' || c == ']':
			j := opening(text[:i])
			if j < 0 {
				return ""
			}
			i = j
		default:
			return text[i:]
		}
		if isReserved(text[i:]) {
			return ""
		}
	}
	return text[i:]
}

// opening is the index of what the bracket or quote at the text's end closes, -1 without one.
func opening(text string) int {
	for i := range len(text) {
		at := placeIn(text[:i])
		if at.quote >= 0 || at.comment {
			continue
		}
		switch c := text[i]; c {
		case '"', '\'':
			if stringEnd(text, i) == len(text)-1 {
				return i
			}
		case '(', '[':
			if closes(text, i) {
				return i
			}
		}
	}
	return -1
}

// closes reports whether the bracket at i is closed by the text's last octet.
func closes(text string, i int) bool {
	depth := 0
	for j := i; j < len(text); j++ {
		switch text[j] {
		case '"', '\'':
			if end := stringEnd(text, j); end >= 0 {
				j = end
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return j == len(text)-1
			}
		}
	}
	return false
}
