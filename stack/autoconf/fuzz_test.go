package autoconf

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// check fails the test if a table exceeds its bound, or an address is preferred for longer than it is valid.
func (w *world) check() {
	w.t.Helper()
	cfg := w.s.Config()
	for what, n := range map[string][2]int{"routers": {len(w.s.Routers(w.now)), cfg.Routers}, "prefixes": {len(w.s.Prefixes(w.now)), cfg.Prefixes},
		"addresses": {len(w.s.Addresses(w.now)), cfg.Addresses}, "routes": {len(w.s.Routes(w.now)), cfg.Routes},
		"servers": {len(w.s.DNS(w.now).Servers), cfg.Servers}, "domains": {len(w.s.DNS(w.now).Domains), cfg.Domains}} {
		if n[0] > n[1] {
			w.t.Fatalf("%d %s, at most %d", n[0], what, n[1])
		}
	}
	for _, a := range w.s.Addresses(w.now) {
		if a.Preferred > a.Valid || a.Valid <= 0 || a.Deprecated != (a.Preferred == 0) || !a.Prefix.Contains(a.Addr) || a.Prefix.Bits() != 64 ||
			a.Temporary && (a.Preferred > temporaryPreferred || a.Valid > temporaryValid) {
			w.t.Fatalf("%+v", a)
		}
	}
	if l := w.s.Link(); l.MTU != 0 && l.MTU < wire.MinMTU6 || l.ReachableTime > maxReachable || l.RetransTimer > maxRetrans {
		w.t.Fatalf("%+v", l)
	}
}

// FuzzAdvertisement delivers advertisements to a State with small tables. steps has three octets for each step: a call, its
// argument, and the time that passes before the call. The checks after each step are those of drain and check.
func FuzzAdvertisement(f *testing.F) {
	header := []byte{134, 0, 0, 0, 64, 0x08, 7, 8, 0, 0, 0x75, 0x30, 0, 0, 7, 0xd0}
	f.Add(slices.Concat(header, prefix("LA", doc, 4*hour, hour), prefix("LA", "2001:db8:1::/64", Infinite, Infinite), mtu(1400)),
		[]byte{0, 1, 0, 1, 0, 250, 2, 0, 0, 0, 2, 1, 3, 1, 3, 4, 0, 0})
	f.Add(slices.Concat(header, route("2001:db8:7::/48", 1, hour), route("::/0", -1, hour), servers(hour, "2001:db8::53", "fe80::53"), domains(Infinite, "lab", "a.b")),
		[]byte{0, 0, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0, 255})
	f.Add(slices.Concat(header, prefix("A", doc, 4*hour, 6*time.Second)), []byte{0, 0, 0, 5, 0, 2, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 0, 0, 90})
	f.Fuzz(func(t *testing.T, b, steps []byte) {
		h := wire.IPv6{HopLimit: 255, Src: r1, Dst: wire.AllNodes6}
		m, options, err := wire.ParseRouterAdvertisement(&h, b, false)
		if err != nil {
			return
		}
		cfg := config(true)
		cfg.Routers, cfg.Prefixes, cfg.Addresses, cfg.Routes, cfg.Servers, cfg.Domains = 2, 3, 12, 3, 3, 2
		w := newWorld(t, cfg)
		for ; len(steps) >= 3; steps = steps[3:] {
			w.step(&m, options, steps[0], steps[1], steps[2])
			w.drain()
			w.check()
		}
		w.s.Flush(w.now)
		w.drain()
		if len(w.items) != 0 || w.s.Deadline() != clock.Never {
			t.Fatalf("after Flush: %v, deadline %v", w.items, w.s.Deadline())
		}
	})
}

// step advances the time, by up to six days, and makes one call.
func (w *world) step(m *wire.RouterAdvertisement, options wire.NDOptions, call, arg, wait byte) {
	if d := time.Duration(1) << (wait / 4) * time.Microsecond; wait > 0 && wait < 160 {
		w.now = w.now.Add(d)
	}
	w.s.Expire(w.now)
	from := rogue(int(arg) % 4)
	switch call % 6 {
	case 0:
		w.s.Advertisement(w.now, from, m, options)
	case 1:
		w.drain() // the next step has a second call at the same time
	case 2:
		if all := w.s.Addresses(w.now); len(all) > 0 {
			w.s.Conflict(w.now, all[int(arg)%len(all)].Addr)
		}
	case 3:
		w.s.RouterGone(w.now, from)
	case 4:
		other := *m
		other.RouterLifetime, other.Preference = uint16(arg), wire.Preference(arg%3)-1
		p := wire.PrefixInfo{Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 7: arg % 8}), 64), OnLink: true, Autonomous: true,
			ValidLifetime: uint32(arg) << 8, Preferred: uint32(arg) << 7}
		b := make([]byte, wire.NDPrefixLen)
		p.Put(b)
		w.s.Advertisement(w.now, from, &other, b)
	case 5:
		if next := w.s.Deadline(); next < clock.Instant(1)<<60 {
			w.now = max(w.now, next-1)
			w.s.Expire(w.now)
			w.drain()
			w.now = max(w.now, next)
			w.s.Expire(w.now)
		}
	}
}
