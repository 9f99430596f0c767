//go:build linux && !portable

package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is an ordinary user, who owns no files here and has no capability.
const nobody = 65534

// cables starts processes on one switch. If the tests run as root, the processes run as nobody.
type cables struct {
	t            *testing.T
	smolsh, path string
	dir          string
}

func newCables(t *testing.T) *cables {
	t.Helper()
	c := &cables{t: t, smolsh: smolsh(t), dir: t.TempDir()}
	c.path = filepath.Join(c.dir, "sw")
	if os.Geteuid() == 0 {
		for _, dir := range []string{c.dir, filepath.Dir(c.dir), filepath.Dir(c.smolsh)} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(c.dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// start runs smolsh until the test ends.
func (c *cables) start(args ...string) *program {
	c.t.Helper()
	p := &program{t: c.t, cmd: exec.Command(c.smolsh, args...)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = &p.out, &p.out, c.dir
	if os.Geteuid() == 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := p.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.stop)
	return p
}

// serve runs the switch, and waits until it listens.
func (c *cables) serve() *program {
	c.t.Helper()
	p := c.start("switch", c.path)
	p.said("switch at ")
	return p
}

// host runs a script on a host of the switch; the host's address ends with the octet last.
func (c *cables) host(last int, script string, args ...string) *program {
	c.t.Helper()
	file := c.write(fmt.Sprintf("host%d.star", last), script)
	return c.start(append([]string{"--device", "switch:" + c.path, "--addr", fmt.Sprintf("192.168.69.%d/24", last), file}, args...)...)
}

// write writes a script where the processes can read it.
func (c *cables) write(name, script string) (file string) {
	c.t.Helper()
	file = filepath.Join(c.dir, name)
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// portsNow requests the table of ports by the signal, and returns it by number and column's name.
func (p *program) portsNow() map[int]map[string]string {
	p.t.Helper()
	before := strings.Count(p.out.String(), "frames in,")
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		p.t.Fatal(err)
	}
	p.said(fmt.Sprintf(`(?s)(frames in,.*){%d}dropped:[^\n]*\n`, before+1))
	out := p.out.String()
	lines := strings.Split(out[strings.LastIndex(out, "PORT "):], "\n")
	between := regexp.MustCompile(` {2,}`)
	columns := between.Split(strings.TrimSpace(lines[0]), -1)
	ports := map[int]map[string]string{}
	for _, line := range lines[1:] {
		fields := between.Split(strings.TrimSpace(line), -1)
		number, err := strconv.Atoi(fields[0])
		if err != nil || len(fields) != len(columns) {
			break
		}
		ports[number] = map[string]string{}
		for i, f := range fields {
			ports[number][columns[i]] = f
		}
	}
	return ports
}

// portOf returns the row, in the switch's table of ports, of a port: the port of the process of.cmd, also after that
// process has left.
func (p *program) portOf(of *program) map[string]string {
	p.t.Helper()
	ports := p.portsNow()
	for _, row := range ports {
		if row["PID"] == strconv.Itoa(of.cmd.Process.Pid) {
			return row
		}
	}
	p.t.Fatalf("process %d has no port among %v", of.cmd.Process.Pid, ports)
	return nil
}

// The receiver sends data for port 9 on to the test, and discards data for port 10.
const receiverScript = `
def hand_on(conn):
    k = kernel.tcp.connect(args[0])
    for i in range(1000000):
        b = conn.recv()
        if not b:
            break
        k.send(b)
    k.close()
serve("tcp", 9, hand_on)
serve("tcp", 10, discard)
print("ready")
wait()
`

// The sender sends on the test's data.
const senderScript = `
k = kernel.tcp.connect(args[0])
c = tcp.connect("192.168.69.1:9")
for i in range(1000000):
    b = k.recv()
    if not b:
        break
    c.send(b)
c.close()
wait()
`

// The third host sends without end, until it is killed.
const thirdScript = `
c = tcp.connect("192.168.69.1:10")
def talk():
    for i in range(1000000):
        c.send(b"y" * 65536)
        sleep("1ms")
spawn(talk)
print("talking")
wait()
`

// The flooder sends more to a station than all queues on the way hold.
const flooderScript = `
neighbors.add("192.168.69.3", args[0])
u = udp.connect("192.168.69.3:9")
for i in range(100):
    for j in range(50):
        u.send(b"x" * 1400)
    sleep("1ms")
print("flooded")
`

// TestThreeProcesses has two processes transfer octets over a switch while a third one, which transfers data itself, is killed, or
// stopped and flooded. The two are not affected. All processes run as nobody.
func TestThreeProcesses(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(sig.String(), func(t *testing.T) {
			cs := newCables(t)
			sw := cs.serve()
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			receiver := cs.host(1, receiverScript, ln.Addr().String())
			receiver.said("ready")
			third := cs.host(3, thirdScript)
			third.said("talking")
			sender := cs.host(2, senderScript, ln.Addr().String())
			in, err := ln.Accept() // the sender connects to the test first, then to the receiver
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			data := noise(16 << 20)
			half := len(data) / 2
			rest := make(chan struct{})
			go func() { // beside the reading below, so that no buffer on the way must hold half of the data
				_, _ = in.Write(data[:half])
				<-rest
				_, _ = in.Write(data[half:])
				_ = in.(*net.TCPConn).CloseWrite()
			}()
			out, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			_ = out.SetDeadline(time.Now().Add(time.Minute))
			hash := sha256.New()
			if n, err := io.CopyN(hash, out, int64(half/2)); err != nil {
				t.Fatalf("%d octets arrived: %v\n%s", n, err, tail(sender.out.String()))
			}

			row := sw.portOf(third)
			if row["STATE"] != "up" || row["RX"] == "0" || !strings.HasPrefix(row["ADDRESSES"], "02:") {
				t.Errorf("the third process's port: %v", row)
			}
			if err := third.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if sig == syscall.SIGKILL {
				_ = third.cmd.Wait()
				sw.said(fmt.Sprintf(`port %s leaves  pid %s  uid %s  rx \d+ .* %s\n`, row["PORT"], row["PID"], row["UID"], row["ADDRESSES"]))
			} else {
				defer func() { _ = third.cmd.Process.Signal(syscall.SIGCONT) }()
				cs.host(4, flooderScript, row["ADDRESSES"]).said("flooded")
			}
			close(rest)
			n, err := io.Copy(hash, out)
			if got, want := [32]byte(hash.Sum(nil)), sha256.Sum256(data); err != nil || got != want {
				t.Errorf("%d octets arrived, hash %x, want %x: %v", int64(half/2)+n, got, want, err)
			}

			row = sw.portOf(third)
			if sig == syscall.SIGKILL {
				if row["STATE"] != "left" {
					t.Errorf("the port of the killed process: %v", row)
				}
			} else {
				if row["STATE"] != "up" || !strings.Contains(row["DROPPED"], "queue full") {
					t.Errorf("the port of the stopped process: %v", row)
				}
				_ = third.cmd.Process.Signal(syscall.SIGCONT)
				cs.host(5, `print("again" if ping("192.168.69.3", count=50, interval="100ms").received > 0 else "never")`).said("again")
			}
			for _, p := range []*program{receiver, sender} {
				// The first process announced itself before there was another, and one that has left may have been sent a last
				// frame.
				if row := sw.portOf(p); strings.Contains(row["DROPPED"], "queue full") {
					t.Errorf("the port of one of the two: %v", row)
				}
			}
			sw.stop()
			if _, err := os.Lstat(cs.path); err == nil {
				t.Error("the switch left its socket")
			}
		})
	}
}

// TestSwitchRestarted kills a switch under a connection and starts another one. The hosts report once that it is gone, find the
// new one, and the connection continues. Their hardware addresses differ, and stay.
func TestSwitchRestarted(t *testing.T) {
	cs := newCables(t)
	sw := cs.serve()
	receiver := cs.host(1, `
serve("tcp", 7, echo)
print("ready", ifaces()[0].hwaddr)
wait()`)
	mac := receiver.said(`ready (02:\S+)`)[1]
	sender := cs.host(2, `
c = tcp.connect("192.168.69.1:7")
c.send("first"); c.recv_exactly(5)
print("first", ifaces()[0].hwaddr)
on("link", lambda e: print("event", e.new))
for i in range(600):
    if ifaces()[0].state != "UP":
        break
    sleep("50ms")
c.send("second")
print("second", c.recv_exactly(6))
wait()`)
	if own := sender.said(`first (02:\S+)`)[1]; own == mac {
		t.Errorf("both hosts are %s", mac)
	}
	if err := sw.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = sw.cmd.Wait()
	gone := `smolsh: ` + regexp.QuoteMeta(cs.path) + `: the switch is gone \(smolsh switch \S+ serves one anew, and the host finds it\)`
	sender.said(gone)
	receiver.said(gone)
	sw = cs.serve() // over the socket that the killed switch left
	sender.said(`smolsh: sw: the link is up again`)
	sender.said(`second second`)
	if out := sender.out.String(); strings.Count(out, "the switch is gone") != 1 {
		t.Errorf("the loss is told more than once:\n%s", out)
	}
	if row := sw.portOf(receiver); row["ADDRESSES"] != mac {
		t.Errorf("the address was %s: %v", mac, row)
	}
}

// TestAddressTwice: a host reports another host that has its address, when that host announces it.
func TestAddressTwice(t *testing.T) {
	cs := newCables(t)
	cs.serve()
	const report = `on("conflict", lambda e: print("conflict", e.address, e.hwaddr)); serve("tcp", 7, echo); print("ready", ifaces()[0].hwaddr); `
	first := cs.host(1, report+`wait()`)
	first.said(`ready`)
	second := cs.start("--device", "switch:"+cs.path, "-c", report+`ping("192.168.69.9", count=1); wait()`)
	other := second.said(`ready (02:\S+)`)[1]
	first.said(`conflict 192\.168\.69\.1 ` + other)
}
