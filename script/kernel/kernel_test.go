package kernel

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// Every method of a kernel socket has the signature and the help of our own socket's method of that name, with kernel
// in front. kernel.serve has those of serve.
func TestBuiltins(t *testing.T) {
	p := newProgram(t, true)
	for name := range methods {
		if p.reg.ByName[typePrefix+name] == nil {
			t.Errorf("there is no %s%s", typePrefix, name)
		}
	}
	for name, b := range p.reg.ByName {
		if b.Example == "" || b.Fn == nil {
			t.Errorf("%s has no example or no function", name)
		}
	}
	if b := p.reg.ByName["kernel.serve"]; b.Args != "handler: what serves" || !b.TakesOptions {
		t.Errorf("kernel.serve is %s with %q", b.Usage(), b.Args)
	}
	if got := p.reg.ByName["kernel_listener.accept"].Usage(); got != "kernel_listener.accept(timeout=) -> kernel_conn" {
		t.Errorf("accept is %s", got)
	}
	if p.reg.ByName["kernel_conn.log"] != nil {
		t.Error("conn.log is declared, and the kernel has none")
	}
}

// scripts are run over loopback. Each script has a program of its own. The keys name the subtests.
var scripts = map[string]string{
	"connect": `
l = kernel.tcp.listen(0, addr="127.0.0.1")
eq((l.local, l.pending), ("127.0.0.1:%d" % l.port, 0))
c = kernel.tcp.connect(l.local)
eq(l.pending, 1)
k = l.accept()
eq((k.local, k.peer, k.state, c.state), (c.peer, c.local, "ESTABLISHED", "ESTABLISHED"))
d = kernel.tcp.connect(l.local, local="127.0.0.2")
eq(d.local.split(":")[0], "127.0.0.2")
eq(l.accept().peer, d.local)
eq(str(kernel.tcp.connect(l.local, local="127.0.0.3:0"))[:21], "kernel tcp 127.0.0.3:")
has(error(kernel.tcp.connect, l.local, local="x"), "kernel.tcp.connect: local is an address, with a port or without, or a port, got string")
has(error(kernel.tcp.connect, l.local, local=d.local), "tcp from %s: " % d.local)
l.close()
`,
	"connection refused": `
l = kernel.tcp.listen(0, addr="127.0.0.1")
l.close()
text = error(kernel.tcp.connect, l.local, timeout="1m")
eq(text.startswith("tcp %s: " % l.local), True)
has(text, "connection refused")
has(error(kernel.tcp.listen, 0, addr="192.0.2.1"), "tcp listen 192.0.2.1:*: ")
has(error(lambda: l.pending), "use of closed")
`,
	"a timeout leaves the stream as it is": `
c, k = pair()
has(error(k.recv, timeout="1ms"), "i/o timeout")
c.send("abc")
has(error(k.recv_exactly, 4, timeout="20ms"), "i/o timeout")
has(error(k.recv_until, "\n", timeout=0), "i/o timeout")
c.send("d\n")
eq(k.recv_until("\n"), b"abcd\n")
l = kernel.tcp.listen(0, addr="127.0.0.1")
has(error(l.accept, timeout="1ms"), "i/o timeout")
u = kernel.udp.bind(0, addr="127.0.0.1")
has(error(u.recv, timeout="1ms"), "i/o timeout")
`,
	"recv_until": `
c, k = pair()
c.send("a line\nand mo")
eq(k.recv_until("\n"), b"a line\n")
t = spawn(k.recv_until, "re;;")
settle()
c.send("re;")
c.send(";rest")
eq((t.join(), k.recv(max=2), k.recv()), (b"and more;;", b"re", b"st"))
c.send("0123456789")
eq(error(k.recv_until, ";", max=4), 'tcp %s: no ";" in the first 4 octets: too big' % k.peer)
c.shutdown()
has(error(k.recv_until, ";"), 'the stream ended after 10 octets, before ";"')
has(error(k.recv_exactly, 11), "the stream ended after 10 octets, before all of 11")
eq((k.recv(), k.recv()), (b"0123456789", b""))
eq(error(k.recv_until, ""), "kernel_conn.recv_until: the delimiter is empty")
`,
	"half-close": `
c, k = pair()
c.send("last words")
c.shutdown()
eq((k.recv(), k.recv(), k.state), (b"last words", b"", "CLOSE-WAIT"))
has(error(c.send, "x"), "use of closed network connection")
k.send("heard")
k.shutdown()
eq((c.recv(), c.recv()), (b"heard", b""))
c.close()
eq((c.state, bool(c)), ("CLOSED", True))
has(error(c.recv), "use of closed")
`,
	"abort": `
c, k = pair()
c.abort()
has(error(k.recv), "connection reset")
c, k = pair()
c.send("a;b")
k.recv_until(";")
k.close()
has(error(c.recv), "connection reset")
`,
	"cancel while waiting": `
c, k = pair()
l = kernel.tcp.listen(0, addr="127.0.0.1")
u = kernel.udp.bind(0, addr="127.0.0.1")
full, deaf = pair()
tasks = [spawn(f) for f in [k.recv, lambda: k.recv_until("x"), l.accept, u.recv, k.sink, full.source]]
settle()
for t in tasks:
    t.cancel()
    eq(error(t.join), "canceled")
c.send("for the next")
eq(k.recv(), b"for the next")
eq(kernel.tcp.connect(l.local).local, l.accept().peer)
`,
	"readers have their turn in the order of asking": `
c, k = pair()
tasks = []
for n in range(5):
    tasks.append(spawn(k.recv_exactly, 1))
    settle()
has(error(k.recv, timeout="1ms"), "i/o timeout")
tasks[2].cancel()
eq(error(tasks[2].join), "canceled")
c.send("0134")
eq([tasks[n].join() for n in (0, 1, 3, 4)], [b"0", b"1", b"3", b"4"])
`,
	"closing ends a wait": `
c, k = pair()
l = kernel.tcp.listen(0, addr="127.0.0.1")
tasks = [spawn(k.recv), spawn(k.recv), spawn(l.accept)]
settle()
k.close()
l.close()
for t in tasks:
    has(error(t.join), "use of closed")
`,
	"serve echo": `
s = kernel.serve("tcp", 0, echo, addr="127.0.0.1", nodelay=True)
c = kernel.tcp.connect(s.local)
c.send("hello")
eq((c.recv_exactly(5), len(s.connections), s.connections[0].peer, s.port), (b"hello", 1, c.local, int(s.local.rsplit(":", 1)[1])))
eq((bool(s), str(s)), (True, "kernel server tcp " + s.local))
s.stop()
has(error(kernel.tcp.connect, s.local), "connection refused")
c.send("goes on")
c.shutdown()
eq((c.recv_exactly(7), c.recv()), (b"goes on", b""))
s.wait()
eq((bool(s), s.connections), (False, []))
`,
	"serve a pattern, and nothing": `
s = kernel.serve("tcp", 0, chargen, addr="127.0.0.1")
c = kernel.tcp.connect(s.local)
eq(c.recv_until("\r\n")[:5], b" !\"#$")
eq(c.recv_until("\r\n")[:4], b"!\"#$")
c.abort()
d = kernel.serve("tcp", 0, discard, addr="127.0.0.1")
c = kernel.tcp.connect(d.local)
eq(c.source(1000000), 1000000)
c.shutdown()
eq(c.sink(), 0)
c, k = pair()
t = spawn(k.sink)
eq((c.source(100000), c.shutdown(), t.join()), (100000, None, 100000))
`,
	"serve datagrams": `
s = kernel.serve("udp", 0, echo, addr="127.0.0.1")
c = kernel.udp.connect(s.local)
eq((c.send("hi"), c.recv().data, c.peer, c.port), (2, b"hi", s.local, int(c.local.split(":")[1])))
kernel.udp.connect(s.local, local="127.0.0.2:%d" % s.port).send("from a service")
c.send("more")
eq((c.recv().src, s.loops), (s.local, 1))
s.stop()
s.wait()
u = kernel.udp.bind(0, addr="127.0.0.1")
eq(u.peer, None)
v = kernel.udp.connect(u.local, local="127.0.0.2")
v.send("question")
got = u.recv()
eq((got.data, got.src), (b"question", v.local))
u.send("answer", got.src)
eq(v.recv().data, b"answer")
has(error(u.send, "x"), "argument 2 (to) is needed")
has(error(v.send, "x", "127.0.0.1:1"), "the socket is connected to")
g = kernel.serve("udp", 0, chargen, addr="127.0.0.1")
w = kernel.udp.connect(g.local)
w.send("x")
eq((len(w.recv().data), error(kernel.serve, "udp", 0, echo, nodelay=True)), (74, "kernel.serve: nodelay is an option of TCP"))
`,
	"files": `
c, k = pair()
eq(c.sendfile("f"), 14)
c.shutdown()
eq((k.recv_until("\n"), k.sink("f")), (b"two\n", 10))
`,
	"options": `
c, k = pair(mss=1000)
eq((k.info().state, k.info().mss <= 1000, c.info().mss <= 1000), ("ESTABLISHED", True, True))
k.set(nodelay=True, keepalive=90, user_timeout=30, sndbuf=100000, rcvbuf=100000, ttl=9, congestion="reno")
eq(k.info().congestion, "reno")
k.set(keepalive=False, user_timeout=False)
has(error(k.set, congestion="warp"), 'kernel_conn.set: congestion: the system has no "warp" for this socket, only ')
`,
	"attributes": `
eq((dir(kernel), bool(kernel), str(kernel), type(kernel)), (["ifaces", "measure", "neighbors", "ping", "routes", "serve", "ss", "tcp", "udp"], True, "kernel", "kernel"))
has(error(lambda: kernel.udq), "did you mean .udp")
c, k = pair()
eq([n for n in ("local", "peer", "recv", "state") if n not in dir(c)], [])
has(error(lambda: c.recw), "did you mean .recv")
has(error(kernel.serve, "sctp", 0, echo), 'argument 1 (proto) is "tcp" or "udp", got "sctp"')
has(error(kernel.serve, "tcp", 0, 7), "argument 3 (handler) is echo, discard, chargen or a function, got int 7")
`,
}

