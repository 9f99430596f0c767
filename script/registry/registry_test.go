package registry

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
)

// language declares a few builtins; a call is a string.
func language() Language[string] {
	return Language[string]{
		Sections: []Section[string]{{Title: "Probes", Intro: "How to probe.", Builtins: []*Builtin[string]{
			{Name: "ping", Sig: `host, count=4, interval="1s"`, Kinds: "ip int:1..9 duration", Args: "count: packets", Result: "result", Fields: "sent",
				Doc: "Send echo requests.", Example: "ping(1); ping(2)", See: "conn.set"},
			{Name: "conn.set", Sig: "*names, **options", Doc: "Change options."},
		}}},
		Types:      []ValueType{{Name: "conn", Doc: "A connection.", Fields: [][2]string{{"state", "its state"}}}},
		Namespaces: map[string]string{"tcp": "Sockets."},
		Globals:    map[string]bool{"tcp": true},
		Aliases:    map[string]string{"p": "ping"},
		Options: func(b *Builtin[string]) [][2]string {
			if b.TakesOptions {
				return [][2]string{{"ttl=", "hops"}}
			}
			return nil
		},
		OptionsTitle: "Options of sockets", OptionsText: "- `ttl=` hops\n",
	}
}

// permissive is a Caller that permits everything and knows no host.
type permissive struct{}

func (permissive) Permit(*Param, any) error { return nil }
func (permissive) HostOf(v starlark.Value) (starlark.Value, error) {
	if s, ok := starlark.AsString(v); ok {
		return nil, fmt.Errorf("no host named %s", s)
	}
	return nil, nil
}
func (permissive) AddrsOf(starlark.Value) ([]netip.Addr, error) { panic("there is no host") }
func (permissive) Lookup(string) ([]netip.Addr, error)          { return nil, nil }

// TestBind: Bind converts arguments by position and by name, fills in defaults, and collects *rest and **options.
func TestBind(t *testing.T) {
	r := New(language())
	ping := r.ByName["ping"]
	a, err := ping.Bind(starlark.Tuple{starlark.String("10.0.0.1")}, []starlark.Tuple{{starlark.String("count"), starlark.MakeInt(2)}}, permissive{})
	if want := []any{netip.MustParseAddr("10.0.0.1"), 2, time.Second}; err != nil || !reflect.DeepEqual(a.Values, want) {
		t.Errorf("got %v, %v, want %v", a.Values, err, want)
	}
	if Arg[time.Duration](&a, "interval") != time.Second || Arg[int](&a, "count") != 2 || !a.Given("count") {
		t.Errorf("the arguments by name are wrong: %v", a)
	}
	option := starlark.Tuple{starlark.String("ttl"), starlark.MakeInt(3)}
	a, err = r.ByName["conn.set"].Bind(starlark.Tuple{starlark.True}, []starlark.Tuple{option}, permissive{})
	if err != nil || len(a.Rest) != 1 || len(a.Opts) != 1 {
		t.Errorf("rest %v, options %v, %v", a.Rest, a.Opts, err)
	}
}

