package packetvalue

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/stack/packet"
)

// TestBadNames: octets that no str has, in names and texts, are written so that the code makes the same octets.
func TestBadNames(t *testing.T) {
	const header = `b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"`
	const question = ` + b"\x02\xff\xfe\x00\x00\x05\x00\x01"`
	for _, rest := range []string{
		` + b"\x02\xff\xfe\x00\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x02\xc0\x80\x00"`, // CNAME
		` + b"\x02\xff\xfe\x00\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x03\x02\xc0\x80"`,     // TXT
		` + b"\x01\x01\x00\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x06\x00\x0a\x02\xc0\x80\x00"`,
	} {
		v, err := eval(header + question + rest)
		if err != nil {
			t.Fatal(err)
		}
		checkCode(t, Parse(noMethods{}, []byte(v.(starlark.Bytes)), packet.DNS))
	}
}

// TestConversions: values of fields are read back as they were set, also in the forms that only scripts have.
func TestConversions(t *testing.T) {
	for expr, want := range map[string]string{
		`TCP(flags="AS").tcp.flags`:                                                         `"SA"`,
		`TCP(flags=0x12).tcp.flags`:                                                         `"SA"`,
		`IP(flags="DF+MF").ip.flags`:                                                        `"MF+DF"`,
		`TCP().tcp.flags`:                                                                   `None`,
		`TCP(seq=None).tcp.seq`:                                                             `None`,
		`TCP(dport="http").tcp.dport`:                                                       `80`,
		`ARP(op="is-at").arp.op`:                                                            `2`,
		`ICMP(type="time exceeded").icmp.type`:                                              `11`,
		`DNS(qr=True).dns.qr`:                                                               `True`,
		`IP(dst="10.0.0.2").ip.dst`:                                                         `"10.0.0.2"`,
		`IP(dst=b"\x0a\x00\x00\x02").bytes[16:]`:                                            `b"\n\x00\x00\x02"`,
		`Ether(dst="02:00:00:00:00:09").eth.dst`:                                            `"02:00:00:00:00:09"`,
		`TCP(options=[("mss", 1460), "sackok", ("ts", (1, 2))]).tcp.options`:                `[("mss", 1460), "sackok", ("ts", (1, 2))]`,
		`TCP(options=[("MSS", 1460), ("NOP", None)]).tcp.mss`:                               `1460`,
		`TCP(options=[("sack", [(1, 2)]), (253, b"x")]).tcp.options`:                        `[("sack", [(1, 2)]), (253, b"x")]`,
		`len(TCP(options=[("mss", 1460)]).bytes)`:                                           `24`,
		`ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.1").arp.psrc`:                          `"10.0.0.1"`,
		`(IP()/ICMP(type=3, quoted=IP(dst="10.0.0.9")/UDP(dport=9))).icmp.quoted.udp.dport`: `9`,
		`DNS(qd=[dict(qname="example.org", qtype="AAAA")]).dns.questions[0].type`:           `"AAAA"`,
		`DNS(an=[dict(rrname="example.org", rdata="192.0.2.1", ttl=5)]).dns.an[0].rdata`:    `"192.0.2.1"`,
		`DHCP(options={"message-type": "discover", 55: b"\x01\x03"}).dhcp.options`:          `{53: b"\x01", 55: b"\x01\x03"}`,
		`DHCP(options={"lease_time": 60, "router": ["10.0.0.1"]}).dhcp.message`:             `""`,
		`(IP()/TCP()/"hello").payload`:                                                      `b"hello"`,
		`("a"/(Raw("b")/b"c")).layers`:                                                      `["Raw"]`,
		`(IP()/TCP()/"x").len`:                                                              `41`,
		`TCP in IP()/TCP()`:                                                                 `True`,
		`(IP()/TCP(dport=80))[TCP].dport`:                                                   `80`,
		`(IP()/TCP()).udp`:                                                                  `None`,
		`(IP()/TCP()/IP()).layers`:                                                          `["IP", "TCP", "IP"]`,
		`TCP(dport=80) == TCP(dport=80)`:                                                    `True`,
		`TCP(dport=80) == TCP(dport=80, window=8192)`:                                       `False`,
		`TCP(dport=[80, range(5)]) == TCP(dport=[80, range(5)])`:                            `True`,
		`TCP(options=[("mss", 5)]) == TCP(options=[("MSS", 5)])`:                            `True`,
		`{IP()/TCP(dport=80): 1}[IP()/TCP(dport=80)]`:                                       `1`,
		`TCP(dport=[80, 443]).tcp.dport`:                                                    `[80, 443]`,
		`str(TCP(dport=NOT([80])))`:                                                         `"TCP(dport=NOT([80]))"`,
		`str(~(IP()/TCP()))`:                                                                `"~(IP()/TCP())"`,
		`~~TCP(dport=80) == TCP(dport=80)`:                                                  `True`,
	} {
		v, err := eval(expr)
		if err != nil || v.String() != want {
			t.Errorf("%s is %v, %v, want %s", expr, v, err, want)
		}
	}
}

