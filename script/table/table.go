// Package table holds the tables that builtins return to scripts. Their rows and columns are Starlark values. Tables
// are sorted, filtered, encoded as JSON, and printed in columns that fit the terminal. The package does not know the
// stack. A table gets the methods of tables and of rows from its Environment.
package table

import (
	"fmt"
	"slices"
	"smolsh/script/suggest"
	"strings"

	starjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Column is a column of a table.
type Column struct {
	Name   string                      // heading
	Show   func(starlark.Value) string // formats a value; nil to format as print() does
	Left   bool                        // true to align numbers to the left as well
	Sparse bool                        // true to print the column only if a row has a value in it that is not False, None or empty
}

// Environment provides a table with methods from the program, and the terminal's width.
type Environment interface {
	// Member returns the builtin prefix.name bound to recv, nil if there is none.
	Member(prefix string, recv starlark.Value, name string) starlark.Value
	// Members returns the names of the builtins under a prefix, sorted.
	Members(prefix string) []string
	// Width returns the terminal's width in columns, 0 if there is none.
	Width() int
}

// A Table is a sequence of rows, as a builtin returned it. A script cannot change it.
type Table struct {
	Builtin  string         // name of the builtin that returned the table, whose members the table has
	Receiver starlark.Value // receiver of that builtin
	Columns  []Column
	Rows     []*Row
	Note     string // printed below a table without rows: the reason

	// Detail is the index of the first column that is printed below its row, as `ss -ti` does; 0 if every column is
	// printed in the row. Columns that a script chose are always printed in the row.
	Detail int

	env   Environment
	shown []int // indices of the columns that a script chose; nil for all
}

// New returns a table without rows. The argument of is the name of the builtin that returns the table. recv is the
// receiver of that builtin.
func New(env Environment, of string, recv starlark.Value, cols ...Column) *Table {
	return &Table{env: env, Builtin: of, Receiver: recv, Columns: cols}
}

// Columns returns columns with the names in a list separated by blanks.
func Columns(names string) []Column {
	var cols []Column
	for _, n := range strings.Fields(names) {
		cols = append(cols, Column{Name: n})
	}
	return cols
}

// A Row is one row of a table. It has the methods of the object that it describes.
type Row struct {
	Values  []starlark.Value // values of the row, one for each column
	Actions string           // type whose methods the row has, "" for none
	About   starlark.Value   // receiver of these methods

	Table *Table
}

// CompareSameType implements starlark.Comparable: rows are equal if their columns and values are.
func (r *Row) CompareSameType(op syntax.Token, other starlark.Value, depth int) (bool, error) {
	o := other.(*Row)
	if op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("rows have no order: compare a column of theirs")
	}
	same := slices.EqualFunc(r.Table.Columns, o.Table.Columns, func(a, b Column) bool { return a.Name == b.Name })
	for i := 0; same && i < len(r.Values); i++ {
		var err error
		if same, err = starlark.EqualDepth(r.Values[i], o.Values[i], depth-1); err != nil {
			return false, err
		}
	}
	return same == (op == syntax.EQL), nil
}

// CompareSameType implements starlark.Comparable: tables are equal if their rows are, in order. Tables without rows are equal if their
// columns are.
func (t *Table) CompareSameType(op syntax.Token, other starlark.Value, depth int) (bool, error) {
	o := other.(*Table)
	if op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("tables have no order: compare their len()")
	}
	same := len(t.Rows) == len(o.Rows) && slices.EqualFunc(t.Columns, o.Columns, func(a, b Column) bool { return a.Name == b.Name })
	for i := 0; same && i < len(t.Rows); i++ {
		var err error
		if same, err = starlark.EqualDepth(t.Rows[i], o.Rows[i], depth-1); err != nil {
			return false, err
		}
	}
	return same == (op == syntax.EQL), nil
}

// Add appends a row with one value for each column.
func (t *Table) Add(vals ...starlark.Value) *Row {
	r := &Row{Table: t, Values: vals}
	t.Rows = append(t.Rows, r)
	return r
}

// FieldName returns a column's name in a script: recv_q for RECV-Q.
func FieldName(col string) string { return strings.ReplaceAll(strings.ToLower(col), "-", "_") }

