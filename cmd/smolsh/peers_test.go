//go:build linux && !portable

package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
)

func prefixList(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// TestPeersOf checks the peer's addresses: one on the network of the host's first address of each version of IP.
func TestPeersOf(t *testing.T) {
	for _, c := range []struct{ host, want []netip.Prefix }{
		{nil, nil},
		{prefixList("192.168.69.1/24"), prefixList("192.168.69.100/24")},
		{prefixList("192.168.69.100/24"), prefixList("192.168.69.99/24")},
		{prefixList("fdaa::1/64"), prefixList("fdaa::100/64")},
		{prefixList("fdaa::100/64"), prefixList("fdaa::64/64")},
		{prefixList("fdbb::1/64", "192.168.69.1/24", "10.0.0.1/8"), prefixList("192.168.69.100/24", "fdbb::64/64")},
		{prefixList("fdbb::1/127"), prefixList("fdbb::/127")},
	} {
		if got := peersOf(c.host); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("peers of %v: %v, want %v", c.host, got, c.want)
		}
	}
}

// TestKernelWithoutIPv6: the defaults work beside a kernel that has IPv6 switched off, with IPv4. An IPv6 address of --addr is an error
// with a remedy.
func TestKernelWithoutIPv6(t *testing.T) {
	taptest.Namespace(t)
	taptest.Need(t, exists("/dev/net/tun"), "/dev/net/tun", "modprobe tun")
	sysctlSet(t, "net/ipv6/conf/default/disable_ipv6", "1")
	out, err := run("", smolsh(t), "--device", "tap:tap0", "-c", `print(ifaces()[0].addresses[:2], str(sh("ip -br addr show tap0").out).split()[2:], ping("192.168.69.100", count=1).received)`)
	if err != nil || !strings.Contains(out, "[\"192.168.69.1/24\", \"fdaa::1/64\"] [\"192.168.69.100/24\"] 1\n") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = run("", smolsh(t), "--device", "tap:tap0", "--addr", "fd00::1/64", "-c", "1")
	if want := "smolsh: tap0: address fd00::64/64: the kernel's end speaks no IPv6 (as root: sysctl net.ipv6.conf.tap0.disable_ipv6=0)"; err == nil || !strings.HasPrefix(out, want) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAddressesOfDevices: each device gets the next address of each family, and the last one all that are left. A gateway's zone names
// its device.
func TestAddressesOfDevices(t *testing.T) {
	taptest.Namespace(t)
	taptest.Need(t, exists("/dev/net/tun"), "/dev/net/tun", "modprobe tun")
	args := strings.Fields("--device tap:tap0 --device tap:tap1 --gateway fe80::9%tap1 --addr 10.0.0.1/24 --addr fd00:1::1/64 --addr 10.0.1.1/24 --addr 10.0.2.1/24 --addr fd00:2::1/64 -c")
	out, err := run("", smolsh(t), append(args, `print([i.addresses[:3] for i in ifaces()], [r.gateway for r in routes() if r.gateway])`)...)
	want := `[["10.0.0.1/24", "fd00:1::1/64"], ["10.0.1.1/24", "10.0.2.1/24", "fd00:2::1/64"]] ["fe80::9%tap1"]` + "\n"
	if err != nil || out != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}

// TestForward: with --forward the program is a router of both families between its devices, for two hosts with the kernel's stack.
func TestForward(t *testing.T) {
	taptest.Namespace(t)
	taptest.NeedTools(t, "ip", "ping", "socat", "iperf3")
	near, far := taptest.NewSpace(t), taptest.NewSpace(t)
	taptest.Veth(t, "veth0", "", near, "eth0", "10.0.1.2/24")
	taptest.Veth(t, "veth1", "", far, "eth0", "10.0.2.2/24")
	in := func(s *taptest.Space, line string) string {
		var b []byte
		var err error
		s.Do(func() { b, err = exec.Command("sh", "-c", line).CombinedOutput() })
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, b)
		}
		return string(b)
	}
	for n, s := range []*taptest.Space{near, far} {
		in(s, fmt.Sprintf("ip addr add fd00:%d::2/64 dev eth0 nodad; ip route add default via 10.0.%[1]d.1; ip -6 route add default via fd00:%[1]d::1", n+1))
	}
	addrs := "--addr 10.0.1.1/24 --addr fd00:1::1/64 --addr 10.0.2.1/24 --addr fd00:2::1/64"
	startIn(t, func(f func()) { f() }, strings.Fields("--device raw:veth0 --device raw:veth1 --forward "+addrs+` -c sleep("1h")`)...)
	for to, listen := range map[string]string{"10.0.2.2": "tcp4-listen:7", "[fd00:2::2]": "tcp6-listen:7"} {
		in(near, "ping -c1 -w10 "+strings.Trim(to, "[]"))
		in(far, "socat -u "+listen+" open:"+filepath.Join(t.TempDir(), "got")+",creat >/dev/null 2>&1 &")
		in(near, "head -c 1000000 /dev/zero | socat -u - tcp:"+to+":7,retry=50,interval=0.1")
		for _, kind := range []string{"", "-R", "-u -b 20M", "-u -b 20M -R"} {
			in(far, "iperf3 -s -1 >/dev/null 2>&1 &")
			client := "iperf3 -n 1M " + kind + " -c " + strings.Trim(to, "[]")
			in(near, "for i in 1 2 3 4 5 6 7 8 9; do "+client+" >&2 && exit; sleep 0.2; done; exit 1")
		}
	}
}