// TestRefusals: an error names the field, what it takes, with range and unit, and a name that was probably meant.
func TestRefusals(t *testing.T) {
	for expr, want := range map[string]string{
		`TCP(dprt=80)`:                     `TCP has no field dprt (did you mean dport?)`,
		`TCP(xyzzy=80)`:                    `TCP has no field xyzzy; fields(TCP) lists its fields`,
		`ICMPv6(tgt="fe80::1")`:            `ICMPv6 has no field tgt; ICMPv6ND_NS has one`,
		`TCP(80)`:                          `TCP: fields are given by name, such as TCP(dport=80)`,
		`Raw("a", "b")`:                    `Raw has one field, load, got 2 arguments`,
		`TCP(window=70000)`:                `TCP.window is an int from 0 to 65535 (octets, before scaling), got int 70000`,
		`TCP(window=-1)`:                   `TCP.window is an int from 0 to 65535 (octets, before scaling), got int -1`,
		`TCP(dport="80")`:                  `got string "80": without quotes it is an int`,
		`TCP(dport="htttp")`:               `got string "htttp" (did you mean http?)`,
		`TCP(dport=1.5)`:                   `got float 1.5`,
		`TCP(flags="SX")`:                  `TCP.flags is letters of F S R P A U E C N in any order, or an int from 0 to 511, got string "SX": "X" is none of F S R P A U E C N`,
		`IP(frag=7)`:                       `IP.frag is an int from 0 to 65528 in steps of 8 (octets), got int 7`,
		`IP(dst="10.0.0.256")`:             `IP.dst is an IPv4 address, or a host or its name, or bytes of 4 octets, got string "10.0.0.256"`,
		`IP(dst="fdaa::1")`:                `an address of the other family`,
		`IP(dst=b"abc")`:                   `IP.dst`,
		`Ether(dst="02:00")`:               `Ether.dst is a hardware address such as "02:00:00:00:00:01", or bytes of 6 octets, got string "02:00"`,
		`TCP(mss=1460)`:                    `TCP.mss follows from other fields: a pattern may have mss=[1460], but it can't be set`,
		`TCP(options=[("msss", 1)])`:       `no option is called "msss" (did you mean mss?)`,
		`TCP(options=[("mss", 70000)])`:    `TCP.options: mss is 0 to 65535, got 70000`,
		`TCP(options="mss")`:               `TCP.options is a list of names, (name, value) and (kind, octets), or bytes`,
		`DHCP(options={"mesage-type": 1})`: `no option is called "mesage-type" (did you mean message-type?)`,
		`DHCP(options={300: b""})`:         `is not a code from 1 to 254`,
		`DNS(qd=[dict(qname=5)])`:          `DNS.qd`,
		`DNS(qd=["example.org"])`:          `DNS.qd is a list of dicts`,
		`IP/TCP()`:                         `IP is a protocol, and IP() a packet`,
		`IP()/TCP`:                         `TCP is a protocol, and TCP() a packet`,
		`IP()/5`:                           `a packet carries a packet, str or bytes, got int`,
		`~IP()/TCP()`:                      `~ negates a whole pattern: write ~(A() / B())`,
		`TCP(dport=[80, 443]).bytes`:       `TCP.dport is [80, 443], which only a pattern may have`,
		`TCP(dport=NOT(NOT(NOT(NOT(NOT(NOT(NOT(NOT(NOT(5))))))))))`: `too many lists in each other`,
		`TCP(dport=NOT(None))`:            `None stands for an unset field alone`,
		`IP(dst=range(5))`:                `it has no numbers`,
		`(IP()/TCP())[5]`:                 `a packet is indexed by a protocol, such as p[TCP], got int`,
		`Ether(dst=5)`:                    `Ether.dst is a hardware address`,
		`ICMP(type=5, quoted=5)`:          `ICMP.quoted is a packet or bytes, got int 5`,
		`DNS(an=[[[[[[[[[[[5]]]]]]]]]]])`: `DNS.an is a list of dicts`,
		`TCP(options=[("x", [[[[[[[[[[[[[[1]]]]]]]]]]]]]])])`: `too many lists in each other`,
	} {
		v, err := eval(expr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", expr, v, err, want)
		}
	}
}

