package script

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

// The column titles of the tables.
const (
	ifaceColumns    = "NAME MEDIUM STATE MTU HWADDR ADDRESSES RX-PACKETS RX-BYTES RX-DROPPED TX-PACKETS TX-BYTES TX-DROPPED IPV6"
	neighborColumns = "ADDRESS DEV HWADDR STATE AGE EXPIRES PROBES QUEUED ROUTER"
	routeColumns    = "DESTINATION GATEWAY DEV PROTO PREFERENCE EXPIRES STATE"
	socketColumns   = "NETID STATE RECV-Q SEND-Q LOCAL PEER TIMER"
	counterColumns  = "NAME VALUE"
	dropColumns     = "REASON COUNT LAST EXAMPLE"
	limitColumns    = "NAME USED LIMIT REFUSED PAID-BY ABOUT"
	taskColumns     = "ID NAME STATE WAITING-FOR"
)

// fieldsOf returns the names of a row's fields for these column titles.
func fieldsOf(columns string) string { return table.FieldName(columns) }

func stateBuiltins() []*builtin {
	return []*builtin{
		{Name: "ifaces", Result: "table", Fields: fieldsOf(ifaceColumns), Host: true, See: "addrs, routes, neighbors, routers",
			Doc: "The interfaces, their addresses and packet counts, and whether they speak IPv6.", Example: `ifaces()[0].mtu`, Fn: ifacesTable},
		{Name: "neighbors", Result: "table", Fields: fieldsOf(neighborColumns), Host: true, See: "arp, ifaces, ndping",
			Doc: "The neighbours of both families whose hardware addresses are known or requested, and which are routers.", Example: `neighbors().cols("address", "state")`, Fn: neighborsTable},
		{Name: "neighbors.add", Sig: "address, hwaddr, dev=None", Kinds: "ip mac any", Args: "address: an IP address, if link-local with its interface (\"fe80::1%eth0\"); hwaddr: the hardware address", Host: true,
			Doc: "Add a permanent entry.", Example: `neighbors.add("192.168.69.7", "02:00:00:00:00:77")`, Fn: neighborAdd},
		{Name: "neighbors.delete", Sig: "address, dev=None", Kinds: "ip any", Host: true,
			Doc: "Delete an entry.", Example: `ping("192.168.69.100", count=1); neighbors.delete("192.168.69.100")`, Fn: neighborDelete},
		{Name: "neighbors.flush", Sig: "dev=None", Kinds: "any", Host: true,
			Doc: "Delete every entry except permanent ones.", Example: `neighbors.flush()`, Fn: neighborFlush},
		{Name: "routes", Result: "table", Fields: fieldsOf(routeColumns), Host: true, See: "routers, prefixes",
			Doc: "The routes: connected, static, from routers (ra) and redirects. STATE is that of an interface that is down.", Example: `routes()[0].destination`, Fn: routesTable},
		{Name: "routes.add", Sig: "destination, gateway=None, dev=None", Kinds: "str ip any", Args: `destination: a network, "10.0.0.0/8", or "default"`, Host: true,
			Doc: `Add a route; "default" stands for 0.0.0.0/0, or ::/0 with a gateway of IPv6.`, Example: `routes.add("10.0.0.0/8", "192.168.69.100")`, Fn: routeAdd},
		{Name: "routes.delete", Sig: "destination, gateway=None", Kinds: "str ip", Args: `destination: a network, "10.0.0.0/8", or "default"; gateway: the gateway, for the route of one of two families`, Host: true,
			Doc: "Remove a static route.", Example: `routes.add("10.0.0.0/8", "192.168.69.100"); routes.delete("10.0.0.0/8")`, Fn: routeDelete},
		{Name: "sockets", Sig: "info=False", Kinds: "bool", Args: "info: whether to add TCP's variables", Result: "table", Fields: fieldsOf(socketColumns), Host: true,
			Doc: "The sockets; info=True adds TCP's variables, those of conn.info().", Example: `sockets(info=True).where(state="ESTABLISHED")`, Fn: socketsTable},
		{Name: "counters", Sig: "since=False", Kinds: "bool", Args: "since: whether to show increments since this task's last call", Result: "table", Fields: fieldsOf(counterColumns), Host: true,
			Doc: "MIB counters, also accessible by name.", Example: `counters()["IpInReceives"]`, Fn: countersTable},
		{Name: "drops", Result: "table", Fields: fieldsOf(dropColumns), Host: true,
			Doc: `Packets not delivered, or answered with an error, counted by reason; help("nd conflict") explains one.`, Example: `drops().sort("count")`, Fn: dropsTable},
		{Name: "limits", Result: "table", Fields: fieldsOf(limitColumns), Host: true, See: "sockets, neighbors, drops",
			Doc: "The host's limits, their present use, the refusals, and the peer that was refused last.", Example: `limits()["connections"].used`, Fn: limitsTable},
		{Name: "limits.set", Sig: limitSig(), Kinds: limitKinds(), Args: limitArgs(), Host: true,
			Doc: "Change limits; entries beyond a lower limit stay.", Example: `limits.set(connections=100, buffers=64 * 1024 * 1024)`, Fn: limitsSet},
		{Name: "tasks", Result: "table", Fields: fieldsOf(taskColumns),
			Doc: "The tasks that have not ended.", Example: `tasks()[0].name`, Fn: tasksTable},
	}
}

