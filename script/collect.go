package script

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/script/registry"
	"smolsh/script/testcase"
)

// testPrefix is the beginning of every test's name.
const testPrefix = "test_"

// A TestFunc is a test of a file.
type TestFunc struct {
	Name  string // printed name: that of a global, for a case of cases() with its value
	Index int    // of the case among those of its global
	Tags  []string
}

// A Collection holds the tests of a file.
type Collection struct {
	Tests   []TestFunc // tests in the order in which the file binds their names
	Remarks []string   // remarks about names that look like tests and are none, each with file and line
	Skipped bool       // true if the file's top level called skip()
	Why     string     // reason that skip() was given
}

// MayHaveTests reads a file without running it, and reports whether its top level binds a name that begins with test_. If it binds
// none, remarks has the names that look like tests. The error is a *Failure for a file that isn't Starlark.
func MayHaveTests(path string) (may bool, remarks []string, err error) {
	src, err := readSource(path)
	if err != nil {
		return false, nil, err
	}
	tree, err := registry.FileOptions.Parse(path, src, 0)
	if err != nil {
		var syn syntax.Error
		if errors.As(err, &syn) {
			f := &Failure{File: path, Line: int(syn.Pos.Line), Col: int(syn.Pos.Col), Message: syn.Msg}
			if lines := strings.Split(src, "\n"); f.Line >= 1 && f.Line <= len(lines) {
				f.Trace = []string{"    " + strings.TrimSpace(lines[f.Line-1])}
			}
			err = f
		}
		return false, nil, err
	}
	b := bindings(tree)
	for name := range b.first {
		if strings.HasPrefix(name, testPrefix) {
			return true, nil, nil
		}
	}
	return false, b.sortedRemarks(path), nil
}

// CollectTests evaluates a file, in a session that has run nothing yet, and returns its tests: every global whose name
// begins with test_ and that holds a function. fail is not nil if the file can't be evaluated.
func (s *Session) CollectTests(path string) (c Collection, fail *Failure) {
	s.test = &testRun{}
	var file testFile
	skip, fail := s.attempt(func() (err error) {
		file, err = s.prepare(path)
		return err
	})
	switch {
	case fail != nil:
		return c, fail
	case skip != nil:
		return Collection{Skipped: true, Why: skip.why}, nil
	}
	tree, err := registry.FileOptions.Parse(path, s.files.sources[path], 0)
	if err != nil {
		return c, s.failure(err)
	}
	b := bindings(tree)
	for _, name := range b.ordered(file.globals) {
		if !strings.HasPrefix(name, testPrefix) {
			continue
		}
		v, line := file.globals[name], b.first[name]
		list, err := testcase.Expand(name, v)
		switch {
		case err != nil:
			return c, &Failure{File: path, Line: line, Message: err.Error()}
		case list == nil:
			b.remark(line, "%s holds %s, no function: it is no test", name, article(v.Type()))
		case len(list) == 0:
			b.remark(line, "%s has no cases: nothing of it runs", name)
		}
		for i, k := range list {
			c.Tests = append(c.Tests, TestFunc{Name: k.Name, Index: i, Tags: k.Tags})
		}
	}
	for _, name := range []string{"setup", "teardown"} {
		if v := file.globals[name]; v != nil {
			if _, ok := v.(starlark.Callable); !ok {
				b.remark(b.first[name], "%s holds %s, no function: it is not called", name, article(v.Type()))
			}
		}
	}
	c.Remarks = b.sortedRemarks(path)
	return c, nil
}

// article returns a type's name with "a" or "an" in front.
func article(typ string) string {
	if strings.ContainsRune("aeiou", rune(typ[0])) {
		return "an " + typ
	}
	return "a " + typ
}

// binding holds the lines at which the top level of a file binds its names.
type binding struct {
	first   map[string]int // line of a name's first binding
	last    map[string]int // line of a name's last unconditional binding, for names that begin with test_
	remarks []lineRemark
}

type lineRemark struct {
	line int
	text string
}

func (b *binding) remark(line int, format string, args ...any) {
	b.remarks = append(b.remarks, lineRemark{line, fmt.Sprintf(format, args...)})
}

func (b *binding) sortedRemarks(path string) (list []string) {
	slices.SortStableFunc(b.remarks, func(x, y lineRemark) int { return x.line - y.line })
	for _, r := range b.remarks {
		list = append(list, fmt.Sprintf("%s:%d: %s", path, r.line, r.text))
	}
	return list
}

