package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// probing returns a settled rig that probes for fd00::2, and has sent its probe if sent is true.
func probing(t testing.TB, sent bool) (*ndRig, *AddrProbe) {
	t.Helper()
	r := settled(t)
	c, err := r.i.ProbeAddr(r.n.now, netip.PrefixFrom(ip6B, 64))
	if err != nil {
		t.Fatal(err)
	}
	if sent {
		r.n.runUntil("the probe", time.Second, func() bool { return c.probes > 0 })
		r.n.pump()
	}
	return r, c
}

// wantDone checks the result of a probe.
func wantDone(t testing.TB, c *AddrProbe, done bool, by wire.HardwareAddr, err error) {
	t.Helper()
	if d, hw, e := c.Done(); d != done || hw != by || e != err {
		t.Errorf("done %v, by %v, %v; want %v, %v, %v", d, hw, e, done, by, err)
	}
}

var noHW wire.HardwareAddr

// TestDAD542: a probe is sent after a random time of up to a second, without a source and without link-layer address. The group is
// reported with it. The address is used a second later (RFC 4862 §5.4.2, RFC 4862 §5.4, RFC 7527 §4.1).
func TestDAD542(t *testing.T) {
	delays := map[time.Duration]bool{}
	for seed := range uint64(20) {
		n := newNetwork(t)
		h := n.bare(Config{Name: "b", Seed: seed})
		i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, IPv6: true})
		probe := i.addresses.probes[0]
		n.runUntil("the probe", time.Second, func() bool { return probe.probes > 0 })
		delays[time.Duration(n.now)] = true
		if i.LinkLocal().IsValid() {
			t.Error("the address is used before the probe")
		}
		sent := n.now
		n.run(999 * time.Millisecond)
		if i.LinkLocal().IsValid() || len(i.Addrs()) != 0 {
			t.Error("the address is used too early")
		}
		n.runUntil("the address", time.Second, func() bool { return i.LinkLocal().IsValid() })
		if d := n.now.Sub(sent); d != time.Second {
			t.Errorf("the address is used after %v", d)
		}
	}
	if len(delays) < 15 {
		t.Errorf("the delays are not random: %v", delays)
	}
	r, _ := probing(t, true)
	r.wantSent("MLD 4:ff02::1:ff00:2 <- "+r.ll.String(), "NS fd00::2 <- :: to ff02::1:ff00:2 nonce")
}

// TestDADListens: a host listens to the solicited-node group of a tentative address during the random delay too (RFC 4862 §5.4.2).
func TestDADListens(t *testing.T) {
	r, c := probing(t, false)
	m := advertisement(ip6B, wire.SolicitedNode(ip6B), ip6B, "O", targetLink(macC))
	m.from = macC
	r.receive(m.frame(), "dropped: nd conflict")
	wantDone(t, c, true, macC, ErrInUse)
	r.n.run(time.Second)
	r.wantSent() // neither a probe nor a report of the group
	if r.i.membership(wire.SolicitedNode(ip6B)) != nil {
		t.Error("the group is kept")
	}
}

// TestDADTentative: packets to a tentative address are dropped, and none comes from it. A station that resolves the address gets no
// answer (RFC 4862 §5.4, RFC 4862 §5.4.3).
func TestDADTentative(t *testing.T) {
	r, c := probing(t, true)
	r.take()
	group := wire.SolicitedNode(ip6B)
	r.receive(ndFrame(macA, ip6A, ip6B, 64, []byte{128, 0, 0, 0, 0, 0, 0, 1}), "dropped: not for us")
	r.receive(solicitation(ip6A, group, ip6B, sourceLink(macA)).frame(), "nd not for us")
	r.wantNeighbor(ip6A, "")
	if _, err := r.h.BindUDP(port(ip6B, 7)); err != ErrNotOurs {
		t.Errorf("binding to a tentative address: %v", err)
	}
	if src, ok := r.h.net.source6(hop{iface: r.i, next: ip6A}, ip6A); ok && src == ip6B {
		t.Error("a tentative address is a source")
	}
	r.wantSent()
	wantDone(t, c, false, noHW, nil)
}

