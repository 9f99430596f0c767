// Package cursor analyses the text before the cursor for completion: whether it ends in a string, a comment or a call,
// which argument of the call it ends in, and the expression before a dot. The text is an unfinished chunk of Starlark.
// The package does not know the values of names.
package cursor

import (
	"slices"
	"strings"
)

// EndsWhole reports whether a text ends just after a string or a bracket, where no name may follow.
func EndsWhole(text string) bool {
	return text != "" && strings.ContainsRune("\"')]}", rune(text[len(text)-1]))
}

// Reserved returns the keywords of the language.
func Reserved() []string { return strings.Fields(keywords) }

const keywords = "and break continue def elif else for if in lambda load not or pass return while"

// IsNameByte reports whether an octet may occur in a name.
func IsNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Matching returns the items that begin with prefix. It sorts them and removes duplicates. It omits the item _ unless
// prefix is _ too.
func Matching(prefix string, items []string) []string {
	var out []string
	for _, it := range items {
		if strings.HasPrefix(it, prefix) && (it != "_" || prefix == "_") {
			out = append(out, it)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A Place describes the end of a text.
type Place struct {
	Comment bool     // true in a comment
	Quote   int      // index of the first quote of the string in which the text ends, -1 if it does not end in a string
	Call    *Bracket // innermost open bracket if it belongs to a call, otherwise nil
	Index   *Bracket // innermost open bracket if it selects an element, as in x[, otherwise nil
}

// A Bracket is an open bracket with the arguments after it.
type Bracket struct {
	Open  int      // index in the text
	kind  byte     // the bracket's octet, 'c' for the bracket of a call, 'i' for one that selects an element
	Arg   int      // index at which the last argument begins
	Index int      // number of the last argument, from 0
	Named []string // names of the keyword arguments so far
}

// At returns the place at the end of a text. It reads strings, comments and brackets as Starlark's scanner does.
func At(text string) Place {
	at := Place{Quote: -1}
	var open []Bracket
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				at.Comment = true
				return at
			}
			i += n
		case '"', '\'':
			end := stringEnd(text, i)
			if end < 0 {
				at.Quote = i
				i = len(text)
				continue
			}
			i = end
		case '(', '[', '{':
			kind := c
			if c == '[' && EndsValue(text[:i]) {
				kind = 'i'
			}
			if c == '(' && i > 0 && (IsNameByte(text[i-1]) || text[i-1] == ')' || text[i-1] == ']') && (!isReserved(LastName(text[:i])) || LastName(text[:i]) == "load") {
				kind = 'c'
			}
			open = append(open, Bracket{Open: i, kind: kind, Arg: i + 1})
		case ')', ']', '}':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case ',':
			if n := len(open); n > 0 {
				open[n-1].Arg = i + 1
				open[n-1].Index++
			}
		case '=':
			if n := len(open); n > 0 && open[n-1].kind == 'c' {
				if name := strings.TrimSpace(text[open[n-1].Arg:i]); IsName(name) {
					open[n-1].Named = append(open[n-1].Named, name)
				}
			}
		}
	}
	if n := len(open); n > 0 {
		switch open[n-1].kind {
		case 'c':
			at.Call = &open[n-1]
		case 'i':
			at.Index = &open[n-1]
		}
	}
	return at
}

// EndsValue reports whether a text ends just after a name, a string or a closed bracket, so that a bracket that follows selects
// an element.
func EndsValue(text string) bool {
	return EndsWhole(text) || text != "" && IsNameByte(text[len(text)-1]) && !isReserved(LastName(text))
}

// stringEnd returns the index of the last quote of the string that begins at i, -1 if the string does not end. A string
// in single quotes also ends at the end of its line.
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

// IsName reports whether a text is a name.
func IsName(s string) bool {
	for i := range len(s) {
		if !IsNameByte(s[i]) {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}

func isReserved(s string) bool { return slices.Contains(Reserved(), s) }

// LastName returns the name at the end of a text, "" if there is none.
func LastName(text string) string {
	i := len(text)
	for i > 0 && IsNameByte(text[i-1]) {
		i--
	}
	return text[i:]
}

// Primary returns the expression at the end of a text: a name with its selectors, calls and indices.
func Primary(text string) string {
	i := len(text)
	for i > 0 {
		switch c := text[i-1]; {
		case IsNameByte(c) || c == '.':
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

// opening returns the index of the bracket or quote that matches the one at the text's end, -1 if there is none.
func opening(text string) int {
	for i := range len(text) {
		at := At(text[:i])
		if at.Quote >= 0 || at.Comment {
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

// closes reports whether the text's last octet closes the bracket at index i.
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
