package script

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/cursor"
	"smolsh/script/filename"
	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// completeString completes a string by the values that the argument may have.
func (s *Session) completeString(text string, at cursor.Place) (from int, items []string, suffix string) {
	q := at.Quote
	quote := text[q : q+1]
	from = q + 1
	prefix := text[from:]
	c := at.Call
	switch {
	case strings.HasPrefix(prefix, quote):
		return len(text), nil, ""
	case at.Index != nil && strings.TrimSpace(text[at.Index.Arg:q]) == "":
		return from, cursor.Matching(prefix, s.keys(cursor.Primary(text[:at.Index.Open]))), quote
	case c == nil:
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
			items = cursor.Matching(prefix, s.fits(f, place{name, index, prefix, s.firstArgument(text, c)}))
			if f.takesFilter(name, index) {
				return from, items, "" // an expression may go on
			}
		}
		if p, ok := v.(packetvalue.Protocol); ok {
			items = cursor.Matching(prefix, s.fieldWords(p.Table, name))
		}
	}
	if len(items) == 1 && (strings.HasSuffix(items[0], "/") && !strings.Contains(items[0], "://") || strings.HasSuffix(items[0], "]:")) {
		return from, items, "" // a folder's files can be completed next, and an address's port
	}
	return from, items, quote
}

// keys returns the strings by which a value can be indexed: a dict's keys, and the values of a table's first column.
func (s *Session) keys(expr string) (items []string) {
	v, _ := s.lookUp(expr)
	switch v := v.(type) {
	case *table.Table:
		return columnValues(v, 0)
	case starlark.IterableMapping:
		for _, pair := range v.Items() {
			if k, ok := starlark.AsString(pair[0]); ok {
				items = append(items, k)
			}
		}
	}
	return items
}

// columnValues returns the strings in a table's column.
func columnValues(t *table.Table, column int) (items []string) {
	for _, r := range t.Rows {
		if v, ok := starlark.AsString(r.Values[column]); ok && v != "" {
			items = append(items, v)
		}
	}
	return items
}

// firstArgument returns the value of a call's first argument where completion can compute it, nil otherwise. It returns nil while
// the first argument is being typed.
func (s *Session) firstArgument(text string, c *cursor.Bracket) starlark.Value {
	first, _, ok := strings.Cut(text[c.Open+1:], ",")
	if !ok || c.Index == 0 {
		return nil
	}
	v, _ := s.lookUp(strings.TrimSpace(first))
	return v
}

// A place is a string argument that is being typed.
type place struct {
	name   string         // of a keyword argument, otherwise ""
	index  int            // number of a positional argument, otherwise -1
	prefix string         // text of the string so far
	first  starlark.Value // the call's first argument, nil if unknown
}

// param returns the parameter that an argument is for, nil if the builtin does not name it.
func (f *function) param(name string, index int) (p *registry.Param) {
	for i := range f.b.Params {
		if f.b.Params[i].Name == name || i == index && i < f.b.Positional {
			p = &f.b.Params[i]
		}
	}
	return p
}

// takesFilter reports whether an argument is a filter's expression, or a pattern, which may be one.
func (f *function) takesFilter(name string, index int) bool {
	p := f.param(name, index)
	return p != nil && (p.Name == "filter" || p.Kind == registry.KindPattern)
}

// hostFor returns the host from whose lab completion offers names and addresses: the one of a method, the first of a lab or of a
// station's, otherwise the one in use.
func (s *Session) hostFor(f *function) *hostValue {
	var l *labValue
	switch r := f.recv.(type) {
	case *hostValue:
		return r
	case *labValue:
		l = r
	case *switchValue:
		l = r.l
	case *stationValue:
		l = r.l
	case *endValue:
		l = r.v.l
	}
	if l != nil {
		if hosts := known(l); len(hosts) > 0 {
			return hosts[0]
		}
	}
	return s.main.host
}

