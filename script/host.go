package script

import (
	"math/rand/v2"
	"net/netip"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// hostValue is a host as scripts see it.
type hostValue struct {
	s    *Session
	w    *task.World
	lab  *labValue
	h    *lab.Host
	name string

	dns []netip.Addr // servers that --dns and dns.add named; replaced, never changed
	ids *rand.Rand   // identifiers of questions to them in a virtual lab; nil before the first; the owner's
}

// hostOf returns the hostValue of a host, always the same one.
func (s *Session) hostOf(h *lab.Host, in *labValue, name string) *hostValue {
	if v := s.hosts[h]; v != nil {
		return v
	}
	v := &hostValue{s: s, w: in.w, lab: in, h: h, name: name, dns: s.cfg.DNS}
	s.hosts[h] = v
	return v
}

func (h *hostValue) String() string        { return "host " + h.name }
func (h *hostValue) Type() string          { return "host" }
func (h *hostValue) Freeze()               {}
func (h *hostValue) Truth() starlark.Bool  { return true }
func (h *hostValue) Hash() (uint32, error) { return starlark.String(h.name).Hash() }

// Attr returns a member of the host. Every builtin that concerns one host is a member, bound to this host.
func (h *hostValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(h.name), nil
	case "lab":
		return h.lab, nil
	case "addr":
		return h.firstAddr(), nil
	case "arp":
		name = "neighbors"
	case "ss":
		name = "sockets"
	}
	if topNamespaces[name] && name != "assert" {
		return &namespace{h.s, name, h}, nil
	}
	if b := h.s.reg.ByName[name]; b != nil && b.Host {
		return &function{h.s, b, h}, nil
	}
	return suggest.Attr(h, name, nil)
}

// AttrNames implements starlark.HasAttrs.
func (h *hostValue) AttrNames() []string {
	names := []string{"addr", "arp", "lab", "name", "ss"}
	for n := range topNamespaces {
		if n != "assert" {
			names = append(names, n)
		}
	}
	for n, b := range h.s.reg.ByName {
		if b.Host && !hasDot(n) {
			names = append(names, n)
		}
	}
	return names
}

// firstAddr returns the host's first address, None if it has none. A link-local or loopback one is the first only if there is no other.
func (h *hostValue) firstAddr() starlark.Value {
	list, last := h.addrs(nil, true)
	if list = append(list, last...); len(list) > 0 {
		return registry.Address(list[0])
	}
	return starlark.None
}

// do runs fn on the owner's goroutine of the host's world, and waits for it.
func (h *hostValue) do(fn func(now clock.Instant)) { h.s.tasks.Do(h.w, fn) }

// World implements task.Host.
func (h *hostValue) World() *task.World { return h.w }
