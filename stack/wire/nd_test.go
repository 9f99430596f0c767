package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/stack/drop"
)

// The packets are Scapy's.
var (
	scapyRS = octets(`6000000000103aff fe800000000000000000000000000001 fe800000000000000000000000000002
		85007aae00000000 0101020000000001`)
	scapyRA = octets(`6000000000a83aff fe800000000000000000000000000001 ff020000000000000000000000000001
		86006737 40bc0708 00007530 000003e8 0101020000000001
		030440c0 00015180 00003840 00000000 20010db8000000000000000000000000
		0501000000 0005c8 18033008 00000258 20010db8000500000000000000000000
		19050000 00000384 20010db8000000000000000000000053 20010db8000000000000000000000054
		1f050000 00000385 076578616d706c6503636f6d00 036c6162076578616d706c6500 000000000000`)
	scapyDAD = octets(`6000000000203aff 00000000000000000000000000000000 ff0200000000000000000001ff000009
		8700650000000000 fe800000000000000000000000000009 0e01010203040506`)
	scapyNS = octets(`6000000000203aff fe800000000000000000000000000001 ff0200000000000000000001ff000009
		87007a8900000000 fe800000000000000000000000000009 0101020000000001`)
	scapyNA = octets(`6000000000203aff fe800000000000000000000000000001 fe800000000000000000000000000002
		88009813e0000000 fe800000000000000000000000000009 0201020000000001`)
	scapyRedirect = octets(`6000000000683aff fe800000000000000000000000000001 fe800000000000000000000000000002
		89003c3f00000000 fe800000000000000000000000000009 20010db8000000000000000000000007 0201020000000001
		0407000000000000 60000000000a1140 20010db8000000000000000000000001 20010db8000000000000000000000007 13881770000a10ff`)
	target6 = netip.MustParseAddr("fe80::9")
	mac6    = HardwareAddr{2, 0, 0, 0, 0, 1}
)

// message parses the header of a packet without extension headers, and returns the ICMPv6 message in it.
func message(t testing.TB, packet []byte) (IPv6, []byte) {
	t.Helper()
	h, b, err := ParseIPv6(packet)
	if err != nil {
		t.Fatal(err)
	}
	return h, b
}

// ndOptions collects the options of a message.
func ndOptions(o NDOptions) (all []NDOption) {
	for first, rest, ok := o.Next(); ok; first, rest, ok = rest.Next() {
		all = append(all, first)
	}
	return all
}

// parseND parses a message of any type and returns the function that writes it.
func parseND(h *IPv6, b []byte, verify bool) (put func(b []byte) int, options NDOptions, err error) {
	switch ICMPv6Type(b[0]) {
	case ICMPv6RouterSolicitation:
		options, err = ParseRouterSolicitation(h, b, verify)
		return func(b []byte) int { return PutRouterSolicitation(b, h.Src, h.Dst) }, options, err
	case ICMPv6RouterAdvertisement:
		m, options, err := ParseRouterAdvertisement(h, b, verify)
		return func(b []byte) int { return m.Put(b, h.Src, h.Dst) }, options, err
	case ICMPv6NeighborSolicitation:
		m, options, err := ParseNeighborSolicitation(h, b, verify)
		return func(b []byte) int { return m.Put(b, h.Src, h.Dst) }, options, err
	case ICMPv6NeighborAdvertisement:
		m, options, err := ParseNeighborAdvertisement(h, b, verify)
		return func(b []byte) int { return m.Put(b, h.Src, h.Dst) }, options, err
	}
	m, options, err := ParseRedirect(h, b, verify)
	return func(b []byte) int { return m.Put(b, h.Src, h.Dst) }, options, err
}

