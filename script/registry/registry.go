// Package registry holds the declarations of a language's builtins, and everything that follows from a declaration:
// the conversion of a call's arguments, the errors about them, help pages and the reference. It knows nothing of
// hosts and tasks. A program declares its builtins as a Language, whose type parameter is the program's type of a call.
package registry

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"smolsh/script/suggest"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Builtin is one entry of the registry, with everything that calls, help and errors need. C is the type of a call.
type Builtin[C any] struct {
	Name    string // "ping", "tcp.connect", "conn.send": a namespace or a type may precede the dot
	Sig     string // "endpoint, timeout=, local=None, **options"
	Kinds   string // one kind for each named parameter of Sig, in order, with bounds after a colon: "int:1..255"
	Args    string // explanations of the parameters, with units: "size: octets of data; ttl: hops"
	Result  string // the type of its result, for help
	Fields  string // the fields of its result, for help
	Doc     string // explanation in one line
	Example string // a chunk of script that runs on a virtual lab with a peer
	See     string
	Beside  bool // true if help on another builtin leads to it, so that the overview need not have it
	Host    bool // true for a member of every host; as a global it concerns the calling task's host
	Pure    bool // true if it may be called outside a task, in the match function of a fault
	Fn      func(c C) (starlark.Value, error)

	// Hint returns an error that explains a wrong argument i better than its kind does, or nil. Hint itself may be nil.
	Hint func(b *Builtin[C], i int, args starlark.Tuple) error

	Params       []Param
	Positional   int    // number of Params that may be given by position
	Rest         string // name of *rest, "" if there is none
	TakesOptions bool   // true if the builtin takes **options
	Owner        string // type of which the builtin is a method, "" for a function
}

// A Param is a parameter of a builtin.
type Param struct {
	Name     string
	Kind     Kind
	Required bool
	def      any // converted default, nil if there is none
}

// FileOptions is the dialect of Starlark in files, and in the defaults of signatures.
var FileOptions = &syntax.FileOptions{
	Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true,
}

// A Registry holds every builtin of a language.
type Registry[C any] struct {
	Language[C]
	ByName  map[string]*Builtin[C]
	Members map[string][]string // names of the members of each namespace and type, sorted
}

// A Language is the input from which a Registry is made.
type Language[C any] struct {
	Sections   []Section[C]      // every builtin, in the order of the reference
	Types      []ValueType       // every type with fields or methods
	Namespaces map[string]string // description of each namespace
	Globals    map[string]bool   // the namespaces that are globals; other prefixes are types or builtins
	Aliases    map[string]string // other names of builtins

	// Like returns the type on whose help page a type is described, which is usually the type itself. The function may be nil.
	Like func(name string) string

	// Options returns the names and explanations of the options that a builtin takes as **options; nil for none.
	Options func(b *Builtin[C]) [][2]string
	// OptionsTitle and OptionsText form a chapter of the reference on these options.
	OptionsTitle, OptionsText string
}

// A Section is a chapter of the reference: a group of builtins.
type Section[C any] struct {
	Title    string
	Intro    string
	Builtins []*Builtin[C]
}

// New returns the registry of a language. It panics on a mistake in a declaration.
func New[C any](lang Language[C]) *Registry[C] {
	r := &Registry[C]{Language: lang, ByName: map[string]*Builtin[C]{}, Members: map[string][]string{}}
	for _, section := range lang.Sections {
		for _, b := range section.Builtins {
			b.parse()
			r.ByName[b.Name] = b
			if i := strings.LastIndexByte(b.Name, '.'); i >= 0 {
				r.Members[b.Name[:i]] = append(r.Members[b.Name[:i]], b.Name[i+1:])
				if r.IsType(b.Name[:i]) {
					b.Owner = b.Name[:i]
				}
			}
		}
	}
	for _, m := range r.Members {
		sort.Strings(m)
	}
	return r
}

