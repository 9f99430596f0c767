//go:build linux

package raw

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/netif"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/wire"
)

// The addresses at the two ends of the cable are ours and theirs. The kernel on our side has the address here.
var (
	ours, theirs, here = netip.MustParseAddr("192.168.69.1"), netip.MustParseAddr("192.168.69.100"), netip.MustParseAddr("192.168.69.50")
	ourMAC             = wire.HardwareAddr{2, 0, 0, 0, 0, 2}
	noMAC              = wire.HardwareAddr{2, 0, 0, 0, 0, 0x99}
)

// bench is a packet socket of ours at one end of a cable. A kernel is at the other end.
type bench struct {
	*testing.T
	dev   *Device
	there *taptest.Space
	far   wire.HardwareAddr
	conn  *net.UDPConn // a socket of the kernel at the other end
}

func lay(t *testing.T, opts Options) *bench {
	t.Helper()
	taptest.Namespace(t)
	b := &bench{T: t, there: taptest.NewSpace(t)}
	taptest.Veth(t, "veth0", here.String()+"/24", b.there, "veth1", theirs.String()+"/24")
	b.dev = open(t, "veth0", opts)
	var err error
	b.there.Do(func() {
		var link netlink.Link
		if link, err = netlink.LinkByName("veth1"); err != nil {
			return
		}
		copy(b.far[:], link.Attrs().HardwareAddr)
		for a, hw := range map[string]wire.HardwareAddr{ours.String(): ourMAC, "192.168.69.99": noMAC} {
			err = errors.Join(err, netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(a), HardwareAddr: hw[:]}))
		}
		var e error
		b.conn, e = net.ListenUDP("udp4", &net.UDPAddr{Port: 6969})
		err = errors.Join(err, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.conn.Close() })
	return b
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

// udp returns a datagram from us to the kernel at the other end.
func (b *bench) udp(payload []byte) *phy.Frame {
	f := phy.NewFrame(phy.SuperFrameSize)
	copy(f.Extend(len(payload)), payload)
	f.Prepend(wire.UDPLen)
	u := wire.UDP{SrcPort: 7, DstPort: 6969}
	u.Put(f.Bytes(), ours, theirs)
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolUDP, Src: ours, Dst: theirs, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	e := wire.Ethernet{Dst: b.far, Src: ourMAC, Type: wire.EtherTypeIPv4}
	e.Put(f.Prepend(wire.EthernetLen))
	return f
}

func (b *bench) send(f *phy.Frame) {
	b.Helper()
	if n, err := b.dev.Send([]*phy.Frame{f}); n != 1 || err != nil {
		b.Fatalf("Send = %d, %v", n, err)
	}
}

// hear checks that the kernel at the other end receives a datagram.
func (b *bench) hear(want string) {
	b.Helper()
	buf := make([]byte, 70000)
	b.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := b.conn.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != want || from.Addr() != ours {
		b.Errorf("the kernel received %.40q from %v, %v, want %.40q", buf[:n], from, err, want)
	}
}

func (b *bench) say(to netip.Addr, payload []byte) {
	b.Helper()
	if _, err := b.conn.WriteToUDPAddrPort(payload, netip.AddrPortFrom(to, 7)); err != nil {
		b.Fatal(err)
	}
}

// until receives frames until one contains the marker, and returns all of them.
func (b *bench) until(marker string) (frames []*phy.Frame) {
	b.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		f := phy.NewFrame(b.dev.Capabilities().FrameSize())
		n, err := b.dev.Recv([]*phy.Frame{f})
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(b.dev.FD()), Events: unix.POLLIN}}, 1000)
			continue
		}
		frames = append(frames, f)
		if bytes.Contains(f.Bytes(), []byte(marker)) {
			return frames
		}
	}
	b.Fatalf("%q never came", marker)
	return nil
}

func has(frames []*phy.Frame, text string) bool {
	return slices.ContainsFunc(frames, func(f *phy.Frame) bool { return bytes.Contains(f.Bytes(), []byte(text)) })
}

