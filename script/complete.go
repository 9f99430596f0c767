package script

import (
	"slices"
	"smolsh/script/table"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Complete gives what the end of text, a line or a whole input so far, may go on with: items that could
// stand from there on, sorted, all beginning with text[from:], and what may follow where there is only
// one. It is for the goroutine that reads, while the session is inside Await; where a computing script
// keeps the interpreter for longer than the limit there is nothing.
func (s *Session) Complete(text string, limit time.Duration) (from int, items []string, suffix string) {
	s.request(func() { from, items, suffix = s.complete(text) }, limit)
	return from, items, suffix
}

// complete is Complete with the baton.
func (s *Session) complete(text string) (from int, items []string, suffix string) {
	if strings.HasPrefix(text, "!") {
		return completeCommand(text)
	}
	at := placeIn(text)
	switch {
	case at.comment:
		return len(text), nil, ""
	case at.quote >= 0:
		return s.completeString(text, at)
	}
	from = len(text)
	for from > 0 && isNameByte(text[from-1]) {
		from--
	}
	prefix := text[from:]
	if prefix != "" && prefix[0] >= '0' && prefix[0] <= '9' {
		return from, nil, ""
	}
	if base, ok := strings.CutSuffix(strings.TrimRight(text[:from], " "), "."); ok {
		return from, matching(prefix, s.members(primary(base))), ""
	}
	if endsWhole(text[:from]) || strings.HasSuffix(text[:from], "?") && strings.Trim(text[:from], " ?") != "" {
		return from, nil, ""
	}
	question := strings.TrimLeft(text, " ?") == prefix && strings.Contains(text, "?")
	if c := at.call; c != nil && !question && strings.TrimSpace(text[c.arg:from]) == "" {
		if items = matching(prefix, s.keywords(primary(text[:c.open]), c)); len(items) > 0 {
			return from, items, ""
		}
	}
	for n := range s.globals {
		if !strings.HasPrefix(n, " ") {
			items = append(items, n)
		}
	}
	items = append(append(items, starlark.Universe.Keys()...), reserved...)
	return from, matching(prefix, items), ""
}

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

// resultOf stands in front of a builtin's name, and both for the type of what it returns.
const resultOf = "result of "

// members are the names that may follow the dot after an expression.
func (s *Session) members(expr string) []string {
	v, typ := s.lookUp(expr)
	if v, ok := v.(starlark.HasAttrs); ok {
		return v.AttrNames()
	}
	var items []string
	if b := s.reg.ByName[strings.TrimPrefix(typ, resultOf)]; b != nil && strings.HasPrefix(typ, resultOf) {
		typ = b.Result
		for _, f := range strings.Fields(b.Fields) {
			if isName(f) {
				items = append(items, f)
			}
		}
	}
	items = append(items, s.reg.Members[typ]...)
	if t := s.reg.TypeOf(typ); t != nil {
		for _, f := range t.Fields {
			items = append(items, strings.TrimSuffix(f[0], "()"))
		}
	}
	return items
}

// lookUp is the value of an expression that can be had without any effect, or else the name of its type,
// or resultOf and the builtin that gives it.
func (s *Session) lookUp(expr string) (starlark.Value, string) {
	x, err := typedOptions.ParseExpr(StdinName, expr, 0)
	if err != nil {
		return nil, ""
	}
	return s.value(x)
}

func (s *Session) value(x syntax.Expr) (starlark.Value, string) {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return s.value(x.X)
	case *syntax.Ident:
		if v := s.globals[x.Name]; v != nil {
			return v, ""
		}
		return starlark.Universe[x.Name], ""
	case *syntax.Literal:
		switch v := x.Value.(type) {
		case string:
			return starlark.String(v), ""
		case int64:
			return starlark.MakeInt64(v), ""
		}
	case *syntax.DotExpr:
		v, typ := s.value(x.X)
		if h, ok := v.(starlark.HasAttrs); ok {
			m, _ := h.Attr(x.Name.Name)
			return m, ""
		}
		if b := s.reg.ByName[strings.TrimPrefix(typ, resultOf)]; b != nil {
			typ = b.Result
		}
		if b := s.reg.ByName[typ+"."+x.Name.Name]; b != nil {
			return &function{s, b, nil}, ""
		}
	case *syntax.IndexExpr:
		return s.indexed(x), ""
	case *syntax.CallExpr:
		fn, _ := s.value(x.Fn)
		if f, ok := fn.(*function); ok {
			if tables[f.b.Name] && len(x.Args) == 0 {
				v, _ := starlark.Call(s.looking(), f, nil, nil)
				return v, ""
			}
			return nil, resultOf + f.b.Name
		}
	}
	return nil, ""
}

// tables are the builtins that completion may call: they only look.
var tables = map[string]bool{"ifaces": true, "neighbors": true, "routes": true, "sockets": true, "faults": true, "tasks": true}

// looking is a thread for them.
func (s *Session) looking() *starlark.Thread {
	t := &starlark.Thread{Name: "completion"}
	t.SetLocal("task", s.main)
	return t
}

func (s *Session) indexed(x *syntax.IndexExpr) starlark.Value {
	v, _ := s.value(x.X)
	k, _ := s.value(x.Y)
	if v == nil || k == nil {
		return nil
	}
	if m, ok := v.(starlark.Mapping); ok {
		found, _, _ := m.Get(k)
		return found
	}
	if l, ok := v.(starlark.Indexable); ok {
		if i, err := starlark.AsInt32(k); err == nil && i >= 0 && i < l.Len() {
			return l.Index(i)
		}
	}
	return nil
}

// keywords are the arguments that a call may still name, with their equals sign.
func (s *Session) keywords(fn string, c *bracket) []string {
	v, _ := s.lookUp(fn)
	var names []string
	switch f := v.(type) {
	case *function:
		for i, p := range f.b.Params {
			if i >= c.index || i >= f.b.Positional {
				names = append(names, p.Name)
			}
		}
		for n := range optionsOf(f.b) {
			names = append(names, n)
		}
		if t, ok := f.recv.(*table.Table); ok && f.b.Name == "table.where" {
			names = append(names, t.FieldNames()...)
		}
	case *starlark.Function:
		n := f.NumParams()
		if f.HasVarargs() {
			n--
		}
		if f.HasKwargs() {
			n--
		}
		for i := c.index; i < n; i++ {
			name, _ := f.Param(i)
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(c.named, n) })
	for i := range names {
		names[i] += "="
	}
	return names
}
