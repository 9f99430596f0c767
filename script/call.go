package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
)

// call is one call of a builtin. It has the converted arguments.
type call struct {
	s    *Session
	t    *taskValue
	b    *builtin
	recv starlark.Value   // value of which the builtin is a member; nil for a global
	args starlark.Tuple   // arguments given by position, not converted
	kws  []starlark.Tuple // names and values of the arguments given by name, not converted
	registry.Arguments
}

// builtin is the declaration of a builtin whose function has a *call as parameter.
type builtin = registry.Builtin[*call]

// section is a chapter of the reference.
type section = registry.Section[*call]

// builtinRegistry holds the builtins of this package.
type builtinRegistry = registry.Registry[*call]

// bind converts the arguments of the call.
func (c *call) bind(args starlark.Tuple, kwargs []starlark.Tuple) (err error) {
	c.args, c.kws = args, kwargs
	c.Arguments, err = c.b.Bind(args, kwargs, c)
	return err
}

// portHint returns an error that explains a common mistake: connect(host, port) instead of connect("host:port").
func portHint(b *builtin, i int, args starlark.Tuple) error {
	if i != 0 || len(args) != 2 || args[1].Type() != "int" {
		return nil
	}
	host, ok := starlark.AsString(args[0])
	if !ok {
		return nil
	}
	if _, err := registry.Kind("ip").Convert(args[0]); err != nil {
		return nil
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	p := b.Params[min(1, len(b.Params)-1)]
	return fmt.Errorf("%s: argument 2 (%s) is %s, got int %s: is it the port? %s(\"%s:%s\")",
		b.Name, p.Name, p.Kind.Describe(), args[1], b.Name, host, args[1])
}

// arg returns the argument of a name; the zero value if it was not given and has no default.
func arg[T any](c *call, name string) T { return registry.Arg[T](&c.Arguments, name) }

// on returns the host that the call concerns.
func (c *call) on() *hostValue {
	if h, ok := c.recv.(*hostValue); ok {
		return h
	}
	return c.t.host
}

// errorf returns an error with the builtin's name in front.
func (c *call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.b.Name}, args...)...)
}

// function is a builtin as a Starlark value, bound to the value whose member it is.
type function struct {
	s    *Session
	b    *builtin
	recv starlark.Value
}

func (f *function) Name() string          { return f.b.Name }
func (f *function) String() string        { return f.b.Usage() }
func (f *function) Type() string          { return "builtin" }
func (f *function) Freeze()               {}
func (f *function) Truth() starlark.Bool  { return true }
func (f *function) Hash() (uint32, error) { return starlark.String(f.b.Name).Hash() }

// notWhileJudging is the end of an error about what a function that judges packets can't do.
const notWhileJudging = "not in a function that judges packets: it may neither wait nor reach a host"

// CallInternal implements starlark.Callable.
func (f *function) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	t, _ := thread.Local("task").(*taskValue)
	if t == nil && !f.b.Pure {
		return nil, fmt.Errorf("%s: %s", f.b.Name, notWhileJudging)
	}
	if t != nil && t.Err() != nil {
		return nil, t.Err()
	}
	if o := f.b.Owner; o != "" && (f.recv == nil || f.recv.Type() != o) {
		return nil, fmt.Errorf("%s: call it on a value that %s() returned: x = %s(…); x%s()", f.b.Name, o, o, strings.TrimPrefix(f.b.Name, o))
	}
	c := &call{s: f.s, t: t, b: f.b, recv: f.recv}
	if err := c.bind(args, kwargs); err != nil {
		return nil, err
	}
	v, err := c.run()
	if v == nil && err == nil {
		v = starlark.None
	}
	return v, err
}

// run runs the builtin. It returns a panic in the builtin as an error.
func (c *call) run() (v starlark.Value, err error) {
	if c.t == nil { // c.t is nil in a function that judges packets
		return c.b.Fn(c)
	}
	h := c.about()
	if err := c.refused(h); err != nil {
		return nil, c.errorf("%v", err)
	}
	before := c.t.concern(h)
	defer func() {
		c.t.SetAbout(before)
		if p := recover(); p != nil {
			v, err = nil, c.recovered(p)
		}
	}()
	return c.b.Fn(c)
}

// Attr returns a member of a builtin that is also a namespace: neighbors() and neighbors.add().
func (f *function) Attr(name string) (starlark.Value, error) {
	found := f.s.member(f.b.Name, f.recv, name)
	if found == nil && f.b.Result == "table" && f.s.reg.ByName["table."+name] != nil {
		return nil, fmt.Errorf("%s has no .%s, its table has: %s().%s", f.b.Name, name, f.b.Name, name)
	}
	return suggest.Attr(f, name, found)
}

// AttrNames implements starlark.HasAttrs. It omits methods of the builtin's result, which Attr returns only for
// `help(capture.stop)`.
func (f *function) AttrNames() []string {
	if f.s.reg.IsType(f.b.Name) {
		return nil
	}
	return f.s.reg.Members[f.b.Name]
}

// member returns the builtin prefix.name bound to recv, nil if there is none.
func (s *Session) member(prefix string, recv starlark.Value, name string) starlark.Value {
	if b := s.reg.ByName[prefix+"."+name]; b != nil {
		return &function{s, b, recv}
	}
	return nil
}

// namespace is a group of builtins, such as tcp. recv is the host to which it belongs, nil for the task's host.
type namespace struct {
	s    *Session
	name string
	recv starlark.Value
}

func (n *namespace) String() string {
	return n.name + ": " + strings.Join(n.s.reg.Members[n.name], " ")
}
func (n *namespace) Type() string          { return n.name }
func (n *namespace) Freeze()               {}
func (n *namespace) Truth() starlark.Bool  { return true }
func (n *namespace) Hash() (uint32, error) { return starlark.String(n.name).Hash() }
func (n *namespace) AttrNames() []string   { return n.s.reg.Members[n.name] }

// Attr implements starlark.HasAttrs.
func (n *namespace) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(n, name, n.s.member(n.name, n.recv, name))
}