func TestScripts(t *testing.T) {
	for name, src := range scripts {
		t.Run(name, func(t *testing.T) { runScript(t, src, false) })
	}
}

// runScript runs a script in a program of its own, over IPv6 if on6 is set.
func runScript(t *testing.T, src string, on6 bool) {
	p := newProgram(t, true)
	p.on6 = on6
	p.file = []byte("two\nlines, all")
	p.script(src)
	if len(p.failures) > 0 {
		t.Errorf("tasks failed: %q", p.failures)
	}
}

// loopback6 skips the test if the system does not speak IPv6.
func loopback6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("IPv6 is needed on loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0: %v", err)
	}
	l.Close()
}

// TestScriptsOverIPv6: the scripts have the same results with ::1 in place of 127.0.0.1. IPv6 has no second address of loopback.
func TestScriptsOverIPv6(t *testing.T) {
	loopback6(t)
	for name, src := range scripts {
		if !strings.Contains(src, "127.0.0.2") {
			t.Run(name, func(t *testing.T) { runScript(t, src, true) })
		}
	}
}

// TestFamilies: a socket for all addresses is for both families, or for one, and its address tells which. A port as local end is for
// both.
func TestFamilies(t *testing.T) {
	loopback6(t)
	runScript(t, `
both = [("127.0.0.1", "4"), ("[::1]", "6")]
for options, shown, reached in [
    (dict(), "*", "46"),
    (dict(addr="::"), "*", "46"),
    (dict(addr="0.0.0.0"), "0.0.0.0", "4"),
    (dict(v6only=True), "[::]", "6"),
    (dict(addr="::", v6only=True), "[::]", "6"),
    (dict(addr="::1"), "[::1]", "6"),
    (dict(addr="127.0.0.1"), "127.0.0.1", "4"),
]:
    l, s, u = kernel.tcp.listen(0, **options), kernel.serve("udp", 0, echo, **options), kernel.udp.bind(0, **options)
    eq([x.local for x in (l, s, u)], ["%s:%d" % (shown, x.port) for x in (l, s, u)])
    for host, family in both:
        if family in reached:
            c = kernel.tcp.connect("%s:%d" % (host, l.port), ttl=9)
            k = l.accept()
            eq((k.peer, k.local, k.local.startswith(host)), (c.local, c.peer, True))
            d = kernel.udp.connect("%s:%d" % (host, s.port))
            d.send("x")
            eq(d.recv().src, d.peer)
            u.send("to it", d.local)
        else:
            has(error(kernel.tcp.connect, "%s:%d" % (host, l.port)), "refused")
    l.close()
    s.stop()
    u.close()
has(error(kernel.tcp.listen, 0, addr="127.0.0.1", v6only=True), "kernel.tcp.listen: v6only=True excludes 127.0.0.1, an address of IPv4")
l = kernel.tcp.listen(0)
for host, family in both:
    c = kernel.tcp.connect("%s:%d" % (host, l.port), local=0)
    eq(c.local.startswith(host), True)
eq(error(kernel.tcp.connect, "[::1]:%d" % l.port, local="127.0.0.1"), "kernel.tcp.connect: 127.0.0.1 is an address of IPv4, and ::1 of IPv6")
`, false)
}

