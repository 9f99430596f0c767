package stack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/stack/wire"
)

// ndFault is a change that makes a valid message invalid, and the verdict.
type ndFault struct {
	name   string
	change func(m *ndMessage)
	want   string
}

// ndFaults are those that every message may have.
var ndFaults = []ndFault{
	{"hop limit 254", func(m *ndMessage) { m.hop = 254 }, "dropped: bad hop limit"},
	{"code 1", func(m *ndMessage) { m.change = func(b []byte) { b[1] = 1 } }, "dropped: bad code"},
	{"short", func(m *ndMessage) {
		put, size := m.put, m.size
		m.put, m.size = func(b []byte, src, dst netip.Addr) int {
			full := make([]byte, size)
			put(full, src, dst)
			copy(b, full)
			b[2], b[3] = 0, 0
			ndChecksum(b, src, dst)
			return 0
		}, size-1
		m.options = nil
	}, "dropped: truncated"},
	{"an option of length 0", func(m *ndMessage) { m.options = append(m.options, 200, 0, 0, 0, 0, 0, 0, 0) }, "dropped: bad option"},
	{"an option beyond the end", func(m *ndMessage) { m.options = append(m.options, 200, 2, 0, 0, 0, 0, 0, 0) }, "dropped: bad option"},
	{"checksum", func(m *ndMessage) {
		put := m.put
		m.put = func(b []byte, src, dst netip.Addr) int { n := put(b, src, dst); b[2] ^= 1; return n }
	}, "dropped: bad checksum"},
}

// invalid passes each faulty form of the message m to B, which must neither learn nor answer.
func (r *ndRig) invalid(m ndMessage, faults ...ndFault) {
	r.t.Helper()
	for _, f := range append(ndFaults, faults...) {
		bad := m
		f.change(&bad)
		before := r.i.neigh[ipv6].Len()
		if v := r.h.Receive(r.n.now, r.i, bad.frame()); v.String() != f.want {
			r.t.Errorf("%s: %q, want %q", f.name, v, f.want)
		}
		if got := r.take(); len(got) > 0 || r.i.neigh[ipv6].Len() != before {
			r.t.Errorf("%s: sent %q, %d neighbours", f.name, got, r.i.neigh[ipv6].Len())
		}
	}
}

// TestND711: a neighbour solicitation that is not valid is dropped (RFC 4861 §7.1.1, RFC 4861 §3.1).
func TestND711(t *testing.T) {
	r := settled(t, "fd00::2/64")
	group := wire.SolicitedNode(ip6B)
	any := netip.IPv6Unspecified()
	r.invalid(solicitation(ip6A, group, ip6B, sourceLink(macA)),
		ndFault{"a multicast target", func(m *ndMessage) { *m = solicitation(ip6A, group, group) }, "dropped: nd bad target"},
		ndFault{":: to our address", func(m *ndMessage) { *m = solicitation(any, ip6B, ip6B) }, "dropped: martian source"},
		ndFault{":: to all nodes", func(m *ndMessage) { *m = solicitation(any, wire.AllNodes6, ip6B) }, "dropped: nd bad destination"},
		ndFault{":: with a link-layer address", func(m *ndMessage) { *m = solicitation(any, group, ip6B, sourceLink(macA)) }, "dropped: nd bad source"},
		ndFault{"a group's link-layer address", func(m *ndMessage) { *m = solicitation(ip6A, group, ip6B, sourceLink(wire.Broadcast)) }, "dropped: nd martian"},
		ndFault{"our link-layer address", func(m *ndMessage) { *m = solicitation(ip6A, group, ip6B, sourceLink(macB)) }, "dropped: nd martian"},
	)
	m := solicitation(ip6A, group, ip6B, sourceLink(macA), []byte{200, 1, 1, 2, 3, 4, 5, 6}) // options that are not known are ignored
	r.receive(m.frame(), "neighbor advertisement")
}

