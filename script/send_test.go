package script

import (
	"net/netip"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/stack/packet"
)

// layerOf returns a layer with fields: names and values in turn.
func layerOf(t testing.TB, p *packet.Protocol, fields ...any) packet.DraftLayer {
	t.Helper()
	l := packet.DraftLayer{Protocol: p}
	for i := 0; i < len(fields); i += 2 {
		v := fields[i+1]
		switch x := v.(type) {
		case int:
			v = uint64(x)
		case string:
			v = netip.MustParseAddr(x)
			if a := netip.MustParseAddr(x); p == packet.ARP {
				v = a.AsSlice()
			}
		}
		var err error
		if l, err = l.With(p.Field(fields[i].(string)), v); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// drafting returns a session that has drafts as globals.
func drafting(t testing.TB, s *testSession, drafts map[string]*packet.Draft) *testSession {
	for name, d := range drafts {
		s.globals[name] = packetvalue.Compose(environment{s.Session}, d)
	}
	return s
}

// says runs a script on a session and compares its output.
func (s *testSession) says(t *testing.T, src, want string) {
	t.Helper()
	if got := status(s.RunCommand(src)); got != 0 {
		t.Fatalf("exit status %d: %s", got, s.err.String())
	}
	if got := s.out.String(); got != want {
		t.Errorf("output:\n%swant:\n%s", got, want)
	}
}

// sendFamily is the addresses and protocols of a family in tests.
type sendFamily struct {
	local, peer     string
	ip, echo        *packet.Protocol
	attr, unreached string
}

// inFamilies runs a test on a virtual lab of each family.
func inFamilies(t *testing.T, test func(t *testing.T, s *testSession, f sendFamily)) {
	for name, f := range map[string]sendFamily{
		"ipv4": {"192.168.69.1", "192.168.69.100", packet.IP, packet.ICMP, "icmp", "3"},
		"ipv6": {"fd00::1", "fd00::100", packet.IPv6, packet.ByName("ICMPv6EchoRequest"), "icmp6", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			bits := "/24"
			if f.ip == packet.IPv6 {
				bits = "/64"
			}
			test(t, newSimOn(t, 1, f.local+bits, f.peer+bits), f)
		})
	}
}

// TestSr1: a SYN to an open and to a closed port, a datagram to a closed port, an echo request: each has its answer, and the stacks of
// both ends say nothing of their own about it.
func TestSr1(t *testing.T) {
	inFamilies(t, func(t *testing.T, s *testSession, f sendFamily) {
		ip := layerOf(t, f.ip, "dst", f.peer)
		drafting(t, s, map[string]*packet.Draft{
			"syn":    packet.NewDraft(ip, layerOf(t, packet.TCP, "dport", 7)),
			"closed": packet.NewDraft(ip, layerOf(t, packet.TCP, "dport", 4)),
			"udp":    packet.NewDraft(ip, layerOf(t, packet.UDP, "dport", 4)),
			"dns":    packet.NewDraft(ip, layerOf(t, packet.UDP, "dport", 5353, "sport", 1053), packet.DraftLayer{Protocol: packet.DNS}),
			"echo":   packet.NewDraft(ip, packet.DraftLayer{Protocol: f.echo}, layerOf(t, packet.Raw, "load", []byte("hello"))),
			"self":   packet.NewDraft(layerOf(t, f.ip, "dst", f.local), packet.DraftLayer{Protocol: f.echo}),
			"framed": packet.NewDraft(packet.DraftLayer{Protocol: packet.Ether}, ip, packet.DraftLayer{Protocol: f.echo}),
		})
		s.says(t, strings.ReplaceAll(`
peer.udp.bind(5353)
print(sr1(syn).tcp.flags, sr1(closed).tcp.flags, counters()["TcpOutRsts"])
print(sr1(udp).ICMP.type, sr1(udp).ICMP.quoted.udp.dport)
print(sr1(dns))
print(sr1(echo).ICMP.seq, sr1(echo).payload, sr1(self).ICMP.seq, sr1(framed).ICMP.id > 0)
print(len(claims()), len(sockets()))
sleep("10s")
`, "ICMP", f.attr), "udp *:5353\nSA RA 0\n"+f.unreached+" 4\nNone\n0 hello 0 True\n0 0\n")
	})
}

// TestSend: what is sent is counted, and errors say what to do.
func TestSend(t *testing.T) {
	inFamilies(t, func(t *testing.T, s *testSession, f sendFamily) {
		nobody := strings.TrimSuffix(f.peer, "100") + "9"
		ip := layerOf(t, f.ip, "dst", f.peer)
		drafting(t, s, map[string]*packet.Draft{
			"p":       packet.NewDraft(ip, layerOf(t, packet.UDP, "dport", 9), layerOf(t, packet.Raw, "load", []byte("x"))),
			"wrong":   packet.NewDraft(layerOf(t, f.ip, "dst", f.peer, "version", 9), layerOf(t, packet.UDP, "dport", 9, "chksum", 1, "len", 500)),
			"echo":    packet.NewDraft(ip, packet.DraftLayer{Protocol: f.echo}),
			"nobody":  packet.NewDraft(layerOf(t, f.ip, "dst", nobody), layerOf(t, packet.UDP, "dport", 9)),
			"nowhere": packet.NewDraft(packet.DraftLayer{Protocol: f.ip}, packet.DraftLayer{Protocol: packet.UDP}),
			"bare":    packet.NewDraft(packet.DraftLayer{Protocol: packet.UDP}),
			"long":    packet.NewDraft(ip, layerOf(t, packet.Raw, "load", make([]byte, 1500))),
			"frame":   packet.NewDraft(packet.DraftLayer{Protocol: packet.Ether}, layerOf(t, f.ip, "dst", nobody)),
		})
		s.says(t, strings.ReplaceAll(`
got = spawn(peer.sniff, "udp", timeout="1s")
sleep(0)
print(send(p), send([p, p], count=3, interval="10ms"), send([]), send(wrong), send(echo, count=3))
list = got.join()
print(len(list), len([q for q in list if q.udp.sport > 49151]), list[7].IP.version, list[7].udp.len, list[7].udp.chksum)
`, "IP", strings.Replace(f.attr, "icmp", "ip", 1)), "1 6 0 1 3\n8 8 9 500 1\n")
		for name, want := range map[string]string{
			"nobody":  "host unreachable",
			"nowhere": ".dst is not set",
			"bare":    "put IP(dst=…)",
			"long":    "message too big: it has 15",
			"frame":   "host unreachable",
		} {
			if status(s.RunCommand("send("+name+")")) == 0 || !strings.Contains(s.err.String(), want) {
				t.Errorf("send(%s) said %s, want %q", name, s.err.String(), want)
			}
		}
		if status(s.RunCommand("send(1)")) == 0 || !strings.Contains(s.err.String(), "is a packet or a list of packets, got int") {
			t.Error(s.err.String())
		}
	})
}

// TestSr: thousands of packets at a rate, to open and closed ports and to nobody; each has its own answer.
func TestSr(t *testing.T) {
	inFamilies(t, func(t *testing.T, s *testSession, f sendFamily) {
		nobody := strings.TrimSuffix(f.peer, "100") + "9"
		syn := func(dst string, port int) *packet.Draft {
			return packet.NewDraft(layerOf(t, f.ip, "dst", dst), layerOf(t, packet.TCP, "dport", port))
		}
		echo := packet.NewDraft(layerOf(t, f.ip, "dst", f.peer), packet.DraftLayer{Protocol: f.echo})
		scan := starlark.NewList(nil)
		for port := range 3000 {
			_ = scan.Append(packetvalue.Compose(environment{s.Session}, syn(f.peer, port)))
		}
		s.globals["scan"] = scan
		drafting(t, s, map[string]*packet.Draft{"syn": syn(f.peer, 7), "echo": echo, "gone": syn(nobody, 7)})
		s.says(t, strings.ReplaceAll(`
began = now()
r = sr(scan, rate=10000)
print(len(r.answered), len(r.unanswered), [a.sent.tcp.dport for a in r.answered if a.answer.tcp.flags == "SA"], now() - began < 0.4)
r = sr([syn] * 1000 + [echo] * 1000)
print(len(r.answered), len(r.unanswered), len({a.sent.tcp.sport: 1 for a in r.answered if a.sent.tcp}), all([a.sent.ICMP.seq == a.answer.ICMP.seq for a in r.answered if a.sent.ICMP]))
r = sr([gone, echo, gone] + [gone] * 50)
print(len(r.answered), len(r.unanswered))
print(len(claims()), limits()["sockets"].used)
sleep("200s")
`, "ICMP", f.attr), "3000 0 [7] True\n2000 0 1000 True\n1 52\n0 0\n")
	})
}

// TestSrLossy: lost probes are sent again, the answers to both count once, and late answers to earlier ones count.
func TestSrLossy(t *testing.T) {
	s := newSim(t, 1)
	echo := packet.NewDraft(layerOf(t, packet.IP, "dst", "192.168.69.100"), packet.DraftLayer{Protocol: packet.ICMP})
	drafting(t, s, map[string]*packet.Draft{"echo": echo, "arp": packet.NewDraft(layerOf(t, packet.ARP, "pdst", "192.168.69.100", "hwdst", make([]byte, 6)))})
	s.says(t, `
print(sr1(arp).arp.op, sr1(arp).arp.psrc)
f = fault("eth0", dir="rx", loss=1.0)
print(sr1(echo, timeout="100ms", retry=2))
f.off()
f = fault("eth0", dir="rx", duplicate=1.0)
r = sr([echo] * 10)
print(len(r.answered), len(r.unanswered))
f.off()
f = fault("eth0", dir="rx", delay="150ms")
print(sr1(echo, timeout="100ms"), sr1(echo, timeout="100ms", retry=1).icmp.seq)
f.off()
print(r.answered.cols("rtt")[0].rtt > 0)
sleep("1s")
`, "2 192.168.69.100\nNone\n10 0\nNone 0\nTrue\n")
}

// TestClaimBuiltins: handles of claims, and the errors that say what to do.
func TestClaimBuiltins(t *testing.T) {
	want(t, `
c = peer.claim(tcp=4000)
print(c, c.protocol, c.number, c.delivered)
print(catch(tcp.connect, "192.168.69.100:4000", timeout="2s").error, c.delivered, peer.claims()[0].delivered)
print(catch(peer.tcp.listen, 4000).error)
print(catch(peer.claim, tcp=7).error)
print(catch(claim).error)
print(catch(claim, tcp=1, udp=2).error)
print(peer.sockets().where(state="CLAIMED")[0].local)
c.release()
print(c)
print(catch(tcp.connect, "192.168.69.100:4000").error)
u, i = claim(udp=0), claim(icmp=0)
print(u.number > 49151, i.number > 0, len(claims()))
`, `claim of tcp 4000 tcp 4000 0
tcp 192.168.69.100:4000: timed out 2 2
tcp listen *:4000: address in use
claim tcp 7: address in use
claim: say tcp= or udp= with a port, or icmp= with an identifier
claim: one of tcp=, udp= and icmp= at a time
*:4000
claim of tcp 4000, released
tcp 192.168.69.100:4000: connection refused
True True 2
`)
}
