package script

import (
	"strings"
	"testing"
)

// pingLab has a station b whose own first echo reply is lost. answer() sends other replies instead. Each reply has a
// delay, a sender and a change of the data.
const pingLab = `
l = lab(seed=1)
a, b, c = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24"), l.host("c", "10.0.0.3/24")
s = l.switch("s")
s.attach(a); s.attach(c)
lost = fault(s.attach(b), match="icmp[icmptype] = icmp-echoreply", nth=[1])
for h in (b, c):
    h.neighbors.add("10.0.0.1", a.ifaces()[0].hwaddr)
    a.neighbors.add(h.addr, h.ifaces()[0].hwaddr)
def answer(*replies):
    r = b.raw.bind(1)
    def run():
        m = r.recv().data
        for delay, host, change in replies:
            sleep(delay)
            host.icmp.bind().send(b"\x00\x00" + m[2:8] + change(m[8:]), "10.0.0.1")
    spawn(run)
def same(data): return data
def got(**options):
    r = a.ping("10.0.0.2", count=1, **options)
    return (r.sent, r.received, r.again, [(x.src, x.note, x.size) for x in r.replies], r.error)
`

func TestPingReplies(t *testing.T) {
	for _, c := range []struct{ name, script, says string }{
		{"in time", `answer(("1ms", b, same)); assert.eq(got(), (1, 1, 0, [("10.0.0.2", "", 56)], None))`, "1 sent, 1 received, 0% lost   rtt"},
		{"none", `assert.eq(got(), (1, 0, 0, [], "10.0.0.2: timed out"))`, "1 sent, 0 received, 100% lost"},
		{"late", `answer(("150ms", b, same))
r = a.ping("10.0.0.2", count=2, interval="400ms", timeout="100ms")
assert.eq((r.received, r.loss, r.again, [x.note for x in r.replies], r.error), (2, 0.0, 0, ["late", ""], None))
assert.near(r.max, 0.15, 0.001)`, "time=150.000 ms   (late)\n"},
		{"again", `answer(("1ms", b, same), ("1ms", b, same))
r = a.ping("10.0.0.2", count=2, interval="10ms")
assert.eq((r.received, r.again, len(r.replies)), (2, 1, 2))`, "2 sent, 2 received, 0% lost, 1 again   rtt"},
		{"changed", `answer(("1ms", b, lambda d: d[:9] + b"\xff" + d[10:])); assert.eq(got(), (1, 1, 0, [("10.0.0.2", "changed", 56)], None))`,
			"(changed: octet 9 is 0xff, was 0x09)\n1 sent, 1 received, 0% lost, 1 changed"},
		{"cut", `answer(("1ms", b, lambda d: d[:9])); assert.eq(got(), (1, 1, 0, [("10.0.0.2", "changed", 9)], None))`, "(changed: 9 octets, were 56)\n"},
		{"longer", `answer(("1ms", b, lambda d: d + b"x")); assert.eq(got(), (1, 1, 0, [("10.0.0.2", "changed", 57)], None))`, "(changed: 57 octets, were 56)\n"},
		{"another source", `answer(("1ms", c, same)); assert.eq(got(timeout="20ms"), (1, 0, 0, [], "10.0.0.2: timed out"))`,
			"from 10.0.0.3: seq=0 ttl=64 time=1.000 ms   (from another address)\n"},
		{"broadcast", `lost.off()
answer(("1ms", b, same), ("1ms", c, same), ("1ms", c, same))
r = a.ping("10.0.0.255", count=1, timeout="50ms")
assert.eq((r.sent, r.received, r.loss, r.again), (1, 2, 0.0, 1))
assert.eq([(x.src, x.seq, x.note) for x in r.replies], [("10.0.0.2", 0, ""), ("10.0.0.3", 0, "")])`, "1 sent, 2 received, 0% lost, 1 again"},
		{"multicast", `lost.off()
b.udp.bind(9).join("224.0.0.9")
answer(("1ms", c, same), ("1ms", b, same))
r = a.ping("224.0.0.9", count=2, interval="10ms", timeout="50ms")
assert.eq((r.received, r.loss, sorted([x.src for x in r.replies])), (2, 0.5, ["10.0.0.2", "10.0.0.3"]))`, "2 sent, 2 received, 50% lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, 1)
			got := status(s.RunSource("ping.star", pingLab+strings.ReplaceAll(c.script, "; assert", "\nassert")))
			s.Flush()
			if got != 0 || !strings.Contains(s.out.String(), c.says) {
				t.Errorf("exit status %d: %s%s\nwant %q", got, s.err.String(), s.out.String(), c.says)
			}
		})
	}
}

// TestPingAfterResolution: only a ping that had to wait for ARP says so, and not one during which an ARP packet confirmed the neighbour.
func TestPingAfterResolution(t *testing.T) {
	want(t, `
assert.eq(ping("192.168.69.100", count=1).received, 1)
t = spawn(peer.arping, "192.168.69.1", count=1)
ping("192.168.69.100", count=1)
t.join()
`, `56 octets from 192.168.69.100: seq=0 ttl=64 time=0.300 ms   (0.200 ms of it waiting for ARP)
1 sent, 1 received, 0% lost   rtt min/avg/max/mdev 0.300/0.300/0.300/0.000 ms
56 octets from 192.168.69.100: seq=0 ttl=64 time=0.200 ms
1 sent, 1 received, 0% lost   rtt min/avg/max/mdev 0.200/0.200/0.200/0.000 ms
192.168.69.1 is-at 02:00:00:00:00:02: seq=0 time=0.200 ms
1 sent, 1 received, 0% lost   min/avg/max 0.200/0.200/0.200 ms
`)
}