// TestRawSaysLittle: on a network of others a host sends what any host with IPv6 does: reports of its groups, a solicitation for its own
// address, solicitations for routers. With --no-ipv6 it sends nothing of IPv6, and without an address nothing at all.
func TestRawSaysLittle(t *testing.T) {
	taptest.NeedTools(t, "tshark")
	for _, c := range []struct{ flags, want string }{
		{"--addr 10.0.0.5/24", "0x86dd:133 0x86dd:135 0x86dd:143"},
		{"--addr 10.0.0.5/24 --no-ipv6", ""},
		{"", ""},
	} {
		t.Run(c.flags, func(t *testing.T) {
			t.Parallel()
			taptest.Namespace(t)
			taptest.Veth(t, "veth0", "10.0.0.1/24", taptest.NewSpace(t), "veth1", "10.0.0.2/24")
			file := filepath.Join(t.TempDir(), "sent.pcapng")
			args := append([]string{"--device", "raw:veth0", "--pcap", file}, strings.Fields(c.flags)...)
			if out, err := run("", smolsh(t), append(args, "-c", `print(ifaces()[0].hwaddr); sleep("4s")`)...); err != nil {
				t.Fatalf("%v: %s", err, out)
			} else if ours, _, _ := strings.Cut(out, "\n"); ours != "" {
				filter := "eth.src == " + ours + " && !arp" // an ARP announcement may precede the capture
				sent, err := exec.Command("tshark", "-r", file, "-Y", filter, "-T", "fields", "-E", "separator=:", "-e", "eth.type", "-e", "icmpv6.type").Output()
				kinds := strings.Fields(string(sent))
				slices.Sort(kinds)
				if got := strings.Join(slices.Compact(kinds), " "); err != nil || got != c.want {
					t.Errorf("%v: it sent %q, want %q", err, got, c.want)
				}
			}
		})
	}
}

// TestKernelsEnd checks the addresses of the kernel's end of a TAP that the program makes.
func TestKernelsEnd(t *testing.T) {
	for _, c := range []struct {
		devices           int
		host, flags, want []netip.Prefix
	}{
		{1, defaultAddrs, nil, prefixList("192.168.69.100/24", "fdaa::100/64")},
		{1, prefixList("10.0.0.1/24"), nil, prefixList("10.0.0.100/24", "fdaa::100/64")},
		{1, prefixList("10.0.0.1/24", "fdbb::1/64"), nil, prefixList("10.0.0.100/24", "fdbb::64/64")},
		{2, prefixList("10.0.0.1/24"), nil, prefixList("10.0.0.100/24")},
		{1, defaultAddrs, prefixList("192.168.69.7/24"), prefixList("192.168.69.7/24")},
		{1, defaultAddrs, prefixList("fdcc::7/64", "192.168.69.7/24"), prefixList("192.168.69.7/24", "fdcc::7/64")},
	} {
		t.Run("", func(t *testing.T) {
			taptest.Namespace(t)
			d, err := tap.Open("tap0", tap.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			o := options{kernelAddrs: c.flags, devices: make([]device, c.devices)}
			if err := o.setUpKernel("tap0", c.host); err != nil {
				t.Fatal(err)
			}
			link, err := netlink.LinkByName("tap0")
			if err != nil {
				t.Fatal(err)
			}
			addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
			var got []string
			for _, a := range addrs {
				if !a.IP.IsLinkLocalUnicast() {
					got = append(got, a.IPNet.String())
				}
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("the host has %v, %d devices, flags %v: the kernel has %v, want %v, %v", c.host, c.devices, c.flags, got, c.want, err)
			}
		})
	}
}
