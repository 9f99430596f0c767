//go:build linux

package tap

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/ifconfig"
	"smolsh/stack/wire"
)

var ours6, kernel6 = netip.MustParseAddr("fdaa::1"), netip.MustParseAddr("fdaa::100")

// host6 is a host at the other end of a TAP or TUN. It sends and receives packets over IPv6 that the test makes by hand.
type host6 struct {
	*testing.T
	dev      *Device
	mac, far wire.HardwareAddr
	seg      phy.Segmenter
}

// newHost6 opens a TAP or TUN. The kernel's end has the address fdaa::100, and ours has fdaa::1.
func newHost6(t *testing.T, tun bool) *host6 {
	t.Helper()
	h := &host6{T: t, dev: open(t, "dev0", Options{TUN: tun}), mac: wire.HardwareAddr{2, 0, 0, 0, 0, 1}}
	if err := ifconfig.Setup("dev0", []netip.Prefix{netip.PrefixFrom(kernel6, 64)}, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.dev.Refresh(); err != nil {
		t.Fatal(err)
	}
	if tun {
		return h
	}
	link, err := netlink.LinkByName("dev0")
	if err != nil {
		t.Fatal(err)
	}
	copy(h.far[:], link.Attrs().HardwareAddr)
	if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ours6.AsSlice(), HardwareAddr: h.mac[:]}); err != nil {
		t.Fatal(err)
	}
	return h
}

// send sends a packet with a transport header that put writes before the payload, and leaves its checksum to the kernel.
func (h *host6) send(proto wire.Protocol, header int, put func(b []byte), payload []byte, gso int) {
	h.Helper()
	f := phy.NewFrame(phy.SuperFrameSize)
	copy(f.Extend(len(payload)), payload)
	put(f.Prepend(header))
	at := 16
	if proto == wire.ProtocolUDP {
		binary.BigEndian.PutUint16(f.Bytes()[4:], uint16(f.Len()))
		at = 6
	}
	binary.BigEndian.PutUint16(f.Bytes()[at:], wire.PseudoHeader(ours6, kernel6, proto, f.Len()).Fold())
	ip := wire.IPv6{PayloadLen: f.Len(), NextHeader: proto, HopLimit: 64, Src: ours6, Dst: kernel6}
	ip.Put(f.Prepend(wire.IPv6Len))
	if h.dev.Capabilities().Medium == phy.MediumEthernet {
		e := wire.Ethernet{Dst: h.far, Src: h.mac, Type: wire.EtherTypeIPv6}
		e.Put(f.Prepend(wire.EthernetLen))
	}
	f.Offload = phy.Offload{GSOSize: uint16(gso), UDP: gso > 0 && proto == wire.ProtocolUDP, NeedsCsum: true}
	if n, err := h.dev.Send([]*phy.Frame{f}); n != 1 || err != nil {
		h.Fatalf("Send = %d, %v", n, err)
	}
}

func (h *host6) sendTCP(seg wire.TCP, payload []byte, gso int) {
	h.Helper()
	seg.SrcPort, seg.DstPort, seg.Window = 7, 6969, 65535
	h.send(wire.ProtocolTCP, seg.HeaderLen(), func(b []byte) { seg.Put(b) }, payload, gso)
}

// next waits for a frame with a packet of the protocol for us, and returns the frame and the segments or datagrams that
// it has, cut where necessary. Their checksums are verified.
func (h *host6) next(proto wire.Protocol) (offload phy.Offload, segments [][]byte) {
	h.Helper()
	m := h.dev.Capabilities().Medium
	for {
		f := phy.NewFrame(phy.SuperFrameSize)
		wait(h.T, h.dev.FD())
		if n, err := h.dev.Recv([]*phy.Frame{f}); n != 1 || err != nil {
			h.Fatalf("Recv = %d, %v", n, err)
		}
		offload = f.Offload
		if !h.seg.Start(f, m) {
			continue // multicast listener reports and router solicitations of the kernel
		}
		for out := phy.NewFrame(phy.SuperFrameSize); h.seg.Next(out); {
			if out.Len() > 1500+wire.EthernetLen || m == phy.MediumIP && out.Len() > 1500 {
				h.Errorf("a segment has %d octets", out.Len())
			}
			b := out.Bytes()
			if m == phy.MediumEthernet {
				b = b[wire.EthernetLen:]
			}
			ip, payload, err := wire.ParseIPv6(b)
			if err != nil || ip.Src != kernel6 || ip.Dst != ours6 {
				h.Fatalf("%+v, %v", ip, err)
			}
			chain, upper, err := wire.WalkIPv6(&ip, payload)
			if err != nil || chain.Protocol != proto {
				h.Fatalf("%+v, %v", chain, err)
			}
			if wire.PseudoHeader(ip.Src, ip.Dst, proto, len(upper)).AddBytes(upper).Checksum() != 0 {
				h.Error("a checksum is wrong")
			}
			segments = append(segments, bytes.Clone(upper))
		}
		return offload, segments
	}
}

