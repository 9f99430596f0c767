package stack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestFragments: B receives datagrams of every length intact over links of every MTU, and answers long pings.
func TestFragments(t *testing.T) {
	for _, mtu := range []int{minMTU, 576, 1499, 1500} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			n, a, b := pair(t)
			a.limits.SendQueue, b.limits.ReplyQueue = 2000, 2000
			for _, h := range n.hosts {
				if err := h.net.ifaces[1].SetMTU(mtu); err != nil {
					t.Fatal(err)
				}
			}
			from, _ := a.BindUDP(port(netip.Addr{}, 5))
			to, _ := b.BindUDP(port(netip.Addr{}, 7))
			ping, _ := a.BindICMP(1)
			buf := make([]byte, maxMTU)
			for _, size := range []int{mtu - 28, mtu - 27, 2 * mtu, 4000, 8192, maxMTU - 28} {
				want := octets(size)
				if err := from.Send(n.now, want, port(ipB, 7)); err != nil {
					t.Fatalf("%d octets: %v", size, err)
				}
				n.run(time.Second)
				if k, src, err := to.Recv(buf); k != size || !bytes.Equal(buf[:k], want) || src != port(ipA, 5) {
					t.Fatalf("of %d octets %d arrived from %v: %v", size, k, src, err)
				}
				echo := append([]byte{8, 0, 0, 0, 0, 1, 0, 9}, want...)
				if err := ping.Send(n.now, echo, ipB, 0); err != nil {
					t.Fatal(err)
				}
				n.run(time.Second)
				if k, _, _, err := ping.Recv(buf); k != size+8 || !bytes.Equal(buf[8:k], want) {
					t.Fatalf("of an echo of %d octets %d came back: %v", size, k, err)
				}
			}
			if err := from.Send(n.now, make([]byte, maxMTU-27), port(ipB, 7)); !errors.Is(err, ErrTooBig) {
				t.Errorf("more than fits a datagram: %v", err)
			}
			wantCounter(t, a, "IpFragOKs", 10) // all except the two that fit into the MTU
			wantCounter(t, b, "IpReasmOKs", 10)
			wantCounter(t, a, "IpReasmOKs", 5)
			if sent, came := counterOf(t, a, "IpFragCreates"), counterOf(t, b, "IpReasmReqds"); sent != came || sent < 50 {
				t.Errorf("%d fragments sent, %d received", sent, came)
			}
			if b.reassembly.Storage() != 0 {
				t.Errorf("%d octets are kept", b.reassembly.Storage())
			}
		})
	}
}

// cut returns the fragments of a UDP datagram to port 7 of B. The fragments have the given lengths.
func cut(id uint16, data []byte, lengths ...int) (pieces [][]byte) {
	whole := udpPacket(port(ipA, 5), port(ipB, 7), data)[wire.IPv4Len:]
	off := 0
	for _, n := range lengths {
		pieces = append(pieces, piece(id, off, off+n < len(whole), whole[off:off+n]))
		off += n
	}
	if off != len(whole) {
		panic(fmt.Sprintf("the lengths sum up to %d, not to %d", off, len(whole)))
	}
	return pieces
}

func piece(id uint16, off int, more bool, payload []byte) []byte {
	return ipPacket(wire.ProtocolUDP, ipA, ipB, payload, func(h *wire.IPv4) {
		h.ID, h.FragmentOffset, h.MoreFragments = id, off, more
	})
}

// TestReassemblyBounded: a flood of fragments without the rest of their datagrams does not prevent other datagrams from
// arriving.
func TestReassemblyBounded(t *testing.T) {
	h, i := lone(t)
	if err := h.SetLimit("fragments", 100_000); err != nil {
		t.Fatal(err)
	}
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	buf := make([]byte, 9000)
	for k := range 2000 {
		h.Receive(0, i, toB(piece(uint16(10_000+k), 1480*(k%40), true, buf[:1480])))
		if h.reassembly.Storage() > 100_000 {
			t.Fatalf("%d octets are kept", h.reassembly.Storage())
		}
		if k%100 != 99 {
			continue
		}
		for _, b := range cut(uint16(k), octets(4432), 1480, 1480, 1480) {
			h.Receive(0, i, toB(b))
			h.Receive(0, i, toB(piece(uint16(20_000+k), 0, true, buf[:8])))
		}
		if n, _, _ := u.Recv(buf); n != 4432 {
			t.Fatalf("after %d: %d octets", k, n)
		}
	}
	for _, l := range h.LimitInfos() {
		if l.Name == "fragments" && (l.Refused < 1900 || l.Used == 0) {
			t.Errorf("%+v", l)
		}
	}
	h.Tick(h.Deadline().Add(time.Hour))
	if h.reassembly.Storage() != 0 || h.reassembly.Len() != 0 {
		t.Errorf("%d octets are kept", h.reassembly.Storage())
	}
}