// parse reads the signature. It panics on a mistake, because declarations are constant.
func (b *Builtin[C]) parse() {
	if b.Params != nil || b.Sig == "" {
		return
	}
	kinds := strings.Fields(b.Kinds)
	for _, item := range strings.Split(b.Sig, ", ") {
		switch {
		case strings.HasPrefix(item, "**"):
			b.TakesOptions = true
			continue
		case strings.HasPrefix(item, "*"):
			b.Rest, b.Positional = item[1:], len(b.Params)
			continue
		}
		name, def, optional := strings.Cut(item, "=")
		if len(kinds) == 0 {
			panic(b.Name + ": no kind for " + name)
		}
		p := Param{Name: name, Kind: Kind(kinds[0]), Required: !optional}
		kinds = kinds[1:]
		if def != "" {
			v, err := starlark.EvalOptions(FileOptions, &starlark.Thread{}, b.Name, def, nil)
			if err != nil {
				panic(b.Name + ": " + err.Error())
			}
			if v != starlark.None {
				if p.def, err = p.Kind.Convert(v); err != nil {
					panic(b.Name + ": " + err.Error())
				}
			}
		}
		b.Params = append(b.Params, p)
	}
	if b.Rest == "" {
		b.Positional = len(b.Params)
	}
	if len(kinds) != 0 {
		panic(b.Name + ": too many kinds")
	}
}

// Usage returns the builtin's signature and the type of its result, as help shows them.
func (b *Builtin[C]) Usage() string {
	s := b.Name + "(" + b.Sig + ")"
	if b.Result != "" {
		s += " -> " + b.Result
	}
	return s
}

// Arguments are the converted arguments of one call.
type Arguments struct {
	Values []any            // values of the parameters in order: the argument, the default, or nil
	Rest   []starlark.Value // values of *rest
	Opts   []starlark.Tuple // names and values of **options
	params []Param
}

// Arg returns the argument for a parameter of the builtin, the default if the call did not give it, or the zero value if
// there is no default. It panics if the parameter's kind converts to another type than T.
func Arg[T any](a *Arguments, name string) T {
	v := a.Values[indexOf(a.params, name)]
	x, ok := v.(T)
	if v != nil && !ok {
		panic(fmt.Sprintf("argument %s is %T, not %v", name, v, reflect.TypeFor[T]()))
	}
	return x
}

// Given reports whether the parameter of a name has a value, given or by default.
func (a *Arguments) Given(name string) bool { return a.Values[indexOf(a.params, name)] != nil }

// synonyms are names of arguments that builtins take for another one, where they have no argument of that name. Packets are chosen by
// filter= in most calls, and by match= in those whose rules match them.
var synonyms = map[string]string{"match": "filter", "filter": "match"}

