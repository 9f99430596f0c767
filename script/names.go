package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/kernel"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// errHostHere is the error of a function that judges packets if it names a host.
var errHostHere = errors.New("a function that judges packets reaches no host")

// maxNames is the largest number of hosts' names that an error lists.
const maxNames = 12

// HostOf implements registry.Caller. v may be a host, a row of a table about a host, or the name of a host in the lab
// that the call concerns. For another value it returns nil.
func (c *call) HostOf(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case *hostValue:
		return v, nil
	case *kernel.Stack:
		return c.HostOf(starlark.String("kernel"))
	case *switchValue:
		return nil, errors.New("a switch's cables are made by s.attach(host)")
	case *table.Row:
		if h, ok := v.About.(*hostValue); ok {
			return h, nil
		}
	case starlark.String:
		if lab.CheckName(string(v)) != nil {
			return nil, nil
		}
		h, err := c.hostNamed(string(v))
		if err != nil {
			return nil, err
		}
		return h, nil
	}
	return nil, nil
}

// hostNamed returns the host with the given name in the lab that the call concerns. Without such a host it returns an
// error that lists the lab's hosts.
func (c *call) hostNamed(name string) (*hostValue, error) {
	if c.t == nil {
		return nil, errHostHere
	}
	l := c.lab()
	var names []string
	for _, h := range l.hosts() {
		if h.name == name {
			return h, nil
		}
		names = append(names, h.name)
	}
	hint := ""
	switch {
	case name == "kernel" && l.w == c.s.home && !l.w.Virtual():
		hint = "; kernel is the operating system's stack: !ip addr shows its addresses"
	case name == "kernel":
		hint = "; kernel is the operating system's stack, which is not in a virtual lab"
	}
	if n := suggest.Nearest(name, names); n != "" && hint == "" {
		hint = fmt.Sprintf(" (did you mean %s?)", n)
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", more))
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	return nil, fmt.Errorf("no host named %s in this lab; hosts: %s%s", name, strings.Join(names, ", "), hint)
}

// lab returns the lab that the call concerns.
func (c *call) lab() *labValue {
	switch v := c.recv.(type) {
	case *labValue:
		return v
	case *switchValue:
		return v.l
	}
	if h := c.asking(); h != nil {
		return h.lab
	}
	return c.s.local.lab
}

// asking returns the host that the call concerns, nil for a call on a lab or on a switch. For calls on kernel it is the
// session's own host.
func (c *call) asking() *hostValue {
	switch c.recv.(type) {
	case *labValue, *switchValue:
		return nil
	}
	if h := c.about(); h != nil {
		return h
	}
	if strings.HasPrefix(c.b.Name, "kernel") {
		return c.s.local
	}
	return c.t.host
}

// AddrsOf implements registry.Caller. It returns the addresses of host in the order in which the host of the call should try them (RFC
// 6724 §6). Those on a network that both share come before others that the rules do not distinguish. Addresses that the host of the
// call does not reach are left out if it reaches one. Link-local addresses are used only if it reaches none of the others.
func (c *call) AddrsOf(host starlark.Value) ([]netip.Addr, error) {
	if c.t == nil {
		return nil, errHostHere
	}
	h := host.(*hostValue)
	if l := c.lab(); h.lab.lab != l.lab {
		return nil, fmt.Errorf("host %s is in another lab", h.name)
	}
	me := c.asking()
	list, last := h.addrs(c.networks(), h == me)
	if len(list)+len(last) == 0 {
		return nil, fmt.Errorf("host %s has no address", h.name)
	}
	if p, ok := c.givenNetwork(); ok { // a gateway is of its route's family
		other := func(a netip.Addr) bool { return a.Is4() != p.Addr().Is4() }
		list, last = slices.DeleteFunc(list, other), slices.DeleteFunc(last, other)
		if len(list)+len(last) == 0 {
			return nil, fmt.Errorf("host %s has no address of the family of %v", h.name, p)
		}
	}
	if me == nil {
		return append(list, last...), nil
	}
	return me.tried(list, last), nil
}

// tried returns the addresses in the order in which the host should try them (RFC 6724 §6), those of last behind all others. If it reaches
// some of list, or else of last, it returns these alone.
func (h *hostValue) tried(list, last []netip.Addr) []netip.Addr {
	h.do(func(clock.Instant) {
		list, last = h.h.SortDestinations(list), h.h.SortDestinations(last)
		unreached := func(a netip.Addr) bool { return !h.h.Reaches(a) }
		for _, some := range [][]netip.Addr{list, last} {
			if some = slices.DeleteFunc(slices.Clone(some), unreached); len(some) > 0 {
				list, last = some, nil
				return
			}
		}
	})
	return append(list, last...)
}

// addrs returns the host's addresses, those on one of the networks first. The list last has the link-local and, for the host itself, the
// loopback ones. A link-local address has its zone only for the host itself, because another host's zone is one of its own interfaces.
func (h *hostValue) addrs(networks []netip.Prefix, itself bool) (list, last []netip.Addr) {
	shared := func(p netip.Prefix) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool {
			return n.Masked() == p.Masked() || n.Contains(p.Addr()) && p.Contains(n.Addr())
		})
	}
	var far []netip.Addr
	place := func(p netip.Prefix, zone string) {
		switch a := p.Addr(); {
		case a.IsLoopback() && !itself:
		case a.Is6() && a.IsLinkLocalUnicast() && itself:
			last = append(last, a.WithZone(zone))
		case a.IsLoopback() || a.Is6() && a.IsLinkLocalUnicast():
			last = append(last, a)
		case shared(p):
			list = append(list, a)
		default:
			far = append(far, a)
		}
	}
	h.do(func(clock.Instant) {
		done := 0
		for _, i := range h.h.IfaceInfos() {
			for _, p := range i.Addrs {
				place(p, i.Name)
				done++
			}
		}
		for _, p := range h.h.Addrs()[done:] { // those that no interface has taken yet
			place(p, "")
		}
	})
	return append(list, far...), last
}

// givenNetwork returns the network that the argument destination of the call names; ok is false if it names none.
func (c *call) givenNetwork() (p netip.Prefix, ok bool) {
	i := c.b.Index("destination")
	var v starlark.Value
	if i >= 0 && i < len(c.args) {
		v = c.args[i]
	}
	for _, kw := range c.kws {
		if kw[0] == starlark.String("destination") {
			v = kw[1]
		}
	}
	if v == nil {
		return p, false
	}
	if x, err := registry.KindCIDR.Convert(v); err == nil {
		return x.(netip.Prefix), true
	}
	x, err := registry.KindIP.Convert(v)
	if err != nil {
		return p, false
	}
	a := x.(netip.Addr)
	return netip.PrefixFrom(a, a.BitLen()), true
}

// networks returns the networks of the addresses of the host that the call concerns. For a call of lab.host these are
// the addresses that the call gives to the new host.
func (c *call) networks() (list []netip.Prefix) {
	if h := c.asking(); h != nil {
		h.do(func(clock.Instant) { list = h.h.Addrs() })
		return list
	}
	for _, v := range c.args {
		if p, err := registry.KindCIDR.Convert(v); err == nil {
			list = append(list, p.(netip.Prefix))
		}
	}
	return list
}
