package script

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func textBuiltins() []*builtin {
	return []*builtin{
		{name: "fmt", sig: "x, decimals=3", kinds: "float int", result: "str", pure: true,
			doc: "A number with that many decimals.", example: `fmt(0.0204, 3)`, fn: builtinFmt},
		{name: "catch", sig: "fn, *args, **kwargs", kinds: "fn", result: "struct(value, error)",
			doc: "Call fn and give its error as a string instead of failing.", example: `catch(tcp.connect, "192.168.69.100:81").error`, fn: builtinCatch},
		{name: "help", sig: "x=None", kinds: "any", pure: true,
			doc: "What there is, or what x does.", example: `help(ping)`, fn: builtinHelp},
	}
}

func builtinFmt(c *call) (starlark.Value, error) {
	n := arg[int](c, "decimals")
	if n < 0 || n > 100 {
		return nil, c.errorf("argument 2 (decimals) is 0 to 100, got %d", n)
	}
	return starlark.String(fmt.Sprintf("%.*f", n, arg[float64](c, "x"))), nil
}

// uncaught is err when it must not be caught: cancellation, interrupt, deadlock, exit.
func (c *call) uncaught(err error) error {
	var exit *exitError
	if err != nil && (c.t.fail != nil || c.s.interrupted.Load() || errors.As(err, &exit)) {
		return err
	}
	return nil
}

func builtinCatch(c *call) (starlark.Value, error) {
	v, err := starlark.Call(c.t.thread, arg[starlark.Callable](c, "fn"), c.rest, c.opts)
	if err := c.uncaught(err); err != nil {
		return nil, err
	}
	d := starlark.StringDict{"value": starlark.None, "error": starlark.None}
	if err != nil {
		d["error"] = starlark.String(err.Error())
	} else {
		d["value"] = v
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, d), nil
}

func builtinHelp(c *call) (starlark.Value, error) {
	switch x := c.args[0].(type) {
	case nil:
		c.s.out.print(c.s.overview())
	case *function:
		c.s.out.print(c.s.help(x.b))
	case starlark.String:
		if b := c.s.reg.byName[string(x)]; b != nil {
			c.s.out.print(c.s.help(b))
			break
		}
		return nil, c.errorf("nothing is named %s", x)
	case starlark.HasAttrs:
		c.s.out.print(x.Type() + ": " + strings.Join(x.AttrNames(), " "))
	case starlark.NoneType:
		c.s.out.print(c.s.overview())
	case starlark.Value:
		c.s.out.print(x.Type() + ": " + brief(x))
	}
	return starlark.None, nil
}

// help is one builtin's page.
func (s *Session) help(b *builtin) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n  %s", b.usage(), b.doc)
	for _, p := range b.params {
		if p.kind != kindAny {
			fmt.Fprintf(&out, "\n  %-10s %s", p.name, p.kind.describe())
		}
	}
	if b.opts && (strings.HasPrefix(b.name, "tcp.") || b.name == "serve" || b.name == "conn.set") {
		names := make([]string, 0, len(tcpOptions))
		for n := range tcpOptions {
			names = append(names, n+"=")
		}
		sort.Strings(names)
		fmt.Fprintf(&out, "\n  options    %s", strings.Join(names, " "))
	}
	if m := s.reg.members[b.name]; len(m) > 0 {
		fmt.Fprintf(&out, "\n  members    .%s", strings.Join(m, " ."))
	}
	if b.example != "" {
		fmt.Fprintf(&out, "\n  %s", b.example)
	}
	if b.see != "" {
		fmt.Fprintf(&out, "\n  see also: %s", b.see)
	}
	return out.String()
}

// overview lists every global builtin with its line.
func (s *Session) overview() string {
	var out strings.Builder
	names := make([]string, 0, len(s.reg.byName))
	for n := range s.reg.byName {
		ns, _, dotted := strings.Cut(n, ".")
		if !dotted || topNamespaces[ns] {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(&out, "%-18s %s\n", n, s.reg.byName[n].doc)
	}
	out.WriteString("help(x) says more about x")
	return out.String()
}
