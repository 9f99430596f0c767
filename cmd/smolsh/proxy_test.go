//go:build linux && !portable

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"smolsh/phy/tap/taptest"
)

// These tests run `smolsh proxy` on the loopback, between programs of the machine.

// webServer runs Python's web server on a folder with the file blob, and returns its port and the file's octets.
func webServer(t *testing.T) (port string, blob []byte) {
	t.Helper()
	taptest.NeedTools(t, "python3", "curl")
	dir := t.TempDir()
	blob = make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range blob {
		blob[i] = byte(random.Uint32())
	}
	if err := os.WriteFile(filepath.Join(dir, "blob"), blob, 0o644); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cmd: exec.Command("python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "-d", dir, "0")}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p.found(`port (\d+)`), blob
}

// found waits until the output matches the pattern, and returns its group.
func (p *program) found(pattern string) string {
	p.t.Helper()
	for range 2000 {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(p.out.String()); m != nil {
			return m[1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("%s was not said: %q", pattern, p.out.String())
	return ""
}

// startProxy runs smolsh proxy, and waits until it serves.
func startProxy(t *testing.T, args ...string) *program {
	t.Helper()
	p := startPath(t, func(f func()) { f() }, smolsh(t), append([]string{"proxy"}, args...)...)
	p.found("(ready)\n")
	return p
}

// at returns where the proxy listens for a target.
func (p *program) at(network, target string) string {
	p.t.Helper()
	return p.found("(?m)^" + network + ` (\S+) = ` + regexp.QuoteMeta(target) + "$")
}

// metric returns the sum of the samples that match the pattern.
func metric(t *testing.T, url, pattern string) (sum float64) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^"+pattern+".* (\\d+)$").FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.ParseFloat(m[1], 64)
		sum += n
	}
	return sum
}

// TestProxyCurl fetches a file by curl over a link with loss, delay, copies and reordering: by a route, by SOCKS, and by CONNECT. The
// octets are those of the file, and the metrics show the losses and their repair. SIGTERM ends the proxy.
func TestProxyCurl(t *testing.T) {
	port, blob := webServer(t)
	target := "127.0.0.1:" + port
	p := startProxy(t, "--loss", "2%", "--delay", "5ms", "--jitter", "1ms", "--duplicate", "1%", "--reorder", "0.01", "--rate", "100mbit",
		"--seed", "1", "--socks", "0", "--metrics", "0", "0="+target)
	socks, metrics := p.at("tcp", "socks"), p.found(`metrics (\S+)`)
	for _, args := range [][]string{
		{"http://" + p.at("tcp", target) + "/blob"},
		{"-x", "socks5h://" + socks, "http://localhost:" + port + "/blob"},
		{"-p", "-x", "http://" + socks, "http://" + target + "/blob"},
	} {
		got, err := exec.Command("curl", append([]string{"-s", "-S", "-m", "60"}, args...)...).Output()
		if err != nil || sha256.Sum256(got) != sha256.Sum256(blob) {
			t.Errorf("curl %v: %d octets of %d, %v; or they differ", args, len(got), len(blob), err)
		}
	}
	for _, pattern := range []string{`smolsh_host_mib{host="peer",name="TcpRetransSegs"}`,
		`smolsh_link_dropped_frames_total{from="peer",reason="fault loss"}`, `smolsh_link_copies_total{from="peer"}`} {
		if metric(t, metrics, regexp.QuoteMeta(pattern)) == 0 {
			t.Errorf("%s is 0", pattern)
		}
	}
	if n := metric(t, metrics, "smolsh_proxy_received_bytes_total"); n < float64(3*len(blob)) {
		t.Errorf("only %v octets are counted", n)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("smolsh ended with %d: %s", code, p.out.String())
	}
}

// TestProxySocat: socat as the client ends its direction first and still gets the answer, and its datagrams are echoed.
func TestProxySocat(t *testing.T) {
	taptest.NeedTools(t, "socat")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got, _ := io.ReadAll(c)
			time.Sleep(100 * time.Millisecond)
			fmt.Fprintf(c, "%s after the end", bytes.TrimSpace(got))
			c.Close()
		}
	}()
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	go func() {
		buf := make([]byte, 2048)
		for n, from, err := u.ReadFromUDPAddrPort(buf); err == nil; n, from, err = u.ReadFromUDPAddrPort(buf) {
			_, _ = u.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	p := startProxy(t, "0="+l.Addr().String(), "udp:0="+u.LocalAddr().String())
	for _, c := range []struct{ to, want string }{
		{"tcp:" + p.at("tcp", l.Addr().String()), "words after the end"}, {"udp:" + p.at("udp", u.LocalAddr().String()), "words"},
	} {
		cmd := exec.Command("socat", "-t2", "-", c.to)
		cmd.Stdin = strings.NewReader("words")
		if got, err := cmd.CombinedOutput(); string(got) != c.want {
			t.Errorf("%s: %q, %v", c.to, got, err)
		}
	}
}

// TestProxyPrompt: at the prompt, a rule of fault() makes the stack retransmit, which ss() shows; the end of the prompt ends the proxy.
func TestProxyPrompt(t *testing.T) {
	port, blob := webServer(t)
	s := startShell(t, exec.Command(smolsh(t), "proxy", "--delay", "1ms", "0=127.0.0.1:"+port))
	s.expect("help() for help, Ctrl-D to leave, which ends the proxy")
	s.expect("tcp 127.0.0.1:")
	s.expect(" = 127.0.0.1:" + port)
	s.expect("smolsh (proxy)> ")
	at := (&program{t: t, out: lockedBuffer{b: *bytes.NewBufferString(s.out.String())}}).found(`tcp (127\.0\.0\.1:\d+)`)
	s.typed("f = fault(link, loss=0.05)\r")
	s.expect("smolsh (proxy)> ")
	got, err := exec.Command("curl", "-s", "-S", "-m", "60", "http://"+at+"/blob").Output()
	if err != nil || sha256.Sum256(got) != sha256.Sum256(blob) {
		t.Errorf("curl: %d octets of %d, %v", len(got), len(blob), err)
	}
	s.typed("print('hits', f.hits > 5, 'retransmitted', [c.value > 5 for c in peer.counters() if c.name == 'TcpRetransSegs'])\r")
	s.expect("hits True retransmitted [True]\n")
	s.typed("peer.ss()\r")
	s.expect("LISTEN")
	s.end(0)
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the listener is still there")
	}
}

// TestProxyPromptFolds: lines about failures are folded at the terminal's width, as everything else is.
func TestProxyPromptFolds(t *testing.T) {
	s := startShell(t, exec.Command(smolsh(t), "proxy", "--delay", "1ms", "0=127.0.0.1:1"))
	s.expect("tcp 127.0.0.1:")
	s.expect("link: delay 1 ms\n")
	s.expect("smolsh (proxy)> ")
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: 62}); err != nil {
		t.Fatal(err)
	}
	at := (&program{t: t, out: lockedBuffer{b: *bytes.NewBufferString(s.out.String())}}).found(`tcp (127\.0\.0\.1:\d+)`)
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.expect("smolsh: " + at + " = 127.0.0.1:1: the target can't be\n")
	s.expect("reached: connect: connection refused\n")
	s.end(0)
}

