package testcase

import (
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// globals runs source text and returns its globals. The text has the marks as builtins.
func globals(t *testing.T, src string) starlark.StringDict {
	t.Helper()
	builtin := func(name string, fn func(f starlark.Callable, rest starlark.Tuple) starlark.Value) *starlark.Builtin {
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return fn(args[0].(starlark.Callable), args[1:]), nil
		})
	}
	env := starlark.StringDict{
		"cases": builtin("cases", func(f starlark.Callable, rest starlark.Tuple) starlark.Value {
			var list []starlark.Value
			for v := range starlark.Elements(rest[0].(starlark.Iterable)) {
				list = append(list, v)
			}
			return Cases(f, list)
		}),
		"xfail": builtin("xfail", func(f starlark.Callable, rest starlark.Tuple) starlark.Value {
			return XFail(f, string(rest[0].(starlark.String)), nil)
		}),
		"tagged": builtin("tagged", func(f starlark.Callable, rest starlark.Tuple) starlark.Value {
			return Tagged(f, []string{string(rest[0].(starlark.String))})
		}),
	}
	g, err := starlark.ExecFileOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x.star", src, env)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestExpand: marks nest in any order, a value's name is its str, and equal names get different suffixes.
func TestExpand(t *testing.T) {
	g := globals(t, `
def f(a, b=0, *args): return [a, b] + list(args)
test_plain = f
test_known = xfail(f, "why")
test_slow = tagged(tagged(f, "slow"), "net")
test_delays = cases(f, ["1ms", 20, None, (1, 2)])
test_equal = cases(f, [1, "1", 1])
test_marked = tagged(cases(xfail(f, "known"), [1, 2]), "slow")
test_product = cases(cases(f, ["x", "y"]), ["a", "b"])
test_none = cases(f, [])
test_odd = cases(f, ["a\nb", "\x1b[31m", "ü…"])
test_data = [1, 2]
`)
	for name, want := range map[string]string{
		"test_plain":   "test_plain()",
		"test_known":   "test_known() xfail:why",
		"test_slow":    "test_slow() slow net",
		"test_delays":  `test_delays[1ms]("1ms",)|test_delays[20](20,)|test_delays[None](None,)|test_delays[(1, 2)](1, 2)`,
		"test_equal":   `test_equal[1](1,)|test_equal[1]#2("1",)|test_equal[1]#3(1,)`,
		"test_marked":  "test_marked[1](1,) slow xfail:known|test_marked[2](2,) slow xfail:known",
		"test_product": `test_product[a][x]("a", "x")|test_product[a][y]("a", "y")|test_product[b][x]("b", "x")|test_product[b][y]("b", "y")`,
		"test_none":    "",
		"test_odd":     `test_odd[a\nb]("a\nb",)|test_odd[\x1b[31m]("\x1b[31m",)|test_odd[ü…]("ü…",)`,
		"test_data":    "",
	} {
		list, err := Expand(name, g[name])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, c := range list {
			if n, ok := Nth(name, g[name], i); !ok || !strings.HasPrefix(c.Name, n.Name) || n.Values.String() != c.Values.String() || len(n.Tags) != len(c.Tags) || n.Why != c.Why {
				t.Errorf("%s: the case %d is %v, %v, want %v", name, i, n, ok, c)
			}
			text := c.Name + strings.TrimSuffix(c.Values.String(), "")
			for _, tag := range c.Tags {
				text += " " + tag
			}
			if c.XFail {
				text += " xfail:" + c.Why
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%s expands to\n%s, want\n%s", name, text, want)
		}
	}
	for _, i := range []int{-1, 4, 1 << 40} {
		if c, ok := Nth("test_product", g["test_product"], i); ok {
			t.Errorf("the case %d of four is %v", i, c)
		}
	}
	many := make([]starlark.Value, 1000)
	for i := range many {
		many[i] = starlark.MakeInt(i)
	}
	if _, err := Expand("test_x", Cases(Cases(g["f"].(starlark.Callable), many), many)); err == nil {
		t.Error("a million cases are no error")
	}
}

// TestArguments: the fixture comes first where a parameter is left for it.
func TestArguments(t *testing.T) {
	g := globals(t, `
def none(): pass
def one(a): pass
def two(a, b): pass
def default(a, b=1): pass
def rest(*args): pass
def named(a, *, b=1, **kw): pass
`)
	net := starlark.String("net")
	for _, c := range []struct {
		fn      string
		values  int
		fixture starlark.Value
		want    string
	}{
		{"none", 0, nil, "()"}, {"none", 0, net, "()"}, {"none", 1, nil, "none takes 0 arguments, and the case has 1"},
		{"one", 0, net, `("net",)`}, {"one", 1, net, "(0,)"},
		{"one", 0, nil, "one has a parameter, a, for the result of setup(), and its file has no setup()"},
		{"two", 1, net, `("net", 0)`}, {"two", 2, net, "(0, 1)"}, {"two", 0, net, "two takes 2 arguments, and the case has 0"},
		{"two", 3, net, "two takes 2 arguments, and the case has 3"},
		{"default", 0, net, `("net",)`}, {"default", 1, net, `("net", 0)`}, {"default", 1, nil, "(0,)"}, {"default", 2, net, "(0, 1)"},
		{"default", 3, nil, "default takes 1 to 2 arguments, and the case has 3"},
		{"rest", 3, net, "(0, 1, 2)"}, {"named", 0, net, `("net",)`}, {"named", 1, nil, "(0,)"},
	} {
		k := Case{Fn: g[c.fn].(starlark.Callable)}
		for i := range c.values {
			k.Values = append(k.Values, starlark.MakeInt(i))
		}
		args, err := k.Arguments(c.fixture)
		got := args.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s with %d values: %s, want %s", c.fn, c.values, got, c.want)
		}
	}
}

// TestCall: a value with marks is called like the function in it.
func TestCall(t *testing.T) {
	g := globals(t, "def f(a, b=2): return a + b\nx = xfail(cases(tagged(f, \"t\"), [1]), \"why\")\ny = x(1, b=5)\n")
	if got := fmt.Sprint(g["y"], " ", g["x"], " ", g["x"].Type()); got != "6 <xfail of f> test" {
		t.Error(got)
	}
}
