//go:build linux && !portable

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"smolsh/phy/tap/taptest"
)

// onlyIPv4 is the verdict on a kernel's end of tap0 without a global IPv6 address, of which no flag speaks.
const onlyIPv4 = "note  tap0            the kernel's end has only a link-local IPv6 address\n                      as root: ip addr add fdaa::100/64 dev tap0 nodad\n"

// TestDoctor makes one obstacle after the other in a network namespace. `smolsh doctor` must print each obstacle with
// its remedy, and its status must show whether all is well. Each case starts from the state that the case before left.
func TestDoctor(t *testing.T) {
	taptest.NeedTools(t, "ip")
	taptest.Namespace(t)
	taptest.Need(t, exists("/dev/net/tun"), "/dev/net/tun", "modprobe tun")
	path := smolsh(t)
	var holder *program
	nft := func(change func(c *nftables.Conn, table *nftables.Table)) func() {
		return func() {
			c, err := nftables.New()
			if err == nil {
				change(c, c.AddTable(&nftables.Table{Name: "mine", Family: nftables.TableFamilyINet}))
				err = c.Flush()
			}
			taptest.Need(t, err == nil, "nf_tables", "a kernel with CONFIG_NF_TABLES")
		}
	}
	base := func(c *nftables.Conn, table *nftables.Table, hook *nftables.ChainHook, policy nftables.ChainPolicy) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: "guard", Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy})
	}
	rule := func(c *nftables.Conn, table *nftables.Table, chain *nftables.Chain, iface string) {
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append([]byte(iface), make([]byte, 16-len(iface))...)},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	}
	for _, c := range []struct {
		name   string
		do     func()
		args   string
		status int
		want   string // the last lines
	}{
		{"the private lab", func() {}, "doctor", 0, "ok    private lab     192.168.69.1 and the kernel at 192.168.69.100 answer each other\n" +
			"ok    private lab     fdaa::1 and the kernel at fdaa::100 answer each other\n"},
		{"no TAP yet", func() {}, "doctor tap:tap0", 0, "ok    tap0            is not there, and may be made: it goes away with smolsh\n"},
		{"no interface", func() {}, "doctor raw:eth9", 3, "FAIL  eth9            there is no interface eth9\n                      ip -br link shows which there are\n"},
		{"no address to share", func() {
			ip(t, "link add veth0 type veth peer name veth1")
			ip(t, "link set veth0 up")
			ip(t, "link set veth1 up")
		}, "--share-address doctor raw:veth0", 3,
			"FAIL  veth0           the kernel has no address there that a host could share\n                      as root: ip addr add one, or give the host an address of its own: --addr\n"},
		{"an address to share", func() { ip(t, "addr add 192.0.2.50/24 dev veth0") }, "--device raw:veth0 --share-address doctor", 0,
			"ok    veth0           the link is up\nok    veth0           the kernel's addresses [192.0.2.50/24] may be shared\n"},
		{"link down", func() { ip(t, "link del veth0"); ip(t, "tuntap add name tap0 mode tap user nobody") }, "doctor tap:tap0", 3,
			"ok    tap0            may be opened, mtu 1500\nFAIL  tap0            the link is down\n                      as root: ip link set tap0 up\n"},
		{"no address", func() { ip(t, "link set tap0 up") }, "doctor tap:tap0", 3,
			"FAIL  tap0            the kernel's end has no IPv4 address\n                      as root: ip addr add 192.168.69.100/24 dev tap0\n"},
		{"another network", func() { ip(t, "addr add 10.9.0.1/24 dev tap0") }, "doctor tap:tap0", 3,
			"FAIL  tap0            the host has 192.168.69.1, which is on none of the kernel's networks there\n" +
				"                      say --addr with an address of 10.9.0.0/24, or as root: ip route add 192.168.69.1 dev tap0\n"},
		{"an address of it", func() {}, "--addr 10.9.0.2/24 doctor tap:tap0", 0, "ok    tap0            the kernel's end at 10.9.0.1 answers\n"},
		{"reverse path", func() { sysctlSet(t, "net/ipv4/conf/tap0/rp_filter", "1") }, "doctor tap:tap0", 3,
			"FAIL  tap0            the kernel drops what comes from 192.168.69.1, since it would not answer there (rp_filter)\n" +
				"                      as root: ip route add 192.168.69.1 dev tap0\n"},
		{"its cure", func() { ip(t, "route add 192.168.69.1 dev tap0") }, "--addr 192.168.69.1/24 doctor tap:tap0", 3, "10.9.0.1 does not answer\n" +
			"                      as root: iptables -S and sysctl net.ipv4.icmp_echo_ignore_all show why\n"},
		{"all well", func() { ip(t, "addr flush dev tap0"); ip(t, "addr add 192.168.69.100/24 dev tap0") }, "doctor tap:tap0", 0,
			"ok    tap0            the kernel's end has 192.168.69.100/24, the host 192.168.69.1\nok    tap0            the kernel's end at 192.168.69.100 answers\n"},
		{"no forwarding", func() { sysctlSet(t, "net/ipv4/ip_forward", "0") }, "--gateway 192.168.69.100 doctor tap:tap0", 3,
			"FAIL  tap0            the kernel does not forward what the host sends to others\n                      as root: sysctl net.ipv4.ip_forward=1\n"},
		{"forwarding", func() { sysctlSet(t, "net/ipv4/ip_forward", "1") }, "--gateway 192.168.69.100 doctor tap:tap0", 0, "192.168.69.100 answers\n"},
		{"a rule about another", nft(func(c *nftables.Conn, table *nftables.Table) {
			rule(c, table, base(c, table, nftables.ChainHookInput, nftables.ChainPolicyAccept), "eth5")
		}), "doctor tap:tap0", 0, "192.168.69.100 answers\n"},
		{"a rule", nft(func(c *nftables.Conn, table *nftables.Table) {
			rule(c, table, &nftables.Chain{Name: "guard", Table: table}, "tap0")
		}), "doctor tap:tap0", 3, "FAIL  tap0            the kernel's end does not answer, and inet mine guard may be why\n" +
			"                      as root: nft insert rule inet mine guard iifname \"tap0\" accept\n"},
		{"a policy", nft(func(c *nftables.Conn, table *nftables.Table) {
			c.DelTable(table)
			table = c.AddTable(&nftables.Table{Name: "mine", Family: nftables.TableFamilyINet})
			base(c, table, nftables.ChainHookOutput, nftables.ChainPolicyDrop)
		}), "doctor tap:tap0", 3, "as root: nft insert rule inet mine guard oifname \"tap0\" accept\n"},
		{"no firewall, no echoes", func() {
			nft(func(c *nftables.Conn, table *nftables.Table) { c.DelTable(table) })()
			sysctlSet(t, "net/ipv4/icmp_echo_ignore_all", "1")
		}, "doctor tap:tap0", 3, "the kernel's end at 192.168.69.100 does not answer\n                      as root: iptables -S and sysctl net.ipv4.icmp_echo_ignore_all show why\n"},
		{"only IPv4", func() { sysctlSet(t, "net/ipv4/icmp_echo_ignore_all", "0") }, "doctor tap:tap0", 0, onlyIPv4},
		{"IPv6 asked for", func() {}, "--addr fdaa::1/64 doctor tap:tap0", 3, strings.Replace(onlyIPv4, "note", "FAIL", 1)},
		{"IPv6 not wanted", func() {}, "--no-ipv6 doctor tap:tap0", 0, "ok    tap0            the kernel's end at 192.168.69.100 answers\n"},
		{"another network of IPv6", func() { ip(t, "addr add fdcc::1/64 dev tap0 nodad") }, "--addr fdaa::1/64 doctor tap:tap0", 3,
			"FAIL  tap0            the host has fdaa::1, which is on none of the kernel's networks there\n" +
				"                      say --addr with an address of fdcc::/64, or as root: ip route add fdaa::1 dev tap0\n"},
		{"both families", func() { ip(t, "addr del fdcc::1/64 dev tap0"); ip(t, "addr add fdaa::100/64 dev tap0 nodad") }, "doctor tap:tap0", 0,
			"ok    tap0            the kernel's end has fdaa::100/64, the host fdaa::1\nok    tap0            the kernel's end at fdaa::100 answers\n"},
		{"no forwarding of IPv6", func() {}, "--gateway fdaa::100 doctor tap:tap0", 3,
			"FAIL  tap0            the kernel does not forward what the host sends to others\n                      as root: sysctl net.ipv6.conf.all.forwarding=1\n"},
		{"no echoes of IPv6", func() { sysctlSet(t, "net/ipv6/icmp/echo_ignore_all", "1") }, "doctor tap:tap0", 3,
			"the kernel's end at fdaa::100 does not answer\n                      as root: ip6tables -S and sysctl net.ipv6.icmp.echo_ignore_all show why\n"},
		{"a rule of IPv6", nft(func(c *nftables.Conn, table *nftables.Table) {
			c.DelTable(table)
			table = c.AddTable(&nftables.Table{Name: "mine", Family: nftables.TableFamilyIPv6})
			base(c, table, nftables.ChainHookInput, nftables.ChainPolicyDrop)
		}), "doctor tap:tap0", 3, "as root: nft insert rule ip6 mine guard iifname \"tap0\" accept\n"},
		{"no IPv6", func() { sysctlSet(t, "net/ipv6/conf/tap0/disable_ipv6", "1") }, "doctor tap:tap0", 0,
			"note  tap0            the kernel's end speaks no IPv6\n                      as root: sysctl net.ipv6.conf.tap0.disable_ipv6=0\n"},
		{"no kind", func() {}, "doctor tap0", 0, "note  tap0            the kernel's end speaks no IPv6\n                      as root: sysctl net.ipv6.conf.tap0.disable_ipv6=0\n"},
		{"an interface of the kernel", func() {}, "doctor lo", 0, "ok    lo              may be opened, mtu 65536\nok    lo              the link is up\n"},
		{"the wrong kind", func() {}, "doctor tun:tap0", 3, "FAIL  tap0            tap0 is a tap, not a tun\n                      smolsh --device tap:tap0\n"},
		{"busy", func() { holder = start(t, "-c", `print("held"); sleep("5m")`); holder.said("held") }, "doctor tap:tap0", 3,
			"(smolsh)\n                      end that one, or take another: --device tap:tap1\n"},
		{"free again", func() { sysctlSet(t, "net/ipv4/icmp_echo_ignore_all", "0"); holder.stop() }, "doctor", 0, "ok    tap0            is a tap: smolsh doctor tap:tap0 looks at it\n"},
	} {
		c.do()
		cmd := exec.Command(path, strings.Fields(c.args)...)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(c.want, "IPv6") {
			out = []byte(strings.ReplaceAll(string(out), onlyIPv4, ""))
		}
		if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.HasSuffix(string(out), c.want) {
			t.Errorf("%s: status %d, want %d, and the end is to be\n%s\nof\n%s", c.name, got, c.status, c.want, out)
		}
	}
}

