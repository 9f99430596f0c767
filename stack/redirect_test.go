package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/stack/wire"
)

// redirectable returns a rig with the router A, whose link-local address is llA.
func redirectable(t testing.TB) *ndRig {
	t.Helper()
	r := settled(t, "fd00::2/64")
	r.ra(wire.RouterAdvertisement{RouterLifetime: 9000})
	r.take()
	return r
}

// nextHop returns the next hop to dst without a zone.
func (r *ndRig) nextHop(dst netip.Addr) netip.Addr {
	p, _ := r.h.net.lookup(dst)
	return p.next.WithZone("")
}

// TestND81: a redirect that is not valid, or not from the present first hop, is dropped (RFC 4861 §8.1).
func TestND81(t *testing.T) {
	r := redirectable(t)
	group := netip.MustParseAddr("ff0e::1")
	r.invalid(redirectTo(llA, ip6B, llC, distant, targetLink(macC)),
		ndFault{"a global source", func(m *ndMessage) { m.src = ip6A }, "dropped: source not link local"},
		ndFault{"from another station", func(m *ndMessage) { m.src = llC }, "dropped: nd redirect"},
		ndFault{"about a group", func(m *ndMessage) { *m = redirectTo(llA, ip6B, llC, group) }, "dropped: nd bad destination"},
		ndFault{"to a global address", func(m *ndMessage) { *m = redirectTo(llA, ip6B, ip6A, distant) }, "dropped: nd bad target"},
		ndFault{"to a group", func(m *ndMessage) { *m = redirectTo(llA, ip6B, wire.AllRouters6, distant) }, "dropped: nd bad target"},
		ndFault{"about a neighbour", func(m *ndMessage) { *m = redirectTo(llA, ip6B, llC, ip6A) }, "dropped: nd redirect"},
		ndFault{"about a link-local address", func(m *ndMessage) { *m = redirectTo(llA, ip6B, llC, llC) }, "dropped: nd redirect"},
		ndFault{"about our own address", func(m *ndMessage) { *m = redirectTo(llA, ip6B, llC, ip6B) }, "dropped: nd redirect"},
		ndFault{"about the unspecified address", func(m *ndMessage) { *m = redirectTo(llA, ip6B, llC, netip.IPv6Unspecified()) }, "dropped: nd redirect"},
		ndFault{"to ourselves", func(m *ndMessage) { *m = redirectTo(llA, ip6B, r.ll, distant) }, "dropped: nd martian"},
		ndFault{"a group's link-layer address", func(m *ndMessage) { m.options = targetLink(wire.Broadcast) }, "dropped: nd martian"},
	)
	r.wantRoutes("fd00::/64", "::/0 via fe80::a%eth0")
	r.h.SetForwarding(r.n.now, true)
	if err := r.h.AddRoute(netip.MustParsePrefix("::/0"), r.i.scoped(llA), nil); err != nil {
		t.Fatal(err)
	}
	r.receive(redirectTo(llA, ip6B, llC, distant).frame(), "dropped: nd redirect") // a router follows none
}

// TestND83: a redirect changes the first hop to one destination, to a router or to the destination itself. Its link-layer address makes
// a STALE entry, and a router's has the router flag (RFC 4861 §8.3).
func TestND83(t *testing.T) {
	r := redirectable(t)
	host := netip.MustParseAddr("2001:db8::2")
	r.receive(redirectTo(llA, ip6B, llC, distant, targetLink(macC)).frame(), "icmp6")
	r.receive(redirectTo(llA, ip6B, host, host, targetLink(macC)).frame(), "icmp6")
	r.wantRoutes("2001:db8::1/128 via fe80::c%eth0", "2001:db8::2/128", "fd00::/64", "::/0 via fe80::a%eth0")
	r.wantNeighbor(llC, "STALE 02:00:00:00:00:03 router")
	r.wantNeighbor(host, "STALE 02:00:00:00:00:03")
	if r.nextHop(distant) != llC || r.nextHop(host) != host || r.nextHop(netip.MustParseAddr("2001:db8::3")) != llA {
		t.Error("the redirects are not followed")
	}
	r.echoTo(distant)
	r.n.pump()
	if len(r.raw) != 1 || [6]byte(r.raw[0]) != macC {
		t.Errorf("%d frames", len(r.raw))
	}
	// The new first hop redirects further; the old one can't any more.
	r.receive(redirectTo(llA, ip6B, llA, distant).frame(), "dropped: nd redirect")
	r.receive(redirectTo(llC, ip6B, distant, distant).frame(), "icmp6")
	r.wantRoutes("2001:db8::2/128", "2001:db8::1/128", "fd00::/64", "::/0 via fe80::a%eth0")
}

