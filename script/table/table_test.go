package table

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// terminal is an Environment without builtins; its value is the width of the terminal.
type terminal int

func (terminal) Member(string, starlark.Value, string) starlark.Value { return nil }
func (terminal) Members(prefix string) []string {
	return map[string][]string{"table": {"sort"}, "iface": {"up"}}[prefix]
}
func (w terminal) Width() int { return int(w) }

// interfaces returns a table of two rows.
func interfaces(width int) *Table {
	t := New(terminal(width), "ifaces", nil, Columns("NAME MTU RX-BYTES")...)
	t.Add(starlark.String("eth0"), starlark.MakeInt(1500), starlark.MakeInt(7)).Actions = "iface"
	t.Add(starlark.String("a"), starlark.MakeInt(65535), starlark.None)
	return t
}

// TestPrinting: a column is as wide as its longest cell, numbers are aligned to the right, and a line is cut to the
// terminal's width.
func TestPrinting(t *testing.T) {
	for width, want := range map[int]string{
		0:  "NAME    MTU  RX-BYTES\neth0   1500         7\na     65535",
		14: "NAME    MTU  …\neth0   1500  …\na     65535",
	} {
		if got := interfaces(width).String(); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
	few := interfaces(0)
	few.Columns[1].Left = true
	if got, want := few.Choose([]int{1, 0}).String(), "MTU    NAME\n1500   eth0\n65535  a"; got != want {
		t.Errorf("chosen columns:\n%s\nwant\n%s", got, want)
	}
	empty := New(terminal(0), "routes", nil, Columns("A B")...)
	empty.Note = "no interface"
	if got, want := empty.String(), "A  B\n(no interface)"; got != want {
		t.Errorf("empty: %q, want %q", got, want)
	}
}

// TestDetails: a table prints the columns from Detail on below their row, in lines that fit into the terminal. It omits
// empty cells.
func TestDetails(t *testing.T) {
	for width, want := range map[int]string{
		0:  "NAME\neth0\n      mtu:1500 rx_bytes:7\na\n      mtu:65535",
		20: "NAME\neth0\n      mtu:1500\n      rx_bytes:7\na\n      mtu:65535",
	} {
		tb := interfaces(width)
		tb.Detail = 1
		if got := tb.String(); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
}

// TestIndex: a row of a table is found by its number or by the value in its first column. Errors suggest the nearest
// name.
func TestIndex(t *testing.T) {
	tb := interfaces(0)
	counters := New(terminal(0), "counters", nil, Columns("NAME VALUE")...)
	counters.Add(starlark.String("TcpInSegs"), starlark.MakeInt(5))
	for _, c := range []struct {
		t         *Table
		key       starlark.Value
		want, err string
	}{
		{tb, starlark.MakeInt(-1), `row(name="a", mtu=65535, rx_bytes=None)`, ""},
		{tb, starlark.MakeInt(2), "", "row 2 of a table of 2"},
		{tb, starlark.String("eth0"), `row(name="eth0", mtu=1500, rx_bytes=7)`, ""},
		{tb, starlark.String("eht0"), "", `no NAME "eht0" (did you mean eth0?)`},
		{tb, tb.Rows[1], `row(name="a", mtu=65535, rx_bytes=None)`, ""},
		{tb, starlark.None, "", "a table is indexed by a row's number or its NAME, got NoneType"},
		{counters, starlark.String("TcpInSegs"), "5", ""},
	} {
		v, _, err := c.t.Get(c.key)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%v: error %v, want %s", c.key, err, c.err)
			}
		} else if err != nil || v.String() != c.want {
			t.Errorf("%v: %v, %v, want %s", c.key, v, err, c.want)
		}
	}
	if _, err := tb.ColumnIndex("mto"); err == nil || err.Error() != "no column mto (did you mean mtu?)" {
		t.Errorf("column: %v", err)
	}
	if _, err := tb.Attr("srot"); err == nil || err.Error() != "table has no .srot field or method (did you mean .sort?)" {
		t.Errorf("method: %v", err)
	}
	if v, err := tb.Rows[0].Attr("rx_bytes"); err != nil || v != starlark.Value(starlark.MakeInt(7)) {
		t.Errorf("field: %v, %v", v, err)
	}
	if _, err := tb.Rows[0].Attr("pu"); err == nil || err.Error() != "row has no .pu field or method (did you mean .up?)" {
		t.Errorf("action: %v", err)
	}
}

// TestSelection: Filter, Sorted and Slice return tables of some of the rows. Rows are compared by their values.
func TestSelection(t *testing.T) {
	tb := interfaces(0)
	large, err := tb.Filter(func(r *Row) (bool, error) { return r.Values[1] == starlark.Value(starlark.MakeInt(65535)), nil })
	if err != nil || large.Len() != 1 || large.Rows[0] != tb.Rows[1] {
		t.Errorf("filtered: %v, %v", large, err)
	}
	if first := tb.Sorted(0, false).Rows[0]; first != tb.Rows[1] {
		t.Errorf("sorted: %v first", first)
	}
	if back := tb.Slice(1, -1, -1).(*Table); back.Len() != 2 || back.Rows[0] != tb.Rows[1] {
		t.Errorf("reversed: %v", back)
	}
	if same, err := starlark.Equal(tb.Rows[0], interfaces(80).Rows[0]); !same || err != nil {
		t.Errorf("equal rows: %v, %v", same, err)
	}
	v, err := tb.Choose([]int{0, 2}).JSON()
	if want := `[{"name":"eth0","rx_bytes":7},{"name":"a","rx_bytes":null}]`; err != nil || string(v.(starlark.String)) != want {
		t.Errorf("JSON %v, %v", v, err)
	}
}

// TestSparseColumns: a column that has no value in any row is not printed, unless the script has chosen it. Its values are there.
func TestSparseColumns(t *testing.T) {
	for _, c := range []struct {
		router starlark.Value
		want   string
	}{
		{starlark.False, "A\nx"},
		{starlark.None, "A\nx"},
		{starlark.True, "A  ROUTER\nx  True"},
	} {
		x := New(terminal(80), "x", nil, Columns("A ROUTER")...)
		x.Columns[1].Sparse = true
		x.Add(starlark.String("x"), c.router)
		if got := x.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if got := x.Choose([]int{1}).String(); !strings.HasPrefix(got, "ROUTER") {
			t.Errorf("chosen: %q", got)
		}
		if v, err := x.Rows[0].Attr("router"); err != nil || v != c.router {
			t.Errorf("%v, %v", v, err)
		}
	}
}
