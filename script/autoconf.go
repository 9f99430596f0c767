package script

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// The column titles of the tables of addresses, and of what routers have advertised.
const (
	addrColumns   = "ADDRESS DEV SCOPE ORIGIN STATE PREFERRED VALID"
	routerColumns = "ADDRESS DEV PREFERENCE STATE EXPIRES"
	prefixColumns = "PREFIX DEV EXPIRES"
	dnsColumns    = "SERVER DOMAIN DEV ROUTER EXPIRES"
)

// autoconfBuiltins returns the tables of a host, and the same tables of one interface.
func autoconfBuiltins() (list []*builtin) {
	for _, b := range []builtin{
		{Name: "addrs", Fields: fieldsOf(addrColumns), See: "ifaces, routers, on",
			Doc:     "The addresses, their origin and state, and for how long they stay preferred and valid.",
			Example: `addrs().where(dev=ifaces()[0].name)[0].state`, Fn: addrsTable},
		{Name: "routers", Fields: fieldsOf(routerColumns), See: "routes, addrs, prefixes",
			Doc: "The default routers that have advertised themselves, with the state of the neighbour.", Example: `routers().sort("preference")`, Fn: routersTable},
		{Name: "prefixes", Fields: fieldsOf(prefixColumns), See: "routers, addrs",
			Doc: "The prefixes that routers have advertised to be on a link.", Example: `prefixes().cols("prefix", "expires")`, Fn: prefixesTable},
		{Name: "dns", Fields: fieldsOf(dnsColumns), See: "resolve, routers",
			Doc: "The DNS servers of --dns and dns.add, which are asked alone, and those of routers, with search domains.", Example: `[r.server for r in dns()]`, Fn: dnsTable},
	} {
		b.Result = "table"
		own := b
		own.Name, own.See, own.Example = "iface."+b.Name, b.Name, "ifaces()[0]."+b.Name+"()"
		b.Host = true
		list = append(list, &b, &own)
	}
	return list
}

// ofIface returns the host that the call concerns, and a function that reports whether the table has rows of an interface: all for
// a call of a host, one for a call of an interface.
func (c *call) ofIface() (h *hostValue, has func(dev string) bool) {
	if v, ok := c.recv.(*ifaceValue); ok {
		return v.h, func(dev string) bool { return dev == v.name }
	}
	return c.on(), func(string) bool { return true }
}

// lifetime returns a remaining lifetime for a table, None for one that does not end.
func lifetime(d time.Duration) starlark.Value {
	if d < 0 {
		return starlark.None
	}
	return registry.Seconds(d)
}

// showLifetime formats a lifetime, which may be seconds or weeks, in its two largest units.
func showLifetime(v starlark.Value) string {
	f, ok := starlark.AsFloat(v)
	if !ok {
		return ""
	}
	switch d := time.Duration(f * float64(time.Second)); {
	case d < time.Minute:
		return showSeconds(v)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

func addrsTable(c *call) (starlark.Value, error) {
	h, has := c.ofIface()
	var infos []stack.AddrInfo
	h.do(func(now clock.Instant) { infos = h.h.AddrInfos(now) })
	t := c.table(table.Columns(addrColumns)...)
	t.Columns[5].Show, t.Columns[6].Show = showLifetime, showLifetime
	t.Columns[5].Sparse, t.Columns[6].Sparse = true, true
	for _, a := range infos {
		if has(a.Dev) {
			t.Add(starlark.String(a.Prefix.String()), starlark.String(a.Dev), starlark.String(a.Scope), starlark.String(a.Origin.String()),
				starlark.String(a.State), lifetime(a.Preferred), lifetime(a.Valid))
		}
	}
	return t, nil
}

func routersTable(c *call) (starlark.Value, error) {
	h, has := c.ofIface()
	var infos []stack.RouterInfo
	t := c.table(table.Columns(routerColumns)...)
	h.do(func(now clock.Instant) { infos, t.Note = h.h.RouterInfos(now), h.noRouters() })
	t.Columns[4].Show = showLifetime
	for _, r := range infos {
		if has(r.Dev) {
			t.Add(registry.Address(r.Addr), starlark.String(r.Dev), starlark.String(r.Preference), word(r.State), lifetime(r.Expires))
		}
	}
	return t, nil
}

// noRouters explains why a host has heard of no router. The owner calls it.
func (h *hostValue) noRouters() string {
	speaks := false
	for _, i := range h.h.Ifaces() {
		speaks = speaks || i.IPv6() && !i.Loop()
	}
	switch {
	case !speaks:
		return "no interface speaks IPv6; ifaces()[0].set(ipv6=True) switches it on"
	case h.h.Forwarding():
		return h.name + " forwards packets itself, and learns nothing from other routers"
	}
	return "no router has advertised itself"
}

func prefixesTable(c *call) (starlark.Value, error) {
	h, has := c.ofIface()
	var infos []stack.PrefixInfo
	h.do(func(now clock.Instant) { infos = h.h.PrefixInfos(now) })
	t := c.table(table.Columns(prefixColumns)...)
	t.Columns[2].Show = showLifetime
	for _, p := range infos {
		if has(p.Dev) {
			t.Add(starlark.String(p.Prefix.String()), starlark.String(p.Dev), lifetime(p.Expires))
		}
	}
	return t, nil
}

func dnsTable(c *call) (starlark.Value, error) {
	h, has := c.ofIface()
	var infos []stack.DNSInfo
	h.do(func(now clock.Instant) { infos = h.h.DNSInfos(now) })
	t := c.table(table.Columns(dnsColumns)...)
	t.Columns[4].Show = showLifetime
	if _, one := c.recv.(*ifaceValue); !one {
		for _, a := range h.dns {
			t.Add(registry.Address(a), starlark.None, starlark.None, starlark.None, starlark.None)
		}
	}
	for _, d := range infos {
		if has(d.Dev) {
			t.Add(registry.Address(d.Server), word(d.Domain), starlark.String(d.Dev), registry.Address(d.Router), lifetime(d.Expires))
		}
	}
	return t, nil
}
