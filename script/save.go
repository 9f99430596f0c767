package script

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/script/registry"
)

// typedInput is a chunk that was typed at the prompt, and the facts about the chunk that save() needs.
type typedInput struct {
	src    string
	failed string // the error that it ended with, "" if it succeeded
	shell  bool   // it is a command line of the system's shell
	last   bool   // it bound _
	single bool   // it is one expression, so that _ = (…) says the same
	uses   bool   // it reads _
	runs   []ranFile
	alone  bool // true if the chunk is a call of run() or reload() and nothing else

	// The form in the file, which savedText decides.
	keepLast bool   // true if the chunk is written as _ = (…)
	embed    bool   // true if the source of the file that the chunk ran is written in its place
	omit     string // reason for which the chunk is written as a comment, "" if it is not
}

// ranFile is one run of a file by run() or reload().
type ranFile struct {
	path, src string
	args      []starlark.Value
	binds     map[string]bool // names of the globals that the file bound
}

// remember stores a typed chunk for save(). It also stores the error err that ended the chunk. It does not store calls
// of save() and help(). lasts is the number of values of _ that the session had before the chunk.
func (s *Session) remember(src string, err error, lasts int) {
	in := typedInput{src: strings.TrimRight(src, "\n"), runs: s.prompt.runs, last: s.prompt.lasts > lasts}
	s.prompt.runs = nil
	for _, skip := range []string{"save(", "help("} {
		if strings.HasPrefix(src, skip) {
			return
		}
	}
	if err != nil {
		in.failed, _, _ = strings.Cut(err.Error(), "\n")
		if _, msg := resolveError(err); msg != "" {
			in.failed = msg
		}
	}
	if err == nil && s.tasks.Resumed() {
		in.failed = "a call waited until Ctrl-C"
	}
	f, parseErr := typedOptions.Parse(StdinName, src, 0)
	if parseErr == nil {
		names := map[string]bool{}
		for _, stmt := range slices.Backward(f.Stmts) {
			usedNow(stmt, names)
			if x, ok := stmt.(*syntax.ExprStmt); ok && isCallOf(x.X, "save") {
				begin, end := stmt.Span()
				in.src = src[:offset(src, begin)] + "pass" + strings.TrimRight(src[offset(src, end):], "\n")
				src = in.src
			}
		}
		in.uses = names["_"]
		if len(f.Stmts) == 1 {
			if x, ok := f.Stmts[0].(*syntax.ExprStmt); ok {
				in.single, in.alone = true, isRun(x.X) && len(in.runs) == 1
			}
		}
	}
	s.prompt.inputs = append(s.prompt.inputs, in)
}

// isRun reports whether an expression is a call of run() or reload().
func isRun(x syntax.Expr) bool { return isCallOf(x, "run") || isCallOf(x, "reload") }

// isCallOf reports whether an expression is a call of the function called name.
func isCallOf(x syntax.Expr, name string) bool {
	call, ok := x.(*syntax.CallExpr)
	if !ok {
		return false
	}
	fn, ok := call.Fn.(*syntax.Ident)
	return ok && fn.Name == name
}

// beforeRunning returns the text of the statements that stand before the running one in its chunk.
func (s *Session) beforeRunning() string {
	if !s.prompt.running.IsValid() {
		return ""
	}
	src := s.files.sources[s.prompt.running.Filename()]
	return strings.TrimRight(src[:offset(src, s.prompt.running)], "; \t\n")
}

// offset returns the index in src of a position, whose columns count runes.
func offset(src string, at syntax.Position) int {
	i := 0
	for range at.Line - 1 {
		i += strings.IndexByte(src[i:], '\n') + 1
	}
	for range at.Col - 1 {
		_, n := utf8.DecodeRuneInString(src[i:])
		i += n
	}
	return i
}

func builtinSave(c *call) (starlark.Value, error) {
	path := arg[string](c, "file")
	before := c.s.beforeRunning()
	if before == "" && !slices.ContainsFunc(c.s.prompt.inputs, func(in typedInput) bool { return in.failed == "" && !in.shell }) {
		return nil, c.errorf("nothing was typed yet that went well")
	}
	text := c.s.savedText(before)
	f, release, err := c.t.create(path, c.b.Name)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	defer release()
	defer f.Close()
	if err := c.t.write(f, []byte(text)); err != nil {
		return nil, c.errorf("%w", err)
	}
	return starlark.None, nil
}