// TestND712: a neighbour advertisement that is not valid is dropped (RFC 4861 §7.1.2).
func TestND712(t *testing.T) {
	r := settled(t, "fd00::2/64")
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.take()
	r.invalid(advertisement(ip6A, ip6B, ip6A, "SO", targetLink(macC)),
		ndFault{"a multicast target", func(m *ndMessage) { *m = advertisement(ip6A, ip6B, wire.AllNodes6, "O") }, "dropped: nd bad target"},
		ndFault{"solicited, to a group", func(m *ndMessage) { *m = advertisement(ip6A, wire.AllNodes6, ip6A, "SO", targetLink(macC)) }, "dropped: nd bad destination"},
		ndFault{"a group's link-layer address", func(m *ndMessage) { *m = advertisement(ip6A, ip6B, ip6A, "SO", targetLink(wire.Broadcast)) }, "dropped: nd martian"},
	)
	r.wantNeighbor(ip6A, "STALE 02:00:00:00:00:01")
}

// TestND6980: messages of neighbour discovery with a fragment header are dropped (RFC 6980 §5).
func TestND6980(t *testing.T) {
	r := settled(t, "fd00::2/64")
	for _, m := range []ndMessage{
		solicitation(ip6A, ip6B, ip6B, sourceLink(macA)), advertisement(ip6A, ip6B, ip6A, "O", targetLink(macA)),
		routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macA)), redirectTo(llA, ip6B, llC, distant),
	} {
		f := m.frame()
		b := f.Bytes()
		icmp := append([]byte(nil), b[wire.EthernetLen+wire.IPv6Len:]...)
		atomic := append([]byte{byte(wire.ProtocolICMPv6), 0, 0, 0, 0, 0, 0, 9}, icmp...)
		p := append([]byte(nil), b[wire.EthernetLen:wire.EthernetLen+wire.IPv6Len]...)
		p[5], p[6] = byte(len(atomic)), wire.FragmentHeader
		r.receive(crafted{macB, macA, wire.EtherTypeIPv6, append(p, atomic...)}.frame(), "dropped: nd fragmented")
	}
	if r.i.neigh[ipv6].Len() != 0 || len(r.take()) != 0 {
		t.Error("a fragment was processed")
	}
}

// TestND721: an interface is a member of the solicited-node group of each of its addresses while it has the address (RFC 4861 §7.2.1).
func TestND721(t *testing.T) {
	r := settled(t)
	member := func(a netip.Addr) bool { return r.i.membership(wire.SolicitedNode(a)) != nil }
	other := netip.MustParseAddr("fd01::2") // the same group
	for _, a := range []netip.Addr{ip6B, other} {
		if err := r.i.AddAddr(r.n.now, netip.PrefixFrom(a, 64)); err != nil {
			t.Fatal(err)
		}
	}
	if !member(ip6B) || !member(r.ll) {
		t.Error("no member of the groups of its addresses")
	}
	if err := r.i.DelAddr(r.n.now, netip.PrefixFrom(ip6B, 64)); err != nil || !member(other) {
		t.Errorf("%v, the group has ended with the first of two addresses", err)
	}
	if err := r.i.DelAddr(r.n.now, netip.PrefixFrom(other, 64)); err != nil || member(other) {
		t.Errorf("%v, the group is kept", err)
	}
}

