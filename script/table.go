package script

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	starjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// column of a table: its heading, and how its values are shown.
type column struct {
	name string
	show func(starlark.Value) string // nil: as print() would
	left bool                        // numbers too stand to the left
}

// table is a frozen sequence of rows, as a builtin returned it.
type table struct {
	s     *Session
	of    string         // the builtin it came from, whose members it has
	recv  starlark.Value // that builtin's receiver
	cols  []column
	rows  []*row
	shown []int  // indices of the columns that are printed; nil: all
	key   int    // the column that table["…"] looks in
	note  string // printed below, where there are no rows: why

	// detail is the first of the columns that are printed below their row, as ss -ti does; 0: none are.
	// Where columns are chosen they stand side by side.
	detail int
}

// row is one line of a table; actions are what can be done to the thing it describes.
type row struct {
	t       *table
	vals    []starlark.Value
	actions string         // prefix in the registry
	about   starlark.Value // what the actions are bound to
}

// CompareSameType is starlark.Comparable's: rows are equal where their columns and all that is in them are.
func (r *row) CompareSameType(op syntax.Token, other starlark.Value, depth int) (bool, error) {
	o := other.(*row)
	if op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("rows have no order: compare a column of theirs")
	}
	same := slices.EqualFunc(r.t.cols, o.t.cols, func(a, b column) bool { return a.name == b.name })
	for i := 0; same && i < len(r.vals); i++ {
		var err error
		if same, err = starlark.EqualDepth(r.vals[i], o.vals[i], depth-1); err != nil {
			return false, err
		}
	}
	return same == (op == syntax.EQL), nil
}

func (t *table) add(vals ...starlark.Value) *row {
	r := &row{t: t, vals: vals}
	t.rows = append(t.rows, r)
	return r
}

// field is a column's name in a script: recv_q of RECV-Q.
func field(col string) string { return strings.ReplaceAll(strings.ToLower(col), "-", "_") }

func (t *table) column(name string) int {
	for i, c := range t.cols {
		if field(c.name) == field(name) {
			return i
		}
	}
	return -1
}

func (t *table) fields() []string {
	var names []string
	for _, c := range t.cols {
		names = append(names, field(c.name))
	}
	return names
}

func (t *table) Type() string          { return "table" }
func (t *table) Freeze()               {}
func (t *table) Truth() starlark.Bool  { return len(t.rows) > 0 }
func (t *table) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: table") }
func (t *table) Len() int              { return len(t.rows) }

// Index is starlark.Indexable's.
func (t *table) Index(i int) starlark.Value { return t.rows[i] }

// Slice is starlark.Sliceable's: a table of some of the rows.
func (t *table) Slice(start, end, step int) starlark.Value {
	var rows []*row
	for i := start; step > 0 && i < end || step < 0 && i > end; i += step {
		rows = append(rows, t.rows[i])
	}
	return t.with(rows)
}

// Get makes counters()["TcpRetransSegs"] work: the value of the one row whose key is that; with an int it
// is the row of that number.
func (t *table) Get(k starlark.Value) (starlark.Value, bool, error) {
	switch k := k.(type) {
	case starlark.Int:
		i, err := starlark.AsInt32(k)
		if err != nil || i >= len(t.rows) || i < -len(t.rows) {
			return nil, false, fmt.Errorf("row %v of a table of %d", k, len(t.rows))
		}
		if i < 0 {
			i += len(t.rows)
		}
		return t.rows[i], true, nil
	case starlark.String:
		for _, r := range t.rows {
			if starlark.Value(k) == r.vals[t.key] {
				if len(r.vals) == 2 {
					return r.vals[1-t.key], true, nil
				}
				return r, true, nil
			}
		}
		var known []string
		for _, r := range t.rows {
			if s, ok := starlark.AsString(r.vals[t.key]); ok {
				known = append(known, s)
			}
		}
		if n := nearest(string(k), known); n != "" {
			return nil, false, fmt.Errorf("no %s %s (did you mean %s?)", t.cols[t.key].name, k, n)
		}
		return nil, false, fmt.Errorf("no %s %s in the table of %d", t.cols[t.key].name, k, len(t.rows))
	case *row:
		for _, r := range t.rows {
			if same, err := starlark.Equal(r, k); same || err != nil {
				return r, same, err
			}
		}
		return nil, false, fmt.Errorf("no such row in the table of %d", len(t.rows))
	}
	return nil, false, fmt.Errorf("a table is indexed by a row's number or its %s, got %s", t.cols[t.key].name, k.Type())
}

// Iterate is starlark.Iterable's.
func (t *table) Iterate() starlark.Iterator { return &rowIterator{t.rows} }

