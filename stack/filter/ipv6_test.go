package filter

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
)

// expressions6 are compared with tcpdump over the packets of traffic6.
var expressions6 = []string{
	"ip6", "not ip6", "ether proto 0x86dd", "ether proto \\ip6", "icmp6", "ip6 and icmp6", "tcp", "udp", "sctp", "esp", "ip6 and not tcp",
	"proto 58", "ip6 proto 58", "ip6 proto 0", "ip6 proto 43", "ip6 proto 44", "ip6 proto 50", "ip6 proto 59", "ip6 proto 60", "ip6 proto 17",
	"ip6 protochain 6", "ip6 protochain 17", "ip6 protochain 58", "ip6 protochain \\tcp", "ip6 protochain 0", "ip6 protochain 43", "ip6 protochain 44", "ip6 protochain 59", "ip6 protochain 60",
	"protochain 6", "protochain 58", "not ip6 protochain 6", "ip6 and not ip6 protochain 6", "ip6 protochain 6 and ip6 src fdaa::1", "ip6 protochain 17 or ip6 protochain 58",
	"host fdaa::1", "ip6 host fdaa::1", "ip6 host FDAA:0:0:0:0:0:0:1", "src host fe80::1", "dst host ff02::1", "src or dst host fe80::1", "src and dst host fe80::1", "host ::", "host ::1", "host ::ffff:10.0.0.1", "ip6 src ::",
	"net fe80::/10", "ip6 net fdaa::/64", "src net fdaa::/48", "dst net ff00::/8", "dst net ff02::1:ff00:0/104", "net ::/0", "net ::ffff:0:0/96", "src net fdaa::1/128", "net fdaa:0:0:0::/63", "dst net ff02::/16", "net 2001:db8::/32",
	"ip6 multicast", "multicast", "ether multicast", "not ip6 multicast and ip6", "ip6[24] = 0xff", "ip6[24:2] & 0xf = 2",
	"port 80", "tcp port 80", "tcp src port 80", "tcp dst port 80", "udp port 53", "udp dst port 5353", "sctp port 9", "portrange 1-100", "tcp portrange 80-443", "udp portrange 50-60", "src portrange 49152-65535", "ip6 and port 80", "ip6 and not port 80", "port 80 or port 53", "port 546 or 547",
	"icmp6[icmp6type] = 134", "icmp6[icmp6type] = icmp6-routersolicit", "icmp6[icmp6type] = icmp6-routeradvert", "icmp6[icmp6type] = icmp6-neighborsolicit", "icmp6[icmp6type] = icmp6-neighboradvert", "icmp6[icmp6type] = icmp6-redirect",
	"icmp6[icmp6type] = icmp6-packettoobig", "icmp6[icmp6type] = icmp6-destinationunreach", "icmp6[icmp6type] = icmp6-timeexceeded", "icmp6[icmp6type] = icmp6-parameterproblem", "icmp6[icmp6type] = icmp6-echo", "icmp6[icmp6type] = icmp6-echoreply",
	"icmp6[icmp6type] = icmp6-multicastlistenerreportv2", "icmp6[icmp6type] = icmp6-multicastlistenerquery", "icmp6[icmp6type] != icmp6-echo", "icmp6[0] >= 133 and icmp6[0] <= 137", "icmp6[icmp6code] = 0", "icmp6[icmp6code] != 0", "icmp6[4:4] = 1280", "icmp6[8:4] = 0xfdaa0000", "icmp6[100] = 0",
	"ip6[6] = 0", "ip6[6] = 58", "ip6[7] = 255", "ip6[7] < 2", "ip6[4:2] = 0", "ip6[4:2] > 1000", "ip6[0] & 0xf0 = 0x60", "ip6[0:4] & 0xfffff != 0", "ip6[1] & 0x30 = 0x30", "ip6[40] = 58", "ip6[40] = 6 and ip6[6] = 44", "ip6[42:2] & 0xfff8 = 0", "ip6[42:2] & 1 = 1", "ip6[54] = 6", "ip6[53] & 2 != 0",
	"tcp[13] & 2 != 0", "ip6 and tcp[13] & 2 != 0", "udp[0:2] = 53", "less 80", "greater 80", "len = 1294", "ip6 and less 100", "len - 54 = ip6[4:2]",
	"vlan and ip6", "vlan and icmp6", "vlan and ip6 protochain 58", "vlan and tcp port 80", "vlan 7 and ip6 host fdaa::1", "vlan and ip6 multicast", "ip6 or vlan and ip6",
}