// echoTo sends an echo request to dst, and returns the socket.
func (r *ndRig) echoTo(dst netip.Addr) *ICMPConn {
	r.t.Helper()
	c, err := r.h.BindICMP(0)
	if err == nil {
		err = c.Send(r.n.now, []byte{128, 0, 0, 0, 0, 0, 0, 1}, dst, 0)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// TestND722: address resolution asks three times, a second apart, from the source of the packet that waits. It then fails. At most
// Config.Queue packets wait, and the latest of them are kept (RFC 4861 §7.2.2, RFC 4861 §10).
func TestND722(t *testing.T) {
	r := settled(t, "fd00::2/64", "fd00::22/64")
	u, err := r.h.BindUDP(port(netip.MustParseAddr("fd00::22"), 7))
	if err != nil {
		t.Fatal(err)
	}
	start := r.n.now
	for k := range 20 {
		if err := u.Send(r.n.now, []byte{byte(k)}, port(ip6A, 9)); err != nil {
			t.Fatal(err)
		}
	}
	r.n.run(10 * time.Second)
	want := ""
	for k := range 3 {
		want += fmt.Sprintf("%v NS fd00::1 <- fd00::22 to ff02::1:ff00:1 src=02:00:00:00:00:02\n", time.Duration(start)+time.Duration(k)*time.Second)
	}
	if got := strings.Join(r.timed(), "\n") + "\n"; got != want {
		t.Errorf("sent\n%swant\n%s", got, want)
	}
	if _, _, err := u.Recv(make([]byte, 9)); err != ErrHostUnreach {
		t.Errorf("the socket's error: %v", err)
	}
	r.wantNeighbor(ip6A, "FAILED")
	// An advertisement for a neighbour that has failed is one for an unknown neighbour (RFC 4861 §7.3.3, RFC 4861 §7.2.5).
	r.receive(advertisement(ip6A, netip.MustParseAddr("fd00::22"), ip6A, "SO", targetLink(macA)).frame(), "dropped: nd unsolicited")
	r.receive(advertisement(ip6A, wire.AllNodes6, ip6A, "O", targetLink(macA)).frame(), "nd not for us")
	r.wantNeighbor(ip6A, "FAILED")
	r.n.run(time.Minute)
	for k := range 20 {
		_ = u.Send(r.n.now, []byte{byte(k)}, port(ip6A, 9))
	}
	r.take()
	r.receive(advertisement(ip6A, netip.MustParseAddr("fd00::22"), ip6A, "SO", targetLink(macA)).frame(), "icmp6")
	r.n.pump()
	var data []byte
	for _, f := range r.raw {
		data = append(data, f[len(f)-1])
	}
	if want := []byte{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}; !bytes.Equal(data, want) {
		t.Errorf("the packets %v were kept, want %v", data, want)
	}
}

// TestNDNoSource: an interface without an address asks for nobody, since a solicitation without a source is a probe (RFC 4861 §7.2.2,
// RFC 4861 §4.3). It never asks from another interface's address.
func TestNDNoSource(t *testing.T) {
	r := newNDRig(t)
	r.h.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("fd01::2/64")}})
	if err := r.h.AddRoute(netip.MustParsePrefix("2001:db8::/32"), netip.Addr{}, r.i); err != nil {
		t.Fatal(err)
	}
	r.n.pump()
	r.take()
	r.echoTo(distant)
	if got := r.take(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
	r.n.run(2500 * time.Millisecond) // eth0 has its link-local address by now
	ll := r.i.LinkLocal().WithZone("")
	found := false
	for _, s := range r.take() {
		if strings.HasPrefix(s, "NS 2001:db8::1") {
			found = true
			if want := fmt.Sprintf("NS 2001:db8::1 <- %v to ff02::1:ff00:1 src=02:00:00:00:00:02", ll); s != want {
				t.Errorf("%s, want %s", s, want)
			}
		}
	}
	if !found {
		t.Error("the interface has not asked with its new address")
	}
}

