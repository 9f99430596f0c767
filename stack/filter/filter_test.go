package filter

import (
	"errors"
	"strings"
	"testing"

	"smolsh/phy"
)

// matching returns the names of the samples that an expression matches.
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

// Each expression has the samples that it matches on Ethernet.
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
	{"arp or tcp and port 443", "fin"}, // evaluated from left to right
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
		{"host 10.0.0.0.1", 6, "expected an address"},
		{"host 10.300", 6, "expected an address"},
		{"host 10.0.0.0/8", 14, "goes with net"},
		{"host 02:00:00:00:00:01", 6, `needs "ether"`},
		{"host 1:2:3", 6, "neither an Ethernet nor an IPv6 address"},
		{"ether host 10.0.0.1", 12, "expected an Ethernet address"},
		{"ether", 6, `behind "ether", found the end`},
		{"net 10.0.0.1/8", 5, "did you mean 10.0.0.0/8"},
		{"net 10.0.0.0/33", 14, "0 to 32"},
		{"net 10.0.0.1 mask 255.0.255.0", 5, "did you mean 10.0.0.0 mask 255.0.255.0?"},
		{"net 10.0.0.0 mask 255.0.256.0", 19, "expected an IPv4 mask"},
		{"net fdaa::1/16", 5, "did you mean fdaa::/16?"},
		{"net fdaa::/129", 12, "0 to 128"},
		{"net fdaa:: mask 255.0.0.0", 12, "no mask"},
		{"host fdaa::/16", 12, "goes with net"},
		{"net 300/8", 8, `"and", "or"`},
		{"net example", 5, "names are not looked up"},
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
		{"vlan 4096", 6, "0 to 4095"},
		{"vlan tcp", 6, `"and", "or"`},
		{"mpls 5", 1, `"mpls" is not supported`},
		{"tcp protochain 6", 1, `"tcp" does not go with protochain`},
		{"ether protochain 6", 1, `"ether" does not go with protochain`},
		{"src protochain 6", 1, "src and dst do not go with protochain"},
		{"protochain", 11, "a protocol's name or number"},
		{"len << 32 = 0", 8, "more than 31"},
		{"ip proto 256", 10, "0 to 255"},
		{"ether proto 0xe0", 13, "IPX"},
		{"ether proto 65536", 13, "an Ethernet type"},
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
	}
	if _, err := Compile(strings.Repeat(" ", 9000)); err == nil || !strings.Contains(err.Error(), "has 9000 octets, and may have 8192") {
		t.Errorf("9000 octets: %v", err)
	}
}

// TestErrorsShowThePlace: the caret is below the position of the error, whatever characters the expression contains.
func TestErrorsShowThePlace(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"tcp prot 80", "filter, column 5: expected \"and\", \"or\" or the end, found \"prot\"\n" +
			"  tcp prot 80\n" +
			"      ^"},
		{"port", "filter, column 5: expected a port number, found the end\n" +
			"  port\n" +
			"      ^"},
		{"tcp\nand\tö", "filter, column 9: unexpected character 'ö'\n" +
			"  tcp and ö\n" +
			"          ^"},
		{strings.Repeat("tcp or ", 30) + "nix and" + strings.Repeat(" tcp", 30), "filter, column 211: expected a filter such as \"tcp\", \"host 10.0.0.1\" or \"port 80\", found \"nix\"\n" +
			"  …  or tcp or tcp or tcp or tcp or tcp or tcp or tcp or tcp or nix and tcp tcp tcp tcp tcp tcp tcp tcp tcp tcp tcp tcp tcp  …\n" +
			"                                                                ^"},
	} {
		_, err := Compile(c.expr)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.40q:\n%v\nwant\n%s", c.expr, err, c.want)
		}
	}
}

// TestMatchHead: an expression that reads octets beyond the captured ones does not match, and lengths are the whole frame's.
func TestMatchHead(t *testing.T) {
	syn := samples(t)[1].data
	for _, c := range []struct {
		expr string
		n    int
		want bool
	}{
		{"tcp dst port 80", 38, true}, {"tcp dst port 80", 37, false}, {"not tcp dst port 80", 37, false}, {"not tcp src port 80", 36, true}, {"not tcp src port 80", 35, false},
		{"greater 1000", 14, true}, {"len = 1500", 0, true}, {"less 1499", 14, false}, {"ip", 13, false}, {"ip or len = 1500", 13, false},
	} {
		if got := MustCompile(c.expr).MatchHead(syn[:c.n], 1500, phy.MediumEthernet); got != c.want {
			t.Errorf("%q of %d octets: %v, want %v", c.expr, c.n, got, c.want)
		}
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

// FuzzCompile: Compile returns an *Error with a position in the expression, or a filter that
// can be run on any frame without a panic.
func FuzzCompile(f *testing.F) {
	ss := samples(f)
	for i, expr := range compared {
		f.Add(expr, ss[i%len(ss)].data)
	}
	for i, c := range expressions {
		f.Add(c.expr, ss[i%len(ss)].data)
	}
	f.Fuzz(func(t *testing.T, expr string, frame []byte) {
		c, err := Compile(expr)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(expr) || e.Msg == "" {
				t.Fatalf("%q: %#v", expr, err)
			}
			_ = err.Error()
			return
		}
		for _, m := range []phy.Medium{phy.MediumEthernet, phy.MediumIP} {
			c.MatchHead(frame, len(frame)*2, m)
			for _, s := range ss {
				c.Match(s.data, m)
			}
		}
	})
}
