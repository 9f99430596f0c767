package drop

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestAbout: each reason's explanation is the comment of its declaration, and its word leads back to it.
func TestAbout(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "drop.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	r := None
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name == "words" || r >= NumReasons {
			return true
		}
		if want := strings.TrimSpace(v.Comment.Text()); r != None && (r.About() != want || want == "") {
			t.Errorf("%s: %q, its comment says %q", v.Names[0].Name, r.About(), want)
		}
		if got, ok := Named(r.String()); r != None && (got != r || !ok) {
			t.Errorf("%q is the word of %v", r, got)
		}
		r++
		return true
	})
	if r != NumReasons || None.About() != "" || NumReasons.About() != "" {
		t.Errorf("%d reasons with comments, want %d", r, NumReasons)
	}
	if _, ok := Named("nonsense"); ok {
		t.Error("nonsense is a word")
	}
}
