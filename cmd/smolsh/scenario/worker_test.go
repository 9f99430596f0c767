package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/syntax"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1GB": 1 << 30, "512MB": 512 << 20, "2g": 2 << 30, "1.5 GB": 3 << 29, "1GiB": 1 << 30, "40000000": 40_000_000,
		"32MB": 32 << 20, "2TB": 2 << 40, "31MB": 0, "": 0, "GB": 0, "-1GB": 0, "1e30": 0, "NaN": 0, "Inf": 0, "12 apples": 0,
	} {
		got, err := ParseSize(in)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
}

// TestPosition: the runner's mapping of the page shows the position that a worker wrote to its own mapping.
func TestPosition(t *testing.T) {
	p, f, err := newPosition()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := MapPosition(f)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2*positionSize)
	for _, c := range []struct {
		file string
		line int32
		want string
	}{{"a.star", 7, "a.star"}, {"a.star", 9, "a.star"}, {long, 1, long[:positionSize-8]}, {"b.star", 1 << 30, "b.star"}} {
		w.Set(syntax.MakePosition(&c.file, c.line, 1))
		if file, line := p.get(); file != c.want || line != int(c.line) {
			t.Errorf("got %.20s:%d, want %.20s:%d", file, line, c.want, c.line)
		}
	}
	if p.clear(); true {
		if file, _ := p.get(); file != "" {
			t.Errorf("got %q after clear", file)
		}
	}
	p.close()
	w.close()
}

// TestRecord: a run replaces the failures of its own tests in the record, and keeps those of other tests.
func TestRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache", "last.json")
	abs := func(p string) string { p, _ = filepath.Abs(p); return p }
	test := func(path, name string) Test { return Test{File: File{Path: path}, Name: name} }
	r, err := ReadRecord(file)
	if err != nil || len(r.Failed) != 0 {
		t.Fatal(r, err)
	}
	a, b, c := test("x.star", "test_a"), test("x.star", "test_b"), test("y.star", "test_a")
	tests := []Test{a, b, c}
	r.update(tests, []job{{0, 3}, {0, 9}, {1, 1}, {2, 1}}, []job{{0, 3}, {0, 9}, {2, 1}})
	if err := r.Write(file); err != nil {
		t.Fatal(err)
	}
	if r, err = ReadRecord(file); err != nil || len(r.Failed) != 3 || r.Failed[0].Path != abs("x.star") {
		t.Fatal(r, err)
	}
	list := r.Select([]Test{a, b, c})
	if len(list) != 2 || list[0].Name != "test_a" || len(list[0].Seeds) != 2 || list[0].Seeds[1] != 9 || list[1].Path != "y.star" {
		t.Errorf("selected %+v", list)
	}
	r.update(tests, []job{{0, 9}}, nil) // a seed that passes now, and no other
	if list := r.Select(tests); len(list) != 2 || len(list[0].Seeds) != 1 || list[0].Seeds[0] != 3 {
		t.Errorf("selected %+v", list)
	}
	r.update(tests, []job{{0, 3}, {0, 9}}, nil)
	if list := r.Select(tests); len(list) != 1 || list[0].Path != "y.star" {
		t.Errorf("selected %+v", list)
	}
	if err := os.WriteFile(file, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err = ReadRecord(file); err == nil {
		t.Error("a damaged record is no error")
	}
	many := make([]job, 2*maxRecord)
	if r.update(tests, many, many); len(r.Failed) != maxRecord {
		t.Errorf("%d failures are on record", len(r.Failed))
	}
}

// TestCaptureNames: each test has a capture file of its own, and captureName returns the same name each time.
func TestCaptureNames(t *testing.T) {
	c := &Config{Folder: "out"}
	test := func(path, shown, name string) Test { return Test{File: File{Path: path, Shown: shown}, Name: name} }
	for range 2 {
		for _, x := range []struct {
			t    Test
			want string
		}{
			{test("d1/t.star", "t.star", "test_x"), "out/d1_t.test_x.seed1.pcapng"},
			{test("./d2/t.star", "t.star", "test_x"), "out/d2_t.test_x.seed1.pcapng"},
			{test("../t.star", "t.star", "test_x"), "out/t.test_x.seed1.pcapng"},
			{test("/elsewhere/t.star", "t.star", "test_x"), "out/t.test_x.seed1.2.pcapng"},
			{test("t.star", "t.star", "test_x[a/b]"), "out/t.test_x_a_b_.seed1.pcapng"},
			{test("t.star", "t.star", "test_x[a b]"), "out/t.test_x_a_b_.seed1.2.pcapng"},
		} {
			if got := c.captureName(x.t, 1, nil); got != x.want {
				t.Errorf("%s %s: %s, want %s", x.t.Path, x.t.Name, got, x.want)
			}
		}
	}
}
