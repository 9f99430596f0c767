package filter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
)

// matching are the names of the samples that an expression matches.
func matching(t testing.TB, expr string, ss []sample, m phy.Medium) string {
	t.Helper()
	f, err := Compile(expr)
	if err != nil {
		t.Errorf("%v", err)
		return "error"
	}
	var names []string
	for _, s := range ss {
		if f.Match(s.data, m) {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, " ")
}

const everything = "arp syn synack fin dns frag0 frag1 mcast echo unreach sctp tcp6 mcast6 ns6 frag6 lldp vlan cut cutip runt"

// expressions and the samples they match on Ethernet.
var expressions = []struct{ expr, want string }{
	{"", everything},
	{"arp", "arp"},
	{"ip", "syn synack fin dns frag0 frag1 mcast echo unreach sctp cut cutip"},
	{"ip6", "tcp6 mcast6 ns6 frag6"},
	{"tcp", "syn synack fin tcp6 frag6 cut cutip"},
	{"udp", "dns frag0 frag1 mcast mcast6"},
	{"icmp", "echo unreach"},
	{"icmp6", "ns6"},
	{"sctp", "sctp"},
	{"ether host 02:00:00:00:00:02", "syn synack fin dns frag0 frag1 echo unreach sctp tcp6 ns6 frag6 vlan cut cutip runt"},
	{"ether src 2:0:0:0:0:2", "synack"},
	{"ether dst ff:ff:ff:ff:ff:ff", "arp"},
	{"broadcast", "arp"},
	{"multicast", "arp mcast mcast6 lldp"},
	{"ip multicast", "mcast"},
	{"ip6 multicast", "mcast6"},
	{"host 10.0.0.1", "arp syn synack fin dns frag0 frag1 mcast echo unreach sctp cut"},
	{"src host 10.0.1.2", "synack"},
	{"dst host 10.0.1.2 and udp", "dns frag0 frag1"},
	{"src 10.0.0.1 and arp", "arp"},
	{"arp host 10.0.1.2", "arp"},
	{"src and dst net 10", "arp syn synack fin dns frag0 frag1 echo unreach sctp cut"},
	{"host fdaa::1", "tcp6 mcast6 ns6 frag6"},
	{"net 10.0.1.0/24 and not ip", "arp"},
	{"net 10.0.1 and arp", "arp"},
	{"dst net 224.0.0.0/4", "mcast"},
	{"net 10.0.1.0 mask 255.255.255.0 and icmp", "echo unreach"},
	{"ip6 net fdaa:0:0:1::/64", "tcp6 ns6 frag6"},
	{"port 80", "syn synack sctp tcp6"},
	{"tcp port 80", "syn synack tcp6"},
	{"tcp dst port 80", "syn tcp6"},
	{"src port 80", "synack sctp"},
	{"port 53 or 443", "fin dns"},
	{"port domain or https", "fin dns"},
	{"udp port (53 or 6969)", "dns frag0"},
	{"udp portrange 5000-7000", "frag0 mcast mcast6"},
	{"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "syn synack fin"},
	{"tcp[tcpflags] == tcp-syn", "syn"},
	{"tcp[13] & tcp-push != 0 and tcp[(tcp[12]>>2):4] = 0x47455420", "fin"},
	{"icmp[icmptype] = icmp-echo", "echo"},
	{"icmp[icmptype] == icmp-unreach and icmp[icmpcode] = 3", "unreach"},
	{"ip[6:2] & 0x3fff != 0", "frag0 frag1"},
	{"ip[0] & 0xf > 5", "fin"},
	{"ether[12:2] = 0x88cc", "lldp"},
	{"icmp6[0] = 135", "ns6"},
	{"len > 60", "fin tcp6 mcast6 ns6 frag6"},
	{"less 41", "cut cutip runt"},
	{"greater 74", "tcp6 ns6 frag6"},
	{"not ip and not ip6", "arp lldp vlan"},
	{"!(tcp or udp) && ip", "echo unreach sctp"},
	{"not tcp port 80 and tcp", "fin frag6"},
	{"arp or tcp and port 443", "fin"}, // left to right
	{"ip proto 17 or ether proto 0x88cc", "dns frag0 frag1 mcast lldp"},
	{"ip proto \\icmp", "echo unreach"},
	{"tcp and (ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2) != 0", "fin"},
	{"len - 14 = ip[2:2] && tcp", "fin"},
	{"tcp[100] = 0", ""},
	{"not tcp[100] = 0 and ip", "dns frag0 frag1 mcast echo unreach sctp"},
	{"ip[18] * 256 + ip[19] == 1", "synack"},
	{"1 = 1", everything},
	{"len / 0x10 = 2 and ether[0] % 2 = 0", "cut"},
}

func TestExpressions(t *testing.T) {
	ss := samples(t)
	for _, c := range expressions {
		if got := matching(t, c.expr, ss, phy.MediumEthernet); got != c.want {
			t.Errorf("%q matches\n\t%s, want\n\t%s", c.expr, got, c.want)
		}
	}
}

// compared are further expressions, which need only mean what they mean to tcpdump.
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
}

// need skips a test that wants a program, and fails it in CI.
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

// ofTcpdump are the names of the samples that tcpdump lets through, told apart by their times. Its
// optimiser stays off: it leaves out accesses beyond the packet's end where their value would not matter.
func ofTcpdump(t *testing.T, expr string, ss []sample, file []byte) (string, bool) {
	t.Helper()
	cmd := exec.Command("tcpdump", "-O", "-n", "-r", "-", "-w", "-", "--", expr)
	cmd.Stdin = bytes.NewReader(file)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Logf("tcpdump refuses %q: %s", expr, diag.String())
		return "", false
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for {
		_, info, err := r.ReadPacketData()
		if err != nil {
			return strings.Join(names, " "), true
		}
		names = append(names, ss[info.Timestamp.Unix()-1].name)
	}
}

func TestAgreesWithTcpdump(t *testing.T) {
	need(t, "tcpdump")
	all := compared
	for _, c := range expressions {
		all = append(all, c.expr)
	}
	for _, medium := range []struct {
		m       phy.Medium
		ss      []sample
		link    layers.LinkType
		refused int // tcpdump has no Ethernet addresses on a medium of bare IP packets
	}{{phy.MediumEthernet, samples(t), layers.LinkTypeEthernet, 0}, {phy.MediumIP, bareSamples(t), layers.LinkTypeRaw, 10}} {
		var file bytes.Buffer
		w := pcapgo.NewWriter(&file)
		w.WriteFileHeader(65535, medium.link)
		for i, s := range medium.ss {
			w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i)+1, 0), CaptureLength: len(s.data), Length: len(s.data)}, s.data)
		}
		refused := 0
		for _, expr := range all {
			want, ok := ofTcpdump(t, expr, medium.ss, file.Bytes())
			if !ok {
				refused++
			} else if got := matching(t, expr, medium.ss, medium.m); got != want {
				t.Errorf("%v: %q matches\n\t%s, tcpdump says\n\t%s", medium.m, expr, got, want)
			}
		}
		if refused != medium.refused {
			t.Errorf("%v: tcpdump refused %d expressions, want %d", medium.m, refused, medium.refused)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		msg    string
	}{
		{"tcp prot 80", 5, `expected "and", "or" or the end, found "prot"`},
		{"port", 5, "expected a port number, found the end"},
		{"port 65536", 6, "expected a port number"},
		{"port tcp", 6, "expected a port number"},
		{"port nosuchservice", 6, "expected a port number"},
		{"portrange 1-x", 11, "6000-6008"},
		{"host example.org", 6, "names are not looked up"},
		{"host 10.0.0", 6, "expected an address"},
		{"host 80", 6, "expected an address"},
		{"host 10.0.0.0/8", 14, "goes with net"},
		{"host 02:00:00:00:00:01", 6, `needs "ether"`},
		{"host 1:2:3", 6, "neither an Ethernet nor an IPv6 address"},
		{"ether host 10.0.0.1", 12, "expected an Ethernet address"},
		{"ether", 6, `behind "ether", found the end`},
		{"net 10.0.0.1/8", 5, "did you mean 10.0.0.0/8"},
		{"net 10.0.0.0/33", 14, "0 to 32"},
		{"net 10.0.0.0 mask 255.0.255.0", 19, "ones followed by zeros"},
		{"net 300", 5, "expected a network"},
		{"tcp host 10.0.0.1", 1, `"tcp" does not go with hosts`},
		{"icmp port 80", 1, `"icmp" does not go with ports`},
		{"ip host fdaa::1", 9, "does not go with the IPv6 address"},
		{"ip6 host 10.0.0.1", 10, "does not go with the IPv4 address"},
		{"ip broadcast", 4, "only ether"},
		{"tcp multicast", 5, "does not go with multicast"},
		{"tcp and", 8, "expected a filter"},
		{"and tcp", 1, "expected a filter"},
		{"tcp tcp", 5, `"and", "or"`},
		{"(tcp", 5, `expected ")", found the end`},
		{"tcp)", 4, `found ")"`},
		{"tcp[13", 7, `expected "]"`},
		{"tcp[13:3] = 1", 8, "1, 2 or 4"},
		{"tcp[13]", 8, `such as "= 0", found the end`},
		{"tcp[13] & 2", 12, `such as "= 0"`},
		{"tcp[udp] = 1", 5, "expected an offset"},
		{"tcp[0] = udp", 10, "expected a number to compare with"},
		{"tcp + 1 = 2", 5, `"and", "or"`},
		{"1 / 0 = 1", 5, "division by zero"},
		{"10.0.0.1", 1, "keyword such as host or port"},
		{"80", 1, "keyword such as host or port"},
		{"4294967296 = 1", 1, "32 bits"},
		{"len", 4, "comparison"},
		{"less than", 6, "expected a number of octets"},
		{"vlan 5", 1, `"vlan" is not supported`},
		{"ip proto 256", 10, "0 to 255"},
		{"ether proto 5", 13, "1501"},
		{"ip proto nosuch", 10, "protocol's name"},
		{"src proto 6", 1, "src and dst"},
		{"tcp $ udp", 5, "unexpected character '$'"},
		{"\\", 1, "behind the backslash"},
		{strings.Repeat("(", 200) + "tcp", 51, "nested too deeply"},
		{strings.Repeat("not ", 200) + "tcp", 401, "nested too deeply"},
	} {
		_, err := Compile(c.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if e.Pos+1 != c.column || !strings.Contains(e.Msg, c.msg) {
			t.Errorf("%.40q: column %d: %s, want column %d: …%s…", c.expr, e.Pos+1, e.Msg, c.column, c.msg)
		}
		if want := fmt.Sprintf("filter %q: column %d: %s", c.expr, e.Pos+1, e.Msg); err.Error() != want {
			t.Errorf("says %q, want %q", err, want)
		}
	}
	if _, err := Compile(strings.Repeat(" ", 9000)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("9000 octets: %v", err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	ss := samples(t)
	for _, c := range expressions {
		f, err := Compile(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(10, func() {
			for _, s := range ss {
				f.Match(s.data, phy.MediumEthernet)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", c.expr, n)
		}
	}
}

func TestString(t *testing.T) {
	if got := MustCompile("tcp  port 80").String(); got != "tcp  port 80" {
		t.Errorf("%q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("MustCompile of nonsense returned")
		}
	}()
	MustCompile("nonsense")
}

func BenchmarkMatch(b *testing.B) {
	f := MustCompile("tcp and dst port 80")
	frame := samples(b)[1].data
	b.ReportAllocs()
	for b.Loop() {
		f.Match(frame, phy.MediumEthernet)
	}
}

// Whatever is compiled: an *Error within the expression, or a filter that matches any frame without a
// panic.
func FuzzCompile(f *testing.F) {
	for _, c := range expressions {
		f.Add(c.expr)
	}
	for _, expr := range compared {
		f.Add(expr)
	}
	ss := samples(f)
	f.Fuzz(func(t *testing.T, expr string) {
		c, err := Compile(expr)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(expr) || e.Msg == "" {
				t.Fatalf("%q: %#v", expr, err)
			}
			return
		}
		for _, s := range ss {
			for _, m := range []phy.Medium{phy.MediumEthernet, phy.MediumIP} {
				c.Match(s.data, m)
			}
		}
	})
}
