package smolsh_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxLines is the length above which a file, other than a test, counts as holding more than one noun.
const maxLines = 600

// goStatementFiles returns the largest number of files of a package that may have go statements. It is 0 in the core,
// in script and in the packages below script, but 1 in the scheduler of tasks. For other packages there is no limit,
// and bounded is false.
func goStatementFiles(pkg string) (most int, bounded bool) {
	switch {
	case pkg == "script/task":
		return 1, true
	case isCore(pkg), pkg == "script", strings.HasPrefix(pkg, "script/"):
		return 0, true
	}
	return 0, false
}

// A goPackage holds the Go files of a folder, except its tests. Identifiers are resolved as far as the source text of
// this module alone allows.
type goPackage struct {
	path  string
	files []*goFile
	uses  map[*ast.Ident]types.Object
	types map[ast.Expr]types.TypeAndValue
	scope *types.Scope
}

// names imports every package as an empty one with the right name, so that a selector's left side resolves to the package without
// compiling anything.
type names struct{}

func (names) Import(imp string) (*types.Package, error) {
	name := path.Base(imp)
	if rest := strings.TrimPrefix(name, "v"); rest != name && path.Dir(imp) != "." {
		if _, err := strconv.Atoi(rest); err == nil {
			name = path.Base(path.Dir(imp))
		}
	}
	p := types.NewPackage(imp, name)
	p.MarkComplete()
	return p, nil
}

func packages(files []*goFile) []*goPackage {
	var pkgs []*goPackage
	for _, f := range files {
		if f.test {
			continue
		}
		i := slices.IndexFunc(pkgs, func(p *goPackage) bool { return p.path == f.pkg })
		if i < 0 {
			i, pkgs = len(pkgs), append(pkgs, &goPackage{path: f.pkg})
		}
		pkgs[i].files = append(pkgs[i].files, f)
	}
	for _, p := range pkgs {
		var trees []*ast.File
		for _, f := range p.files {
			trees = append(trees, f.ast)
		}
		info := types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
		conf := types.Config{Importer: names{}, Error: func(error) {}} // the declarations of other packages are unknown, which is an error
		tp, _ := conf.Check(module+"/"+p.path, p.files[0].fset, trees, &info)
		p.uses, p.types, p.scope = info.Uses, info.Types, tp.Scope()
	}
	return pkgs
}

// imported returns the path and name that a selector uses of another package; ok is false for other expressions.
func (p *goPackage) imported(e ast.Expr) (imp, name string, ok bool) {
	sel, isSel := e.(*ast.SelectorExpr)
	if !isSel {
		return "", "", false
	}
	id, isIdent := sel.X.(*ast.Ident)
	if !isIdent {
		return "", "", false
	}
	pkg, isPkg := p.uses[id].(*types.PkgName)
	if !isPkg {
		return "", "", false
	}
	return pkg.Imported().Path(), sel.Sel.Name, true
}

// pure has the names that the core may use of packages that also contain clocks and global generators.
var pure = map[string]string{
	"time":         "Duration ParseDuration Nanosecond Microsecond Millisecond Second Minute Hour",
	"math/rand/v2": "Rand New Source PCG NewPCG ChaCha8 NewChaCha8",
}

// labPure has further names for the lab: the time of day as a value, for the timestamps of a capture.
const labPure = "Time Unix"

// checkPure finds clocks and global generators in the core.
func checkPure(p *goPackage) (wrong []string) {
	if !isCore(p.path) {
		return nil
	}
	for _, f := range p.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				imp, name, ok := p.imported(e)
				if ok && imp == "time" && p.path == "stack/lab" && slices.Contains(strings.Fields(labPure), name) {
					return true
				}
				if ok && pure[imp] != "" && !slices.Contains(strings.Fields(pure[imp]), name) {
					wrong = append(wrong, fmt.Sprintf("%s: %s.%s in the core: time and randomness are arguments", f.at(n.Pos()), imp, name))
				}
			}
			return true
		})
	}
	return wrong
}

// checkGo finds go statements in files that may not have them, and in the core the use of channels. A channel's type is allowed
// there, in the lab's interface to its Runner.
func checkGo(p *goPackage) (wrong []string) {
	most, bounded := goStatementFiles(p.path)
	if !bounded {
		return nil
	}
	var places []string
	files := 0
	for _, f := range p.files {
		before := len(places)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			what := ""
			switch x := n.(type) {
			case *ast.GoStmt:
				what = "a go statement"
			case *ast.SelectStmt, *ast.SendStmt:
				what = "use of a channel"
			case *ast.UnaryExpr:
				if x.Op == token.ARROW {
					what = "use of a channel"
				}
			case *ast.CallExpr:
				if len(x.Args) > 0 {
					if _, ok := x.Args[0].(*ast.ChanType); ok {
						what = "use of a channel"
					}
				}
			}
			if what == "a go statement" || what != "" && isCore(p.path) {
				places = append(places, f.at(n.Pos())+": "+what)
			}
			return true
		})
		if len(places) > before {
			files++
		}
	}
	if files <= most {
		return nil
	}
	for _, at := range places {
		wrong = append(wrong, fmt.Sprintf("%s: %s may have them in %d file(s)", at, p.path, most))
	}
	return wrong
}

