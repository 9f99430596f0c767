package packetvalue

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/stack/packet"
)

// Not is the value NOT(x): in a pattern's field, every value that x does not describe. It never changes.
type Not struct{ Of starlark.Value }

// NewNot returns NOT(v) with a copy of v. The error names a bound that v exceeds.
func NewNot(v starlark.Value) (*Not, error) {
	of, err := Snapshot(v)
	return &Not{of}, err
}

// String implements starlark.Value.
func (n *Not) String() string { return "NOT(" + sourceText(n.Of) + ")" }

// Type implements starlark.Value.
func (n *Not) Type() string { return "pattern" }

// Freeze implements starlark.Value.
func (n *Not) Freeze() { n.Of.Freeze() }

// Truth implements starlark.Value.
func (n *Not) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (n *Not) Hash() (uint32, error) { return n.Of.Hash() }

// CompareSameType implements starlark.Comparable.
func (n *Not) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	m, ok := y.(*Not)
	if !ok {
		return equality(op, n, y, false)
	}
	same, err := starlark.EqualDepth(n.Of, m.Of, depth-1)
	if err != nil {
		return false, err
	}
	return equality(op, n, y, same)
}

// Any is the value ANY: in a pattern's field, any value, as long as the packet has the field.
type Any struct{}

// String implements starlark.Value.
func (Any) String() string { return "ANY" }

// Type implements starlark.Value.
func (Any) Type() string { return "any" }

// Freeze implements starlark.Value.
func (Any) Freeze() {}

// Truth implements starlark.Value.
func (Any) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (Any) Hash() (uint32, error) { return 0x414e59, nil }

// A part is a set of values of a field of a pattern, made of a script's value.
type part interface {
	packet.Matcher
	source() starlark.Value
}

// from is the script's value of which a part is made.
type from struct{ v starlark.Value }

func (s from) source() starlark.Value { return s.v }

// String implements packet.Matcher.
func (s from) String() string { return sourceText(s.v) }

// sourceText returns the text with which a script writes a value of a pattern; a function is its name.
func sourceText(v starlark.Value) string {
	switch v := v.(type) {
	case *Value:
		return v.Code()
	case starlark.Callable:
		return v.Name()
	case *starlark.List:
		text := ""
		for i := range v.Len() {
			if i > 0 {
				text += ", "
			}
			text += sourceText(v.Index(i))
		}
		return "[" + text + "]"
	}
	return v.String()
}

// A present matches each value.
type present struct{ from }

// Matches implements packet.Matcher.
func (present) Matches(v any) bool { return v != nil }

// A negation matches the values that another part does not match.
type negation struct{ of part }

func (n *negation) source() starlark.Value { return &Not{n.of.source()} }

// String implements packet.Matcher.
func (n *negation) String() string { return sourceText(n.source()) }

// Matches implements packet.Matcher.
func (n *negation) Matches(v any) bool { return !n.of.Matches(v) }

// An alternative matches what one of its parts matches.
type alternative struct{ of []part }

// source returns a list of its own, since a script may change the one that it has given.
func (a *alternative) source() starlark.Value {
	return list(a.of, func(m part) starlark.Value { return m.source() })
}

// String implements packet.Matcher.
func (a *alternative) String() string { return sourceText(a.source()) }

// Matches implements packet.Matcher.
func (a *alternative) Matches(v any) bool {
	for _, m := range a.of {
		if m.Matches(v) {
			return true
		}
	}
	return false
}

// A numbers matches the numbers of a range.
type numbers struct {
	from
	first, last, step int64 // step is not negative
}

// Matches implements packet.Matcher.
func (r *numbers) Matches(v any) bool {
	n, ok := numeral(v)
	return ok && n <= 1<<62 && int64(n) >= r.first && int64(n) <= r.last && (int64(n)-r.first)%r.step == 0
}

