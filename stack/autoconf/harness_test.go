package autoconf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

const hour = time.Hour

var (
	r1 = netip.MustParseAddr("fe80::1")
	r2 = netip.MustParseAddr("fe80::2")
	r3 = netip.MustParseAddr("fe80::3")
)

// config returns a configuration with a secret. With temporary it draws from a seeded generator.
func config(temporary bool) Config {
	return Config{Secret: [16]byte{1, 2, 3}, Iface: "eth0", MAC: wire.HardwareAddr{2, 0, 0, 0, 0, 1}, Temporary: temporary,
		Rand: rand.New(rand.NewPCG(1, 2))}
}

// seconds returns a lifetime in seconds, all ones for Infinite.
func seconds(d time.Duration) uint32 {
	if d == Infinite {
		return math.MaxUint32
	}
	return uint32(d / time.Second)
}

// Each function below returns the octets of one option.

func prefix(flags, p string, valid, preferred time.Duration) []byte {
	info := wire.PrefixInfo{Prefix: netip.MustParsePrefix(p), OnLink: strings.Contains(flags, "L"),
		Autonomous: strings.Contains(flags, "A"), ValidLifetime: seconds(valid), Preferred: seconds(preferred)}
	b := make([]byte, wire.NDPrefixLen)
	info.Put(b)
	return b
}

func route(p string, preference wire.Preference, lifetime time.Duration) []byte {
	info := wire.RouteInfo{Prefix: netip.MustParsePrefix(p), Preference: preference, Lifetime: seconds(lifetime)}
	b := make([]byte, wire.NDRouteLen)
	info.Put(b)
	return b
}

func mtu(n uint32) []byte {
	b := make([]byte, wire.NDMTULen)
	wire.PutNDMTU(b, n)
	return b
}

func servers(lifetime time.Duration, addrs ...string) []byte {
	list := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		list[i] = netip.MustParseAddr(a)
	}
	b := make([]byte, 8+16*len(list))
	wire.PutNDDNSServers(b, seconds(lifetime), list...)
	return b
}

func domains(lifetime time.Duration, names ...string) []byte {
	list := make([]wire.DomainName, len(names))
	for i, name := range names {
		for label := range strings.SplitSeq(name, ".") {
			list[i] = append(append(list[i], byte(len(label))), label...)
		}
	}
	b := make([]byte, 2040)
	return b[:wire.PutNDDNSSearch(b, seconds(lifetime), list...)]
}

// world is a State, the time, and the items that a host has after the changes that the State has reported.
type world struct {
	t     *testing.T
	s     *State
	now   clock.Instant
	items []Change // with the kinds AddAddress, AddOnLink and AddRoute
	log   []string // changes since the last call of want
}

func newWorld(t *testing.T, cfg Config) *world { return &world{t: t, s: New(cfg)} }

// advertise delivers an advertisement with options from a router with a lifetime and a preference.
func (w *world) advertise(from netip.Addr, lifetime time.Duration, preference wire.Preference, options ...[]byte) {
	w.t.Helper()
	w.deliver(from, wire.RouterAdvertisement{RouterLifetime: uint16(lifetime / time.Second), Preference: preference}, options...)
}

func (w *world) deliver(from netip.Addr, m wire.RouterAdvertisement, options ...[]byte) {
	w.t.Helper()
	w.s.Advertisement(w.now, from, &m, wire.NDOptions(slices.Concat(options...)))
	w.drain()
}

// to advances the time, and calls Expire at each deadline.
func (w *world) to(d time.Duration) {
	w.t.Helper()
	for w.s.Deadline() <= clock.Instant(d) {
		w.now = w.s.Deadline()
		w.s.Expire(w.now)
		w.drain()
	}
	w.now = clock.Instant(d)
}