// Bind assigns the arguments of a call to the builtin's parameters and converts each to its kind. An error of
// Caller.Permit refuses the call.
func (b *Builtin[C]) Bind(args starlark.Tuple, kwargs []starlark.Tuple, caller Caller) (a Arguments, err error) {
	a.params, a.Values = b.Params, make([]any, len(b.Params))
	set := make([]bool, len(b.Params))
	for i, v := range args {
		if i >= b.Positional {
			if b.Rest != "" {
				a.Rest = append(a.Rest, v)
				continue
			}
			return a, fmt.Errorf("%s: %d arguments, but it takes %s: %s", b.Name, len(args), atMost(b.Positional), b.Usage())
		}
		if a.Values[i], err = b.argument(i, v, args, caller); err != nil {
			return a, err
		}
		set[i] = true
	}
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		i := b.Index(name)
		if i < 0 {
			i = b.Index(synonyms[name])
		}
		if i < 0 {
			if b.TakesOptions {
				a.Opts = append(a.Opts, kv)
				continue
			}
			return a, b.Unknown(name, b.Names())
		}
		if set[i] {
			return a, fmt.Errorf("%s: argument %s is given twice", b.Name, name)
		}
		if a.Values[i], err = b.argument(i, kv[1], args, caller); err != nil {
			return a, err
		}
		set[i] = true
	}
	for i, p := range b.Params {
		if set[i] {
			continue
		}
		if p.Required {
			return a, fmt.Errorf("%s: argument %d (%s) is missing: %s, %s", b.Name, i+1, p.Name, p.Kind.Describe(), b.Usage())
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

// argument converts the argument for parameter i. None for an optional parameter counts as not given, so the parameter has its default.
func (b *Builtin[C]) argument(i int, v starlark.Value, args starlark.Tuple, caller Caller) (any, error) {
	p := &b.Params[i]
	if v == starlark.None && !p.Required && p.Kind != KindAny {
		return p.def, nil
	}
	x, err := p.Kind.For(v, caller)
	if err == nil {
		return x, caller.Permit(p, x)
	}
	var lookup *LookupError
	if errors.As(err, &lookup) {
		return nil, fmt.Errorf("%s: %w", b.Name, lookup)
	}
	if b.Hint != nil {
		if hint := b.Hint(b, i, args); hint != nil {
			return nil, hint
		}
	}
	got := v.String()
	if len(got) > 60 {
		got = got[:57] + "..."
	}
	if !strings.HasPrefix(got, v.Type()) {
		got = v.Type() + " " + got
	}
	text := fmt.Sprintf("%s: argument %d (%s) is %s, got %s", b.Name, i+1, p.Name, p.Kind.Describe(), got)
	if err != errKind {
		text += ": " + err.Error()
	} else if p.Kind == KindStr || p.Kind == KindPattern {
		text += InQuotes(v)
	}
	return nil, fmt.Errorf("%s", text)
}

// InQuotes returns the end of an error about a value that stands where a string does, and of which the name is meant, such as icmp; "" for other values.
func InQuotes(v starlark.Value) string {
	name, _, _ := strings.Cut(v.String(), ": ") // a group of builtins has its members behind its name
	if c, ok := v.(starlark.Callable); ok && v.Type() != "function" {
		name = c.Name()
	}
	switch v.(type) {
	case starlark.Int, starlark.Float, starlark.Bool, starlark.NoneType, starlark.String, starlark.Bytes:
		return ""
	}
	if !word.MatchString(name) {
		return ""
	}
	return fmt.Sprintf(": in quotes: %q", strings.ToLower(name))
}

var word = regexp.MustCompile(`^\w+$`)

// Unknown returns the error for an argument called name that the builtin does not have. The list known has the names of
// the builtin's arguments.
func (b *Builtin[C]) Unknown(name string, known []string) error {
	text := fmt.Sprintf("%s: no argument %s", b.Name, name)
	if other := suggest.Argument(b.Name, name); other != "" {
		text += " (here: " + other + ")"
	} else if n := suggest.Nearest(name, known); n != "" {
		text += fmt.Sprintf(" (did you mean %s?)", n)
	} else {
		text += ": " + b.Usage()
	}
	return fmt.Errorf("%s", text)
}

// Index returns the index of the parameter of a name, -1 if there is none.
func (b *Builtin[C]) Index(name string) int { return indexOf(b.Params, name) }

// indexOf returns the index of the parameter of a name, -1 if there is none.
func indexOf(params []Param, name string) int {
	for i, p := range params {
		if p.Name == name {
			return i
		}
	}
	return -1
}

// Names returns the names of the parameters.
func (b *Builtin[C]) Names() []string {
	var names []string
	for _, p := range b.Params {
		names = append(names, p.Name)
	}
	return names
}

// A ValueType describes a type of values, and its fields, for its help page. The registry has the type's methods.
type ValueType struct {
	Name   string
	Doc    string
	Fields [][2]string
}

// TypeOf returns the description of a type, or of the type that it is Like; nil if there is none.
func (r *Registry[C]) TypeOf(name string) *ValueType {
	if r.Like != nil {
		name = r.Like(name)
	}
	for i := range r.Types {
		if r.Types[i].Name == name {
			return &r.Types[i]
		}
	}
	return nil
}

// IsType reports whether name is the name of a type.
func (r *Registry[C]) IsType(name string) bool { return r.TypeOf(name) != nil }
