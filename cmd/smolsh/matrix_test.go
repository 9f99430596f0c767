//go:build linux && !portable

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

var updateMatrix = flag.Bool("update", false, "write docs/examples.md")

// place is an environment in which an example runs: on a device of a new namespace, with the kernel as its peer, or in
// a virtual lab.
type place struct {
	t       *testing.T
	path    string // the program's path
	device  string // one of matrixDevices
	flags   []string
	iface   string
	do      func(func()) // runs functions in the program's namespace
	faulty  bool
	virtual bool
	cables  *cables // the switch of the place; nil if it has none
}

// The flags of the middleware. In a virtual lab the seed determines the losses, so these are the bad network of the README. Beside
// a kernel, whose back-off takes real time, they are milder.
var (
	badNetwork    = strings.Fields("--seed 3 --drop-chance 15 --corrupt-chance 15 --size-limit 1600 --tx-rate-limit 4 --rx-rate-limit 4 --shaping-interval 50 --trace")
	betterNetwork = strings.Fields("--drop-chance 5 --corrupt-chance 5 --size-limit 1600 --tx-rate-limit 20 --rx-rate-limit 20 --shaping-interval 50 --trace")
)

var matrixDevices = []string{"virtual", "TAP", "TUN", "raw", "switch"}

func newPlace(t *testing.T, path, device string, faulty bool) *place {
	t.Helper()
	p := &place{t: t, path: path, device: device, faulty: faulty, virtual: device == "virtual", do: here}
	switch device {
	case "virtual":
		p.flags, p.iface = []string{"--device", "sim"}, "eth0"
	case "TAP":
		namespace(t)
		p.flags, p.iface = []string{"--device", "tap:tap0"}, "tap0"
	case "TUN":
		taptest.Namespace(t)
		p.flags, p.iface = []string{"--device", "tun:tun0"}, "tun0"
		ip(t, "tuntap add name tun0 mode tun")
		ip(t, "addr add "+kernel+"/24 dev tun0")
		ip(t, "link set tun0 up")
	case "raw":
		taptest.Namespace(t)
		space := taptest.NewSpace(t)
		taptest.Veth(t, "veth0", kernel+"/24", space, "veth1", "")
		p.flags, p.iface, p.do = []string{"--device", "raw:veth1", "--addr", ours + "/24"}, "veth1", space.Do
	}
	if device == "switch" {
		p.cables = newCables(t)
		p.cables.serve()
		p.flags, p.iface = []string{"--device", "switch:" + p.cables.path, "--addr", ours + "/24"}, filepath.Base(p.cables.path)
	} else if !p.virtual {
		dev := strings.ReplaceAll(p.iface, "veth1", "veth0")
		taptest.Hurry(t, dev, netip.MustParsePrefix(kernel+"/24"), 20*time.Millisecond)
	}
	if faulty {
		p.flags = append(p.flags, map[bool][]string{true: badNetwork, false: betterNetwork}[p.virtual]...)
		dir := t.TempDir()
		if p.cables != nil {
			dir = p.cables.dir
		}
		p.flags = append(p.flags, "--pcap", filepath.Join(dir, "x.pcapng"))
	}
	return p
}

// start runs an example until the test ends.
func (p *place) start(args ...string) *program {
	args[0] = "../../examples/" + args[0]
	if p.cables != nil { // the switch's processes are not root's
		text, err := os.ReadFile(args[0])
		if err != nil {
			p.t.Fatal(err)
		}
		args[0] = p.cables.write(filepath.Base(args[0]), string(text))
		return p.cables.start(append(p.flags[:len(p.flags):len(p.flags)], args...)...)
	}
	return startPath(p.t, p.do, p.path, append(p.flags[:len(p.flags):len(p.flags)], args...)...)
}

// run runs an example to its end and returns its output. The error means a wrong status, or that it was too slow.
func (p *place) run(args ...string) (string, error) {
	s := p.start(args...)
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			err = fmt.Errorf("%w:\n%s", err, tail(s.out.String()))
		}
		return s.out.String(), err
	case <-time.After(40 * time.Second):
		_ = s.cmd.Process.Kill()
		<-done
		return "", fmt.Errorf("not done in 40 s:\n%s", tail(s.out.String()))
	}
}

// expect returns an error that names the first of texts that the output out does not contain, or nil if out contains
// all.
func expect(out string, texts ...string) error {
	for _, text := range texts {
		if !strings.Contains(out, text) {
			return fmt.Errorf("%q was not said:\n%s", text, tail(out))
		}
	}
	return nil
}

