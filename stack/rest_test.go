package stack

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"smolsh/stack/clock"
	"smolsh/stack/mib"
	"smolsh/stack/reassembly"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// notHeld maps a field, by struct and name, to the reason why it may have any value at rest.
var notHeld = map[string]string{
	"Host.name": "configuration", "Host.cfg": "configuration", "Host.limits": "configuration", "netLayer.forwarding": "configuration",
	"netLayer.ifaces": "configuration; each interface is checked", "netLayer.zones": "the interfaces by name", "netLayer.loop": "one of the interfaces", "netLayer.localAddrs": "configuration: addresses",
	"netLayer.gateways": "no more than learned routes", "netLayer.redirects": "at most maxRedirects", "netLayer.policy": "configuration",
	"netLayer.chosen": "one result, for reuse", "netLayer.found": "one result, for reuse", "netLayer.lastLabel": "one result, for reuse",
	"netLayer.candidates": "as many as addresses, for reuse", "Iface.v6": "TestRestNames covers its parts",
	"netLayer.routes": "configuration", "netLayer.epoch": "a version number", "tcpShared.hooks": "functions of the host itself",
	"watchers.onConflict": "the user's subscription", "watchers.observers": "the user's subscriptions", "watchers.payloadObservers": "a count of the user's subscriptions",
	"watchers.listeners": "the user's subscriptions", "Host.rng": "a generator", "Host.secret": "a key", "netLayer.fragmentIDs": "256 numbers",
	"socketTable.recentFlow": "a key, good only with recent", "socketTable.lastID": "a number", "portTable.last": "two numbers",
	"tcpShared.config": "the last configuration, at most one", "framePools.scratch": "one frame, for reuse", "framePools.small": "its bound is the pool's own",
	"framePools.large": "its bound is the pool's own", "Host.icmpErrors": "a token bucket", "tcpShared.cookies": "two keys", "tcpShared.challenge": "a budget",
	"hostStatistics.counters": "they only grow, but for TcpCurrEstab, which TestRestNames covers", "hostStatistics.verdicts": "they only grow",
	"hostStatistics.drops": "they only grow, each with one example", "hostStatistics.refusals": "they only grow",

	"portTable.avoided": "configuration", "watchers.onPort": "the owner's subscription", "Iface.shared": "configuration",
	"socketTable.peakConns": "a number, which ShrinkMap bounds", "watchers.onWork": "the runner's subscription", "watchers.work": "a flag", "watchers.onMAC": "the runner's subscription",
	"memoryPools.spare": "at most maxSpareMemoryUse, for reuse", "portTable.spare": "at most one, for reuse", "pool.idle": "at most one", "pool.peers": "no more than order has, and idle",
	"portSet.words": "nil while n is 0", "roll.places": "as many as members, or twice", "roll.at": "nil while the roll is short", "roll.walks": "a depth of calls",
	"Table.peak": "a number, which ShrinkMap bounds", "tcpShared.peakDoubts": "a number, which ShrinkMap bounds",

	"tcpShared.rxSeg": "the last segment, whose frame is its caller's", "tcpShared.txSeg": "the last segment", "Heap.order": "a number",

	"Iface.host": "its host", "Iface.name": "configuration", "Iface.caps": "configuration", "Iface.mac": "configuration", "Iface.mtu": "configuration",
	"ifaceAddresses.list": "configuration", "ifaceAddresses.subnets": "configuration", "ifaceAddresses.duplicates": "at most maxDuplicates", "ifaceAddresses.defended": "an instant for each of its own addresses, at most", "Iface.index": "configuration", "Iface.loop": "configuration", "Iface.hidden": "configuration",
	"Iface.up": "configuration", "Iface.off": "configuration", "Iface.linkDown": "configuration", "ifaceGroups.v1Until": "an instant",
	"Iface.neigh": "a cache of its own, which TestRestNames covers", "ifaceQueues.tcpTurn": "a flag",
	"ifaceStatistics.rxPackets": "it only grows", "ifaceStatistics.rxBytes": "it only grows", "ifaceStatistics.rxDropped": "it only grows",
	"ifaceStatistics.txPackets": "it only grows", "ifaceStatistics.txBytes": "it only grows", "ifaceStatistics.txDropped": "it only grows",
	"fifo.items": "a ring for reuse, bounded by its limit", "fifo.head": "a place in the ring", "readyList.last": "nil while n is 0",
	"readyList.first": "nil while n is 0",
}

