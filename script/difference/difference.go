// Package difference finds where two Starlark values that are not equal differ first, for the message of a failed comparison.
package difference

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

const (
	maxDepth = 50 // values within values that are looked into; a list may be in itself
	// context is the number of octets of a string that are shown before and after the first difference.
	context = 24
	// maxText bounds the octets of a value that is shown.
	maxText = 80
	// maxKeys bounds the keys that are listed as missing or unexpected.
	maxKeys = 5
)

// First returns a line about the first difference between got and want, with its place: an index, a key, an attribute, the
// offset in octets, the line of a text. It returns "" if it finds none, or if the values have no parts. A str equals bytes
// of the same octets.
func First(got, want starlark.Value) string {
	where, what := find(got, want, 0)
	if what == "" {
		return ""
	}
	if where == "" {
		return what
	}
	return "at " + where + ": " + what
}

// find returns the place of the first difference, as an expression that follows the value's name (such as [3].ttl), and
// a description of the difference.
func find(got, want starlark.Value, depth int) (where, what string) {
	if depth > maxDepth || equal(got, want) {
		return "", ""
	}
	a, text1 := octets(got)
	b, text2 := octets(want)
	if text1 && text2 {
		return "", strings2(a, b)
	}
	if text1 != text2 {
		return whole(got, want, depth)
	}
	switch got := got.(type) {
	case *starlark.Dict:
		if want, ok := want.(*starlark.Dict); ok {
			return dicts(got, want, depth)
		}
	case *starlark.Set:
		if want, ok := want.(*starlark.Set); ok {
			return "", keys(missing(want, got.Has), missing(got, want.Has))
		}
	case starlark.Indexable:
		if want, ok := want.(starlark.Indexable); ok {
			return sequences(got, want, depth)
		}
	case starlark.HasAttrs:
		if want, ok := want.(starlark.HasAttrs); ok && got.Type() == want.Type() {
			if where, what = attributes(got, want, depth); what != "" {
				return where, what
			}
		}
	}
	return whole(got, want, depth)
}

// whole returns the difference of two parts that have no parts to compare. Of the values themselves it returns none.
func whole(got, want starlark.Value, depth int) (where, what string) {
	if depth == 0 {
		return "", ""
	}
	return "", fmt.Sprintf("got %s, want %s", brief(got), brief(want))
}

// equal reports whether two values are equal. It returns false for values that can't be compared.
func equal(a, b starlark.Value) bool {
	x, ok1 := octets(a)
	y, ok2 := octets(b)
	if ok1 && ok2 {
		return bytes.Equal(x, y)
	}
	ok, err := starlark.EqualDepth(a, b, maxDepth)
	return err == nil && ok
}

func octets(v starlark.Value) ([]byte, bool) {
	switch v := v.(type) {
	case starlark.String:
		return []byte(v), true
	case starlark.Bytes:
		return []byte(v), true
	}
	return nil, false
}

// sequences compares two lists, tuples or tables.
func sequences(got, want starlark.Indexable, depth int) (where, what string) {
	n, m := got.Len(), want.Len()
	for i := range min(n, m) {
		if inner, what := find(got.Index(i), want.Index(i), depth+1); what != "" {
			if n != m {
				what += fmt.Sprintf(" (%d items, want %d)", n, m)
			}
			return fmt.Sprintf("[%d]%s", i, inner), what
		}
	}
	switch {
	case n > m:
		return fmt.Sprintf("[%d]", m), fmt.Sprintf("got %s, want no more items (%d items, want %d)", brief(got.Index(m)), n, m)
	case m > n:
		return fmt.Sprintf("[%d]", n), fmt.Sprintf("got no more items, want %s (%d items, want %d)", brief(want.Index(n)), n, m)
	}
	return "", ""
}

func dicts(got, want *starlark.Dict, depth int) (where, what string) {
	for _, kv := range want.Items() {
		if v, ok, _ := got.Get(kv[0]); ok {
			if inner, what := find(v, kv[1], depth+1); what != "" {
				return "[" + brief(kv[0]) + "]" + inner, what
			}
		}
	}
	return "", keys(missing(want, has(got)), missing(got, has(want)))
}

func has(d *starlark.Dict) func(k starlark.Value) (bool, error) {
	return func(k starlark.Value) (bool, error) {
		_, ok, err := d.Get(k)
		return ok, err
	}
}

// missing returns the items of a that b does not have.
func missing(a starlark.Iterable, has func(starlark.Value) (bool, error)) (list []string) {
	for v := range starlark.Elements(a) {
		if ok, _ := has(v); !ok {
			list = append(list, brief(v))
		}
	}
	return list
}

// keys returns the difference between two sets of keys.
func keys(missing, unexpected []string) string {
	var parts []string
	for _, p := range []struct {
		word string
		list []string
	}{{"missing", missing}, {"unexpected", unexpected}} {
		if n := len(p.list); n > 0 {
			text := p.word + " " + strings.Join(p.list[:min(n, maxKeys)], ", ")
			if n > maxKeys {
				text += fmt.Sprintf(" and %d more", n-maxKeys)
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// attributes compares two values of one type by their attributes.
func attributes(got, want starlark.HasAttrs, depth int) (where, what string) {
	names := got.AttrNames()
	for _, name := range names {
		a, err1 := got.Attr(name)
		b, err2 := want.Attr(name)
		if err1 != nil || err2 != nil || a == nil || b == nil {
			continue
		}
		if _, method := a.(starlark.Callable); method {
			continue
		}
		if inner, what := find(a, b, depth+1); what != "" {
			return "." + name + inner, what
		}
	}
	for _, name := range want.AttrNames() {
		if !slices.Contains(names, name) {
			return "." + name, "missing"
		}
	}
	return "", ""
}

// strings2 returns the first difference between two strings of octets. It names the line if both are texts of several
// lines.
func strings2(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	place := fmt.Sprintf("octet %d", at)
	if line := bytes.Count(got[:at], []byte("\n")); line > 0 {
		place += fmt.Sprintf(" (line %d)", line+1)
	}
	sizes := ""
	if len(got) != len(want) {
		sizes = fmt.Sprintf(" (%d octets, want %d)", len(got), len(want))
	}
	return fmt.Sprintf("they differ from %s on: got %s, want %s%s", place, window(got, at), window(want, at), sizes)
}

// window returns the octets around an offset, quoted.
func window(b []byte, at int) string {
	if at == len(b) {
		return "the end"
	}
	from, to := max(0, at-context), min(len(b), at+context)
	text := fmt.Sprintf("%q", b[from:to])
	if from > 0 {
		text = "…" + text
	}
	if to < len(b) {
		text += "…"
	}
	return text
}

func brief(v starlark.Value) string {
	s := v.String()
	if len(s) > maxText {
		return fmt.Sprintf("%s… (%d characters)", strings.ToValidUTF8(s[:maxText], ""), len(s))
	}
	return s
}
