package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/stack"
	"smolsh/stack/clock"
)

func claimBuiltins() []*builtin {
	return []*builtin{
		{Name: "claim", Beside: true, Sig: "tcp=, udp=, icmp=", Kinds: "port port int:0..65535",
			Args:   "tcp: a local TCP port (0 chooses one); udp: a local UDP port; icmp: an identifier of echo requests",
			Result: "claim", Host: true, See: "claims, send, sr",
			Doc:     "Keep the stack from answering or resetting what arrives at a port or echo id, for packets sent by hand.",
			Example: `c = claim(tcp=40000); c.release()`, Fn: builtinClaim},
		{Name: "claim.release",
			Doc: "End the claim; from then on the stack answers as usual.", Example: `claim(udp=5353).release()`, Fn: claimRelease},
		{Name: "claims", Beside: true, Result: "table", Host: true, See: "claim, sockets",
			Doc: "What is claimed, and how many packets have arrived there.", Example: `claim(icmp=7); claims()`, Fn: builtinClaims},
	}
}

// claimValue is a claim as scripts see it.
type claimValue struct {
	h         *hostValue
	c         *stack.Claim
	kept      bool // claim() has returned it
	answering int  // values of answering() whose patterns name the port
}

// String implements starlark.Value.
func (v *claimValue) String() string {
	released := false
	v.h.do(func(clock.Instant) { released = v.c.Released() })
	return since(fmt.Sprintf("claim of %v %d", v.c.Protocol(), v.c.Number()), released, "released")
}

// Type implements starlark.Value.
func (v *claimValue) Type() string { return "claim" }

// Freeze implements starlark.Value.
func (v *claimValue) Freeze() {}

// Truth implements starlark.Value.
func (v *claimValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *claimValue) Hash() (uint32, error) { return uint32(v.c.Number()), nil }

// Attr returns a field or a method of the claim.
func (v *claimValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "number":
		return num(int(v.c.Number())), nil
	case "protocol":
		return starlark.String(v.c.Protocol().String()), nil
	case "delivered":
		var n uint64
		v.h.do(func(clock.Instant) { n = v.c.Delivered() })
		return num(n), nil
	}
	return suggest.Attr(v, name, v.h.s.member("claim", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *claimValue) AttrNames() []string {
	return append([]string{"delivered", "number", "protocol"}, v.h.s.reg.Members["claim"]...)
}

func builtinClaim(c *call) (starlark.Value, error) {
	h := c.on()
	var what string
	for _, name := range []string{"tcp", "udp", "icmp"} {
		if !c.Given(name) {
			continue
		}
		if what != "" {
			return nil, c.errorf("one of tcp=, udp= and icmp= at a time")
		}
		what = name
	}
	if what == "" {
		return nil, c.errorf("say tcp= or udp= with a port, or icmp= with an identifier")
	}
	number := uint16(arg[int](c, what))
	v, err := c.s.claim(h, what, number)
	if err == nil && v.kept {
		err = stack.ErrPortInUse
	}
	if err != nil {
		return nil, failed(c.t, "claim", fmt.Sprintf("%s %d", what, number), err)
	}
	v.kept = true
	return v, nil
}

// claim claims a port or an identifier of a host, or returns the session's claim of it.
func (s *Session) claim(h *hostValue, what string, number uint16) (*claimValue, error) {
	for v := range s.claims { // at most one is found
		if v.h.h == h.h && strings.EqualFold(v.c.Protocol().String(), what) && v.c.Number() == number {
			return v, nil
		}
	}
	v := &claimValue{h: h}
	var err error
	h.do(func(clock.Instant) {
		make := map[string]func(uint16) (*stack.Claim, error){"tcp": h.h.ClaimTCP, "udp": h.h.ClaimUDP, "icmp": h.h.ClaimICMP}
		v.c, err = make[what](number)
	})
	if err != nil {
		return nil, err
	}
	if s.claims == nil {
		s.claims = map[*claimValue]bool{}
	}
	s.claims[v] = true
	return v, nil
}

func claimRelease(c *call) (starlark.Value, error) {
	v := c.recv.(*claimValue)
	v.release()
	return starlark.None, nil
}

func (v *claimValue) release() {
	v.h.do(func(clock.Instant) { v.c.Release() })
	delete(v.h.s.claims, v)
}

// releaseClaims ends the session's claims.
func (s *Session) releaseClaims() {
	for v := range s.claims { // map order does not matter
		v.release()
	}
	s.claims = nil
}

// claimColumns are the column titles of claims().
const claimColumns = "PROTOCOL NUMBER DELIVERED"

func builtinClaims(c *call) (starlark.Value, error) {
	h, t := c.on(), c.table(table.Columns(claimColumns)...)
	h.do(func(clock.Instant) {
		for _, k := range h.h.Claims() {
			t.Add(starlark.String(k.Protocol().String()), num(int(k.Number())), num(k.Delivered()))
		}
	})
	return t, nil
}