// RFC 4861 §4.1 to §4.5, RFC 4191 §2.2: the fields of each message, and what is written is what was read.
func TestNDMessages(t *testing.T) {
	h, b := message(t, scapyRA)
	ra, _, err := ParseRouterAdvertisement(&h, b, true)
	if want := (RouterAdvertisement{HopLimit: 64, Managed: true, HomeAgent: true, Preference: -1, Proxy: true, RouterLifetime: 1800,
		ReachableTime: 30000, RetransTimer: 1000}); err != nil || ra != want {
		t.Errorf("got %+v, %v; want %+v", ra, err, want)
	}
	for bits, want := range map[byte]Preference{0: 0, 0x08: 1, 0x10: 0, 0x18: -1} { // 10 is reserved (RFC 4191 §2.2)
		if ra, _, err := ParseRouterAdvertisement(&h, changed(b, 5, bits), false); err != nil || ra != (RouterAdvertisement{HopLimit: 64, Preference: want,
			RouterLifetime: 1800, ReachableTime: 30000, RetransTimer: 1000}) {
			t.Errorf("flags %#x: %+v, %v", bits, ra, err)
		}
	}
	for _, p := range [][]byte{scapyDAD, scapyNS} {
		h, b = message(t, p)
		if ns, _, err := ParseNeighborSolicitation(&h, b, true); err != nil || ns != (NeighborSolicitation{target6}) {
			t.Errorf("%+v, %v", ns, err)
		}
	}
	h, b = message(t, scapyNA)
	if na, _, err := ParseNeighborAdvertisement(&h, b, true); err != nil || na != (NeighborAdvertisement{true, true, true, target6}) {
		t.Errorf("%+v, %v", na, err)
	}
	for bits, want := range map[byte]NeighborAdvertisement{0x80: {Router: true}, 0x40: {Solicited: true}, 0x20: {Override: true}, 0x1f: {}} {
		want.Target = target6
		if na, _, err := ParseNeighborAdvertisement(&h, changed(b, 4, bits), false); err != nil || na != want {
			t.Errorf("flags %#x: %+v, %v", bits, na, err)
		}
	}
	h, b = message(t, scapyRedirect)
	if r, _, err := ParseRedirect(&h, b, true); err != nil || r != (Redirect{target6, netip.MustParseAddr("2001:db8::7")}) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, p := range [][]byte{scapyRS, scapyRA, scapyDAD, scapyNS, scapyNA, scapyRedirect} {
		h, b := message(t, p)
		put, options, err := parseND(&h, b, true)
		if err != nil {
			t.Fatal(err)
		}
		out := append(bytes.Repeat([]byte{0xee}, len(b)-len(options)), options...)
		if n := put(out); n != len(b)-len(options) {
			t.Errorf("Put = %d", n)
		}
		wantOctets(t, "written", out, b)
	}
}

