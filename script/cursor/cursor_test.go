package cursor

import (
	"slices"
	"testing"
)

// TestAt: At recognises strings, comments and calls, and the argument in which the text ends.
func TestAt(t *testing.T) {
	for text, want := range map[string]Place{
		`x = 1`:               {Quote: -1},
		`x # f("`:             {Quote: -1, Comment: true},
		`f("a`:                {Quote: 2, Call: &Bracket{Open: 1, kind: 'c', Arg: 2}},
		`f("a", b=1, c`:       {Quote: -1, Call: &Bracket{Open: 1, kind: 'c', Arg: 11, Index: 2, Named: []string{"b"}}},
		`f(g(1), [2, 3], `:    {Quote: -1, Call: &Bracket{Open: 1, kind: 'c', Arg: 15, Index: 2}},
		`f([1, `:              {Quote: -1},
		`if (a, `:             {Quote: -1},
		`x["a`:                {Quote: 2, Index: &Bracket{Open: 1, kind: 'i', Arg: 2}},
		`f(g()["a`:            {Quote: 6, Index: &Bracket{Open: 5, kind: 'i', Arg: 6}},
		`for x in ["a`:        {Quote: 10},
		`load("a`:             {Quote: 5, Call: &Bracket{Open: 4, kind: 'c', Arg: 5}},
		"x = '''a\"\n":        {Quote: 4},
		"f(1) # a comment\nx": {Quote: -1},
	} {
		got := At(text)
		same := got.Comment == want.Comment && got.Quote == want.Quote && (got.Call == nil) == (want.Call == nil) && (got.Index == nil) == (want.Index == nil)
		if same && got.Index != nil {
			same = got.Index.Open == want.Index.Open && got.Index.Arg == want.Index.Arg
		}
		if same && got.Call != nil {
			g, w := got.Call, want.Call
			same = g.Open == w.Open && g.kind == w.kind && g.Arg == w.Arg && g.Index == w.Index && slices.Equal(g.Named, w.Named)
		}
		if !same {
			t.Errorf("%q: %+v %+v, want %+v %+v", text, got, got.Call, want, want.Call)
		}
	}
}

// TestPrimary: Primary returns the expression before the cursor; it returns nothing for an unfinished or reserved one.
func TestPrimary(t *testing.T) {
	for text, want := range map[string]string{
		"x = a.b": "a.b", "f(1).g": "f(1).g", `x + ["a"][0]`: `["a"][0]`, "return": "", "not x": "x", `f("(").y`: `f("(").y`, ")": "",
	} {
		if got := Primary(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestMatching: Matching sorts the names, removes duplicates, and offers names that begin with _ only if the prefix
// does.
func TestMatching(t *testing.T) {
	if got := Matching("", []string{"b", "_", "a", "b"}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	if got := Matching("_", []string{"_", "a"}); !slices.Equal(got, []string{"_"}) {
		t.Errorf("got %v", got)
	}
}

// FuzzAt: At panics on no text, and every position that it returns lies within the text.
func FuzzAt(f *testing.F) {
	for _, text := range []string{`f("a", b=[1, {2: 3}], c`, "x = '''a\n\"", "a.b(1)[2].c", "# \"", `r"\`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := At(text)
		if at.Quote >= len(text) || at.Call != nil && (at.Call.Open >= len(text) || at.Call.Arg > len(text)) {
			t.Fatalf("%q: %+v", text, at)
		}
		if p := Primary(text); len(p) > len(text) {
			t.Fatalf("%q: %q", text, p)
		}
	})
}
