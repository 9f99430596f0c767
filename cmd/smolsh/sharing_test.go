//go:build linux && !portable

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
)

// sharingScript opens connections by our stack to a server, and fetches the same page through the kernel meanwhile.
const sharingScript = `
dests = [(r.destination, str(r.gateway)) for r in routes()]
assert.eq(len(dests), len(set(dests)), str(dests))

def rest(c):
    data = c.recv()
    last = data
    while last:
        last = c.recv()
        data += last
    return data

for at, own in [("198.51.100.1:8000", "192.168.69.1"), ("[fd00:9::1]:8000", "fdaa::1"), ("192.168.69.2:8000", "192.168.69.1"), ("[fdaa::2]:8000", "fdaa::1")]:
    c = tcp.connect(at, timeout="10s")
    c.send("GET /greeting HTTP/1.0\r\n")
    by_kernel = sh("curl -s --max-time 10 -w ' %{local_ip}' 'http://" + at + "/greeting'").out
    c.send("\r\n")
    by_us = rest(c)
    assert.eq(str(by_kernel), "hello " + own)
    assert.true(str(by_us).endswith("hello"), str(by_us))
    assert.true(own in str(c.local), str(c.local))
    port = int(str(c.local).split(":")[-1])
    assert.true(port > 60999, str(port))
    c.close()

# A connection by hand to the same server, and the kernel's in the middle of it.
for ip, at, own in [(IP(dst="192.168.69.2"), "192.168.69.2", "192.168.69.1"), (IPv6(dst="fdaa::2"), "[fdaa::2]", "fdaa::1")]:
    claimed = claim(tcp=45000)
    hello = sr1(ip/TCP(sport=45000, dport=8000, seq=1000, flags="S", options=[("mss", 1000)]), timeout="5s")
    assert.eq((hello.tcp.flags, hello.tcp.ack), ("SA", 1001))
    part = ip/TCP(sport=45000, dport=8000, seq=1001, ack=hello.tcp.seq + 1, flags="A", window=8000)
    send(part)
    assert.eq(str(sh("curl -s --max-time 10 -w ' %{local_ip}' 'http://" + at + ":8000/greeting'").out), "hello " + own)
    answer = spawn(sniff, "tcp src port 8000 and tcp dst port 45000", timeout="700ms")
    sleep(0)
    ask = "GET /greeting HTTP/1.0\r\n\r\n"
    send(part.replace(tcp=dict(flags="PA"))/ask)
    ends = [(p.tcp.seq - hello.tcp.seq - 1 + len(p.payload) + int(p.tcp.has("F")), p.payload) for p in answer.join()]
    assert.true([data for _, data in ends if str(data).endswith("hello")], str(ends))
    bye = part.replace(tcp=dict(flags="FA", seq=1001 + len(ask), ack=hello.tcp.seq + 1 + max([n for n, _ in ends])))
    assert.contains(sr1(bye, timeout="5s").tcp.flags, "A")
    claimed.release()
e = catch(lambda: tcp.listen(8001))
print("refused:", e)
s = serve("tcp", 7, echo)
u = serve("udp", 7, echo)
w = http.serve(80, {"/": "from smolsh"})
print("serving")
sleep("1h")
`

// sharerLab is two namespaces on a cable. The test's has veth0 with the addresses that smolsh shares, and the other one, which is its
// router, a web server.
type sharerLab struct {
	t     *testing.T
	there *taptest.Space
}

