//go:build linux && !portable

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy/tap/taptest"
)

// These tests run the program on a persistent TAP in a network namespace of their own. The kernel and its usual clients are the
// peers.

const (
	ours   = "192.168.69.1"
	kernel = "192.168.69.100"
)

// namespace moves the calling goroutine permanently into a new network namespace with tap0.
func namespace(t *testing.T) {
	t.Helper()
	taptest.Namespace(t)
	taptest.TAP(t, "tap0", netip.MustParsePrefix(kernel+"/24"))
}

// program is a running smolsh.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	out lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs smolsh on tap0 until the test ends.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return startIn(t, func(f func()) { f() }, append([]string{"--device", "tap:tap0"}, args...)...)
}

// startIn runs smolsh until the test ends, in the namespace in which do runs functions.
func startIn(t *testing.T, do func(func()), args ...string) *program {
	t.Helper()
	return startPath(t, do, smolsh(t), args...)
}

// startPath is startIn for a program that is already built.
func startPath(t *testing.T, do func(func()), path string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	var err error
	do(func() { err = p.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *program) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	again := time.AfterFunc(time.Second, func() { // the first may have ended only a ping or a sniff, whose result the script kept
		_ = p.cmd.Process.Signal(os.Interrupt)
	})
	defer again.Stop()
	select {
	case <-done:
		if code := p.cmd.ProcessState.ExitCode(); code != 130 && code != 0 {
			p.t.Errorf("smolsh ended with %d:\n%s", code, tail(p.out.String()))
		}
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("smolsh did not end on interrupt:\n%s", tail(p.out.String()))
	}
}

func tail(s string) string {
	if len(s) > 4000 {
		return "…" + s[len(s)-4000:]
	}
	return s
}

// run runs a command in the namespace and returns its output.
func run(stdin string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// dial connects from the kernel, and retries until the server listens.
func dial(t *testing.T, port int) *net.TCPConn {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", ours, port), 30*time.Second)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
			return c.(*net.TCPConn)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// checkCapture reads a capture with tshark and reports the packets that match a display filter. The content of TCP and UDP is not
// dissected, since the kernel's random port may be some protocol's.
func checkCapture(t *testing.T, file string, filter string) {
	t.Helper()
	out, err := run("", "tshark", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
		"-o", "udp.check_checksum:TRUE", "-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data", "-Y", filter)
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, out)
	}
	var bad []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "Running as user") {
			bad = append(bad, line)
		}
	}
	if len(bad) > 0 {
		t.Errorf("%s: %d packets match %s, the first: %s", filepath.Base(file), len(bad), filter, bad[0])
	}
}

// ourBad matches packets of ours that are malformed or have a bad checksum.
const ourBad = `ip.src == 192.168.69.1 && !icmp.type == 3 && (_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0)`

// TestServerLive runs examples/server.star, to which the kernel's clients connect, without and with faults. Each case
// is one goroutine, without subtests: only the thread that made the namespace is in it.
func TestServerLive(t *testing.T) {
	t.Parallel() // the test mostly waits for timers in back-off
	t.Run("clean", func(t *testing.T) { t.Parallel(); serverLive(t, false) })
	t.Run("faults", func(t *testing.T) {
		t.Parallel()
		// One in three exchanges is lost. With much more loss, one connection in hundreds would back off for too long.
		serverLive(t, true, "--drop-chance", "10", "--corrupt-chance", "10", "--seed", "7")
	})
}