// TestND83Bound: the host follows redirects for at most 64 destinations, of which a further one replaces the oldest (RFC 4861 §5.1).
func TestND83Bound(t *testing.T) {
	r := redirectable(t)
	at := func(k int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::1:%x", k)) }
	for k := range 1000 {
		r.receive(redirectTo(llA, ip6B, llC, at(k)).frame(), "icmp6")
	}
	if n := len(r.routes()); n != 66 || len(r.h.net.redirects) != 64 || r.h.net.gateways[r.i.scoped(llC)] != 64 {
		t.Errorf("%d routes, %d redirects", n, len(r.h.net.redirects))
	}
	if r.nextHop(at(935)) != llA || r.nextHop(at(936)) != llC {
		t.Error("not the latest redirects are kept")
	}
}

// TestND83Ends: redirects end when their new first hop does not answer, when it is no default router any more, and with the link
// (RFC 4861 §7.3.3, RFC 4861 §6.3.5).
func TestND83Ends(t *testing.T) {
	host := netip.MustParseAddr("2001:db8::2")
	for name, end := range map[string]func(r *ndRig){
		"no answer": func(r *ndRig) {
			r.echoTo(distant)
			r.echoTo(host)
			r.n.run(10 * time.Second)
		},
		"lifetime 0": func(r *ndRig) {
			r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{RouterLifetime: 9000}).frame(), "icmp6")
			r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{}).frame(), "icmp6")
		},
		"no router": func(r *ndRig) {
			r.receive(advertisement(llC, ip6B, llC, "R", targetLink(macC)).frame(), "dropped: nd unsolicited")
			r.receive(solicitation(llC, ip6B, ip6B, sourceLink(macC)).frame(), "neighbor advertisement")
			r.receive(advertisement(llC, ip6B, llC, "", targetLink(macC)).frame(), "icmp6")
		},
		"the link": func(r *ndRig) {
			r.i.SetUp(r.n.now, false)
			r.i.SetUp(r.n.now, true)
			r.ra(wire.RouterAdvertisement{RouterLifetime: 9000})
		},
	} {
		r := redirectable(t)
		r.receive(redirectTo(llA, ip6B, llC, distant).frame(), "icmp6")
		r.receive(redirectTo(llA, ip6B, host, host).frame(), "icmp6")
		end(r)
		if got := r.nextHop(distant); got != llA {
			t.Errorf("%s: by %v", name, got)
		}
		if got := r.nextHop(host); (name == "no answer" || name == "the link") && got != llA {
			t.Errorf("%s: the destination on the link is reached by %v", name, got)
		}
	}
}

// TestND82: a router tells the source of a packet that it sends back to the link of the better first hop, with that one's link-layer
// address and as much of the packet as fits. It forwards the packet. The rate is limited (RFC 4861 §8.2, RFC 4861 §4.5).
func TestND82(t *testing.T) {
	r := settled(t, "fd00::2/64")
	r.h.SetForwarding(r.n.now, true)
	if err := r.h.AddRoute(netip.MustParsePrefix("2001:db8::/32"), r.i.scoped(llC), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.h.AddRoute(netip.MustParsePrefix("2001:db9::/32"), netip.MustParseAddr("fd00::c"), nil); err != nil {
		t.Fatal(err)
	}
	host, silent := netip.MustParseAddr("fd00::9"), netip.MustParseAddr("2001:db9::1")
	for _, a := range []netip.Addr{ip6A, llC, netip.MustParseAddr("fd00::c")} {
		hw := macC
		if a == ip6A {
			hw = macA
		}
		m := solicitation(a, ip6B, ip6B, sourceLink(hw))
		r.receive(m.frame(), "neighbor advertisement")
	}
	r.n.run(6 * time.Second)
	r.take()
	forwarded := func(src, dst netip.Addr, size int) string {
		b := make([]byte, size)
		b[0] = 128
		if v := r.h.Receive(r.n.now, r.i, ndFrame(macA, src, dst, 64, b)); v.Kind != Forwarded {
			t.Fatalf("%v", v)
		}
		return strings.Join(r.take(), "\n")
	}
	redirect := func(s string) (found string) {
		for _, line := range strings.Split(s, "\n") {
			if strings.HasPrefix(line, "Redirect") {
				found += line
			}
		}
		return found
	}
	if got, want := redirect(forwarded(ip6A, distant, 8)), "Redirect 2001:db8::1 by fe80::c <- "+r.ll.String()+" to fd00::1 tgt=02:00:00:00:00:03 quote=48"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got := forwarded(ip6A, distant, 1400)
	if want := "quote=1184"; !strings.HasSuffix(redirect(got), want) || !strings.Contains(got, "ICMPv6 128.0 <- fd00::1 to 2001:db8::1") {
		t.Errorf("%s", got)
	}
	if got, want := redirect(forwarded(ip6A, host, 8)), "Redirect fd00::9 by fd00::9 <- "+r.ll.String()+" to fd00::1 quote=48"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := redirect(forwarded(ip6A, silent, 8)); got != "" {
		t.Errorf("the router's link-local address is not known: %s", got)
	}
	if got := redirect(forwarded(netip.MustParseAddr("2001:dead::1"), distant, 8)); got != "" {
		t.Errorf("the source is no neighbour: %s", got)
	}
	n := 0
	for range 1000 {
		n += strings.Count(forwarded(ip6A, distant, 8), "Redirect")
	}
	if n > 50 || n < 10 {
		t.Errorf("%d redirects for 1000 packets in an instant", n)
	}
}
