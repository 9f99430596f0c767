package script

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smolsh/stack/filter"
)

func TestComplete(t *testing.T) {
	s := newSim(t, 1)
	dir := t.TempDir()
	for _, name := range []string{"one.star", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.Typed(`
c = tcp.connect("192.168.69.100:7")
l = tcp.listen(4000)
table = ifaces()
d = {"k": table, 1: c}
def mine(alpha, beta=2, *rest, gamma=3, **more): pass
`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, c := range []struct {
		text   string
		want   string // candidates; a final … matches any further candidates
		suffix string
	}{
		{"pin", "ping", ""},
		{"x = neigh", "neighbors", ""},
		{"tabl", "table", ""},
		{"whi", "while", ""},
		{"Tru", "True", ""},
		{"_", "_", ""},
		{"zzz", "", ""},
		{"tcp.", "connect listen", ""},
		{"tcp.c", "connect", ""},
		{"peer.tcp.l", "listen", ""},
		{"neighbors.", "add delete flush", ""},
		{"routes().a", "add", ""},
		{"c.recv_", "recv_exactly recv_until", ""},
		{"d[1].recv_", "recv_exactly recv_until", ""},
		{`d["k"][0].add_`, "add_addr", ""},
		{"table[0].rx_b", "rx_bytes", ""},
		{"ifaces()[0].rx_b", "rx_bytes", ""},
		{`tcp.connect("1.2.3.4:5").recv_`, "recv_exactly recv_until", ""},
		{`"abc".upp`, "upper", ""},
		{"json.enc", "encode encode_indent", ""},
		{"1.", "", ""},
		{"nothing.a", "", ""},
		{"ping(", "count= df= host= interval= size= timeout= ttl=", ""},
		{`ping("1.2.3.4", co`, "count=", ""},
		{`ping("1.2.3.4", count=2, co`, "continue count_of counters", ""},
		{"ping(\n  co", "count=", ""},
		{"ping(count=", "ping…", ""},
		{"print(ping(", "count= df= host= interval= size= timeout= ttl=", ""},
		{"mine(1, ", "beta= gamma=", ""},
		{"table.where(na", "name=", ""},
		{"(co", "continue count_of counters", ""},
		{"def f(co", "continue count_of counters", ""},
		{`ping("192.168.69.1`, "192.168.69.1 192.168.69.100", `"`},
		{`peer.ping('192.168.69.10`, "192.168.69.100", `'`},
		{`ping(host="192.168.69.10`, "192.168.69.100", `"`},
		{`tcp.connect("192.168.69.100:8`, "192.168.69.100:8000", `"`},
		{`tcp.connect("192.168.69.1:`, "192.168.69.1:4000", `"`},
		{`neighbors.flush("e`, "eth0", `"`},
		{`neighbors.flush(dev="`, "eth0", `"`},
		{`fault("`, "eth0", `"`},
		{`table.sort("mt`, "mtu", `"`},
		{`serve("`, "tcp udp", `"`},
		{`http.get("http://192.168.69.100:8`, "http://192.168.69.100:8000/", `"`},
		{`load("` + dir + "/on", dir + "/one.star", `"`},
		{`run("` + dir + "/o", dir + "/one.star " + dir + "/other.txt", `"`},
		{`run("` + dir + "/s", dir + "/sub/", ""},
		{`sh("cat ` + dir + "/on", "cat " + dir + "/one.star", `"`},
		{`sh("no-such-program-at-al`, "", `"`},
		{`sh("true").ki`, "kill", ""},
		{`sh("true").kill("K`, "KILL", `"`},
		{`print("192.168`, "", `"`},
		{`ping("192.168.69.100"`, "", ""},
		{`ping("192.168.69.100").lo`, "loss", ""},
		{"# pin", "", ""},
		{`x = "pin`, "", ""},
		{"!ls " + dir + "/on", dir + "/one.star", " "},
		{"pin?", "", ""},
		{"?pin", "ping", ""},
		{"x = [1, tcp.c", "connect", ""},
		{"", "ping…", ""},
	} {
		from, items, suffix := s.complete(c.text)
		want, some := strings.CutSuffix(c.want, "…")
		got := strings.Join(items, " ")
		if some && !slices.Contains(items, want) || !some && got != want {
			t.Errorf("%q goes on with %q, want %q", c.text, got, c.want)
		}
		for _, it := range items {
			if !strings.HasPrefix(it, c.text[from:]) {
				t.Errorf("%q: %q does not begin with %q", c.text, it, c.text[from:])
			}
		}
		if len(items) == 1 && suffix != c.suffix {
			t.Errorf("%q is followed by %q, want %q", c.text, suffix, c.suffix)
		}
	}
	if got := s.err.String() + s.out.String(); got != "" {
		t.Errorf("completion printed %q", got)
	}
}

// TestCompleteValues: a string is completed by the words that its place allows.
func TestCompleteValues(t *testing.T) {
	s := newSim(t, 1)
	if err := s.Typed(`
l = lab()
a = l.host("a", "10.0.0.1/24")
b = l.host("beta", "10.0.0.2/24", "fd00::2/64")
w = l.link(a, b)
srv = b.tcp.listen(80)
c = tcp.connect("192.168.69.100:7")
d = {"left": 1, "right": 2, 3: 4}
i = ifaces()[0]
i.add_addr("fd00::1/64")
`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, c := range []struct {
		text, want string // want is all items, or one of several before a …
		suffix     string
	}{
		{`counters()["TcpRet`, "TcpRetransSegs", `"`},
		{`peer.counters()["TcpPas`, "TcpPassiveOpens", `"`},
		{`print(counters()["TcpRet`, "TcpRetransSegs", `"`},
		{`counters().where(name="TcpRet`, "TcpRetransSegs", `"`},
		{`counters(since=True).cols("na`, "name", `"`},
		{`counters(since=True).sort("va`, "value", `"`},
		{`counters(since=True).where(va`, "value=", ""},
		{`drops().where(reason="fault l`, "fault limit fault loss", ""},
		{`drops().where(reason="fault lo`, "fault loss", `"`},
		{`drops().sort("la`, "last", `"`},
		{`help("fault lo`, "fault loss", `"`},
		{`help("key`, "keys", `"`},
		{`sockets(info=True).where(state="LISTEN").cols("netid", "pe`, "peer", `"`},
		{`sockets().where(state="EST`, "ESTABLISHED", `"`},
		{`ifaces()["e`, "eth0", `"`},
		{`ifaces().cols("name", "mt`, "mtu", `"`},
		{`ifaces().where(na`, "name=", ""},
		{`limits().cols("na`, "name", `"`},
		{`l.links().sort("del`, "delay", `"`},
		{`c.log().cols("cw`, "cwnd", `"`},
		{`d["l`, "left", `"`},
		{`d["`, "left right", ""},
		{`x = ["l`, "", ""},
		{`on("`, "address conflict connection drop link neighbor packet recovery tcp", ""},
		{`peer.on("rec`, "recovery", `"`},
		{`tcp.connect("192.168.69.100:7", congestion="`, "cubic newreno reno", ""},
		{`tcp.listen(80, congestion="n`, "newreno", `"`},
		{`c.set(congestion="c`, "cubic", `"`},
		{`kernel.tcp.listen(80, congestion="r`, "reno", `"`},
		{`fault(w, dir="`, "a->beta beta->a both", ""},
		{`fault("eth0", dir="`, "both rx tx", ""},
		{`trace("tc`, "tcp tcp-ack tcp-cwr tcp-ece tcp-fin tcp-push tcp-rst tcp-syn tcp-urg tcpflags", ""},
		{`trace("tcp and po`, "tcp and port tcp and portrange", ""},
		{`trace("tcp and not (src ho`, "tcp and not (src host", ""},
		{`sniff("tcp[tcpf`, "tcp[tcpflags", ""},
		{`fault("eth0", match="udp or icm`, "udp or icmp…", ""},
		{`fault("eth0", match="tcp port 8`, "tcp port 8000", ""},
		{`a.on("drop", print, filter="port htt`, "port http port http-alt port https", ""},
		{`capture("x.pcapng", "host 192.168.69.10`, "host 192.168.69.100", ""},
		{`a.capture("x.pcapng", "host 10.0.0.2`, "host 10.0.0.2", ""},
		{`l.capture("x.pcapng", "src host 10.0.0.2`, "src host 10.0.0.2", ""},
		{`l.capture("x.pcapng", "ar`, "arp", ""},
		{`ping("pe`, "peer", `"`},
		{`a.ping("be`, "beta", `"`},
		{`a.ping("10.0.0.2`, "10.0.0.2", `"`},
		{`a.ping("192`, "", ""},
		{`ping("be`, "", ""},
		{`a.tcp.connect("be`, "beta:80", `"`},
		{`a.tcp.connect("[fd00::2`, "[fd00::2]:80", `"`},
		{`l.partition("be`, "beta", `"`},
		{`use("pe`, "peer", `"`},
		{`ping("fe80::1%`, "fe80::1%eth0", `"`},
		{`ping("ff02::1%e`, "ff02::1%eth0", `"`},
		{`tcp.connect("[fe80::1%`, "[fe80::1%eth0]:", ""},
		{`ping("192.168.69.1%`, "", ""},
		{`ping("nonsense%`, "", ""},
	} {
		from, items, suffix := s.complete(c.text)
		want, some := strings.CutSuffix(c.want, "…")
		got := strings.Join(items, " ")
		if some && !slices.Contains(items, want) || !some && got != want {
			t.Errorf("%q goes on with %q, want %q", c.text, got, c.want)
		}
		for _, it := range items {
			if !strings.HasPrefix(it, c.text[from:]) {
				t.Errorf("%q: %q does not begin with %q", c.text, it, c.text[from:])
			}
		}
		if len(items) == 1 && suffix != c.suffix {
			t.Errorf("%q is followed by %q, want %q", c.text, suffix, c.suffix)
		}
	}
	if got := s.err.String() + s.out.String(); got != "" {
		t.Errorf("completion printed %q", got)
	}
	for _, w := range filter.Words() {
		expr := map[string]string{"host": "host 10.0.0.1", "net": "net 10.0.0.0/8", "port": "port 1", "portrange": "portrange 1-2", "proto": "ip proto 6",
			"protochain": "ip protochain 6", "src": "src host 10.0.0.1", "dst": "dst host 10.0.0.1", "less": "less 100", "greater": "greater 100",
			"len": "len > 100", "mask": "net 10.0.0.0 mask 255.0.0.0", "ether": "ether proto 1", "link": "link proto 1", "vlan": "vlan 5",
			"and": "tcp and udp", "or": "tcp or udp", "not": "not tcp"}[w]
		if expr == "" {
			expr = w
		}
		if strings.Contains(w, "-") || strings.HasSuffix(w, "type") || strings.HasSuffix(w, "code") || w == "tcpflags" {
			expr = "tcp[0] = " + w
		}
		if _, err := filter.Compile(expr); err != nil {
			t.Errorf("%s is no word of filters: %v", w, err)
		}
	}
	for _, w := range filter.Services() {
		if _, err := filter.Compile("port " + w); err != nil {
			t.Errorf("%s is no service: %v", w, err)
		}
	}
}

// FuzzComplete completes any text. Every candidate begins with the prefix that the text has.
func FuzzComplete(f *testing.F) {
	for _, text := range []string{`ping("1`, "a.b(c)[", "'''", "!", "!a|", `f("\`, "((((", ".", "x = '", "ifaces()[9].", "[](", "\x00"} {
		f.Add(text)
	}
	s := newSim(f, 1)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") || len(text) > 200 {
			return
		}
		from, items, _ := s.complete(text)
		for _, it := range items {
			if from < 0 || from > len(text) || !strings.HasPrefix(it, text[from:]) {
				t.Errorf("%q: from %d with %q", text, from, it)
			}
		}
	})
}

// TestTyped checks what each statement at the prompt sees of the statements before it.
func TestTyped(t *testing.T) {
	s := newSim(t, 1)
	for _, c := range []struct{ src, out, err string }{
		{"def f(): return g()\ndef g(): return 1\n", "", ""},
		{"f()", "1\n", ""},
		{"def g(): return 2\n", "", ""},
		{"f()", "2\n", ""},
		{"x = 1", "", ""},
		{"def getx(): return x\n", "", ""},
		{"x += 1", "", ""},
		{"getx() + x", "4\n", ""},
		{"_ * 2", "8\n", ""},
		{"1\n'two'\nNone\n3\n", "1\n\"two\"\n3\n", ""},
		{"_", "3\n", ""},
		{"for i in range(3): x += i\n", "", ""},
		{"x", "5\n", ""},
		{"a, (b, [c]) = 1, (2, [3])", "", ""},
		{"a + b + c", "6\n", ""},
		{"y = 1\ny = z\n", "", "undefined: z"},
		{"y", "1\n", ""},
		{"h()\ndef h(): pass\n", "", "undefined: h"},
		{"def late(x=k0): return x\n", "", "undefined: k0"},
		{"def late(x): return later(x) + pig(x)\n", "", ""},
		{"late(1)", "", "undefined: later (did you mean late?)\n  <stdin>:1:21: in late\n  <stdin>:1:5: in <expr>"},
		{"later = lambda x: x; pig = lambda x: pign2(x)", "", ""},
		{"catch(late, 1).error", "\"undefined: pign2 (did you mean pig?)\"\n", ""},
		{"pign2 = lambda x: x; late(2)", "4\n", ""},
		{"late(pign(1))", "", "undefined: pign (did you mean pig?)"},
		{"k = 1\n1 // 0\n", "", "floored division by zero"},
		{"k", "1\n", ""},
		{"def fact(n): return 1 if n < 2 else n * fact(n - 1)\nfact(5)\n", "120\n", ""},
		{"ping = 5", "", ""},
		{"ping", "5\n", ""},
		{"ss = [i for i in [1, 2]]; ss", "[1, 2]\n", ""},
		{"i", "2\n", ""},
	} {
		before, errBefore := len(s.out.String()), len(s.err.String())
		err := s.Typed(c.src)
		if got := s.out.String()[before:]; got != c.out {
			t.Errorf("%q printed %q, want %q", c.src, got, c.out)
		}
		got := s.err.String()[errBefore:]
		if (err != nil) != (c.err != "") || !strings.HasPrefix(got, c.err) {
			t.Errorf("%q: error %q, want %q", c.src, got, c.err)
		}
	}
	for n := range s.globals {
		if strings.HasPrefix(n, " ") {
			t.Errorf("the name %q is left", n)
		}
	}
}

func TestIncomplete(t *testing.T) {
	for _, c := range []struct {
		src                    string
		incomplete, unfinished bool
	}{
		{"1\n", false, false},
		{"def f():\n", true, true},
		{"def f():\n  pass\n", true, false},
		{"def f():\n  pass\n\n", false, false},
		{"f(1,\n", true, true},
		{"x = '''a\n", true, true},
		{"x = 'a\n", false, false},
		{"1 +\n", false, false},
		{"if a:\n  b\n\nelse:\n", false, true},
		{")\n", false, false},
	} {
		if got := Incomplete(c.src); got != c.incomplete {
			t.Errorf("%q: Incomplete is %v", c.src, got)
		}
		if got := Unfinished(c.src); got != c.unfinished {
			t.Errorf("%q: Unfinished is %v", c.src, got)
		}
	}
}

// After a packet and a dot, completion offers the packet's layers; after a layer, its fields; inside fields(), the
// protocols.
func TestCompletePacket(t *testing.T) {
	s := newSim(t, 1)
	if err := s.Typed(`
t = spawn(sniff, "tcp or udp or icmp", count=5)
sleep(0)
c = tcp.connect("192.168.69.100:7")
u = udp.bind(5000)
u.send("no DNS", "192.168.69.100:9")
list = t.join()
p, q, e = list[0], list[3], list[4]
`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, c := range []struct{ text, want string }{
		{"p.t", "tcp time time_ns"},
		{"p.u", ""},
		{"q.u", "udp"},
		{"q.i", "ip"},
		{"e.ic", "icmp"},
		{"e.icmp.quoted.u", "udp"},
		{"e.icmp.q", "quoted"},
		{"p.ip6", ""},
		{"list[0].l", "layers len"},
		{"p.s", "show summary"},
		{"p.tcp.s", "sack sack_ok seq sport"},
		{"p.tcp.", "ack chksum dataofs dport flags has mss options reserved sack sack_ok seq sport tsecr tsval urgptr window wscale"},
		{"p[TCP].w", "window wscale"},
		{"p[IP].d", "df dst"},
		{"p.raw", ""},
		{"q.raw.", "data has load"},
		{"fields(T", "TCP"},
		{"fields(protocol=T", "TCP True"},
		{"fields(IC", "ICMP ICMPv6 ICMPv6DestUnreach ICMPv6EchoReply ICMPv6EchoRequest ICMPv6MLDone ICMPv6MLQuery ICMPv6MLReport ICMPv6MLReport2 ICMPv6NDOptDNSSL ICMPv6NDOptDstLLAddr ICMPv6NDOptMTU ICMPv6NDOptNonce ICMPv6NDOptPrefixInfo ICMPv6NDOptRDNSS ICMPv6NDOptRedirectedHdr ICMPv6NDOptRouteInfo ICMPv6NDOptSrcLLAddr ICMPv6NDOptUnknown ICMPv6ND_NA ICMPv6ND_NS ICMPv6ND_RA ICMPv6ND_RS ICMPv6ND_Redirect ICMPv6PacketTooBig ICMPv6ParamProblem ICMPv6TimeExceeded"},
		{"fields(p", "protocol="},
		{"help(TC", "TCP"},
		{"p[UD", "UDP"},
		{"x = UD", "UDP"},
	} {
		_, items, _ := s.complete(c.text)
		if got := strings.Join(items, " "); got != c.want {
			t.Errorf("%q goes on with %q, want %q", c.text, got, c.want)
		}
	}
	if _, items, _ := s.complete("fields("); !slices.Contains(items, "TCP") || !slices.Contains(items, "protocol=") || slices.Contains(items, "ping") {
		t.Errorf("fields( goes on with %q", items)
	}
}

// `help(TCP)` and `fields(TCP)` print a line for every field, and for those of options.
func TestProtocolHelpNamesOptions(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunCommand("help(TCP); print(fields(TCP)); help(ICMPv6ND_RA); help(IPv6)"); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	for _, want := range []string{"\n  mss          the maximum segment size; for reading", "\n  tsval        the timestamp option's value; for reading", "\nmss ", "\nwscale ", "\nsack_ok ", "\ntsecr ", "\nsack ",
		"\n  routerlifetime how long", "\n  proto        the protocol after the extension headers; for reading"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("help and fields() do not have %q:\n%s", want, s.out.String())
		}
	}
}

// TestCompleteAddresses: addresses and endpoints of both families are completed as they can be used: with brackets, with the zone of an
// address of the shell's own host, without another host's link-local ones, and in the families for which a socket is.
func TestCompleteAddresses(t *testing.T) {
	s := newSimOn(t, 1, "fdaa::1/64", "192.168.69.100/24")
	if err := s.Typed(`
peer.ifaces()[0].add_addr("fdaa::100/64")
sleep("5s")
a, b, c = peer.tcp.listen(4000), peer.tcp.listen(4004, addr="0.0.0.0"), peer.tcp.listen(4006, v6only=True)
r = peer.raw.bind(89)
`); err != nil {
		t.Fatal(s.err.String())
	}
	endpoints := s.endpoints(s.main.host)
	for text, want := range map[string]bool{
		"192.168.69.100:4000": true, "[fdaa::100]:4000": true,
		"192.168.69.100:4004": true, "[fdaa::100]:4004": false,
		"192.168.69.100:4006": false, "[fdaa::100]:4006": true,
		"192.168.69.100:89": false,
	} {
		if slices.Contains(endpoints, text) != want {
			t.Errorf("%s is completed: %v, want %v", text, !want, want)
		}
	}
	for _, a := range append(s.addresses(s.main.host), endpoints...) {
		if strings.HasPrefix(strings.TrimPrefix(a, "["), "fe80:") && !strings.Contains(a, "%eth0") {
			t.Errorf("%s has no zone", a)
		}
	}
	linkLocal := func(a string) bool { return strings.HasPrefix(a, "fe80:") }
	own := s.globals["local"].(*hostValue).h.Ports()[0].Iface().LinkLocal().String()
	if i := slices.IndexFunc(s.addresses(s.main.host), linkLocal); i < 0 || s.addresses(s.main.host)[i] != own {
		t.Errorf("%v lacks %s", s.addresses(s.main.host), own)
	}
}