// TestChecksumsLeftUndone: the device reports a frame from the other kernel whose checksum is unfinished, and the
// kernel finishes the checksums of frames that we send.
func TestChecksumsLeftUndone(t *testing.T) {
	b := lay(t, Options{})
	f := b.udp([]byte("left to you"))
	u := f.Bytes()[wire.EthernetLen+wire.IPv4Len:]
	binary.BigEndian.PutUint16(u[6:], ^wire.PseudoHeader(ours, theirs, wire.ProtocolUDP, len(u)).Checksum())
	f.Offload.NeedsCsum = true
	b.send(f)
	b.hear("left to you")

	b.say(ours, []byte("to you"))
	frames := b.until("to you")
	f = frames[len(frames)-1]
	if !f.Offload.NeedsCsum {
		t.Errorf("the checksum is said to be finished: %+v", f.Offload)
	}
	if !phy.FinishChecksum(f, phy.MediumEthernet) {
		t.Error("it can't be finished")
	}
	e, rest, err := wire.ParseEthernet(f.Bytes())
	if err != nil || e.Dst != ourMAC || e.Src != b.far {
		t.Fatalf("%+v, %v", e, err)
	}
	ip, rest, err := wire.ParseIPv4(rest)
	if err != nil {
		t.Fatal(err)
	}
	if _, payload, err := wire.ParseUDP(rest, ip.Src, ip.Dst, true); err != nil || string(payload) != "to you" {
		t.Errorf("%q, %v", payload, err)
	}
}

// TestSuperSegments: super-segments are received and sent whole.
func TestSuperSegments(t *testing.T) {
	b := lay(t, Options{})
	big := bytes.Repeat([]byte("x"), 2500)
	f := b.udp(big)
	f.Offload = phy.Offload{GSOSize: 1000, UDP: true, NeedsCsum: true}
	u := f.Bytes()[wire.EthernetLen+wire.IPv4Len:]
	binary.BigEndian.PutUint16(u[6:], ^wire.PseudoHeader(ours, theirs, wire.ProtocolUDP, len(u)).Checksum())
	b.send(f)
	for _, n := range []int{1000, 1000, 500} {
		b.hear(string(big[:n]))
	}
	raw, err := b.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	b.say(ours, append(big[:2490:2490], "the end..."...))
	frames := b.until("the end...")
	f = frames[len(frames)-1]
	if n := f.Len() - wire.EthernetLen - wire.IPv4Len - wire.UDPLen; n != 2500 || f.Offload.GSOSize != 1000 || !f.Offload.UDP {
		t.Errorf("%d octets of payload with %+v", n, f.Offload)
	}
}

