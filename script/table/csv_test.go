package table

import (
	"testing"

	"go.starlark.net/starlark"
)

// TestCSV writes a value of each kind, with every character that needs quotes.
func TestCSV(t *testing.T) {
	tb := New(nil, "", nil, Columns("A RECV-Q C")...)
	tb.Add(starlark.String("a,b"), starlark.MakeInt(-1), starlark.None)
	tb.Add(starlark.String("a \"b\"\nc"), starlark.Float(0.5), starlark.True)
	tb.Add(starlark.Bytes("\xff"), starlark.NewList([]starlark.Value{starlark.String("x"), starlark.MakeInt(2)}), starlark.String(" lead"))
	const want = "a,recv_q,c\n\"a,b\",-1,\n\"a \"\"b\"\"\nc\",0.5,True\n\xff,x 2,\" lead\"\n"
	if got := tb.CSV(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tb.Choose([]int{2, 0}).CSV(); got[:4] != "c,a\n" {
		t.Errorf("chosen columns: %q", got)
	}
}