// fits returns values that an argument of a builtin may have, by the argument's kind and name.
func (s *Session) fits(f *function, at place) []string {
	p, prefix, h := f.param(at.name, at.index), at.prefix, s.hostFor(f)
	t, _ := f.recv.(*table.Table)
	switch {
	case f.b.Name == "help":
		return s.helpNames()
	case t != nil && (f.b.Name == "table.sort" || f.b.Name == "table.cols"):
		return t.FieldNames()
	case t != nil && f.b.Name == "table.where" && p == nil:
		return valuesOf(t, at.name)
	case p == nil:
		if o, ok := optionsOf(f.b)[at.name]; ok {
			return o.values
		}
		return nil
	case f.takesFilter(at.name, at.index):
		return s.filterWords(h, prefix)
	case p.Kind == registry.KindEndpoint, f.b.Name == "station.tcp" && p.Name == "endpoint":
		return append(s.endpoints(h), h.zones(prefix)...)
	case p.Kind == registry.KindIP:
		return append(s.addresses(h), h.zones(prefix)...)
	case p.Kind == registry.KindHost:
		return hostNames(h.lab)
	case f.b.Name == "resolve" && p.Name == "name":
		return hostNames(h.lab)
	case p.Name == "dev" || p.Name == "dev_or_link" || p.Name == "iface":
		return h.ifaceNames()
	case p.Kind == registry.KindInFile || p.Kind == registry.KindOutFile || p.Kind == registry.KindOwnFile:
		return filename.Matching(prefix)
	case p.Kind == registry.KindCommand:
		return filename.Lines(prefix)
	case p.Name == "url":
		var urls []string
		for _, e := range s.endpoints(h) {
			urls = append(urls, "http://"+e+"/")
		}
		return urls
	case p.Name == "dir":
		if w, ok := at.first.(*linkValue); ok {
			return []string{"both", w.a + "->" + w.b, w.b + "->" + w.a}
		}
	}
	return vocabulary[p.Name]
}

// vocabulary has the words that an argument of a name may be.
var vocabulary = map[string][]string{
	"signal":      {"HUP", "INT", "KILL", "QUIT", "STOP", "CONT", "TERM", "USR1", "USR2"},
	"proto":       {"tcp", "udp"},
	"destination": {"default"},
	"flags":       {"A", "FA", "PA", "R", "RA", "S", "SA"},
	"dir":         {"both", "rx", "tx"},
	"event":       eventNames(),
	"type":        {"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"},
}

// valuesOf returns the strings of a table's column. Of drops() these are all reasons.
func valuesOf(t *table.Table, column string) (items []string) {
	i, err := t.ColumnIndex(column)
	if err != nil {
		return nil
	}
	if t.Builtin == "drops" && column == "reason" {
		for r := drop.None + 1; r < drop.NumReasons; r++ {
			items = append(items, r.String())
		}
	}
	return append(items, columnValues(t, i)...)
}

// zones returns the link-local or group address that prefix begins with, with each interface as its zone; nothing without a
// percent sign. After an open bracket the address is followed by the bracket and colon of an endpoint.
func (h *hostValue) zones(prefix string) (items []string) {
	address, _, ok := strings.Cut(prefix, "%")
	end := ""
	if bare, bracket := strings.CutPrefix(address, "["); bracket {
		address, end = bare, "]:"
	}
	if a, err := netip.ParseAddr(address); !ok || err != nil || !a.Is6() {
		return nil
	}
	for _, name := range h.ifaceNames() {
		item := address + "%" + name + end
		if end != "" {
			item = "[" + item
		}
		items = append(items, item)
	}
	return items
}

func (s *Session) helpNames() []string {
	names := topicsAndReasons()
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

// known returns the hosts of a lab, sorted by name.
func known(l *labValue) []*hostValue {
	hosts := l.hosts()
	slices.SortFunc(hosts, func(a, b *hostValue) int { return strings.Compare(a.name, b.name) })
	return hosts
}

// hostNames returns the names of a lab's hosts.
func hostNames(l *labValue) (names []string) {
	for _, h := range known(l) {
		names = append(names, h.name)
	}
	return names
}

// addresses returns the names and the addresses of the hosts of me's lab, and the addresses of their neighbours and of their
// sockets' peers.
func (s *Session) addresses(me *hostValue) []string {
	list := hostNames(me.lab)
	for _, h := range known(me.lab) {
		usable := h.usable(me)
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

// usable returns a function that reports whether the host me can be given an address that h knows. The zone of a link-local address
// is an interface of h.
func (h *hostValue) usable(me *hostValue) func(a netip.Addr) bool {
	return func(a netip.Addr) bool {
		return a.IsValid() && !a.IsUnspecified() && (h == me || !a.Is6() || !a.IsLinkLocalUnicast())
	}
}

// endpoints returns endpoints to connect to: those at which the hosts of me's lab listen, and the peers of their sockets
// unless the port is ephemeral.
func (s *Session) endpoints(me *hostValue) []string {
	const ephemeral = 32768
	var list []string
	for _, h := range known(me.lab) {
		usable := h.usable(me)
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
				if h != me {
					list = append(list, fmt.Sprintf("%s:%d", h.name, k.Local.Port()))
				}
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