// RFC 4861 §6.1.1, §6.1.2, §7.1.1, §7.1.2, §8.1: each rule about the octets, and the reason if a message breaks it.
func TestNDRules(t *testing.T) {
	global, unspecified := src6, netip.IPv6Unspecified()
	solicited := SolicitedNode(target6)
	for _, c := range []struct {
		what   string
		packet []byte
		src    netip.Addr // zero: that of the packet, like dst
		dst    netip.Addr
		at     int // index in the message of the octets v
		v      string
		want   drop.Reason
	}{
		{"RS with code 1", scapyRS, netip.Addr{}, netip.Addr{}, 1, "01", drop.BadCode},
		{"RS with an option of length 0", scapyRS, netip.Addr{}, netip.Addr{}, 9, "00", drop.BadOption},
		{"RS with an option beyond it", scapyRS, netip.Addr{}, netip.Addr{}, 9, "02", drop.BadOption},
		{"RS with an option of length 255", scapyRS, netip.Addr{}, netip.Addr{}, 9, "ff", drop.BadOption},
		{"RS from :: with its address", scapyRS, unspecified, netip.Addr{}, 0, "85", drop.NDBadSource},
		{"RS from :: with another option", scapyRS, unspecified, netip.Addr{}, 8, "0e", drop.None},
		{"RS with reserved bits", scapyRS, netip.Addr{}, netip.Addr{}, 4, "ffffffff", drop.None},
		{"RA from a global address", scapyRA, global, netip.Addr{}, 0, "86", drop.NotLinkLocal},
		{"RA from ::", scapyRA, unspecified, netip.Addr{}, 0, "86", drop.NotLinkLocal},
		{"RA with code 255", scapyRA, netip.Addr{}, netip.Addr{}, 1, "ff", drop.BadCode},
		{"RA whose second option has length 0", scapyRA, netip.Addr{}, netip.Addr{}, 25, "00", drop.BadOption},
		{"NS with a multicast target", scapyNS, netip.Addr{}, netip.Addr{}, 8, "ff", drop.NDBadTarget},
		{"NS from :: with its address", scapyNS, unspecified, solicited, 0, "87", drop.NDBadSource},
		{"NS from :: to the target", scapyDAD, unspecified, target6, 0, "87", drop.NDBadDest},
		{"NS from :: to all nodes", scapyDAD, unspecified, AllNodes6, 0, "87", drop.NDBadDest},
		{"NS to the target", scapyNS, netip.Addr{}, target6, 0, "87", drop.None},
		{"NS with code 1", scapyNS, netip.Addr{}, netip.Addr{}, 1, "01", drop.BadCode},
		{"NS with an option of length 0", scapyNS, netip.Addr{}, netip.Addr{}, 25, "00", drop.BadOption},
		{"NA with a multicast target", scapyNA, netip.Addr{}, netip.Addr{}, 8, "ff", drop.NDBadTarget},
		{"solicited NA to all nodes", scapyNA, netip.Addr{}, AllNodes6, 0, "88", drop.NDBadDest},
		{"unsolicited NA to all nodes", scapyNA, netip.Addr{}, AllNodes6, 4, "a0", drop.None},
		{"NA with code 1", scapyNA, netip.Addr{}, netip.Addr{}, 1, "01", drop.BadCode},
		{"NA with an option of length 0", scapyNA, netip.Addr{}, netip.Addr{}, 25, "00", drop.BadOption},
		{"redirect from a global address", scapyRedirect, global, netip.Addr{}, 0, "89", drop.NotLinkLocal},
		{"redirect of a group", scapyRedirect, netip.Addr{}, netip.Addr{}, 24, "ff", drop.NDBadDest},
		{"redirect to a global router", scapyRedirect, netip.Addr{}, netip.Addr{}, 8, "2001", drop.NDBadTarget},
		{"redirect to the destination", scapyRedirect, netip.Addr{}, netip.Addr{}, 8, "20010db8000000000000000000000007", drop.None},
		{"redirect with code 1", scapyRedirect, netip.Addr{}, netip.Addr{}, 1, "01", drop.BadCode},
		{"redirect with an option of length 0", scapyRedirect, netip.Addr{}, netip.Addr{}, 49, "00", drop.BadOption},
	} {
		h, b := message(t, c.packet)
		if c.src.IsValid() {
			h.Src = c.src
		}
		if c.dst.IsValid() {
			h.Dst = c.dst
		}
		b = changed(b, c.at, octets(c.v)...)
		putICMPv6Checksum(b, h.Src, h.Dst)
		_, options, err := parseND(&h, b, true)
		wantErr(t, c.what, err, c.want)
		if err != nil && options != nil {
			t.Errorf("%s: options of a refused message", c.what)
		}
	}
	for _, p := range [][]byte{scapyRS, scapyRA, scapyNS, scapyNA, scapyRedirect} {
		h, b := message(t, p)
		size := map[byte]int{133: 8, 134: 16, 135: 24, 136: 24, 137: 40}[b[0]]
		for n := 1; n < len(b); n++ {
			_, _, err := parseND(&h, b[:n], false)
			switch whole := NDOptions(b[min(n, size):n]).valid(); {
			case n < size:
				wantErr(t, "cut in the fixed part", err, drop.Truncated)
			case whole:
				wantErr(t, "cut between options", err, drop.None)
			default:
				wantErr(t, "cut in an option", err, drop.BadOption)
			}
		}
		for n := range 256 {
			_, _, err := parseND(&h, changed(b[:size+8:size+8], size+1, byte(n)), false)
			if want := map[bool]drop.Reason{false: drop.BadOption}[n == 1]; drop.Of(err) != want {
				t.Errorf("an option of length %d: %v", n, err)
			}
		}
		for limit := range 255 {
			h.HopLimit = uint8(limit)
			_, _, err := parseND(&h, b, true)
			wantErr(t, "a router forwarded it", err, drop.BadHopLimit)
		}
		h.HopLimit = 255
		for i := 2; i < len(b); i++ {
			if _, _, err := parseND(&h, changed(b, i, b[i]^4), true); drop.Of(err) != drop.BadChecksum {
				t.Errorf("octet %d changed: %v", i, err)
			}
		}
		if _, err := ParseRouterSolicitation(&h, changed(make([]byte, 60), 0, 1), false); drop.Of(err) != drop.BadType {
			t.Errorf("another type: %v", err)
		}
	}
}