// TestDAD543: a probe of another station for the same address ends ours, whether it arrives before or after we have sent our own
// (RFC 4862 §5.4.3).
func TestDAD543(t *testing.T) {
	for _, sent := range []bool{false, true} {
		r, c := probing(t, sent)
		r.take()
		m := solicitation(netip.IPv6Unspecified(), wire.SolicitedNode(ip6B), ip6B, []byte{byte(wire.NDNonce), 1, 1, 2, 3, 4, 5, 6})
		m.from = macC
		r.receive(m.frame(), "dropped: nd conflict")
		wantDone(t, c, true, macC, ErrInUse)
		r.n.run(5 * time.Second)
		if len(r.i.Addrs()) != 1 || counterOf(t, r.h, "Icmp6InConflicts") != 1 {
			t.Errorf("addresses %v", r.i.Addrs())
		}
	}
}

// TestDADBoth: of two hosts that probe for one address at the same time, at most one gets it. None does if their probes cross
// (RFC 4862 §5.4.3).
func TestDADBoth(t *testing.T) {
	crossed := 0
	for seed := range uint64(30) {
		n := newNetwork(t)
		n.delay = 100 * time.Millisecond
		a, b := n.bare(Config{Name: "a", Seed: 2 * seed}), n.bare(Config{Name: "b", Seed: 2*seed + 1})
		ia := a.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macA, IPv6: true})
		ib := b.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, IPv6: true})
		n.join(ia, ib)
		n.run(20 * time.Second)
		ca, _ := ia.ProbeAddr(n.now, netip.PrefixFrom(ip6B, 64))
		cb, _ := ib.ProbeAddr(n.now, netip.PrefixFrom(ip6B, 64))
		n.run(10 * time.Second)
		switch {
		case ca.err == nil && cb.err == nil:
			t.Errorf("seed %d: both hosts have the address", seed)
		case ca.err != nil && cb.err != nil:
			crossed++
		}
	}
	if crossed == 0 {
		t.Error("no probes crossed")
	}
}

// TestDADLooped: a host knows its own probe, which the link has returned, by the nonce. It then sends three more, each with a nonce of
// its own, and has the address if no other station answers (RFC 7527 §4.1, RFC 7527 §4.2).
func TestDADLooped(t *testing.T) {
	r, c := probing(t, true)
	nonces := map[string]bool{}
	returned := 0
	for k := 0; k < 10 && !c.done; k++ {
		r.n.pump()
		for _, b := range r.raw {
			if strings.HasPrefix(ndText(b), "NS fd00::2 <- ::") {
				nonces[string(b[len(b)-6:])] = true
				f := phy.NewFrame(phy.FrameSize)
				copy(f.Extend(len(b)), b)
				r.receive(f, "dropped: nd looped back")
				returned++
			}
		}
		r.take()
		r.n.run(time.Second)
	}
	wantDone(t, c, true, noHW, nil)
	if returned != 4 || len(nonces) != 4 {
		t.Errorf("%d probes with %d nonces, want 4", returned, len(nonces))
	}
	if counterOf(t, r.h, "Icmp6InConflicts") != 0 {
		t.Error("the host conflicts with itself")
	}
}

// TestDAD544: an advertisement for a tentative address ends the probe. One for an address that the host has is defended, once in ten
// seconds (RFC 4862 §5.4.4).
func TestDAD544(t *testing.T) {
	r, c := probing(t, true)
	m := advertisement(ip6B, wire.AllNodes6, ip6B, "O", targetLink(macC))
	m.from = macC
	r.receive(m.frame(), "dropped: nd conflict")
	wantDone(t, c, true, macC, ErrInUse)

	r = settled(t, "fd00::2/64")
	for range 3 {
		r.receive(m.frame(), "dropped: nd conflict")
	}
	r.wantSent("NA fd00::2 O <- fd00::2 to ff02::1 tgt=02:00:00:00:00:02")
	r.n.run(11 * time.Second)
	r.receive(m.frame(), "dropped: nd conflict")
	r.wantSent("NA fd00::2 O <- fd00::2 to ff02::1 tgt=02:00:00:00:00:02")
	if len(r.i.Addrs()) != 2 {
		t.Errorf("addresses %v", r.i.Addrs())
	}
}

