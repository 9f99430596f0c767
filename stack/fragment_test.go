package stack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/reassembly"
	"smolsh/stack/wire"
)

// TestFragments: datagrams of every length arrive whole over links of every MTU, and long pings are answered.
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
			if err := from.Send(n.now, make([]byte, maxMTU-27), port(ipB, 7)); err != ErrTooBig {
				t.Errorf("more than fits a datagram: %v", err)
			}
			wantCounter(t, a, "IpFragOKs", 10) // all but the two that fit
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

// cut returns the fragments of a UDP datagram to port 7 of B, with pieces of the given lengths.
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

// TestReassemblyOrder: fragments complete a datagram in any order, with or without duplicates.
func TestReassemblyOrder(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	want, buf := octets(92), make([]byte, 200)
	rng := rand.New(rand.NewPCG(1, 2))
	for id := range 500 {
		pieces := cut(uint16(id), want, 8, 16, 40, 24, 12)
		order := rng.Perm(5)
		for k, which := range order {
			if k == 3 { // the earlier fragments again
				if v := h.Receive(0, i, toB(pieces[order[rng.IntN(3)]])); v.String() != "dropped: fragment again" {
					t.Fatalf("order %v: a repeat: %q", order, v)
				}
			}
			wantVerdict := "held for reassembly"
			if k == 4 {
				wantVerdict = "udp :7"
			}
			if v := h.Receive(0, i, toB(pieces[which])); v.String() != wantVerdict {
				t.Fatalf("order %v: fragment %d: %q, want %q", order, which, v, wantVerdict)
			}
		}
		if n, _, _ := u.Recv(buf); n != len(want) || !bytes.Equal(buf[:n], want) {
			t.Fatalf("order %v: %d octets", order, n)
		}
	}
	if h.reassembly.Storage() != 0 || h.Deadline() != clock.Never && h.reassembly.Timers() != 0 {
		t.Errorf("%d octets are kept", h.reassembly.Storage())
	}
}

// TestReassemblyKeys: fragments that differ in address, protocol or identification are not combined.
func TestReassemblyKeys(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	first, second := cut(1, octets(92), 48, 52), cut(2, bytes.Repeat([]byte{9}, 92), 48, 52)
	other := slices.Clone(second[1])
	for k, b := range [][]byte{first[0], second[0]} {
		if v := h.Receive(0, i, toB(b)); !v.Held {
			t.Fatalf("%d: %q", k, v)
		}
	}
	src := wire.IPv4{ID: 1, FragmentOffset: 48, TTL: 64, Protocol: wire.ProtocolUDP, Src: ipC, Dst: ipB, PayloadLen: 52}
	src.Put(other)
	if v := h.Receive(0, i, toB(other)); !v.Held {
		t.Errorf("from another address: %q", v)
	}
	src.Src, src.Protocol = ipA, wire.ProtocolICMP
	src.Put(other)
	if v := h.Receive(0, i, toB(other)); !v.Held {
		t.Errorf("of another protocol: %q", v)
	}
	for _, want := range [][]byte{bytes.Repeat([]byte{9}, 92), octets(92)} {
		tail := second[1]
		if want[0] != 9 {
			tail = first[1]
		}
		if v := h.Receive(0, i, toB(tail)); v.String() != "udp :7" {
			t.Fatalf("the second fragment: %q", v)
		}
		buf := make([]byte, 200)
		if n, _, _ := u.Recv(buf); !bytes.Equal(buf[:max(0, n)], want) {
			t.Errorf("received % x", buf[:max(0, n)])
		}
	}
}