// traffic6 returns frames of IPv6: each chain of up to three extension headers before each of five protocols, with
// several addresses and ports, each message of ICMPv6, frames with VLAN tags, and some frames truncated at every octet.
func traffic6() (out []captured) {
	addrs := []string{"fdaa::1", "fdaa::2", "fe80::1", "::", "ff02::1", "ff02::1:ff00:1", "ff02::16", "2001:db8::7", "::1", "::ffff:10.0.0.1"}
	n := 0
	packet := func(next byte, chain []byte, upper []byte) []byte {
		n++
		b := make([]byte, 54, 54+len(chain)+len(upper))
		copy(b, []byte{0x33, 0x33, 0, 0, 0, byte(n), 2, 0, 0, 0, 0, 1, 0x86, 0xdd})
		b[0] &= byte(0x30 + n%2*3)
		binary.BigEndian.PutUint32(b[14:], 6<<28|uint32(n*0x12345)&0xfffffff)
		binary.BigEndian.PutUint16(b[18:], uint16(len(chain)+len(upper)))
		b[20], b[21] = next, []byte{64, 255, 1}[n%3]
		src, dst := netip.MustParseAddr(addrs[n%len(addrs)]).As16(), netip.MustParseAddr(addrs[n/3%len(addrs)]).As16()
		copy(b[22:], src[:])
		copy(b[38:], dst[:])
		return append(append(b, chain...), upper...)
	}
	uppers := map[byte][]byte{
		6:   {0xc0, 0x01, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 3, 0xe8, 0, 0, 0, 0},
		17:  {0, 53, 0x14, 0xe9, 0, 12, 0, 0, 'd', 'a', 't', 'a'},
		58:  {128, 0, 0, 0, 0, 1, 0, 1, 'd', 'a', 't', 'a'},
		132: {0, 80, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0},
		59:  {},
	}
	headers := map[byte]func(next byte) []byte{
		0:  func(next byte) []byte { return []byte{next, 0, 5, 2, 0, 0, 1, 0} },
		43: func(next byte) []byte { return append([]byte{next, 2, 4, 1}, make([]byte, 20)...) },
		44: func(next byte) []byte { return []byte{next, 0, 0, 1, 0, 0, 0, 7} },
		60: func(next byte) []byte { return append([]byte{next, 1}, make([]byte, 14)...) },
		50: func(next byte) []byte { return []byte{0, 0, 0, 1, 0, 0, 0, 1} },
	}
	kinds := []byte{0, 43, 44, 50, 60} // not 51: libpcap goes wrong after an authentication header, and may never end
	var chains [][]byte                // numbers of headers
	for length := range 4 {
		total := 1
		for range length {
			total *= len(kinds)
		}
		for i := range total {
			var c []byte
			for range length {
				c, i = append(c, kinds[i%len(kinds)]), i/len(kinds)
			}
			chains = append(chains, c)
		}
	}
	whole := func(b []byte) { out = append(out, captured{b, len(b)}) }
	for _, numbers := range chains {
		for _, proto := range []byte{6, 17, 58, 59, 132} {
			var chain []byte
			next := proto
			for _, kind := range slices.Backward(numbers) {
				chain, next = append(headers[kind](next), chain...), kind
			}
			b := packet(next, chain, uppers[proto])
			whole(b)
			if len(numbers) < 2 {
				for n := range b {
					out = append(out, captured{b[:n], len(b)})
				}
			}
		}
	}
	for typ := range 256 {
		for _, body := range []string{"\x00\x00\x05\x00", "\xfd\xaa\x00\x00\xfd\xaa\x00\x00" + "................"} {
			whole(packet(58, nil, append([]byte{byte(typ), byte(typ % 7), 0, 0}, body...)))
		}
	}
	for _, more := range []uint16{0, 1} { // fragments, the later ones with what looks like a header
		for _, offset := range []uint16{0, 8, 1448} {
			for _, proto := range []byte{6, 17, 58} {
				whole(packet(44, binary.BigEndian.AppendUint16([]byte{proto, 0}, offset|more), append([]byte{0, 0, 0, 9}, uppers[proto]...)))
			}
		}
	}
	for i, b := range slices.Clone(out)[:400] { // tagged
		if len(b.data) > 14 {
			tag := append(slices.Clone(b.data[:12]), 0x81, 0, 0, byte(i%9))
			out = append(out, captured{append(tag, b.data[12:]...), b.len + 4})
		}
	}
	whole(packet(6, nil, append(uppers[6], make([]byte, 1220)...)))
	return out
}

