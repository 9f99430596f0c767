//go:build linux

package tap

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/ifconfig"
	"smolsh/stack/wire"
)

var (
	tunOurs   = netip.MustParseAddr("192.168.0.2")
	tunKernel = netip.MustParseAddr("192.168.0.1")
)

// datagram returns a bare IPv4 packet from us to the kernel.
func datagram(payload []byte) *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	copy(f.Extend(len(payload)), payload)
	f.Prepend(wire.UDPLen)
	u := wire.UDP{SrcPort: 7, DstPort: 6969}
	u.Put(f.Bytes(), tunOurs, tunKernel)
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolUDP, Src: tunOurs, Dst: tunKernel, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	return f
}

// TestTUN: a TUN carries bare IP packets in both directions, with and without a virtio-net header.
func TestTUN(t *testing.T) {
	inNamespace(t)
	for _, plain := range []bool{true, false} {
		d := open(t, "tun0", Options{TUN: true, Plain: plain})
		if err := ifconfig.Setup("tun0", []netip.Prefix{netip.PrefixFrom(tunKernel, 24)}, 1400); err != nil {
			t.Fatal(err)
		}
		if err := d.Refresh(); err != nil {
			t.Fatal(err)
		}
		want := phy.Capabilities{Medium: phy.MediumIP, MTU: 1400}
		if !plain {
			want.MaxGSO, want.TxChecksum, want.Gather = maxGSO, true, true
		}
		if c := d.Capabilities(); c != want || !d.Up() {
			t.Errorf("plain %v: %+v, up %v, want %+v", plain, c, d.Up(), want)
		}
		conn := listen(t)
		short := phy.NewFrame(100)
		short.Extend(1)[0] = 0x50 // a version that is neither 4 nor 6
		if n, err := d.Send([]*phy.Frame{datagram([]byte("hello")), short}); n != 1 || !errors.Is(err, unix.EINVAL) {
			t.Fatalf("plain %v: Send = %d, %v", plain, n, err)
		}
		hear(t, conn, "hello")
		if _, err := conn.WriteToUDPAddrPort([]byte("and back"), netip.AddrPortFrom(tunOurs, 7)); err != nil {
			t.Fatal(err)
		}
		f := phy.NewFrame(phy.FrameSize)
		for {
			f.Reset()
			wait(t, d.FD())
			if n, err := d.Recv([]*phy.Frame{f}); n != 1 || err != nil {
				t.Fatalf("plain %v: Recv = %d, %v", plain, n, err)
			}
			if f.Bytes()[0]>>4 == 4 && f.Bytes()[9] == byte(wire.ProtocolUDP) {
				break // the packets before it are IPv6 and IGMP that the kernel itself sends
			}
		}
		if f.Offload.NeedsCsum == plain {
			t.Errorf("plain %v: %+v", plain, f.Offload)
		}
		phy.FinishChecksum(f, phy.MediumIP)
		ip, b, err := wire.ParseIPv4(f.Bytes())
		if err != nil || ip.Src != tunKernel || ip.Dst != tunOurs {
			t.Fatalf("plain %v: %+v, %v", plain, ip, err)
		}
		if _, payload, err := wire.ParseUDP(b, ip.Src, ip.Dst, true); err != nil || string(payload) != "and back" {
			t.Errorf("plain %v: %q, %v", plain, payload, err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("tun0", Options{}); !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "it is a tun, not a tap") {
			t.Errorf("a TUN opened as a TAP: %v", err)
		}
		d.Close()
	}
	open(t, "tap0", Options{})
	if _, err := Open("tap0", Options{TUN: true}); !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "it is a tap, not a tun") {
		t.Errorf("a TAP opened as a TUN: %v", err)
	}
}