// TestPatterns: a pattern's fields may be sets of values, and the whole may be negated.
func TestPatterns(t *testing.T) {
	const p = `(IP(src="10.0.0.1", dst="10.0.0.2", ttl=64)/TCP(sport=1000, dport=80, flags="SA", options=[("mss", 1460)])/"hi")`
	const arp = `ARP(op=2)`
	for _, c := range []struct {
		packet, pattern string
		want            bool
	}{
		{p, `TCP()`, true}, {p, `TCP`, true}, {p, `UDP()`, false}, {p, `~UDP()`, true}, {p, `~TCP`, false}, {p, `~~TCP()`, true},
		{p, `TCP(dport=80)`, true}, {p, `TCP(dport=[443, 80])`, true}, {p, `TCP(dport=[443])`, false}, {p, `TCP(dport=range(1, 1024))`, true},
		{p, `TCP(dport=range(81, 1024))`, false}, {p, `TCP(dport=range(0, 100, 16))`, true}, {p, `TCP(dport=range(100, 0, -16))`, false}, {p, `TCP(dport=range(0))`, false},
		{p, `TCP(dport=lambda n: n == 80)`, true}, {p, `TCP(flags=lambda f: f == "SA")`, true}, {p, `IP(src=lambda a: a.startswith("10."))`, true},
		{p, `TCP(dport=NOT(80))`, false}, {p, `TCP(dport=NOT([1, range(5), lambda n: False]))`, true}, {p, `TCP(flags=["S", "SA"])`, true}, {p, `TCP(flags="AS")`, true},
		{p, `TCP(mss=[1460])`, true}, {p, `TCP(wscale=ANY)`, false}, {p, `TCP(wscale=NOT(ANY))`, true}, {p, `TCP(mss=ANY)`, true},
		{p, `TCP(options=[("mss", 1460)])`, true}, {p, `TCP(options=[("mss", 1461)])`, false}, {p, `TCP(options=NOT([("mss", 1461)]))`, true},
		{p, `IP(dst=["10.0.0.3", "10.0.0.2"])/TCP()`, true}, {p, `IP()/UDP()`, false}, {p, `TCP()/"hi"`, true}, {p, `TCP()/"h"`, false}, {p, `TCP()/Raw(lambda b: b[:1] == b"h")`, true},
		{p, `"tcp dst port 80"`, true}, {p, `"udp"`, false}, {p, `lambda p: p.ip.ttl == 64`, true}, {p, `NOT("udp")`, true},
		{arp, `ARP(op="is-at")`, true}, {arp, `ARP(op=["who-has", "is-at"])`, true}, {arp, `"arp"`, false}, {`Ether()/` + arp, `"arp"`, true},
		{`DNS(qr=True)`, `DNS(qr=True)`, true}, {`DNS(qr=True)`, `DNS(qr=[False])`, false}, {`DNS(qr=True)`, `DNS(qr=NOT(True))`, false},
		{`IP()/ICMP(type=3, quoted=` + p + `)`, `ICMP(quoted=IP()/TCP(dport=[80, 81]))`, true},
		{`IP()/ICMP(type=3, quoted=` + p + `)`, `ICMP(quoted=TCP(dport=81))`, false}, {`IP()/ICMP(type=3, quoted=` + p + `)`, `TCP()`, false},
	} {
		v, err := eval(c.pattern)
		if err != nil {
			t.Fatal(c.pattern, err)
		}
		pt, err := NewPattern(noMethods{}, v)
		if err != nil {
			t.Fatal(c.pattern, err)
		}
		for _, x := range []*Value{composed(t, c.packet), filled(t, composed(t, c.packet))} {
			got, err := pt.Match(x)
			if err != nil || got != c.want {
				t.Errorf("%s matches %s: %v, %v", c.pattern, c.packet, got, err)
			}
			if b, err := x.Built(); err != nil {
				t.Fatal(err)
			} else if m := mediumOf(b); m != nil {
				if got, err := pt.MatchFrame(b.Octets, b.Length, *m); err != nil || got != c.want {
					t.Errorf("%s matches the frame %s: %v, %v", c.pattern, c.packet, got, err)
				}
			}
			if lines := Differences(pt, x); (lines == nil) != c.want {
				t.Errorf("%s differs from %s: %q", c.pattern, c.packet, lines)
			}
		}
	}
	for expr, want := range map[string]string{
		`5`: "a pattern is a packet such as TCP(dport=80), ~packet, a filter string or a function of a packet, got int", `"tcp prt 80"`: "prt",
	} {
		v, _ := eval(expr)
		if _, err := NewPattern(noMethods{}, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s as a pattern: %v", expr, err)
		}
	}
	v, _ := eval(`TCP(dport=[lambda n: 1 // 0])`)
	pt, _ := NewPattern(noMethods{}, v)
	for range 2 {
		if ok, err := pt.Match(composed(t, p)); ok || err == nil || !strings.Contains(err.Error(), "division by zero") {
			t.Errorf("a function's error: %v, %v", ok, err)
		}
	}
}

