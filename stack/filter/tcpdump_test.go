package filter

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
)

// compared are further expressions that are only compared with tcpdump.
var compared = []string{
	"rarp", "igmp", "tcp or udp or icmp", "not arp", "not not arp", "! ( arp )",
	"ether src or dst 02:00:00:00:00:01", "ether src and dst host 02:00:00:00:00:01", "ether dst 02-00-00-00-00-02",
	"src 10.0.0.1", "dst 10.0.1.2", "src or dst 10.0.1.2", "src and dst 10.0.0.1", "src or dst host 10.0.0.1 or 10.0.1.2",
	"src net 10.0.0.0/24", "net 10.0.0.0/8", "net 10.0", "net 0.0.0.0/0", "net 10.0.0.1", "dst net 10.0.1.2/32",
	"ip src 10.0.0.1", "ip dst host 10.0.0.1", "arp src host 10.0.0.1", "ip6 host fdaa::1", "ip6 src fdaa::1", "dst host ff02::fb",
	"net fdaa::/16", "ip6 dst net ff00::/8", "src net fdaa::/64", "net ::/0",
	"src or dst port 53", "src and dst port 5353", "udp port 53", "udp src port 5353", "tcp portrange 80-443", "portrange 0-65535",
	"tcp port http", "port 0x50", "sctp port 80", "sctp dst port 9", "not port 80", "not port 80 and not port 53", "port 80 or port 53 or arp",
	"tcp port 80 or 443", "port 80 or 443 and host 10.0.0.1", "host 10.0.0.1 and (port 80 or 443)", "not host 10.0.0.1 and 10.0.1.2",
	"dst port 80 or 53",
	"proto 6", "ip proto 6", "ip6 proto 6", "ip proto 132", "ip6 proto \\udp", "ether proto \\arp", "ether proto 0x8100", "ip proto 255",
	"tcp[0:2] = 50000", "tcp[2:2] > 80", "tcp[4:4] = 1", "udp[4:2] = 13", "udp[0] = 0x9c", "icmp[0] != 8", "icmp[4:2] = 1", "arp[6:2] = 1",
	"ip6[6] = 17", "ip6[40] = 6", "ether[0] & 1 = 0 and ip[16] >= 224", "ether[0] & 1 != 0", "link[12:2] = 0x800", "ip[8] < 64", "ip[8] <= 64",
	"ip[8] >= 65", "ip[9] == 6 or ip[9] == 17", "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)", "tcp[tcpflags] = 0x12",
	"tcp[13] ^ 2 = 0", "tcp[13] << 1 = 4", "tcp[13] >> 1 & 1 = 1", "ip[2:2] % 2 = 1", "ip[2:2] / 10 = 4", "ip[0] - 0x45 = 0", "ip[0] = 0x45 | 0",
	"-1 = 0xffffffff", "ip[8] - 65 > 1000", "len = 60", "len != 60", "60 < len", "less 60", "greater 60", "less 13", "len < 14",
	"tcp[50] = 0 or tcp", "tcp or tcp[50] = 0", "not tcp[20] = 71", "ip[19] = 2 and not tcp[20] = 71", "ip[ip[0] & 0xf] = 0", "ip[100:4] = 0 or arp",
	"tcp[0] = udp[0]", "1 + 2 * 3 = 7", "(1 + 2) * 3 = 9", "8 / 2 / 2 = 2", "8 - 2 - 2 = 4", "1 | 2 & 2 = 3", "ip[0] & 0xf0 >> 4 = 4", "ip[5/ip[1]] = 1", "not ip[5/ip[1]] = 1",
	"ether multicast", "ether broadcast", "icmp6[icmp6type] = icmp6-neighborsolicit", "tcp[tcpflags] & tcp-push != 0 and arp or icmp",
	"arp or icmp and ip6 or udp", "not arp and not icmp and not ip6 and not udp", "(arp or icmp) and (ip6 or host 10.0.0.1)",

	// Tags: the rest of the expression applies to the packet after the tag.
	"vlan", "vlan 5", "vlan 300", "vlan 0", "vlan 4095", "not vlan", "vlan and ip", "vlan or ip", "ip or vlan", "ip and vlan", "not vlan and ip", "vlan and vlan", "vlan 300 and vlan 5",
	"vlan 300 && vlan 5 && tcp port 80", "vlan and vlan and vlan and tcp dst port 80", "vlan and arp", "vlan and host 10.0.0.1", "vlan and ip6 and tcp src port 443", "vlan and net fdaa::/16",
	"vlan and ether[12:2] = 0x8100", "vlan and ip[9] = 6", "vlan and tcp[tcpflags] & tcp-syn != 0", "(vlan or tcp) and port 80", "tcp or vlan and port 80", "vlan and ether proto 0x800",
	"vlan and ether host 02:00:00:00:00:02", "vlan and multicast", "vlan and ip multicast", "vlan or vlan or vlan", "vlan and icmp6", "vlan 5 or 300 = 300", "vlan and stp", "vlan and portrange 1-100",
	// IEEE 802.3, and types near the border between length and type.
	"stp", "netbeui", "ether proto 0x42", "ether proto 6", "ether proto 0xfe", "ether proto 0xaa", "ether proto 300", "ether proto 1500", "ether proto 1501", "ether proto 1536", "ether proto \\rarp", "ether proto \\ip6", "link proto 0x88cc",
	"ether host 0200.0000.0002", "ether src 02.0.0.0.0.1", "ether host 020000000002", "ether broadcast or ether multicast", "ether[0:4] = 0xffffffff", "ether[6:4] & 0xff000000 = 0x02000000", "ether[-1] = 0", "ether[4294967295:4] = 0",
	// Protocols.
	"igrp", "pim", "vrrp", "carp", "ah", "esp", "ip proto 47", "ip6 proto 44", "proto 89", "ip proto \\ospf", "ip6 proto \\ah", "proto 0", "ip proto 0", "not ip proto 6 and ip", "esp or ah or pim", "proto 58", "ip6 and not icmp6",
	"sctp portrange 1-100", "sctp[0:2] = 80", "igmp[0] = 0x11", "pim[0] = 0x11", "vrrp[0] & 0xf = 1", "igrp[1] = 0", "carp[0] = 0x11",
	// Addresses and networks.
	"host 10.0", "host 10", "host 80", "net 10", "net 266", "net 0", "net 192.168", "net 10.0/16", "net 10.0.0.0 mask 255.0.255.0", "net 10.0.0.1 mask 255.0.0.255", "src net 10.0.0.0 mask 255.255.254.0", "net 10.0.0.0 mask 255", "net 0.0.0.0 mask 0.0.0.0",
	"dst net 172.16/12", "src or dst net 172.16.3.0/24", "src and dst host 10.0.0.1 or 10.0.1.2", "src host 10.0.0.1 and 10.0.1.2", "src host 10.0.0.1 or 10.0.1.2 and tcp", "not src net 10", "ip src net 10.4.0.0/14", "arp dst net 10.0/16", "rarp host 10.0.0.1",
	"net fdaa:0:0:1::/64", "host fdaa::1/128", "ip6 src host fdaa:0:0:1::2", "src or dst net fdaa::/127", "net fdaa::/33", "net ff02::/8 or fdaa::/64", "ip6 net ::/1", "src and dst net fdaa::/16", "10.0.0.1 = 1", "src 10.0.0.1 or port 53",
	"host 10.0.0.1 and not (port 80 or 443 or 53)", "src host (10.0.0.1 or 10.0.1.2) and dst net (172.16/12 or 192.168.0.0/16)",
	// Ports.
	"port 7 or 53 or 67 or 68 or 123", "udp port bootps or bootpc", "portrange 20-25", "tcp src portrange 20-25", "udp dst portrange 5000-6000 or 33434-33500", "portrange ftp-data-http", "portrange 25-20", "portrange 80", "src and dst portrange 1-1024",
	"tcp port ftp or ssh or telnet", "udp and not port 53", "src port 0", "dst port 65535", "port 65535", "tcp src port (80 or 443) and tcp[tcpflags] & tcp-ack != 0", "tcp port 80 and not 443", "port 80 and 50000",
	// Flags, types, and lengths.
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] = tcp-rst", "tcp[tcpflags] & (tcp-rst|tcp-urg) == (tcp-rst|tcp-urg)", "tcp[tcpflags] & (tcp-ece|tcp-cwr) != 0", "tcp[tcpflags] = 0", "tcp[tcpflags] = 0xff", "tcp[tcpflags] & tcp-push = 0",
	"tcp[12] >> 4 > 5", "tcp[12] >> 4 << 2 != 20", "tcp[18:2] > 0", "tcp[14:2] / 1000 = 9", "tcp[20:4] = 0x020405b4", "tcp[4:4] >= 0x80000000", "tcp[2:2] != tcp[0:2]", "ip[0] & 0xf != 5", "ip[0] & 0xf > 5 and tcp", "ip[6] & 0x40 != 0", "ip[6:2] & 0x2000 != 0 and udp[0:2] = 53",
	"ip[1] & 0xfc >> 2 = 8", "ip[4:2] = 3000 or ip[4:2] = 5000", "ip[8] < 5", "ip[12:4] = 0x0a000001", "ip[16] & 0xf0 = 0xe0", "ip6[1] & 0xf = 0", "ip6[7] = 1", "ip6[4:2] > 20", "ip6[8:2] = 0xfdaa",
	"icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply", "icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 1", "icmp[0] = icmp-timxceed", "icmp[icmptype] >= icmp-tstamp and icmp[icmptype] <= icmp-maskreply", "icmp[icmptype] = icmp-redirect or icmp[icmptype] = icmp-sourcequench",
	"icmp6[icmp6type] = icmp6-echo", "icmp6[icmp6type] = icmp6-routeradvert or icmp6[icmp6type] = icmp6-neighboradvert", "icmp6[icmp6type] = icmp6-packettoobig and icmp6[icmp6code] = 2", "icmp6[0] = icmp6-multicastlistenerreportv2", "icmp6[0] >= icmp6-homeagentdiscoveryrequest and icmp6[0] <= icmp6-certpathadvert",
	"icmp6[0] = icmp6-multicastrouterterm", "icmp6[4:4] = 0x2e2e2e2e", "udp[4:2] > 500", "udp[4:2] - 8 = 100", "udp[8] = 0", "less 14", "greater 500", "less 0", "greater 0", "len > 100 and len <= 500", "len % 2 = 1", "len - 54 > 100", "ip[2:2] + 14 != len", "len = ip[2:2] + 14", "ip[2:2] < len - 14",
	// Arithmetic: precedence, and which operand's protocol is checked.
	"6 % 4 + 1 = 1", "1 + 6 % 4 = 3", "2 * 7 % 4 + 1 = 4", "5 ^ 1 + 1 = 7", "2 * 3 ^ 1 = 4", "1 | 6 ^ 2 = 5", "ip[8] % 10 + 1 = 5", "-ip[8] = 0xffffffc0", "--ip[8] = 64", "1 - 2 - 3 < 5", "ip[0] + tcp[0] = 0x45", "tcp[0] + ip[0] > 0x45", "ip[0] + arp[0] = 0x45",
	"arp[1] + ip[0] = 1", "ether[0] + tcp[13] = 4", "1 + tcp[13] = 3", "tcp[13] + 1 = 3", "tcp[ip[8] - 64 + 13] = 2", "ip[udp[5] - 1] = 0x45", "ether[ip[0] & 0xf + 7:2] = 0x800", "ip[ip6[6]] = 0", "len + tcp[0] > 100", "tcp[13] = icmp[0] + 2", "tcp[tcp[12] >> 4 << 2] = 0", "tcp[-1] = 0", "tcp[-20] = 0x45", "icmp6[-34] = 58",
	"ip[9] * 2 + 1 = 13", "100 / ip[8] = 1", "100 % (ip[8] & 1) = 0", "1 << ip[0] = 32", "0x80000000 >> ip[0] & 31 = 0", "ip[8:1] = ip[8]", "(ip[8]) = (64)", "((ip[0] & 0xf) << 2) + 14 < len",
	"ip6 protochain 6", "ip6 protochain \\tcp or \\udp", "protochain 6", "ip protochain 6", "ip protochain 51", "protochain 17", "protochain 59", "ip6 protochain 51", "ip6 protochain 43", "not protochain 6", "vlan and protochain 6",
	// Joined expressions.
	"tcp and udp or icmp", "tcp or udp and icmp", "not tcp or udp", "not (tcp or udp)", "! tcp && ! udp", "not not not tcp", "not (not tcp and not udp) and not port 53", "arp || ip6 && ! udp", "(ip or ip6) and (tcp or udp) and (port 53 or 80)", "ip and (tcp or (udp and (port 53 or (port 67 and not port 68))))",
	"tcp[100] = 0 or ip", "ip or tcp[100] = 0", "not (tcp[100] = 0)", "not (ip6 and tcp[0] = 0)", "arp or (ip and tcp port 80) or (ip6 and udp) or vlan 5",
}

