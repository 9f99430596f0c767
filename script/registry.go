package script

import (
	"fmt"
	"smolsh/script/suggest"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// builtin is one entry of the registry: all that calling, help and errors need to know.
type builtin struct {
	name    string // "ping", "tcp.connect", "conn.send": what comes before the dot is a namespace or a type
	sig     string // "endpoint, timeout=, local=None, **options"
	kinds   string // a kind per named parameter of sig, in order; bounds stand behind it: "int:1..255"
	args    string // what the parameters are, with units: "size: octets of data; ttl: hops"
	result  string // type of what it returns, for help
	fields  string // fields of what it returns, for help
	doc     string // one line
	example string // runs on a virtual lab with a peer
	see     string
	host    bool // a member of every host; as a global it means the calling task's host
	pure    bool // may be called where no task is: in a fault's match function
	fn      func(c *call) (starlark.Value, error)

	params []param
	pos    int    // how many of params may be given by position
	rest   string // name of *rest, "" when there is none
	opts   bool   // takes **options
	owner  string // type of value that the builtin is a method of, "" when it is a function
}

type param struct {
	name     string
	kind     kind
	required bool
	def      any // converted default, nil when absent
}

// call is one call of a builtin, its arguments converted.
type call struct {
	s    *Session
	t    *task
	b    *builtin
	recv starlark.Value // what it is a member of; nil for a global
	args []any
	rest []starlark.Value
	opts []starlark.Tuple
}

// fileOptions is the Starlark that files and the prompt speak.
var fileOptions = &syntax.FileOptions{
	Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true,
}

// registry holds every builtin by name.
type registry struct {
	sections []section
	byName   map[string]*builtin
	members  map[string][]string // namespace or type to member names, sorted
}

func newRegistry(sections []section) *registry {
	r := &registry{sections: sections, byName: map[string]*builtin{}, members: map[string][]string{}}
	for _, section := range sections {
		for _, b := range section.builtins {
			b.parse()
			r.byName[b.name] = b
			if i := strings.LastIndexByte(b.name, '.'); i >= 0 {
				r.members[b.name[:i]] = append(r.members[b.name[:i]], b.name[i+1:])
				if r.isType(b.name[:i]) {
					b.owner = b.name[:i]
				}
			}
		}
	}
	for _, m := range r.members {
		sort.Strings(m)
	}
	return r
}

// parse reads the signature; a mistake in it is a broken invariant.
func (b *builtin) parse() {
	if b.params != nil || b.sig == "" {
		return
	}
	kinds := strings.Fields(b.kinds)
	for _, item := range strings.Split(b.sig, ", ") {
		switch {
		case strings.HasPrefix(item, "**"):
			b.opts = true
			continue
		case strings.HasPrefix(item, "*"):
			b.rest, b.pos = item[1:], len(b.params)
			continue
		}
		name, def, optional := strings.Cut(item, "=")
		if len(kinds) == 0 {
			panic(b.name + ": no kind for " + name)
		}
		p := param{name: name, kind: kind(kinds[0]), required: !optional}
		kinds = kinds[1:]
		if def != "" {
			v, err := starlark.EvalOptions(fileOptions, &starlark.Thread{}, b.name, def, nil)
			if err != nil {
				panic(b.name + ": " + err.Error())
			}
			if v != starlark.None {
				if p.def, err = p.kind.convert(v); err != nil {
					panic(b.name + ": " + err.Error())
				}
			}
		}
		b.params = append(b.params, p)
	}
	if b.rest == "" {
		b.pos = len(b.params)
	}
	if len(kinds) != 0 {
		panic(b.name + ": too many kinds")
	}
}

// usage is the builtin's signature as help shows it.
func (b *builtin) usage() string {
	s := b.name + "(" + b.sig + ")"
	if b.result != "" {
		s += " -> " + b.result
	}
	return s
}

// bind gives each argument its parameter and type.
func (c *call) bind(args starlark.Tuple, kwargs []starlark.Tuple) error {
	b := c.b
	c.args = make([]any, len(b.params))
	set := make([]bool, len(b.params))
	for i, v := range args {
		if i >= b.pos {
			if b.rest != "" {
				c.rest = append(c.rest, v)
				continue
			}
			return fmt.Errorf("%s: %d arguments, but it takes %s: %s", b.name, len(args), atMost(b.pos), b.usage())
		}
		if err := c.set(i, v, args); err != nil {
			return err
		}
		set[i] = true
	}
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		i := b.index(name)
		if i < 0 {
			if b.opts {
				c.opts = append(c.opts, kv)
				continue
			}
			return c.unknown(name, b.names())
		}
		if set[i] {
			return fmt.Errorf("%s: argument %s is given twice", b.name, name)
		}
		if err := c.set(i, kv[1], args); err != nil {
			return err
		}
		set[i] = true
	}
	for i, p := range b.params {
		if set[i] {
			continue
		}
		if p.required {
			return fmt.Errorf("%s: argument %d (%s) is missing: %s, %s", b.name, i+1, p.name, p.kind.describe(), b.usage())
		}
		c.args[i] = p.def
	}
	return nil
}

func atMost(n int) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "one"
	}
	return fmt.Sprintf("at most %d", n)
}

func (c *call) set(i int, v starlark.Value, args starlark.Tuple) error {
	p := &c.b.params[i]
	if v == starlark.None && !p.required && p.kind != kindAny {
		return nil
	}
	x, err := p.kind.convert(v)
	if err == nil {
		c.args[i] = x
		return c.mayTouch(p)
	}
	if c.b.name == "tcp.connect" || c.b.name == "udp.connect" {
		if hint := portHint(c.b, i, args); hint != nil {
			return hint
		}
	}
	got := v.String()
	if len(got) > 60 {
		got = got[:57] + "..."
	}
	text := fmt.Sprintf("%s: argument %d (%s) is %s, got %s %s", c.b.name, i+1, p.name, p.kind.describe(), v.Type(), got)
	if err != errKind {
		text += ": " + err.Error()
	}
	return fmt.Errorf("%s", text)
}

