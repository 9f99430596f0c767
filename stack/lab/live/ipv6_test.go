//go:build linux

package live

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// patience bounds the waits for autoconfiguration, which takes a few seconds.
const patience = 30 * time.Second

// await calls ready on the owner's goroutine until it returns true.
func await(t *testing.T, r lab.Runner, what string, ready func() bool) {
	t.Helper()
	until(t, what, func() (ok bool) {
		r.Do(func(clock.Instant) { ok = ready() })
		return ok
	})
}

// until calls ready, in the test's namespace, until it returns true.
func until(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// tool runs a program of the kernel's end and returns its output.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// linkLocal waits for the host's link-local address, and returns it without its zone.
func linkLocal(t *testing.T, r lab.Runner, p *lab.Port) (a netip.Addr) {
	t.Helper()
	await(t, r, "a link-local address", func() bool { a = p.Iface().LinkLocal(); return a.IsValid() })
	return a.WithZone("")
}

// serveEcho makes the host return octets on TCP port 7 and datagrams on UDP port 7.
func serveEcho(t *testing.T, r lab.Runner, h *lab.Host) {
	t.Helper()
	r.Do(func(clock.Instant) {
		ln, err := h.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 7), 0, tcp.Config{})
		if err != nil {
			t.Error(err)
			return
		}
		u, err := h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 7))
		if err != nil {
			t.Error(err)
			return
		}
		buf := make([]byte, 65536)
		ln.OnEvent = func(clock.Instant) {
			for c := ln.Accept(); c != nil; c = ln.Accept() {
				c.OnEvent = func(now clock.Instant) {
					n, err := c.Read(now, buf[:4096])
					if n > 0 {
						_, _ = c.Write(now, buf[:n])
					}
					if err != nil {
						_ = c.CloseWrite(now)
					}
				}
			}
		}
		u.OnEvent = func(now clock.Instant) {
			for n, from, _ := u.Recv(buf); n >= 0; n, from, _ = u.Recv(buf) {
				_ = u.Send(now, buf[:n], from)
			}
		}
	})
}

// TestClientsOfIPv6 has the kernel's programs meet the host by its global and its link-local address: echo requests of one frame and
// of many fragments, TCP, UDP, solicitations, a traced route, a scan of ports. tshark finds nothing malformed in what passed.
func TestClientsOfIPv6(t *testing.T) {
	taptest.NeedTools(t, "ping", "socat", "ndisc6", "rltraceroute6", "nmap", "tcpdump", "tshark")
	r, h, p := onTAPBetween(t, tap.Options{}, 1, lab.HostConfig{Addrs: []netip.Prefix{ourAddr, ourAddr6}}, kernelAddr, kernelAddr6)
	file := filepath.Join(t.TempDir(), "tap0.pcap")
	stop := dump(t, "tap0", file)
	serveEcho(t, r, h)
	local := linkLocal(t, r, p)
	for _, at := range []string{ourAddr6.Addr().String(), local.String() + "%tap0"} {
		for _, size := range []string{"56", "1452", "1453", "8000", "65000"} {
			if out := tool(t, "ping", "-6", "-c3", "-i0.2", "-W5", "-s", size, at); !strings.Contains(out, " 0% packet loss") {
				t.Errorf("%s octets to %s:\n%s", size, at, out)
			}
		}
		for _, version := range []string{"tcp6", "udp6"} {
			if out := tool(t, "sh", "-c", "echo anything | socat -t1 -T5 - '"+version+":["+at+"]:7'"); out != "anything\n" {
				t.Errorf("%s to %s: %q", version, at, out)
			}
		}
		address, _, _ := strings.Cut(at, "%")
		if out := tool(t, "ndisc6", "-q", address, "tap0"); strings.TrimSpace(out) != strings.ToUpper(p.Iface().MAC().String()) {
			t.Errorf("ndisc6 %s: %q", at, out)
		}
	}
	if out := tool(t, "rltraceroute6", "-n", "fdaa::1"); !strings.Contains(out, "\n 1  fdaa::1  ") || strings.Contains(out, "!") || strings.Contains(out, "\n 2") {
		t.Errorf("rltraceroute6:\n%s", out)
	}
	if out := tool(t, "ping", "-6", "-c2", "-i0.1", "-W5", "ff02::1%tap0"); !strings.Contains(out, local.String()) {
		t.Errorf("ping of all nodes:\n%s", out)
	}
	out := tool(t, "nmap", "-6", "-n", "-sS", "-sU", "-pT:7,9,U:7,9", "fdaa::1")
	for _, want := range []string{"7/tcp open   echo", "9/tcp closed discard", "7/udp open   echo", "9/udp closed discard"} {
		if !strings.Contains(out, want) {
			t.Errorf("nmap does not find %q:\n%s", want, out)
		}
	}
	stop()
	wellFormed(t, file)
}