// TestDeviceErrorsSayWhatDoctorSays: an error of `--device` has the text of the verdict of `smolsh doctor`.
func TestDeviceErrorsSayWhatDoctorSays(t *testing.T) {
	taptest.NeedTools(t, "ip")
	namespace(t)
	path := smolsh(t)
	holder := start(t, "-c", `print("held"); sleep("5m")`)
	holder.said("held")
	for _, device := range []string{"tap:tap0", "tun:tap0", "tun:lo", "raw:nosuch0"} {
		out, _ := run("", path, "doctor", device)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		why, cure := lines[len(lines)-2], strings.TrimSpace(lines[len(lines)-1])
		_, why, _ = strings.Cut(strings.TrimSpace(why[len("FAIL  "):]), " ")
		said, err := run("", path, "--device", device, "-c", "1")
		if want := "smolsh: " + strings.TrimSpace(why) + " (" + cure + ")\n"; err == nil || said != want {
			t.Errorf("%s: doctor says %q, the error is %q", device, want, said)
		}
	}
}

// TestDoctorAsUser checks the verdicts for an ordinary user.
func TestDoctorAsUser(t *testing.T) {
	path := smolsh(t)
	who := asUser(t, path, "0600")
	cmd := who.start("doctor")
	out, _ := cmd.CombinedOutput()
	for _, want := range []string{
		"FAIL  /dev/net/tun    /dev/net/tun may not be opened by you\n                      as root: chmod 0666 /dev/net/tun\n",
		"note  CAP_NET_RAW     not held: there are no raw devices\n",
		"note  nf_tables       the kernel's address can't be shared, since an nftables table wants CAP_NET_ADMIN\n                      run it as root, ",
		"FAIL  private lab     /dev/net/tun may not be opened by you\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit status %d", got)
	}
}

