//go:build !portable

package kernel

import (
	"os"
	"strings"
	"testing"

	"smolsh/script/table"
)

// TestSocketsOfTheKernel finds the kernel's sockets of both families in kernel.ss(), with their states and queues.
func TestSocketsOfTheKernel(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		p := newProgram(t, true)
		p.script(`
addr = "` + addr + `"
def row(**want):
    found = [r for r in kernel.ss() if all([getattr(r, k) == v for k, v in want.items()])]
    eq(len(found), 1)
    return found[0]
l = kernel.tcp.listen(0, addr=addr, backlog=7)
r = row(local=l.local, netid="tcp", state="LISTEN")
eq((r.state, r.recv_q, r.send_q, r.peer), ("LISTEN", 0, 7, "*:*"))
c = kernel.tcp.connect(l.local)
eq(row(local=l.local, netid="tcp", state="LISTEN").recv_q, 1)
k = l.accept()
c.send("abc")
eq(row(netid="tcp", local=c.local, peer=k.local).state, "ESTABLISHED")
eq(row(netid="tcp", local=k.local, peer=c.local).recv_q, 3)
u = kernel.udp.bind(0, addr=addr)
eq(row(netid="udp", local=u.local, peer="*:*").state, "UNCONN")
v = kernel.udp.connect(u.local)
eq(row(netid="udp", local=v.local, peer=u.local).state, "ESTABLISHED")
m = kernel.tcp.listen(0)
row(netid="tcp", local="*:%d" % m.port, state="LISTEN")
n = kernel.tcp.listen(0, v6only=True)
row(netid="tcp", local="[::]:%d" % n.port, state="LISTEN")
`)
	}
}

// TestLoopbackInTheKernelsTables: the loopback interface has its addresses of both families, and each table its columns.
func TestLoopbackInTheKernelsTables(t *testing.T) {
	p := newProgram(t, true)
	p.script(`
lo = kernel.ifaces()["lo"]
eq((lo.medium, lo.state, "127.0.0.1/8" in lo.addresses, "::1/128" in lo.addresses), ("loopback", "UP", True, True))
before = lo.rx_packets
kernel.udp.bind(0, addr="127.0.0.1").send("x", "127.0.0.1:9")
eq(kernel.ifaces()["lo"].rx_packets > before, True)
kernel.routes(), kernel.neighbors()
`)
	for _, b := range tables {
		if b.Fields == "" || table.FieldName(b.Fields) != b.Fields {
			t.Errorf("%s has the fields %q", b.Name, b.Fields)
		}
	}
	newProgram(t, false).script(`
for fn in [kernel.ss, kernel.routes, kernel.neighbors, kernel.ifaces]:
    has(error(fn), "this is a virtual lab, the operating system's stack is not in it")
`)
}

// TestPingOfTheKernel pings the loopback addresses of both families.
func TestPingOfTheKernel(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("raw sockets need root")
	}
	for _, a := range []string{"127.0.0.1", "::1"} {
		p := newProgram(t, true)
		p.script(`
r = kernel.ping("` + a + `", count=2, interval=0, size=10, ttl=7)
eq((r.sent, r.received, r.loss, r.error), (2, 2, 0.0, None))
eq([(x.seq, x.ttl, x.size, x.src) for x in r.replies], [(0, 64, 10, "` + a + `"), (1, 64, 10, "` + a + `")])
`)
		if len(p.printed) != 3 || !strings.HasPrefix(p.printed[1], "10 octets from "+a+": seq=1 ttl=64 time=") || !strings.HasPrefix(p.printed[2], "2 sent, 2 received, 0% lost   rtt min/avg/max/mdev ") {
			t.Errorf("printed %q", p.printed)
		}
	}
	newProgram(t, false).script(`has(error(kernel.ping, "127.0.0.1"), "this is a virtual lab")`)
}