// wellFormed has tshark look for malformed packets and wrong checksums among those that the host sent.
func wellFormed(t *testing.T, file string) {
	t.Helper()
	const wrong = "_ws.malformed || (eth.src == 02:00:00:00:00:01 && (icmpv6.checksum.status == 0 || ip.checksum.status == 0 || _ws.expert.severity == error))"
	out, err := exec.Command("tshark", "-r", file, "-o", "tcp.check_checksum:FALSE", "-Y", wrong).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("tshark: %v:\n%s", err, out)
	}
	if out, err = exec.Command("tshark", "-r", file, "-Y", "eth.src == 02:00:00:00:00:01 && ipv6").Output(); err != nil || len(out) == 0 {
		t.Errorf("the capture has none of our packets: %v", err)
	}
}

// TestRouterRadvd: radvd in the kernel's namespace advertises a prefix, and the host gets an address of it and a default route, by
// which the kernel's other addresses are reached. When radvd ends, it says so, and the route is gone.
func TestRouterRadvd(t *testing.T) {
	taptest.NeedTools(t, "radvd", "ping")
	r, h, p := onTAPBetween(t, tap.Options{}, 1, lab.HostConfig{IPv6: lab.IPv6On}, kernelAddr6)
	dir := t.TempDir()
	conf := filepath.Join(dir, "radvd.conf")
	const text = `interface tap0 {
	AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 100; AdvLinkMTU 1400; AdvCurHopLimit 33;
	prefix fd00:5::/64 { AdvOnLink on; AdvAutonomous on; AdvValidLifetime 300; AdvPreferredLifetime 200; };
	route fd00:6::/64 { AdvRouteLifetime 100; };
	RDNSS fd00:5::53 { AdvRDNSSLifetime 100; };
};
`
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	loopAddr(t, "fd00:6::1/128")
	loopAddr(t, "fd00:7::1/128")
	tool(t, "ip", "addr", "add", "fd00:5::53/64", "dev", "tap0", "nodad")
	cmd := exec.Command("radvd", "-n", "-C", conf, "-p", filepath.Join(dir, "pid"), "-m", "stderr", "-u", "root")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	var ours netip.Addr
	await(t, r, "an address of the advertised prefix", func() bool {
		for _, a := range p.Iface().Addrs() {
			if netip.MustParsePrefix("fd00:5::/64").Contains(a.Addr()) {
				ours = a.Addr()
			}
		}
		return ours.IsValid()
	})
	if out := tool(t, "ping", "-6", "-c2", "-i0.1", "-W5", ours.String()); !strings.Contains(out, " 0% packet loss") || !strings.Contains(out, "ttl=33") {
		t.Errorf("ping of the host's new address:\n%s", out)
	}
	for _, to := range []string{"fd00:5::53", "fd00:6::1", "fd00:7::1"} {
		ln, err := net.Listen("tcp6", net.JoinHostPort(to, "0"))
		if err != nil {
			t.Fatal(err)
		}
		sendTo(t, r, h, ln)
	}
	ended = true
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	await(t, r, "an end of the default route", func() bool {
		for _, route := range h.RouteInfos() {
			if route.Dst.Bits() == 0 {
				return false
			}
		}
		return true
	})
}