// portHint knows the commonest slip: connect(host, port).
func portHint(b *builtin, i int, args starlark.Tuple) error {
	if i != 0 || len(args) != 2 || args[1].Type() != "int" {
		return nil
	}
	host, ok := starlark.AsString(args[0])
	if !ok {
		return nil
	}
	if _, err := kind("ip").convert(args[0]); err != nil {
		return nil
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	p := b.params[min(1, len(b.params)-1)]
	return fmt.Errorf("%s: argument 2 (%s) is %s, got int %s: is it the port? %s(\"%s:%s\")",
		b.name, p.name, p.kind.describe(), args[1], b.name, host, args[1])
}

func (c *call) unknown(name string, known []string) error {
	text := fmt.Sprintf("%s: no argument %s", c.b.name, name)
	if n := suggest.Nearest(name, known); n != "" {
		text += fmt.Sprintf(" (did you mean %s?)", n)
	} else {
		text += ": " + c.b.usage()
	}
	return fmt.Errorf("%s", text)
}

func (b *builtin) index(name string) int {
	for i, p := range b.params {
		if p.name == name {
			return i
		}
	}
	return -1
}

func (b *builtin) names() []string {
	var names []string
	for _, p := range b.params {
		names = append(names, p.name)
	}
	return names
}

// arg is the argument of that name; the zero value when it was not given and has no default.
func arg[T any](c *call, name string) T {
	x, _ := c.args[c.b.index(name)].(T)
	return x
}

// given reports whether the argument has a value, given or by default.
func (c *call) given(name string) bool { return c.args[c.b.index(name)] != nil }

// on is the host the call is about.
func (c *call) on() *hostValue {
	if h, ok := c.recv.(*hostValue); ok {
		return h
	}
	return c.t.host
}

// errorf is an error with the builtin's name in front.
func (c *call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.b.name}, args...)...)
}

// function is a builtin as a value, bound to what it is a member of.
type function struct {
	s    *Session
	b    *builtin
	recv starlark.Value
}

func (f *function) Name() string          { return f.b.name }
func (f *function) String() string        { return f.b.usage() }
func (f *function) Type() string          { return "builtin" }
func (f *function) Freeze()               {}
func (f *function) Truth() starlark.Bool  { return true }
func (f *function) Hash() (uint32, error) { return starlark.String(f.b.name).Hash() }

// CallInternal is starlark.Callable's.
func (f *function) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	t, _ := thread.Local("task").(*task)
	if t == nil && !f.b.pure {
		return nil, fmt.Errorf("%s: not in a function that judges packets: it may neither wait nor reach a host", f.b.name)
	}
	if t != nil && t.fail != nil {
		return nil, t.fail
	}
	if o := f.b.owner; o != "" && (f.recv == nil || f.recv.Type() != o) {
		return nil, fmt.Errorf("%s: call it on a value that %s() returned: x = %s(…); x%s()", f.b.name, o, o, strings.TrimPrefix(f.b.name, o))
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

// run runs the builtin. A panic in it is the error of its caller.
func (c *call) run() (v starlark.Value, err error) {
	if c.t == nil { // in a function that judges packets
		return c.b.fn(c)
	}
	h := c.about()
	if err := c.refused(h); err != nil {
		return nil, c.errorf("%v", err)
	}
	before := c.t.about
	c.t.about = h
	defer func() {
		c.t.about = before
		if p := recover(); p != nil {
			v, err = nil, c.recovered(p)
		}
	}()
	return c.b.fn(c)
}

// Attr finds the members of a builtin that can be used both ways: neighbors() and neighbors.add().
func (f *function) Attr(name string) (starlark.Value, error) {
	found := f.s.member(f.b.name, f.recv, name)
	if found == nil && f.b.result == "table" && f.s.reg.byName["table."+name] != nil {
		return nil, fmt.Errorf("%s has no .%s, its table has: %s().%s", f.b.name, name, f.b.name, name)
	}
	return suggest.Attr(f, name, found)
}

// AttrNames is starlark.HasAttrs'. Methods of what the builtin returns are not among them, though Attr finds
// them, for help(capture.stop).
func (f *function) AttrNames() []string {
	if f.s.reg.isType(f.b.name) {
		return nil
	}
	return f.s.reg.members[f.b.name]
}

// member is the builtin prefix.name bound to recv, nil when there is none.
func (s *Session) member(prefix string, recv starlark.Value, name string) starlark.Value {
	if b := s.reg.byName[prefix+"."+name]; b != nil {
		return &function{s, b, recv}
	}
	return nil
}

// namespace is a group of builtins, such as tcp; recv is the host it belongs to, nil for the task's.
type namespace struct {
	s    *Session
	name string
	recv starlark.Value
}

func (n *namespace) String() string {
	return n.name + ": " + strings.Join(n.s.reg.members[n.name], " ")
}
func (n *namespace) Type() string          { return n.name }
func (n *namespace) Freeze()               {}
func (n *namespace) Truth() starlark.Bool  { return true }
func (n *namespace) Hash() (uint32, error) { return starlark.String(n.name).Hash() }
func (n *namespace) AttrNames() []string   { return n.s.reg.members[n.name] }

// Attr is starlark.HasAttrs'.
func (n *namespace) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(n, name, n.s.member(n.name, n.recv, name))
}
