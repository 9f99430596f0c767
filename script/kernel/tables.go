package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/table"
)

// The column titles of the kernel's tables. Columns with the names of our own tables have the same meaning.
const (
	ssColumns       = "NETID STATE RECV-Q SEND-Q LOCAL PEER TIMER UID"
	routeColumns    = "DESTINATION GATEWAY DEV PROTO METRIC"
	neighborColumns = "ADDRESS DEV HWADDR STATE ROUTER"
	ifaceColumns    = "NAME MEDIUM STATE MTU HWADDR ADDRESSES RX-PACKETS RX-BYTES RX-DROPPED TX-PACKETS TX-BYTES TX-DROPPED"
)

// tables are the builtins that return the state of the operating system's stack.
var tables = []registry.Builtin[*Call]{
	{Name: "kernel.ss", Result: "table", Fields: table.FieldName(ssColumns), See: "sockets, kernel.tcp.connect",
		Doc: "The operating system's TCP and UDP sockets, of both families.", Example: `l = kernel.tcp.listen(8080); kernel.ss().where(state="LISTEN")`, Fn: sockets},
	{Name: "kernel.routes", Result: "table", Fields: table.FieldName(routeColumns), See: "routes",
		Doc: "The operating system's main routing table, of both families.", Example: `kernel.routes()[0].dev`, Fn: routes},
	{Name: "kernel.neighbors", Result: "table", Fields: table.FieldName(neighborColumns), See: "neighbors",
		Doc: "The operating system's neighbours, of both families.", Example: `ping("192.168.69.100", count=1); kernel.neighbors().where(address="192.168.69.1")[0].hwaddr`, Fn: neighbors},
	{Name: "kernel.ifaces", Result: "table", Fields: table.FieldName(ifaceColumns), See: "ifaces",
		Doc: "The operating system's interfaces with their addresses and packet counts.", Example: `kernel.ifaces()["lo"].mtu`, Fn: ifaces},
}

// A socketRow is one socket of the operating system.
type socketRow struct {
	netid, state  string
	recvQ, sendQ  uint32
	local, remote netip.AddrPort // the zero Addr stands for all addresses of both families
	timer         string
	uid           uint32
}

// table returns an empty table of the call's builtin.
func (c *Call) table(columns string) *table.Table {
	return table.New(c.stack().env, c.Name, c.Recv, table.Columns(columns)...)
}

func sockets(c *Call) (starlark.Value, error) {
	rows, err := listSockets()
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	t := c.table(ssColumns)
	for _, r := range rows {
		t.Add(starlark.String(r.netid), starlark.String(r.state), num(r.recvQ), num(r.sendQ), starlark.String(registry.SocketAddress(r.local)),
			starlark.String(registry.SocketAddress(r.remote)), starlark.String(r.timer), num(r.uid))
	}
	return t, nil
}

// A routeRow is one way of a route.
type routeRow struct {
	dst     netip.Prefix
	gateway netip.Addr // the zero Addr if there is none
	dev     string
	proto   string
	metric  int
}

func routes(c *Call) (starlark.Value, error) {
	rows, err := listRoutes()
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	t := c.table(routeColumns)
	for _, r := range rows {
		t.Add(starlark.String(r.dst.String()), registry.Address(r.gateway), starlark.String(r.dev), starlark.String(r.proto), num(r.metric))
	}
	return t, nil
}

// A neighborRow is one neighbour.
type neighborRow struct {
	addr   netip.Addr
	dev    string
	hw     string // "" if it is not known
	state  string
	router bool
}

func neighbors(c *Call) (starlark.Value, error) {
	rows, err := listNeighbors()
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	t := c.table(neighborColumns)
	t.Columns[4].Sparse = true
	for _, r := range rows {
		t.Add(registry.Address(r.addr), starlark.String(r.dev), word(r.hw), starlark.String(r.state), starlark.Bool(r.router))
	}
	return t, nil
}

// An ifaceRow is one interface.
type ifaceRow struct {
	name, medium, state string
	mtu                 int
	hw                  string // "" if it has none
	addrs               []netip.Prefix
	rx, tx              [3]uint64 // packets, octets, packets dropped
}

func ifaces(c *Call) (starlark.Value, error) {
	rows, err := listIfaces()
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	t := c.table(ifaceColumns)
	for _, r := range rows {
		addrs := make([]starlark.Value, len(r.addrs))
		for i, p := range r.addrs {
			addrs[i] = starlark.String(p.String())
		}
		t.Add(starlark.String(r.name), starlark.String(r.medium), starlark.String(r.state), num(r.mtu), word(r.hw), starlark.NewList(addrs),
			num(r.rx[0]), num(r.rx[1]), num(r.rx[2]), num(r.tx[0]), num(r.tx[1]), num(r.tx[2]))
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

// address converts an address of package net, the zero Addr for none. A link-local address of IPv6 gets the interface as its zone.
func address(ip net.IP, dev string) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	if a = a.Unmap(); a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(dev)
	}
	return a
}

// prefix converts a network of package net; ok is false if it is none.
func prefix(n *net.IPNet) (p netip.Prefix, ok bool) {
	if n == nil {
		return p, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	if a.Is4In6() && len(n.Mask) == net.IPv4len {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits), ok
}

// timerWords are the names of the timers of inet_diag's idiag_timer.
var timerWords = []string{1: "on", 2: "keepalive", 3: "time-wait", 4: "persist"}

// timerText returns a timer as the tables of our own sockets show it: "on 200ms".
func timerText(timer uint8, left time.Duration) string {
	switch {
	case timer == 0 || int(timer) >= len(timerWords):
		return ""
	case left < time.Second:
		return fmt.Sprintf("%s %dms", timerWords[timer], left.Milliseconds())
	}
	return fmt.Sprintf("%s %.1fs", timerWords[timer], left.Seconds())
}