// TestND723: the source link-layer address of a solicitation makes or changes an entry, which is STALE. A solicitation for another
// station, or without that option, does not (RFC 4861 §7.2.3).
func TestND723(t *testing.T) {
	r := settled(t, "fd00::2/64")
	group := wire.SolicitedNode(ip6B)
	r.receive(solicitation(ip6A, group, netip.MustParseAddr("fd01::2"), sourceLink(macA)).frame(), "nd not for us") // of the same group
	r.wantNeighbor(ip6A, "")
	answer := "NA fd00::2 S O <- fd00::2 to fd00::1 tgt=02:00:00:00:00:02"
	for _, c := range []struct {
		m    ndMessage
		want string
	}{
		{solicitation(ip6A, group, ip6B, sourceLink(macA)), "STALE 02:00:00:00:00:01"},
		{solicitation(ip6A, ip6B, ip6B, sourceLink(macC)), "STALE 02:00:00:00:00:03"},
	} {
		r.receive(c.m.frame(), "neighbor advertisement")
		r.wantNeighbor(ip6A, c.want)
		r.wantSent(answer)
	}
	r.receive(advertisement(ip6A, ip6B, ip6A, "SO", targetLink(macA)).frame(), "icmp6")
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.wantNeighbor(ip6A, "REACHABLE 02:00:00:00:00:01") // the same address changes nothing
	r.wantSent(answer)
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macC)).frame(), "neighbor advertisement")
	r.wantNeighbor(ip6A, "STALE 02:00:00:00:00:03")
	r.wantSent(answer)

	// A station that does not say its link-layer address is asked for it first, on the link, whatever the routes say.
	stranger := netip.MustParseAddr("2001:db8::9")
	m := solicitation(stranger, ip6B, ip6B)
	m.from = macC
	r.receive(m.frame(), "neighbor advertisement")
	r.wantSent("NS 2001:db8::9 <- fd00::2 to ff02::1:ff00:9 src=02:00:00:00:00:02")
	r.receive(advertisement(stranger, ip6B, stranger, "SO", targetLink(macC)).frame(), "icmp6")
	r.wantSent("NA fd00::2 S O <- fd00::2 to 2001:db8::9 tgt=02:00:00:00:00:02")
}