// matrix has a row for each example: how to check its work at a place, and why it is not run on some devices.
var matrix = []struct {
	example string
	try     func(p *place) error
	not     map[string]string
}{
	{"ping", tryPing, nil},
	{"httpclient", tryHTTPClient, nil},
	{"client", tryClient, map[string]string{"virtual": "no server there sends lines to reverse"}},
	{"server", tryServer, map[string]string{"virtual": "no client there connects to it"}},
	{"benchmark", tryBenchmark, map[string]string{"raw": "it can't reach the kernel of its own machine", "switch": "no kernel is on the switch"}},
	{"loopback", tryLoopback, nil},
	{"tcpdump", tryTcpdump, map[string]string{"virtual": "no other host sends packets there"}},
}

// switchPeer is the other host of a switch. It has the kernel's address. By its arguments it waits, or tries the
// server, or pings us, until that succeeds.
const switchPeer = `
def page(conn):
    conn.recv_until(b"\r\n\r\n")
    text = "a page of the peer's\n" * 200
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

def lines(conn):
    for text in ["abcdefg", "smolsh"]:
        conn.send(text + "\n")
        print("the client says", conn.recv_until(b"\n"))

def visit():
    c = tcp.connect("192.168.69.1:6970", timeout="20s")
    c.send("abcdefg\n")
    print("6970 says", c.recv_until(b"\n", timeout="20s"))
    u = udp.connect("192.168.69.1:6969")
    u.send("anything")
    print("6969 says", u.recv(timeout="1s").data)

serve("tcp", 8000, page)
serve("tcp", 1234, lines)
print("ready")
for _ in range(60):
    if args == ["visit"]:
        error = catch(visit).error
        if not error:
            break
        print(error)
    if args == ["ping"]:
        ping("192.168.69.1", count=1)
    sleep("100ms")
wait()
`

// peer runs the other host of the switch, until it is stopped.
func (p *place) peer(args ...string) *program {
	peer := p.cables.host(100, switchPeer, args...)
	peer.said("ready")
	return peer
}

func tryPing(p *place) error {
	if p.cables != nil {
		defer p.peer().stop()
	}
	out, err := p.run("ping.star", kernel)
	if err != nil {
		return err
	}
	if p.faulty {
		return expect(out, "56 octets from "+kernel+": seq=", "4 sent, ")
	}
	return expect(out, "seq=0 ttl=64", "seq=1 ttl=64", "seq=2 ttl=64", "seq=3 ttl=64", "4 sent, 4 received, 0% lost")
}

func tryHTTPClient(p *place) error {
	want := "<h1>peer</h1>"
	switch {
	case p.cables != nil:
		defer p.peer().stop()
		want = strings.Repeat("a page of the peer's\n", 200)
	case !p.virtual:
		ln, err := net.Listen("tcp4", ":8000") // on this thread, which is in the namespace
		if err != nil {
			return err
		}
		defer ln.Close()
		want = strings.Repeat("a page of the kernel's\n", 200)
		go func() {
			_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, want) }))
		}()
	}
	out, err := p.run("httpclient.star", kernel, "http://"+kernel+":8000/")
	return errors.Join(err, expect(untraced(out), "HTTP/1.1 200 OK", want))
}

// untraced returns output without the lines of --trace.
func untraced(out string) string {
	var b strings.Builder
	for l := range strings.Lines(out) {
		if !strings.Contains(l, "eth0 ") && !strings.Contains(l, "tap0 ") && !strings.Contains(l, "tun0 ") && !strings.Contains(l, "veth1 ") && !strings.Contains(l, "sw ") &&
			!strings.HasSuffix(l, "x: randomly dropping a packet\n") {
			b.WriteString(l)
		}
	}
	return b.String()
}

func tryClient(p *place) error {
	if p.cables != nil {
		peer := p.peer()
		defer peer.stop()
		if _, err := p.run("client.star", kernel, "1234"); err != nil {
			return err
		}
		peer.said("the client says gfedcba\n")
		peer.said("the client says hsloms\n")
		return nil
	}
	ln, err := net.Listen("tcp4", ":1234")
	if err != nil {
		return err
	}
	defer ln.Close()
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(40 * time.Second))
	s := p.start("client.star", kernel, "1234")
	defer s.stop()
	c, err := ln.Accept()
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, tail(s.out.String()))
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	r := bufio.NewReader(c)
	for _, text := range []string{"abcdefg", "smolsh"} {
		fmt.Fprintln(c, text)
		if got, err := r.ReadString('\n'); err != nil || got != reversed(text)+"\n" {
			return fmt.Errorf("%q reversed is %q: %w", text, got, err)
		}
	}
	return nil
}

