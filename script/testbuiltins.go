package script

import (
	"regexp"

	"go.starlark.net/starlark"

	"smolsh/script/testcase"
)

func testBuiltins() []*builtin {
	return []*builtin{
		{Name: "cases", Sig: "fn, values", Kinds: "fn any", Args: "fn: the test function; values: a list, each item is the last argument of one case, a tuple is several arguments", Result: "test", Pure: true,
			Doc: "A test for each value, for a global whose name begins with test_.", Example: `test_delay = cases(lambda d: assert.lt(d, 3), [1, 2])`, See: "xfail, tagged, skip", Fn: builtinCases},
		{Name: "xfail", Sig: `fn, why, pattern=""`, Kinds: "fn str str", Args: "fn: the test function, or what cases or tagged returned; why: the known fault; pattern: a regular expression for the text of the failure", Result: "test", Pure: true,
			Doc: "A test that is expected to fail; it fails if it passes or exceeds a bound.", Example: `test_known = xfail(lambda: assert.eq(1, 2), "arithmetic is broken")`, See: "cases, tagged, skip", Fn: builtinXFail},
		{Name: "tagged", Sig: "fn, *tags", Kinds: "fn", Args: "fn: the test function, or what cases or xfail returned; tags: words for --tag", Result: "test", Pure: true,
			Doc: "A test with tags; smolsh test --tag selects by them.", Example: `test_long = tagged(lambda: sleep("1h"), "slow")`, See: "cases, xfail, skip", Fn: builtinTagged},
		{Name: "skip", Sig: `why=""`, Kinds: "str", Args: "why: the reason, for the report",
			Doc: "End the running test and report it as skipped.", Example: `catch(skip, "needs a kernel").error`, See: "cases, xfail, tagged", Fn: builtinSkip},
	}
}

func builtinCases(c *call) (starlark.Value, error) {
	values, ok := c.Values[1].(starlark.Iterable)
	if !ok {
		return nil, c.errorf("values is a list, got %s", c.Values[1].(starlark.Value).Type())
	}
	var list []starlark.Value
	for v := range starlark.Elements(values) {
		if len(list) == testcase.MaxCases {
			return nil, c.errorf("more than %d values", testcase.MaxCases)
		}
		list = append(list, v)
	}
	return testcase.Cases(arg[starlark.Callable](c, "fn"), list), nil
}

func builtinXFail(c *call) (starlark.Value, error) {
	match, err := regexp.Compile(arg[string](c, "pattern"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return testcase.XFail(arg[starlark.Callable](c, "fn"), arg[string](c, "why"), match), nil
}

func builtinTagged(c *call) (starlark.Value, error) {
	var tags []string
	for _, v := range c.Rest {
		tag, ok := starlark.AsString(v)
		if !ok || tag == "" {
			return nil, c.errorf("a tag is a str, got %s %v", v.Type(), v)
		}
		tags = append(tags, tag)
	}
	return testcase.Tagged(arg[starlark.Callable](c, "fn"), tags), nil
}

// skipError ends a test that skip() was called in.
type skipError struct{ why string }

func (e *skipError) Error() string { return "skipped: " + e.why }

func builtinSkip(c *call) (starlark.Value, error) {
	switch {
	case c.s.test == nil:
		return nil, c.errorf("only a test can be skipped, which smolsh test runs")
	case c.t != c.s.main:
		return nil, c.errorf("the test itself is to call it, and not task %d (%s)", c.t.ID, c.t.Name)
	}
	return nil, &skipError{arg[string](c, "why")}
}
