package script

import (
	"bytes"
	"math"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"smolsh/script/difference"
	"smolsh/script/registry"
)

func assertBuiltins() []*builtin {
	compare := func(name, doc, example, words string, op syntax.Token) *builtin {
		return &builtin{Name: "assert." + name, Sig: "got, want, message=None", Kinds: "any any str", Pure: true, Doc: doc, Example: example,
			Fn: func(c *call) (starlark.Value, error) {
				return starlark.None, c.explained(c.compare(words, op))
			}}
	}
	return []*builtin{
		compare("eq", "Fail unless both are equal; str and bytes are compared by octets.", `assert.eq(b"hi", "hi")`, "", syntax.EQL),
		compare("ne", "Fail if both are equal.", `assert.ne(1, 2)`, "", syntax.NEQ),
		compare("lt", "Fail unless got < want.", `assert.lt(1, 2)`, "less than", syntax.LT),
		compare("le", "Fail unless got <= want.", `assert.le(1, 1)`, "less than or equal to", syntax.LE),
		compare("gt", "Fail unless got > want.", `assert.gt(2, 1)`, "greater than", syntax.GT),
		compare("ge", "Fail unless got >= want.", `assert.ge(2, 2)`, "greater than or equal to", syntax.GE),
		{Name: "assert.true", Sig: "cond, message=None", Kinds: "any str", Args: "cond: the value to test", Pure: true,
			Doc: "Fail unless the value is true.", Example: `assert.true(1 < 2, "arithmetic")`, Fn: assertTrue},
		{Name: "assert.contains", Sig: "where, what, message=None", Kinds: "any any str", Args: "where: a string, bytes, list or dict; what: the part, element or key to look for", Pure: true,
			Doc: "Fail unless where contains what; str and bytes are compared by octets.", Example: `assert.contains(b"hello", "ell")`, Fn: explained(assertContains)},
		{Name: "assert.matches", Sig: "string, regex, message=None", Kinds: "data str str", Args: "string: str or bytes; regex: a regular expression (RE2)", Pure: true,
			Doc: "Fail unless the regular expression matches somewhere in the string.", Example: `assert.matches("10.0.0.1", "^10\\.")`, Fn: explained(assertMatches)},
		{Name: "assert.near", Sig: "a, b, tol, message=None", Kinds: "float float float str", Args: "a: a number; b: another; tol: the largest difference allowed", Pure: true,
			Doc: "Fail unless a and b differ by at most tol.", Example: `assert.near(1.0, 1.05, 0.1)`, Fn: explained(assertNear)},
		{Name: "assert.fails", Sig: `fn, pattern=""`, Kinds: "fn str", Result: "str",
			Doc: "Fail unless fn() fails with an error that matches the pattern.", Example: `assert.fails(lambda: 1 // 0, "division")`, Fn: assertFails},
	}
}

// explained puts the message of the call in front of the reason why the assertion failed.
func (c *call) explained(err error) error {
	if m := arg[string](c, "message"); m != "" && err != nil {
		return c.errorf("%s: %s", m, strings.TrimPrefix(err.Error(), c.b.Name+": "))
	}
	return err
}

// explained returns fn with the message of the call in front of its error.
func explained(fn func(c *call) (starlark.Value, error)) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		v, err := fn(c)
		return v, c.explained(err)
	}
}

// longText is the length of a printed value from which on a reader does not see at once where it differs from another.
const longText = 40

// differs returns a line about the first difference between two long values. A line break precedes the line.
func differs(got, want starlark.Value) string {
	if len(got.String()) < longText && len(want.String()) < longText {
		return ""
	}
	if d := difference.First(got, want); d != "" {
		return "\n" + d
	}
	return ""
}

// typeString matches Starlark's name for the type that scripts call str.
var typeString = regexp.MustCompile(`\bstring\b`)

func (c *call) compare(words string, op syntax.Token) error {
	got, want := c.Values[0].(starlark.Value), c.Values[1].(starlark.Value)
	ok, err := starlark.Compare(op, asOctets(got, 0), asOctets(want, 0))
	if err != nil {
		if _, own := starlark.Compare(op, got, want); own != nil {
			err = own // which names the types that they have
		}
		return c.errorf("%s", typeString.ReplaceAllString(err.Error(), "str"))
	}
	switch {
	case ok:
		return nil
	case op == syntax.EQL:
		return c.errorf("got %s, want %s%s", registry.Brief(got), registry.Brief(want), differs(got, want))
	case op == syntax.NEQ:
		return c.errorf("both are %s", registry.Brief(got))
	}
	return c.errorf("%s is not %s %s", registry.Brief(got), words, registry.Brief(want))
}