// table returns an empty table with columns, labelled with the builtin's name and receiver.
func (c *call) table(cols ...table.Column) *table.Table {
	return table.New(environment{c.s}, c.b.Name, c.recv, cols...)
}

func num[T int | uint64 | uint32](n T) starlark.Value { return starlark.MakeUint64(uint64(n)) }

// showSeconds formats a duration for a table: "12.4s".
func showSeconds(v starlark.Value) string {
	f, ok := starlark.AsFloat(v)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.1fs", f)
}

// showIf returns a format of bools: the word for True, nothing for False.
func showIf(word string) func(starlark.Value) string {
	return func(v starlark.Value) string {
		if v.Truth() {
			return word
		}
		return ""
	}
}

func addrs(ps []netip.Prefix) *starlark.List {
	list := make([]starlark.Value, len(ps))
	for i, p := range ps {
		list[i] = starlark.String(p.String())
	}
	return starlark.NewList(list)
}

func ifacesTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.IfaceInfo
	h.do(func(clock.Instant) { infos = h.h.IfaceInfos() })
	t := c.table(table.Columns(ifaceColumns)...)
	t.Columns[12].Sparse = true
	for _, i := range infos {
		var hw starlark.Value = starlark.String(i.MAC.String())
		if i.MAC.IsZero() {
			hw = starlark.None
		}
		r := t.Add(starlark.String(i.Name), starlark.String(i.Medium), starlark.String(i.State), num(i.MTU), hw,
			addrs(i.Addrs), num(i.RxPackets), num(i.RxBytes), num(i.RxDropped), num(i.TxPackets), num(i.TxBytes), num(i.TxDropped),
			starlark.Bool(i.IPv6))
		r.Actions, r.About = "iface", &ifaceValue{h, i.Name}
	}
	return t, nil
}

func neighborsTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.NeighborInfo
	t := c.table(table.Columns(neighborColumns)...)
	h.do(func(now clock.Instant) { infos, t.Note = h.h.NeighborInfos(now), noneAnywhere(h.h.Ifaces()) })
	t.Columns[4].Show, t.Columns[5].Show, t.Columns[8].Show = showSeconds, showSeconds, showIf("router")
	t.Columns[8].Sparse = true
	for _, n := range infos {
		var hw, expires starlark.Value = starlark.None, starlark.None
		if !n.HW.IsZero() {
			hw = starlark.String(n.HW.String())
		}
		if n.Expires >= 0 {
			expires = registry.Seconds(n.Expires)
		}
		t.Add(registry.Address(n.Addr), starlark.String(n.Dev), hw, starlark.String(n.State), registry.Seconds(n.Age), expires,
			num(n.Probes), num(n.Queued), starlark.Bool(n.Router))
	}
	return t, nil
}