// checkState finds package-level state in the core. A variable is allowed if it is initialised in its declaration and nothing in
// its package assigns to it or a part of it, or takes its address: an error, a table.
func checkState(p *goPackage) (wrong []string) {
	if !isCore(p.path) {
		return nil
	}
	isVar := func(e ast.Expr) *types.Var { // the package-level variable an operand belongs to
		for {
			switch x := e.(type) {
			case *ast.ParenExpr:
				e = x.X
			case *ast.IndexExpr:
				e = x.X
			case *ast.SliceExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.Ident:
				if v, ok := p.uses[x].(*types.Var); ok && p.scope.Lookup(v.Name()) == v {
					return v
				}
				return nil
			default:
				return nil
			}
		}
	}
	for _, f := range p.files {
		complain := func(n ast.Node, what string, e ast.Expr) {
			if v := isVar(e); v != nil {
				wrong = append(wrong, fmt.Sprintf("%s: %s the package-level variable %s", f.at(n.Pos()), what, v.Name()))
			}
		}
		for _, d := range f.ast.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, s := range g.Specs {
					v := s.(*ast.ValueSpec)
					if len(v.Values) == 0 && v.Names[0].Name != "_" {
						wrong = append(wrong, fmt.Sprintf("%s: the package-level variable %s has no value: it is there to be assigned", f.at(v.Pos()), v.Names[0].Name))
					}
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				for _, l := range x.Lhs {
					if x.Tok != token.DEFINE {
						complain(n, "assigns to", l)
					}
				}
			case *ast.IncDecStmt:
				complain(n, "changes", x.X)
			case *ast.RangeStmt:
				if x.Tok == token.ASSIGN {
					complain(n, "assigns to", x.Key)
					complain(n, "assigns to", x.Value)
				}
			case *ast.UnaryExpr:
				if x.Op == token.AND {
					complain(n, "takes the address of", x.X)
				}
			case *ast.CallExpr:
				if id, ok := x.Fun.(*ast.Ident); ok && len(x.Args) > 0 {
					if _, ok := p.uses[id].(*types.Builtin); ok && slices.Contains([]string{"clear", "delete", "copy"}, id.Name) {
						complain(n, "changes", x.Args[0])
					}
				}
			}
			return true
		})
	}
	return wrong
}

// checkMaps finds iteration over maps in the core, whose order differs from run to run. It is allowed in a function that sorts its
// result, or with a comment why the order can't be seen.
func checkMaps(p *goPackage) (wrong []string) {
	if !isCore(p.path) {
		return nil
	}
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			said := strings.Contains(fn.Doc.Text(), "order")
			for _, c := range f.ast.Comments {
				said = said || fn.Pos() <= c.Pos() && c.End() <= fn.End() && strings.Contains(c.Text(), "order")
			}
			var loops []ast.Node
			ast.Inspect(fn, func(n ast.Node) bool {
				switch x := n.(type) {
				case *ast.RangeStmt:
					if t := p.types[x.X].Type; t != nil {
						if _, ok := t.Underlying().(*types.Map); ok {
							loops = append(loops, x)
						}
					}
				case *ast.SelectorExpr:
					imp, name, _ := p.imported(x)
					said = said || imp == "sort" || imp == "slices" && strings.HasPrefix(name, "Sort")
				}
				return true
			})
			for _, n := range loops {
				if !said {
					wrong = append(wrong, fmt.Sprintf("%s: iterates over a map: sort, or say why the order can't be seen", f.at(n.Pos())))
				}
			}
		}
	}
	return wrong
}

// checkSkips finds tests that are skipped silently even under CI, where nothing may be missing: a test that skips must check CI.
func checkSkips(f *goFile) (wrong []string) {
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		var skips []ast.Node
		ci := false
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				if sel, ok := x.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
					skips = append(skips, x)
				}
			case *ast.BasicLit:
				ci = ci || x.Value == `"CI"`
			}
			return true
		})
		for _, n := range skips {
			if !ci {
				wrong = append(wrong, fmt.Sprintf("%s: %s skips without looking at CI, where it must fail", f.at(n.Pos()), fn.Name.Name))
			}
		}
	}
	return wrong
}

