package smolsh_test

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// codeCitations maps every section to the declarations of the core that name it: as godoc writes them, in the order of packages
// and files. A comment inside a function may omit the RFC that the function's own comment names last; package comments are lists
// of sources and do not count.
func codeCitations(files []*goFile) map[string][]string {
	all := map[string][]string{}
	for _, f := range files {
		if f.test || !isCore(f.pkg) {
			continue
		}
		for _, d := range f.ast.Decls {
			declCitations(f, d, func(section, name string) {
				name = path.Base(f.pkg) + "." + name
				if !slices.Contains(all[section], name) {
					all[section] = append(all[section], name)
				}
			})
		}
	}
	return all
}

// declCitations calls yield for each section that the comments of a declaration name.
func declCitations(f *goFile, d ast.Decl, yield func(section, name string)) {
	comments := func(from, to token.Pos, rfc, name string, doc *ast.CommentGroup) {
		note := func(s string) { yield(s, name) }
		if doc != nil {
			cited(doc.Text(), rfc, note)
			rfc = lastRFC(doc, rfc)
		}
		for _, g := range f.ast.Comments {
			if g != doc && from <= g.Pos() && g.Pos() < to {
				cited(g.Text(), rfc, note)
			}
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		comments(d.Pos(), d.End(), "", funcName(d), d.Doc)
	case *ast.GenDecl:
		doc, rfc := d.Doc, lastRFC(d.Doc, "") // of a group, the comment belongs to the first name, the RFC to every name
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				comments(start(spec, spec.Doc), endOfLine(f, spec.End()), rfc, spec.Name.Name, doc)
			case *ast.ValueSpec:
				comments(start(spec, spec.Doc), endOfLine(f, spec.End()), rfc, spec.Names[0].Name, doc)
			}
			doc = nil
		}
	}
}

// start returns the beginning of a declaration with its comment.
func start(n ast.Node, doc *ast.CommentGroup) token.Pos {
	if doc != nil {
		return doc.Pos()
	}
	return n.Pos()
}

// rfcName finds the RFCs that a comment names.
var rfcName = regexp.MustCompile(`RFCs? (\d+)`)

// lastRFC returns the RFC that a comment names last, or rfc if it names none.
func lastRFC(doc *ast.CommentGroup, rfc string) string {
	if doc != nil {
		if all := rfcName.FindAllStringSubmatch(doc.Text(), -1); len(all) > 0 {
			return all[len(all)-1][1]
		}
	}
	return rfc
}

// funcName returns a function's name, with the receiver's type in front if it is a method.
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name + "." + d.Name.Name
}

// endOfLine returns the end of the line that contains pos, so that a trailing comment belongs to its declaration.
func endOfLine(f *goFile, pos token.Pos) token.Pos {
	file := f.fset.File(pos)
	if line := file.Line(pos); line < file.LineCount() {
		return file.LineStart(line + 1)
	}
	return pos
}

// TestCodeCitations: a declaration is listed under each section that its comments name. A method is listed as
// Type.Method.
func TestCodeCitations(t *testing.T) {
	f, err := parseFile(token.NewFileSet(), "stack/tcp/x.go", []byte(`// Package tcp is RFC 1 §1.
package tcp

// F is RFC 5961 §3.
func (c *Conn[T]) F() {
	g() // §7, and RFC 793 §3.4
}

func g() {
	h() // §3: no RFC is named
}

// T is RFC 2018 §3.
type T struct {
	a int // §4
}

const (
	A = 1 // RFC 6298 §2.1
	B = 2 // RFC 6298 §2.4
)

// RFC 9406 §4.3.
const (
	C = 1
	D = 2 // §4.2
)
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for section, names := range codeCitations([]*goFile{f}) {
		got = append(got, section+" "+strings.Join(names, " "))
	}
	slices.Sort(got)
	want := []string{"2018 3 tcp.T", "2018 4 tcp.T", "5961 3 tcp.Conn.F", "5961 7 tcp.Conn.F", "6298 2.1 tcp.A", "6298 2.4 tcp.B", "793 3.4 tcp.Conn.F", "9406 4.2 tcp.D", "9406 4.3 tcp.C"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