// TestReassemblyConflicts: a contradicting fragment discards the datagram, and all its later fragments for a minute.
func TestReassemblyConflicts(t *testing.T) {
	zero := make([]byte, 100)
	ecn := func(b []byte, e wire.ECN) []byte {
		b = slices.Clone(b)
		b[1] |= byte(e)
		b[10], b[11] = 0, 0
		sum := wire.Checksum(b[:wire.IPv4Len])
		b[10], b[11] = byte(sum>>8), byte(sum)
		return b
	}
	good := cut(1, octets(92), 48, 52)
	for name, c := range map[string][][]byte{
		"overlap before":          {piece(1, 8, true, zero[:16]), piece(1, 0, true, zero[:16])},
		"overlap behind":          {piece(1, 0, true, zero[:16]), piece(1, 8, true, zero[:16])},
		"longer in the same spot": {piece(1, 0, true, zero[:16]), piece(1, 0, true, zero[:24])},
		"within":                  {piece(1, 0, true, zero[:48]), piece(1, 8, true, zero[:16])},
		"two ends":                {piece(1, 48, false, zero[:52]), piece(1, 56, false, zero[:52])},
		"beyond the end":          {piece(1, 48, false, zero[:52]), piece(1, 104, true, zero[:8])},
		"an end before":           {piece(1, 48, true, zero[:48]), piece(1, 16, false, zero[:4])},
		"the end is not the last": {piece(1, 48, false, zero[:48]), piece(1, 48, true, zero[:48])},
		"marked, not capable":     {ecn(good[0], wire.CE), good[1]},
	} {
		t.Run(name, func(t *testing.T) {
			h, i := lone(t)
			if _, err := h.BindUDP(port(netip.Addr{}, 7)); err != nil {
				t.Fatal(err)
			}
			want := []string{"held for reassembly", "dropped: fragment conflict", "dropped: fragment conflict", "dropped: fragment conflict"}
			for k, b := range append(slices.Clone(c), good...) {
				if v := h.Receive(0, i, toB(b)); v.String() != want[k] {
					t.Errorf("fragment %d: %q, want %q", k, v, want[k])
				}
			}
			wantCounter(t, h, "IpReasmFails", 1)
			if h.reassembly.Storage() != reassembly.Overhead {
				t.Errorf("%d octets are kept", h.reassembly.Storage())
			}
			h.Tick(h.Deadline())
			if got := drain(h, 0, i); len(got) != 0 || h.reassembly.Storage() != 0 || counterOf(t, h, "IpReasmTimeout") != 0 {
				t.Errorf("later %d frames are sent, %d octets kept", len(got), h.reassembly.Storage())
			}
			for k, b := range good {
				if v := h.Receive(clock.Instant(time.Hour), i, toB(b)); v.Kind == Dropped {
					t.Errorf("a minute later fragment %d: %q", k, v)
				}
			}
			for _, d := range h.DropInfos() {
				if d.Reason == drop.FragmentConflict && d.Count != 4 {
					t.Errorf("%d fragments dropped for it, want the one that waited and three that came", d.Count)
				}
			}
			if in, out := h.Conservation(); in != out {
				t.Errorf("%d frames in, %d accounted for", in, out)
			}
		})
	}
}

// TestReassemblyMarked: CE on any fragment is CE on the datagram (RFC 3168 §5.3).
func TestReassemblyMarked(t *testing.T) {
	h, i := lone(t)
	var got byte
	raw, _ := h.BindRaw(wire.ProtocolUDP)
	h.Observe(func(ev *PacketEvent) { got = byte(counterOf(t, h, "IpReasmOKs")) })
	for k, b := range cut(3, octets(92), 48, 52) {
		b[1] = byte(wire.ECT0)
		if k == 1 {
			b[1] = byte(wire.CE)
		}
		b[10], b[11] = 0, 0
		sum := wire.Checksum(b[:wire.IPv4Len])
		b[10], b[11] = byte(sum>>8), byte(sum)
		h.Receive(0, i, toB(b))
	}
	if got != 1 || raw.NextLen() != 100 {
		t.Errorf("%d datagrams, %d octets for the raw socket", got, raw.NextLen())
	}
}

// TestReassemblyTimeout: after a minute the source gets an ICMP error that quotes the first fragment, if that has arrived
// (RFC 1122 §3.3.2).
func TestReassemblyTimeout(t *testing.T) {
	h, i := lone(t)
	pieces := cut(9, octets(92), 48, 52)
	for k, c := range []struct {
		piece []byte
		told  int
	}{{pieces[0], 1}, {pieces[1], 0}} {
		h.Receive(0, i, toB(c.piece))
		if at := h.Deadline(); at != clock.Instant(time.Minute) {
			t.Fatalf("fragment %d: the deadline is %v", k, at)
		}
		h.Tick(clock.Instant(time.Minute))
		back := drain(h, clock.Instant(time.Minute), i)
		if len(back) != c.told {
			t.Fatalf("fragment %d: %d answers", k, len(back))
		}
		if c.told == 0 {
			continue
		}
		_, payload, _ := wire.ParseIPv4(back[0].Bytes()[wire.EthernetLen:])
		m, quote, err := wire.ParseICMP(payload, true)
		if err != nil || m.String() != "reassembly time exceeded" || !bytes.Equal(quote, pieces[0]) {
			t.Errorf("the answer is %v about % x", &m, quote)
		}
	}
	wantCounter(t, h, "IpReasmTimeout", 2)
	wantCounter(t, h, "IpReasmFails", 2)
	if d := h.DropInfos(); len(d) != 1 || d[0].Reason != drop.FragmentLate || d[0].Count != 2 {
		t.Errorf("the drops are %v", d)
	}
	if in, out := h.Conservation(); in != out {
		t.Errorf("%d frames in, %d accounted for", in, out)
	}
}