// noNeighbors explains why an interface has no neighbours.
func noNeighbors(i *stack.Iface) string {
	return i.Name() + " carries bare IP packets, so there are no neighbours on it"
}

// noneAnywhere explains why a host has no neighbours; it returns "" if the host may have some.
func noneAnywhere(ifaces []*stack.Iface) (why string) {
	for _, i := range ifaces {
		if i.Medium() == phy.MediumEthernet {
			return ""
		}
		why = noNeighbors(i)
	}
	return why
}

// devFor returns the interface that dev= names, or the interface that can reach addr.
func (c *call) devFor(h *hostValue, addr netip.Addr) (*stack.Iface, error) {
	name := ""
	switch v := c.Values[c.b.Index("dev")].(type) {
	case nil:
	case starlark.String:
		name = string(v)
	case *table.Row:
		if i, ok := v.About.(*ifaceValue); ok {
			name = i.name
		}
	default:
		return nil, c.errorf("dev is an interface's name or row, got %s %v", v.(starlark.Value).Type(), v)
	}
	if name == "" && addr.Is6() && (addr.IsLinkLocalUnicast() || addr.Zone() != "") {
		var err error
		h.do(func(clock.Instant) { addr, err = h.h.Scoped(addr) })
		if err != nil && addr.Zone() == "" {
			return nil, failed(c.t, c.b.Name, addr, err)
		}
		name = addr.Zone()
	}
	var found *stack.Iface
	h.do(func(clock.Instant) {
		for n, info := range h.h.IfaceInfos() {
			if info.Name == name {
				found = h.h.Ifaces()[n]
			}
			for _, p := range info.Addrs {
				if name == "" && found == nil && p.Contains(addr) {
					found = h.h.Ifaces()[n]
				}
			}
		}
	})
	if found == nil && name != "" {
		return nil, c.errorf("%v", h.noIface(name))
	}
	return found, nil
}

// noIface returns the error for an unknown interface. The error suggests the name that was probably meant.
func (h *hostValue) noIface(name string) error {
	var names []string
	h.do(func(clock.Instant) {
		for _, i := range h.h.IfaceInfos() {
			names = append(names, i.Name)
		}
	})
	if n := suggest.Nearest(name, names); n != "" {
		return fmt.Errorf("%s has no interface %s (did you mean %s?)", h.name, name, n)
	}
	return fmt.Errorf("%s has no interface %s: there are %s", h.name, name, strings.Join(names, " "))
}

func neighborAdd(c *call) (starlark.Value, error) {
	h, a := c.on(), arg[netip.Addr](c, "address")
	dev, err := c.devFor(h, a)
	if err != nil {
		return nil, err
	}
	if dev == nil {
		return nil, c.errorf("%v: no interface is on its network; say dev=", a)
	}
	if dev.Medium() != phy.MediumEthernet {
		return nil, c.errorf("%v: %s", a, noNeighbors(dev))
	}
	h.do(func(now clock.Instant) { err = dev.AddNeighbor(now, a, c.Values[1].(hardwareAddr)) })
	return starlark.None, failed(c.t, c.b.Name, a, err)
}

func neighborDelete(c *call) (starlark.Value, error) {
	h, a := c.on(), arg[netip.Addr](c, "address")
	dev, err := c.devFor(h, a)
	if err != nil {
		return nil, err
	}
	if dev == nil {
		return nil, c.errorf("%v: no interface is on its network; say dev=", a)
	}
	h.do(func(now clock.Instant) { err = dev.DelNeighbor(now, a) })
	return starlark.None, failed(c.t, c.b.Name, a, err)
}

