//go:build linux && !portable

package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
)

// bothWays is the script on our end. It serves, returns the data of a kernel's server to it, prints the mean size of frames in
// each direction, and waits.
const bothWays = `
serve("tcp", 7, echo)
serve("udp", 7, lambda data, src: data)
def page(conn):
    conn.recv_until("\r\n\r\n")
    conn.send("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
serve("tcp", 80, page)
print("ready")
c = tcp.connect(args[0], timeout="20s")
c.send(c.recv_exactly(int(args[1])))
c.shutdown()
c.recv()
i = ifaces()[0]
print("mean rx %d tx %d mtu %d" % (i.rx_bytes // i.rx_packets, i.tx_bytes // i.tx_packets, i.mtu))
wait()
`

func writeScript(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.star")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// said waits until the program's output matches the pattern, and returns the submatches.
func (p *program) said(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for limit := time.Now().Add(60 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(p.out.String()); m != nil {
			return m
		}
	}
	p.t.Fatalf("%q was not said:\n%s", pattern, tail(p.out.String()))
	return nil
}

func noise(n int) []byte {
	rng, b := rand.New(rand.NewPCG(uint64(n), 6)), make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// thereAndBack writes data to a connection, reads as much, and compares hashes.
func thereAndBack(t *testing.T, c net.Conn, data []byte) {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = c.Write(data) }()
	h := sha256.New()
	n, err := io.CopyN(h, c, int64(len(data)))
	if got, want := [32]byte(h.Sum(nil)), sha256.Sum256(data); err != nil || got != want {
		t.Errorf("%d octets came back, hash %x, want %x: %v", n, got, want, err)
	}
}

// exercise runs the program on the device of these flags, beside a kernel at peer. The kernel's clients reach the
// program at the address us over their interface dev. The function do runs functions in the program's namespace.
// exercise tests ping, UDP, HTTP, and size octets in both directions over connections opened by either side. If super
// is true, frames must be longer than the MTU on average.
func exercise(t *testing.T, do func(func()), flags []string, dev, us string, peer netip.Addr, super bool) *program {
	t.Helper()
	taptest.NeedTools(t, "ping", "socat", "curl")
	const size = 8 << 20
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{}) // listens on every address of both families, since the peer's address may not exist yet
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	p := startIn(t, do, append(flags, writeScript(t, bothWays), net.JoinHostPort(peer.String(), port), strconv.Itoa(size))...)
	p.said("ready")
	if out, err := run("", "ping", "-c3", "-i0.2", "-W5", "-I", dev, us); err != nil || !strings.Contains(out, " 3 received") {
		t.Errorf("ping: %v: %s", err, out)
	}
	if out, err := run("anything", "socat", "-T5", "-t1", "-", udpTo(us)); err != nil || out != "anything" {
		t.Errorf("udp: %q: %v", out, err)
	}
	if out, err := run("", "curl", "-sS", "--max-time", "20", "-g", "http://"+net.JoinHostPort(us, "80")+"/"); err != nil || out != "hello\n" {
		t.Errorf("curl: %q: %v", out, err)
	}
	data := noise(size)
	c, err := net.Dial("tcp", net.JoinHostPort(us, "7")) // on this thread, which is in the namespace
	if err != nil {
		t.Fatal(err)
	}
	thereAndBack(t, c, data)
	if c, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	thereAndBack(t, c, data)
	var rx, tx, mtu int
	if _, err := fmt.Sscan(strings.Join(p.said(`mean rx (\d+) tx (\d+) mtu (\d+)`)[1:], " "), &rx, &tx, &mtu); err != nil {
		t.Fatal(err)
	}
	longest := mtu + 14 + 4 // an Ethernet header with a VLAN tag
	if (rx > longest) != super || (tx > longest) != super {
		t.Errorf("frames of %d octets on the average came and of %d went, with an MTU of %d; super-segments: %v", rx, tx, mtu, super)
	}
	return p
}

