package script

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// The values of this file are structs with a text of their own. Each compares the structs, because the method of the struct that they
// contain panics on a value of another Go type.

// CompareSameType implements starlark.Comparable: results are equal if their fields are.
func (r result) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return r.Struct.CompareSameType(op, y.(result).Struct, depth)
}

// CompareSameType implements starlark.Comparable: events are equal if their fields are.
func (e eventValue) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return e.Struct.CompareSameType(op, y.(eventValue).Struct, depth)
}

// CompareSameType implements starlark.Comparable: timings are equal if their fields are.
func (v timing) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return v.Struct.CompareSameType(op, y.(timing).Struct, depth)
}