type rowIterator struct{ rows []*row }

func (it *rowIterator) Next(p *starlark.Value) bool {
	if len(it.rows) == 0 {
		return false
	}
	*p, it.rows = it.rows[0], it.rows[1:]
	return true
}
func (it *rowIterator) Done() {}

// Attr is a table's method, or a member of the builtin it came from.
func (t *table) Attr(name string) (starlark.Value, error) {
	if v := t.s.member("table", t, name); v != nil {
		return v, nil
	}
	return attr(t, name, t.s.member(t.of, t.recv, name))
}

// AttrNames is starlark.HasAttrs'.
func (t *table) AttrNames() []string {
	return append(append([]string(nil), t.s.reg.members["table"]...), t.s.reg.members[t.of]...)
}

// chosen are the indices of the columns that cols() named, or of all.
func (t *table) chosen() []int {
	if t.shown != nil {
		return t.shown
	}
	all := make([]int, len(t.cols))
	for i := range all {
		all[i] = i
	}
	return all
}

// visible are the indices of the columns that are printed side by side.
func (t *table) visible() []int {
	if t.shown == nil && t.detail > 0 {
		return t.chosen()[:t.detail]
	}
	return t.chosen()
}

// String is the table in columns as wide as their content, cut to the terminal.
func (t *table) String() string {
	vis := t.visible()
	width := make([]int, len(vis))
	num := make([]bool, len(vis))
	text := make([][]string, len(t.rows))
	for j, c := range vis {
		width[j] = utf8.RuneCountInString(t.cols[c].name)
		num[j] = len(t.rows) > 0 && !t.cols[c].left
	}
	for i, r := range t.rows {
		text[i] = make([]string, len(vis))
		for j, c := range vis {
			s := t.cell(r, c)
			text[i][j] = s
			width[j] = max(width[j], utf8.RuneCountInString(s))
			switch r.vals[c].(type) {
			case starlark.Int, starlark.Float, starlark.NoneType:
			default:
				num[j] = false
			}
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		var l strings.Builder
		for j, s := range cells {
			pad := strings.Repeat(" ", width[j]-utf8.RuneCountInString(s))
			if j > 0 {
				l.WriteString("  ")
			}
			if num[j] {
				l.WriteString(pad + s)
			} else {
				l.WriteString(s + pad)
			}
		}
		out := []rune(strings.TrimRight(l.String(), " "))
		if w := t.s.cfg.Width; w > 0 && len(out) > w {
			out = append(out[:w-1], '…')
		}
		b.WriteString(string(out))
	}
	head := make([]string, len(vis))
	for j, c := range vis {
		head[j] = t.cols[c].name
	}
	line(head)
	for i, cells := range text {
		b.WriteByte('\n')
		line(cells)
		if t.detail > 0 && t.shown == nil {
			b.WriteString(t.details(t.rows[i]))
		}
	}
	if len(t.rows) == 0 && t.note != "" {
		b.WriteString("\n(" + t.note + ")")
	}
	return b.String()
}

// details are the columns from detail on, as name:value, on lines that the terminal has room for.
func (t *table) details(r *row) string {
	width := t.s.helpWidth()
	text, room := "", 0
	for c := t.detail; c < len(t.cols); c++ {
		cell := t.cell(r, c)
		if cell == "" {
			continue
		}
		word := field(t.cols[c].name) + ":" + cell
		n := utf8.RuneCountInString(word) + 1
		if room < n {
			text += "\n     "
			room = width - 5
		}
		text += " " + word
		room -= n
	}
	return text
}

func (t *table) cell(r *row, c int) string {
	v := r.vals[c]
	if show := t.cols[c].show; show != nil && v != starlark.None {
		return show(v)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return ""
	case starlark.String:
		return string(v)
	case *starlark.List:
		var parts []string
		for i := range v.Len() {
			s, _ := starlark.AsString(v.Index(i))
			parts = append(parts, s)
		}
		return strings.Join(parts, ",")
	}
	return v.String()
}

func (r *row) Type() string          { return "row" }
func (r *row) Freeze()               {}
func (r *row) Truth() starlark.Bool  { return true }
func (r *row) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: row") }

// String is the row as struct-like text.
func (r *row) String() string {
	var parts []string
	for _, c := range r.t.chosen() {
		parts = append(parts, field(r.t.cols[c].name)+"="+r.vals[c].String())
	}
	return "row(" + strings.Join(parts, ", ") + ")"
}

// Attr is a column's value, or what can be done to the thing.
func (r *row) Attr(name string) (starlark.Value, error) {
	if i := r.t.column(name); i >= 0 && name == field(name) {
		return r.vals[i], nil
	}
	return attr(r, name, r.t.s.member(r.actions, r.about, name))
}

// AttrNames is starlark.HasAttrs'.
func (r *row) AttrNames() []string {
	return append(r.t.fields(), r.t.s.reg.members[r.actions]...)
}

func (t *table) with(rows []*row) *table {
	u := *t
	u.rows = rows
	return &u
}

func tableBuiltins() []*builtin {
	return []*builtin{
		{name: "table.where", sig: "fn=, **columns", kinds: "fn", args: "fn: is given a row and says whether to keep it", result: "table",
			doc:     "The rows whose columns have these values, or for which fn(row) is true.",
			example: `counters().where(name="IpInReceives")`, fn: tableWhere},
		{name: "table.sort", sig: "col, reverse=False", kinds: "str bool", args: "col: a column's name; reverse: whether the greatest comes first", result: "table", pure: true,
			doc:     "The rows in the order of a column, addresses and numbers by value.",
			example: `counters().sort("value", reverse=True)[0]`, fn: tableSort},
		{name: "table.cols", sig: "*names", args: "names: names of columns", result: "table", pure: true,
			doc:     "The table with these columns only, in this order.",
			example: `ifaces().cols("name", "mtu")`, fn: tableCols},
		{name: "table.json", result: "str", pure: true,
			doc:     "The rows as a JSON list of objects.",
			example: `json.decode(routes().json())`, fn: tableJSON},
	}
}

func (c *call) column(t *table, name string) (int, error) {
	i := t.column(name)
	if i < 0 {
		text := fmt.Sprintf("%s: no column %s", c.b.name, name)
		if n := nearest(field(name), t.fields()); n != "" {
			return i, fmt.Errorf("%s (did you mean %s?)", text, n)
		}
		return i, fmt.Errorf("%s: there are %s", text, strings.Join(t.fields(), " "))
	}
	return i, nil
}

func tableWhere(c *call) (starlark.Value, error) {
	t := c.recv.(*table)
	fn := arg[starlark.Callable](c, "fn")
	cols := make([]int, len(c.opts))
	for k, kv := range c.opts {
		var err error
		if cols[k], err = c.column(t, string(kv[0].(starlark.String))); err != nil {
			return nil, err
		}
	}
	var rows []*row
next:
	for _, r := range t.rows {
		for k, kv := range c.opts {
			if eq, err := starlark.Compare(syntax.EQL, r.vals[cols[k]], kv[1]); err != nil || !eq {
				continue next
			}
		}
		if fn != nil {
			v, err := starlark.Call(c.t.thread, fn, starlark.Tuple{r}, nil)
			if err != nil {
				return nil, err
			}
			if !v.Truth() {
				continue
			}
		}
		rows = append(rows, r)
	}
	return t.with(rows), nil
}

func tableSort(c *call) (starlark.Value, error) {
	t := c.recv.(*table)
	i, err := c.column(t, arg[string](c, "col"))
	if err != nil {
		return nil, err
	}
	return t.with(t.sorted(i, arg[bool](c, "reverse"))), nil
}

// sorted are the rows in the order of a column.
func (t *table) sorted(i int, reverse bool) []*row {
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b *row) int {
		if reverse {
			a, b = b, a
		}
		return compareCells(a.vals[i], b.vals[i])
	})
	return rows
}

func tableCols(c *call) (starlark.Value, error) {
	t := c.recv.(*table)
	u := t.with(t.rows)
	u.shown = []int{}
	for _, v := range c.rest {
		name, ok := starlark.AsString(v)
		if !ok {
			return nil, c.errorf("a column is a string, got %s", v.Type())
		}
		i, err := c.column(t, name)
		if err != nil {
			return nil, err
		}
		u.shown = append(u.shown, i)
	}
	return u, nil
}

func tableJSON(c *call) (starlark.Value, error) {
	t := c.recv.(*table)
	list := make([]starlark.Value, len(t.rows))
	for i, r := range t.rows {
		d := starlark.NewDict(len(t.cols))
		for _, j := range t.chosen() {
			d.SetKey(starlark.String(field(t.cols[j].name)), jsonable(r.vals[j]))
		}
		list[i] = d
	}
	encode := starjson.Module.Members["encode"]
	thread := &starlark.Thread{}
	return starlark.Call(thread, encode, starlark.Tuple{starlark.NewList(list)}, nil)
}

func jsonable(v starlark.Value) starlark.Value {
	switch v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float, starlark.String, *starlark.List, *starlark.Dict:
		return v
	}
	return starlark.String(v.String())
}