// need skips the test if a program is missing, and fails it in CI.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: apt-get install %s", program, program)
	}
	t.Skipf("%s is not installed: apt-get install %s", program, program)
}

// capture returns a classic capture file of the frames. Their times are one second apart.
func capture(cs []captured, link layers.LinkType) []byte {
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	w.WriteFileHeader(65535, link)
	for i, c := range cs {
		w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(c.data), Length: c.len}, c.data)
	}
	return file.Bytes()
}

// ofTcpdump returns the numbers of the frames that tcpdump matches, derived from their times. It returns false if tcpdump refuses
// the expression.
func ofTcpdump(t *testing.T, expr string, file []byte, options ...string) ([]int, string, bool) {
	t.Helper()
	cmd := exec.Command("tcpdump", append(options, "-n", "-r", "-", "-w", "-", "--", expr)...)
	cmd.Stdin = bytes.NewReader(file)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		return nil, diag.String(), false
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for {
		_, info, err := r.ReadPacketData()
		if err != nil {
			return list, "", true
		}
		list = append(list, int(info.Timestamp.Unix()))
	}
}

// optimised are the expressions that tcpdump's optimiser changes. It omits reads that cannot change the outcome, so that a packet
// that ends before them may match (the test does not compare such packets). It also adds offsets without regard to their sign.
var optimised = []string{"net 0.0.0.0/0", "tcp[50] = 0 or tcp", "vlan 5 or 300 = 300", "net 0.0.0.0 mask 0.0.0.0", "tcp[-20] = 0x45", "icmp6[-34] = 58",
	"tcp[100] = 0 or ip", "not (ip6 and tcp[0] = 0)"}