// TestProxyFewFiles: the proxy warns about a low limit of open files, and the message of a failed accept names the remedy.
func TestProxyFewFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := startPath(t, func(f func()) { f() }, "/bin/sh", "-c", "ulimit -n 64; exec "+smolsh(t)+" proxy 0="+l.Addr().String())
	p.found("the limit of 64 open files allows about (26) connections \\(ulimit -n ")
	p.found("(ready)\n")
	for range 60 {
		c, err := net.Dial("tcp", p.at("tcp", l.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	p.found("too many open files \\((ulimit -n) raises")
}

// TestProxyPcapStdout: with --pcap - standard output has nothing but the capture.
func TestProxyPcapStdout(t *testing.T) {
	cmd := exec.Command(smolsh(t), "proxy", "--pcap", "-", "--faults", "/dev/stdin", "0=80")
	cmd.Stdin = strings.NewReader("print('words')\nping(\"192.168.69.100\", count=1)\nexit()\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || !bytes.HasPrefix(out, []byte("\n\r\r\n")) || bytes.Contains(out, []byte("words\n")) || !strings.Contains(stderr.String(), "words\n") {
		t.Errorf("%v, %q, %q", err, out[:min(len(out), 200)], stderr.String())
	}
}

// TestProxyFaults runs a script that changes the link before the first connection, and ends the proxy from a task. One that fails ends it at once.
func TestProxyFaults(t *testing.T) {
	dir := t.TempDir()
	path, name := smolsh(t), filepath.Join(dir, "f.star")
	for _, c := range []struct {
		script, says string
		status       int
	}{
		{"fault(link, loss=0.5)\nprint(len(faults()))\ndef later():\n    sleep(0.2)\n    exit(7)\nspawn(later)\n", "1\ntcp 127.0.0.1:", 7},
		{"x\n", "undefined: x", 1},
	} {
		if err := os.WriteFile(name, []byte(c.script), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "proxy", "--faults", name, "0=80")
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.status || !strings.Contains(string(out), c.says) {
			t.Errorf("%q: status %d, %s", c.script, code, out)
		}
	}
}

// TestProxyPortInUse: an address that another program has is status 3.
func TestProxyPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path, at := smolsh(t), l.Addr().String()
	for _, args := range [][]string{{at + "=80"}, {"--socks", at}, {"--metrics", at, "0=80"}} {
		cmd := exec.Command(path, append([]string{"proxy"}, args...)...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), at+": another program has the port (") {
			t.Errorf("%v: status %d, %s", args, code, out)
		}
	}
}
