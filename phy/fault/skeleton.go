// Package fault (skeleton).
package fault

import (
	"math/rand/v2"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Dir is a direction as seen from the interface or the link's first end.
type Dir uint8

const (
	Both Dir = iota
	RX       // or "b->a" on a link
	TX       // or "a->b"
)

// Rule is one fault in force.
type Rule struct {
	Name                              string
	Dir                               Dir
	Match                             func(frame []byte, m phy.Medium) bool // nil: everything
	Nth                               []int                                 // of the matches, from 1, per direction; empty: all
	Every                             int
	Loss, Corrupt, Duplicate, Reorder float64 // 0 to 1
	Delay, Jitter                     time.Duration
	MaxSize                           int // octets of frame
	Bucket                            int // frames per Interval
	Interval                          time.Duration
	Hits                              uint64
}

// Verdict on one frame. The zero value passes it.
type Verdict struct {
	Drop      drop.Reason
	Copies    int           // further copies to deliver
	Delay     time.Duration // hold it (and the copies) back this long
	Corrupted bool
}

// Set is the rules in force at one place, in order, with the random stream they draw from.
type Set struct{ _ int }

func NewSet(rng *rand.Rand) *Set { panic("skeleton") }
func (s *Set) Add(r *Rule)       { panic("skeleton") }
func (s *Set) Remove(r *Rule)    { panic("skeleton") }
func (s *Set) Rules() []*Rule    { panic("skeleton") }
func (s *Set) Empty() bool       { panic("skeleton") }

// Apply asks every rule about one wire-size frame, corrupting it in place where one says so.
func (s *Set) Apply(now clock.Instant, d Dir, m phy.Medium, f *phy.Frame) Verdict { panic("skeleton") }