// TestAgreesWithTcpdump: every expression matches the same frames here and in tcpdump.
func TestAgreesWithTcpdump(t *testing.T) {
	need(t, "tcpdump")
	all := slices.Clone(compared)
	for _, c := range expressions {
		all = append(all, c.expr)
	}
	if len(all) < 200 {
		t.Errorf("only %d expressions", len(all))
	}
	cs := traffic(t)
	file := capture(cs, layers.LinkTypeEthernet)
	var differs []string
	for _, expr := range all {
		f, err := Compile(expr)
		plain, diag, ok := ofTcpdump(t, expr, file, "-O")
		if !ok || err != nil {
			if ok || err == nil {
				t.Errorf("%q: %v; tcpdump says %q", expr, err, diag)
			}
			continue
		}
		got := matches(f, cs, phy.MediumEthernet)
		if !slices.Equal(got, plain) {
			t.Errorf("%q: matches %s", expr, difference(got, plain, cs))
		}
		fast, _, _ := ofTcpdump(t, expr, file)
		if truncated := func(i int) bool { return cs[i].len != len(cs[i].data) }; !slices.Equal(slices.DeleteFunc(fast, truncated), slices.DeleteFunc(plain, truncated)) {
			differs = append(differs, expr)
		}
	}
	if !slices.Equal(differs, optimised) {
		t.Errorf("with its optimiser tcpdump differs in %q, want %q", differs, optimised)
	}
	t.Logf("%d expressions, %d frames", len(all), len(cs))
}

