package script

import (
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

// zeros has, for each optional parameter that may be 0, a script that passes 0 and checks that 0 means nothing: no
// octets, no delay, no waiting. TestZeroIsNotEverything demands an entry for every parameter. The entry is "" if the
// documentation of the parameter gives 0 another meaning.
var zeros = map[string]string{
	"exit.code": "exit(0)", "fmt.decimals": `assert.eq((fmt(1.25, 0), fmt(1.25, decimals=0)), ("1", "1"))`, "hex.width": `assert.eq(hex(0, 0), "0x0")`,
	"icmp.bind.id": "", "udp.bind.port": "", "kernel.udp.bind.port": "", // 0 chooses a free one
	"kernel.ping.size": "", "kernel.ping.interval": "", "kernel.ping.timeout": "", // testdata/script/proof/kernel.star, on the private lab
	"lab.seed": "lab(seed=0)",

	"resolve.timeout": `peer.udp.bind(53); assert.fails(lambda: resolve("a.example", server=peer, timeout=0), "timed out")`,
	"ping.size":       `assert.eq(ping("192.168.69.100", count=1, size=0).replies[0].size, 0)`,
	"ping.interval": `assert.eq(ping("192.168.69.100", count=3, interval=0).received, 3)
assert.lt(now(), 1)`,
	"ping.timeout": `neighbors.add("192.168.69.100", "02:00:00:00:00:64")
assert.eq(ping("192.168.69.100", count=1, timeout=0).received, 0)`,
	"arping.interval":    `assert.eq(arping("192.168.69.100", count=2, interval=0).received, 2)`,
	"ndping.interval":    `peer.ifaces()[0].add_addr("fd00::2/64"); assert.eq(ndping("fd00::2", count=2, interval=0, dev="eth0").received, 2)`,
	"ndping.timeout":     `assert.eq(ndping("fd00::2", count=1, timeout=0, dev="eth0").received, 0)`,
	"arping.timeout":     `assert.eq(arping("192.168.69.100", count=1, timeout=0).received, 0)`,
	"traceroute.size":    `assert.true(traceroute("192.168.69.100", size=0).reached)`,
	"traceroute.timeout": `assert.true(not traceroute("192.168.69.100", max_hops=1, timeout=0).reached)`,

	"claim.tcp": "assert.gt(claim(tcp=0).number, 49151)", "claim.udp": "assert.gt(claim(udp=0).number, 49151)",
	"claim.icmp":    "assert.gt(claim(icmp=0).number, 0)",
	"send.interval": zeroEcho + "assert.eq(send(p, count=3, interval=0), 3)\nassert.eq(now(), 0.0)",
	"sr1.timeout":   zeroEcho + "assert.eq(sr1(p, timeout=0), None)", "sr1.retry": zeroEcho + "assert.eq(sr1(p, retry=0).icmp.type, 0)",
	"sr.timeout": zeroEcho + "assert.eq(len(sr([p], timeout=0).unanswered), 1)", "sr.retry": zeroEcho + "assert.eq(len(sr([p], retry=0).answered), 1)",

	"replay.speed": `assert.fails(lambda: replay([], speed=0), "speed is more than 0")`,

	"DNSRR.ttl": `assert.eq(DNS(an=DNSRR("example.org", "192.0.2.1", ttl=0)).fill().dns.an[0].ttl, 0)`,

	"conn.recv.timeout":         wait0(`tcp.connect("192.168.69.100:7").recv`, ""),
	"conn.recv_exactly.timeout": wait0(`tcp.connect("192.168.69.100:7").recv_exactly`, "1, "),
	"conn.recv_until.timeout":   wait0(`tcp.connect("192.168.69.100:7").recv_until`, `"x", `),
	"conn.send.timeout":         wait0(`tcp.connect("192.168.69.100:7").send`, "10000000 * \"x\", "),
	"conn.sendfile.timeout":     wait0(`tcp.connect("192.168.69.100:7").sendfile`, "\"big\", "),
	"conn.sink.timeout":         wait0(`tcp.connect("192.168.69.100:7").sink`, ""),
	"conn.source.timeout":       wait0(`tcp.connect("192.168.69.100:7").source`, ""),
	"conn.source.n":             `assert.eq(tcp.connect("192.168.69.100:7").source(0), 0)`,
	"frame_socket.recv.timeout": wait0(`frames.bind().recv`, ""),
	"http.get.timeout":          wait0(`http.get`, `"http://192.168.69.100:8000/", `),
	"icmp_socket.recv.timeout":  wait0(`icmp.bind().recv`, ""),
	"listener.accept.timeout":   wait0(`tcp.listen(80).accept`, ""),
	"sh.timeout":                wait0(`sh`, `"sleep 1000", `),
	"program.wait.timeout":      wait0(`sh("sleep 1000", background=True).wait`, ""),
	"raw_socket.recv.timeout":   wait0(`raw.bind(253).recv`, ""),
	"server.wait.timeout":       wait0(`serve("tcp", 80, echo).wait`, ""),
	"tcp.connect.timeout":       wait0(`tcp.connect`, `"192.168.69.100:7", `),
	"task.join.timeout":         wait0(`spawn(sleep, 9).join`, ""),
	"udp_socket.recv.timeout":   wait0(`udp.bind().recv`, ""),
	"wait.timeout":              "wait(timeout=0)\nassert.eq(now(), 0.0)",
	"measure.duration": `peer.measure.serve(80)
m = measure("192.168.69.100:80", 0)
assert.eq((m.bytes, m.seconds, m.goodput, len(m.intervals)), (0, 0, 0, 0))`,
	"fuzz.seed":                  `assert.eq(fuzz(IP()/TCP(), seed=0), fuzz(IP()/TCP(), seed=0))`,
	"measure.timeout":            wait0(`measure`, `"192.168.69.100:7", `),
	"sniff.timeout":              "assert.eq(len(sniff(timeout=0)), 0)",
	"tcpdump.timeout":            "tcpdump(timeout=0)\nassert.eq(now(), 0.0)",
	"lab.run_until.within":       `assert.fails(lambda: lab().run_until(lambda: False, within=0), "did not come true")`,
	"station.expect_none.within": "", "station.expect.within": "", "station.recv.timeout": "", "station.sr1.timeout": "", "station.sr1.retry": "", // testdata/script/wire.star
	"lab.wire.delay": "", "lab.wire.jitter": "", "lab.wire.rate": "", "lab.wire.loss": "", // testdata/script/wire.star
	"station.tcp.port": "", "station.tcp.isn": "", "station.tcp.window": "", "station.tcp.wscale": "", "tcp_end.open.timeout": "", // testdata/script/wiretcp.star
	"tcp_end.accept.timeout": "", "tcp_end.expect_none.within": "", "tcp_end.expect.seq": "", "tcp_end.expect.ack": "", "tcp_end.expect.window": "", // testdata/script/wiretcp.star
	"tcp_end.expect.within": "", "tcp_end.send.offset": "", "tcp_end.send.seq": "", "tcp_end.send.ack": "", "tcp_end.send.window": "", // testdata/script/wiretcp.star
	"tcp_end.ack.window": "", "tcp_end.ack.ack": "", "tcp_end.ack.seq": "", // testdata/script/wiretcp.star
	"watch.every":   `assert.fails(lambda: watch(ss, every=0, count=2), "more than 0")`,
	"lab.link.loss": link0("loss"), "lab.link.delay": link0("delay"), "lab.link.jitter": link0("jitter"), "lab.link.rate": link0("rate"),
	"length_of.plus": `assert.eq(protocol("Z", [("n", "u8", length_of("d", plus=0)), ("d", "bytes")])(d="ab").bytes, b"\x02ab")`,
	"link.set.loss":  change0("loss"), "link.set.delay": change0("delay"), "link.set.jitter": change0("jitter"), "link.set.rate": change0("rate"),
	"switch.attach.loss": switch0("loss"), "switch.attach.delay": switch0("delay"), "switch.attach.jitter": switch0("jitter"), "switch.attach.rate": switch0("rate"),
	"lab.switch.flood": "l = lab()\ns = l.switch(\"s\", flood=0)\n" + `a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
s.attach(a); s.attach(b)
assert.eq(a.ping("10.0.0.2", count=3, interval="1ms").received, 3)`,
}

// zeroEcho makes p an echo request, to a neighbour that needs no question.
const zeroEcho = `neighbors.add("192.168.69.100", "02:00:00:00:00:64")
p = IP(dst="192.168.69.100")/ICMP()
`

// wait0 returns a script that calls a function with `timeout=0`. The function has to wait.
func wait0(fn, args string) string {
	return "f = " + fn + "\nat = now()\nassert.fails(lambda: f(" + args + "timeout=0), \"timed out\")\nassert.eq(now(), at)"
}

func link0(effect string) string {
	return `l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b, ` + effect + `=0)
assert.eq((a.ping("10.0.0.2", count=3, interval="1ms").received, l.now() < 1), (3, True))`
}

// change0 returns a script that sets an effect of a link to 0 and checks that the link no longer has the effect.
func change0(effect string) string {
	return `l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
w = l.link(a, b, delay="1ms", ` + map[string]string{"loss": `loss=1.0`, "jitter": `jitter="1ms"`, "rate": `rate="1kbit"`}[effect] + `)
w.set(` + effect + `=0)
assert.eq((a.ping("10.0.0.2", count=3, interval="1ms").received, l.now() < 1), (3, True))`
}

func switch0(effect string) string {
	return `l = lab()
a, b, s = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24"), l.switch("s")
s.attach(a, ` + effect + `=0); s.attach(b)
assert.eq((a.ping("10.0.0.2", count=3, interval="1ms").received, l.now() < 1), (3, True))`
}

// TestZeroIsNotEverything passes 0 for every optional number that may be 0. The rules of fault() have
// testdata/script/faults.star.
func TestZeroIsNotEverything(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("big", make([]byte, 10_000_000), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, b := range newSim(t, 1).reg.ByName {
		for i := range b.Params {
			p := &b.Params[i]
			if base, _ := p.Kind.Bounds(); p.Required || base == registry.KindAny || base == registry.KindBool || base == registry.KindInts {
				continue
			}
			if _, err := p.Kind.Convert(starlark.MakeInt(0)); err != nil || b.Name == "fault" || b.Name == "fault.set" {
				continue
			}
			key := name + "." + p.Name
			script, ok := zeros[key]
			if strings.HasPrefix(name, "kernel_") || name == "kernel.tcp.connect" { // as the stack's own sockets
				continue
			}
			if !ok {
				t.Errorf("no script gives %s 0", key)
			}
			if script == "" {
				continue
			}
			t.Run(key, func(t *testing.T) {
				s := newSim(t, 1)
				if got := status(s.RunSource("zero.star", script)); got != 0 {
					t.Errorf("exit status %d: %s%s", got, s.err.String(), s.out.String())
				}
			})
		}
	}
}