// TestRestCoversEveryField sets each field of a host and of an interface that are at rest; Rest must then name it. A
// field that may have any value at rest is listed in notHeld with the reason. So a new table of a host can't be
// forgotten in Rest.
func TestRestCoversEveryField(t *testing.T) {
	used := map[string]bool{}
	fresh := func() (*Host, *Iface) {
		h := New(Config{Name: "b"}) // belongs to no network, whose check at the end the changed fields would break
		i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		drain(h, 0, i)
		if err := h.Rest(); err != nil {
			t.Fatal(err)
		}
		return h, i
	}
	h, i := fresh()
	for _, root := range []reflect.Type{reflect.TypeOf(h).Elem(), reflect.TypeOf(i).Elem()} {
		leaves(root, nil, func(key string, path []int) {
			if notHeld[key] != "" {
				used[key] = true
				return
			}
			h, i := fresh()
			v := reflect.ValueOf(h).Elem()
			if root == reflect.TypeOf(i).Elem() {
				v = reflect.ValueOf(i).Elem()
			}
			if key == "socketTable.conns" { // Rest needs a complete connection to describe it
				if _, err := h.DialTCP(0, netip.AddrPort{}, port(ipA, 80), tcp.Config{}); err != nil {
					t.Fatal(err)
				}
			} else {
				fill(v, path)
			}
			if err := h.Rest(); err == nil {
				t.Errorf("%s holds something at rest and Rest does not name it: check it in rest.go, or say in notHeld why it may", key)
			}
		})
	}
	for key := range notHeld {
		if !used[key] {
			t.Errorf("notHeld has %s, which is no field", key)
		}
	}
}

// leaves calls fn with the path of each field that is not a struct or is in notHeld, and the field's key (struct and name).
func leaves(typ reflect.Type, path []int, fn func(key string, path []int)) {
	name, _, _ := strings.Cut(typ.Name(), "[")
	for k := range typ.NumField() {
		f, at := typ.Field(k), append(path[:len(path):len(path)], k)
		if key := name + "." + f.Name; f.Type.Kind() == reflect.Struct && notHeld[key] == "" {
			leaves(f.Type, at, fn)
		} else {
			fn(key, at)
		}
	}
}