func serverLive(t *testing.T, faulty bool, flags ...string) {
	taptest.NeedTools(t, "ping", "socat", "tshark")
	namespace(t)
	flood := "-w60"
	if faulty {
		taptest.Hurry(t, "tap0", netip.MustParsePrefix(kernel+"/24"), 20*time.Millisecond)
		flood = "-w5"
	}
	file := filepath.Join(t.TempDir(), "server.pcapng")
	p := start(t, append(flags, "--pcap", file, "../../examples/server.star")...)
	dial(t, 6969).Close() // the server is up

	out, err := run("", "ping", "-c5", "-i0.2", ours)
	if !faulty && (err != nil || !strings.Contains(out, "5 received")) {
		t.Errorf("ping: %v: %s", err, out)
	}
	out, err = run("", "ping", "-f", "-c2000", "-s1400", flood, ours)
	if !faulty && (err != nil || !strings.Contains(out, "2000 received")) {
		t.Errorf("ping -f: %v: %s", err, out)
	}
	for try := 0; ; try++ {
		out, _ = run("anything", "socat", "-T1", "-t1", "-", "udp:"+ours+":6969")
		if out == "hello" {
			break
		}
		if !faulty || try == 20 {
			t.Errorf("udp 6969: got %q", out)
			break
		}
	}
	if out, err = run("", "socat", "-u", "tcp:"+ours+":6969", "-"); err != nil || out != "hello" {
		t.Errorf("tcp 6969: got %q: %v", out, err)
	}
	if out, err = run("smolsh\n", "socat", "-t120", "-", "tcp:"+ours+":6970"); err != nil || out != "hsloms\n" {
		t.Errorf("tcp 6970: got %q: %v", out, err)
	}
	size := int64(4 << 20)
	if faulty {
		size = 20 << 10
	}
	sink := dial(t, 6971)
	if n, err := io.Copy(sink, io.LimitReader(zeros{}, size)); err != nil || n != size {
		t.Errorf("tcp 6971: sent %d: %v", n, err)
	}
	sink.Close()
	source := dial(t, 6972)
	if _, err := io.CopyN(io.Discard, source, size>>8); err != nil { // the server's buffer is 64 octets
		t.Errorf("tcp 6972: %v", err)
	}
	source.Close()
	hundred(t)
	p.stop()
	checkCapture(t, file, ourBad)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// hundred opens a hundred connections to 6970 before it uses the first one.
func hundred(t *testing.T) {
	conns := make([]*net.TCPConn, 100)
	var wg sync.WaitGroup
	fd := make(chan int, len(conns)) // dialled here: only this thread is in the namespace
	for i := range conns {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		addr := &unix.SockaddrInet4{Port: 6970, Addr: netip.MustParseAddr(ours).As4()}
		if err := unix.Connect(s, addr); err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		fd <- s
		_ = i
	}
	for i := range conns {
		s := <-fd
		pfd := []unix.PollFd{{Fd: int32(s), Events: unix.POLLOUT}}
		for {
			n, err := unix.Poll(pfd, 140_000)
			if err == unix.EINTR {
				continue
			}
			if n != 1 || err != nil {
				t.Fatalf("connection %d: no answer: %v", i, err)
			}
			break
		}
		if e, _ := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_ERROR); e != 0 {
			t.Fatalf("connection %d: %v", i, unix.Errno(e))
		}
		f := os.NewFile(uintptr(s), "")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.TCPConn)
	}
	for i, c := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
			line := fmt.Sprintf("connection %d says %x", i, rand.Uint64())
			fmt.Fprintln(c, line)
			got, err := bufio.NewReader(c).ReadString('\n')
			if err != nil || got != reversed(line)+"\n" {
				t.Errorf("connection %d: got %q: %v", i, got, err)
			}
		}()
	}
	wg.Wait()
}

// TestClientsLive runs the client examples against the kernel.
func TestClientsLive(t *testing.T) {
	t.Parallel()
	taptest.NeedTools(t, "ip", "python3", "tshark")
	namespace(t)
	web := t.TempDir()
	page := strings.Repeat("<p>a page of the kernel's</p>\n", 2000)
	if err := os.WriteFile(filepath.Join(web, "page.html"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	python := exec.Command("python3", "-m", "http.server", "8000", "--bind", kernel, "--directory", web)
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = python.Process.Kill(); _ = python.Wait() })
	for {
		c, err := net.Dial("tcp", kernel+":8000")
		if err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	path := smolsh(t)
	shell := func(args ...string) (string, error) {
		return run("", path, append([]string{"--device", "tap:tap0"}, args...)...)
	}
	file := filepath.Join(t.TempDir(), "ping.pcapng")

	out, err := shell("--pcap", file, "../../examples/ping.star", kernel)
	if err != nil || len(regexp.MustCompile(`(?m)^56 octets from 192\.168\.69\.100: seq=[0-3] ttl=64 time=`).FindAllString(out, -1)) != 4 ||
		!strings.Contains(out, "4 sent, 4 received, 0% lost") {
		t.Errorf("ping: %v: %s", err, out)
	}
	checkCapture(t, file, ourBad)
	out, _ = shell("-c", `print(ping("192.168.69.9", count=1).error)`)
	if !strings.Contains(out, "host unreachable") {
		t.Errorf("ping of nobody: %s", out)
	}
	out, err = shell("--pcap", file, "../../examples/httpclient.star", kernel, "http://"+kernel+"/page.html")
	if err == nil { // port 80 has no server
		t.Errorf("httpclient on port 80: %s", out)
	}
	out, err = shell("--pcap", file, "../../examples/httpclient.star", kernel, "http://"+kernel+":8000/page.html")
	if err != nil || !strings.Contains(out, "200 OK") || !strings.Contains(out, page) {
		t.Errorf("httpclient: %v: %s", err, tail(out))
	}
	checkCapture(t, file, ourBad)
	out, err = shell("-c", `tcp.connect("192.168.69.100:81")`)
	if code := err.(*exec.ExitError).ExitCode(); code != 1 || !strings.Contains(out, "tcp 192.168.69.100:81: connection refused") {
		t.Errorf("closed port: exit status %d: %s", code, out)
	}
	out, err = shell("-c", `tcp.connect("192.168.69.9:81")`)
	if err == nil || !strings.Contains(out, "host unreachable") {
		t.Errorf("nobody: %v: %s", err, out)
	}
}