// udpTo returns socat's name for the UDP port 7 of an address.
func udpTo(us string) string {
	if netip.MustParseAddr(us).Is6() {
		return "udp6:[" + us + "]:7"
	}
	return "udp:" + us + ":7"
}

// here runs f in the calling goroutine's namespace.
func here(f func()) { f() }

// TestTUNLive follows the tutorial: the program makes tun0, the kernel's end gets an address, and ping reaches us. It does the
// same with a persistent TUN.
func TestTUNLive(t *testing.T) {
	taptest.Namespace(t)
	taptest.Need(t, exists("/dev/net/tun"), "/dev/net/tun", "modprobe tun")
	peer := netip.MustParseAddr("192.168.0.1")
	p := exercise(t, here, []string{"--device", "tun:tun0", "--addr", "192.168.0.2/24", "--kernel-addr", "192.168.0.1/24"}, "tun0", "192.168.0.2", peer, true)
	p.stop()
	flags := []string{"--device", "tun:tun0", "--addr", "fd00::2/64", "--kernel-addr", "fd00::1/64"}
	exercise(t, here, flags, "tun0", "fd00::2", netip.MustParseAddr("fd00::1"), true).stop()

	for _, c := range [][]string{{"tuntap", "add", "name", "tun0", "mode", "tun"}, {"addr", "add", "192.168.0.1/24", "dev", "tun0"}, {"link", "set", "tun0", "up"}} {
		if out, err := run("", "ip", c...); err != nil {
			t.Fatalf("ip %v: %s", c, out)
		}
	}
	file := filepath.Join(t.TempDir(), "tun.pcap")
	p = exercise(t, here, []string{"--device", "tun:tun0", "--addr", "192.168.0.2/24", "--pcap", file}, "tun0", "192.168.0.2", peer, false)
	p.stop()
	taptest.NeedTools(t, "tshark")
	checkCapture(t, file, strings.ReplaceAll(ourBad, ours, "192.168.0.2"))
	if out, err := run("", "ip", "link", "show", "tun0"); err != nil {
		t.Errorf("the persistent TUN is gone: %s", out)
	}
	if out, err := run("", smolsh(t), "--device", "tap:tun0", "-c", "1"); err == nil || !strings.Contains(out, "smolsh: tun0 is a tun, not a tap (smolsh --device tun:tun0)") {
		t.Errorf("a TUN as a TAP: %s", out)
	}
	if out, err := run("", smolsh(t), "--device", "tun:tun0", "--kernel-addr", "192.168.0.9/24", "-c", "1"); err == nil || !strings.Contains(out, "its kernel's end is left as it is") {
		t.Errorf("--kernel-addr of an existing TUN: %s", out)
	}
	out, err := run("", smolsh(t), "--device", "tun:tun0", "-c", `i = ifaces()[0]; print(i.name, i.medium, i.hwaddr, arp(), catch(lambda: neighbors.add("192.168.69.9", "02:00:00:00:00:09")).error)`)
	if want := "tun0 ip None ADDRESS  DEV  HWADDR  STATE  AGE  EXPIRES  PROBES  QUEUED\n(tun0 carries bare IP packets, so there are no neighbours on it) " +
		"neighbors.add: 192.168.69.9: tun0 carries bare IP packets, so there are no neighbours on it\n"; err != nil || out != want {
		t.Errorf("tables of a TUN: %q, want %q: %v", out, want, err)
	}
}

// TestTAPLiveOverIPv6: a TAP that the program makes carries super-segments of IPv6 both ways, with the default addresses and with an address
// of IPv6 alone.
func TestTAPLiveOverIPv6(t *testing.T) {
	taptest.Namespace(t)
	taptest.Need(t, exists("/dev/net/tun"), "/dev/net/tun", "modprobe tun")
	exercise(t, here, []string{"--device", "tap:tap0"}, "tap0", "fdaa::1", netip.MustParseAddr("fdaa::100"), true).stop()
	flags := []string{"--device", "tap:tap0", "--addr", "fd00:5::1/64"}
	exercise(t, here, flags, "tap0", "fd00:5::1", netip.MustParseAddr("fd00:5::64"), true).stop()
}

