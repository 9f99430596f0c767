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
	"smolsh/script"
)

// bothEnds is a script that holds both ends of its connections: one in our stack and one in the kernel.
const bothEnds = `
l = kernel.tcp.listen(8080, backlog=5)
c = tcp.connect("192.168.69.100:8080")
k = l.accept()
assert.eq((k.local, k.peer, k.state), (c.peer, c.local, "ESTABLISHED"))
c.send("a line\nand more")
assert.eq(k.recv_until("\n"), "a line\n")
assert.eq(k.recv_exactly(8), "and more")
k.send("x" * 300000)
assert.eq(len(c.recv_exactly(300000)), 300000)

# Waits end by timeout, by cancellation and by closing; the second reader waits for its turn.
assert.eq(catch(k.recv, timeout="20ms").error, "tcp %s: timed out" % c.local)
first, second = spawn(k.recv), spawn(k.recv)
sleep("5ms")
assert.eq(catch(k.recv, timeout="20ms").error, "tcp %s: timed out" % c.local)
first.cancel()
c.send("for the second")
assert.eq(second.join(), "for the second")
assert.eq(catch(lambda: l.accept(timeout="10ms")).error, "tcp accept *:8080: timed out")
third = spawn(lambda: catch(l.accept).error)
sleep("5ms")
l.close()
assert.eq(third.join(), "tcp accept *:8080: closed")

c.shutdown()
assert.eq((k.recv(), k.state), (b"", "CLOSE-WAIT"))
k.close()
assert.eq((c.recv(), k.state), (b"", "CLOSED"))
assert.eq(catch(k.send, "x").error, "tcp %s: closed" % c.local)

# The words for what goes wrong are those of our own sockets.
for host, at in [(kernel, "192.168.69.1:81"), (local, "192.168.69.100:81")]:
    assert.eq(catch(host.tcp.connect, at).error, "tcp %s: connection refused" % at)
assert.eq(catch(kernel.tcp.connect, "192.168.69.9:80", timeout="50ms").error, "tcp 192.168.69.9:80: timed out")
assert.eq(catch(kernel.tcp.connect, "192.0.2.1:80").error, "tcp 192.0.2.1:80: network unreachable")
assert.eq(catch(kernel.tcp.listen, 80, addr="192.0.2.1").error, "tcp listen 192.0.2.1:80: address not available")
u = kernel.udp.bind(5353)
assert.eq(catch(kernel.udp.bind, 5353).error, "udp bind *:5353: address in use")
w = kernel.udp.connect("192.168.69.1:9")
w.send("x")
assert.eq(catch(w.recv, timeout="5s").error, "udp 192.168.69.1:9: port unreachable")
assert.eq(catch(w.send, "x" * 70000).error, "udp 192.168.69.1:9: message too big")
r = tcp.listen(81)
k = kernel.tcp.connect("192.168.69.1:81")
o = r.accept()
o.send("abcdENDabcdEND")
k.recv_exactly(7)
for most in (5, 6):
    assert.eq(catch(k.recv_until, "END", max=most).error, "tcp 192.168.69.1:81: no \"END\" in the first %d octets: too big" % most)
assert.eq(k.recv_until("END", max=7), "abcdEND")
o.abort()
assert.eq(catch(k.recv, timeout="5s").error, "tcp 192.168.69.1:81: connection reset")

v = udp.connect("192.168.69.100:5353")
v.send("question")
got = u.recv(timeout="5s")
assert.eq((got.data, got.src), (b"question", v.local))
u.send("answer", got.src)
assert.eq(v.recv(timeout="5s").data, "answer")

# Servers: the built-in ones and functions, and a stream each way.
def shout(c):
    c.send(str(c.recv()).upper())
servers = [kernel.serve("tcp", 8007, echo), kernel.serve("tcp", 8008, shout), kernel.serve("tcp", 8009, discard),
    kernel.serve("udp", 8007, echo), kernel.serve("udp", 8008, lambda data, src: data + b"!")]
for port, want in [(8007, "text"), (8008, "TEXT")]:
    c = tcp.connect("192.168.69.100:%d" % port)
    c.send("text")
    assert.eq(c.recv_exactly(4), want)
    c.shutdown()
    assert.eq(c.recv(), b"")
for port, want in [(8007, "text"), (8008, "text!")]:
    c = udp.connect("192.168.69.100:%d" % port)
    c.send("text")
    assert.eq(c.recv(timeout="5s").data, want)
c = tcp.connect("192.168.69.100:8009")
c.source(1000000)
c.close()
for s in servers:
    s.stop()
    s.wait()
# The kernel's variables have the names of ours, in octets, and its options are set before the handshake.
l = kernel.tcp.listen(8081, mss=1000)
assert.eq(l.pending, 0)
c, d = tcp.connect("192.168.69.100:8081"), tcp.connect("192.168.69.100:8081")
assert.eq(l.pending, 2)
k = l.accept()
assert.eq(l.pending, 1)
assert.eq((c.info().mss <= 1000, k.info().state), (True, "ESTABLISHED"))
k.send("x" * 100)
c.recv_exactly(100)
i, known = k.info(), dir(c.info())
assert.eq([n for n in dir(i) if n not in known], [])
assert.eq((i.bytes_sent, i.cwnd % i.mss, i.recv_q, i.unacked <= 100), (100, 0, 0, True))
c.send("y" * 7)
sleep("50ms")
assert.eq((k.info().recv_q, k.info().bytes_received), (7, 7))
k.set(nodelay=True, keepalive="90s", user_timeout="30s", sndbuf=100000, rcvbuf=100000, ttl=9, congestion="reno")
assert.eq((k.info().congestion, k.info().mss <= 1000), ("reno", True))
hops = fault("tap0", dir="rx", match="tcp and src port 8081 and ip[8] = 9", delay="1ms")
k.send("z")
c.recv_exactly(1)
assert.true(hops.hits > 0)
k.set(keepalive=False, user_timeout=False)
assert.fails(lambda: k.set(sack=False), "kernel_conn.set: sack: the operating system's sockets have no such option; they have congestion,")
assert.fails(lambda: k.set(nodely=True), "no argument nodely .did you mean nodelay.")
assert.fails(lambda: kernel.tcp.connect("192.168.69.1:80", congestion="warp"), 'congestion: the system has no "warp" for this socket, only ')
assert.fails(lambda: k.sink(timeout="10ms"), "timed out")
k.close()
assert.fails(k.info, "closed")
l.close()
assert.fails(lambda: l.pending, "closed")
sink = serve("tcp", 6971, discard)
k = kernel.tcp.connect("192.168.69.1:6971", nodelay=True, keepalive="1m", sndbuf=100000)
assert.eq(k.source(1000000), 1000000)
k.abort()
sink.stop()

# The kernel's keep-alives and window probes have their names.
seen = {}
heard = on("packet", lambda p: seen.update([(p.verdict, True)]), filter="tcp port 8082")
l = tcp.listen(8082, rcvbuf=2000)
k = kernel.tcp.connect("192.168.69.1:8082", keepalive="1s")
c = l.accept()
def until(verdict):
    for _ in range(2000):
        if verdict in seen:
            return
        sleep("10ms")
    fail("never seen: %s, but %s" % (verdict, seen.keys()))
until("ESTABLISHED, keep-alive")
k.send("x" * 10000)
until("ESTABLISHED, window probe")
heard.off()
k.abort()
l.close()
wait()
print("done")
`

// TestKernelHost runs a script with both ends, on an existing TAP.
func TestKernelHost(t *testing.T) {
	namespace(t)
	file := filepath.Join(t.TempDir(), "ends.star")
	if err := os.WriteFile(file, []byte(bothEnds), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", smolsh(t), "--device", "tap:tap0", file); err != nil || out != "done\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestKernelExamples runs the reference's examples of the kernel's sockets, each on its own private lab.
func TestKernelExamples(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	path := smolsh(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("other.star", []byte("answer = 42\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, chunk := range strings.Split(script.Reference(), "\n### kernel")[1:] {
		name, _, _ := strings.Cut(chunk, "\n")
		_, example, _ := strings.Cut(chunk, "```python\n")
		example, _, _ = strings.Cut(example, "\n```\n")
		examples++
		if out, err := run("", path, "-c", example); err != nil {
			t.Errorf("kernel%s: %v: %s\n%s", name, err, example, out)
		}
	}
	if examples < 22 {
		t.Errorf("found %d examples only", examples)
	}
}
