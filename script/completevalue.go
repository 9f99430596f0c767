package script

import (
	"net/netip"
	"slices"
	"strings"

	"smolsh/script/cursor"
	"smolsh/script/filename"
	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack/clock"
)

// completeString completes a string by the values that the argument may have.
func (s *Session) completeString(text string, at cursor.Place) (from int, items []string, suffix string) {
	q := at.Quote
	quote := text[q : q+1]
	from = q + 1
	prefix := text[from:]
	c := at.Call
	if strings.HasPrefix(prefix, quote) || c == nil {
		return len(text), nil, ""
	}
	name, index := "", c.Index
	if lead := strings.TrimSpace(text[c.Arg:q]); lead != "" {
		n, ok := strings.CutSuffix(lead, "=")
		if name = strings.TrimSpace(n); !ok || !cursor.IsName(name) {
			return len(text), nil, ""
		}
		index = -1
	}
	callee := cursor.Primary(text[:c.Open])
	switch {
	case callee == "" && cursor.LastName(text[:c.Open]) == "load" && index == 0:
		items = filename.Matching(prefix)
	default:
		v, _ := s.lookUp(callee)
		if f, ok := v.(*function); ok {
			items = cursor.Matching(prefix, s.fits(f, name, index, prefix))
		}
	}
	if len(items) == 1 && strings.HasSuffix(items[0], "/") && !strings.Contains(items[0], "://") {
		return from, items, "" // a folder has no suffix: its files can be completed next
	}
	return from, items, quote
}

// fits returns values that an argument of a builtin may have, by the argument's kind and name.
func (s *Session) fits(f *function, name string, index int, prefix string) []string {
	var p *registry.Param
	for i := range f.b.Params {
		if f.b.Params[i].Name == name || i == index && i < f.b.Positional {
			p = &f.b.Params[i]
		}
	}
	h := s.main.host
	if r, ok := f.recv.(*hostValue); ok {
		h = r
	}
	switch {
	case f.b.Name == "help":
		return s.helpNames()
	case f.b.Name == "table.sort" || f.b.Name == "table.cols":
		if t, ok := f.recv.(*table.Table); ok {
			return t.FieldNames()
		}
		return nil
	case p == nil:
		return nil
	case p.Kind == registry.KindEndpoint:
		return s.endpoints()
	case p.Kind == registry.KindIP:
		return s.addresses()
	case p.Name == "dev" || p.Name == "dev_or_link" || p.Name == "iface":
		return h.ifaceNames()
	case p.Kind == registry.KindInFile || p.Kind == registry.KindOutFile || p.Kind == registry.KindOwnFile:
		return filename.Matching(prefix)
	case p.Kind == registry.KindCommand:
		return filename.Lines(prefix)
	case p.Name == "signal":
		return []string{"HUP", "INT", "KILL", "QUIT", "STOP", "CONT", "TERM", "USR1", "USR2"}
	case p.Name == "proto":
		return []string{"tcp", "udp"}
	case p.Name == "destination":
		return []string{"default"}
	case p.Name == "dir":
		return []string{"both", "rx", "tx"}
	case p.Name == "url":
		var urls []string
		for _, e := range s.endpoints() {
			urls = append(urls, "http://"+e+"/")
		}
		return urls
	}
	return nil
}

func (s *Session) helpNames() []string {
	names := make([]string, 0, len(s.reg.ByName))
	for n := range s.reg.ByName {
		names = append(names, n)
	}
	return names
}

func (h *hostValue) ifaceNames() []string {
	var names []string
	h.do(func(clock.Instant) {
		for _, i := range h.h.IfaceInfos() {
			names = append(names, i.Name)
		}
	})
	return names
}

// known returns the hosts of the shell's lab, sorted by name.
func (s *Session) known() []*hostValue {
	var hosts []*hostValue
	for _, h := range s.hosts {
		if h.w == s.home {
			hosts = append(hosts, h)
		}
	}
	slices.SortFunc(hosts, func(a, b *hostValue) int { return strings.Compare(a.name, b.name) })
	return hosts
}

// addresses returns the addresses of the known hosts, of their neighbours, and of their sockets' peers.
func (s *Session) addresses() []string {
	var list []string
	for _, h := range s.known() {
		usable := s.usable(h)
		add := func(a netip.Addr) {
			if usable(a) {
				list = append(list, a.String())
			}
		}
		own, last := h.addrs(nil, true)
		for _, a := range append(own, last...) {
			add(a)
		}
		h.do(func(now clock.Instant) {
			for _, n := range h.h.NeighborInfos(now) {
				add(n.Addr)
			}
			for _, k := range h.h.SocketInfos(now) {
				add(k.Remote.Addr())
			}
		})
	}
	return list
}

// usable returns a function that reports whether the shell's host can be given an address that h knows. The zone of a link-local address
// is an interface of h.
func (s *Session) usable(h *hostValue) func(a netip.Addr) bool {
	return func(a netip.Addr) bool {
		return a.IsValid() && !a.IsUnspecified() && (h == s.main.host || !a.Is6() || !a.IsLinkLocalUnicast())
	}
}

// endpoints returns endpoints to connect to: those at which the known hosts listen, and the peers of their sockets
// unless the port is ephemeral.
func (s *Session) endpoints() []string {
	const ephemeral = 32768
	var list []string
	for _, h := range s.known() {
		usable := s.usable(h)
		add := func(a netip.Addr, port uint16) {
			if usable(a) {
				list = append(list, netip.AddrPortFrom(a, port).String())
			}
		}
		own, last := h.addrs(nil, true)
		h.do(func(now clock.Instant) {
			for _, k := range h.h.SocketInfos(now) {
				if k.NetID != "tcp" && k.NetID != "udp" {
					continue
				}
				if r := k.Remote; r.IsValid() && r.Port() != 0 && r.Port() < ephemeral {
					add(r.Addr(), r.Port())
				}
				if k.Local.Port() == 0 || k.Remote.IsValid() && k.Remote.Port() != 0 {
					continue
				}
				at := k.Local.Addr()
				if at.IsValid() && !at.IsUnspecified() {
					add(at, k.Local.Port())
					continue
				}
				for _, a := range append(slices.Clone(own), last...) {
					if !at.IsValid() || at.Is4() == a.Is4() {
						add(a, k.Local.Port())
					}
				}
			}
		})
	}
	return list
}