// drain makes the reported changes. It fails the test if the changes are not balanced, or if they do not lead to the snapshots.
func (w *world) drain() {
	w.t.Helper()
	for c := range w.s.Changes {
		w.log = append(w.log, fmt.Sprintf("%v %s", time.Duration(w.now), describe(&c)))
		w.apply(c)
	}
	for c := range w.s.Changes {
		w.t.Fatalf("the same change twice: %s", describe(&c))
	}
	if d := w.s.Deadline(); d <= w.now {
		w.t.Fatalf("at %v the next deadline is %v", w.now, d)
	}
	want := w.s.items(nil)
	if len(want) != len(w.items) {
		w.t.Fatalf("the host has %d items, the State %d", len(w.items), len(want))
	}
	for _, c := range want {
		if !slices.Contains(w.items, c) {
			w.t.Fatalf("the host does not have %s", describe(&c))
		}
	}
}

// apply makes one change, and fails the test if the change contradicts the items.
func (w *world) apply(c Change) {
	w.t.Helper()
	for add := range removed {
		i := find(w.items, ptr(c.to(Kind(add))), 0)
		switch {
		case c.Kind == Kind(add) && removed[add] != 0:
			if i >= 0 {
				w.t.Fatalf("added twice: %s", describe(&c))
			}
			w.items = append(w.items, c)
			return
		case c.Kind == removed[add]:
			if i < 0 {
				w.t.Fatalf("removed, and was not there: %s", describe(&c))
			}
			w.items = slices.Delete(w.items, i, i+1)
			return
		case add < len(updated) && c.Kind == updated[add] && c.Kind != 0:
			if i < 0 || w.items[i] == c.to(Kind(add)) {
				w.t.Fatalf("updated in vain: %s", describe(&c))
			}
			w.items[i] = c.to(Kind(add))
			return
		}
	}
}

func ptr(c Change) *Change { return &c }

// describe writes a change as a line, in which a prefix stands for an address.
func describe(c *Change) string {
	names := [...]string{AddAddress: "+addr", UpdateAddress: "=addr", RemoveAddress: "-addr", AddOnLink: "+link", RemoveOnLink: "-link",
		AddRoute: "+route", UpdateRoute: "=route", RemoveRoute: "-route", SetMTU: "mtu", SetHopLimit: "hops",
		SetReachableTime: "reachable", SetRetransTimer: "retrans", SetDNS: "dns"}
	line := names[c.Kind]
	switch c.Kind {
	case AddAddress, UpdateAddress, RemoveAddress:
		line += " " + c.Prefix.String()
		if c.Temporary {
			line += " temporary"
		}
		if c.Deprecated {
			line += " deprecated"
		}
	case AddOnLink, RemoveOnLink:
		line += " " + c.Prefix.String()
	case AddRoute, UpdateRoute, RemoveRoute:
		line += fmt.Sprintf(" %v %v %d", c.Prefix, c.Via, c.Preference)
	case SetMTU:
		line += fmt.Sprintf(" %d", c.MTU)
	case SetHopLimit:
		line += fmt.Sprintf(" %d", c.HopLimit)
	case SetReachableTime, SetRetransTimer:
		line += " " + c.Time.String()
	}
	return line
}

// want compares the changes since the last call with lines.
func (w *world) want(what string, lines ...string) {
	w.t.Helper()
	if !slices.Equal(w.log, lines) {
		w.t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(w.log, "\n     "), strings.Join(lines, "\n     "))
	}
	w.log = nil
}

// refused compares the counts of refusals, and expects the others to be 0.
func (w *world) refused(what string, want Refusals) {
	w.t.Helper()
	if got := w.s.Refusals(); got != want {
		w.t.Errorf("%s: refused %+v, want %+v", what, got, want)
	}
}

// address returns the only address, or fails the test.
func (w *world) address() Address {
	w.t.Helper()
	all := w.s.Addresses(w.now)
	if len(all) != 1 {
		w.t.Fatalf("%d addresses, want 1: %+v", len(all), all)
	}
	return all[0]
}