// fill sets the field at path of the struct v to a value other than zero.
func fill(v reflect.Value, path []int) {
	for _, k := range path {
		v = v.Field(k)
	}
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	typ := v.Type()
	switch typ.Kind() {
	case reflect.Array:
		fill(v.Index(0), nil)
	case reflect.Struct: // a set that counts its members
		n, _ := typ.FieldByName("n")
		fill(v, n.Index)
	case reflect.Slice:
		n := 1
		if typ.Elem() == reflect.TypeFor[*reassembly.Datagram]() { // the spare datagrams, of which Rest allows some
			n = 16 + 1
		}
		v.Set(reflect.MakeSlice(typ, n, n))
	case reflect.Map:
		v.Set(reflect.MakeMap(typ))
		v.SetMapIndex(reflect.Zero(typ.Key()), reflect.Zero(typ.Elem()))
	case reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		if typ == reflect.TypeFor[*PacketEvent]() {
			v.Interface().(*PacketEvent).Frame = toB(nil)
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// TestRestNames makes a host hold something of each kind, as its users do. Rest names exactly that, and nothing after it is
// released.
func TestRestNames(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	for _, c := range []struct {
		want string
		hold func(t *testing.T, h *Host, i *Iface) (giveUp func())
	}{
		{"1 connections left, the first 10.0.0.2:5000 to 10.0.0.1:80, SYN-SENT", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := h.DialTCP(0, port(ipB, 5000), port(ipA, 80), tcp.Config{})
			must(t, err)
			return func() { c.Abort(0) }
		}},
		{"1 listeners left", func(t *testing.T, h *Host, i *Iface) func() {
			l := listen(t, h, 80, tcp.Config{})
			return func() { l.Close(0) }
		}},
		{"1 UDP sockets left", func(t *testing.T, h *Host, i *Iface) func() {
			u, err := h.BindUDP(port(ipB, 5))
			must(t, err)
			return u.Close
		}},
		{"1 ICMP sockets left", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := h.BindICMP(7)
			must(t, err)
			return c.Close
		}},
		{"1 ICMP sockets for a UDP port left", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := h.ListenICMP(7)
			must(t, err)
			return c.Close
		}},
		{"1 protocols with raw sockets left", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := h.BindRaw(89)
			must(t, err)
			return c.Close
		}},
		{"1 kinds of frame sockets left", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := h.BindFrames(nil, 0)
			must(t, err)
			return c.Close
		}},
		{"1 established connections in the counter left", func(t *testing.T, h *Host, i *Iface) func() {
			h.stats.counters[mib.TCPCurrEstab]++
			return func() { h.stats.counters[mib.TCPCurrEstab]-- }
		}},
		{"1 IGMP report timers left", func(t *testing.T, h *Host, i *Iface) func() {
			u, err := h.BindUDP(port(ipB, 5))
			must(t, err)
			must(t, u.Join(0, group, nil))
			hidden, ports := h.sockets.udp, h.ports.users[portsUDP]
			h.sockets.udp, h.ports.users[portsUDP], h.sockets.open = nil, nil, 0 // as if closing the socket had not left the group
			return func() { h.sockets.udp, h.ports.users[portsUDP], h.sockets.open = hidden, ports, 1; u.Close() }
		}},
		{"1 address probe timers left", func(t *testing.T, h *Host, i *Iface) func() {
			c, err := i.ProbeAddr(0, netip.MustParsePrefix("10.0.0.9/24"))
			must(t, err)
			return c.Cancel
		}},
		{"1 reassembly timers left", func(t *testing.T, h *Host, i *Iface) func() {
			h.Receive(0, i, toB(ipPacket(wire.ProtocolUDP, ipA, ipB, make([]byte, 16), func(p *wire.IPv4) { p.MoreFragments = true })))
			return func() { h.Tick(clock.Instant(2 * time.Minute)) }
		}},
		{"1 frames of the pools not given back left", func(t *testing.T, h *Host, i *Iface) func() {
			f := h.frames.get(1)
			return func() { h.frames.put(f) }
		}},
		{"eth0: 1 datagrams and connections wait for neighbour 10.0.0.3, which is INCOMPLETE", func(t *testing.T, h *Host, i *Iface) func() {
			u, err := h.BindUDP(port(ipB, 5))
			must(t, err)
			must(t, u.Send(0, nil, port(ipC, 5)))
			u.Close()
			h.frames.lent = 0 // otherwise Rest counts the pending frame first
			return func() { h.frames.lent = 1; h.Tick(0); must(t, i.DelNeighbor(0, ipC)) }
		}},
		{"1 answers queued left", func(t *testing.T, h *Host, i *Iface) func() {
			h.Receive(0, i, toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)))
			h.frames.lent = 0
			return func() { h.frames.lent = 1; drain(h, 0, i) }
		}},
	} {
		h, i := lone(t)
		giveUp := c.hold(t, h, i)
		if err := h.Rest(); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
		giveUp()
		drain(h, 0, i)
		if err := h.Rest(); err != nil {
			t.Errorf("%s: when it is given up: %v", c.want, err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