func tryServer(p *place) error {
	s := p.start("server.star")
	defer s.stop()
	if p.cables != nil {
		peer := p.peer("visit")
		defer peer.stop()
		peer.said("6970 says gfedcba\n")
		peer.said("6969 says hello\n")
		return nil
	}
	var c *net.TCPConn
	for limit := time.Now().Add(40 * time.Second); c == nil; {
		d, err := net.DialTimeout("tcp4", ours+":6970", 20*time.Second)
		if err == nil {
			c = d.(*net.TCPConn)
		} else if time.Now().After(limit) {
			return fmt.Errorf("%w:\n%s", err, tail(s.out.String()))
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	fmt.Fprintln(c, "abcdefg")
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != "gfedcba\n" {
		return fmt.Errorf("port 6970: got %q: %w", got, err)
	}
	for try := 0; ; try++ {
		out, _ := run("anything", "socat", "-T1", "-t1", "-", "udp:"+ours+":6969")
		if out == "hello" {
			return nil
		}
		if !p.faulty || try == 5 {
			return fmt.Errorf("udp 6969: got %q", out)
		}
	}
}

func tryBenchmark(p *place) error {
	octets := "5000000"
	if p.faulty {
		octets = "20000"
	}
	var all error
	for _, way := range []string{"reader", "writer"} {
		out, err := p.run("benchmark.star", way, octets)
		all = errors.Join(all, err, expect(out, "throughput: "))
	}
	return all
}

func tryLoopback(p *place) error {
	if p.virtual {
		p.flags[1] = "loopback"
	}
	out, err := p.run("loopback.star")
	return errors.Join(err, expect(out, "server: got a chunk of data", "client: got a chunk of data"))
}

func tryTcpdump(p *place) error {
	s := p.start("tcpdump.star", p.iface)
	defer s.stop()
	if p.cables != nil {
		defer p.peer("ping").stop()
		s.said(p.iface + " <  .*" + kernel + " > " + ours + ": ICMP echo request")
		return nil
	}
	want := p.iface + " <  " + kernel + " > " + ours + ": ICMP echo request"
	for limit := time.Now().Add(40 * time.Second); time.Now().Before(limit); {
		_, _ = run("", "ping", "-c1", "-W1", ours)
		if strings.Contains(s.out.String(), want) {
			return nil
		}
	}
	return expect(s.out.String(), want)
}

// TestExamplesOnDevices runs every example on every device that suits it, without the middleware's flags and with all of them, and
// compares the table in docs/examples.md. Beside a kernel the bad network is random, so a failed run there is repeated.
func TestExamplesOnDevices(t *testing.T) {
	taptest.NeedTools(t, "ip", "ping", "socat")
	taptest.Need(t, os.Geteuid() == 0 && exists(doctor.TUNPath), "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	path := smolsh(t)
	var mu sync.Mutex
	cells := map[string]string{}
	t.Run("cells", func(t *testing.T) {
		for _, row := range matrix {
			for _, device := range matrixDevices {
				if row.not[device] != "" {
					continue
				}
				for _, faulty := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s on %s, faults %v", row.example, device, faulty), func(t *testing.T) {
						t.Parallel()
						p := newPlace(t, path, device, faulty)
						err := row.try(p)
						for tries := 1; err != nil && faulty && !p.virtual && tries < 4; tries++ {
							t.Log(err)
							err = row.try(p)
						}
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							t.Error(err)
						} else {
							cells[row.example+" "+device] += " ok"
						}
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	got, file := matrixDoc(cells), "../../docs/examples.md"
	if *updateMatrix {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("docs/examples.md is stale (go test ./cmd/smolsh -run TestExamplesOnDevices -update): %v", err)
	}
}

func matrixDoc(cells map[string]string) string {
	var b strings.Builder
	b.WriteString(`# Every example on every device

Written by ` + "`go test ./cmd/smolsh -run TestExamplesOnDevices -update`" + `, which runs every example in network namespaces
with the kernel as the peer. The first ok is for the example without further flags, the second for the example with every
flag of the middleware. These are, in a virtual lab,

    ` + strings.Join(badNetwork, " ") + `

and on a device, where the kernel's back-off takes real time,

    ` + strings.Join(betterNetwork, " ") + `

each with --pcap. The peer on a TAP and a TUN is the kernel at the other end. On raw it is another kernel, at the far end
of a cable. On switch it is a host of another process, and no process is root.

| Example | ` + strings.Join(matrixDevices, " | ") + " |\n|---|" + strings.Repeat("---|", len(matrixDevices)) + "\n")
	var why []string
	for _, row := range matrix {
		fmt.Fprintf(&b, "| `%s.star`", row.example)
		for _, d := range matrixDevices {
			cell := strings.ReplaceAll(strings.TrimSpace(cells[row.example+" "+d]), " ", ", ")
			if reason := row.not[d]; reason != "" {
				cell = "–"
				why = append(why, fmt.Sprintf("`%s.star` on %s: %s.", row.example, d, reason))
			}
			fmt.Fprintf(&b, " | %s", cell)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\nNot tried: " + strings.ReplaceAll(strings.Join(why, " "), ". `", "; `") + "\n")
	return b.String()
}