// column returns the index of the column called name, -1 if there is none.
func (t *Table) column(name string) int {
	for i, c := range t.Columns {
		if FieldName(c.Name) == FieldName(name) {
			return i
		}
	}
	return -1
}

// FieldNames returns the columns' names in a script.
func (t *Table) FieldNames() []string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, FieldName(c.Name))
	}
	return names
}

// Type implements starlark.Value.
func (t *Table) Type() string { return "table" }

// Freeze implements starlark.Value; a table never changes.
func (t *Table) Freeze() {}

// Truth implements starlark.Value: a table without rows is false.
func (t *Table) Truth() starlark.Bool { return len(t.Rows) > 0 }

// Hash implements starlark.Value; a table has no hash.
func (t *Table) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: table") }

// Len implements starlark.Sequence.
func (t *Table) Len() int { return len(t.Rows) }

// Index implements starlark.Indexable.
func (t *Table) Index(i int) starlark.Value { return t.Rows[i] }

// Slice implements starlark.Sliceable. It returns a table with some of the rows.
func (t *Table) Slice(start, end, step int) starlark.Value {
	var rows []*Row
	for i := start; step > 0 && i < end || step < 0 && i > end; i += step {
		rows = append(rows, t.Rows[i])
	}
	return t.with(rows)
}

// Get implements starlark.Mapping. An int selects a row by its index. A string selects the row whose first column has
// that value: `counters()["TcpRetransSegs"]`. If there is just one other column, Get returns its value. A row selects
// the row that equals it.
func (t *Table) Get(k starlark.Value) (starlark.Value, bool, error) {
	switch k := k.(type) {
	case starlark.Int:
		i, err := starlark.AsInt32(k)
		if err != nil || i >= len(t.Rows) || i < -len(t.Rows) {
			return nil, false, fmt.Errorf("row %v of a table of %d", k, len(t.Rows))
		}
		if i < 0 {
			i += len(t.Rows)
		}
		return t.Rows[i], true, nil
	case starlark.String:
		for _, r := range t.Rows {
			if starlark.Value(k) == r.Values[0] {
				if len(r.Values) == 2 {
					return r.Values[1], true, nil
				}
				return r, true, nil
			}
		}
		var known []string
		for _, r := range t.Rows {
			if s, ok := starlark.AsString(r.Values[0]); ok {
				known = append(known, s)
			}
		}
		if n := suggest.Nearest(string(k), known); n != "" {
			return nil, false, fmt.Errorf("no %s %s (did you mean %s?)", t.Columns[0].Name, k, n)
		}
		return nil, false, fmt.Errorf("no %s %s in the table of %d", t.Columns[0].Name, k, len(t.Rows))
	case *Row:
		for _, r := range t.Rows {
			if same, err := starlark.Equal(r, k); same || err != nil {
				return r, same, err
			}
		}
		return nil, false, fmt.Errorf("no such row in the table of %d", len(t.Rows))
	}
	return nil, false, fmt.Errorf("a table is indexed by a row's number or its %s, got %s", t.Columns[0].Name, k.Type())
}

// Iterate implements starlark.Iterable.
func (t *Table) Iterate() starlark.Iterator { return &rowIterator{t.Rows} }

type rowIterator struct{ rows []*Row }

func (it *rowIterator) Next(p *starlark.Value) bool {
	if len(it.rows) == 0 {
		return false
	}
	*p, it.rows = it.rows[0], it.rows[1:]
	return true
}
func (it *rowIterator) Done() {}

// Attr returns a method of tables, or a member of the builtin that returned the table.
func (t *Table) Attr(name string) (starlark.Value, error) {
	if v := t.env.Member("table", t, name); v != nil {
		return v, nil
	}
	return suggest.Attr(t, name, t.env.Member(t.Builtin, t.Receiver, name))
}

// AttrNames implements starlark.HasAttrs.
func (t *Table) AttrNames() []string {
	return append(append([]string(nil), t.env.Members("table")...), t.env.Members(t.Builtin)...)
}

