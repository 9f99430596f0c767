//go:build linux

package bench

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// talker returns an actor that prints the given lines, then nothing more, and does not end.
func talker(lines ...line) *process {
	p := &process{lines: make(chan line, len(lines)), limit: time.Minute}
	for _, l := range lines {
		p.lines <- l
	}
	return p
}

// ended returns an actor that prints the given lines and ends.
func ended(lines ...line) *process {
	p := talker(lines...)
	close(p.lines)
	return p
}

func TestEither(t *testing.T) {
	result := line{Result: map[string]float64{"": 4}}
	for _, c := range []struct {
		what string
		a, b *process
		want map[string]float64
		err  string
	}{
		{"ours", talker(result), talker(), result.Result, ""},
		{"the kernel's", talker(), talker(result), result.Result, ""},
		{"one ends before the other tells", ended(), talker(line{Ready: "x"}, result), result.Result, ""},
		{"an error", ended(line{Error: "no TAP"}), talker(), nil, "no TAP"},
		{"an error and an end", ended(line{Error: "no TAP"}), ended(), nil, "no TAP"},
		{"both end", ended(), ended(), nil, errEnded.Error()},
	} {
		got, err := either(c.a, c.b)
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	slow := talker()
	slow.limit = time.Millisecond
	if _, err := either(slow, talker()); !errors.Is(err, errTooLong) {
		t.Errorf("nobody says anything: %v", err)
	}
}

func TestReadLines(t *testing.T) {
	c := make(chan line, 9)
	readLines(strings.NewReader("{\"ready\":\"1.2.3.4:5\"}\nfatal error\n{\"result\":{\"p50\":1.5}}\n"), c)
	var got []line
	for l := range c {
		got = append(got, l)
	}
	want := []line{{Ready: "1.2.3.4:5"}, {Error: `it said "fatal error"`}, {Result: map[string]float64{"p50": 1.5}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

// TestCount: a rate counts only the octets after the warm-up.
func TestCount(t *testing.T) {
	var out strings.Builder
	a := &actor{out: &out, warm: time.Hour, span: time.Nanosecond}
	for range 10 {
		if a.count(1000) {
			t.Fatal("over while it warms up")
		}
	}
	if a.octets != 0 {
		t.Errorf("counted %d octets while it warmed up", a.octets)
	}
	a.warm = 0
	for i := 0; !a.count(1000); i++ {
		if i == 1e6 {
			t.Fatal("it does not end")
		}
	}
	if !a.count(1000) || strings.Count(out.String(), "\n") != 1 || !strings.HasPrefix(out.String(), `{"result":{"":`) {
		t.Errorf("said %q", out.String())
	}
	if got := gbits(125e6, 500*time.Millisecond); got != 2 {
		t.Errorf("125 MB in half a second are %v Gbit/s, want 2", got)
	}
}

// TestInterleave: a side that fails twice is left out; the others continue.
func TestInterleave(t *testing.T) {
	var order []string
	b := &bench{Config: Config{Rounds: 3, Program: []string{"/no/such/program"}, Progress: func(name, side string, run, runs int) {
		order = append(order, side)
	}}}
	m := &Measurement{Name: "x", Metrics: []Metric{{}}, kind: inside}
	values, failures := b.interleave(m, []string{Smolsh, GVisor})
	if want := []string{Smolsh, GVisor, Smolsh, GVisor}; !reflect.DeepEqual(order, want) {
		t.Errorf("ran %v, want %v", order, want)
	}
	if len(values) != 0 || len(failures) != 4 || !strings.HasPrefix(failures[0], "x, smolsh: ") {
		t.Errorf("values %v, failures %q", values, failures)
	}
}

func TestActorErrors(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
	}{
		{nil, `{"error":"no kind of actor"}`},
		{[]string{"juggler"}, `{"error":"no actor \"juggler\""}`},
		{[]string{"inside", "do"}, `{"error":"\"do\" is no KEY=VALUE"}`},
		{[]string{"inside", "do=nothing"}, `{"error":"inside: nothing called \"nothing\""}`},
	} {
		var out strings.Builder
		if status := Actor(c.argv, &out); status != 1 || out.String() != c.want+"\n" {
			t.Errorf("%q: status %d, %q", c.argv, status, out.String())
		}
	}
}

// TestInside: every measurement inside this process returns as many figures as it declares, and each is positive.
func TestInside(t *testing.T) {
	for _, c := range []struct {
		args    string
		metrics int
	}{{"do=stream super=0", 1}, {"do=stream super=1", 1}, {"do=connect", 1}, {"do=memory n=50", 3}} {
		p := &process{lines: make(chan line, 1)}
		r, w := io.Pipe()
		go readLines(r, p.lines)
		if status := Actor(append([]string{"inside", "seconds=0.01", "warm=0.001"}, strings.Fields(c.args)...), w); status != 0 {
			t.Fatalf("%s: status %d: %+v", c.args, status, <-p.lines)
		}
		w.Close()
		l := <-p.lines
		if len(l.Result) != c.metrics {
			t.Errorf("%s: %+v", c.args, l)
		}
		for k, v := range l.Result {
			if v <= 0 {
				t.Errorf("%s: %s is %v", c.args, k, v)
			}
		}
	}
}