// TestND724: the answer to a solicitation, octet for octet: hop limit 255, the flags S and O, the target, the target link-layer
// address. A probe is answered to all nodes without S (RFC 4861 §7.2.4, RFC 4861 §4.4).
func TestND724(t *testing.T) {
	r := settled(t, "fd00::2/64")
	want := "020000000001020000000002" + "86dd" + // Ethernet
		"6000000000203aff" + "fd000000000000000000000000000002" + "fd000000000000000000000000000001" + // IPv6
		"8800????60000000" + "fd000000000000000000000000000002" + "0201020000000002"
	r.receive(solicitation(ip6A, wire.SolicitedNode(ip6B), ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.n.pump()
	r.wantOctets(want)
	r.take()
	probe := solicitation(netip.IPv6Unspecified(), wire.SolicitedNode(ip6B), ip6B)
	probe.from = macC
	r.receive(probe.frame(), "neighbor advertisement")
	r.n.pump()
	r.wantOctets("333300000001020000000002" + "86dd" +
		"6000000000203aff" + "fd000000000000000000000000000002" + "ff020000000000000000000000000001" +
		"8800????20000000" + "fd000000000000000000000000000002" + "0201020000000002")
	r.take()
	r.h.SetForwarding(r.n.now, true)
	r.take()
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.wantSent("NA fd00::2 R S O <- fd00::2 to fd00::1 tgt=02:00:00:00:00:02")
}

// wantOctets checks the only frame that B has sent. ?? stands for any octet; the checksum is checked by ndText.
func (r *ndRig) wantOctets(want string) {
	r.t.Helper()
	if len(r.raw) != 1 {
		r.t.Fatalf("%d frames", len(r.raw))
	}
	got := []byte(hex.EncodeToString(r.raw[0]))
	for k := range min(len(got), len(want)) {
		if want[k] == '?' {
			got[k] = '?'
		}
	}
	if string(got) != want || strings.Contains(ndText(r.raw[0]), "bad") {
		r.t.Errorf("sent %s\nwant %s", got, want)
	}
}

// TestND725: an advertisement changes an entry by its flags, and makes none on a host (RFC 4861 §7.2.5).
func TestND725(t *testing.T) {
	tests := []struct {
		before string // state of the entry: none, I, S, R, P or M
		flags  string
		hw     wire.HardwareAddr // zero without the option
		want   string
	}{
		{"none", "O", macC, ""},
		{"none", "SO", macC, ""},
		{"I", "S", macC, "REACHABLE 02:00:00:00:00:03"},
		{"I", "", macC, "DELAY 02:00:00:00:00:03"}, // STALE, but a packet waits, which is sent
		{"I", "RSO", macC, "REACHABLE 02:00:00:00:00:03 router"},
		{"I", "SO", wire.HardwareAddr{}, "INCOMPLETE"},
		{"S", "S", macC, "STALE 02:00:00:00:00:01"},
		{"S", "SO", macC, "REACHABLE 02:00:00:00:00:03"},
		{"S", "O", macC, "STALE 02:00:00:00:00:03"},
		{"S", "S", macA, "REACHABLE 02:00:00:00:00:01"},
		{"S", "S", wire.HardwareAddr{}, "REACHABLE 02:00:00:00:00:01"},
		{"S", "R", macA, "STALE 02:00:00:00:00:01 router"},
		{"R", "S", macC, "STALE 02:00:00:00:00:01"}, // without override, another address only raises a doubt
		{"R", "RS", macC, "STALE 02:00:00:00:00:01"},
		{"R", "O", macC, "STALE 02:00:00:00:00:03"},
		{"R", "SO", macC, "REACHABLE 02:00:00:00:00:03"},
		{"R", "", macA, "REACHABLE 02:00:00:00:00:01"},
		{"M", "SO", macC, "PERMANENT 02:00:00:00:00:01"},
	}
	for _, c := range tests {
		r := settled(t, "fd00::2/64")
		switch c.before {
		case "I":
			r.echoTo(ip6A)
		case "S", "R":
			r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
			if c.before == "R" {
				r.receive(advertisement(ip6A, ip6B, ip6A, "S").frame(), "icmp6")
			}
		case "M":
			if err := r.i.AddNeighbor(r.n.now, ip6A, macA); err != nil {
				t.Fatal(err)
			}
		}
		m := advertisement(ip6A, ip6B, ip6A, c.flags)
		if !c.hw.IsZero() {
			m.options = targetLink(c.hw)
		}
		r.h.Receive(r.n.now, r.i, m.frame())
		if r.wantNeighbor(ip6A, c.want); t.Failed() {
			t.Fatalf("%+v", c)
		}
	}
}

// TestND725Router: a default router that is no router any more loses its routes, and the redirects to it end. The host notices even
// if it had no entry for the router (RFC 4861 §7.2.5, RFC 4861 §6.3.5).
func TestND725Router(t *testing.T) {
	for _, known := range []bool{true, false} {
		r := settled(t, "fd00::2/64")
		r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}).frame(), "icmp6")
		r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macC)).frame(), "icmp6")
		if known {
			r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macA)).frame(), "icmp6")
			r.receive(redirectTo(llA, ip6B, llC, distant).frame(), "icmp6")
			r.receive(redirectTo(llA, ip6B, llA, netip.MustParseAddr("2001:db8::2")).frame(), "icmp6")
		}
		r.echoTo(netip.MustParseAddr("2001:db8::3"))
		if p, _ := r.h.net.lookup(netip.MustParseAddr("2001:db8::3")); p.next != r.i.scoped(llA) {
			t.Fatalf("the route is by %v", p.next)
		}
		r.receive(advertisement(llA, r.ll, llA, "SO", targetLink(macA)).frame(), "icmp6")
		for _, dst := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
			if p, ok := r.h.net.lookup(netip.MustParseAddr(dst)); !ok || p.next != r.i.scoped(llC) {
				t.Errorf("known %v: %s is reached by %v", known, dst, p.next)
			}
		}
	}
}