// establish opens a connection to the kernel's port 6969, and returns the kernel's socket and the acknowledgement of its
// SYN.
func (h *host6) establish() (net.Conn, wire.Seq) {
	h.Helper()
	ln, err := net.Listen("tcp6", "[fdaa::100]:6969")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { ln.Close() })
	h.sendTCP(wire.TCP{Seq: 1000, Flags: wire.SYN, Options: wire.TCPOptions{MSS: 1400}}, nil, 0)
	_, segments := h.next(wire.ProtocolTCP)
	synAck, _, err := wire.ParseTCP(segments[0])
	if err != nil || synAck.Flags != wire.SYN|wire.ACK || synAck.Ack != 1001 {
		h.Fatalf("%+v, %v", synAck, err)
	}
	h.sendTCP(wire.TCP{Seq: 1001, Ack: synAck.Seq.Add(1), Flags: wire.ACK}, nil, 0)
	conn, err := ln.Accept()
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn, synAck.Seq.Add(1)
}

// TestTCPSuperSegmentsIPv6: the kernel accepts a super-segment of TCP over IPv6, and sends its own ones, also with
// destination options, which the Segmenter cuts.
func TestTCPSuperSegmentsIPv6(t *testing.T) {
	for name, tun := range map[string]bool{"TAP": false, "TUN": true} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			h := newHost6(t, tun)
			conn, next := h.establish()
			data := bytes.Repeat([]byte("0123456789abcdefg"), 1000)
			h.sendTCP(wire.TCP{Seq: 1001, Ack: next, Flags: wire.ACK | wire.PSH}, data[:5000], 1000)
			got := make([]byte, 5000)
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, data[:5000]) {
				t.Fatalf("the kernel received something else, %v", err)
			}
			for _, options := range []bool{false, true} {
				if options {
					raw, err := conn.(*net.TCPConn).SyscallConn()
					if err != nil {
						t.Fatal(err)
					}
					raw.Control(func(fd uintptr) {
						err = unix.SetsockoptString(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, "\x00\x00\x01\x04\x00\x00\x00\x00")
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				if _, err := conn.Write(data); err != nil {
					t.Fatal(err)
				}
				var in []byte
				super := 0
				for len(in) < len(data) {
					offload, segments := h.next(wire.ProtocolTCP)
					if len(segments) > 1 {
						if super++; offload.GSOSize == 0 || offload.UDP || !offload.NeedsCsum {
							t.Errorf("%d segments with %+v", len(segments), offload)
						}
					}
					for _, s := range segments {
						seg, payload, err := wire.ParseTCP(s)
						if err != nil || len(payload) > 0 && seg.Seq != next {
							t.Fatalf("%+v, want sequence number %d, %v", seg, next, err)
						}
						in, next = append(in, payload...), next.Add(len(payload))
					}
					h.sendTCP(wire.TCP{Seq: 6001, Ack: next, Flags: wire.ACK}, nil, 0)
				}
				if !bytes.Equal(in, data) || super == 0 {
					t.Errorf("options %v: received %d octets, equal %v, in %d super-segments", options, len(in), bytes.Equal(in, data), super)
				}
			}
		})
	}
}

// TestUDPSuperSegmentsIPv6: the kernel accepts a super-segment of datagrams over IPv6, and sends its own one.
func TestUDPSuperSegmentsIPv6(t *testing.T) {
	for name, tun := range map[string]bool{"TAP": false, "TUN": true} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			h := newHost6(t, tun)
			conn, err := net.ListenUDP("udp6", &net.UDPAddr{Port: 6969})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			data := bytes.Repeat([]byte("0123456789"), 250)
			put := func(b []byte) {
				binary.BigEndian.PutUint16(b, 7)
				binary.BigEndian.PutUint16(b[2:], 6969)
			}
			h.send(wire.ProtocolUDP, wire.UDPLen, put, data, 1000)
			hear(t, conn, string(data[:1000]))
			hear(t, conn, string(data[1000:2000]))
			hear(t, conn, string(data[2000:]))
			raw, err := conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.WriteToUDPAddrPort(data, netip.AddrPortFrom(ours6, 7)); err != nil {
				t.Fatal(err)
			}
			offload, segments := h.next(wire.ProtocolUDP)
			if offload != (phy.Offload{GSOSize: 1000, UDP: true, NeedsCsum: true}) || len(segments) != 3 {
				t.Fatalf("%d datagrams with %+v", len(segments), offload)
			}
			for i, s := range segments {
				if _, payload, err := wire.ParseUDP(s, kernel6, ours6, true); err != nil || !bytes.Equal(payload, data[1000*i:min(1000*i+1000, 2500)]) {
					t.Errorf("datagram %d: %d octets, %v", i, len(payload), err)
				}
			}
		})
	}
}
