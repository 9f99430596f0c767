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

// TestPrinting: a column is as wide as its longest cell, numbers are aligned to the right, and the rows of a table that is too wide
// become blocks.
func TestPrinting(t *testing.T) {
	for width, want := range map[int]string{
		0:  "NAME    MTU  RX-BYTES\neth0   1500         7\na     65535",
		24: "NAME    MTU  RX-BYTES\neth0   1500         7\na     65535",
		18: "name: eth0\n  mtu: 1500\n  rx_bytes: 7\nname: a\n  mtu: 65535",
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

// TestNarrow: a table that is too wide loses empty columns first and blanks between the others, then its lists have a line for each element, then its last column is folded at
// words, and at last its rows become blocks, in which a column stands below itself.
func TestNarrow(t *testing.T) {
	wide := func(width int) *Table {
		x := New(terminal(width), "x", nil, Columns("NAME NOTHING ADDRESSES ABOUT")...)
		list := starlark.NewList([]starlark.Value{starlark.String("10.0.0.1/24"), starlark.String("10.0.0.2/24")})
		x.Add(starlark.String("a"), starlark.None, list, starlark.String("the first of all the rows of it"))
		x.Add(starlark.String("eth0"), starlark.None, starlark.NewList(nil), starlark.String("last"))
		return x
	}
	for width, want := range map[int]string{
		72: "NAME  NOTHING  ADDRESSES                ABOUT\n" +
			"a              10.0.0.1/24,10.0.0.2/24  the first of all the rows of it\neth0                                    last",
		64: "NAME  ADDRESSES                ABOUT\n" +
			"a     10.0.0.1/24,10.0.0.2/24  the first of all the rows of it\neth0                           last",
		52: "NAME ADDRESSES    ABOUT\n" +
			"a    10.0.0.1/24, the first of all the rows of it\n     10.0.0.2/24\neth0              last",
		44: "NAME ADDRESSES    ABOUT\n" +
			"a    10.0.0.1/24, the first of all the rows\n     10.0.0.2/24  of it\neth0              last",
		40: "name: a\n  addresses: 10.0.0.1/24,10.0.0.2/24\n  about: the first of all the rows of it\nname: eth0\n  about: last",
		24: "name: a\n  addresses:\n    10.0.0.1/24,\n    10.0.0.2/24\n  about: the first of\n    all the rows of it\nname: eth0\n  about: last",
	} {
		if got := wide(width).String(); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
	x := wide(40).Choose([]int{1, 0})
	if got, want := x.String(), "NOTHING  NAME\n         a\n         eth0"; got != want {
		t.Errorf("chosen columns:\n%s\nwant\n%s", got, want)
	}
}

// TestBlocksAlign: the values of a column stand below each other in all blocks.
func TestBlocksAlign(t *testing.T) {
	x := New(terminal(24), "x", nil, Columns("N STATE CWND PIPE")...)
	x.Add(starlark.MakeInt(1), starlark.String("ESTABLISHED"), starlark.MakeInt(14600), starlark.MakeInt(5))
	x.Add(starlark.MakeInt(10), starlark.String("FIN"), starlark.None, starlark.MakeInt(77))
	if got, want := x.String(), "n: 1\n  state: ESTABLISHED\n  cwnd: 14600  pipe: 5\nn: 10\n  state: FIN\n               pipe: 77"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

// TestCells: widths are cells, not code points, and what a peer put into a cell neither moves the cursor nor begins a line.
func TestCells(t *testing.T) {
	x := New(terminal(80), "x", nil, Columns("NAME MTU")...)
	x.Add(starlark.String("日本"), starlark.MakeInt(1))
	x.Add(starlark.String("a\x1b[2J\n"), starlark.MakeInt(1))
	if got, want := x.String(), "NAME        MTU\n日本          1\na\\x1b[2J\\n    1"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
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