// numeral returns a field's number, of a truth value 0 or 1.
func numeral(v any) (uint64, bool) {
	switch v := v.(type) {
	case uint64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// A single matches one value.
type single struct {
	from
	want any
}

// Matches implements packet.Matcher.
func (s *single) Matches(v any) bool {
	if v == nil {
		return false
	}
	if n, ok := numeral(s.want); ok {
		m, ok := numeral(v)
		return ok && m == n
	}
	if want, ok := s.want.([]packet.Option); ok {
		options, ok := v.([]packet.Option)
		for n := len(options); ok && n > len(want) && options[n-1].Name == "eol"; n-- { // the header's padding
			options = options[:n-1]
		}
		return ok && packet.Equal(want, options)
	}
	if d, ok := s.want.(*packet.Draft); ok {
		p, ok := v.(*packet.Packet)
		return ok && d.Match(p)
	}
	return packet.Shows(v, s.want)
}

// A judge matches the values for which a script's function returns a true value.
type judge struct {
	from
	env  Environment
	fn   starlark.Callable
	f    *packet.Field
	fail error // the function's last error; it is reset before each packet
}

// Matches implements packet.Matcher. It calls the function only for a field that the packet has.
func (j *judge) Matches(v any) bool {
	if v == nil || j.fail != nil {
		return false
	}
	if n, ok := v.(uint64); ok && j.f.Kind == packet.Letters {
		v, _ = j.f.LetterText(n)
	}
	got, err := j.env.Judge(j.fn, (&Value{env: j.env}).value(v))
	if err != nil {
		j.fail = err
		return false
	}
	return bool(got.Truth())
}

// part returns the set of values that a script's value describes; ok is false for a single value.
func (c converter) part(v starlark.Value) (m part, ok bool, err error) {
	src := from{v}
	switch x := v.(type) {
	case Any:
		return present{src}, true, nil
	case *Not:
		of, err := c.matcher(x.Of)
		return &negation{of}, true, err
	case Protocol, *Value:
		return nil, false, nil
	case starlark.Callable:
		return &judge{from: src, env: c.env, fn: x, f: c.f}, true, nil
	}
	if v.Type() == "range" {
		m, err = c.numbers(v.(starlark.Indexable))
		return m, true, err
	}
	switch v.(type) {
	case *starlark.List, *starlark.Set, starlark.Tuple:
		if shapeOf(c.of, c.f).listed() {
			return nil, false, nil
		}
		list, _ := elements(v)
		a := &alternative{}
		for _, x := range list {
			m, err := c.matcher(x)
			if err != nil {
				return nil, true, err
			}
			a.of = append(a.of, m)
		}
		return a, true, nil
	}
	return nil, false, nil
}

// matcher converts a value or a set of values.
func (c converter) matcher(v starlark.Value) (part, error) {
	if c.depth++; c.depth > maxNested {
		return nil, c.wrong(v, ": too many lists in each other")
	}
	m, ok, err := c.part(v)
	if ok || err != nil {
		return m, err
	}
	if v == starlark.None {
		return nil, c.wrong(v, ": None stands for an unset field alone")
	}
	x, err := c.literal(v)
	if m, ok := x.(part); ok {
		return m, err
	}
	if options, ok := x.(packet.CanonicalOptions); ok {
		x = []packet.Option(options)
	}
	return &single{from{v}, x}, err
}

// numbers converts range(a, b, step).
func (c converter) numbers(r starlark.Indexable) (part, error) {
	if shapeOf(c.of, c.f) != shapeNumber {
		return nil, c.wrong(r, ": it has no numbers")
	}
	n := r.Len()
	if n == 0 {
		return &numbers{from{r}, 0, -1, 1}, nil
	}
	at := func(i int) int64 {
		x, _ := starlark.AsInt32(r.Index(i))
		if y, ok := r.Index(i).(starlark.Int).Int64(); ok {
			return y
		}
		return int64(x)
	}
	m := &numbers{from{r}, at(0), at(n - 1), 1}
	if m.first > m.last {
		m.first, m.last = m.last, m.first
	}
	if n > 1 {
		m.step = (m.last - m.first) / int64(n-1)
	}
	return m, nil
}

// A Negated is the value ~p: a pattern that matches the packets that p does not match.
type Negated struct{ Of starlark.Value }

// String implements starlark.Value.
func (n *Negated) String() string {
	if p, ok := n.Of.(*Value); ok {
		if code := p.Code(); p.editableLayers() > 1 {
			return "~(" + code + ")"
		}
		return "~" + p.Code()
	}
	return "~" + n.Of.String()
}

// Type implements starlark.Value.
func (n *Negated) Type() string { return "pattern" }

// Freeze implements starlark.Value.
func (n *Negated) Freeze() {}

// Truth implements starlark.Value.
func (n *Negated) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (n *Negated) Hash() (uint32, error) { return n.Of.Hash() }

// CompareSameType implements starlark.Comparable.
func (n *Negated) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	m, ok := y.(*Negated)
	if !ok {
		return equality(op, n, y, false)
	}
	same, err := starlark.EqualDepth(n.Of, m.Of, depth-1)
	if err != nil {
		return false, err
	}
	return equality(op, n, y, same)
}

// Unary implements starlark.HasUnary: ~~p is p.
func (n *Negated) Unary(op syntax.Token) (starlark.Value, error) {
	if op != syntax.TILDE {
		return nil, nil
	}
	return n.Of, nil
}

// Binary implements starlark.HasBinary: a negated pattern carries nothing, and the error says what to write.
func (n *Negated) Binary(op syntax.Token, _ starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if op != syntax.SLASH {
		return nil, nil
	}
	return nil, fmt.Errorf("~ negates a whole pattern: write ~(A() / B())")
}

// Unary implements starlark.HasUnary: ~p is the pattern of the packets that p does not match.
func (p *Value) Unary(op syntax.Token) (starlark.Value, error) {
	if op != syntax.TILDE {
		return nil, nil
	}
	return &Negated{p}, nil
}
