// Package live (skeleton): the wall-clock Runner.
package live

import (
	"smolsh/phy"
	"smolsh/stack/lab"
)

// New starts the loop for w on a locked thread.
func New(w *lab.World) (lab.Runner, error) { panic("skeleton") }

// Add makes the loop drain a pollable device that a lab.Host was attached to. (May be folded into Attach through an interface on World.)
func Add(r lab.Runner, dev phy.Pollable, p *lab.Port) error { panic("skeleton") }