func neighborFlush(c *call) (starlark.Value, error) {
	h := c.on()
	dev, err := c.devFor(h, netip.Addr{})
	if err != nil {
		return nil, err
	}
	h.do(func(now clock.Instant) {
		for _, i := range h.h.Ifaces() {
			if dev == nil || i == dev {
				i.FlushNeighbors(now)
			}
		}
	})
	return starlark.None, nil
}

func routesTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.RouteInfo
	var at clock.Instant
	h.do(func(now clock.Instant) { infos, at = h.h.RouteInfos(), now })
	t := c.table(table.Columns(routeColumns)...)
	t.Columns[5].Show = showLifetime
	t.Columns[4].Sparse, t.Columns[5].Sparse, t.Columns[6].Sparse = true, true, true
	for _, r := range infos {
		expires := starlark.Value(starlark.None)
		if r.Expires != clock.Never {
			expires = registry.Seconds(max(0, r.Expires.Sub(at)))
		}
		t.Add(starlark.String(r.Dst.String()), registry.Address(r.Gateway), starlark.String(r.Dev), starlark.String(r.Proto), word(r.Preference), expires, word(strings.TrimPrefix(r.State, "UP")))
	}
	return t, nil
}

// word returns a string for a table, None for "".
func word(s string) starlark.Value {
	if s == "" {
		return starlark.None
	}
	return starlark.String(s)
}

// destination returns the destination of a route. "default" is of the family of the gateway gw, if there is one.
func (c *call) destination(gw netip.Addr) (netip.Prefix, error) {
	s := arg[string](c, "destination")
	switch {
	case s == "default" && gw.Is6():
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
	case s == "default":
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, c.errorf("%v is on the link of %s, and needs no route", a, a.Zone())
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, c.errorf(`argument 1 (destination) is a network such as "10.0.0.0/8" or "fd00::/8", or "default", got %q`, s)
	}
	if p != p.Masked() {
		return p, c.errorf("%v has bits beyond its length %d: write %v for the network, %v for the address", p, p.Bits(), p.Masked(), p.Addr())
	}
	return p, nil
}

func routeAdd(c *call) (starlark.Value, error) {
	h, gw := c.on(), arg[netip.Addr](c, "gateway")
	dst, err := c.destination(gw)
	if err != nil {
		return nil, err
	}
	dev, err := c.devFor(h, netip.Addr{})
	if err != nil {
		return nil, err
	}
	if !gw.IsValid() && dev == nil {
		return nil, c.errorf("%v needs a gateway or dev=", dst)
	}
	if gw.IsValid() && gw.Is4() != dst.Addr().Is4() {
		return nil, c.errorf("%v and the gateway %v are of different families", dst, gw)
	}
	h.do(func(clock.Instant) { err = h.h.AddRoute(dst, gw, dev) })
	return starlark.None, failed(c.t, c.b.Name, dst, err)
}

func routeDelete(c *call) (starlark.Value, error) {
	h, gw := c.on(), arg[netip.Addr](c, "gateway")
	dst, err := c.destination(gw)
	if err != nil {
		return nil, err
	}
	if arg[string](c, "destination") == "default" && !gw.IsValid() {
		dst = h.staticDefault()
	}
	if gw.IsValid() && !h.hasRoute(dst, gw) {
		return nil, failed(c.t, c.b.Name, fmt.Sprintf("%v via %v", dst, gw), stack.ErrNotFound)
	}
	h.do(func(clock.Instant) { err = h.h.DelRoute(dst) })
	return starlark.None, failed(c.t, c.b.Name, dst, err)
}

// hasRoute reports whether a route to dst by the gateway gw was added by hand.
func (h *hostValue) hasRoute(dst netip.Prefix, gw netip.Addr) (found bool) {
	h.do(func(clock.Instant) {
		for _, r := range h.h.RouteInfos() {
			found = found || r.Dst == dst && r.Proto == stack.RouteStatic && r.Gateway.WithZone("") == gw.WithZone("")
		}
	})
	return found
}