// ordered returns the names of globals in the order in which the file binds them.
func (b *binding) ordered(globals starlark.StringDict) []string {
	return slices.SortedFunc(maps.Keys(globals), func(x, y string) int {
		if d := b.first[x] - b.first[y]; d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
}

// bindings returns the bindings at the top level of a file.
func bindings(f *syntax.File) *binding {
	b := &binding{first: map[string]int{}, last: map[string]int{}}
	b.statements(f.Stmts, true)
	return b
}

// statements records the bindings of statements of the top level. certain is false for the statements of a branch or
// loop, which may run never or more than once.
func (b *binding) statements(list []syntax.Stmt, certain bool) {
	for _, stmt := range list {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			b.def(stmt, certain)
		case *syntax.AssignStmt:
			b.assign(stmt, certain)
		case *syntax.ForStmt:
			b.names(stmt.Vars)
			b.statements(stmt.Body, false)
		case *syntax.WhileStmt:
			b.statements(stmt.Body, false)
		case *syntax.IfStmt:
			b.statements(stmt.True, false)
			b.statements(stmt.False, false)
		case *syntax.LoadStmt:
			for _, name := range stmt.To {
				if name.Name == "setup" || name.Name == "teardown" {
					b.remark(int(name.NamePos.Line), "%s comes by load() and is not called: load it under another name and bind it here, %[1]s = …", name.Name)
				}
				if strings.HasPrefix(name.Name, testPrefix) {
					b.remark(int(name.NamePos.Line), "%s comes by load() and is no test of this file: give the function a name here, such as test_x = %[1]s", name.Name)
				}
			}
		}
	}
}

func (b *binding) def(d *syntax.DefStmt, certain bool) {
	name, line := d.Name.Name, int(d.Def.Line)
	b.bind(name, line, certain)
	if looksLikeTest(name) {
		b.remark(line, "%s is no test: the name of a test begins with %s", name, testPrefix)
	}
	for _, stmt := range d.Body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			if inner, ok := n.(*syntax.DefStmt); ok && strings.HasPrefix(inner.Name.Name, testPrefix) {
				b.remark(int(inner.Def.Line), "%s stands in %s and is no test: only names of the top level are", inner.Name.Name, name)
			}
			return true
		})
	}
}

// looksLikeTest reports whether a reader would take a function of that name for a test although the runner does not.
func looksLikeTest(name string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(name), "test")
	if !ok || rest == "" || strings.HasPrefix(name, testPrefix) {
		return false
	}
	switch rest[0] {
	case '_': // Test_x
		return true
	case 's':
		return strings.HasPrefix(rest, "s_")
	}
	return name[4] >= 'A' && name[4] <= 'Z' // testOpen, not testing or tested
}

func (b *binding) assign(a *syntax.AssignStmt, certain bool) {
	if id, ok := a.LHS.(*syntax.Ident); ok && a.Op == syntax.EQ {
		if mentions(a.RHS, id.Name) { // such as test_x = xfail(test_x, "why")
			delete(b.last, id.Name)
		}
		b.bind(id.Name, int(id.NamePos.Line), certain)
		return
	}
	b.names(a.LHS)
}

// names records a binding of every name in x, the left side of an assignment.
func (b *binding) names(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Ident:
		b.bind(x.Name, int(x.NamePos.Line), false)
	case *syntax.ParenExpr:
		b.names(x.X)
	case *syntax.TupleExpr:
		for _, e := range x.List {
			b.names(e)
		}
	case *syntax.ListExpr:
		for _, e := range x.List {
			b.names(e)
		}
	}
}

// bind records a binding of a name. If a second unconditional binding replaces a test, bind adds a remark.
func (b *binding) bind(name string, line int, certain bool) {
	if _, ok := b.first[name]; !ok {
		b.first[name] = line
	}
	if !certain || !strings.HasPrefix(name, testPrefix) && name != "setup" && name != "teardown" {
		return
	}
	if before, ok := b.last[name]; ok {
		b.remark(line, "%s is defined again: the one of line %d does not run", name, before)
	}
	b.last[name] = line
}

// mentions reports whether an expression uses a name.
func mentions(x syntax.Expr, name string) (found bool) {
	syntax.Walk(x, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && id.Name == name {
			found = true
		}
		return !found
	})
	return found
}