// savedText returns the typed chunks as a script that runs. A script knows only the names that it binds itself, so
// chunks that use _ or names from run() are written in another form. A chunk that failed, or uses a name that no other
// chunk binds, becomes a comment. Each round of the loop changes the form of one chunk, which may leave others without
// a name. before is the text of the statements that stand before the call of save() in its own chunk.
func (s *Session) savedText(before string) string {
	inputs := slices.Clone(s.prompt.inputs)
	if before != "" {
		inputs = append(inputs, typedInput{src: before})
	}
	known := true // true if the value of _ can be bound in a file
	for i := range inputs {
		in := &inputs[i]
		switch {
		case in.shell:
			in.omit = "not repeated: a script runs a command by sh(…)"
		case in.failed != "":
			in.omit = "failed: " + in.failed
		case in.alone && strings.HasPrefix(in.src, "reload"):
			in.omit = "not repeated: the file was read again"
		case in.uses && !known:
			in.omit = "not repeated: _ was a value of several statements, or of a line that failed"
		}
		if in.last {
			known = in.single && in.omit == ""
		}
	}
	for range 3*len(inputs) + 1 {
		text, first := joinInputs(inputs)
		_, _, err := starlark.SourceProgramOptions(registry.FileOptions, "saved", text, s.prompt.builtins.Has)
		line, msg := resolveError(err)
		if line == 0 {
			return text
		}
		i, found := slices.BinarySearch(first, line)
		if !found {
			i--
		}
		if !changeForm(inputs, i, msg) {
			inputs[i].omit = "not repeated: " + msg
		}
	}
	text, _ := joinInputs(inputs)
	return text
}

// resolveError returns the line and the message of the first error in a source; line is 0 if there is no such error.
func resolveError(err error) (line int, msg string) {
	var list resolve.ErrorList
	var syn syntax.Error
	switch {
	case errors.As(err, &list):
		return int(list[0].Pos.Line), list[0].Msg
	case errors.As(err, &syn):
		return int(syn.Pos.Line), syn.Msg
	}
	return 0, ""
}

// changeForm changes the form of chunks before chunk i so that they bind the name that is undefined in chunk i. msg is
// the error of chunk i. It reports whether the form of a chunk has changed.
func changeForm(inputs []typedInput, i int, msg string) (changed bool) {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, " ")
	if name == "_" {
		for k := range inputs {
			if in := &inputs[k]; in.last && in.single && !in.keepLast && in.omit == "" {
				in.keepLast = true
				changed = changed || k < i
			}
		}
		return changed
	}
	for k := range inputs {
		if in := &inputs[k]; in.failed == "" && in.alone && !in.embed && in.runs[0].binds[name] {
			in.embed, in.omit, changed = true, "", true
		}
	}
	return changed
}

// joinInputs returns the text of all chunks, and the line number at which each chunk begins.
func joinInputs(inputs []typedInput) (text string, first []int) {
	var b strings.Builder
	line := 1
	for i := range inputs {
		first = append(first, line)
		part := inputs[i].text()
		b.WriteString(part)
		line += strings.Count(part, "\n")
	}
	return b.String(), first
}

// text returns the chunk in the form that save() writes. It ends with a line feed.
func (in *typedInput) text() string {
	commented := "# " + strings.ReplaceAll(in.src, "\n", "\n# ")
	switch {
	case in.omit != "":
		return "# " + in.omit + "\n" + commented + "\n"
	case in.embed:
		r := &in.runs[0]
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n# the names of %s, which run() would not make available here:\n", commented, r.path)
		if len(r.args) > 0 {
			fmt.Fprintf(&b, "args = %v\n", starlark.NewList(r.args))
		}
		fmt.Fprintf(&b, "%s\n# the end of %s\n", strings.TrimRight(r.src, "\n"), r.path)
		return b.String()
	case in.keepLast && strings.ContainsAny(in.src, "#\n"):
		return "_ = (" + in.src + "\n)\n"
	case in.keepLast:
		return "_ = " + in.src + "\n"
	}
	return in.src + "\n"
}

// ranNow stores a run of a file for save(): its path, source, arguments, and the globals g that it bound.
func (s *Session) ranNow(path string, src string, args []starlark.Value, g starlark.StringDict) {
	binds := map[string]bool{}
	for n := range maps.Keys(g) {
		binds[n] = true
	}
	s.prompt.runs = append(s.prompt.runs, ranFile{path: path, src: src, args: args, binds: binds})
}
