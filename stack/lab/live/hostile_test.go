//go:build linux

package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// A flood lasts long enough to fill every queue; this command makes longer floods, which can be watched:
//
//	go test ./stack/lab/live -run '^TestFloods$' -v -flood 10s
var floodTime = flag.Duration("flood", 3*time.Second, "how long each flood lasts")

// needScanner is taptest.Need for a program whose package has the same name.
func needScanner(t *testing.T, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	taptest.Need(t, err == nil, tool, "apt-get install "+tool)
}

var ours = netip.MustParseAddr("192.168.69.1")

// victim returns a host of ours with TCP ports 22, 80 and 443 open, and an echo service on UDP port 53.
func victim(t *testing.T) (lab.Runner, *lab.Host) {
	t.Helper()
	r, h, _ := onTAP(t)
	var err error
	r.Do(func(now clock.Instant) {
		for _, port := range []uint16{22, 80, 443} {
			l, e := h.ListenTCP(netip.AddrPortFrom(netip.IPv4Unspecified(), port), 0, tcp.Config{})
			if e != nil {
				err = e
				return
			}
			l.OnEvent = func(now clock.Instant) {
				for c := l.Accept(); c != nil; c = l.Accept() {
					c.Close(now)
				}
			}
		}
		var u *stack.UDPConn
		if u, err = h.BindUDP(netip.AddrPortFrom(netip.IPv4Unspecified(), 53)); err == nil {
			u.OnEvent = func(now clock.Instant) {
				var buf [2048]byte
				for n, from, _ := u.Recv(buf[:]); n >= 0; n, from, _ = u.Recv(buf[:]) {
					_ = u.Send(now, buf[:n], from)
				}
			}
		}
		if err == nil {
			err = h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), kernelAddr.Addr(), nil)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, h
}

// standing checks that the host exceeds none of its limits after an attack.
func standing(t *testing.T, r lab.Runner, h *lab.Host) {
	t.Helper()
	r.Do(func(clock.Instant) {
		if in, out := h.Conservation(); in != out {
			t.Errorf("%d frames in, %d accounted for", in, out)
		}
		for _, l := range h.LimitInfos() {
			if l.Used > l.Limit {
				t.Errorf("limit %s: %d used of %d", l.Name, l.Used, l.Limit)
			}
		}
	})
}

// beside starts a transfer of the given number of octets between the host and the kernel; finish waits for it, and
// checks that they arrived whatever else happened.
func beside(t *testing.T, r lab.Runner, h *lab.Host, octets int, weSend bool) (finish func()) {
	t.Helper()
	data := make([]byte, octets)
	rng := rand.NewChaCha8([32]byte{69})
	_, _ = rng.Read(data)
	want := sha256.Sum256(data)
	done := exchange(t, r, h, tcp.Config{}, kernelAddr.Addr(), data, weSend, weClose)
	return func() {
		t.Helper()
		if got, err := done(); err != nil || got != want {
			t.Errorf("%d octets beside it: hash %x, want %x: %v", octets, got, want, err)
		}
	}
}

// scan runs nmap and returns its table of ports, with lines like "22/tcp open".
func scan(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	args = append([]string{"-n", "-Pn", "-T5", "--max-retries", "3"}, append(args, ours.String())...)
	out, err := exec.CommandContext(ctx, "nmap", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nmap %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	var ports []string
	for _, m := range regexp.MustCompile(`(?m)^(\d+/\w+) +(\S+)`).FindAllStringSubmatch(string(out), -1) {
		ports = append(ports, m[1]+" "+m[2])
	}
	return strings.Join(ports, ", ")
}

// TestScans: nmap reports open ports as open and closed ones as closed, as far as each kind of scan can tell them apart
// (RFC 9293 §3.10.7), while a transfer of 64 MiB runs.
func TestScans(t *testing.T) {
	needScanner(t, "nmap")
	r, h := victim(t)
	finish := beside(t, r, h, 64<<20, true)
	all := func(state string) string {
		var list []string
		for _, p := range []string{"22", "23", "80", "81", "443"} {
			list = append(list, p+"/tcp "+state)
		}
		return strings.Join(list, ", ")
	}
	// A listener drops segments without SYN, RST and ACK; a closed port answers them.
	silent := "22/tcp open|filtered, 23/tcp closed, 80/tcp open|filtered, 81/tcp closed, 443/tcp open|filtered"
	for _, c := range []struct{ kind, want string }{
		{"-sS", "22/tcp open, 23/tcp closed, 80/tcp open, 81/tcp closed, 443/tcp open"},
		{"-sT", "22/tcp open, 23/tcp closed, 80/tcp open, 81/tcp closed, 443/tcp open"},
		{"-sN", silent}, {"-sF", silent}, {"-sX", silent},
		{"-sA", all("unfiltered")},
		{"-sW", all("closed")}, // our resets have a window of 0
		{"-sM", all("closed")},
	} {
		if got := scan(t, c.kind, "-p", "22,23,80,81,443"); got != c.want {
			t.Errorf("nmap %s: %s\nwant %s", c.kind, got, c.want)
		}
	}
	if got, want := scan(t, "-sU", "-p", "53,54,55"), "53/udp open, 54/udp closed, 55/udp closed"; got != want {
		t.Errorf("nmap -sU: %s\nwant %s", got, want)
	}
	if got, want := scan(t, "-O", "--max-os-tries", "1", "-p", "80,81"), "80/tcp open, 81/tcp closed"; got != want {
		t.Errorf("nmap -O: %s\nwant %s", got, want)
	}
	finish()
	standing(t, r, h)
}

// hping prepares a run of hping3 in the goroutine's namespace.
func hping(t *testing.T, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	out = new(bytes.Buffer)
	cmd = exec.Command("hping3", append([]string{"-n"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // works because the goroutine is locked to its thread
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// TestFlags: hping3 sends every combination of six flags to an open and to a closed port, and receives the answers that
// RFC 9293 §3.10.7.1 and §3.10.7.2 require, while a transfer of 8 MiB runs.
func TestFlags(t *testing.T) {
	needScanner(t, "hping3")
	r, h := victim(t)
	finish := beside(t, r, h, 8<<20, false)
	const flags = "FSRPAU" // -F, -S, …, in the order of their bits
	answer := func(bits int, open bool) wire.Flags {
		switch f := wire.Flags(bits); {
		case f.Has(wire.RST):
			return 0
		case f.Has(wire.ACK):
			return wire.RST
		case !open:
			return wire.RST | wire.ACK
		case f.Has(wire.SYN) && !f.Has(wire.FIN):
			return wire.SYN | wire.ACK
		}
		return 0 // a listener drops it
	}
	// Concurrent hping3 processes receive each other's answers. So the test notes the flags of the first segment that our host
	// sends to each port.
	said := map[int]wire.Flags{}
	r.Do(func(clock.Instant) {
		h.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir != stack.TX {
				return
			}
			_, b, _ := wire.ParseEthernet(ev.Frame.Bytes())
			ip, b, err := wire.ParseIPv4(b)
			if err != nil || ip.Protocol != wire.ProtocolTCP {
				return
			}
			if x, _, err := wire.ParseTCP(b); err == nil && said[int(x.DstPort)] == 0 {
				said[int(x.DstPort)] = x.Flags
			}
		})
	})
	for first := 0; first < 128; first += 32 {
		var runs []*exec.Cmd
		for k := first; k < first+32; k++ {
			port := "80"
			if k >= 64 {
				port = "81"
			}
			args := []string{"-c", "1", "-p", port, "-s", fmt.Sprint(3000 + k)}
			for b, f := range flags {
				if k>>b&1 != 0 {
					args = append(args, "-"+string(f))
				}
			}
			cmd, _ := hping(t, append(args, ours.String())...)
			runs = append(runs, cmd)
		}
		for _, cmd := range runs {
			_ = cmd.Wait() // hping3 exits with 1 if it has received nothing
		}
	}
	r.Do(func(clock.Instant) {
		for k := range 128 {
			if got, want := said[3000+k], answer(k&63, k < 64); got != want {
				t.Errorf("flags %06b, open %v: said %v, want %v", k&63, k < 64, got, want)
			}
		}
	})
	finish()
	standing(t, r, h)
}

// TestFloods: while a transfer of 64 MiB runs, hping3 floods the host with SYNs from one address and from random ones,
// with datagrams, with echo requests, and with frames for another station.
func TestFloods(t *testing.T) {
	for _, x := range []struct {
		name  string
		args  []string
		count string      // name of the counter that counts the flood's packets
		drop  drop.Reason // or the reason for which they are dropped
	}{
		{name: "SYN", args: []string{"-S", "-p", "80"}, count: "TcpPassiveOpens"},
		{name: "SYN from everywhere", args: []string{"-S", "-p", "80", "--rand-source"}, count: "TcpExtSyncookiesSent"},
		{name: "UDP", args: []string{"--udp", "-p", "9", "-d", "100"}, drop: drop.ICMPRateLimit},
		{name: "ICMP", args: []string{"-1", "-d", "100"}, count: "IcmpInEchos"},
		{name: "another station", args: []string{"-1"}, drop: drop.UnknownMAC},
	} {
		t.Run(x.name, func(t *testing.T) {
			needScanner(t, "hping3")
			r, h := victim(t)
			to := ours.String()
			if x.drop == drop.UnknownMAC {
				to = "192.168.69.77"
				out, err := exec.Command("ip", "neigh", "add", to, "lladdr", "02:77:00:00:00:77", "dev", "tap0").CombinedOutput()
				if err != nil {
					t.Fatalf("ip neigh: %v: %s", err, out)
				}
			}
			cmd, out := hping(t, append(append([]string{"--flood", "-q"}, x.args...), to)...)
			finish := beside(t, r, h, 64<<20, true)
			time.Sleep(*floodTime)
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Errorf("the flood has ended by itself: %v: %s", err, out)
			}
			_ = cmd.Wait()
			finish()
			standing(t, r, h)
			var seen uint64
			r.Do(func(clock.Instant) {
				for _, c := range h.CounterInfos() {
					if c.Name == x.count {
						seen = c.Value
					}
				}
				for _, d := range h.DropInfos() {
					if x.drop != drop.None && d.Reason == x.drop {
						seen = d.Count
					}
				}
			})
			if seen < 100 { // the number that gets through depends on the machine
				t.Errorf("%s%s counted %d times: no flood\n%s", x.count, x.drop, seen, out)
			}
			t.Logf("%s%s: %d", x.count, x.drop, seen)
		})
	}
}