// checkDocs finds exported names without a comment. A group of constants or variables may share one.
func checkDocs(p *goPackage) (wrong []string) {
	said := false
	for _, f := range p.files {
		said = said || f.ast.Doc.Text() != ""
		if path.Base(f.path) == "skeleton.go" {
			continue // a sketch, to be replaced
		}
		undocumented := func(n ast.Node, name string) {
			wrong = append(wrong, fmt.Sprintf("%s: %s has no comment", f.at(n.Pos()), name))
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name, exported := d.Name.Name, d.Name.IsExported()
				if d.Recv != nil {
					recv := receiver(d.Recv.List[0].Type)
					name, exported = recv+"."+name, exported && ast.IsExported(recv)
				}
				if exported && d.Doc.Text() == "" {
					undocumented(d, name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						shared := !d.Lparen.IsValid() && d.Doc.Text() != ""
						if s.Name.IsExported() && !shared && s.Doc.Text() == "" && s.Comment.Text() == "" {
							undocumented(s, s.Name.Name)
						}
					case *ast.ValueSpec:
						i := slices.IndexFunc(s.Names, (*ast.Ident).IsExported)
						if i >= 0 && d.Doc.Text() == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
							undocumented(s, s.Names[i].Name)
						}
					}
				}
			}
		}
	}
	if !said {
		wrong = append(wrong, fmt.Sprintf("%s: package %s has no comment", p.files[0].at(p.files[0].ast.Package), p.path))
	}
	return wrong
}

