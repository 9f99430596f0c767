//go:build linux && !portable

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHostsBesideLocal runs a script whose hosts share the TAP with the shell's own.
func TestHostsBesideLocal(t *testing.T) {
	namespace(t)
	script := filepath.Join(t.TempDir(), "x.star")
	if err := os.WriteFile(script, []byte(`
t = spawn(lambda: tcp.connect("192.168.69.100:1", timeout="1s"))
b = local.lab.host("b", "192.168.69.2/24")
c = local.lab.host("c", "192.168.69.3/24", "10.0.0.1/24")
for h in [b, c]:
    for to in ["192.168.69.100", "192.168.69.1"]:
        assert.eq(h.ping(to, count=1, timeout="5s").received, 1)
assert.eq(ping("192.168.69.3", count=1, timeout="5s").received, 1)
assert.eq(len(set([h.ifaces()[0].hwaddr for h in [local, b, c]])), 3)
assert.eq([n.address for n in b.neighbors().sort("address")], ["192.168.69.1", "192.168.69.100"])

b.serve("tcp", 7, echo)
assert.eq([(s.state, s.local) for s in b.sockets()], [("LISTEN", "*:7")])
assert.eq(len(c.sockets()), 0)
k = kernel.tcp.connect("192.168.69.2:7")
for s in [k, c.tcp.connect("192.168.69.2:7")]:
    s.send("x" * 100000)
    assert.eq(s.recv_exactly(100000), "x" * 100000)
assert.eq(sorted([s.peer.split(":")[0] for s in b.sockets().where(state="ESTABLISHED")]), ["192.168.69.100", "192.168.69.3"])

assert.fails(lambda: local.lab.host("e", "192.168.69.2/24"), "b has the address 192.168.69.2 already, and share=False leaves e for links")
e = local.lab.host("e", "192.168.69.4/24")
assert.eq((e.ping("b", count=1, timeout="5s").received, e.ping(local, count=1, timeout="5s").received), (1, 1))
local.lab.link(c, local.lab.host("d", "10.0.0.2/24", share=False))
assert.eq(c.ping("10.0.0.2", count=1).received, 1)
fault("tap0", dir="rx")
assert.eq(c.ping("192.168.69.100", count=1, timeout="5s").received, 1)
assert.eq(c.ping("192.168.69.1", count=1, timeout="50ms").received, 0)
print("all of it")
`), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := run("", smolsh(t), "--device", "tap:tap0", script)
	if err != nil || !strings.Contains(out, "all of it") {
		t.Errorf("%v\n%s", err, out)
	}
}
