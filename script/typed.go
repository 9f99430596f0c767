package script

import (
	"errors"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// CommandName is the file name for the text of -c.
const CommandName = "<command>"

// typedOptions is FileOptions with one difference: names that load() binds stay bound for later statements.
var typedOptions = &syntax.FileOptions{
	Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true, LoadBindsGlobally: true,
}

// Typed runs one chunk of typed text as the prompt does. The value of each expression is printed and kept in _. Names
// that it binds are visible in every chunk typed before or after.
func (s *Session) Typed(src string) error {
	lasts := s.prompt.lasts
	s.prompt.runs = nil
	raw := s.typed(s.main, StdinName, src)
	s.prompt.running = syntax.Position{}
	err := s.result(raw)
	if s.ending.exit == nil {
		s.remember(src, raw, lasts)
	}
	return err
}

// RunCommand runs the text of -c, and prints the value of each expression as the prompt does.
func (s *Session) RunCommand(src string) error {
	return s.result(s.typed(s.main, CommandName, src))
}

// typed runs the statements one by one. Each statement is its own program. Names bound by earlier statements are
// predeclared, and are looked up when they are used. So a function sees the current values of its globals, not those at
// the time when it was typed.
func (s *Session) typed(t *taskValue, name, src string) error {
	s.recordOwn()
	s.files.sources[name] = src
	f, err := typedOptions.Parse(name, src, 0)
	if err != nil {
		return err
	}
	return s.statements(t, name, f, true)
}

// statements runs the statements of a chunk, and prints the values of its expressions if show is true.
func (s *Session) statements(t *taskValue, name string, f *syntax.File, show bool) (err error) {
	ahead := map[string]bool{} // names that the chunk binds: its functions may mention each other
	for _, stmt := range f.Stmts {
		for _, n := range bound(stmt) {
			ahead[n] = true
		}
	}
	now := map[string]bool{}
	for _, stmt := range f.Stmts {
		usedNow(stmt, now)
	}
	known := func(name string) bool {
		return ahead[name] || s.globals.Has(name) || !now[name] && !starlark.Universe.Has(name)
	}
	for _, stmt := range f.Stmts {
		if show {
			s.prompt.running, _ = stmt.Span()
			s.prompt.told = ""
		}
		if x, ok := stmt.(*syntax.ExprStmt); ok && show {
			err = s.typedExpr(t, name, x.X, known)
		} else {
			err = s.typedStmt(t, name, stmt, known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) typedExpr(t *taskValue, name string, x syntax.Expr, known func(string) bool) error {
	const result = " result" // can't be a name of the language, since it contains a space
	start := syntax.Start(x)
	stmt := &syntax.AssignStmt{OpPos: start, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: start, Name: result}, RHS: x}
	s.prompt.shown, s.prompt.printed = "", nil
	g, err := s.program(t, name, []syntax.Stmt{stmt}, known)
	if err != nil {
		return err
	}
	v := g[result]
	if v == nil || v == starlark.None {
		return nil
	}
	s.globals["_"] = v
	s.prompt.lasts++
	if s.prompt.shown != "" && v == starlark.String(s.prompt.shown) || s.prompt.printed != nil && v == s.prompt.printed {
		return nil
	}
	text := s.display(v)
	if again, ok := v.(redisplayer); ok {
		if _, called := x.(*syntax.CallExpr); !called {
			text = again.redisplay(s)
		}
	}
	if text != "" {
		s.out.Print(text)
	}
	return nil
}

// typedStmt runs a statement that is not an expression. The names that it binds are globals of its own program, which
// start with their previous values.
func (s *Session) typedStmt(t *taskValue, name string, stmt syntax.Stmt, known func(string) bool) error {
	start, _ := stmt.Span()
	var stmts []syntax.Stmt
	for _, n := range bound(stmt) {
		if !s.globals.Has(n) {
			continue
		}
		old := " " + n
		s.globals[old] = s.globals[n]
		defer delete(s.globals, old)
		stmts = append(stmts, &syntax.AssignStmt{
			OpPos: start, Op: syntax.EQ,
			LHS: &syntax.Ident{NamePos: start, Name: n}, RHS: &syntax.Ident{NamePos: start, Name: old},
		})
	}
	share(stmt)
	s.globals[sharing] = starlark.NewBuiltin(sharing, s.shareGlobals)
	defer delete(s.globals, sharing)
	hidden := func(n string) bool { return known(n) || s.globals.Has(n) }
	g, err := s.program(t, name, append(stmts, stmt), hidden)
	for n, v := range g {
		s.globals[n] = v
	}
	return err
}

// sharing is the name of the function to which share inserts calls. It can't be a name of the language.
const sharing = " share"

// share inserts calls into a compound statement, after each binding of a global, that make the new value known to functions. Without
// them a function called within the statement would find the values from before it.
func share(stmt syntax.Stmt) {
	at, _ := stmt.Span()
	call := &syntax.ExprStmt{X: &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: sharing}, Lparen: at, Rparen: at}}
	block := func(list []syntax.Stmt) (out []syntax.Stmt) {
		for _, stmt := range list {
			share(stmt)
			out = append(out, stmt)
			switch stmt.(type) {
			case *syntax.AssignStmt, *syntax.DefStmt, *syntax.LoadStmt:
				out = append(out, call)
			}
		}
		return out
	}
	switch stmt := stmt.(type) {
	case *syntax.ForStmt:
		stmt.Body = append([]syntax.Stmt{call}, block(stmt.Body)...)
	case *syntax.WhileStmt:
		stmt.Body = block(stmt.Body)
	case *syntax.IfStmt:
		stmt.True, stmt.False = block(stmt.True), block(stmt.False)
	}
}

// shareGlobals copies the globals of the program that calls it.
func (s *Session) shareGlobals(thread *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if fn, ok := thread.DebugFrame(1).Callable().(*starlark.Function); ok {
		for n, v := range fn.Globals() {
			s.globals[n] = v
		}
	}
	return starlark.None, nil
}

func (s *Session) program(t *taskValue, name string, stmts []syntax.Stmt, known func(string) bool) (starlark.StringDict, error) {
	prog, err := starlark.FileProgram(&syntax.File{Path: name, Stmts: stmts, Options: typedOptions}, known)
	if err != nil {
		return nil, err
	}
	return s.init(t, prog)
}

// bound returns the names that a statement binds, sorted.
func bound(stmt syntax.Stmt) []string {
	var names []string
	var target func(x syntax.Expr)
	target = func(x syntax.Expr) {
		switch x := x.(type) {
		case *syntax.Ident:
			names = append(names, x.Name)
		case *syntax.ParenExpr:
			target(x.X)
		case *syntax.TupleExpr:
			for _, e := range x.List {
				target(e)
			}
		case *syntax.ListExpr:
			for _, e := range x.List {
				target(e)
			}
		}
	}
	syntax.Walk(stmt, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			target(n.LHS)
		case *syntax.ForStmt:
			target(n.Vars)
		case *syntax.LoadStmt:
			for _, id := range n.To {
				target(id)
			}
		case *syntax.DefStmt:
			names = append(names, n.Name.Name)
			return false // names inside a function belong to the function
		case syntax.Expr:
			return false
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// usedNow adds the names that a statement needs when it runs. A name inside a function may be bound later, before the
// function uses it.
func usedNow(stmt syntax.Stmt, names map[string]bool) {
	var visit func(n syntax.Node) bool
	params := func(list []syntax.Expr) {
		for _, p := range list {
			if p, ok := p.(*syntax.BinaryExpr); ok {
				syntax.Walk(p.Y, visit) // a default value is computed when the function is defined
			}
		}
	}
	visit = func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			params(n.Params)
			return false
		case *syntax.LambdaExpr:
			params(n.Params)
			return false
		case *syntax.Ident:
			names[n.Name] = true
		}
		return true
	}
	syntax.Walk(stmt, visit)
}

// unbound replaces the interpreter's message about a name that a function uses before it is bound by "undefined: NAME".
// It returns other messages unchanged.
func (s *Session) unbound(msg string) string {
	msg = strings.TrimPrefix(msg, stopped)
	msg = withFmt(msg)
	const begin, end = "internal error: predeclared variable ", " is uninitialized"
	i := strings.Index(msg, begin)
	if i < 0 {
		return msg
	}
	name, rest, ok := strings.Cut(msg[i+len(begin):], end)
	if !ok {
		return msg
	}
	return msg[:i] + s.hint("undefined: "+name) + rest
}

// withFmt adds to the error of the operator % about a width or a precision, which that operator lacks, that fmt has them.
func withFmt(msg string) string {
	if at := strings.LastIndex(msg, "unknown conversion %"); at >= 0 {
		return msg + ` (here: fmt(x, 2), or fmt("%8.2f %-5d", …) with widths and decimals)`
	}
	return msg
}

// Incomplete reports whether typed text begins a statement that more lines, or an empty line, could complete.
func Incomplete(src string) bool {
	lines := strings.SplitAfter(src, "\n")
	i := 0
	ended := errors.New("no more")
	short := false
	_, err := typedOptions.ParseCompoundStmt(StdinName, func() ([]byte, error) {
		if i >= len(lines) || lines[i] == "" {
			short = true
			return nil, ended
		}
		i++
		return []byte(lines[i-1]), nil
	})
	return short && err != nil
}

// Unfinished reports whether a text of several statements ends within its last statement, so that more lines could
// complete it.
func Unfinished(src string) bool {
	_, err := typedOptions.Parse(StdinName, src, 0)
	var e syntax.Error
	if !errors.As(err, &e) {
		return false
	}
	return strings.Contains(e.Msg, "got end of file") || strings.Contains(e.Msg, "unexpected EOF") ||
		strings.Contains(e.Msg, "unclosed")
}

// SetWidth sets the width of the terminal in columns, to which output is fitted.
func (s *Session) SetWidth(columns int) {
	s.cfg.Width = columns
	s.watching.width.Store(int32(columns))
	at := verdictColumn
	if columns > 0 {
		at = min(at, max(0, columns-verdictRoom))
	}
	s.watching.verdictAt.Store(int32(at))
}

// HostInUse returns the name of the host that use() has chosen, "" for the session's own.
func (s *Session) HostInUse() string {
	if s.main.host == s.local {
		return ""
	}
	return s.main.host.name
}

// HelpFor returns the call of help() that the prompt runs for the input x?.
func (s *Session) HelpFor(x string) string {
	first, _, _ := strings.Cut(x, ".")
	if _, err := typedOptions.ParseExpr(StdinName, x, 0); err == nil && (s.globals.Has(first) || starlark.Universe.Has(first)) {
		return "help(" + x + ")"
	}
	if x == "" {
		return "help()"
	}
	return "help(\"" + x + "\")"
}