// RFC 4861 §4.6, RFC 3971 §5.3.2, RFC 4191 §2.3, RFC 8106 §5.1, §5.2: the content of each option, which is written as it was read.
func TestNDOptions(t *testing.T) {
	h, b := message(t, scapyRA)
	_, all, err := ParseRouterAdvertisement(&h, b, true)
	if err != nil {
		t.Fatal(err)
	}
	o := ndOptions(all)
	if len(o) != 6 {
		t.Fatalf("%d options", len(o))
	}
	out := make([]byte, len(all))
	mac, ok := o[0].LinkAddr()
	if mac != mac6 || !ok {
		t.Errorf("link-layer address %v, %v", mac, ok)
	}
	n := PutNDLinkAddr(out, NDSourceLinkAddr, mac)
	prefix, ok := o[1].PrefixInfo()
	if want := (PrefixInfo{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Autonomous: true, ValidLifetime: 86400, Preferred: 14400}); prefix != want || !ok {
		t.Errorf("prefix %+v, %v", prefix, ok)
	}
	for bits, want := range map[byte]PrefixInfo{0x80: {OnLink: true}, 0x40: {Autonomous: true}, 0x20: {RouterAddr: true}, 0x1f: {}} {
		data := changed(o[1].Data, 1, bits)
		want.Prefix, want.ValidLifetime, want.Preferred = prefix.Prefix, 86400, 14400
		if p, ok := (NDOption{NDPrefix, data}).PrefixInfo(); p != want || !ok {
			t.Errorf("flags %#x: prefix %+v, want %+v", bits, p, want)
		}
		if want.Put(out); out[3] != bits&0xe0 {
			t.Errorf("flags %#x written as %#x", bits, out[3])
		}
	}
	PutNDLinkAddr(out, NDSourceLinkAddr, mac)
	n += prefix.Put(out[n:])
	mtu, ok := o[2].MTU()
	if mtu != 1480 || !ok {
		t.Errorf("MTU %d, %v", mtu, ok)
	}
	n += PutNDMTU(out[n:], mtu)
	route, ok := o[3].RouteInfo()
	if want := (RouteInfo{netip.MustParsePrefix("2001:db8:5::/48"), 1, 600}); route != want || !ok {
		t.Errorf("route %+v, %v", route, ok)
	}
	n += route.Put(out[n:])
	servers, lifetime, ok := o[4].DNSServers()
	if want := "2001:db8::53"; !ok || servers.Len() != 2 || lifetime != 900 || servers.At(0) != netip.MustParseAddr(want) || servers.At(1) != netip.MustParseAddr("2001:db8::54") {
		t.Errorf("servers % x, %d, %v", servers, lifetime, ok)
	}
	n += PutNDDNSServers(out[n:], lifetime, servers.At(0), servers.At(1))
	names, lifetime, ok := o[5].DNSSearch()
	first, names, _ := names.Next()
	second, names, _ := names.Next()
	if _, _, more := names.Next(); first.String() != "example.com" || second.String() != "lab.example" || lifetime != 901 || !ok || more {
		t.Errorf("names %v %v, %d, %v", first, second, lifetime, ok)
	}
	n += PutNDDNSSearch(out[n:], lifetime, first, second)
	if n != len(all) {
		t.Errorf("%d octets of %d written", n, len(all))
	}
	wantOctets(t, "written", out, all)

	h, b = message(t, scapyRedirect)
	_, all, err = ParseRedirect(&h, b, true)
	if err != nil {
		t.Fatal(err)
	}
	o = ndOptions(all)
	quoted, ok := o[1].Redirected()
	wantOctets(t, "redirected", quoted, b[56:])
	if mac, is := o[0].LinkAddr(); mac != mac6 || !is || !ok {
		t.Errorf("target %v", mac)
	}
	if n := PutNDRedirected(out, append(bytes.Clone(quoted), 1, 2, 3, 4, 5, 6, 7), 63); n != 56 {
		t.Errorf("redirected header of %d octets", n)
	}
	wantOctets(t, "redirected header", out[:56], b[48:])
	h, b = message(t, scapyDAD)
	_, all, _ = ParseNeighborSolicitation(&h, b, true)
	if nonce, ok := ndOptions(all)[0].Nonce(); !bytes.Equal(nonce, []byte{1, 2, 3, 4, 5, 6}) || !ok {
		t.Errorf("nonce % x, %v", nonce, ok)
	}
	n = PutNDNonce(out, [6]byte{1, 2, 3, 4, 5, 6})
	wantOctets(t, "nonce", out[:n], all)
}