// TestDAD545: if another station has the link-local address, the interface tries three others, and then speaks IPv6 without one
// (RFC 4862 §5.4.5, RFC 7217 §6). Each conflict is an event.
func TestDAD545(t *testing.T) {
	n := newNetwork(t)
	h := n.bare(Config{Name: "b", Seed: 2})
	var events []string
	h.Events(func(ev Event) {
		if ev.Kind == EventConflict {
			events = append(events, fmt.Sprintf("%v %s", ev.Addr, ev.New))
		}
	})
	i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, Addrs: []netip.Prefix{netip.PrefixFrom(ip6B, 64)}})
	tried := map[netip.Addr]bool{}
	for len(i.addresses.probes) > 0 {
		a := i.addresses.probes[0].addr.WithZone("")
		if !a.IsLinkLocalUnicast() {
			t.Fatalf("%v is no link-local address", a)
		}
		tried[a] = true
		if v := h.Receive(n.now, i, advertisement(a, wire.AllNodes6, a, "O", targetLink(macC)).frame()); v != dropped(drop.NDConflict) {
			t.Fatalf("%v", v)
		}
		n.run(100 * time.Millisecond)
	}
	if len(tried) != 4 || len(events) != 4 || !strings.HasSuffix(events[3], "%eth0 abandoned") {
		t.Errorf("%d addresses, events %q", len(tried), events)
	}
	n.run(20 * time.Second)
	if i.LinkLocal().IsValid() || !i.IPv6() {
		t.Error("a link-local address after all")
	}
	drain(h, n.now, i)
	if v := h.Receive(n.now, i, solicitation(ip6A, wire.SolicitedNode(ip6B), ip6B, sourceLink(macA)).frame()); v.Answer != NeighborAdvertisement {
		t.Errorf("without a link-local address: %v", v)
	}
}

// TestDADAutoconf: another station has the address that the host has made from a prefix, so that it tries the next one (RFC 7217 §6).
func TestDADAutoconf(t *testing.T) {
	r := settled(t)
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption("2001:db8::/64", "LA", 7200, 3600)).frame(), "icmp6")
	tried := map[netip.Addr]bool{}
	for range 4 {
		if len(r.i.addresses.probes) != 1 {
			t.Fatalf("%d probes", len(r.i.addresses.probes))
		}
		a := r.i.addresses.probes[0].addr
		tried[a] = true
		r.receive(advertisement(a, wire.AllNodes6, a, "O", targetLink(macC)).frame(), "dropped: nd conflict")
	}
	if len(tried) != 4 || len(r.i.addresses.probes) != 0 {
		t.Errorf("tried %v", tried)
	}
	r.n.run(10 * time.Second)
	if len(r.i.Addrs()) != 1 {
		t.Errorf("addresses %v", r.i.Addrs())
	}
	// The next advertisement does not begin again.
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption("2001:db8::/64", "LA", 7200, 3600)).frame(), "icmp6")
	if len(r.i.addresses.probes) != 0 {
		t.Error("the host probes for a duplicate again")
	}
}

