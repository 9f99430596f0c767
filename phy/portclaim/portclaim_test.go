//go:build linux

package portclaim

import (
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/tap/taptest"
	"smolsh/stack/wire"
)

// bench is the test's namespace with veth0, which another namespace reaches by 192.168.69.1 and fdaa::1.
type bench struct {
	t     *testing.T
	there *taptest.Space
	c     *Claims
}

func newBench(t *testing.T) *bench {
	t.Helper()
	taptest.Namespace(t)
	taptest.NeedTools(t, "nft")
	b := &bench{t: t, there: taptest.NewSpace(t)}
	taptest.Veth(t, "veth0", "192.168.69.1/24", b.there, "veth1", "192.168.69.2/24")
	b.shell("ip addr add fdaa::1/64 dev veth0 nodad")
	b.there.Do(func() { b.shell("ip addr add fdaa::2/64 dev veth1 nodad") })
	var err error
	if b.c, err = New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.c.Close() })
	link, err := netlink.LinkByName("veth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.c.AddInterface(link.Attrs().Index); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) shell(line string) string {
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		b.t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// answers reports whether the kernel answers a packet from the other namespace to the port, by a reset or port unreachable.
func (b *bench) answers(network, to string) (answered bool) {
	b.there.Do(func() {
		conn, err := net.DialTimeout(network, to, 300*time.Millisecond)
		if err == nil && network == "udp" {
			defer conn.Close()
			_, _ = conn.Write([]byte("hello"))
			_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			_, err = conn.Read(make([]byte, 10))
		}
		answered = errors.Is(err, syscall.ECONNREFUSED)
	})
	return answered
}

// TestClaim: the kernel answers nothing on a claimed port, in both families, and on other ports as before. It answers
// again when the port is released.
func TestClaim(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		network string
		proto   wire.Protocol
	}{{"tcp", wire.ProtocolTCP}, {"udp", wire.ProtocolUDP}} {
		check := func(when string, port string, want bool) {
			t.Helper()
			for _, host := range []string{"192.168.69.1:", "[fdaa::1]:"} {
				if got := b.answers(c.network, host+port); got != want {
					t.Errorf("%s, %s: %s%s answers: %v, want %v", c.network, when, host, port, got, want)
				}
			}
		}
		check("before", "4000", true)
		for range 2 {
			if err := b.c.Claim(c.proto, 4000); err != nil {
				t.Fatal(err)
			}
		}
		check("claimed", "4000", false)
		check("another port", "4001", true)
		if err := errors.Join(b.c.Release(c.proto, 4000), b.c.Release(c.proto, 4000)); err != nil {
			t.Error(err)
		}
		check("released", "4000", true)
	}
}

// TestKernelsPorts: a port on which the kernel has a socket can't be claimed, whatever the socket's address, and no
// program gets a claimed port.
func TestKernelsPorts(t *testing.T) {
	b := newBench(t)
	for _, at := range []string{"0.0.0.0:4000", "127.0.0.1:4000", "192.168.69.1:4000", "[::]:4000", "[fdaa::1]:4000"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.c.Claim(wire.ProtocolTCP, 4000); !errors.Is(err, ErrInUse) || err.Error() != "tcp port 4000: the kernel has a socket on it" {
			t.Errorf("beside %s: %v", at, err)
		}
		l.Close()
		p, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.c.Claim(wire.ProtocolUDP, 4000); !errors.Is(err, ErrInUse) {
			t.Errorf("beside UDP's %s: %v", at, err)
		}
		p.Close()
		if err := errors.Join(b.c.Claim(wire.ProtocolTCP, 4000), b.c.Claim(wire.ProtocolUDP, 4000)); err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
			t.Errorf("a program listens on %s, which is claimed", at)
		}
		if p, err := net.ListenPacket("udp", at); err == nil {
			p.Close()
			t.Errorf("a program has bound UDP's %s, which is claimed", at)
		}
		if err := errors.Join(b.c.Release(wire.ProtocolTCP, 4000), b.c.Release(wire.ProtocolUDP, 4000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.c.Claim(wire.ProtocolICMP, 1); err == nil {
		t.Error("ICMP has ports")
	}
	if first, last, ok := EphemeralRange(); !ok || first == 0 || last < first {
		t.Errorf("the kernel's range: %d to %d, %v", first, last, ok)
	}
}

// TestTable: the table belongs to its process. nft shows the rules, and may not change them; Close removes them.
func TestTable(t *testing.T) {
	b := newBench(t)
	for port := uint16(4000); port < 4100; port++ {
		if err := b.c.Claim(wire.ProtocolTCP, port); err != nil {
			t.Fatal(err)
		}
	}
	text := b.shell("nft list table inet " + b.c.Table())
	for _, want := range []string{"flags owner", "type inet_service", "4000", "4099", "hook input priority raw; policy accept;", `iif "veth0" tcp dport @tcp counter packets`, `iif "veth0" udp dport @udp counter packets`, "drop"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	if out, err := exec.Command("nft", "delete table inet "+b.c.Table()).CombinedOutput(); err == nil {
		t.Errorf("another process has deleted the table: %s", out)
	}
	b.shell("nft flush ruleset")
	if err := b.c.Claim(wire.ProtocolUDP, 4000); err != nil {
		t.Errorf("after another process has flushed the rules: %v", err)
	}
	other, err := New() // a second host beside the kernel
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Claim(wire.ProtocolTCP, 4000); !errors.Is(err, ErrInUse) {
		t.Errorf("a port of another host: %v", err)
	}
	if err := errors.Join(other.Close(), b.c.Close()); err != nil {
		t.Error(err)
	}
	if out := b.shell("nft list tables"); out != "" {
		t.Errorf("left: %s", out)
	}
	l, err := net.Listen("tcp", ":4000")
	if err != nil {
		t.Fatalf("a port is still reserved: %v", err)
	}
	l.Close()
}

func TestErrors(t *testing.T) {
	b := newBench(t)
	drop := func(bit uint) {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			t.Fatal(err)
		}
		caps[0].Effective &^= 1 << bit
		if err := unix.Capset(&header, &caps[0]); err != nil {
			t.Fatal(err)
		}
	}
	drop(unix.CAP_NET_BIND_SERVICE)
	if err := b.c.Claim(wire.ProtocolTCP, 80); !errors.Is(err, ErrPrivileged) {
		t.Errorf("without CAP_NET_BIND_SERVICE: %v", err)
	}
	drop(unix.CAP_NET_ADMIN)
	if _, err := New(); !errors.Is(err, ErrPermission) {
		t.Errorf("without CAP_NET_ADMIN: %v", err)
	}
	for _, errno := range []syscall.Errno{unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EINVAL} {
		if err := explained(errno); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// BenchmarkClaim measures a claim with its release.
func BenchmarkClaim(b *testing.B) {
	taptest.Namespace(b)
	c, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if err := errors.Join(c.Claim(wire.ProtocolTCP, 4000), c.Release(wire.ProtocolTCP, 4000)); err != nil {
			b.Fatal(err)
		}
	}
}
