package service

import (
	"bytes"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// Each line has 72 printing characters and starts one character after the line before. Characters(off, n) returns the
// same octets as the whole stream has at off.
func TestCharacters(t *testing.T) {
	lines := strings.SplitAfter(string(Characters(0, 96*Line)), "\n")
	if want := ` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_` + "`abcdefg\r\n"; lines[0] != want {
		t.Errorf("the first line is %q", lines[0])
	}
	if want := lines[0][1:Line-2] + "h\r\n"; lines[1] != want {
		t.Errorf("the second line is %q, want %q", lines[1], want)
	}
	if lines[94][:3] != "~ !" || lines[95] != lines[0] {
		t.Errorf("the last line of a period is %q, and then comes %q", lines[94], lines[95])
	}
	whole := Characters(0, Chunk)
	for _, off := range []int64{1, Line, period - 1, period, 7*period + 100} {
		at := off % period
		if got := Characters(off, 1000); !bytes.Equal(got, whole[at:at+1000]) {
			t.Errorf("the part from octet %d on differs", off)
		}
	}
	if got := Characters(period-1, Chunk); len(got) != Chunk || cap(got) != Chunk {
		t.Errorf("the largest part has %d octets of %d", len(got), cap(got))
	}
}

func TestIsHandler(t *testing.T) {
	for _, c := range []struct {
		v    starlark.Value
		want bool
	}{{Echo, true}, {starlark.Universe["len"], true}, {starlark.String("echo"), false}, {starlark.None, false}} {
		if got := IsHandler(c.v); got != c.want {
			t.Errorf("IsHandler(%v) is %v", c.v, got)
		}
	}
}