// TestScoped: a link-local address takes the zone of the other end, or of the only interface with IPv6.
func TestScoped(t *testing.T) {
	for _, c := range []struct{ addr, like, want string }{
		{"[fe80::1]:80", "eth7", "[fe80::1%eth7]:80"},
		{"[fe80::1%eth0]:80", "eth7", "[fe80::1%eth0]:80"},
		{"[ff02::1]:80", "eth7", "[ff02::1%eth7]:80"},
		{"[fd00::1]:80", "eth7", "[fd00::1]:80"},
		{"10.0.0.1:80", "eth7", "10.0.0.1:80"},
		{"169.254.0.1:80", "eth7", "169.254.0.1:80"},
	} {
		got, err := scoped(netip.MustParseAddrPort(c.addr), c.like)
		if err != nil || got.String() != c.want {
			t.Errorf("%s like %s: %v, %v, want %s", c.addr, c.like, got, err, c.want)
		}
	}
	a := netip.MustParseAddrPort("[fe80::1]:80")
	got, err := inZoneOf(a, []string{"eth0"})
	if err != nil || got.String() != "[fe80::1%eth0]:80" {
		t.Errorf("%v, %v", got, err)
	}
	for text, zones := range map[string][]string{
		"no interface of the system speaks IPv6":                                  nil,
		"link-local address without its zone: write fe80::1%eth0 or fe80::1%eth1": {"eth0", "eth1"},
	} {
		if _, err := inZoneOf(a, zones); err == nil || err.Error() != text {
			t.Errorf("%v: %v, want %s", zones, err, text)
		}
	}
}