func newSharerLab(t *testing.T) *sharerLab {
	taptest.Namespace(t)
	taptest.NeedTools(t, "ip", "nft", "curl", "python3", "tcpdump", "socat", "ping", "arping")
	l := &sharerLab{t: t, there: taptest.NewSpace(t)}
	taptest.Veth(t, "veth0", "192.168.69.1/24", l.there, "veth1", "192.168.69.2/24")
	l.in(l.there, "ip addr add fdaa::2/64 dev veth1 nodad; ip addr add fe80::2/64 dev veth1 nodad; ip addr add 198.51.100.1/32 dev lo; ip addr add fd00:9::1/128 dev lo nodad")
	l.here("ip addr add fdaa::1/64 dev veth0 nodad; ip route add default via 192.168.69.2; ip -6 route add default via fe80::2 dev veth0")
	for deadline := time.Now().Add(10 * time.Second); strings.Contains(l.here("ip -6 addr show dev veth0"), "tentative"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the kernel's link-local address is tentative for ever")
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "greeting"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	serve := func(do func(func()), port string) {
		l.background(do, "python3", "-m", "http.server", "--bind", "::", "--directory", dir, port)
	}
	serve(l.there.Do, "8000")
	serve(func(f func()) { f() }, "8001")
	l.here("curl -s --retry 50 --retry-connrefused --retry-delay 1 'http://[fdaa::2]:8000/greeting'")
	l.in(l.there, "curl -s --retry 50 --retry-connrefused --retry-delay 1 http://192.168.69.1:8001/greeting")
	return l
}

// background runs a program until the test ends.
func (l *sharerLab) background(do func(func()), name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	var err error
	do(func() { err = cmd.Start() })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

func (l *sharerLab) here(line string) string { return shellLine(l.t, func(f func()) { f() }, line) }

func (l *sharerLab) in(s *taptest.Space, line string) string { return shellLine(l.t, s.Do, line) }

func shellLine(t *testing.T, do func(func()), line string) string {
	t.Helper()
	var b []byte
	var err error
	do(func() { b, err = exec.Command("sh", "-c", line).CombinedOutput() })
	if err != nil {
		t.Errorf("%s: %v: %s", line, err, b)
	}
	return string(b)
}

// TestShareAddress: with --share-address our stack and the kernel use the same addresses of both families at the same time, to the
// same server and as servers. Neither resets or answers the other's packets. After SIGKILL the kernel has all ports again, and no table is left.
func TestShareAddress(t *testing.T) {
	l := newSharerLab(t)
	file := filepath.Join(t.TempDir(), "shared.pcap")
	dump := l.background(l.there.Do, "tcpdump", "-U", "-n", "-i", "veth1", "-w", file)
	for deadline := time.Now().Add(10 * time.Second); !exists(file); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("tcpdump does not start")
		}
	}
	p := startIn(t, func(f func()) { f() }, "--device", "raw:veth0", "--share-address", writeScript(t, sharingScript))
	p.said(`refused: .*tcp port 8001: the kernel has a socket on it`)
	p.said("serving")
	for _, own := range []string{"192.168.69.1", "[fdaa::1]"} {
		for _, proto := range []string{"tcp", "udp"} {
			if out := l.in(l.there, "echo hello | socat -T2 - "+proto+":"+own+":7,shut-none"); out != "hello\n" {
				t.Errorf("our server on %s:%s: %q", proto, own, out)
			}
		}
		if out := l.in(l.there, "curl -s --max-time 10 'http://"+own+"/'"); out != "from smolsh" {
			t.Errorf("our web server on %s: %q", own, out)
		}
		if out := l.in(l.there, "curl -s --max-time 10 'http://"+own+":8001/greeting'"); out != "hello" {
			t.Errorf("the kernel's server on %s: %q", own, out)
		}
		l.in(l.there, "ip neigh flush dev veth1")
		if out := l.in(l.there, "ping -c3 -i0.2 "+strings.Trim(own, "[]")); !strings.Contains(out, " 3 received") || strings.Contains(out, "DUP") {
			t.Errorf("ping: %s", out)
		}
	}
	if out := l.in(l.there, "arping -c 3 -I veth1 192.168.69.1"); !strings.Contains(out, "Received 3 response(s)") && !strings.Contains(out, "3 packets received") {
		t.Errorf("arping: %s", out)
	}
	if out := l.here("nft list tables"); strings.Count(out, "table inet smolsh-") != 1 {
		t.Errorf("tables: %q", out)
	}
	time.Sleep(300 * time.Millisecond) // for late resets
	_ = dump.Process.Signal(os.Interrupt)
	_ = dump.Wait()
	for what, filter := range map[string]string{
		"resets":      "tcp[tcpflags] & tcp-rst != 0 or ip6 and ip6[6] == 6 and ip6[53] & 4 != 0",
		"ICMP errors": "icmp[icmptype] == icmp-unreach or icmp6 and ip6[40] < 128",
	} {
		if out := l.here("tcpdump -n -r " + file + " '" + filter + "' 2>/dev/null"); out != "" {
			t.Errorf("%s: %s", what, tail(out))
		}
	}
	for _, at := range []string{"192.168.69.1:9", "[fdaa::1]:9"} {
		if err := l.dial(l.there.Do, at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the kernel does not refuse %s: %v", at, err)
		}
	}
	if err := l.dial(func(f func()) { f() }, "192.168.69.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("our port for a program of the same machine: %v", err)
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
	if out := l.here("nft list tables"); out != "" {
		t.Errorf("tables after SIGKILL: %q", out)
	}
	for _, at := range []string{"192.168.69.1:80", "[fdaa::1]:80"} {
		if err := l.dial(l.there.Do, at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after SIGKILL the kernel does not answer on %s: %v", at, err)
		}
	}
}

// dial connects to a port and closes the connection.
func (l *sharerLab) dial(do func(func()), at string) (err error) {
	do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", at, time.Second); err == nil {
			c.Close()
		}
	})
	return err
}
