//go:build linux

package tap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/ifconfig"
	"smolsh/stack/wire"
)

// inside is set in the process that runs the tests as root of a user namespace.
const inside = "SMOLSH_TAP_TEST_INSIDE"

// TestMain runs the tests as root. For an ordinary user it runs them in a new user namespace.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		fmt.Println("no user namespace, so the tests that need one are skipped:", err)
		os.Exit(m.Run())
	}
	cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// inNamespace moves the thread of the test to a new network namespace. The thread never leaves it, and ends with the
// test.
func inNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		err = unix.Access(tunPath, unix.R_OK|unix.W_OK)
	}
	if err == nil {
		return
	}
	const how = "needs a network namespace and " + tunPath + ": run as root, with the tun module loaded"
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: %v", how, err)
	}
	t.Skipf("%s: %v", how, err)
}

func open(t *testing.T, name string, opts Options) *Device {
	t.Helper()
	d, err := Open(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func exists(name string) bool {
	_, err := netlink.LinkByName(name)
	return err == nil
}

// wait waits for the descriptor to become readable; the limit only guards against a hang.
func wait(t *testing.T, fd int) {
	t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10000); n != 1 || err != nil {
		t.Fatalf("poll: %d, %v", n, err)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"tap0", "a", "fifteen-octets-"} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for name, why := range map[string]string{
		"":                 "empty",
		"sixteen-octets--": "16 octets, 15 are allowed",
		".":                "directory",
		"..":               "directory",
		"tap/0":            "not allowed",
		"tap:0":            "not allowed",
		"tap%d":            "not allowed",
		"tap 0":            "spaces",
		"tap\x00":          "control",
	} {
		err := CheckName(name)
		if !errors.Is(err, ErrName) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := Open(name, Options{}); !errors.Is(err, ErrName) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

func TestPersistenceStaysAsItWas(t *testing.T) {
	inNamespace(t)
	made := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "kept0"}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(made); err != nil {
		t.Fatal(err)
	}
	for _, fd := range made.Fds {
		fd.Close()
	}
	for _, c := range []struct {
		name string
		opts Options
		want bool
	}{
		{"kept0", Options{}, true},
		{"kept0", Options{Persist: true}, true},
		{"gone0", Options{}, false},
		{"new0", Options{Persist: true}, true},
		{"new0", Options{}, true},
		{"kept0", Options{Plain: true}, true},
		{"gone0", Options{Plain: true}, false},
		{"new1", Options{Plain: true, Persist: true}, true},
		{"new1", Options{Plain: true}, true},
	} {
		d := open(t, c.name, c.opts)
		if !exists(c.name) {
			t.Fatalf("%s does not exist while it is open", c.name)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := exists(c.name); got != c.want {
			t.Errorf("%s with %+v: exists after Close: %v, want %v", c.name, c.opts, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	inNamespace(t)
	before := tunDescriptors()
	d := open(t, "tap0", Options{})
	for _, plain := range []bool{false, true} {
		if _, err := Open("tap0", Options{Plain: plain}); !errors.Is(err, ErrBusy) || err.Error() != "tap0: busy: another program has it open" {
			t.Errorf("second opener, plain %v: %v", plain, err)
		}
	}
	if got := len(tunDescriptors()) - len(before); got != 1 {
		t.Errorf("%d descriptors are open, want 1: a refused open leaves one behind", got)
	}
	if !exists("tap0") {
		t.Error("the second opener deleted the device")
	}
	if _, err := Open("lo", Options{}); !errors.Is(err, ErrKind) {
		t.Errorf("lo: %v", err)
	}
	tun, err := water.New(water.Config{DeviceType: water.TUN, PlatformSpecificParams: water.PlatformSpecificParams{Name: "tun0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	if _, err := Open("tun0", Options{}); !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "it is a tun, not a tap") {
		t.Errorf("tun0: %v", err)
	}
	d.Close()
	if err := d.Close(); !errors.Is(err, phy.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := d.Recv([]*phy.Frame{phy.NewFrame(100)}); !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Recv after Close: %v", err)
	}
	if _, err := d.Send([]*phy.Frame{phy.NewFrame(100)}); !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if err := d.Refresh(); !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Refresh after Close: %v", err)
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
		text string
	}{
		{unix.EACCES, ErrPermission, "not permitted: /dev/net/tun: permission denied"},
		{os.NewSyscallError("ioctl", unix.EPERM), ErrOwner, "tap0: not yours"},
		{unix.ENOENT, unix.ENOENT, "no TAP devices here: /dev/net/tun: no such file"},
		{unix.ENODEV, ErrUnavailable, "no such device"},
		{os.NewSyscallError("ioctl", unix.EINVAL), ErrKind, "not a tap"},
		{unix.EMFILE, unix.EMFILE, "too many open files"},
	} {
		if err := (&Device{name: "tap0", mode: netlink.TUNTAP_MODE_TAP}).explain(c.err); !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "tap0: ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
}

func TestDescriptor(t *testing.T) {
	inNamespace(t)
	for i, plain := range []bool{false, true} {
		d := open(t, fmt.Sprint("tap", i), Options{Plain: plain})
		if flags, err := unix.FcntlInt(uintptr(d.FD()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("plain %v: not closed on exec: %#x, %v", plain, flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(d.FD()), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("plain %v: blocking: %#x, %v", plain, flags, err)
		}
	}
}

func TestLinkStateAndMTU(t *testing.T) {
	inNamespace(t)
	d := open(t, "tap0", Options{})
	if c := d.Capabilities(); c != (phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500, MaxGSO: 65535, TxChecksum: true, Gather: true}) || d.Up() {
		t.Errorf("at first: %+v, up %v", c, d.Up())
	}
	if c := open(t, "tap1", Options{Plain: true}).Capabilities(); c != (phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500}) {
		t.Errorf("plain: %+v", c)
	}
	f := phy.NewFrame(100)
	f.Extend(60)
	if n, err := d.Send([]*phy.Frame{f}); n != 0 || err != phy.ErrDown {
		t.Errorf("Send while down = %d, %v", n, err)
	}
	if err := ifconfig.Setup("tap0", []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fdaa::1/64")}, 9000); err != nil {
		t.Fatal(err)
	}
	if err := d.Refresh(); err != nil {
		t.Fatal(err)
	}
	if d.Capabilities().MTU != 9000 || !d.Up() {
		t.Errorf("after Setup: %+v, up %v", d.Capabilities(), d.Up())
	}
	link, _ := netlink.LinkByName("tap0")
	addrs, _ := netlink.AddrList(link, netlink.FAMILY_ALL)
	text := fmt.Sprint(addrs)
	if !strings.Contains(text, "10.9.0.1/24") || !strings.Contains(text, "fdaa::1/64") {
		t.Errorf("addresses %v", text)
	}
	if err := ifconfig.SetUp("tap0", false); err != nil {
		t.Fatal(err)
	}
	if d.Refresh(); d.Up() {
		t.Error("still up")
	}
	if err := ifconfig.Setup("nosuch0", nil, 0); err == nil || !strings.HasPrefix(err.Error(), "nosuch0: ") {
		t.Errorf("Setup of no device: %v", err)
	}
}

func TestDeletedDevice(t *testing.T) {
	inNamespace(t)
	d := open(t, "tap0", Options{})
	link, err := netlink.LinkByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	f := phy.NewFrame(100)
	f.Extend(60)
	if n, err := d.Send([]*phy.Frame{f}); n != 0 || !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Send = %d, %v", n, err)
	}
	f.Reset()
	if n, err := d.Recv([]*phy.Frame{f}); n != 0 || !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Recv = %d, %v", n, err)
	}
	if err := d.Refresh(); !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Refresh: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// host is a host on one of the TAPs of TestTwoTAPs. The kernel does not have the host's IP address and hardware
// address.
type host struct {
	dev      *Device
	undone   int // number of received datagrams with an unfinished checksum
	kernel   netip.Addr
	addr     netip.Addr
	mac, far wire.HardwareAddr
}

func (h *host) udp(srcPort, dstPort uint16, payload []byte) *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	copy(f.Extend(len(payload)), payload)
	f.Prepend(wire.UDPLen)
	u := wire.UDP{SrcPort: srcPort, DstPort: dstPort}
	u.Put(f.Bytes(), h.addr, h.kernel)
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolUDP, Src: h.addr, Dst: h.kernel, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	e := wire.Ethernet{Dst: h.far, Src: h.mac, Type: wire.EtherTypeIPv4}
	e.Put(f.Prepend(wire.EthernetLen))
	return f
}

// receive reads the device until want datagrams have arrived, and returns their payloads in order.
func (h *host) receive(t *testing.T, want int) (out []string) {
	t.Helper()
	frames := []*phy.Frame{phy.NewFrame(phy.FrameSize), phy.NewFrame(phy.FrameSize), phy.NewFrame(phy.FrameSize)}
	for len(out) < want {
		for _, f := range frames {
			f.Reset()
		}
		n, err := h.dev.Recv(frames)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			wait(t, h.dev.FD())
		}
		for _, f := range frames[:n] {
			undone := f.Offload.NeedsCsum
			phy.FinishChecksum(f, phy.MediumEthernet)
			e, b, err := wire.ParseEthernet(f.Bytes())
			if err != nil || e.Type != wire.EtherTypeIPv4 {
				continue // IPv6 that the kernel itself sends
			}
			ip, b, err := wire.ParseIPv4(b)
			if err != nil || ip.Protocol != wire.ProtocolUDP || ip.Dst != h.addr || e.Dst != h.mac {
				continue
			}
			_, payload, err := wire.ParseUDP(b, ip.Src, ip.Dst, true)
			if err != nil {
				t.Fatal(err)
			}
			if out = append(out, string(payload)); undone {
				h.undone++
			}
		}
	}
	return out
}

// newHost opens a TAP. The kernel's end has the address 10.9.i.100, and ours has 10.9.i.1.
func newHost(t *testing.T, i int, opts Options) *host {
	t.Helper()
	name := fmt.Sprintf("tap%d", i)
	h := &host{dev: open(t, name, opts), mac: wire.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)}}
	h.kernel, h.addr = netip.AddrFrom4([4]byte{10, 9, byte(i), 100}), netip.AddrFrom4([4]byte{10, 9, byte(i), 1})
	if err := ifconfig.Setup(name, []netip.Prefix{netip.PrefixFrom(h.kernel, 24)}, 0); err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	copy(h.far[:], link.Attrs().HardwareAddr)
	if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: h.addr.AsSlice(), HardwareAddr: h.mac[:]}); err != nil {
		t.Fatal(err)
	}
	return h
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 6969})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestTwoTAPs(t *testing.T) {
	inNamespace(t)
	hosts := []*host{newHost(t, 0, Options{Plain: true}), newHost(t, 1, Options{})}
	conn := listen(t)
	for i, h := range hosts {
		want := []string{fmt.Sprint("one ", i), fmt.Sprint("two ", i), fmt.Sprint("three ", i), fmt.Sprint("four ", i)}
		for _, s := range want {
			if _, err := conn.WriteToUDPAddrPort([]byte(s), netip.AddrPortFrom(h.addr, 7)); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.receive(t, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("tap%d received %q, want %q", i, got, want)
		}
		if h.undone != i*len(want) {
			t.Errorf("tap%d: %d checksums were left undone", i, h.undone)
		}
	}
	big := bytes.Repeat([]byte("x"), 1472)
	for i, h := range hosts {
		if n, err := h.dev.Send([]*phy.Frame{h.udp(7, 6969, []byte(fmt.Sprint("hello ", i))), h.udp(8, 6969, big)}); n != 2 || err != nil {
			t.Fatalf("Send = %d, %v", n, err)
		}
		hear(t, conn, fmt.Sprint("hello ", i))
		hear(t, conn, string(big))
	}
	for i, h := range hosts {
		short := phy.NewFrame(100)
		short.Extend(5)
		if n, err := h.dev.Send([]*phy.Frame{h.udp(1, 2, nil), short}); n != 1 || !errors.Is(err, unix.EINVAL) {
			t.Errorf("tap%d: a frame without a header: %d, %v", i, n, err)
		}
	}
}

// hear checks that the kernel receives a datagram.
func hear(t *testing.T, conn *net.UDPConn, want string) {
	t.Helper()
	buf := make([]byte, 4000)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != want {
		t.Errorf("the kernel received %q from %v, %v", buf[:n], from, err)
	}
}

func TestOffloadIsSwitchedWhileRunning(t *testing.T) {
	inNamespace(t)
	h, conn := newHost(t, 0, Options{}), listen(t)
	for round, on := range []bool{true, false, true} {
		if err := h.dev.SetOffload(on); err != nil {
			t.Fatal(err)
		}
		h.undone = 0
		if _, err := conn.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(h.addr, 7)); err != nil {
			t.Fatal(err)
		}
		if got := h.receive(t, 1); got[0] != "hello" || (h.undone == 1) != on {
			t.Errorf("round %d, offload %v: %q, %d checksums undone", round, on, got, h.undone)
		}
	}
}

