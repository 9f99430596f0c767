package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

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
	if n := suggest.Nearest(name, names); n != "" {
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
// 6724 §6). Those on a network that both share come before others that the rules do not distinguish. Link-local addresses are used
// only if the host of the call reaches none of the others.
func (c *call) AddrsOf(host starlark.Value) ([]netip.Addr, error) {
	if c.t == nil {
		return nil, errHostHere
	}
	h := host.(*hostValue)
	if l := c.lab(); h.lab.lab != l.lab {
		return nil, fmt.Errorf("host %s is in another lab", h.name)
	}
	list, last := h.addrs(c.networks())
	if len(list)+len(last) == 0 {
		return nil, fmt.Errorf("host %s has no address", h.name)
	}
	me := c.asking()
	if me == nil {
		return append(list, last...), nil
	}
	var reached, others []netip.Addr
	me.do(func(clock.Instant) {
		for _, a := range append(me.h.SortDestinations(list), me.h.SortDestinations(last)...) {
			if me.h.Reaches(a) {
				reached = append(reached, a)
			} else {
				others = append(others, a)
			}
		}
	})
	return append(reached, others...), nil
}

// addrs returns the host's addresses, those on one of the networks first. The list last has the link-local and loopback ones.
func (h *hostValue) addrs(networks []netip.Prefix) (list, last []netip.Addr) {
	shared := func(p netip.Prefix) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool {
			return n.Masked() == p.Masked() || n.Contains(p.Addr()) && p.Contains(n.Addr())
		})
	}
	var far []netip.Addr
	h.do(func(clock.Instant) {
		for _, p := range h.h.Addrs() {
			switch a := p.Addr(); {
			case a.IsLoopback() || a.Is6() && a.IsLinkLocalUnicast():
				last = append(last, a)
			case shared(p):
				list = append(list, a)
			default:
				far = append(far, a)
			}
		}
	})
	return append(list, far...), last
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
