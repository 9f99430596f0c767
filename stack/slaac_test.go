package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestSLAAC: a host configures an address from a router's prefix, which it uses after duplicate address detection, and learns the
// default route and the on-link prefix at once (RFC 4862 §5.5.3, RFC 4861 §6.3.4, RFC 5942 §4, RFC 7217 §5).
func TestSLAAC(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 7200, 3600))
	r.wantRoutes(slaacPrefix, "::/0 via fe80::a%eth0")
	r.wantNeighbor(llA, "STALE 02:00:00:00:00:01 router")
	if len(r.autoAddrs()) != 0 {
		t.Error("the address is used before duplicate address detection")
	}
	r.n.run(3 * time.Second)
	list := r.autoAddrs()
	if len(list) != 1 || !netip.MustParsePrefix(slaacPrefix).Contains(list[0]) {
		t.Fatalf("addresses %v", list)
	}
	if a := list[0].As16(); a[11] == 0xff && a[12] == 0xfe || strings.Contains(list[0].String(), "200:ff:fe00:2") {
		t.Errorf("%v shows the hardware address", list[0])
	}
	r.take()
	r.echoTo(distant)
	r.wantSent(fmt.Sprintf("ICMPv6 128.0 <- %v to 2001:db8::1", list[0]))
	// A prefix that is only on-link makes no address, and one that is only autonomous no route.
	r = settled(t)
	r.ra(wire.RouterAdvertisement{}, prefixOption(slaacPrefix, "L", 7200, 3600))
	r.ra(wire.RouterAdvertisement{}, prefixOption("2001:db8:2::/64", "A", 7200, 3600))
	r.n.run(3 * time.Second)
	r.wantRoutes(slaacPrefix)
	if list := r.autoAddrs(); len(list) != 1 || !netip.MustParsePrefix("2001:db8:2::/64").Contains(list[0]) {
		t.Errorf("addresses %v", list)
	}
}

// TestSLAAC554: a deprecated address is no source of new connections if there is another, and its connections go on. When the valid
// lifetime ends, the address and its connections end (RFC 4862 §5.5.4, RFC 6724 §5).
func TestSLAAC554(t *testing.T) {
	n, a, b := pair6(t)
	ia, ib := a.Ifaces()[0], b.Ifaces()[0]
	if err := ib.DelAddr(n.now, netip.MustParsePrefix("fd00::2/64")); err != nil {
		t.Fatal(err)
	}
	n.run(20 * time.Second)
	auto := func() (list []netip.Addr) {
		for _, x := range ib.addresses.list {
			if x.origin == OriginAutoconf {
				list = append(list, x.addr)
			}
		}
		return list
	}
	say := func(prefix string, valid, preferred uint32) {
		src := ia.LinkLocal().WithZone("")
		m := routerAdvertisement(src, wire.RouterAdvertisement{}, prefixOption(prefix, "LA", valid, preferred))
		b.Receive(n.now, ib, crafted6(macB, m))
		n.run(3 * time.Second)
	}
	say("fd00::/64", 300, 60)
	first := auto()[0]
	l := listen(t, a, 80, tcp.Config{})
	client, server := dial(n, b, port(ip6A, 80), l)
	if client.Local().Addr() != first {
		t.Fatalf("the connection is from %v", client.Local())
	}
	say("fd01::/64", 9000, 9000)
	n.keepUp(time.Minute)
	second := auto()[1]
	if src, _ := b.net.source6(hop{iface: ib, next: ip6A}, ip6A); src != second {
		t.Errorf("the source is %v, want %v", src, second) // the longest matching prefix would choose the first
	}
	transfer(n, client, server, []byte("still there"), time.Minute)
	n.keepUp(4 * time.Minute)
	if list := auto(); len(list) != 1 || list[0] != second || client.Err() != ErrAddrRemoved {
		t.Errorf("addresses %v, the connection's error %v", list, client.Err())
	}
}

// TestSLAACTwoHours: an advertisement shortens the valid lifetime of an address to two hours at most, but removes the on-link prefix at
// once (RFC 4862 §5.5.3, RFC 4861 §6.3.4).
func TestSLAACTwoHours(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{}, prefixOption(slaacPrefix, "LA", 86400, 86400))
	r.n.run(3 * time.Second)
	r.ra(wire.RouterAdvertisement{}, prefixOption(slaacPrefix, "LA", 0, 0))
	r.wantRoutes()
	if list := r.i.addresses.list; len(list) != 2 || !list[1].deprecated {
		t.Fatalf("%+v", list)
	}
	r.n.keepUp(2*time.Hour - time.Second)
	if len(r.autoAddrs()) != 1 {
		t.Error("the address has ended too early")
	}
	r.n.keepUp(2 * time.Second)
	if len(r.autoAddrs()) != 0 {
		t.Error("the address has not ended")
	}
}

// TestSLAACLink: addresses from a router's prefix, and their connections, outlast a link that is down for a moment, as those of IPv4 do.
// An address that was tentative is probed for again, and the lifetimes go on. An interface that is switched off loses its addresses
// (RFC 4862 §5.3, RFC 4862 §5.5.4, RFC 4861 §6.3.7).
func TestSLAACLink(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 300, 300))
	r.n.run(3 * time.Second)
	first := r.autoAddrs()[0]
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption("2001:db8:2::/64", "LA", 9000, 9000))
	r.take()
	r.i.SetLink(r.n.now, ethernet, false)
	if len(r.i.addresses.probes) != 0 || len(r.routes()) != 3 {
		t.Errorf("%d probes, routes %q", len(r.i.addresses.probes), r.routes())
	}
	if _, ok := r.h.net.lookup(distant); ok {
		t.Error("a route by a link that is down")
	}
	r.n.run(10 * time.Second)
	r.wantSent()
	r.i.SetLink(r.n.now, ethernet, true)
	if list := r.autoAddrs(); len(list) != 1 || list[0] != first {
		t.Errorf("addresses %v", list)
	}
	r.n.run(20 * time.Second)
	if list := r.autoAddrs(); len(list) != 2 {
		t.Errorf("addresses %v", list)
	}
	if got := strings.Join(r.take(), "\n"); strings.Count(got, "RS ") != 3 || !strings.Contains(got, fmt.Sprintf("NA %v O", first)) {
		t.Errorf("sent %s", got)
	}
	r.i.SetLink(r.n.now, ethernet, false)
	r.n.keepUp(5 * time.Minute)
	if slices.Contains(r.autoAddrs(), first) {
		t.Error("the lifetime has stopped with the link")
	}
	r.i.SetUp(r.n.now, false)
	if len(r.autoAddrs()) != 0 || len(r.routes()) != 0 {
		t.Errorf("addresses %v, routes %q", r.autoAddrs(), r.routes())
	}
}
