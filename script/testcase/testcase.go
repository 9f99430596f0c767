// Package testcase holds the values by which a script marks its tests: a function with parameters, tags, or a failure that
// is expected. Expand turns the value of a test_ name into the cases that a runner runs. The package knows nothing of
// sessions and runners.
package testcase

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.starlark.net/starlark"
)

// Value is a function with marks. Calling it calls the function. Values nest in any order.
type Value struct {
	inner  starlark.Callable // the function, or a Value with other marks
	params []starlark.Value  // values, each of which makes a case; nil if this Value adds no parameter
	tags   []string
	why    string // reason of an expected failure
	xfail  bool
	match  *regexp.Regexp // of the expected failure's text; nil for any
}

// Cases returns fn with a case for each of values, the last argument of the call. A tuple is several arguments.
func Cases(fn starlark.Callable, values []starlark.Value) *Value {
	if values == nil {
		values = []starlark.Value{}
	}
	return &Value{inner: fn, params: values}
}

// XFail returns fn as a test that is expected to fail for the reason why. The regexp match must match the failure's
// text; a nil match matches any text.
func XFail(fn starlark.Callable, why string, match *regexp.Regexp) *Value {
	return &Value{inner: fn, why: why, xfail: true, match: match}
}

// Tagged returns fn as a test with tags.
func Tagged(fn starlark.Callable, tags []string) *Value { return &Value{inner: fn, tags: tags} }

// Name implements starlark.Callable.
func (v *Value) Name() string { return v.inner.Name() }

// CallInternal implements starlark.Callable: it calls the function with the arguments given.
func (v *Value) CallInternal(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return starlark.Call(t, v.inner, args, kwargs)
}

// String implements starlark.Value.
func (v *Value) String() string {
	word := fmt.Sprintf("%d cases", len(v.params))
	switch {
	case v.xfail:
		word = "xfail"
	case v.params == nil:
		word = "tagged"
	}
	return fmt.Sprintf("<%s of %s>", word, v.Name())
}

// Type implements starlark.Value.
func (v *Value) Type() string { return "test" }

// Freeze implements starlark.Value.
func (v *Value) Freeze() { v.inner.Freeze() }

// Truth implements starlark.Value.
func (v *Value) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *Value) Hash() (uint32, error) { return v.inner.Hash() }

// Case is one test: a function and the arguments of its call.
type Case struct {
	Name   string // printed name: that of the global, for a case with its value in brackets
	Fn     starlark.Callable
	Values starlark.Tuple // the last arguments of the call
	Tags   []string
	XFail  bool
	Why    string         // reason of the expected failure
	Match  *regexp.Regexp // of the expected failure's text; nil for any
}

// MaxCases bounds the cases of one name.
const MaxCases = 100_000

// Expand returns the cases of a global's value, in the order of their values. It returns nil if the value holds no function.
// The error says that there are more than MaxCases.
func Expand(name string, v starlark.Value) ([]Case, error) {
	fn, ok := v.(starlark.Callable)
	if !ok {
		return nil, nil
	}
	list, err := expand(name, fn)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for i := range list {
		n := list[i].Name
		seen[n]++
		if k := seen[n]; k > 1 {
			list[i].Name = fmt.Sprintf("%s#%d", n, k)
		}
	}
	return list, nil
}

// Nth returns the case of a global's value that Expand returns at index. The case's name is the same, except that it
// lacks the number by which Expand tells equal names apart. ok is false if there is none. It costs no more for many
// cases than for one.
func Nth(name string, v starlark.Value, index int) (c Case, ok bool) {
	switch v := v.(type) {
	case *Value:
		if v.params == nil {
			if c, ok = Nth(name, v.inner, index); ok {
				c.mark(v)
			}
			return c, ok
		}
		n := count(v.inner)
		if n == 0 || index < 0 || index/n >= len(v.params) {
			return c, false
		}
		if c, ok = Nth(name, v.inner, index%n); ok {
			c.prepend(name, v.params[index/n])
		}
		return c, ok
	case starlark.Callable:
		return Case{Name: name, Fn: v}, index == 0
	}
	return c, false
}

// count returns the number of cases of a value.
func count(fn starlark.Callable) int {
	v, ok := fn.(*Value)
	switch {
	case !ok:
		return 1
	case v.params == nil:
		return count(v.inner)
	}
	return len(v.params) * count(v.inner)
}

// mark adds the marks of a value to the case.
func (c *Case) mark(v *Value) {
	c.Tags = append(slices.Clip(c.Tags), v.tags...)
	if v.xfail {
		c.XFail, c.Why, c.Match = true, v.why, v.match
	}
}

// prepend adds a value of cases() to the case, whose values so far fill the last parameters.
func (c *Case) prepend(name string, p starlark.Value) {
	c.Name = name + "[" + label(p) + "]" + strings.TrimPrefix(c.Name, name)
	values, several := p.(starlark.Tuple)
	if !several {
		values = starlark.Tuple{p}
	}
	c.Values = slices.Concat(values, c.Values)
}

func expand(name string, fn starlark.Callable) ([]Case, error) {
	v, ok := fn.(*Value)
	if !ok {
		return []Case{{Name: name, Fn: fn}}, nil
	}
	inner, err := expand(name, v.inner)
	if err != nil {
		return nil, err
	}
	if v.params == nil {
		for i := range inner {
			inner[i].mark(v)
		}
		return inner, nil
	}
	if len(inner)*len(v.params) > MaxCases {
		return nil, fmt.Errorf("%s has %d cases, more than %d", name, len(inner)*len(v.params), MaxCases)
	}
	list := make([]Case, 0, len(inner)*len(v.params))
	for _, p := range v.params {
		for _, c := range inner {
			c.prepend(name, p)
			list = append(list, c)
		}
	}
	return list, nil
}

// maxLabel bounds the characters of a value in a name.
const maxLabel = 100

// label returns a value as a name shows it: its str, in which label has escaped the control characters.
func label(v starlark.Value) string {
	text, ok := starlark.AsString(v)
	if !ok {
		text = v.String()
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxLabel {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := fmt.Sprintf("%q", r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Arguments returns the arguments of the case's call. A function with one more parameter than the case has values also gets
// the fixture, the result of setup(), as its first argument. fixture is nil if the file has no setup(). The error says that
// the numbers do not fit.
func (c *Case) Arguments(fixture starlark.Value) (starlark.Tuple, error) {
	fn, ok := c.Fn.(*starlark.Function)
	if !ok {
		return c.Values, nil
	}
	most, least := fn.NumParams()-fn.NumKwonlyParams(), 0
	if fn.HasVarargs() {
		most--
	}
	if fn.HasKwargs() {
		most--
	}
	for i := range most {
		if fn.ParamDefault(i) == nil {
			least++
		}
	}
	n := len(c.Values)
	switch {
	case fixture != nil && most > n && least <= n+1:
		return slices.Concat(starlark.Tuple{fixture}, c.Values), nil
	case least == n+1 && fixture == nil:
		p, _ := fn.Param(0)
		return nil, fmt.Errorf("%s has a parameter, %s, for the result of setup(), and its file has no setup()", c.Fn.Name(), p)
	case least > n, n > most && !fn.HasVarargs():
		return nil, fmt.Errorf("%s takes %s, and the case has %d", c.Fn.Name(), takes(least, most), n)
	}
	return c.Values, nil
}

func takes(least, most int) string {
	if least != most {
		return fmt.Sprintf("%d to %d arguments", least, most)
	}
	if least == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", least)
}