// TestNDRedirectedRoom: the quotation is cut to the room, and padded with zero.
func TestNDRedirectedRoom(t *testing.T) {
	packet := bytes.Repeat([]byte{0xab}, 3000)
	out := make([]byte, 2048)
	for _, c := range []struct{ packet, room, want, quoted int }{{0, 8, 8, 0}, {1, 16, 16, 1}, {3000, 8, 8, 0}, {3000, 23, 16, 8}, {3000, 2048, 2040, 2032}, {41, 2048, 56, 41}} {
		n := PutNDRedirected(out, packet[:c.packet], c.room)
		if n != c.want || int(out[1])*8 != n || bytes.Count(out[8:n], []byte{0xab}) != c.quoted {
			t.Errorf("%d octets in room for %d: %d octets, %d of the packet; want %+v", c.packet, c.room, n, bytes.Count(out[8:n], []byte{0xab}), c)
		}
	}
}

// TestNDOptionsWrong: a method refuses an option of another type, of another length, or with content that contradicts it:
// RFC 8106 §5.3.1, RFC 4191 §2.3.
func TestNDOptionsWrong(t *testing.T) {
	for _, c := range []struct {
		what, octets string
		ok           bool
	}{
		{"a link-layer address of 14 octets", "0102 000000000000 0000000000000000", false},
		{"a link-layer address", "0101 000000000000", true},
		{"a prefix of 128 bits", "0304 80c0 00000000 00000000 00000000 20010db8000000000000000000000000", true},
		{"a prefix of 129 bits", "0304 81c0 00000000 00000000 00000000 20010db8000000000000000000000000", false},
		{"a prefix option of 24 octets", "0303 40c0 00000000 00000000 00000000 20010db800000000", false},
		{"a redirected header without a packet", "0401 0000 00000000", true},
		{"an MTU of 16 octets", "0502 0000 00000500 0000000000000000", false},
		{"a nonce of 14 octets", "0e02 0102030405060708090a0b0c0d0e", true},
		{"the default route", "1801 0000 00000258", true},
		{"one bit without room", "1801 0100 00000258", false},
		{"64 bits with room for them", "1802 4000 00000258 20010db800000000", true},
		{"65 bits without room for them", "1802 4100 00000258 20010db800000000", false},
		{"128 bits", "1803 8000 00000258 20010db8000000000000000000000000", true},
		{"129 bits", "1803 8100 00000258 20010db8000000000000000000000000", false},
		{"a route of 32 octets", "1804 8000 00000258 20010db8000000000000000000000000 0000000000000000", false},
		{"a reserved preference", "1801 0010 00000258", false},
		{"no server", "1901 0000 00000384", false},
		{"half a server", "1902 0000 00000384 20010db800000000", false},
		{"a server and a half", "1904 0000 00000384 20010db8000000000000000000000053 20010db800000000", false},
		{"a group as server", "1903 0000 00000384 ff020000000000000000000000000053", false},
		{"no address as server", "1903 0000 00000384 00000000000000000000000000000000", false},
		{"a server", "1903 0000 00000384 20010db8000000000000000000000053", true},
		{"no name", "1f02 0000 00000385 0000000000000000", false},
		{"no room for a name", "1f01 0000 00000385", false},
		{"a name", "1f02 0000 00000385 0161 00 0000000000", true},
		{"a name that goes on", "1f02 0000 00000385 0761626364656667", false},
		{"a label that goes on", "1f02 0000 00000385 0861626364656667", false},
		{"a compressed name", "1f02 0000 00000385 0161 c000 00000000", false},
		{"a label of 64 octets", "1f02 0000 00000385 40 61626364656667", false},
		{"padding that is not zero", "1f02 0000 00000385 0161 00 00 00 00 00 01", false},
		{"a name behind padding", "1f02 0000 00000385 0161 00 00 0161 00 00", false},
		{"an unknown option", "fd01 0000 00000000", false},
	} {
		all := NDOptions(octets(c.octets))
		o, rest, ok := all.Next()
		if !all.valid() || !ok || len(rest) != 0 {
			t.Fatalf("%s: %v, % x", c.what, ok, rest)
		}
		if got := contentOf(o); (got >= 0) != c.ok {
			t.Errorf("%s: method %d has content", c.what, got)
		}
	}
	long := bytes.Repeat([]byte("\x3f"+string(bytes.Repeat([]byte{'x'}, 63))), 4) // a name of 256 octets with its root
	for _, n := range []int{254, 255} {
		name := bytes.Clone(long[:n])
		name[192] = byte(n - 193)
		b := make([]byte, 272)
		PutNDDNSSearch(b, 1, DomainName(name))
		o, _, _ := NDOptions(b[:int(b[1])*8]).Next()
		if _, _, ok := o.DNSSearch(); ok != (n == 254) {
			t.Errorf("a name of %d octets: %v", n+1, ok)
		}
	}
	for _, n := range []int{63, 64} {
		b := make([]byte, 80)
		PutNDDNSSearch(b, 1, append(DomainName{byte(n)}, long[1:1+n]...))
		o, _, _ := NDOptions(b[:int(b[1])*8]).Next()
		if _, _, ok := o.DNSSearch(); ok != (n == 63) {
			t.Errorf("a label of %d octets: %v", n, ok)
		}
	}
	if s := DomainName("\x08azAZ09-_\x06`{@[/:").String(); s != `azAZ09-_.\096\123\064\091\047\058` {
		t.Errorf("name %q", s)
	}
	if s := DomainName("\x04a.b\x1b\x01-").String(); s != `a\046b\027.-` {
		t.Errorf("hostile name %q", s)
	}
}

