// Package filter (skeleton).
package filter

import "smolsh/phy"

// Filter is a compiled expression.
type Filter struct{ _ int }

// Compile compiles a tcpdump expression; an Error names the position.
func Compile(expr string) (*Filter, error)              { panic("skeleton") }
func (f *Filter) Match(frame []byte, m phy.Medium) bool { panic("skeleton") }
func (f *Filter) String() string                        { panic("skeleton") }