// TestDatagramsTogether: the kernel delivers the datagrams of a sendmsg(2) with UDP_SEGMENT as one super-segment, or one by one.
func TestDatagramsTogether(t *testing.T) {
	inNamespace(t)
	h, conn := newHost(t, 0, Options{}), listen(t)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := h.dev.SetOffload(on); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteToUDPAddrPort(bytes.Repeat([]byte("x"), 2500), netip.AddrPortFrom(h.addr, 7)); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for total := 0; total < 2500; {
			f := phy.NewFrame(phy.SuperFrameSize)
			wait(t, h.dev.FD())
			if n, err := h.dev.Recv([]*phy.Frame{f}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if e, _, _ := wire.ParseEthernet(f.Bytes()); e.Type != wire.EtherTypeIPv4 || f.Bytes()[wire.EthernetLen+9] != byte(wire.ProtocolUDP) {
				continue // a packet that the kernel itself sends
			}
			n := f.Len() - wire.EthernetLen - wire.IPv4Len - wire.UDPLen
			if f.Offload.UDP != (n > 1000) || f.Offload.UDP && f.Offload.GSOSize != 1000 {
				t.Errorf("offload %v: %d octets with %+v", on, n, f.Offload)
			}
			sizes = append(sizes, n)
			total += n
		}
		want := "[1000 1000 500]"
		if on {
			want = "[2500]" // from Linux 6.2 on
		}
		if fmt.Sprint(sizes) != want {
			t.Errorf("offload %v: frames with %v octets, want %v", on, sizes, want)
		}
	}
}