// chosen returns the indices of the columns that a script chose, or of all columns.
func (t *Table) chosen() []int {
	if t.shown != nil {
		return t.shown
	}
	all := make([]int, len(t.Columns))
	for i := range all {
		all[i] = i
	}
	return all
}

// Type implements starlark.Value.
func (r *Row) Type() string { return "row" }

// Freeze implements starlark.Value; a row never changes.
func (r *Row) Freeze() {}

// Truth implements starlark.Value.
func (r *Row) Truth() starlark.Bool { return true }

// Hash implements starlark.Value; a row has no hash.
func (r *Row) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: row") }

// String formats the row as Starlark does a struct.
func (r *Row) String() string {
	var parts []string
	for _, c := range r.Table.chosen() {
		parts = append(parts, FieldName(r.Table.Columns[c].Name)+"="+r.Values[c].String())
	}
	return "row(" + strings.Join(parts, ", ") + ")"
}

// Attr returns the value of a column, or a method of the object that the row describes.
func (r *Row) Attr(name string) (starlark.Value, error) {
	if i := r.Table.column(name); i >= 0 && name == FieldName(name) {
		return r.Values[i], nil
	}
	x, err := suggest.Attr(r, name, r.Table.env.Member(r.Actions, r.About, name))
	if x == nil && err == nil {
		err = fmt.Errorf("the row has no .%s field or method: it has %s", name, strings.Join(r.AttrNames(), " "))
	}
	return x, err
}

// AttrNames implements starlark.HasAttrs.
func (r *Row) AttrNames() []string {
	return append(r.Table.FieldNames(), r.Table.env.Members(r.Actions)...)
}

// with returns a table like t with other rows.
func (t *Table) with(rows []*Row) *Table {
	u := *t
	u.Rows = rows
	return &u
}

// ColumnIndex returns the index of the column called name, or an error that lists the columns.
func (t *Table) ColumnIndex(name string) (int, error) {
	i := t.column(name)
	if i < 0 {
		text := fmt.Sprintf("no column %s", name)
		if n := suggest.Nearest(FieldName(name), t.FieldNames()); n != "" {
			return i, fmt.Errorf("%s (did you mean %s?)", text, n)
		}
		return i, fmt.Errorf("%s: there are %s", text, strings.Join(t.FieldNames(), " "))
	}
	return i, nil
}

// Choose returns a table of the same rows that prints only the given columns, in their order.
func (t *Table) Choose(columns []int) *Table {
	u := t.with(t.Rows)
	u.shown = columns
	return u
}

// Filter returns a table with the rows for which keep returns true, or the first error of keep.
func (t *Table) Filter(keep func(r *Row) (bool, error)) (*Table, error) {
	var rows []*Row
	for _, r := range t.Rows {
		ok, err := keep(r)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, r)
		}
	}
	return t.with(rows), nil
}

// Sorted returns a table with the rows sorted by a column's values.
func (t *Table) Sorted(i int, reverse bool) *Table {
	rows := slices.Clone(t.Rows)
	slices.SortStableFunc(rows, func(a, b *Row) int {
		if reverse {
			a, b = b, a
		}
		return compareCells(a.Values[i], b.Values[i])
	})
	return t.with(rows)
}

// JSON encodes the rows as a JSON list of objects. The objects have only the chosen columns.
func (t *Table) JSON() (starlark.Value, error) {
	list := make([]starlark.Value, len(t.Rows))
	for i, r := range t.Rows {
		d := starlark.NewDict(len(t.Columns))
		for _, j := range t.chosen() {
			d.SetKey(starlark.String(FieldName(t.Columns[j].Name)), jsonable(r.Values[j]))
		}
		list[i] = d
	}
	encode := starjson.Module.Members["encode"]
	thread := &starlark.Thread{}
	return starlark.Call(thread, encode, starlark.Tuple{starlark.NewList(list)}, nil)
}

// jsonable returns a cell's value if the JSON encoder accepts its type, otherwise the value as text.
func jsonable(v starlark.Value) starlark.Value {
	switch v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float, starlark.String, *starlark.List, *starlark.Dict:
		return v
	}
	return starlark.String(v.String())
}