// TestAgreesWithTcpdumpOnBareIP is the same without a link layer, where tcpdump refuses expressions that need one.
func TestAgreesWithTcpdumpOnBareIP(t *testing.T) {
	need(t, "tcpdump")
	cs := bareTraffic(t)
	file := capture(cs, layers.LinkTypeRaw)
	refused := 0
	for _, expr := range compared {
		f, err := Compile(expr)
		want, _, ok := ofTcpdump(t, expr, file, "-O")
		if !ok {
			refused++
		} else if err != nil {
			t.Error(err)
		} else if got := matches(f, cs, phy.MediumIP); !slices.Equal(got, want) {
			t.Errorf("%q: matches %s", expr, difference(got, want, cs))
		}
	}
	if refused != 48 {
		t.Errorf("tcpdump refused %d expressions, want 48", refused)
	}
	t.Logf("%d expressions, %d packets", len(compared)-refused, len(cs))
}

// difference describes the first frame that only one of the lists has.
func difference(got, want []int, cs []captured) string {
	for i, c := range cs {
		a, b := slices.Contains(got, i), slices.Contains(want, i)
		if a != b {
			return fmt.Sprintf("%d frames, tcpdump %d; frame %d: %v, tcpdump %v: %d octets of %d\n%x", len(got), len(want), i, a, b, len(c.data), c.len, c.data)
		}
	}
	return "the same"
}