// TestMatchFrame: a frame that is dissected only as far as a pattern needs fits the same patterns as a whole packet.
func TestMatchFrame(t *testing.T) {
	frames := corpus(t)
	for _, expr := range []string{`IP()`, `TCP()`, `~TCP()`, `UDP()/DNS()`, `UDP()/Raw()`, `TCP()/Raw(lambda b: True)`, `Raw("a")`, `Raw()`, `IPv6()/ICMPv6()`, `Ether()/ARP(op="is-at")`,
		`IP()/IP()`, `Ether(type=0x800)/IP(ttl=[64, 255])`, `ICMP(type=NOT([0, 8]))`, `DHCP(xid=ANY)`, `IP(dst=NOT("10.0.0.1"))/TCP(dport=range(1, 1024))`, `TCP(mss=ANY)`} {
		v, err := eval(expr)
		if err != nil {
			t.Fatal(err)
		}
		pt, err := NewPattern(noMethods{}, v)
		if err != nil {
			t.Fatal(err)
		}
		fit := 0
		for _, p := range frames {
			if p.First != nil {
				continue
			}
			want, err := pt.Match(p)
			got, err2 := pt.MatchFrame(p.Octets, p.Length, p.Medium)
			if got != want || err != nil || err2 != nil {
				t.Errorf("%s and %s: %v as a frame, %v as a packet, %v, %v", expr, p, got, want, err, err2)
			}
			if got {
				fit++
			}
		}
		if fit == len(frames) || fit == 0 && !strings.HasPrefix(expr, "Raw(\"") {
			t.Errorf("%s fits %d packets of %d", expr, fit, len(frames))
		}
	}
}

