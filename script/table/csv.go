package table

import (
	"encoding/csv"
	"strings"

	"go.starlark.net/starlark"
)

// CSV returns the chosen columns as lines of comma-separated values (RFC 4180), the first with the columns' names in a
// script. Lines end in \n. None is an empty value, and the values of a list are separated by blanks.
func (t *Table) CSV() string {
	var out strings.Builder
	w := csv.NewWriter(&out)
	cols := t.chosen()
	cells := make([]string, len(cols))
	write := func(cell func(col int) string) {
		for i, c := range cols {
			cells[i] = cell(c)
		}
		_ = w.Write(cells) // a Builder has no errors
	}
	write(func(c int) string { return FieldName(t.Columns[c].Name) })
	for _, r := range t.Rows {
		write(func(c int) string { return plain(r.Values[c]) })
	}
	w.Flush()
	return out.String()
}

// plain returns a value as text without quotes.
func plain(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType:
		return ""
	case starlark.String:
		return string(v)
	case starlark.Bytes:
		return string(v)
	case *starlark.List:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = plain(v.Index(i))
		}
		return strings.Join(words, " ")
	}
	return v.String()
}
