//go:build linux

package live

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// pipe is a pollable device on one end of a socket pair with short buffers. The test uses the other end.
type pipe struct {
	name string
	fd   int
	end  int
	gone bool // true if reads report that the device was deleted
}

func newPipe(t *testing.T, name string) *pipe {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return &pipe{name: name, fd: fds[0], end: fds[1]}
}

func (p *pipe) Name() string { return p.name }
func (p *pipe) FD() int      { return p.fd }
func (p *pipe) Close() error { return nil }
func (p *pipe) Capabilities() phy.Capabilities {
	return phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}
}

func (p *pipe) Recv(frames []*phy.Frame) (int, error) {
	if p.gone {
		return 0, phy.ErrClosed
	}
	for i, f := range frames {
		n, err := unix.Read(p.fd, f.Tail())
		if err != nil || n == 0 {
			return i, nil // no packet waits, or the device does not report its hang-up
		}
		f.Extend(n)
	}
	return len(frames), nil
}

func (p *pipe) Send(frames []*phy.Frame) (int, error) {
	for i, f := range frames {
		if _, err := unix.Write(p.fd, f.Bytes()); err == unix.EAGAIN {
			return i, nil
		} else if err != nil {
			return i, phy.ErrDown
		}
	}
	return len(frames), nil
}

// next returns the next packet that the host sent, nil if there was none within a second.
func (p *pipe) next() []byte {
	buf := make([]byte, 2000)
	fds := []unix.PollFd{{Fd: int32(p.end), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 1000)
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			return nil
		}
		n, err = unix.Read(p.end, buf)
		if err != nil {
			return nil
		}
		return buf[:n]
	}
}

// udpPayload returns the payload of a UDP datagram in an IPv4 packet without options.
func udpPayload(b []byte) string {
	if len(b) < wire.IPv4Len+wire.UDPLen {
		return fmt.Sprintf("%d octets", len(b))
	}
	return string(b[wire.IPv4Len+wire.UDPLen:])
}

// rig is a live lab of two hosts, 10.0.0.1 and 10.0.1.1. Each host is on a pipe and has a UDP socket.
type rig struct {
	lab.Runner
	w        *lab.World
	pipes    [2]*pipe
	ports    [2]*lab.Port
	socks    [2]*stack.UDPConn
	failures chan error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{w: lab.NewWorld(), failures: make(chan error, 10)}
	g.w.OnDeviceError = func(p *lab.Port, err error) { g.failures <- err }
	l := lab.New(g.w, 1)
	for i := range g.pipes {
		h, err := l.AddHost(lab.HostConfig{Name: fmt.Sprint("h", i)})
		if err != nil {
			t.Fatal(err)
		}
		g.pipes[i] = newPipe(t, fmt.Sprint("pipe", i))
		if g.ports[i], err = h.Attach(g.pipes[i], netip.MustParsePrefix(fmt.Sprintf("10.0.%d.1/24", i))); err != nil {
			t.Fatal(err)
		}
		if g.socks[i], err = h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	g.Runner = start(t, g.w)
	return g
}

func (g *rig) send(t *testing.T, i int, text string) {
	t.Helper()
	g.Do(func(now clock.Instant) {
		to := netip.MustParseAddrPort(fmt.Sprintf("10.0.%d.2:1000", i))
		if err := g.socks[i].Send(now, []byte(text), to); err != nil {
			t.Errorf("host %d: %v", i, err)
		}
	})
}

// TestAFullDeviceHoldsUpNobody: frames for a full device wait in order, and delay no other device.
func TestAFullDeviceHoldsUpNobody(t *testing.T) {
	g := newRig(t)
	const n = 150
	for i := range n {
		g.send(t, 0, fmt.Sprint("datagram ", i))
	}
	g.Do(func(clock.Instant) {
		if !g.ports[0].Full() {
			t.Error("the device took everything: the test shows nothing")
		}
	})
	for i := range 10 {
		text := fmt.Sprint("other ", i)
		g.send(t, 1, text)
		if got := udpPayload(g.pipes[1].next()); got != text {
			t.Errorf("the other device sent %q, want %q", got, text)
		}
	}
	for i := range n {
		if got, want := udpPayload(g.pipes[0].next()), fmt.Sprint("datagram ", i); got != want {
			t.Fatalf("sent %q, want %q", got, want)
		}
	}
	g.Do(func(clock.Instant) {
		if g.ports[0].Full() {
			t.Error("still full")
		}
	})
}

// TestAFailedDeviceIsReportedOnce: the loop reports a device that fails, or whose descriptor only hangs up, once, and
// continues.
func TestAFailedDeviceIsReportedOnce(t *testing.T) {
	for _, c := range []struct {
		what string
		fail func(p *pipe)
		want error
	}{
		{"deleted", func(p *pipe) { p.gone = true; unix.Write(p.end, []byte{0}) }, phy.ErrClosed},
		{"hung up", func(p *pipe) { unix.Shutdown(p.end, unix.SHUT_RDWR) }, errPoll},
	} {
		t.Run(c.what, func(t *testing.T) {
			g := newRig(t)
			g.Do(func(clock.Instant) { c.fail(g.pipes[0]) })
			if err := <-g.failures; !errors.Is(err, c.want) {
				t.Errorf("reported %v, want %v", err, c.want)
			}
			g.send(t, 1, "alive")
			if got := udpPayload(g.pipes[1].next()); got != "alive" {
				t.Errorf("the other device sent %q", got)
			}
			g.Do(func(clock.Instant) {
				if ports, _ := g.w.Devices(); len(ports) != 1 || g.ports[0].Err() == nil {
					t.Errorf("%d devices are polled, error %v", len(ports), g.ports[0].Err())
				}
			})
			if len(g.failures) != 0 {
				t.Errorf("reported again: %v", <-g.failures)
			}
		})
	}
}

// TestAttachAndDetachWhileRunning: an interface can be attached and removed while the loop runs.
func TestAttachAndDetachWhileRunning(t *testing.T) {
	g := newRig(t)
	late := newPipe(t, "late")
	var sock *stack.UDPConn
	var port *lab.Port
	g.Do(func(now clock.Instant) {
		h := g.ports[0].Host()
		var err error
		if port, err = h.Attach(late, netip.MustParsePrefix("10.0.2.1/24")); err != nil {
			t.Error(err)
		}
		if sock, err = h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 2000)); err != nil {
			t.Error(err)
		}
		if err := sock.Send(now, []byte("hello"), netip.MustParseAddrPort("10.0.2.2:7")); err != nil {
			t.Error(err)
		}
	})
	packet := late.next()
	if got := udpPayload(packet); got != "hello" {
		t.Fatalf("sent %q", got)
	}
	// The peer returns the packet with its addresses exchanged. The host receives that packet only if the runner polls the descriptor.
	back := append([]byte(nil), packet...)
	copy(back[12:16], packet[16:20])
	copy(back[16:20], packet[12:16])
	copy(back[20:22], packet[22:24])
	copy(back[22:24], packet[20:22])
	wake := make(chan struct{}, 1)
	g.Do(func(clock.Instant) { sock.Signal.Wait(&stack.Waiter{Wake: func() { wake <- struct{}{} }}) })
	if _, err := unix.Write(late.end, back); err != nil {
		t.Fatal(err)
	}
	g.Idle(wake)
	g.Do(func(clock.Instant) {
		var b [100]byte
		if n, from, err := sock.Recv(b[:]); err != nil || string(b[:max(n, 0)]) != "hello" || from.String() != "10.0.2.2:7" {
			t.Errorf("received %d octets from %v, %v", n, from, err)
		}
		port.Detach()
		if ports, _ := g.w.Devices(); len(ports) != 2 {
			t.Errorf("%d devices, want 2", len(ports))
		}
	})
	if len(g.failures) != 0 {
		t.Error("a detached device was reported as failed")
	}
}