// staticDefault returns the default route that was added by hand. If there are two, it is that of IPv4.
func (h *hostValue) staticDefault() netip.Prefix {
	dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	h.do(func(clock.Instant) {
		for _, r := range h.h.RouteInfos() {
			if r.Dst.Bits() == 0 && r.Proto == stack.RouteStatic {
				dst = r.Dst
				return
			}
		}
	})
	return dst
}

func countersTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.CounterInfo
	h.do(func(clock.Instant) { infos = h.h.CounterInfos() })
	t := c.table(table.Columns(counterColumns)...)
	if !arg[bool](c, "since") {
		for _, n := range infos {
			t.Add(starlark.String(n.Name), num(n.Value))
		}
		return t, nil
	}
	last := c.t.counted[h]
	seen := make(map[string]uint64, len(infos))
	for _, n := range infos {
		seen[n.Name] = n.Value
		// The difference may be negative, since TcpCurrEstab also decreases.
		if d := int64(n.Value - last[n.Name]); d != 0 {
			t.Add(starlark.String(n.Name), starlark.MakeInt64(d))
		}
	}
	if c.t.counted == nil {
		c.t.counted = map[*hostValue]map[string]uint64{}
	}
	c.t.counted[h] = seen
	return t, nil
}

func dropsTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.DropInfo
	var at clock.Instant
	h.do(func(now clock.Instant) { infos, at = h.h.DropInfos(), now })
	t := c.table(table.Columns(dropColumns)...)
	t.Columns[2].Show = showSeconds
	for _, d := range infos {
		t.Add(starlark.String(d.Reason.String()), num(d.Count), registry.Seconds(at.Sub(d.Last)),
			starlark.String(packet.Summary(d.Example, d.Medium)))
	}
	return t, nil
}

func tasksTable(c *call) (starlark.Value, error) {
	t := c.table(table.Columns(taskColumns)...)
	for _, u := range c.s.tasks.All() {
		state := "waiting"
		switch {
		case u == c.t.Task:
			state = "running"
		case u.Waiting() == "":
			state = "ready"
		}
		t.Add(num(u.ID), starlark.String(u.Name), starlark.String(state), starlark.String(u.Waiting()))
	}
	return t, nil
}

// timer formats the timer that fires next for a table: "time-wait 9.2s".
func timer(name string, left time.Duration) string {
	switch name {
	case "":
		return ""
	case "timewait":
		name = "time-wait"
	}
	if left < time.Second {
		return fmt.Sprintf("%s %.0fms", name, float64(left)/1e6)
	}
	return fmt.Sprintf("%s %.1fs", name, left.Seconds())
}

func socketsTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.SocketInfo
	h.do(func(now clock.Instant) { infos = h.h.SocketInfos(now) })
	t := c.table(table.Columns(socketColumns)...)
	info := arg[bool](c, "info")
	if info {
		t.Detail = len(t.Columns)
		t.Columns = append(t.Columns, infoColumns()...)
	}
	for _, s := range infos {
		tm := ""
		if s.TCP != nil {
			tm = timer(s.TCP.Timer, s.TCP.TimerLeft)
		}
		vals := []starlark.Value{starlark.String(s.NetID), starlark.String(s.State), num(s.RecvQ), num(s.SendQ),
			starlark.String(socketAddr(s.NetID, s.Local)), starlark.String(socketAddr(s.NetID, s.Remote)), starlark.String(tm)}
		if info {
			vals = append(vals, infoValues(s.TCP)...)
		}
		t.Add(vals...)
	}
	return t, nil
}

// socketAddr returns a socket's address as ss shows it; the port of a socket for frames is its Ethernet type.
func socketAddr(netid string, ap netip.AddrPort) string {
	if netid == "frames" && ap.Port() != 0 {
		return fmt.Sprintf("*:0x%04x", ap.Port())
	}
	return registry.SocketAddress(ap)
}