// loopAddr adds an address to the kernel's lo.
func loopAddr(t *testing.T, a string) {
	t.Helper()
	tool(t, "ip", "addr", "add", a, "dev", "lo")
}

// sendTo has the host connect to the kernel's listener and send a word.
func sendTo(t *testing.T, r lab.Runner, h *lab.Host, ln net.Listener) {
	t.Helper()
	defer ln.Close()
	var err error
	r.Do(func(now clock.Instant) {
		var c *stack.TCPConn
		if c, err = h.DialTCP(now, netip.AddrPort{}, netip.MustParseAddrPort(ln.Addr().String()), tcp.Config{}); err == nil {
			_, err = c.Write(now, []byte("word"))
		}
	})
	if err != nil {
		t.Errorf("%v: %v", ln.Addr(), err)
		return
	}
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	k, err := ln.Accept()
	if err != nil {
		t.Errorf("%v: %v", ln.Addr(), err)
		return
	}
	defer k.Close()
	_ = k.SetDeadline(time.Now().Add(patience))
	var word [4]byte
	if _, err := k.Read(word[:]); err != nil || string(word[:]) != "word" {
		t.Errorf("%v: %q, %v", ln.Addr(), word, err)
	}
}

// TestRouterForKernel: the host advertises itself as a router, and the kernel gets an address of its prefix and a default route.
func TestRouterForKernel(t *testing.T) {
	taptest.NeedTools(t, "ping", "ip", "rdisc6")
	cfg := lab.HostConfig{
		Addrs: []netip.Prefix{netip.MustParsePrefix("fdbb::1/64")}, Forward: true,
		Advertise: &stack.Advertising{MaxInterval: 4 * time.Second, MTU: 1400, HopLimit: 44, DNS: []netip.Addr{netip.MustParseAddr("fdbb::53")}},
	}
	r, _, p := onTAPBetween(t, tap.Options{}, 1, cfg)
	router := linkLocal(t, r, p)
	link, err := netlink.LinkByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	var theirs netip.Addr
	until(t, "a kernel's address of our prefix", func() bool {
		list, err := netlink.AddrList(link, netlink.FAMILY_V6)
		if err != nil {
			return false
		}
		for _, a := range list {
			if ip, _ := netip.AddrFromSlice(a.IP); netip.MustParsePrefix("fdbb::/64").Contains(ip) && a.Flags&0x40 == 0 { // not tentative
				theirs = ip
			}
		}
		return theirs.IsValid()
	})
	if out := tool(t, "ip", "-6", "route", "show", "default"); !strings.Contains(out, fmt.Sprintf("via %v dev tap0 proto ra", router)) {
		t.Errorf("the kernel's default route: %q", out)
	}
	if out := tool(t, "ip", "-6", "route", "show", "dev", "tap0"); !strings.Contains(out, "mtu 1400") && !strings.Contains(out, "hoplimit 44") {
		t.Errorf("the kernel's routes:\n%s", out)
	}
	if out := tool(t, "ping", "-6", "-c2", "-i0.1", "-W5", "-I", theirs.String(), "fdbb::1"); !strings.Contains(out, " 0% packet loss") {
		t.Errorf("ping from the kernel's new address:\n%s", out)
	}
	out := tool(t, "rdisc6", "-1", "-w", "8000", "tap0")
	for _, want := range []string{"fdbb::/64", "fdbb::53", "from " + router.String(), "1400 bytes"} {
		if !strings.Contains(out, want) {
			t.Errorf("rdisc6 does not find %q:\n%s", want, out)
		}
	}
}
