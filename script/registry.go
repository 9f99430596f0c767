package script

import (
	"fmt"
	"smolsh/script/suggest"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Builtin is one entry of the registry: it has all that calling, help and errors need. C is the type of a call.
type Builtin[C any] struct {
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
	fn      func(c C) (starlark.Value, error)

	// hint returns a better explanation of a wrong argument i than its kind does, or nil. It may be nil.
	hint func(b *Builtin[C], i int, args starlark.Tuple) error

	params []param
	pos    int    // how many of params may be given by position
	rest   string // name of *rest, "" when there is none
	opts   bool   // takes **options
	owner  string // type of value that the builtin is a method of, "" when it is a function
}

// A param is a parameter of a builtin.
type param struct {
	name     string
	kind     kind
	required bool
	def      any // converted default, nil when absent
}

// fileOptions is the Starlark that files and the prompt speak.
var fileOptions = &syntax.FileOptions{
	Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true,
}

// A Registry holds every builtin of a language.
type Registry[C any] struct {
	Language[C]
	byName  map[string]*Builtin[C]
	members map[string][]string // namespace or type to member names, sorted
}

// A Language is everything that a registry is made of.
type Language[C any] struct {
	Sections   []Section[C]      // every builtin, in the order of the reference
	Types      []ValueType       // every type with fields or methods
	Namespaces map[string]string // what each namespace holds
	Globals    map[string]bool   // the namespaces that are globals; other prefixes are types or builtins
	Aliases    map[string]string // other names of builtins

	// Options returns the names and explanations of the options that a builtin takes as **options; nil for none.
	Options func(b *Builtin[C]) [][2]string
	// OptionsTitle and OptionsText are a chapter of the reference about these options.
	OptionsTitle, OptionsText string
}

// A Section is a chapter of the reference: builtins that belong together.
type Section[C any] struct {
	title    string
	intro    string
	builtins []*Builtin[C]
}

// newRegistry returns the registry of a language. A mistake in a declaration is a panic.
func newRegistry[C any](lang Language[C]) *Registry[C] {
	r := &Registry[C]{Language: lang, byName: map[string]*Builtin[C]{}, members: map[string][]string{}}
	for _, section := range lang.Sections {
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
func (b *Builtin[C]) parse() {
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
func (b *Builtin[C]) usage() string {
	s := b.name + "(" + b.sig + ")"
	if b.result != "" {
		s += " -> " + b.result
	}
	return s
}

// Arguments are the converted arguments of one call.
type Arguments struct {
	Values []any            // one for each parameter: the argument, the default, or nil
	Rest   []starlark.Value // for *rest
	Opts   []starlark.Tuple // for **options: names and values
}

// Bind assigns the arguments of a call to the builtin's parameters and converts each to its kind. permit is asked
// about each argument that was given, after it was converted; its error refuses the call.
func (b *Builtin[C]) Bind(args starlark.Tuple, kwargs []starlark.Tuple, permit func(p *param, x any) error) (a Arguments, err error) {
	a.Values = make([]any, len(b.params))
	set := make([]bool, len(b.params))
	for i, v := range args {
		if i >= b.pos {
			if b.rest != "" {
				a.Rest = append(a.Rest, v)
				continue
			}
			return a, fmt.Errorf("%s: %d arguments, but it takes %s: %s", b.name, len(args), atMost(b.pos), b.usage())
		}
		if a.Values[i], err = b.argument(i, v, args, permit); err != nil {
			return a, err
		}
		set[i] = true
	}
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		i := b.index(name)
		if i < 0 {
			if b.opts {
				a.Opts = append(a.Opts, kv)
				continue
			}
			return a, b.unknown(name, b.names())
		}
		if set[i] {
			return a, fmt.Errorf("%s: argument %s is given twice", b.name, name)
		}
		if a.Values[i], err = b.argument(i, kv[1], args, permit); err != nil {
			return a, err
		}
		set[i] = true
	}
	for i, p := range b.params {
		if set[i] {
			continue
		}
		if p.required {
			return a, fmt.Errorf("%s: argument %d (%s) is missing: %s, %s", b.name, i+1, p.name, p.kind.describe(), b.usage())
		}
		a.Values[i] = p.def
	}
	return a, nil
}

// atMost describes a number of positional parameters.
func atMost(n int) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "one"
	}
	return fmt.Sprintf("at most %d", n)
}

// argument converts the argument for parameter i. None for an optional parameter counts as not given, without the
// default.
func (b *Builtin[C]) argument(i int, v starlark.Value, args starlark.Tuple, permit func(p *param, x any) error) (any, error) {
	p := &b.params[i]
	if v == starlark.None && !p.required && p.kind != kindAny {
		return nil, nil
	}
	x, err := p.kind.convert(v)
	if err == nil {
		return x, permit(p, x)
	}
	if b.hint != nil {
		if hint := b.hint(b, i, args); hint != nil {
			return nil, hint
		}
	}
	got := v.String()
	if len(got) > 60 {
		got = got[:57] + "..."
	}
	text := fmt.Sprintf("%s: argument %d (%s) is %s, got %s %s", b.name, i+1, p.name, p.kind.describe(), v.Type(), got)
	if err != errKind {
		text += ": " + err.Error()
	}
	return nil, fmt.Errorf("%s", text)
}

// unknown is the error about an argument of a name that the builtin does not have. known are the names that it has.
func (b *Builtin[C]) unknown(name string, known []string) error {
	text := fmt.Sprintf("%s: no argument %s", b.name, name)
	if n := suggest.Nearest(name, known); n != "" {
		text += fmt.Sprintf(" (did you mean %s?)", n)
	} else {
		text += ": " + b.usage()
	}
	return fmt.Errorf("%s", text)
}

func (b *Builtin[C]) index(name string) int {
	for i, p := range b.params {
		if p.name == name {
			return i
		}
	}
	return -1
}

func (b *Builtin[C]) names() []string {
	var names []string
	for _, p := range b.params {
		names = append(names, p.name)
	}
	return names
}

// A ValueType is the page of a type of values: its fields. The registry has its methods.
type ValueType struct {
	name   string
	doc    string
	fields [][2]string
}

// typeOf returns the page of a type, nil if there is none. The kernel's sockets have the pages of the host's own.
func (r *Registry[C]) typeOf(name string) *ValueType {
	name = strings.TrimPrefix(name, "kernel_")
	for i := range r.Types {
		if r.Types[i].name == name {
			return &r.Types[i]
		}
	}
	return nil
}

// isType reports whether a name is that of a type.
func (r *Registry[C]) isType(name string) bool { return r.typeOf(name) != nil }