// TestDADEnds: a probe ends with its interface, when it is cancelled, and when the address is added by hand. The link-local address is
// probed for again when the interface is up again (RFC 4862 §5.3).
func TestDADEnds(t *testing.T) {
	r, c := probing(t, true)
	r.i.SetUp(r.n.now, false)
	wantDone(t, c, true, noHW, ErrDown)
	if _, err := r.i.ProbeAddr(r.n.now, netip.PrefixFrom(ip6B, 64)); err != ErrDown {
		t.Errorf("on an interface that is down: %v", err)
	}
	r.i.SetUp(r.n.now, true)

	_, c = probing(t, false)
	c.Cancel()
	wantDone(t, c, true, noHW, ErrClosed)

	r, c = probing(t, true)
	if err := r.i.AddAddr(r.n.now, netip.PrefixFrom(ip6B, 64)); err != nil {
		t.Fatal(err)
	}
	wantDone(t, c, true, noHW, ErrExists)
	r.take()
	r.receive(solicitation(ip6A, wire.SolicitedNode(ip6B), ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.n.run(5 * time.Second)
	if r.i.membership(wire.SolicitedNode(ip6B)) == nil || len(r.i.Addrs()) != 2 {
		t.Error("the end of the probe has ended the membership")
	}

	r = newNDRig(t)
	r.n.run(1100 * time.Millisecond) // the link-local address is tentative
	r.i.SetUp(r.n.now, false)
	r.n.run(time.Second)
	r.i.SetUp(r.n.now, true)
	r.n.run(3 * time.Second)
	if !r.i.LinkLocal().IsValid() {
		t.Error("no link-local address after the interface was down")
	}
}

// TestDADFamilies: probes of both families go on at the same time on one interface, and on several interfaces for the same link-local
// address (RFC 4862 §5.4, RFC 5227 §2.1.1).
func TestDADFamilies(t *testing.T) {
	r := settled(t)
	second := r.h.AddIface(r.n.now, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, IPv6: true})
	r.n.run(20 * time.Second)
	var probes []*AddrProbe
	for _, p := range []struct {
		i *Iface
		p string
	}{{r.i, "fd00::2/64"}, {r.i, "10.0.0.2/24"}, {r.i, "fe80::2/64"}, {second, "fe80::2/64"}, {second, "10.0.1.2/24"}} {
		c, err := p.i.ProbeAddr(r.n.now, netip.MustParsePrefix(p.p))
		if err != nil {
			t.Fatalf("%s: %v", p.p, err)
		}
		probes = append(probes, c)
	}
	if _, err := r.i.ProbeAddr(r.n.now, netip.MustParsePrefix("fd00::2/64")); err != ErrExists {
		t.Errorf("a second probe for one address: %v", err)
	}
	r.n.run(20 * time.Second)
	for _, c := range probes {
		wantDone(t, c, true, noHW, nil)
	}
	if len(r.i.Addrs()) != 4 || len(second.Addrs()) != 3 {
		t.Errorf("addresses %v and %v", r.i.Addrs(), second.Addrs())
	}
}

// TestDADRetrans: the time after a probe is the RetransTimer that a router has advertised (RFC 4862 §5.1, RFC 4861 §6.3.4).
func TestDADRetrans(t *testing.T) {
	r := settled(t)
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RetransTimer: 3000}).frame(), "icmp6")
	c, err := r.i.ProbeAddr(r.n.now, netip.PrefixFrom(ip6B, 64))
	if err != nil {
		t.Fatal(err)
	}
	r.n.runUntil("the probe", time.Second, func() bool { return c.probes > 0 })
	sent := r.n.now
	r.n.runUntil("the address", 5*time.Second, func() bool { return c.done })
	if d := r.n.now.Sub(sent); d != 3*time.Second {
		t.Errorf("after %v", d)
	}
}

// TestLinkLocalRemoved: an interface whose link-local address is removed sends nothing more from it (RFC 4862 §5.3).
func TestLinkLocalRemoved(t *testing.T) {
	r := settled(t)
	if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix("fe80::b/64")); err != nil {
		t.Fatal(err)
	}
	if got := r.i.LinkLocal().WithZone(""); got != r.ll {
		t.Errorf("the link-local address has become %v", got)
	}
	for k, p := range r.i.Addrs() {
		if k > 0 && r.i.LinkLocal().WithZone("") != netip.MustParseAddr("fe80::b") {
			t.Errorf("the link-local address is %v", r.i.LinkLocal())
		}
		if err := r.i.DelAddr(r.n.now, p); err != nil {
			t.Fatal(err)
		}
	}
	r.take()
	if r.i.LinkLocal().IsValid() {
		t.Errorf("the link-local address is %v", r.i.LinkLocal())
	}
	u, err := r.h.BindUDP(port(netip.Addr{}, 5353))
	if err == nil {
		err = u.Join(r.n.now, netip.MustParseAddr("ff02::fb"), r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.run(time.Second)
	for _, s := range r.take() {
		if !strings.Contains(s, " <- ::") {
			t.Errorf("sent %q", s)
		}
	}
}