func TestKernelFinishesOurChecksum(t *testing.T) {
	inNamespace(t)
	h, conn := newHost(t, 0, Options{}), listen(t)
	f := h.udp(7, 6969, []byte("left to you"))
	const at = wire.EthernetLen + wire.IPv4Len
	u := f.Bytes()[at:]
	sum := ^wire.PseudoHeader(h.addr, h.kernel, wire.ProtocolUDP, len(u)).Checksum()
	binary.BigEndian.PutUint16(u[6:], sum)
	f.Offload.NeedsCsum = true
	if n, err := h.dev.Send([]*phy.Frame{f}); n != 1 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	hear(t, conn, "left to you")

	f = h.udp(7, 6969, nil)
	f.Bytes()[at-wire.IPv4Len+9] = 99 // a protocol without a checksum that we know
	f.Offload.NeedsCsum = true
	if n, err := h.dev.Send([]*phy.Frame{f}); n != 0 || !errors.Is(err, errVnet) {
		t.Errorf("an offload for an unknown protocol: %d, %v", n, err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	inNamespace(t)
	d := open(t, "tap0", Options{}) // measures frames with a vnet header, which covers plain ones too
	if err := ifconfig.Setup("tap0", nil, 0); err != nil {
		t.Fatal(err)
	}
	h := &host{dev: d, kernel: netip.MustParseAddr("10.9.0.100"), addr: netip.MustParseAddr("10.9.0.1")}
	out, in := []*phy.Frame{h.udp(1, 2, nil)}, []*phy.Frame{phy.NewFrame(phy.FrameSize)}
	if n := testing.AllocsPerRun(100, func() {
		d.Send(out)
		in[0].Reset()
		d.Recv(in)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
