package script

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"smolsh/script/registry"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// TestExamples runs the example of every builtin on a virtual lab, in a folder with a file to run or to
// send. What concerns the operating system's stack is run live instead.
func TestExamples(t *testing.T) {
	for name, b := range newSim(t, 1).reg.ByName {
		t.Run(name, func(t *testing.T) {
			if b.Doc == "" || !strings.HasSuffix(b.Doc, ".") {
				t.Errorf("%s has no line that says what it does, or one without a full stop", name)
			}
			if b.Example == "" {
				t.Fatalf("%s has no example", name)
			}
			if strings.HasPrefix(name, "kernel") {
				return
			}
			t.Chdir(t.TempDir())
			if err := os.WriteFile("other.star", []byte("answer = 42\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("net.yaml", []byte("hosts: {a: 10.0.0.1/24, b: 10.0.0.2/24}\nlinks: [{ends: [a, b], delay: 5ms}]\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			s := newSim(t, 1)
			if err := s.Typed("x = 1"); err != nil { // something for save()
				t.Fatal(err)
			}
			if got := status(s.RunCommand(b.Example)); got != 0 {
				t.Errorf("exit status %d: %s\n%s", got, b.Example, s.err.String())
			}
			if got := s.err.String(); got != "" {
				t.Errorf("standard error has %q", got)
			}
		})
	}
}

// TestEveryWordIsExplained checks that each argument is explained, each reference leads to a page, and each type of
// value has a page.
func TestEveryWordIsExplained(t *testing.T) {
	r := newSim(t, 1).reg
	for name, b := range r.ByName {
		for i := range b.Params {
			p := &b.Params[i]
			if got := b.Explain(p); got == registry.KindAny.Describe() && p.Name != "x" {
				t.Errorf("%s: nothing says what %s is", name, p.Name)
			}
		}
		for _, item := range strings.Split(b.Args, "; ") {
			arg, _, ok := strings.Cut(item, ": ")
			if b.Args != "" && (!ok || b.Index(arg) < 0 && arg != b.Rest) {
				t.Errorf("%s: args explain %q, which is no argument", name, item)
			}
		}
		for _, n := range strings.Split(b.See, ", ") {
			if n != "" && r.ByName[n] == nil && !planned[n] && aliases[n] == "" {
				t.Errorf("%s: see also %s, which is nothing", name, n)
			}
		}
		if strings.Contains(b.Usage(), "\n") || len(b.Doc) > 110 {
			t.Errorf("%s: more than a line: %s", name, b.Doc)
		}
	}
	for prefix := range r.Members {
		if _, builtin := r.ByName[prefix]; !builtin && !r.IsType(prefix) && namespaceWords[prefix] == "" {
			t.Errorf("nothing says what a %s is", prefix)
		}
	}
}

// receivers make a value of each type that has members or fields.
var receivers = map[string]string{
	"conn": `tcp.connect("192.168.69.100:7")`, "listener": `tcp.listen(80)`, "udp_socket": `udp.bind()`,
	"icmp_socket": `icmp.bind()`, "server": `serve("tcp", 80, echo)`, "task": `spawn(sleep, 1)`, "lab": `lab()`,
	"link":   `local.lab.link(local.lab.host("x", "10.0.0.1/24"), local.lab.host("y", "10.0.0.2/24"))`,
	"switch": `lab().switch("s")`, "fault": `fault("eth0", loss=0.1)`, "host": `local`, "table": `ifaces()`,
	"station": `wire("192.168.69.9")`, "tcp_end": `wire("192.168.69.9").tcp("192.168.69.1:80")`,
	"capture": `capture("x.pcapng")`, "packet": "", "program": `sh("true")`, "log": `log("x.log")`, "claim": `claim(tcp=80)`, "answering": `answering(ARP(op=1), lambda p: None)`,
	"measurement": `[peer.measure.serve(80), measure("192.168.69.100:80", "1ms")][1]`,
}

// TestTypesHaveTheirFields compares the pages of the types with the values.
func TestTypesHaveTheirFields(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range valueTypes {
		vt := &valueTypes[i]
		src := receivers[vt.Name]
		if src == "" {
			continue
		}
		s := newSim(t, 1)
		if err := s.RunCommand("v = " + src); err != nil {
			t.Fatal(s.err.String())
		}
		v := s.globals["v"].(starlark.HasAttrs)
		if v.Type() != vt.Name {
			t.Errorf("%s is a %s, not a %s", src, v.Type(), vt.Name)
		}
		known := append([]string(nil), s.reg.Members[vt.Name]...)
		for _, f := range vt.Fields {
			known = append(known, f[0])
			if x, err := v.Attr(f[0]); x == nil {
				t.Errorf("%s.%s: %v", vt.Name, f[0], err)
			}
		}
		for _, n := range v.AttrNames() {
			if !slices.Contains(known, n) && vt.Name != "host" && vt.Name != "table" {
				t.Errorf("%s.%s is on no page", vt.Name, n)
			}
		}
		if err := s.RunCommand("help(v)"); err != nil {
			t.Error(s.err.String())
		}
	}
}

// TestWrongArguments gives every builtin a misspelt name, too few and too many arguments, and for each argument a value
// of another type and one out of bounds. The error names the argument and its kind.
func TestWrongArguments(t *testing.T) {
	s := newSim(t, 1)
	none := starlarkstruct.FromStringDict(starlarkstruct.Default, nil)
	for name, b := range s.reg.ByName {
		bind := func(want string, args starlark.Tuple, kwargs ...starlark.Tuple) {
			t.Helper()
			c := &call{s: s.Session, t: s.main, b: b}
			err := c.bind(args, kwargs)
			if err == nil && optionsOf(b) != nil {
				_, err = c.options()
			}
			if err == nil || !strings.HasPrefix(err.Error(), name+": "+want) {
				t.Errorf("%s%v: said %v, want %q", name, kwargs, err, want)
			}
		}
		kw := func(name string, v starlark.Value) starlark.Tuple { return starlark.Tuple{starlark.String(name), v} }
		misspelt := "no argument misspeltt"
		if !b.TakesOptions {
			bind(misspelt, nil, kw("misspeltt", none))
		}
		for i := range b.Params {
			p := &b.Params[i]
			if slip := p.Name + "x"; !b.TakesOptions && len(p.Name) > 2 {
				bind("no argument "+slip+" (did you mean "+p.Name+"?)", nil, kw(slip, none))
			}
			if p.Kind == registry.KindAny {
				continue
			}
			expected := fmt.Sprintf("argument %d (%s) is %s, got ", i+1, p.Name, p.Kind.Describe())
			bind(expected+"struct", nil, kw(p.Name, none))
			if _, bounds := p.Kind.Bounds(); bounds != "" {
				lo, hi, _ := strings.Cut(bounds, "..")
				least, _ := strconv.Atoi(lo)
				bind(expected+"int", nil, kw(p.Name, starlark.MakeInt(least-1)))
				if most, err := strconv.Atoi(hi); err == nil {
					bind(expected+"int", nil, kw(p.Name, starlark.MakeInt(most+1)))
				}
			}
		}
		if len(b.Params) > 0 && b.Params[0].Required {
			p := &b.Params[0]
			bind("argument 1 ("+p.Name+") is missing: "+p.Kind.Describe(), nil)
		}
		if b.Rest == "" && b.Positional < 6 {
			many := slices.Repeat(starlark.Tuple{starlark.None}, b.Positional+1)
			c := &call{s: s.Session, t: s.main, b: b}
			if err := c.bind(many, nil); err == nil {
				t.Errorf("%s takes %d arguments", name, len(many))
			}
		}
		if options := optionsOf(b); options != nil {
			var args starlark.Tuple
			for i := range b.Params {
				if p := &b.Params[i]; p.Required {
					args = append(args, acceptable[p.Kind])
				}
			}
			bind("no argument nodely (did you mean nodelay?)", args, kw("nodely", starlark.True))
			for o, opt := range options {
				if opt.kind == orOff {
					bind(o+" is a duration or False, got struct", args, kw(o, none))
				} else {
					bind(o+" is "+opt.kind.Describe()+", got struct", args, kw(o, none))
				}
			}
		}
	}
}

// TestNoneIsNotGiven: None for an optional parameter of any builtin means the same as the argument's absence.
func TestNoneIsNotGiven(t *testing.T) {
	s := newSim(t, 1)
	for name, b := range s.reg.ByName {
		for i := range b.Params {
			p := &b.Params[i]
			if p.Required || p.Kind == registry.KindAny { // the function itself sees None, which is every such parameter's default
				continue
			}
			values := func(kwargs []starlark.Tuple) any {
				for k := range b.Params {
					if q := &b.Params[k]; q.Required {
						kwargs = append(kwargs, starlark.Tuple{starlark.String(q.Name), requiredValue(s, q)})
					}
				}
				c := &call{s: s.Session, t: s.main, b: b}
				if err := c.bind(nil, kwargs); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				return c.Values[i]
			}
			absent, none := values(nil), values([]starlark.Tuple{{starlark.String(p.Name), starlark.None}})
			if !reflect.DeepEqual(absent, none) {
				t.Errorf("%s(%s=None) is %v, without it %v", name, p.Name, none, absent)
			}
		}
	}
}

// requiredValue returns a value of a required parameter's kind.
func requiredValue(s *testSession, p *registry.Param) starlark.Value {
	for _, v := range []starlark.Value{
		starlark.MakeInt(80), starlark.String("192.168.69.1"), starlark.String("192.168.69.1:80"), starlark.String("192.168.69.1/24"),
		starlark.String("02:00:00:00:00:01"), starlark.NewBuiltin("f", nil), starlark.True, starlark.NewList(nil), new(starlark.Dict), s.local, s.main,
	} {
		if _, err := p.Kind.Convert(v); err == nil {
			return v
		}
	}
	return starlark.None
}

// TestHostsAreAddresses gives each argument that is an address, with a port or without, a host and a host's name, and each
// that is a host its name.
func TestHostsAreAddresses(t *testing.T) {
	s := newSim(t, 1)
	peer := s.globals["peer"]
	address, port := netip.MustParseAddr("192.168.69.100"), starlark.MakeInt(7)
	tried := 0
	for name, b := range s.reg.ByName {
		for i := range b.Params {
			p := &b.Params[i]
			var given []starlark.Value
			var want any
			switch p.Kind {
			case registry.KindIP:
				given, want = []starlark.Value{peer, starlark.String("peer")}, address
			case registry.KindEndpoint:
				given, want = []starlark.Value{starlark.Tuple{peer, port}, starlark.Tuple{starlark.String("peer"), port}, starlark.String("peer:7")}, []netip.AddrPort{netip.AddrPortFrom(address, 7)}
			case registry.KindHost:
				given, want = []starlark.Value{peer, starlark.String("peer")}, peer
			}
			for _, v := range given {
				tried++
				c := &call{s: s.Session, t: s.main, b: b}
				x, err := p.Kind.For(v, c)
				if err != nil || !reflect.DeepEqual(x, want) {
					t.Errorf("%s(%s=%v): %v, %v, want %v", name, p.Name, v, x, err, want)
				}
				var required []starlark.Tuple
				for j := range b.Params {
					if b.Params[j].Required && j != i {
						required = append(required, starlark.Tuple{starlark.String(b.Params[j].Name), starlark.None})
					}
				}
				required = append(required, starlark.Tuple{starlark.String(p.Name), v})
				if err := c.bind(nil, required); err != nil && strings.Contains(err.Error(), "("+p.Name+")") {
					t.Errorf("%s(%s=%v): %v", name, p.Name, v, err)
				}
			}
		}
	}
	if tried < 40 {
		t.Errorf("only %d arguments were tried", tried)
	}
}

// acceptable are values of the kinds that builtins with TCP's options need.
var acceptable = map[registry.Kind]starlark.Value{
	registry.KindEndpoint: starlark.String("192.168.69.100:7"), registry.KindPort: starlark.MakeInt(80), registry.KindStr: starlark.String("tcp"), registry.KindAny: starlark.None,
}

func TestHelp(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunCommand("help(ping)"); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	for _, part := range []string{
		`ping(host, count=4, interval="1s", size=56, ttl=64, timeout="1s", df=False) -> result`,
		"  host      an address, or a host or its name    ttl       time to live or hop limit, 1 to 255\n", "  size      octets of data, 0 to 65507\n", "  result: sent received loss (0 to 1) min avg max mdev",
		"Send echo requests of ICMP or ICMPv6 and print each reply", `ping("192.168.69.100", count=1).received`,
	} {
		if !strings.Contains(s.out.String(), part) {
			t.Errorf("help(ping) lacks %q: %s", part, s.out.String())
		}
	}
}

// ends has, for each receiver that can be ended, the call that ends it and the word that it then prints.
var ends = map[string][2]string{
	"conn": {"abort()", "CLOSED"}, "listener": {"close()", "closed"}, "udp_socket": {"close()", "closed"},
	"icmp_socket": {"close()", "closed"}, "server": {"stop()", "stopped"}, "task": {"cancel()", ""}, "fault": {"off()", "off"},
	"capture": {"stop()", "stopped"}, "log": {"stop()", "stopped"}, "raw_socket": {"close()", "closed"}, "frame_socket": {"close()", "closed"}, "subscription": {"off()", "off"},
	"station":   {"close()", "closed"},
	"answering": {"off()", "off"},
}

// TestHandlesShowTheirEnd: a handle that has been ended does not print as if it were in force.
func TestHandlesShowTheirEnd(t *testing.T) {
	t.Chdir(t.TempDir())
	more := map[string]string{"raw_socket": "raw.bind(89)", "frame_socket": "frames.bind()", "subscription": `on("drop", print)`}
	for typ, end := range ends {
		src := receivers[typ]
		if src == "" {
			src = more[typ]
		}
		s := newSim(t, 1)
		if err := s.RunCommand("v = " + src + "\nbefore = str(v)\nv." + end[0] + "\nsleep(0)\nafter = str(v)"); err != nil {
			t.Fatal(s.err.String())
		}
		before, after := string(s.globals["before"].(starlark.String)), string(s.globals["after"].(starlark.String))
		if before == after || !strings.HasSuffix(after, end[1]) || end[1] != "" && strings.HasSuffix(before, end[1]) {
			t.Errorf("%s prints as %q before %s and as %q afterwards", typ, before, end[0], after)
		}
	}
	for name := range newSim(t, 1).reg.ByName {
		typ, method, _ := strings.Cut(name, ".")
		if _, known := ends[typ]; !known && receivers[typ]+more[typ] != "" && slices.Contains([]string{"off", "stop", "close", "cancel"}, method) {
			t.Errorf("%s ends a %s: add it to ends", name, typ)
		}
	}
}

// TestOwnBuiltins: two registries share no builtin, because sessions of one process may run at once.
func TestOwnBuiltins(t *testing.T) {
	a, b := registry.New(language()), registry.New(language())
	for name, x := range a.ByName {
		if b.ByName[name] == x {
			t.Errorf("%s is one value in two registries", name)
		}
	}
}
