package stack

import (
	"encoding/binary"
	"math/rand/v2"

	"smolsh/stack/wire"
)

// decisions are octets from which a run draws everything. When they are used up, all further octets are 0, and every draw maps 0
// to its simplest case. So zeroing or removing octets makes a run simpler.
type decisions struct{ octets []byte }

func (d *decisions) byte() int {
	if len(d.octets) == 0 {
		return 0
	}
	b := d.octets[0]
	d.octets = d.octets[1:]
	return int(b)
}

func (d *decisions) uint16() int    { return d.byte()<<8 | d.byte() }
func (d *decisions) uint32() uint32 { return uint32(d.uint16())<<16 | uint32(d.uint16()) }

// below returns a number below n, at most 256.
func (d *decisions) below(n int) int { return d.byte() % n }

// one returns true in one of n cases.
func (d *decisions) one(n int) bool { return d.byte()%n == n-1 }

// pick returns a number below n; 0 is as likely as all the others together.
func (d *decisions) pick(n int) int {
	if b := d.byte(); b >= 128 {
		return b % n
	}
	return 0
}

// small returns a number from -8 to 7, 0 for the octet 0.
func (d *decisions) small() int { return int(int8(d.byte())) >> 4 }

// near returns a sequence number: often base, else one off by a little, by about a window, by about half of the range, or any
// number.
func (d *decisions) near(base wire.Seq, window int) wire.Seq {
	const half = 1 << 31
	switch m := d.byte(); {
	case m < 112:
		return base
	case m < 144:
		return base.Add(d.small())
	case m < 160:
		return base.Add(int(int8(d.byte())))
	case m < 176:
		return base.Add(int(int16(d.uint16())))
	case m < 188:
		return base.Add(window + d.small())
	case m < 196:
		return base.Add(-window + d.small())
	case m < 220:
		return base.Add(half + d.small())
	case m < 226:
		return base.Add(half + window + d.small())
	case m < 232:
		return base.Add(half - window + d.small())
	case m < 238:
		return base.Add(half + int(int16(d.uint16())))
	case m < 242:
		return base.Add(half/2 + d.small())
	}
	return wire.Seq(d.uint32())
}

// length returns a payload's length in octets, between 0 and the argument most.
func (d *decisions) length(most int) int {
	n := 0
	switch m := d.byte(); {
	case m < 80:
	case m < 128:
		n = 1 + d.below(8)
	case m < 192:
		n = d.byte()
	case m < 224:
		n = d.uint16() % 1600
	case m < 232:
		n = most - d.below(4)
	default:
		n = d.uint16()
	}
	return max(0, min(n, most))
}

// An op is one step of a run: its first octet chooses the action, the rest are its decisions.
type op [opLen]byte

const (
	opLen     = 32 // octets
	rigLen    = 32 // octets of the decisions that make the host
	hostileOp = 600
)

// script is a whole run.
type script struct {
	rig [rigLen]byte
	ops []op
}

// parseScript makes a run of a fuzzer's octets.
func parseScript(b []byte) (s script) {
	b = b[copy(s.rig[:], b):]
	for ; len(b) > 0 && len(s.ops) < 2000; b = b[min(len(b), opLen):] {
		var o op
		copy(o[:], b)
		s.ops = append(s.ops, o)
	}
	return s
}

// bytes returns the inverse of parseScript.
func (s *script) bytes() []byte {
	b := append([]byte(nil), s.rig[:]...)
	for _, o := range s.ops {
		b = append(b, o[:]...)
	}
	return b
}

// newScript draws a run from a seed, and stores its steps in ops.
func newScript(seed uint64, ops []op) (s script) {
	rng := rand.NewPCG(seed, 0x686f7374696c65)
	fill := func(b []byte) {
		for ; len(b) > 0; b = b[8:] {
			binary.LittleEndian.PutUint64(b, rng.Uint64())
		}
	}
	fill(s.rig[:])
	n := 8 + int(rng.Uint64()%hostileOp)
	s.ops = ops[:0]
	for range n {
		var o op
		fill(o[:])
		s.ops = append(s.ops, o)
	}
	return s
}