// asOctets returns v with every str in it replaced by bytes, also in nested lists, tuples, dicts, sets and structs.
func asOctets(v starlark.Value, depth int) starlark.Value {
	const deepest = 100 // bounds the recursion, since a list may contain itself
	if depth > deepest {
		return v
	}
	switch v := v.(type) {
	case starlark.String:
		return starlark.Bytes(v)
	case starlark.Tuple:
		t := make(starlark.Tuple, len(v))
		for i, x := range v {
			t[i] = asOctets(x, depth+1)
		}
		return t
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for _, kv := range v.Items() {
			_ = d.SetKey(asOctets(kv[0], depth+1), asOctets(kv[1], depth+1)) // a key that was hashable is so as bytes
		}
		return d
	case *starlark.Set:
		set := starlark.NewSet(v.Len())
		for x := range starlark.Elements(v) {
			_ = set.Insert(asOctets(x, depth+1))
		}
		return set
	case *starlarkstruct.Struct:
		fields := starlark.StringDict{}
		v.ToStringDict(fields)
		for name, x := range fields {
			fields[name] = asOctets(x, depth+1)
		}
		return starlarkstruct.FromStringDict(v.Constructor(), fields)
	case *starlark.List:
		list := make([]starlark.Value, v.Len())
		for i := range list {
			list[i] = asOctets(v.Index(i), depth+1)
		}
		return starlark.NewList(list)
	}
	return v
}

func assertTrue(c *call) (starlark.Value, error) {
	if fn, ok := c.Values[0].(starlark.Callable); ok {
		return nil, c.errorf("%s is a function, which is always true: call it", fn.Name())
	}
	if v := c.Values[0].(starlark.Value); !v.Truth() {
		if m := arg[string](c, "message"); m != "" {
			return nil, c.errorf("%s", m)
		}
		return nil, c.errorf("%s is not true", registry.Brief(v))
	}
	return starlark.None, nil
}

func assertContains(c *call) (starlark.Value, error) {
	where, what := c.Values[0].(starlark.Value), c.Values[1].(starlark.Value)
	a, ok1 := registry.Octets(where)
	b, ok2 := registry.Octets(what)
	found := ok1 && ok2 && bytes.Contains(a, b)
	if !ok1 || !ok2 {
		in, err := starlark.Binary(syntax.IN, what, where)
		if err != nil {
			return nil, c.errorf("%v", err)
		}
		found = bool(in.Truth()) || ok2 && listed(b, where)
		if d, ok := asOctets(where, 0).(starlark.Mapping); ok && !found {
			_, found, _ = d.Get(asOctets(what, 0))
		}
	}
	if !found {
		return nil, c.errorf("%s is not in %s", registry.Brief(what), registry.Brief(where))
	}
	return starlark.None, nil
}

// listed reports whether where, a list or a tuple, contains a str or bytes equal to the octets what. It returns false
// for another type.
func listed(what []byte, where starlark.Value) bool {
	seq, ok := where.(starlark.Indexable)
	for i := 0; ok && i < seq.Len(); i++ {
		if x, ok := registry.Octets(seq.Index(i)); ok && bytes.Equal(x, what) {
			return true
		}
	}
	return false
}

func assertMatches(c *call) (starlark.Value, error) {
	text, pattern := arg[[]byte](c, "string"), arg[string](c, "regex")
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	if !re.Match(text) {
		return nil, c.errorf("%q does not match %s", text, pattern)
	}
	return starlark.None, nil
}

func assertNear(c *call) (starlark.Value, error) {
	a, b, tol := arg[float64](c, "a"), arg[float64](c, "b"), arg[float64](c, "tol")
	if !(math.Abs(a-b) <= tol) {
		return nil, c.errorf("%v and %v differ by %.6g, more than %v", a, b, math.Abs(a-b), tol)
	}
	return starlark.None, nil
}

func assertFails(c *call) (starlark.Value, error) {
	pattern := arg[string](c, "pattern")
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	fn := arg[starlark.Callable](c, "fn")
	v, err := starlark.Call(c.t.thread, fn, nil, nil)
	if err := c.uncaught(err); err != nil {
		return nil, err
	}
	if err == nil {
		return nil, c.errorf("%s did not fail, it gave %s", fn.Name(), registry.Brief(v))
	}
	c.t.unwound()
	said := c.s.unbound(err.Error())
	if !re.MatchString(said) {
		return nil, c.errorf("%s failed with %q, which does not match %s", fn.Name(), said, pattern)
	}
	return starlark.String(said), nil
}
