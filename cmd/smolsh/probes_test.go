//go:build linux && !portable

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// probes is a script that queries the kernel, and changes everything during traffic with it.
const probes = `
conns = []
o = on("connection", lambda e: conns.append((e.local, e.passive)))
drops_seen = []
on("drop", lambda e: drops_seen.append(e.reason))

r = traceroute("192.168.69.100", probes=2)
assert.eq((r.reached, [h.addr for h in r.hops], len(r.hops[0].times)), (True, ["192.168.69.100"], 2))
hw = neighbors()[0].hwaddr
r = arping("192.168.69.100", count=2, interval="10ms")
assert.eq((r.received, r.hwaddr), (2, hw))
assert.eq(arping("192.168.69.9", count=1, timeout="50ms").received, 0)

# Raw and frame sockets see what the kernel sends, and the stack answers all the same.
icmp_copies, frames_seen = raw.bind(1), frames.bind(0x0800)
assert.eq(ping("192.168.69.100", count=1).received, 1)
assert.eq(len(icmp_copies.recv(timeout="5s").data), 64)
assert.eq(frames_seen.recv(timeout="5s").src, hw)
raw.bind(200).send("a protocol that nobody speaks", "192.168.69.100")
p = icmp_copies.recv(timeout="5s")
assert.eq(p.data[:2], b"\x03\x02") # protocol unreachable

s = serve("tcp", 7, echo)
c = kernel.tcp.connect("192.168.69.1:7")
def says(text):
    c.send(text)
    assert.eq(c.recv_exactly(len(text), timeout="10s"), text)
says("hello")
dev = ifaces()[0]
dev.add_addr("192.168.69.5/24")
d = kernel.tcp.connect("192.168.69.5:7")
d.send("hi")
assert.eq(d.recv(timeout="5s"), "hi")
dev.del_addr("192.168.69.5/24")
assert.eq(sockets().where(state="ESTABLISHED").cols("local").json(), '[{"local":"192.168.69.1:7"}]')
says("another address is gone")
dev.set(mac="02:00:00:00:00:77")
says("another hardware address")
dev.set(mtu=900)
says("x" * 5000)
dev.down()
sleep("20ms")
dev.up()
says("down and up")
neighbors.flush()
says("asked for again")
dev.add_addr("192.168.69.100/24") # the kernel's
kernel.ping("192.168.69.77", count=1, timeout="100ms")
dev.del_addr("192.168.69.100/24")
assert.eq(conns, [("192.168.69.1:7", True), ("192.168.69.5:7", True)])
assert.eq((o.count, o.lost), (2, 0))
d.send("to an address that nobody has")
l = udp.bind(9)
fault("tap0", dir="tx", match="udp", nth=[1])
l.send("x", "192.168.69.100:9")
sleep("5ms")
assert.contains(drops_seen, "fault match")
print("done")
`

// TestProbesOfTheKernel runs a script that examines the kernel by every available means.
func TestProbesOfTheKernel(t *testing.T) {
	namespace(t)
	file := filepath.Join(t.TempDir(), "probes.star")
	if err := os.WriteFile(file, []byte(probes), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", smolsh(t), "--device", "tap:tap0", file); err != nil || !strings.HasSuffix(out, "\ndone\n") {
		t.Errorf("%v: %s", err, out)
	} else if !strings.Contains(out, "address conflict: 192.168.69.100 on tap0 is used by") {
		t.Errorf("the address of two stations is not reported: %s", out)
	}
}

// TestPacketsByHandLive runs testdata/script/proof/send.star on a private lab: packets that a script composes, with the kernel at the other end.
func TestPacketsByHandLive(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	out, err := run("", smolsh(t), "../../testdata/script/proof/send.star")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || lines[len(lines)-1] != "done" {
		t.Errorf("%v: %s", err, out)
	}
}
