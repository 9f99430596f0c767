package smolsh_test

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/types"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// exportedFile is the golden list of what Go programs may use.
const exportedFile = "testdata/exported.txt"

// exportedPackages are the packages that Go programs import, with the names that belong to the list, separated by blanks: all if there are
// none. A type's name stands for its fields and methods too, Type.Method for one method alone.
var exportedPackages = []struct{ pkg, only string }{
	{"stack/gonet", ""},
	{"stack/lab/labtest", ""},
	{"stack/lab/live", ""},
	{"stack/lab", "New NewWorld Runner HostConfig LinkConfig Flow Lab.AddHost Lab.Hosts Lab.Link Lab.Switch Lab.Partition Lab.Heal " +
		"Host.Attach Host.Addrs Host.Ports Switch.Attach World.Drain"},
	{"phy/fault", "Rule GilbertElliott Dir Both RX TX"},
	{"stack/clock", "Instant"},
}

// TestExported compares the exported names of the packages that Go programs import with a golden list: their signatures without the names
// of parameters, their fields and methods, and the flags that a package adds to a test program. `go test . -run TestExported -update` writes
// the list anew.
func TestExported(t *testing.T) {
	files := sources(t)
	var list []string
	for _, p := range exportedPackages {
		list = append(list, exportedNames(t, files, p.pkg, p.only)...)
	}
	got := strings.Join(list, "\n") + "\n"
	if *update {
		if err := os.WriteFile(exportedFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(exportedFile)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := compareExported(strings.Split(strings.TrimSpace(string(golden)), "\n"), list); len(wrong) > 0 {
		t.Errorf("what Go programs may use has changed:\n%s\nIf that is wanted, tell it in docs/go.md and CHANGELOG.md, and run: go test . -run TestExported -update",
			strings.Join(wrong, "\n"))
	}
}

// compareExported returns a line for each name that is new, gone or changed.
func compareExported(old, now []string) (wrong []string) {
	name := func(line string) string { n, _, _ := strings.Cut(line, "\t"); return n }
	byName := func(list []string) map[string]string {
		m := map[string]string{}
		for _, line := range list {
			m[name(line)] = line
		}
		return m
	}
	before, after := byName(old), byName(now)
	show := func(line string) string { return strings.ReplaceAll(line, "\t", " ") }
	for _, line := range old {
		switch is, ok := after[name(line)]; {
		case !ok:
			wrong = append(wrong, "gone:    "+show(line))
		case is != line:
			wrong = append(wrong, "changed: "+show(line), "     to: "+show(is))
		}
	}
	for _, line := range now {
		if _, ok := before[name(line)]; !ok {
			wrong = append(wrong, "new:     "+show(line))
		}
	}
	if len(wrong) == 0 && !slices.Equal(old, now) {
		wrong = append(wrong, "the order of the list")
	}
	return wrong
}

// exportedNames returns a line for each exported name of a package on Linux, sorted: the name, a tab, and what it is. It fails if a name
// of only is not there.
func exportedNames(t *testing.T, files []*goFile, pkg, only string) []string {
	x := &exporter{prefix: path.Base(pkg) + "."}
	wanted := map[string]bool{}
	for _, n := range strings.Fields(only) {
		wanted[n] = false
	}
	for _, f := range files {
		if f.pkg != pkg || f.test || !forLinux(f.ast) {
			continue
		}
		for _, d := range f.ast.Decls {
			x.decl(d)
		}
		ast.Inspect(f.ast, x.flag)
	}
	list := x.lines
	if only != "" {
		list = nil
		for _, line := range x.lines {
			n, _, _ := strings.Cut(strings.TrimPrefix(line, x.prefix), "\t")
			typ, _, _ := strings.Cut(n, ".")
			for _, key := range []string{typ, n} {
				if _, ok := wanted[key]; ok {
					wanted[key] = true
					list = append(list, line)
					break
				}
			}
		}
		for n, found := range wanted {
			if !found {
				t.Errorf("%s has no %s", pkg, n)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// forLinux reports whether a file's build constraint admits Linux.
func forLinux(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if constraint.IsGoBuild(c.Text) && group.Pos() < f.Package {
				e, err := constraint.Parse(c.Text)
				return err == nil && e.Eval(func(tag string) bool { return tag == "linux" || tag == "unix" })
			}
		}
	}
	return true
}

// An exporter collects the exported names of a package's declarations.
type exporter struct {
	prefix string
	lines  []string
}

func (x *exporter) add(name, format string, args ...any) {
	x.lines = append(x.lines, x.prefix+name+"\t"+fmt.Sprintf(format, args...))
}

func (x *exporter) decl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		switch {
		case !d.Name.IsExported():
		case d.Recv == nil:
			x.add(d.Name.Name, "%s", signature(d.Type))
		default:
			recv := d.Recv.List[0].Type
			if name := baseName(recv); ast.IsExported(name) {
				x.add(name+"."+d.Name.Name, "%s of %s", signature(d.Type), types.ExprString(recv))
			}
		}
	case *ast.GenDecl:
		var last ast.Expr // type of a constant that repeats the line before
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					x.typeSpec(s)
				}
			case *ast.ValueSpec:
				if s.Type != nil || len(s.Values) > 0 {
					last = s.Type
				}
				for _, n := range s.Names {
					if n.IsExported() {
						x.add(n.Name, "%s%s", d.Tok, typeText(last))
					}
				}
			}
		}
	}
}