// contentOf returns the number of the method that accepts the option, −1 if there is none.
func contentOf(o NDOption) int {
	has := [8]bool{}
	_, has[0] = o.LinkAddr()
	_, has[1] = o.PrefixInfo()
	_, has[2] = o.Redirected()
	_, has[3] = o.MTU()
	_, has[4] = o.Nonce()
	_, has[5] = o.RouteInfo()
	_, _, has[6] = o.DNSServers()
	_, _, has[7] = o.DNSSearch()
	which := -1
	for i, ok := range has {
		if ok {
			which = i
		}
	}
	return which
}

func FuzzND(f *testing.F) {
	for _, p := range [][]byte{scapyRS, scapyRA, scapyDAD, scapyNS, scapyNA, scapyRedirect} {
		f.Add(p[IPv6Len:], byte(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, from byte) {
		if len(b) == 0 {
			return
		}
		h := IPv6{HopLimit: 255, Src: link6, Dst: SolicitedNode(target6)}
		switch from % 3 {
		case 1:
			h.Src = netip.IPv6Unspecified()
		case 2:
			h.Dst = peer6
		}
		if _, _, err := parseND(&h, b, true); err != nil {
			refused(t, err)
		}
		put, options, err := parseND(&h, b[:len(b):len(b)], false)
		if refused(t, err) {
			return
		}
		out := append(make([]byte, len(b)-len(options)), options...)
		put(out)
		putAgain, options2, err := parseND(&h, out, true)
		if err != nil || !bytes.Equal(options, options2) {
			t.Fatalf("written and parsed again: %v, options % x, want % x", err, options2, options)
		}
		out2 := append(make([]byte, len(b)-len(options)), options...)
		if putAgain(out2); !bytes.Equal(out, out2) {
			t.Errorf("written again % x, want % x", out2, out)
		}
	})
}

func FuzzNDOptions(f *testing.F) {
	for _, p := range [][]byte{scapyRS[48:], scapyRA[56:], scapyDAD[64:], scapyRedirect[80:]} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all := NDOptions(b)
		total := 0
		for _, o := range ndOptions(all) {
			total += len(o.Data) + 2
			again(t, contentOf(o), contentOf(o), nil)
			out := bytes.Repeat([]byte{0xee}, len(o.Data)+NDPrefixLen)
			n := putContent(o, out)
			if n < 0 {
				continue
			}
			second, _, ok := NDOptions(out[:n]).Next()
			if !ok || contentOf(second) != contentOf(o) {
				t.Fatalf("% x is written as % x", o.Data, out[:n])
			}
			out2 := bytes.Repeat([]byte{0xee}, len(out))
			if n2 := putContent(second, out2); n2 != n || !bytes.Equal(out[:n], out2[:n]) {
				t.Errorf("written again % x, want % x", out2[:n], out[:n])
			}
		}
		if all.valid() != (total == len(b)) {
			t.Errorf("valid %v, and %d octets of %d are options", all.valid(), total, len(b))
		}
	})
}