// receiver returns the name of a method's type.
func receiver(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// checkFile checks a file's text alone.
func checkFile(f *goFile) (wrong []string) {
	if n := bytes.Count(f.src, []byte("\n")); n > maxLines && !f.test {
		wrong = append(wrong, fmt.Sprintf("%s:%d: %d lines: more than one noun?", f.path, maxLines, n))
	}
	if formatted, err := format.Source(f.src); err != nil || !bytes.Equal(formatted, f.src) {
		wrong = append(wrong, fmt.Sprintf("%s:1: not as gofmt has it", f.path))
	}
	return wrong
}

func TestTidy(t *testing.T) {
	files := sources(t)
	for _, f := range files {
		for _, w := range append(checkFile(f), checkSkips(f)...) {
			t.Error(w)
		}
	}
	for _, p := range packages(files) {
		for _, check := range []func(*goPackage) []string{checkPure, checkGo, checkState, checkMaps, checkDocs} {
			for _, w := range check(p) {
				t.Error(w)
			}
		}
	}
}

// TestTidyChecks: each check finds the faults that it should find, and nothing else.
func TestTidyChecks(t *testing.T) {
	for _, c := range []struct {
		what, pkg, src string
		check          func(*goPackage) []string
		want           []string // endings of the complaints
	}{
		{"a duration", "stack/tcp", `import "time"; const d = 3 * time.Second; func f(x time.Duration) {}`, checkPure, nil},
		{"the clock on the wall", "stack/tcp", `import "time"; var x = time.Now()`, checkPure, []string{"time.Now in the core: time and randomness are arguments"}},
		{"by another name", "stack/tcp", `import wall "time"; func f() { wall.Sleep(1); g := wall.After; _ = g }`, checkPure,
			[]string{"time.Sleep in the core: time and randomness are arguments", "time.After in the core: time and randomness are arguments"}},
		{"a variable called time", "stack/tcp", `import "time"; type c struct{ Now func() }; func f(time c) { time.Now() }; var d time.Duration = 1`, checkPure, nil},
		{"a time stamp in the lab", "stack/lab", `import "time"; var x = time.Unix(0, 0)`, checkPure, nil},
		{"a time stamp below it", "stack", `import "time"; var x = time.Unix(0, 0)`, checkPure, []string{"time.Unix in the core: time and randomness are arguments"}},
		{"the live runner", "stack/lab/live", `import "time"; var x = time.Now()`, checkPure, nil},
		{"a generator of its own", "stack", `import "math/rand/v2"; func f() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }`, checkPure, nil},
		{"the global generator", "phy/fault", `import "math/rand/v2"; func f() int { return rand.IntN(3) }`, checkPure, []string{"math/rand/v2.IntN in the core: time and randomness are arguments"}},

		{"a goroutine", "stack/udp", `func f() { go f() }`, checkGo, []string{"a go statement: stack/udp may have them in 0 file(s)"}},
		{"channels", "stack", `func f(c chan int) { c <- 1; select { case <-c: }; _ = make(chan int) }`, checkGo, slices.Repeat(
			[]string{"use of a channel: stack may have them in 0 file(s)"}, 4)},
		{"a channel's type", "stack/lab", `type r interface{ Idle(<-chan struct{}) bool }`, checkGo, nil},
		{"the scheduler", "script/task", `func f() { go f(); go f() }`, checkGo, nil},
		{"a builtin", "script", `func f() { go f() }`, checkGo, []string{"a go statement: script may have them in 0 file(s)"}},
		{"below it", "script/kernel", `func f() { go f() }`, checkGo, []string{"a go statement: script/kernel may have them in 0 file(s)"}},
		{"elsewhere", "repl", `func f() { go f() }`, checkGo, nil},

		{"errors and tables", "stack", `import "errors"; var ErrX = errors.New("x"); var t = [...]int{1, 2}; var _ error = nil
			func f(i int) int { t := []int{1}; t[0] = 2; clear(t); u := &t; _ = u; return t[i] }`, checkState, nil},
		{"no value", "stack", `var n int`, checkState, []string{"the package-level variable n has no value: it is there to be assigned"}},
		{"assigned", "stack", `var n = 1; func f() { n = 2; n += 2; n++ }`, checkState,
			[]string{"assigns to the package-level variable n", "assigns to the package-level variable n", "changes the package-level variable n"}},
		{"in part", "stack", `type s struct{ a []int }; var x = s{}; var m = map[int]int{}; func f() { x.a[1] = 2; delete(m, 1); (m)[3] = 4 }`, checkState,
			[]string{"assigns to the package-level variable x", "changes the package-level variable m", "assigns to the package-level variable m"}},
		{"by address", "stack", `var n = 1; func f() *int { return &n }`, checkState, []string{"takes the address of the package-level variable n"}},
		{"out of the core", "repl", `var n int; func f() { n++ }`, checkState, nil},

		{"maps", "stack", `import "slices"
			func f(m map[int]int, s []int) { for range s {}; for k := range m { _ = k } }
			func g(m map[int]int) (s []int) { for k := range m { s = append(s, k) }; slices.Sort(s); return }
			// h sums, in any order.
			func h(m map[int]int) (n int) { for _, v := range m { n += v }; return }`, checkMaps,
			[]string{"2: iterates over a map: sort, or say why the order can't be seen"}},

		{"documented", "repl", "// Package x.\npackage x\n// T is.\ntype T struct{}\n// M does.\nfunc (*T) M() {}\ntype u int\nfunc (u) String() string { return \"\" }\n" +
			"// These are.\nconst (\nA = 1\nB = 2\n)\nvar (\nC = 1 // is\n// D is.\nD = 2\ne = 3\n)\n", checkDocs, nil},
		{"undocumented", "repl", "package x\ntype T[K any] struct{}\nfunc (t *T[K]) M() {}\nfunc F() {}\nvar V = 1\n// Both.\ntype (\nA int\nB int // is\n)\n", checkDocs,
			[]string{"2: T has no comment", "3: T.M has no comment", "4: F has no comment", "5: V has no comment", "8: A has no comment", "1: package repl has no comment"}},
	} {
		src := c.src
		if !strings.Contains(src, "package x") {
			src = "package x; " + src
		}
		f, err := parseFile(token.NewFileSet(), c.pkg+"/x.go", []byte(src))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		var got []string
		for _, p := range packages([]*goFile{f}) {
			got = append(got, c.check(p)...)
		}
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.HasSuffix(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s:\n got %q\nwant %q", c.what, got, c.want)
		}
	}

	two := []*goFile{}
	for _, name := range []string{"script/task/a.go", "script/task/b.go"} {
		f, err := parseFile(token.NewFileSet(), name, []byte("package task; func f() { go f() }"))
		if err != nil {
			t.Fatal(err)
		}
		two = append(two, f)
	}
	if got := checkGo(packages(two)[0]); len(got) != 2 {
		t.Errorf("two files with go statements in script/task: %q", got)
	}

	f, err := parseFile(token.NewFileSet(), "repl/x_test.go", []byte(`package x
		func TestA(t *T) { if os.Getenv("CI") == "true" { t.Fatal() }; t.Skip() }
		func TestB(t *T) { t.Skipf("no") }`))
	if err != nil {
		t.Fatal(err)
	}
	if got := checkSkips(f); len(got) != 1 || !strings.HasSuffix(got[0], "3: TestB skips without looking at CI, where it must fail") {
		t.Errorf("skips: %q", got)
	}

	long := "package x\n" + strings.Repeat("\n", maxLines)
	for name, want := range map[string]int{"repl/x.go": 2, "repl/x_test.go": 1} { // gofmt checks these files, too
		f, err := parseFile(token.NewFileSet(), name, []byte(long))
		if err != nil {
			t.Fatal(err)
		}
		if got := checkFile(f); len(got) != want {
			t.Errorf("%s of %d lines: %q", name, maxLines+1, got)
		}
	}
}