// Arg panics if a builtin reads an argument as another type than its kind's: the argument would go unheeded.
func TestArgOfAnotherType(t *testing.T) {
	a, err := New(language()).ByName["ping"].Bind(starlark.Tuple{starlark.String("10.0.0.1")}, nil, permissive{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if got := recover(); got != "argument host is netip.Addr, not string" {
			t.Errorf("Arg panicked with %v", got)
		}
	}()
	Arg[string](&a, "host")
}

// An error of Bind names the argument and says what the builtin expects.
func TestBindErrors(t *testing.T) {
	ping := New(language()).ByName["ping"]
	host := starlark.String("10.0.0.1")
	for _, c := range []struct {
		args   starlark.Tuple
		kwargs []starlark.Tuple
		want   string
	}{
		{nil, nil, `ping: argument 1 (host) is missing: an address such as "192.168.69.1", or a host or its name, ping(`},
		{starlark.Tuple{host, starlark.MakeInt(10)}, nil, "ping: argument 2 (count) is an int from 1 to 9, got int 10"},
		{starlark.Tuple{host, starlark.MakeInt(1), starlark.None, starlark.None}, nil, "ping: 4 arguments, but it takes at most 3: ping("},
		{starlark.Tuple{host, starlark.MakeInt(1), starlark.MakeInt(-1)}, nil, "ping: argument 3 (interval) is a duration, got int -1: negative"},
		{starlark.Tuple{host}, []starlark.Tuple{{starlark.String("cuont"), starlark.None}}, "ping: no argument cuont (did you mean count?)"},
		{starlark.Tuple{host}, []starlark.Tuple{{starlark.String("host"), host}}, "ping: argument host is given twice"},
	} {
		if _, err := ping.Bind(c.args, c.kwargs, permissive{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v %v: %v, want %s", c.args, c.kwargs, err, c.want)
		}
	}
}

// TestConvert: Convert accepts every notation of each kind, and no value out of range.
func TestConvert(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		v    starlark.Value
		want any // nil for an error
	}{
		{KindDuration, starlark.String("20ms"), 20 * time.Millisecond},
		{KindDuration, starlark.Float(0.5), 500 * time.Millisecond},
		{KindDuration, starlark.MakeInt(-1), nil},
		{KindRate, starlark.String("10mbit"), uint64(10_000_000)},
		{KindRate, starlark.String("1mbps"), uint64(8_000_000)},
		{KindRate, starlark.String("fast"), nil},
		{KindRate, starlark.String("10 Mb/s"), uint64(10_000_000)},
		{KindRate, starlark.String("10Mbps"), nil},
		{KindRate, starlark.String("1 GBps"), nil},
		{KindIP, starlark.String("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1")},
		{KindEndpoint, starlark.String("[fdaa::1]:80"), []netip.AddrPort{netip.MustParseAddrPort("[fdaa::1]:80")}},
		{KindEndpoint, starlark.String("10.0.0.1"), nil},
		{KindPort, starlark.MakeInt(65536), nil},
		{KindChance, starlark.Float(1.5), nil},
		{KindInts, starlark.NewList([]starlark.Value{starlark.MakeInt(1), starlark.MakeInt(2)}), []int{1, 2}},
		{"int:1..", starlark.MakeInt(0), nil},
		{KindMAC, starlark.String("02:00:00:00:00"), nil},
		{KindHost, starlark.String("a"), nil},
		{KindDuration, starlark.String("10 ms"), 10 * time.Millisecond},
		{KindDuration, starlark.String("1.5s"), 1500 * time.Millisecond},
		{KindDuration, starlark.String("5"), 5 * time.Second},
		{KindDuration, starlark.String("1.5"), 1500 * time.Millisecond},
		{KindDuration, starlark.String("1e3"), 1000 * time.Second},
		{KindDuration, starlark.String("1d"), 24 * time.Hour},
		{KindDuration, starlark.String("2 days"), 48 * time.Hour},
		{KindDuration, starlark.String("5 seconds"), 5 * time.Second},
		{KindDuration, starlark.String("1m30s"), 90 * time.Second},
		{KindDuration, starlark.String("100 µs"), 100 * time.Microsecond},
		{KindDuration, starlark.String("1 fortnight"), nil},
		{KindDuration, starlark.String("inf"), nil},
		{KindDuration, starlark.String("nan"), nil},
		{KindDuration, starlark.String("1e300d"), nil},
		{KindDuration, starlark.String("-1d"), nil},
		{KindDuration, starlark.String(""), nil},
		{KindDuration, starlark.String("d"), nil},
		{KindRate, starlark.String("1k"), uint64(1000)},
		{KindRate, starlark.String("10M"), uint64(10_000_000)},
		{KindRate, starlark.String("10 Mbit/s"), uint64(10_000_000)},
		{KindRate, starlark.String("2.5 Gb/s"), uint64(2_500_000_000)},
		{KindRate, starlark.String("1e6"), uint64(1_000_000)},
		{KindRate, starlark.String("1000/s"), uint64(1000)},
		{KindRate, starlark.String(""), nil},
		{KindRate, starlark.String("k"), nil},
		{KindRate, starlark.String("nan"), nil},
		{KindChance, starlark.String("15%"), 0.15},
		{KindChance, starlark.String("0.5 %"), 0.005},
		{KindChance, starlark.String("100%"), 1.0},
		{KindChance, starlark.String("101%"), nil},
		{KindChance, starlark.String("-1%"), nil},
		{KindChance, starlark.String("nan%"), nil},
		{KindChance, starlark.String("15"), nil},
		{KindInt, starlark.Float(1e3), 1000},
		{KindInt, starlark.Float(1.5), nil},
		{KindInt, starlark.Float(1e300), nil},
		{KindInt, starlark.Float(math.NaN()), nil},
		{"int:1..9", starlark.Float(10), nil},
		{KindPort, starlark.Float(80), 80},
		{KindPort, starlark.String("80"), nil},
	} {
		got, err := c.kind.Convert(c.v)
		if (err == nil) != (c.want != nil) || c.want != nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %v: %v, %v, want %v", c.kind, c.v, got, err, c.want)
		}
	}
}

// TestPages: a page has the usage, the explanation, the options and the members. The error for an unknown name suggests
// the nearest one.
func TestPages(t *testing.T) {
	r := New(language())
	for name, want := range map[string]string{
		"p":        "ping(host, count=4, interval=\"1s\") -> result\n  Send echo requests.\n  host      a host of a lab",
		"conn.set": "conn.set(*names, **options)\n  Change options.\n  options, all of them optional:\n  ttl=  hops",
		"conn":     "conn: A connection.\n  .state                        its state\n  .set(*names, **options)  Change options.",
		"tcp":      "tcp: Sockets.",
	} {
		got, err := r.Page(name, 100)
		if err != nil || !strings.HasPrefix(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
	if _, err := r.Page("pnig", 100); err == nil || err.Error() != "nothing is named pnig (did you mean ping?)" {
		t.Errorf("unknown name: %v", err)
	}
	reference := r.Reference()
	for _, part := range []string{"### ping\n", "- `count` packets, 1 to 9\n", "See also [conn.set](#connset).", "## Options of sockets\n\n- `ttl=` hops\n",
		"- `**options` [of sockets](#options-of-sockets)", "**conn**: A connection.", "```python\nping(1)\nping(2)\n```"} {
		if !strings.Contains(reference, part) {
			t.Errorf("the reference lacks %q:\n%s", part, reference)
		}
	}
}