// TestVLANTag: the kernel removes a VLAN tag on arrival and passes it beside the frame; the device inserts it again
// after the hardware addresses.
func TestVLANTag(t *testing.T) {
	b := lay(t, Options{})
	b.send(b.udp([]byte("hello"))) // makes us a station
	b.hear("hello")
	f := b.udp([]byte("tagged"))
	copy(f.Bytes(), ourMAC[:])
	copy(f.Bytes()[6:], b.far[:])
	head := append([]byte{}, f.Bytes()[:12]...)
	copy(f.Prepend(4), head)
	copy(f.Bytes()[4:], head[4:])
	copy(f.Bytes()[12:], []byte{0x81, 0, 0xe0, 7})
	u := f.Bytes()[18+wire.IPv4Len:]
	binary.BigEndian.PutUint16(u[6:], ^wire.PseudoHeader(ours, theirs, wire.ProtocolUDP, len(u)).Checksum())
	f.Offload.NeedsCsum = true
	want := append([]byte{}, f.Bytes()...)
	var err error
	b.there.Do(func() {
		var d *Device
		if d, err = Open("veth1", Options{}); err == nil {
			_, err = d.Send([]*phy.Frame{f})
			err = errors.Join(err, d.Close())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	frames := b.until("tagged")
	f = frames[len(frames)-1]
	if !bytes.Equal(f.Bytes(), want) {
		t.Errorf("received % x, want % x", f.Bytes(), want)
	}
	if !f.Offload.NeedsCsum || !phy.FinishChecksum(f, phy.MediumEthernet) {
		t.Errorf("its checksum can't be finished: %+v", f.Offload)
	}
	if _, _, err := wire.ParseUDP(f.Bytes()[18+wire.IPv4Len:], ours, theirs, true); err != nil {
		t.Error(err)
	}
}

// TestOutgoing: the device never receives the frames that it sent. It receives the frames that the kernel sends on the
// interface if the configuration asks for them.
func TestOutgoing(t *testing.T) {
	for _, outgoing := range []bool{false, true} {
		t.Run(fmt.Sprint(outgoing), func(t *testing.T) {
			b := lay(t, Options{Outgoing: outgoing, Promiscuous: true})
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.WriteToUDPAddrPort([]byte("from beside"), netip.AddrPortFrom(theirs, 6969)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			if n, _ := b.conn.Read(buf); string(buf[:n]) != "from beside" {
				t.Fatalf("the kernel there received %q", buf[:n])
			}
			b.send(b.udp([]byte("from us")))
			b.hear("from us")
			b.say(ours, []byte("the end"))
			frames := b.until("the end")
			if has(frames, "from us") {
				t.Error("our own frame was read back")
			}
			if has(frames, "from beside") != outgoing {
				t.Errorf("the kernel's frame was read: %v, want %v", !outgoing, outgoing)
			}
		})
	}
}

// TestPromiscuous: a station receives frames for its addresses and for groups, and none before it has sent; a promiscuous device
// receives all.
func TestPromiscuous(t *testing.T) {
	for _, promiscuous := range []bool{false, true} {
		t.Run(fmt.Sprint(promiscuous), func(t *testing.T) {
			b := lay(t, Options{Promiscuous: promiscuous})
			b.say(ours, []byte("too early"))
			b.send(b.udp([]byte("hello")))
			b.hear("hello")
			b.say(netip.MustParseAddr("192.168.69.99"), []byte("for another"))
			b.say(here, []byte("for the kernel"))
			b.say(ours, []byte("for us"))
			raw, _ := b.conn.SyscallConn()
			raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1) })
			b.say(netip.MustParseAddr("192.168.69.255"), []byte("for all"))
			frames := b.until("for all")
			for text, want := range map[string]bool{"too early": promiscuous, "for another": promiscuous, "for the kernel": promiscuous, "for us": true, "for all": true} {
				if has(frames, text) != want {
					t.Errorf("%q was received: %v, want %v", text, !want, want)
				}
			}
			link, err := netlink.LinkByName("veth0")
			if err != nil {
				t.Fatal(err)
			}
			if got := link.Attrs().Promisc; got == 0 {
				t.Error("the interface keeps out frames for our address")
			}
		})
	}
}

// TestAddressesThatFramesAreSentFrom: a station with many addresses forgets the oldest, and may change them at any time.
func TestAddressesThatFramesAreSentFrom(t *testing.T) {
	b := lay(t, Options{})
	for i := range 10 {
		f := b.udp([]byte("hello"))
		f.Bytes()[11] = byte(0x10 + i)
		b.send(f)
		b.hear("hello")
	}
	if len(b.dev.own) != maxOwn || b.dev.own[maxOwn-1][5] != 0x19 {
		t.Errorf("own addresses %v", b.dev.own)
	}
	f := b.udp([]byte("hello"))
	b.send(f)
	b.hear("hello")
	b.say(ours, []byte("for us"))
	b.until("for us")
}

func TestErrors(t *testing.T) {
	b := lay(t, Options{})
	if _, err := Open("nosuch0", Options{}); !errors.Is(err, netif.ErrNotFound) || !strings.HasPrefix(err.Error(), "nosuch0: ") {
		t.Errorf("nosuch0: %v", err)
	}
	taptest.NeedTools(t, "ip")
	if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("tun0", Options{}); !errors.Is(err, ErrKind) {
		t.Errorf("tun0: %v", err)
	}
	lo := open(t, "lo", Options{})
	if lo.Capabilities().Medium != phy.MediumEthernet {
		t.Errorf("lo: %+v", lo.Capabilities())
	}
	long := b.udp(make([]byte, 3000))
	if n, err := b.dev.Send([]*phy.Frame{b.udp(nil), long}); n != 1 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("a frame that is too long: %d, %v", n, err)
	}
	odd := b.udp(nil)
	odd.Bytes()[wire.EthernetLen+9] = 99
	odd.Offload.NeedsCsum = true
	if n, err := b.dev.Send([]*phy.Frame{odd}); n != 0 || !errors.Is(err, errVnet) {
		t.Errorf("an offload for an unknown protocol: %d, %v", n, err)
	}
	if flags, err := unix.FcntlInt(uintptr(b.dev.FD()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("not closed on exec: %#x, %v", flags, err)
	}
	if err := b.dev.Close(); err != nil {
		t.Error(err)
	}
	f := phy.NewFrame(100)
	_, recv := b.dev.Recv([]*phy.Frame{f})
	_, send := b.dev.Send([]*phy.Frame{f})
	for _, err := range []error{recv, send, b.dev.Refresh(), b.dev.Close()} {
		if err != phy.ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	}

	// This is the last check, since the thread cannot regain the capability.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("veth0", Options{}); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
		t.Errorf("without CAP_NET_RAW: %v", err)
	}
}

