package script

import "testing"

// An error about a missing route names the interface that does not carry packets, where that is the reason. routes() marks such routes.
func TestDownIsNoMissingRoute(t *testing.T) {
	want(t, `
l = lab()
a = l.host("a", "10.0.0.1/24", "fd00::1/64")
b = l.host("b", "10.0.0.2/24")
z = l.host("z", "10.0.0.9/24")
w = l.link(a, b)
a.routes.add("10.1.0.0/16", "10.0.0.2")
def tries(host, addrs):
    for x in addrs:
        e = catch(lambda: host.ping(x, count=1)).error
        print(str(e).split("unreachable ")[-1])
tries(z, ["10.0.0.1"])
w.down()
tries(a, ["10.0.0.2", "fd00::2", "10.1.1.1", "8.8.8.8", "fe80::2%eth0", "ff02::1%eth0"])
print(str(catch(lambda: a.tcp.connect("10.0.0.2:7")).error))
print(str(catch(lambda: a.udp.connect("10.0.0.2:7")).error))
print([r.state for r in a.routes()])
w.up()
print([r.state for r in a.routes()])
a.ifaces()[0].down()
tries(a, ["10.0.0.2", "8.8.8.8"])
a.ifaces()["eth0"].up()
tries(a, ["8.8.8.8", "192.168.1.1"])
`, `(the host has no link: l.link(host, other) or switch.attach(host))
(eth0 has no carrier: it has no link, or the link is down)
(eth0 has no carrier: it has no link, or the link is down)
(eth0 has no carrier: it has no link, or the link is down)
(eth0 has no carrier: it has no link, or the link is down)
(eth0 has no carrier: it has no link, or the link is down)
(eth0 has no carrier: it has no link, or the link is down)
tcp 10.0.0.2:7: network unreachable (eth0 has no carrier: it has no link, or the link is down)
udp 10.0.0.2:7: network unreachable (eth0 has no carrier: it has no link, or the link is down)
["NO-CARRIER", "NO-CARRIER", "NO-CARRIER"]
[None, None, None]
(eth0 is down: ifaces()["eth0"].up())
(eth0 is down: ifaces()["eth0"].up())
(no default route of IPv4: routes.add("default", "…") with a router's IPv4 address)
(no default route of IPv4: routes.add("default", "…") with a router's IPv4 address)
`)
}
