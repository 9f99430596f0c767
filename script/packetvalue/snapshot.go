package packetvalue

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Bounds of a value that a packet, a pattern or a protocol's field keeps.
const (
	maxDepth = 3 * maxNested // lists and dicts in each other, among them those of a field's single value
	maxKept  = 1 << 20       // values in all lists and dicts
)

// A snapshot copies the lists and dicts in a script's value, so that a script can't change a value that is said never to change, or put
// that value into itself.
type snapshot struct{ left int }

// Snapshot returns v, with copies of the lists, dicts, sets and structs in it. The error names a bound that v exceeds, as a list does that
// contains itself.
func Snapshot(v starlark.Value) (starlark.Value, error) {
	s := snapshot{maxKept}
	return s.copy(v, maxDepth)
}

// copy copies a value in which lists may be in each other up to a depth.
func (s *snapshot) copy(v starlark.Value, depth int) (starlark.Value, error) {
	if s.left--; s.left < 0 {
		return nil, errors.New("too many values")
	}
	if depth == 0 {
		return nil, errors.New("too many lists in each other")
	}
	switch v := v.(type) {
	case *starlark.List:
		list, err := s.all(v.Len(), v.Index, depth)
		return starlark.NewList(list), err
	case starlark.Tuple:
		list, err := s.all(len(v), v.Index, depth)
		return starlark.Tuple(list), err
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for _, kv := range v.Items() {
			x, err := s.copy(kv[1], depth-1)
			if err == nil {
				err = d.SetKey(kv[0], x)
			}
			if err != nil {
				return nil, err
			}
		}
		return d, nil
	case *starlark.Set:
		return v.Union(v.Iterate())
	case *starlarkstruct.Struct:
		fields := starlark.StringDict{}
		v.ToStringDict(fields)
		for _, name := range v.AttrNames() {
			x, err := s.copy(fields[name], depth-1)
			if err != nil {
				return nil, err
			}
			fields[name] = x
		}
		return starlarkstruct.FromStringDict(v.Constructor(), fields), nil
	case *Not: // its value has been copied, and is only counted
		_, err := s.copy(v.Of, depth-1)
		return v, err
	case *FieldSpec:
		_, err := s.copy(v.Of, depth-1)
		return v, err
	}
	return v, nil
}

// all copies n values.
func (s *snapshot) all(n int, at func(int) starlark.Value, depth int) ([]starlark.Value, error) {
	list := make([]starlark.Value, 0, min(n, s.left))
	for i := range n {
		x, err := s.copy(at(i), depth-1)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}