// TestDoctorAboutOwners checks the verdicts about devices of other users, on a machine of its own.
func TestDoctorAboutOwners(t *testing.T) {
	taptest.NeedTools(t, "ip", "setpriv")
	dir := machine(t, smolsh(t))
	ip(t, "tuntap add name tap0 mode tap user daemon")
	ip(t, "tuntap add name tap1 mode tap user nobody")
	ip(t, "link set tap1 up")
	ip(t, "addr add 192.168.69.100/24 dev tap1")
	for _, c := range []struct {
		device string
		status int
		want   string // the last verdict
	}{
		{"tap:tap0", 3, "FAIL  tap0            tap0 is not yours: it is daemon's\n                      as root: ip tuntap del name tap0 mode tap; ip tuntap add name tap0 mode tap user $USER\n"},
		{"tap:tap1", 0, "ok    tap1            the kernel's end at 192.168.69.100 answers\n"},
		{"tun:tun7", 3, "FAIL  tun7            tun7 is not yours: making one wants root\n                      as root: ip tuntap add name tun7 mode tun user $USER\n"},
		{"raw:eth0", 3, "FAIL  eth0            eth0 may not be listened to by you: a packet socket wants CAP_NET_RAW\n" +
			"                      run it as root, or as root once: setcap cap_net_raw=eip on the smolsh binary\n"},
	} {
		cmd := asWho(dir, true, "./smolsh doctor "+c.device)
		out, _ := cmd.CombinedOutput()
		out = []byte(strings.ReplaceAll(string(out), strings.ReplaceAll(onlyIPv4, "tap0", "tap1"), ""))
		if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.HasSuffix(string(out), c.want) {
			t.Errorf("%s: status %d, want %d, and the end is to be\n%s\nof\n%s", c.device, got, c.status, c.want, out)
		}
	}
	// The suggested remedy works.
	ip(t, "tuntap del name tap0 mode tap")
	ip(t, "tuntap add name tap0 mode tap user nobody")
	if out, err := asWho(dir, true, "./smolsh --device tap:tap0 -c 'print(ifaces()[0].name)'").CombinedOutput(); err != nil || !strings.Contains(string(out), "tap0\n") {
		t.Errorf("cured: %v: %s", err, out)
	}
	if out, err := run("", "chmod", "0600", "/dev/net/tun"); err != nil {
		t.Fatal(out)
	}
	out, err := asWho(dir, true, "./smolsh --device tap:tap0 -c 1").CombinedOutput()
	if want := "smolsh: /dev/net/tun may not be opened by you (as root: chmod 0666 /dev/net/tun)\n"; err == nil || string(out) != want {
		t.Errorf("%q, want %q", out, want)
	}
}
