package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/dns"
)

// The column titles of the tables of records that have more than a name.
const (
	mxColumns  = "PREFERENCE HOST TTL"
	srvColumns = "PRIORITY WEIGHT PORT HOST TTL"
	soaColumns = "HOST MAILBOX SERIAL REFRESH RETRY EXPIRE MINIMUM TTL"
)

func resolveBuiltins() []*builtin {
	return append([]*builtin{{
		Name: "resolve", Sig: `name, type="A", server=None, timeout=`, Kinds: "str str ip duration", Host: true,
		Args: `name: the whole name, such as "www.example.org", or for PTR an address; type: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT; server: the DNS server to ask, ` +
			`None for those of --dns and dns.add, or else those of routers; timeout: time for all (by default each server has 5 s, twice)`,
		Result: "list", Fields: "addresses (A AAAA), names (CNAME NS PTR) or texts (TXT); MX, SRV and SOA: a table",
		Doc:     "Return the records of a name of DNS, or without server= the addresses of a host of the lab.",
		Example: `resolve("peer")`, See: "dns, dns.add, ping", Fn: builtinResolve,
	}}, nameserverBuiltins()...)
}

func builtinResolve(c *call) (starlark.Value, error) {
	h, name := c.on(), arg[string](c, "name")
	typ, ok := dns.ParseType(arg[string](c, "type"))
	if !ok {
		return nil, c.errorf("argument 2 (type) is one of %s, got %s", strings.Trim(fmt.Sprint(dns.Types()), "[]"), registry.Brief(starlark.String(arg[string](c, "type"))))
	}
	servers := h.nameservers()
	if c.Given("server") {
		a := arg[netip.Addr](c, "server")
		if err := stack.CheckStation(a); err != nil {
			return nil, c.errorf("argument 3 (server): %v is %v", a, err)
		}
		servers = []netip.AddrPort{netip.AddrPortFrom(a, dns.Port)}
	}
	address, addrErr := netip.ParseAddr(name)
	switch {
	case addrErr == nil && typ != dns.PTR:
		return nil, c.errorf(`%v is an address: resolve("%v", type="PTR") asks for its name`, address, address)
	case !c.Given("server"):
		list, err := c.knownHere(h, name, typ)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		if len(list) > 0 {
			return starlark.NewList(list), nil
		}
	}
	if addrErr == nil {
		name = dns.Reverse(address)
	}
	l, err := dns.NewLookup(name, typ, servers)
	if err == nil {
		if err := c.inquire(h, name, timeoutOf(c), l); err != nil {
			return nil, failed(c.t, c.b.Name, name, err)
		}
		var records []dns.Record
		if records, err = l.Result(); err == nil {
			return c.records(typ, records), nil
		}
	}
	return nil, c.errorf("%w", h.unresolved(err))
}

// knownHere returns the addresses, or for PTR the names, that need no DNS: localhost (RFC 6761 §6.3) and the hosts of the lab. The list
// is empty if it knows none; the error says that a host has no address of the family.
func (c *call) knownHere(h *hostValue, name string, typ dns.Type) (list []starlark.Value, err error) {
	var addrs []netip.Addr
	switch typ {
	case dns.PTR:
		a, err := netip.ParseAddr(name)
		if err != nil {
			return nil, nil
		}
		for _, other := range h.lab.hosts() {
			own, _ := other.addrs(nil, other == h)
			if slices.Contains(own, a.Unmap().WithZone("")) {
				list = append(list, starlark.String(other.name))
			}
		}
		return list, nil
	case dns.A, dns.AAAA:
		hosts := h.lab.hosts()
		k := slices.IndexFunc(hosts, func(other *hostValue) bool { return other.name == name })
		switch {
		case k >= 0:
			addrs, _ = hosts[k].addrs(c.networks(), false)
			h.do(func(clock.Instant) { addrs = h.h.SortDestinations(addrs) })
		case isLocalhost(name):
			addrs = loopbacks()
		default:
			return nil, nil
		}
	}
	for _, a := range addrs {
		if a.Is4() == (typ == dns.A) {
			list = append(list, registry.Address(a))
		}
	}
	if len(list) == 0 && (typ == dns.A || typ == dns.AAAA) {
		return nil, fmt.Errorf("host %s has no address of type %v", name, typ)
	}
	return list, nil
}

// isLocalhost reports whether a name is that of the host itself (RFC 6761 §6.3).
func isLocalhost(name string) bool {
	return strings.EqualFold(strings.TrimSuffix(name, "."), "localhost")
}

func loopbacks() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

// records converts the records of a type to a script's value, in the order of the answer.
func (c *call) records(typ dns.Type, records []dns.Record) starlark.Value {
	columns := map[dns.Type]string{dns.MX: mxColumns, dns.SRV: srvColumns, dns.SOA: soaColumns}[typ]
	t := c.table(table.Columns(columns)...)
	var list []starlark.Value
	for _, r := range records {
		host, ttl := starlark.String(r.Host), num(r.TTL)
		switch typ {
		case dns.A, dns.AAAA:
			list = append(list, registry.Address(r.Addr))
		case dns.TXT:
			list = append(list, starlark.String(r.Text))
		case dns.MX:
			t.Add(num(int(r.Preference)), host, ttl)
		case dns.SRV:
			t.Add(num(int(r.Preference)), num(int(r.Weight)), num(int(r.Port)), host, ttl)
		case dns.SOA:
			t.Add(host, starlark.String(r.Text), num(r.Serial), num(r.Refresh), num(r.Retry), num(r.Expire), num(r.Minimum), ttl)
		default:
			list = append(list, host)
		}
	}
	if columns != "" {
		return t
	}
	return starlark.NewList(list)
}

