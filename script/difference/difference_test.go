package difference

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// TestFirst: First names the first difference of each pair of values, with its place.
func TestFirst(t *testing.T) {
	env := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	value := func(src string) starlark.Value {
		v, err := starlark.EvalOptions(&syntax.FileOptions{Set: true}, &starlark.Thread{}, "x", src, env)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		return v
	}
	for _, c := range []struct{ got, want, says string }{
		{`1`, `2`, ``}, {`"a"`, `"a"`, ``}, {`"ab"`, `b"ab"`, ``}, {`[1, "x"]`, `[1, b"x"]`, ``}, {`None`, `[1]`, ``},
		{`"abc"`, `"abd"`, `they differ from octet 2 on: got "abc", want "abd"`},
		{`"abc"`, `"abcd"`, `they differ from octet 3 on: got the end, want "abcd" (3 octets, want 4)`},
		{`b"x" * 100 + b"y" + b"z" * 100`, `"x" * 100 + "\x00" + "z" * 99`,
			`they differ from octet 100 on: got …"` + strings.Repeat("x", 24) + "y" + strings.Repeat("z", 23) + `"…, want …"` + strings.Repeat("x", 24) + `\x00` + strings.Repeat("z", 23) + `"… (201 octets, want 200)`},
		{`"a\nb\nc"`, `"a\nb\nd"`, `they differ from octet 4 (line 3) on: got "a\nb\nc", want "a\nb\nd"`},
		{`[1, 2, 3]`, `[1, 2, 4]`, `at [2]: got 3, want 4`},
		{`[1, 2]`, `[1, 2, 4]`, `at [2]: got no more items, want 4 (2 items, want 3)`},
		{`[1, 2, 5]`, `(1, 2)`, `at [2]: got 5, want no more items (3 items, want 2)`},
		{`[1, [2, {"a": [5]}]]`, `[1, [2, {"a": [6]}], 3]`, `at [1][1]["a"][0]: got 5, want 6 (2 items, want 3)`},
		{`{"a": 1, "b": 2}`, `{"a": 1, "c": 2, "d": 3}`, `missing "c", "d"; unexpected "b"`},
		{`{i: 1 for i in range(9)}`, `{}`, `unexpected 0, 1, 2, 3, 4 and 4 more`},
		{`set([1, 2])`, `set([2, 3])`, `missing 3; unexpected 1`},
		{`struct(a=1, b="x")`, `struct(a=1, b="y")`, `at .b: they differ from octet 0 on: got "x", want "y"`},
		{`struct(a=1)`, `struct(a=1, b=2)`, `at .b: missing`},
		{`[struct(a=1)]`, `[2]`, `at [0]: got struct(a = 1), want 2`},
		{`[[]]`, `["x" * 500]`, `at [0]: got [], want "` + strings.Repeat("x", 79) + `… (502 characters)`},
	} {
		if got := First(value(c.got), value(c.want)); got != c.says {
			t.Errorf("%s and %s: %q, want %q", c.got, c.want, got, c.says)
		}
	}
	list := starlark.NewList(nil) // a list that is in itself
	_ = list.Append(list)
	other := starlark.NewList(nil)
	_ = other.Append(other)
	First(list, other)
}