// TestTwoTAPsAtOnce: the kernel pings two hosts of ours on two TAPs at once. Then one TAP is deleted, and the other
// host still answers.
func TestTwoTAPsAtOnce(t *testing.T) {
	taptest.Namespace(t)
	taptest.NeedTools(t, "ping")
	w := lab.NewWorld()
	failures := make(chan error, 10)
	w.OnDeviceError = func(p *lab.Port, err error) { failures <- err }
	l := lab.New(w, 1)
	for i := range 2 {
		name := fmt.Sprint("tap", i)
		taptest.TAP(t, name, netip.MustParsePrefix(fmt.Sprintf("192.168.%d.100/24", 69+i)))
		dev, err := tap.Open(name, tap.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dev.Close() })
		h, err := l.AddHost(lab.HostConfig{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Attach(dev, netip.MustParsePrefix(fmt.Sprintf("192.168.%d.1/24", 69+i))); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, w)
	ping := func(i int) *exec.Cmd {
		c := exec.Command("ping", "-c", "200", "-i", "0.002", "-W", "2", "-s", "1000", fmt.Sprintf("192.168.%d.1", 69+i))
		c.Stdout, c.Stderr = &log{t: t}, &log{t: t}
		if err := c.Start(); err != nil { // runs in this thread's namespace
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []*exec.Cmd{ping(0), ping(1)} {
		if err := c.Wait(); err != nil {
			t.Errorf("ping: %v", err)
		}
	}
	r.Do(func(now clock.Instant) {
		for _, h := range l.Hosts() {
			if n := h.IfaceInfos()[0].TxPackets; n < 200 {
				t.Errorf("%s sent %d packets, want 200 echo replies", h.Name(), n)
			}
		}
		if err := l.Conservation(); err != nil {
			t.Error(err)
		}
	})
	link, err := netlink.LinkByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failures:
		if !errors.Is(err, phy.ErrClosed) {
			t.Errorf("a deleted TAP was reported as: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody noticed that the TAP was deleted")
	}
	if err := ping(1).Wait(); err != nil {
		t.Errorf("ping after the other device was deleted: %v", err)
	}
	if len(failures) != 0 {
		t.Errorf("reported again: %v", <-failures)
	}
}

// log writes a program's output to the test's log.
type log struct{ t *testing.T }

func (l *log) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// TestDatagramsTogether: datagrams that the kernel sends as one super-segment reach a socket one by one.
func TestDatagramsTogether(t *testing.T) {
	r, h, _ := onTAP(t)
	var u *stack.UDPConn
	var err error
	r.Do(func(clock.Instant) { u, err = h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 7)) })
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 1000); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(fd, make([]byte, 2500), 0, &unix.SockaddrInet4{Port: 7, Addr: [4]byte{192, 168, 69, 1}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1000, 1000, 500} {
		n := -1
		for limit := time.Now().Add(10 * time.Second); n < 0 && time.Now().Before(limit); {
			r.Do(func(clock.Instant) { n, _, err = u.Recv(make([]byte, 3000)) })
		}
		if n != want || err != nil {
			t.Errorf("received %d octets, %v, want %d", n, err, want)
		}
	}
}