// unresolved adds to the error of a lookup what to do about it.
func (h *hostValue) unresolved(err error) error {
	var e *dns.Error
	if !errors.As(err, &e) {
		return err
	}
	advice := ""
	switch e.Kind {
	case dns.NoServer:
		advice = `dns.add("ADDRESS") or the flag --dns ADDRESS names one`
	case dns.NoName:
		if len(e.Aliases) > 0 {
			advice = otherServer(e.Name)
			break
		}
		advice = fmt.Sprintf("check its spelling, or ask another server: resolve(%q, server=\"ADDRESS\")", e.Name)
	case dns.NoData:
		advice = fmt.Sprintf("it may have others: resolve(%q, type=%q)", e.Name, likelyBeside(e.Type))
	case dns.ServerFailed, dns.Malformed, dns.AliasLoop, dns.TooManyAliases:
		advice = otherServer(e.Name)
	case dns.NoAnswer:
		at := e.Server.Addr()
		if e.Err != nil {
			copied := *e
			if copied.Err = h.explain(at, e.Err); copied.Err == task.ErrTimedOut && e.Asks > 1 {
				copied.Err = fmt.Errorf("%w, asked %d times", task.ErrTimedOut, e.Asks)
			}
			err = &copied
		}
		switch {
		case e.Strays.Total() > 0: // so the server is reached
			advice = fmt.Sprintf(`trace("port 53") shows these; resolve(%q, server="ADDRESS") asks another server`, e.Name)
		case wasReached(e.Err):
			advice = otherServer(e.Name)
		case at.IsValid():
			advice = fmt.Sprintf("ping(%q) shows whether it is reached", at)
		}
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// likelyBeside returns the type of which a name has records most likely, if it has none of another type.
func likelyBeside(typ dns.Type) dns.Type {
	switch typ {
	case dns.A:
		return dns.AAAA
	case dns.PTR:
		return dns.CNAME // of a delegation smaller than an octet (RFC 2317)
	case dns.SRV:
		return dns.TXT // of a service (RFC 6763 §6)
	}
	return dns.A
}

// otherServer returns the advice to ask another server for a name.
func otherServer(name string) string {
	return fmt.Sprintf("another server may know it: resolve(%q, server=\"ADDRESS\")", name)
}

// Lookup implements registry.Caller. It returns the addresses of localhost, or those of a name in DNS, in the order in which the host of
// the call should try them. It asks for the families of the host's own addresses, and for both if the host has none. Without a server
// it refuses a name with a dot, and returns none for another one.
func (c *call) Lookup(name string) ([]netip.Addr, error) {
	if c.t == nil {
		return nil, errHostHere
	}
	h := c.asking()
	switch {
	case h != nil && isLocalhost(name):
		return h.tried(loopbacks(), nil), nil
	case !dns.IsName(name) || numeric(name):
		return nil, nil
	case h == nil && !strings.Contains(name, "."):
		return nil, nil
	case h == nil:
		return nil, &registry.LookupError{Err: errors.New("a name of DNS can't stand here: no host asks for it")}
	}
	servers := h.nameservers()
	if len(servers) == 0 && !strings.Contains(name, ".") {
		return nil, nil
	}
	addrs, err := c.lookupAddrs(h, name, servers)
	if err != nil {
		return nil, &registry.LookupError{Err: err}
	}
	return h.tried(addrs, nil), nil
}

// numeric reports whether the last label of a name has digits alone, so that it is meant as an address (RFC 1123 §2.1).
func numeric(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == ""
}

// lookupAddrs asks DNS for a name's addresses of the families that the host speaks, at the same time.
func (c *call) lookupAddrs(h *hostValue, name string, servers []netip.AddrPort) (addrs []netip.Addr, err error) {
	var looks []*dns.Lookup
	for _, typ := range h.addressTypes() {
		l, err := dns.NewLookup(name, typ, servers)
		if err != nil {
			return nil, h.unresolved(err)
		}
		looks = append(looks, l)
	}
	if err := c.inquire(h, name, task.Forever, looks...); err != nil {
		return nil, err
	}
	var failure *dns.Error
	none := 0 // types of which the name has no record
	for _, l := range looks {
		records, err := l.Result()
		for _, r := range records {
			addrs = append(addrs, r.Addr)
		}
		var e *dns.Error
		if !errors.As(err, &e) {
			continue
		}
		if failure == nil || failure.Kind == dns.NoData {
			failure = e
		}
		if e.Kind == dns.NoData {
			none++
		}
	}
	switch {
	case len(addrs) > 0:
		return addrs, nil
	case none > 1: // of both families
		return nil, fmt.Errorf("%w, nor one of type %v", failure, likelyBeside(failure.Type))
	}
	return nil, h.unresolved(failure)
}

// addressTypes returns the types of records to ask for: those of the families of which the host has addresses beyond its links, and both
// if it has none.
func (h *hostValue) addressTypes() (types []dns.Type) {
	own, _ := h.addrs(nil, false)
	for _, typ := range []dns.Type{dns.AAAA, dns.A} {
		if slices.ContainsFunc(own, func(a netip.Addr) bool { return a.Is4() == (typ == dns.A) }) {
			types = append(types, typ)
		}
	}
	if len(types) == 0 {
		return []dns.Type{dns.AAAA, dns.A}
	}
	return types
}