// TestIPv6AgreesWithTcpdump: expressions about IPv6 match the same frames here and in tcpdump, with and without a link
// layer.
func TestIPv6AgreesWithTcpdump(t *testing.T) {
	need(t, "tcpdump")
	cs := traffic6()
	var bare []captured
	for _, c := range cs {
		if len(c.data) > 14 && c.data[12] == 0x86 {
			bare = append(bare, captured{c.data[14:], c.len - 14})
		}
	}
	for _, medium := range []struct {
		m    phy.Medium
		cs   []captured
		link layers.LinkType
	}{{phy.MediumEthernet, cs, layers.LinkTypeEthernet}, {phy.MediumIP, bare, layers.LinkTypeRaw}} {
		file := capture(medium.cs, medium.link)
		refused, telling := 0, 0
		for _, expr := range expressions6 {
			want, diag, ok := ofTcpdump(t, expr, file, "-O")
			f, err := Compile(expr)
			if !ok && medium.m == phy.MediumIP {
				refused++
				continue
			}
			if !ok || err != nil {
				t.Errorf("%q: %v; tcpdump says %q", expr, err, diag)
				continue
			}
			if got := matches(f, medium.cs, medium.m); !slices.Equal(got, want) {
				t.Errorf("%q: matches %s", expr, difference(got, want, medium.cs))
			}
			if len(want) > 0 && len(want) < len(medium.cs) {
				telling++
			}
		}
		if telling < 100 {
			t.Errorf("%v: only %d expressions match some of the packets", medium.m, telling)
		}
		t.Logf("%v: %d expressions, %d packets", medium.m, len(expressions6)-refused, len(medium.cs))
	}
}

// TestProtochainIsBounded: a chain of extension headers that leads back to itself, or is longer than the bound, does
// not match, and the search ends.
func TestProtochainIsBounded(t *testing.T) {
	f := MustCompile("ip6 protochain 6")
	for _, headers := range []int{1, 63, 64, 2000} {
		b := make([]byte, 40)
		b[0], b[6] = 0x60, 60
		for i := range headers {
			h := []byte{60, 0, 1, 4, 0, 0, 0, 0}
			if i == headers-1 {
				h[0] = 6
			}
			b = append(b, h...)
		}
		b = append(b, make([]byte, 20)...)
		if got, want := f.Match(b, phy.MediumIP), headers < maxChain; got != want {
			t.Errorf("%d headers: %v, want %v", headers, got, want)
		}
	}
	circle := make([]byte, 80) // an authentication header of length 0 leads to the base header, whose first octets read as a header
	circle[0], circle[6] = 0x60, 51
	circle[40] = 51
	circle[8] = 51
	if f.Match(circle, phy.MediumIP) {
		t.Error("a circle matches")
	}
}