// putContent reads the option and writes it to b. n is −1 if it has no content that can be written.
func putContent(o NDOption, b []byte) (n int) {
	switch contentOf(o) {
	case 0:
		a, _ := o.LinkAddr()
		return PutNDLinkAddr(b, o.Type, a)
	case 1:
		p, _ := o.PrefixInfo()
		return p.Put(b)
	case 2:
		p, _ := o.Redirected()
		return PutNDRedirected(b, p, len(p)+8)
	case 3:
		mtu, _ := o.MTU()
		return PutNDMTU(b, mtu)
	case 4:
		if nonce, _ := o.Nonce(); len(nonce) == 6 {
			return PutNDNonce(b, [6]byte(nonce))
		}
	case 5:
		r, _ := o.RouteInfo()
		return r.Put(b)
	case 6:
		l, lifetime, _ := o.DNSServers()
		var servers []netip.Addr
		for i := range l.Len() {
			servers = append(servers, l.At(i))
		}
		return PutNDDNSServers(b, lifetime, servers...)
	case 7:
		l, lifetime, _ := o.DNSSearch()
		var names []DomainName
		for name, rest, ok := l.Next(); ok; name, rest, ok = rest.Next() {
			_, names = name.String(), append(names, name)
		}
		return PutNDDNSSearch(b, lifetime, names...)
	}
	return -1
}