// TestRawLive puts a host beside the kernel on one end of a cable. The clients are another kernel's, at the other end, and both
// hosts answer them.
func TestRawLive(t *testing.T) {
	taptest.Namespace(t)
	space := taptest.NewSpace(t)
	taptest.Veth(t, "veth0", kernel+"/24", space, "veth1", "192.168.69.50/24")
	peer := netip.MustParseAddr(kernel)
	file := filepath.Join(t.TempDir(), "raw.pcapng")
	for _, flags := range [][]string{{}, {"--promiscuous"}, {"--mac", "02:00:00:00:00:77", "--pcap", file}} {
		p := exercise(t, space.Do, append([]string{"--device", "raw:veth1", "--addr", ours + "/24"}, flags...), "veth0", ours, peer, len(flags) < 2)
		if out, err := run("", "ping", "-c1", "-W5", "192.168.69.50"); err != nil {
			t.Errorf("the kernel beside us: %v: %s", err, out)
		}
		p.stop()
		if out, err := run("", "ip", "neigh", "show", ours); err != nil || strings.Contains(out, "02:00:00:00:00:77") != (len(flags) == 4) {
			t.Errorf("%v: %s", flags, out)
		}
		if out, err := run("", "ip", "neigh", "flush", "dev", "veth0"); err != nil {
			t.Fatal(out)
		}
	}
	taptest.NeedTools(t, "tshark")
	checkCapture(t, file, ourBad)

	flags := []string{"--device", "raw:veth1", "--addr", "fdaa::1/64"}
	if out, err := run("", "ip", "addr", "add", "fdaa::100/64", "dev", "veth0", "nodad"); err != nil {
		t.Fatal(out)
	}
	exercise(t, space.Do, flags, "veth0", "fdaa::1", netip.MustParseAddr("fdaa::100"), true).stop()

	var out string
	var err error
	space.Do(func() { out, err = run("", smolsh(t), "--device", "raw:nosuch0", "-c", "1") })
	if err == nil || !strings.Contains(out, "smolsh: there is no interface nosuch0 (ip -br link shows which there are)") {
		t.Errorf("no interface: %q", out)
	}
}

// TestTcpdumpLive runs examples/tcpdump.star beside a kernel that another one pings. It shows both directions, sends nothing, and
// without its interface prints how to run it.
func TestTcpdumpLive(t *testing.T) {
	taptest.NeedTools(t, "ping")
	taptest.Namespace(t)
	space := taptest.NewSpace(t)
	taptest.Veth(t, "veth0", kernel+"/24", space, "veth1", "192.168.69.50/24")
	p := startIn(t, space.Do, "--device", "raw:veth1", "--promiscuous", "../../examples/tcpdump.star", "veth1", "icmp or arp")
	for range 100 { // until the program listens
		if out, err := run("", "ping", "-c1", "-W5", "192.168.69.50"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if strings.Contains(p.out.String(), "echo reply") {
			break
		}
	}
	p.said(`veth1 <  192\.168\.69\.100 > 192\.168\.69\.50: ICMP echo request`)
	p.said(`veth1 <  192\.168\.69\.50 > 192\.168\.69\.100: ICMP echo reply`)
	p.stop()
	if out := p.out.String(); strings.Contains(out, " >  ") || strings.Contains(out, "192.168.69.1 ") {
		t.Errorf("it sent something: %s", tail(out))
	}
	var out string
	space.Do(func() {
		out, _ = run("", p.cmd.Path, "--device", "raw:veth1", "../../examples/tcpdump.star", "eth0", "arp")
	})
	if want := "not on eth0: smolsh --device raw:eth0 --promiscuous examples/tcpdump.star eth0 arp\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	space.Do(func() {
		out, _ = run("", p.cmd.Path, "--device", "raw:veth1", "-c", `print(ifaces().cols("name", "addresses").json())`)
	})
	if out != `[{"addresses":[],"name":"veth1"}]`+"\n" {
		t.Errorf("interfaces of a host that only listens: %s", out)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