// kernel.serve calls a function for each connection, in a task of its own. An error of the function resets the
// connection and ends the task with that error.
func TestServeFunction(t *testing.T) {
	p := newProgram(t, true)
	p.script(`
def shout(c):
    c.send(str(c.recv()).upper())
    fail("oh")
s = kernel.serve("tcp", 0, shout, addr="127.0.0.1")
c = kernel.tcp.connect(s.local)
c.send("x")
eq(c.recv_exactly(1), b"X")
has(error(c.recv), "connection reset")
s.stop()
s.wait()
u = kernel.serve("udp", 0, lambda data, src: None if data == b"0" else data * (4 // int(str(data)[0])), addr="127.0.0.1")
d = kernel.udp.connect(u.local)
for data in ("0", "2"):
    d.send(data)
eq(d.recv().data, b"22")
`)
	if len(p.failures) != 1 || !strings.Contains(p.failures[0], "oh") {
		t.Errorf("tasks failed: %q", p.failures)
	}
}

// A server of datagrams continues after an error of its function. A reply that is not octets ends the server.
func TestServeDatagramsWithErrors(t *testing.T) {
	p := newProgram(t, true)
	p.script(`
def reply(data, src):
    return {b"a": lambda: data, b"b": lambda: 1 // 0, b"c": lambda: 5}[data]()
u = kernel.serve("udp", 0, reply, addr="127.0.0.1")
d = kernel.udp.connect(u.local)
for data in "bac".elems():
    d.send(data)
eq(d.recv().data, b"a")
u.wait()
`)
	if len(p.failures) != 2 || !strings.Contains(p.failures[0], "division by zero") || !strings.Contains(p.failures[1], "the handler's reply is str, bytes or None, got int") {
		t.Errorf("the failures are %q", p.failures)
	}
}

// A server handles no more connections at a time than the program allows, and starts only if the program has room for a
// task.
func TestLimits(t *testing.T) {
	p := newProgram(t, true)
	p.handlers = 1
	p.script(`
s = kernel.serve("tcp", 0, echo, addr="127.0.0.1")
c, d = kernel.tcp.connect(s.local), kernel.tcp.connect(s.local)
for x in (c, d):
    x.send("x")
eq((c.recv(), len(s.connections)), (b"x", 1))
c.close()
eq((d.recv(), len(s.connections)), (b"x", 1))
`)
	p = newProgram(t, true)
	p.full = true
	p.script(`eq(error(kernel.serve, "tcp", 0, echo), "kernel.serve: no room")`)
}

// If the stack is not live, every call returns an error and opens no socket.
func TestNotLive(t *testing.T) {
	newProgram(t, false).script(`
eq(bool(kernel), False)
for f, args in [(kernel.tcp.connect, ["127.0.0.1:1"]), (kernel.tcp.listen, [0]), (kernel.udp.bind, []), (kernel.udp.connect, ["127.0.0.1:1"]), (kernel.serve, ["tcp", 0, echo])]:
    has(error(f, *args), ": this is a virtual lab, the operating system's stack is not in it")
`)
}