// TestND726: an address that is added by hand, and a new hardware address, are announced to all nodes (RFC 4861 §7.2.6).
func TestND726(t *testing.T) {
	r := settled(t)
	if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix("fd00::2/64")); err != nil {
		t.Fatal(err)
	}
	r.wantSent("MLD 4:ff02::1:ff00:2 <- "+r.ll.String(), "NA fd00::2 O <- fd00::2 to ff02::1 tgt=02:00:00:00:00:02")
	r.n.run(5 * time.Second)
	r.take()
	if err := r.i.SetMAC(r.n.now, macC); err != nil {
		t.Fatal(err)
	}
	r.wantSent(fmt.Sprintf("NA %v O <- %v to ff02::1 tgt=02:00:00:00:00:03", r.ll, r.ll), "NA fd00::2 O <- fd00::2 to ff02::1 tgt=02:00:00:00:00:03")
}

// TestND9131: a router makes an entry from an unsolicited advertisement of a neighbour. A host tells routers of a new address without
// overriding what they know (RFC 9131 §6.1.1, RFC 9131 §6.1.2).
func TestND9131(t *testing.T) {
	r := settled(t, "fd00::2/64")
	m := advertisement(ip6A, wire.AllRouters6, ip6A, "", targetLink(macA))
	r.receive(m.frame(), "nd not for us")
	r.h.SetForwarding(r.n.now, true)
	r.receive(m.frame(), "icmp6")
	r.wantNeighbor(ip6A, "STALE 02:00:00:00:00:01")
	r.receive(advertisement(distant, wire.AllNodes6, distant, "", targetLink(macA)).frame(), "nd not for us") // no neighbour
	r.wantNeighbor(distant, "")
	r.receive(advertisement(llC, wire.AllNodes6, llC, "").frame(), "nd not for us") // no link-layer address
	asleep := netip.MustParseAddr("fd00::a51e")
	u, err := r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Send(r.n.now, nil, port(asleep, 9))
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.run(4 * time.Second)
	r.wantNeighbor(asleep, "FAILED") // until it wakes
	r.receive(advertisement(asleep, wire.AllRouters6, asleep, "", targetLink(macC)).frame(), "icmp6")
	r.wantNeighbor(asleep, "STALE "+macC.String())
	r.h.SetForwarding(r.n.now, false)
	r.n.run(5 * time.Second)
	r.take()
	if _, err := r.i.ProbeAddr(r.n.now, netip.MustParsePrefix("fd00::3/64")); err != nil {
		t.Fatal(err)
	}
	r.n.run(5 * time.Second)
	if got := r.take(); !strings.Contains(strings.Join(got, "\n"), "NA fd00::3 <- fd00::3 to ff02::2 tgt=02:00:00:00:00:02") {
		t.Errorf("sent %q", got)
	}
}

