package script

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"smolsh/script/table"
)

// environment provides tables and packets with the session's builtins and terminal.
type environment struct{ s *Session }

// Member returns the builtin prefix.name bound to recv, nil if there is none.
func (e environment) Member(prefix string, recv starlark.Value, name string) starlark.Value {
	if h, ok := recv.(*hostValue); ok { // a host's members include those of many types
		v, _ := h.Attr(name)
		return v
	}
	return e.s.member(prefix, recv, name)
}

// Members returns the names of the builtins under a prefix, sorted.
func (e environment) Members(prefix string) []string { return e.s.reg.Members[prefix] }

// Width returns the columns of the terminal, 0 if there is none.
func (e environment) Width() int { return e.s.cfg.Width }

func tableBuiltins() []*builtin {
	return []*builtin{
		{Name: "table.where", Sig: "fn=, **columns", Kinds: "fn", Args: "fn: a function of a row that returns whether to keep the row", Result: "table",
			Doc:     "Return the rows whose columns have these values, or for which fn(row) is true.",
			Example: `counters().where(name="IpInReceives")`, Fn: tableWhere},
		{Name: "table.sort", Sig: "col, reverse=False", Kinds: "str bool", Args: "col: a column's name; reverse: whether to sort in descending order", Result: "table", Pure: true,
			Doc:     "Return the rows sorted by a column, addresses and numbers by value.",
			Example: `counters().sort("value", reverse=True)[0]`, Fn: tableSort},
		{Name: "table.cols", Sig: "*names", Args: "names: names of columns", Result: "table", Pure: true,
			Doc:     "Return the table with only these columns, in this order.",
			Example: `ifaces().cols("name", "mtu")`, Fn: tableCols},
		{Name: "table.json", Result: "str", Pure: true,
			Doc:     "Return the rows as a JSON list of objects.",
			Example: `json.decode(routes().json())`, Fn: tableJSON},
		{Name: "table.csv", Result: "str", Pure: true,
			Doc:     "The rows as lines of comma-separated values (RFC 4180), the columns' names first.",
			Example: `write_file("ifaces.csv", ifaces().csv())`, See: "write_file", Fn: tableCSV},
	}
}

func tableWhere(c *call) (starlark.Value, error) {
	t := c.recv.(*table.Table)
	fn := arg[starlark.Callable](c, "fn")
	cols := make([]int, len(c.Opts))
	for k, kv := range c.Opts {
		var err error
		if cols[k], err = t.ColumnIndex(string(kv[0].(starlark.String))); err != nil {
			return nil, c.errorf("%v", err)
		}
	}
	return orError(t.Filter(func(r *table.Row) (bool, error) {
		for k, kv := range c.Opts {
			if eq, err := starlark.Compare(syntax.EQL, r.Values[cols[k]], kv[1]); err != nil || !eq {
				return false, nil
			}
		}
		if fn == nil {
			return true, nil
		}
		v, err := starlark.Call(c.t.thread, fn, starlark.Tuple{r}, nil)
		return err == nil && bool(v.Truth()), err
	}))
}

// orError returns the table, or the error without a value.
func orError(t *table.Table, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

func tableSort(c *call) (starlark.Value, error) {
	t := c.recv.(*table.Table)
	i, err := t.ColumnIndex(arg[string](c, "col"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return t.Sorted(i, arg[bool](c, "reverse")), nil
}

func tableCols(c *call) (starlark.Value, error) {
	t := c.recv.(*table.Table)
	if len(c.Rest) == 0 {
		return nil, c.errorf("name the columns: there are %s", strings.Join(t.FieldNames(), " "))
	}
	shown := []int{}
	for _, v := range c.Rest {
		name, ok := starlark.AsString(v)
		if !ok {
			return nil, c.errorf("a column is a string, got %s", v.Type())
		}
		i, err := t.ColumnIndex(name)
		if err != nil {
			return nil, c.errorf("%v", err)
		}
		shown = append(shown, i)
	}
	return t.Choose(shown), nil
}

func tableJSON(c *call) (starlark.Value, error) { return c.recv.(*table.Table).JSON() }

func tableCSV(c *call) (starlark.Value, error) {
	return starlark.String(c.recv.(*table.Table).CSV()), nil
}
