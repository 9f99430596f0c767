package scenario

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smolsh/script"
	"smolsh/stack/lab"
)

// open returns a session with one host, which has no peer.
func open(u Setup) (*script.Session, func(), error) {
	w := lab.NewWorld()
	l := lab.New(w, u.Seed)
	h, err := l.AddHost(lab.HostConfig{Name: "local", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, Loop: true})
	if err != nil {
		return nil, nil, err
	}
	return script.New(script.Config{Runner: lab.NewVirtual(w), Lab: l, Local: h, Seed: u.Seed,
		Stdout: u.Output, Stderr: u.Output, Crashed: u.Crashed, Bounds: u.Bounds, Shared: u.Shared}), func() {}, nil
}

// config returns a Config that runs the tests of one file, whose content is text, and the buffer of the reports.
func config(t testing.TB, text string) (*Config, *bytes.Buffer) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "x.star"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	files, _, err := Files([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	c := &Config{Seeds: Seeds{1, 1}, Jobs: 2, Timeout: DefaultTimeout, Folder: folder, Open: open, Stdout: out}
	t.Cleanup(c.Close)
	c.Tests = c.Collect(files).Tests
	return c, out
}

// panics is the Runner of a world that panics when time passes, as a broken invariant would.
type panics struct{ lab.Runner }

func (panics) Idle(<-chan struct{}) bool { panic("a broken invariant") }

// TestCrash: a panic in the test's own function, or in one of its tasks, fails that test, and the others continue.
func TestCrash(t *testing.T) {
	c, out := config(t, "def test_task():\n    spawn(sleep, 1).join()\ndef test_own():\n    sleep(1)\ndef test_none():\n    pass\n")
	c.Open = func(u Setup) (*script.Session, func(), error) {
		w := lab.NewWorld()
		l := lab.New(w, u.Seed)
		h, err := l.AddHost(lab.HostConfig{Name: "local", Loop: true})
		return script.New(script.Config{Runner: panics{lab.NewVirtual(w)}, Lab: l, Local: h, Stdout: u.Output, Stderr: u.Output,
			Crashed: u.Crashed}), func() {}, err
	}
	r, err := c.Run()
	if err != nil || r.Failed != 2 || r.Passed != 1 {
		t.Errorf("got %+v, %v and\n%s", r, err, out)
	}
	if n := strings.Count(out.String(), "panic: a broken invariant"); n != 2 {
		t.Errorf("%d panics are told of in\n%s", n, out)
	}
	if !strings.Contains(out.String(), "scenario_test.go:") {
		t.Errorf("nothing says where it was:\n%s", out)
	}
}

func TestStop(t *testing.T) {
	c, out := config(t, "def test_a():\n    while True: pass\ndef test_b():\n    pass\n")
	c.Jobs = 1
	stop := make(chan struct{})
	c.Stop = stop
	time.AfterFunc(50*time.Millisecond, func() { close(stop) })
	r, err := c.Run()
	if err != nil || !r.Interrupted || r.Failed != 0 {
		t.Errorf("got %+v, %v and\n%s", r, err, out)
	}
}

func TestReportCannotBeWritten(t *testing.T) {
	c, _ := config(t, "def test_a():\n    pass\n")
	c.Stdout = broken{}
	if _, err := c.Run(); err != errBroken {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("no room")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// TestShards: each case belongs to exactly one shard.
func TestShards(t *testing.T) {
	c := &Config{Tests: make([]Test, 3), Seeds: Seeds{5, 11}}
	seen := map[job]int{}
	for i := range 4 {
		c.Shard = Shard{i, 4}
		c.jobs(func(j job) bool { seen[j]++; return true })
	}
	if len(seen) != 21 {
		t.Errorf("%d cases in all shards, want 21", len(seen))
	}
	for j, n := range seen {
		if n != 1 {
			t.Errorf("%v is of %d shards", j, n)
		}
	}
}

func TestParseShard(t *testing.T) {
	env := func(vars ...string) func(string) string {
		return func(name string) string {
			for _, v := range vars {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		text string
		env  func(string) string
		want Shard
		err  string
	}{
		{"", env(), Shard{}, ""},
		{"1/4", env(), Shard{0, 4}, ""},
		{"4/4", env("TEST_TOTAL_SHARDS=9", "TEST_SHARD_INDEX=0"), Shard{3, 4}, ""},
		{"/4", env("JOB_COMPLETION_INDEX=2"), Shard{2, 4}, ""},
		{"", env("JOB_COMPLETION_INDEX=2"), Shard{}, ""},
		{"", env("TEST_TOTAL_SHARDS=4", "TEST_SHARD_INDEX=1"), Shard{1, 4}, ""},
		{"5/4", env(), Shard{}, "counts from 1 to 4"},
		{"0/4", env(), Shard{}, "counts from 1 to 4"},
		{"-1/4", env(), Shard{}, "counts from 1 to 4"},
		{"1/0", env(), Shard{}, "1 or more"},
		{"4", env(), Shard{}, "is not I/N"},
		{"/4", env(), Shard{}, "is not set"},
		{"", env("TEST_TOTAL_SHARDS=4"), Shard{}, "TEST_SHARD_INDEX and TEST_TOTAL_SHARDS: the index counts from 0 to 3"},
	} {
		got, err := ParseShard(c.text, c.env)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: got %v, %v; want %v, %s", c.text, got, err, c.want, c.err)
		}
	}
}

// TestQuote: a shell reads each printed argument as one word.
func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"a/b.star": "a/b.star", "a b": "'a b'", "it's": `'it'\''s'`, "^x$": "'^x$'", "": "''"} {
		if got := quote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	p := &tail{}
	for range 1000 {
		p.Write([]byte(strings.Repeat("x", 99) + "\n"))
	}
	got := p.end()
	if !bytes.HasPrefix(got, []byte("…\nxxx")) || len(got) > maxTail+4 {
		t.Errorf("%d octets, beginning %.10q", len(got), got)
	}
}