// TestND733: a neighbour is polled after DELAY and forgotten after three polls. A host on its link is then asked for again, and packets
// by a router go by the next router (RFC 4861 §7.3.3, RFC 4861 §6.3.6).
func TestND733(t *testing.T) {
	r := settled(t, "fd00::2/64")
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.take()
	start := r.n.now
	c := r.echoTo(ip6A)
	r.wantNeighbor(ip6A, "DELAY 02:00:00:00:00:01")
	r.n.run(4900 * time.Millisecond)
	r.wantNeighbor(ip6A, "DELAY 02:00:00:00:00:01")
	r.n.run(200 * time.Millisecond)
	r.wantNeighbor(ip6A, "PROBE 02:00:00:00:00:01")
	r.n.run(3 * time.Second)
	r.wantNeighbor(ip6A, "")
	want := []string{fmt.Sprintf("%v ICMPv6 128.0 <- fd00::2 to fd00::1", time.Duration(start))}
	for k := range 3 {
		want = append(want, fmt.Sprintf("%v NS fd00::1 <- fd00::2 to fd00::1 src=02:00:00:00:00:02", time.Duration(start)+time.Duration(5+k)*time.Second))
	}
	if got := r.timed(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("sent %q\nwant %q", got, want)
	}
	if err := c.Send(r.n.now, []byte{128, 0, 0, 0, 0, 0, 0, 1}, ip6A, 0); err != nil {
		t.Fatal(err)
	}
	r.wantSent("NS fd00::1 <- fd00::2 to ff02::1:ff00:1 src=02:00:00:00:00:02")
	c.Close()

	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800, Preference: 1}, sourceLink(macA)).frame(), "icmp6")
	r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macC)).frame(), "icmp6")
	by := func() netip.Addr { p, _ := r.h.net.lookup(distant); return p.next.WithZone("") }
	c = r.echoTo(distant)
	if by() != llA {
		t.Errorf("by %v, not by the router of the higher preference", by())
	}
	r.n.run(8100 * time.Millisecond)
	if by() != llC {
		t.Errorf("by %v after the failure of the first router", by())
	}
	r.wantNeighbor(llA, "FAILED router")
	r.take()
	_ = c.Send(r.n.now, []byte{128, 0, 0, 0, 0, 0, 0, 1}, distant, 0)
	r.n.pump()
	if len(r.raw) != 1 || [6]byte(r.raw[0]) != macC {
		t.Errorf("%d frames", len(r.raw))
	}
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800, Preference: 1}, sourceLink(macA)).frame(), "icmp6")
	if by() != llA {
		t.Errorf("by %v when the first router is back", by())
	}
}

// TestNDUnreachable: a router reports that a destination on its link does not answer (RFC 4861 §7.2.2, RFC 4443 §3.1).
func TestNDUnreachable(t *testing.T) {
	r := settled(t, "fd00::2/64", "fd01::2/64")
	r.h.SetForwarding(r.n.now, true)
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.n.run(5 * time.Second)
	r.take()
	f := ndFrame(macA, ip6A, netip.MustParseAddr("fd01::9"), 64, []byte{128, 0, 0, 0, 0, 0, 0, 1})
	if v := r.h.Receive(r.n.now, r.i, f); v.Kind != Forwarded {
		t.Fatalf("%v", v)
	}
	r.n.run(5 * time.Second)
	got := r.take()
	ask := "NS fd01::9 <- fd01::2 to ff02::1:ff00:9 src=02:00:00:00:00:02"
	want := []string{ask, ask, ask, "ICMPv6 1.3 <- fd00::2 to fd00::1"}
	text := strings.Join(got, "\n")
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("sent %q, want %q among it", got, s)
		}
	}
	if strings.Count(text, ask) != 3 {
		t.Errorf("sent %q", got)
	}
}

// TestTentativeNotForwarded: a router discards packets to an address for which it probes, and does not look for the address among its
// neighbours (RFC 4862 §5.4).
func TestTentativeNotForwarded(t *testing.T) {
	r := settled(t, "fd00::2/64")
	r.h.SetForwarding(r.n.now, true)
	nine := netip.MustParseAddr("fd00::9")
	for _, tentative := range []string{"fd00::9/64", "10.0.0.9/24"} {
		if _, err := r.i.ProbeAddr(r.n.now, netip.MustParsePrefix(tentative)); err != nil {
			t.Fatal(err)
		}
	}
	r.n.run(500 * time.Millisecond)
	r.take()
	r.receive(toB6(ip6Packet(wire.ProtocolUDP, ip6A, nine, udp6(port(ip6A, 1), port(nine, 9), nil), nil)), "dropped: not for us")
	r.receive(toB(udpPacket(port(ipA, 1), port(netip.MustParseAddr("10.0.0.9"), 9), nil)), "dropped: not for us")
	for _, line := range r.take() {
		if strings.HasPrefix(line, "NS fd00::9 <- fd00::2") {
			t.Errorf("sent %s", line)
		}
	}
	if e := r.i.neigh[ipv6].Get(nine); e != nil {
		t.Errorf("a neighbour %v", e.Addr)
	}
}