func typeText(e ast.Expr) string {
	if e == nil {
		return ""
	}
	return " " + exprText(e)
}

// exprText returns a type as Go has it, that of a function without the names of its parameters.
func exprText(e ast.Expr) string {
	if f, ok := e.(*ast.FuncType); ok {
		return signature(f)
	}
	return types.ExprString(e)
}

func (x *exporter) typeSpec(s *ast.TypeSpec) {
	kind := "type"
	if s.Assign.IsValid() {
		kind = "alias of"
	}
	switch typ := s.Type.(type) {
	case *ast.StructType:
		x.add(s.Name.Name, "%s struct", kind)
		for _, f := range typ.Fields.List {
			for _, n := range f.Names {
				if n.IsExported() {
					x.add(s.Name.Name+"."+n.Name, "field%s", typeText(f.Type))
				}
			}
			if name := baseName(f.Type); len(f.Names) == 0 && ast.IsExported(name) {
				x.add(s.Name.Name+"."+name, "embedded%s", typeText(f.Type))
			}
		}
	case *ast.InterfaceType:
		x.add(s.Name.Name, "%s interface with %d methods", kind, typ.Methods.NumFields())
		for _, m := range typ.Methods.List {
			for _, n := range m.Names {
				if n.IsExported() {
					x.add(s.Name.Name+"."+n.Name, "%s of the interface", signature(m.Type.(*ast.FuncType)))
				}
			}
		}
	case *ast.FuncType:
		x.add(s.Name.Name, "%s %s", kind, signature(typ))
	default:
		x.add(s.Name.Name, "%s%s", kind, typeText(typ))
	}
}

// flag adds a flag of the test program, such as flag.Uint64("lab.seed", …).
func (x *exporter) flag(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) < 2 {
		return true
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	name, ok := call.Args[0].(*ast.BasicLit)
	if pkg, isName := fn.X.(*ast.Ident); ok && isName && pkg.Name == "flag" {
		x.add("-"+strings.Trim(name.Value, `"`), "flag %s, default %s", fn.Sel.Name, types.ExprString(call.Args[1]))
	}
	return true
}

// baseName returns the name of a receiver's or an embedded field's type.
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// signature returns a function's type without the names of parameters and results, which callers do not see.
func signature(f *ast.FuncType) string {
	list := func(l *ast.FieldList) string {
		var all []string
		for _, field := range l.List {
			for range max(1, len(field.Names)) {
				all = append(all, exprText(field.Type))
			}
		}
		return strings.Join(all, ", ")
	}
	text := "func(" + list(f.Params) + ")"
	switch n := f.Results.NumFields(); {
	case n == 1:
		text += " " + list(f.Results)
	case n > 1:
		text += " (" + list(f.Results) + ")"
	}
	return text
}

// TestExportedComparison: the failure lists the names that are gone, new or changed.
func TestExportedComparison(t *testing.T) {
	old := []string{"p.A\tfunc()", "p.B\tfunc(int)", "p.C\ttype struct"}
	now := []string{"p.A\tfunc()", "p.B\tfunc(string)", "p.D\tconst"}
	want := []string{"changed: p.B func(int)", "     to: p.B func(string)", "gone:    p.C type struct", "new:     p.D const"}
	if got := compareExported(old, now); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := compareExported(old, old); got != nil {
		t.Errorf("%q", got)
	}
}

// TestGonetLinksLittle: a program on gonet links one package of another module, for messages of DNS. docs/go.md has the sizes.
func TestGonetLinksLittle(t *testing.T) {
	files := sources(t)
	var outside []string
	reached := map[string]bool{"stack/gonet": true}
	for todo := []string{"stack/gonet"}; len(todo) > 0; todo = todo[1:] {
		for _, f := range files {
			if f.pkg != todo[0] || f.test {
				continue
			}
			for _, spec := range f.ast.Imports {
				imp := strings.Trim(spec.Path.Value, `"`)
				inside, ok := strings.CutPrefix(imp, module+"/")
				switch {
				case isStd(imp):
				case !ok && !slices.Contains(outside, imp):
					outside = append(outside, imp)
				case ok && !reached[inside]:
					reached[inside] = true
					todo = append(todo, inside)
				}
			}
		}
	}
	if want := []string{"golang.org/x/net/dns/dnsmessage"}; !slices.Equal(outside, want) {
		t.Errorf("gonet links %q, want %q", outside, want)
	}
}