// TestLinkChanges: the link goes down and up, changes its MTU, loses its carrier, and is deleted. The device reports
// each change, and Refresh finds it.
func TestLinkChanges(t *testing.T) {
	b := lay(t, Options{})
	news := make(chan struct{}, 100)
	b.dev.Watch(func() { news <- struct{}{} })
	link, err := netlink.LinkByName("veth0")
	if err != nil {
		t.Fatal(err)
	}
	if c := b.dev.Capabilities(); c.MTU != 1500 || c.MaxGSO < 32768 || !c.TxChecksum || !c.Gather || c.MAC[0]&3 != 2 || bytes.Equal(c.MAC[:], link.Attrs().HardwareAddr) || !b.dev.Up() {
		t.Errorf("at first: %+v, up %v", c, b.dev.Up())
	}
	far := func(change func(netlink.Link) error) func() error {
		return func() (err error) {
			b.there.Do(func() {
				var l netlink.Link
				if l, err = netlink.LinkByName("veth1"); err == nil {
					err = change(l)
				}
			})
			return err
		}
	}
	for _, c := range []struct {
		name string
		do   func() error
		good func() bool
	}{
		{"MTU", func() error { return netlink.LinkSetMTU(link, 1400) }, func() bool { return b.dev.Capabilities().MTU == 1400 }},
		{"down", func() error { return netlink.LinkSetDown(link) }, func() bool { return !b.dev.Up() }},
		{"up", func() error { return netlink.LinkSetUp(link) }, func() bool { return b.dev.Up() }},
		{"carrier lost", far(netlink.LinkSetDown), func() bool { return !b.dev.Up() }},
		{"carrier back", far(netlink.LinkSetUp), func() bool { return b.dev.Up() }},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for limit := time.After(10 * time.Second); ; {
			if err := b.dev.Refresh(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if c.good() {
				break
			}
			select {
			case <-news:
			case <-limit:
				t.Fatalf("%s was never told", c.name)
			}
		}
		if c.name == "down" {
			if n, err := b.dev.Send([]*phy.Frame{b.udp(nil)}); n != 0 || err != phy.ErrDown {
				t.Errorf("Send while down = %d, %v", n, err)
			}
			if n, err := b.dev.Recv([]*phy.Frame{phy.NewFrame(2048)}); n != 0 || err != phy.ErrDown {
				t.Errorf("Recv when it went down = %d, %v", n, err)
			}
			if n, err := b.dev.Recv([]*phy.Frame{phy.NewFrame(2048)}); n != 0 || err != nil {
				t.Errorf("Recv while down = %d, %v", n, err)
			}
		}
	}
	b.send(b.udp([]byte("again")))
	b.hear("again")
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if n, err := b.dev.Send([]*phy.Frame{b.udp(nil)}); n != 0 || !errors.Is(err, phy.ErrClosed) {
		t.Errorf("Send on a deleted interface = %d, %v", n, err)
	}
	if err := b.dev.Refresh(); !errors.Is(err, phy.ErrClosed) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("Refresh of a deleted interface: %v", err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	b := lay(t, Options{})
	out, in := []*phy.Frame{b.udp(nil)}, []*phy.Frame{phy.NewFrame(phy.FrameSize)}
	b.send(out[0]) // becomes a station
	if n := testing.AllocsPerRun(100, func() {
		if n, err := b.dev.Send(out); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		in[0].Reset()
		b.dev.Recv(in)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