// TestReassemblyBounded: whole datagrams arrive during a flood of incomplete ones.
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
	if q := i.neigh.Entries()[0].Pending.datagrams.n; q != 2 {
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

// TestForwardingFragments: a router fragments a packet without DF, also a fragment, and the receiver reassembles it
// (RFC 791 §3.2, RFC 1812 §5.2.6).
func TestForwardingFragments(t *testing.T) {
	n, a, r, b := narrowed(t, 700)
	u, _ := a.BindUDP(port(netip.Addr{}, 5))
	sink, _ := b.BindUDP(port(netip.Addr{}, 9))
	want := octets(5000) // fragments of 1500 octets, without DF
	if err := u.Send(n.now, want, port(far, 9)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	buf := make([]byte, 6000)
	if k, _, _ := sink.Recv(buf); !bytes.Equal(buf[:max(k, 0)], want) {
		t.Errorf("%d octets arrived", k)
	}
	wantCounter(t, r, "IpFragOKs", 3) // the last one fits
	wantCounter(t, r, "IpForwDatagrams", 4)
	wantCounter(t, r, "IpReasmReqds", 0)
	wantCounter(t, b, "IpReasmReqds", counterOf(t, r, "IpFragCreates")+1)
	whole := make([]byte, 1472)
	if err := u.Send(n.now, whole, port(far, 9)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if sink.queue.n != 0 {
		t.Error("what fits the first link went through though it must not be fragmented")
	}
	wantCounter(t, r, "IpFragFails", 1)
	if err := u.Send(n.now, whole, port(far, 9)); err != nil { // the router has sent its ICMP error
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, _, _ := sink.Recv(buf); k != len(whole) {
		t.Errorf("the next one: %d octets arrived", k)
	}
	wantCounter(t, r, "IpFragFails", 1)
}

// TestForgedPathMTU: after a report of a tiny path MTU we do not send tiny fragments.
func TestForgedPathMTU(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(ipB, 5))
	quote := udpPacket(port(ipB, 5), port(ipA, 7), make([]byte, 100))
	v := h.Receive(0, i, toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableFragNeeded, MTU: minMTU}, quote)))
	if v.Kind != Delivered || h.PathMTU(0, ipA) != minMTU {
		t.Fatalf("%q, path MTU %d", v, h.PathMTU(0, ipA))
	}
	if err := u.Send(0, make([]byte, 1000), port(ipA, 7)); err != nil {
		t.Fatal(err)
	}
	if f := drain(h, 0, i); len(f) != 2 || f[0].Len() != wire.EthernetLen+wire.IPv4Len+528 {
		t.Errorf("%d fragments, the first of %d octets", len(f), f[0].Len())
	}
}

// TestPingNarrowPath: a ping that is too long for the path reports so, and is fragmented from then on. The reply arrives over the
// same narrow path.
func TestPingNarrowPath(t *testing.T) {
	n, a, r, _ := narrowed(t, 700)
	c, _ := a.BindICMP(77)
	msg := append([]byte{8, 0, 0, 0, 0, 77, 0, 1}, make([]byte, 1000)...)
	var got []string
	for range 2 {
		if err := c.Send(n.now, msg, far, 0); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		buf := make([]byte, 2000)
		k, _, _, err := c.Recv(buf)
		if k < 0 {
			t.Fatal(err)
		}
		m, _, _ := wire.ParseICMP(buf[:k], true)
		got = append(got, m.String())
	}
	if fmt.Sprint(got) != "[fragmentation needed echo reply]" {
		t.Errorf("the answers are %v", got)
	}
	wantCounter(t, r, "IpFragFails", 1)
	c.SetDontFragment(true)
	if err := c.Send(n.now, msg, far, 0); err != ErrTooBig {
		t.Errorf("must not be fragmented: %v", err)
	}
}

// TestIdentification: identifications between two ends are consecutive, and reveal nothing about those of other ends.
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