// mediumOf returns the medium of a packet that is a frame of one, otherwise nil.
func mediumOf(p *packet.Packet) *phy.Medium {
	m := phy.MediumIP
	switch p.First {
	case packet.Ether:
		m = phy.MediumEthernet
	case packet.IP, packet.IPv6:
	default:
		return nil
	}
	return &m
}

// filled returns the packet with its octets.
func filled(t testing.TB, p *Value) *Value {
	t.Helper()
	q, err := p.Fill()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestSharedLists: a list of alternatives that a script changes afterwards does not change the packet. Packets that quote each other have a bound.
func TestSharedLists(t *testing.T) {
	ports := starlark.NewList([]starlark.Value{starlark.MakeInt(80)})
	g := words()
	g["ports"] = ports
	v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", "TCP(dport=ports, sport=NOT(ports))", g)
	if err != nil {
		t.Fatal(err)
	}
	p := v.(*Value)
	if err := ports.Append(starlark.MakeInt(443)); err != nil {
		t.Fatal(err)
	}
	got, _ := p.layerAt(0).Attr("dport")
	if err := got.(*starlark.List).Append(starlark.MakeInt(1)); err != nil {
		t.Fatal(err)
	}
	if want := `TCP(sport=NOT([80]), dport=[80])`; p.Code() != want {
		t.Errorf("the packet is %s, want %s", p.Code(), want)
	}
	var q starlark.Value = composed(t, `IP()/UDP()`)
	for n := range 100 {
		g["q"] = q
		if q, err = starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", "IP()/ICMP(type=3, quoted=q)", g); err != nil {
			if n != maxNested || !strings.Contains(err.Error(), "too many packets in each other") {
				t.Errorf("%d packets in each other: %v", n, err)
			}
			return
		}
	}
	t.Error("100 packets in each other")
}

// TestDifferences: the lines name the field, with the value wanted and the value there.
func TestDifferences(t *testing.T) {
	p := filled(t, composed(t, `IP(dst="10.0.0.2")/TCP(dport=80, flags="RA")`))
	for pattern, want := range map[string]string{
		`TCP(flags="SA")`: "tcp.flags: want SA, got RA",
		`IP(dst="10.0.0.3")/TCP(dport=[443, 8443])`: "ip.dst: want 10.0.0.3, got 10.0.0.2; tcp.dport: want [443, 8443], got 80 http",
		`IP()/UDP()`:      "udp: want UDP, got IP/TCP",
		`~TCP(dport=80)`:  "it fits TCP(dport=80), and should not",
		`"udp"`:           `the filter "udp" does not match`,
		`lambda p: False`: "lambda returns a false value",
		`TCP(wscale=ANY)`: "tcp.wscale: want ANY, got not there",
	} {
		v, err := eval(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pt, err := NewPattern(noMethods{}, v)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(Differences(pt, p), "; "); got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// TestEveryProtocolComposes: a layer of each protocol without fields is built, shown and described, and its code is the call.
func TestEveryProtocolComposes(t *testing.T) {
	for _, p := range packet.Protocols() {
		v := composed(t, p.Name+"()")
		if got := v.Code(); got != p.Name+"()" {
			t.Errorf("%s() is written as %s", p.Name, got)
		}
		if _, err := v.Built(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if text := v.Show(); !strings.HasPrefix(text, "["+p.Attr+"]") || strings.Contains(text, "can't") {
			t.Errorf("%s is shown as %s", p.Name, text)
		}
		views(v)
		for i := range p.Fields {
			if Takes(p, &p.Fields[i]) == "" {
				t.Errorf("nothing says what %s.%s takes", p.Name, p.Fields[i].Name)
			}
		}
	}
}