// TestFragmentsQueue: all fragments of a datagram wait together for its neighbour, or none does if not all have room.
func TestFragmentsQueue(t *testing.T) {
	n, a, b := pair(t)
	i := a.net.ifaces[1]
	u, _ := a.BindUDP(port(netip.Addr{}, 5))
	sink, _ := b.BindUDP(port(netip.Addr{}, 7))
	for range 2 {
		if err := u.Send(n.now, make([]byte, 60_000), port(ipB, 7)); err != nil {
			t.Fatal(err)
		}
	}
	if q := i.neigh[ipv4].Entries()[0].Pending.datagrams.n; q != 2 {
		t.Errorf("%d packets wait for the neighbour", q)
	}
	n.run(time.Second)
	if sink.queue.n != 2 {
		t.Errorf("%d datagrams arrived", sink.queue.n)
	}
	if err := a.SetLimit("send_queue", 10); err != nil {
		t.Fatal(err)
	}
	if err := u.Send(n.now, make([]byte, 6*1480-8), port(ipB, 7)); err != nil {
		t.Errorf("six fragments where ten fit: %v", err)
	}
	if err := u.Send(n.now, make([]byte, 5*1480-8), port(ipB, 7)); err != ErrQueueFull || i.out.datagrams.n != 6 {
		t.Errorf("five more: %v, and %d wait", err, i.out.datagrams.n)
	}
}

// TestIdentification: the identifications of packets between two hosts are consecutive. Those between other hosts give
// no information about them.
func TestIdentification(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 5))
	seen := map[uint16]bool{}
	for range 1000 {
		if err := u.Send(0, make([]byte, 2000), port(ipA, 7)); err != nil {
			t.Fatal(err)
		}
		for k, f := range drain(h, 0, i) {
			ip, _, err := wire.ParseIPv4(f.Bytes()[wire.EthernetLen:])
			if err != nil || ip.DontFragment || ip.MoreFragments != (k == 0) || k == 0 && seen[ip.ID] {
				t.Fatalf("fragment %d: %+v, %v", k, ip, err)
			}
			seen[ip.ID] = true
		}
	}
	if x, y := h.identification(ipB, ipA, 17), h.identification(ipB, ipC, 17); x-y < 3 || y-x < 3 {
		t.Errorf("identifications %d and %d to different hosts", x, y)
	}
}

func TestNoAllocsFragments(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	buf, out := make([]byte, 5000), phy.NewFrame(phy.FrameSize)
	var in []*phy.Frame
	for _, b := range cut(1, octets(4432), 1480, 1480, 1480) {
		in = append(in, toB(b))
	}
	noAllocs(t, func() {
		for _, f := range in {
			h.Receive(0, i, f)
		}
		if n, _, _ := u.Recv(buf); n != 4432 {
			t.Fatalf("%d octets", n)
		}
		if err := u.Send(0, buf[:4432], port(ipA, 5)); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			out.Reset()
			if h.Transmit(0, i, out) {
				h.FrameSent(0, i, out, drop.None)
			}
		}
	})
	wantCounter(t, h, "IpFragOKs", counterOf(t, h, "IpReasmOKs"))
}

// FuzzReassembly delivers fragments of a few datagrams in any order and shape: every delivered datagram was sent, and memory stays
// bounded.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte("\x00\x00\x06\x01\x00\x06\x05\x00\x00\x06\x02\x80"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, i := lone(t)
		if err := h.SetLimit("fragments", 20_000); err != nil {
			t.Fatal(err)
		}
		u, _ := h.BindUDP(port(netip.Addr{}, 7))
		var now clock.Instant
		whole := udpPacket(port(ipA, 5), port(ipB, 7), octets(504))[wire.IPv4Len:]
		buf := make([]byte, 1000)
		for ; len(data) >= 3; data = data[3:] {
			off := min(int(data[1]&63)*8, len(whole))
			end := min(off+int(data[2]&127)*4, len(whole))
			h.Receive(now, i, toB(piece(uint16(data[0]&3), off, data[2]&128 == 0 && end < len(whole), whole[off:end])))
			if data[0]&128 != 0 {
				now = now.Add(10 * time.Second)
				h.Tick(now)
			}
			if h.reassembly.Storage() > 20_000 {
				t.Fatalf("%d octets are kept", h.reassembly.Storage())
			}
			if n, _, _ := u.Recv(buf); n >= 0 && !bytes.Equal(buf[:n], whole[wire.UDPLen:]) {
				t.Fatalf("%d octets arrived that were not sent", n)
			}
		}
		now = now.Add(time.Hour)
		h.Tick(now)
		if in, out := h.Conservation(); in != out || h.reassembly.Storage() != 0 {
			t.Fatalf("%d frames in, %d accounted for, %d octets kept", in, out, h.reassembly.Storage())
		}
	})
}
