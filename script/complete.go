package script

import (
	"slices"
	"smolsh/script/cursor"
	"smolsh/script/filename"
	"smolsh/script/packetvalue"
	"smolsh/script/table"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Complete returns completions for the end of text, which is a line or a whole input so far. items are sorted, and each
// may replace text[from:], with which it begins. If there is only one item, the caller may add suffix to it. The
// goroutine that reads input calls Complete while the session is inside Await. If a script computes for longer than
// limit, there are no items.
func (s *Session) Complete(text string, limit time.Duration) (from int, items []string, suffix string) {
	s.tasks.Request(func() { from, items, suffix = s.complete(text) }, limit)
	return from, items, suffix
}

// complete implements Complete. The caller holds the baton.
func (s *Session) complete(text string) (from int, items []string, suffix string) {
	if strings.HasPrefix(text, "!") {
		return filename.Complete(text)
	}
	at := cursor.At(text)
	switch {
	case at.Comment:
		return len(text), nil, ""
	case at.Quote >= 0:
		return s.completeString(text, at)
	}
	from = len(text)
	for from > 0 && cursor.IsNameByte(text[from-1]) {
		from--
	}
	prefix := text[from:]
	if prefix != "" && prefix[0] >= '0' && prefix[0] <= '9' {
		return from, nil, ""
	}
	if base, ok := strings.CutSuffix(strings.TrimRight(text[:from], " "), "."); ok {
		return from, cursor.Matching(prefix, s.members(cursor.Primary(base))), ""
	}
	if cursor.EndsWhole(text[:from]) || strings.HasSuffix(text[:from], "?") && strings.Trim(text[:from], " ?") != "" {
		return from, nil, ""
	}
	question := strings.TrimLeft(text, " ?") == prefix && strings.Contains(text, "?")
	if c := at.Call; c != nil && !question && strings.TrimSpace(text[c.Arg:from]) == "" {
		callee := cursor.Primary(text[:c.Open])
		if items = cursor.Matching(prefix, append(s.keywords(callee, c), s.protocols(callee, c)...)); len(items) > 0 {
			return from, items, ""
		}
	}
	for n := range s.globals {
		if !strings.HasPrefix(n, " ") {
			items = append(items, n)
		}
	}
	items = append(append(items, starlark.Universe.Keys()...), cursor.Reserved()...)
	return from, cursor.Matching(prefix, items), ""
}

// resultOf is the prefix of a builtin's name that denotes the type of the builtin's result.
const resultOf = "result of "

// members returns the names that may follow the dot after an expression.
func (s *Session) members(expr string) []string {
	v, typ := s.lookUp(expr)
	switch v := v.(type) {
	case *packetvalue.Value:
		return v.Completions()
	case starlark.HasAttrs:
		return v.AttrNames()
	}
	var items []string
	if b := s.reg.ByName[strings.TrimPrefix(typ, resultOf)]; b != nil && strings.HasPrefix(typ, resultOf) {
		typ = b.Result
		for _, f := range strings.Fields(b.Fields) {
			if cursor.IsName(f) {
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

// lookUp returns the value of an expression if it can be computed without side effects. Otherwise it returns the name
// of the value's type, or resultOf and the name of the builtin that returns the value.
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
	case *syntax.BinaryExpr:
		if v, typ := s.value(x.X); x.Op == syntax.SLASH && (typ == "packet" || v != nil && v.Type() == "packet") {
			return nil, "packet"
		}
	case *syntax.CallExpr:
		fn, _ := s.value(x.Fn)
		if _, ok := fn.(packetvalue.Protocol); ok {
			return nil, "packet"
		}
		if f, ok := fn.(*function); ok {
			return s.callResult(f, len(x.Args))
		}
	}
	return nil, ""
}

// callResult returns the value of a call, or resultOf and the name of the builtin. A table that completion can't compute is returned
// with its columns and without rows, and a part of a table as the whole.
func (s *Session) callResult(f *function, args int) (starlark.Value, string) {
	t, _ := f.recv.(*table.Table)
	switch {
	case tables[f.b.Name] && args == 0:
		v, _ := starlark.Call(s.looking(), f, nil, nil)
		return v, ""
	case t != nil && f.b.Result == "table":
		return t, ""
	case f.b.Result == "table" && f.b.Fields != "":
		return table.New(environment{s}, f.b.Name, f.recv, table.Columns(f.b.Fields)...), ""
	}
	return nil, resultOf + f.b.Name
}

// tables are the builtins that completion may call, because they have no side effects.
var tables = map[string]bool{"ifaces": true, "neighbors": true, "routes": true, "sockets": true, "faults": true, "tasks": true,
	"counters": true, "drops": true, "addrs": true, "routers": true, "prefixes": true, "dns": true, "limits": true, "captures": true}

// looking returns a thread in which completion may call the builtins of tables.
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

// protocols are the protocols' names where an argument of a builtin is to be one.
func (s *Session) protocols(fn string, c *cursor.Bracket) (names []string) {
	v, _ := s.lookUp(fn)
	f, ok := v.(*function)
	if !ok || c.Index >= f.b.Positional || f.b.Params[c.Index].Name != "protocol" {
		return nil
	}
	for name, x := range s.globals {
		if _, ok := x.(packetvalue.Protocol); ok {
			names = append(names, name)
		}
	}
	return names
}

// keywords are the arguments that a call may still name. Each ends with the equals sign.
func (s *Session) keywords(fn string, c *cursor.Bracket) []string {
	v, _ := s.lookUp(fn)
	var names []string
	switch f := v.(type) {
	case *function:
		for i, p := range f.b.Params {
			if i >= c.Index || i >= f.b.Positional {
				names = append(names, p.Name)
			}
		}
		for n := range optionsOf(f.b) {
			names = append(names, n)
		}
		if t, ok := f.recv.(*table.Table); ok && f.b.Name == "table.where" {
			names = append(names, t.FieldNames()...)
		}
	case packetvalue.Protocol:
		names = protocolFields(f.Table)
	case *starlark.Function:
		n := f.NumParams()
		if f.HasVarargs() {
			n--
		}
		if f.HasKwargs() {
			n--
		}
		for i := c.Index; i < n; i++ {
			name, _ := f.Param(i)
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(c.Named, n) })
	for i := range names {
		names[i] += "="
	}
	return names
}
