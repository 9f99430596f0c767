package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// handmade returns a whole IP packet of the family, from a to b.
func (f pairing) handmade(proto wire.Protocol, payload []byte) []byte {
	if f.family == ipv4 {
		return ipPacket(proto, f.a, f.b, payload, nil)
	}
	b := make([]byte, wire.IPv6Len+len(payload))
	ip := wire.IPv6{HopLimit: 64, NextHeader: proto, Src: f.a, Dst: f.b, PayloadLen: len(payload)}
	copy(b[ip.Put(b):], payload)
	return b
}

func (f pairing) segmentTo(src, dst uint16, flags wire.Flags) []byte {
	h := wire.TCP{SrcPort: src, DstPort: dst, Seq: 1000, Flags: flags, Window: 1000}
	b := make([]byte, h.HeaderLen())
	h.Put(b)
	wire.PutTCPChecksum(b, f.a, f.b)
	return f.handmade(wire.ProtocolTCP, b)
}

func (f pairing) datagramTo(src, dst uint16, data string) []byte {
	b := make([]byte, wire.UDPLen+len(data))
	copy(b[wire.UDPLen:], data)
	(&wire.UDP{SrcPort: src, DstPort: dst}).Put(b, f.a, f.b)
	return f.handmade(wire.ProtocolUDP, b)
}

func (f pairing) echoRequest(id uint16) []byte {
	b := make([]byte, wire.ICMPLen)
	path := datagramRoute{src: f.a, dst: f.b}
	b[0], b[4], b[5] = byte(wire.ICMPEchoRequest), byte(id>>8), byte(id)
	if f.family == ipv6 {
		b[0] = byte(wire.ICMPv6EchoRequest)
	}
	putICMPChecksum(b, &path)
	return f.handmade(f.family.icmp(), b)
}

// TestClaimTCP: the answer to a SYN that was made by hand goes to the claim. Without the claim the stack resets it.
func TestClaimTCP(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		if _, err := b.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80), 0, tcp.Config{}); err != nil {
			t.Fatal(err)
		}
		c, err := a.ClaimTCP(40000)
		if err != nil {
			t.Fatal(err)
		}
		c.Keep(true)
		var sent []error
		send := func(octets []byte) {
			if err := a.SendPacket(n.now, nil, octets, func(_ clock.Instant, err error) { sent = append(sent, err) }); err != nil {
				t.Fatal(err)
			}
			n.run(time.Second / 2)
		}
		send(f.segmentTo(40000, 80, wire.SYN))
		send(f.segmentTo(40000, 81, wire.SYN))
		if len(sent) != 2 || sent[0] != nil || sent[1] != nil {
			t.Errorf("sending said %v", sent)
		}
		var flags []wire.Flags
		for buf := make([]byte, 1500); ; {
			k, from, err := c.Recv(buf)
			if k < 0 {
				break
			}
			h, _, e := wire.ParseTCP(buf[f.family.headerLen():k])
			if err != nil || e != nil || from != f.b {
				t.Errorf("received from %v: %v %v", from, err, e)
			}
			flags = append(flags, h.Flags)
		}
		if len(flags) < 2 || flags[0] != wire.SYN|wire.ACK || flags[len(flags)-1] != wire.RST|wire.ACK {
			t.Errorf("the claim received %v", flags)
		}
		wantCounter(t, a, "TcpOutRsts", 0)
		if got := c.Delivered(); got != uint64(len(flags)) {
			t.Errorf("%d delivered, %d received", got, len(flags))
		}
		c.Release()
		c.Release()
		send(f.segmentTo(40000, 80, wire.SYN))
		if counterOf(t, a, "TcpOutRsts") == 0 {
			t.Error("after the release nobody resets")
		}
	})
}

// TestClaimUDP: neither a datagram to the claimed port nor the error about one from there is answered or reported elsewhere.
func TestClaimUDP(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		mine, _ := a.ClaimUDP(5353)
		theirs, _ := b.ClaimUDP(53)
		for _, to := range []uint16{53, 54} {
			if err := a.SendPacket(n.now, nil, f.datagramTo(5353, to, "question"), nil); err != nil {
				t.Fatal(err)
			}
		}
		n.run(time.Second)
		if mine.Delivered() != 1 || theirs.Delivered() != 1 {
			t.Errorf("%d errors about our datagrams, %d datagrams, want 1 and 1", mine.Delivered(), theirs.Delivered())
		}
	})
}

// TestClaimICMP: the reply to an echo request that was made by hand goes to the claim, and requests with the identifier are answered only
// where the claim allows it.
func TestClaimICMP(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		mine, _ := a.ClaimICMP(7)
		theirs, _ := b.ClaimICMP(7)
		send := func() {
			if err := a.SendPacket(n.now, nil, f.echoRequest(7), nil); err != nil {
				t.Fatal(err)
			}
			n.run(time.Second)
		}
		if send(); mine.Delivered() != 0 || theirs.Delivered() != 1 {
			t.Errorf("%d replies, %d requests, want 0 and 1", mine.Delivered(), theirs.Delivered())
		}
		theirs.AnswerEcho(true)
		if send(); mine.Delivered() != 1 || theirs.Delivered() != 1 {
			t.Errorf("%d replies, %d requests, want 1 and 1", mine.Delivered(), theirs.Delivered())
		}
	})
}

// TestClaimsAndSockets: a socket's port can't be claimed, and a claimed one can't be bound.
func TestClaimsAndSockets(t *testing.T) {
	n, a, b := pair(t)
	used := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrPortInUse) {
			t.Errorf("%s: %v", what, err)
		}
	}
	at := func(p uint16) netip.AddrPort { return port(ipA, p) }
	_, _ = a.ListenTCP(at(80), 0, tcp.Config{})
	_, _ = a.BindUDP(at(53))
	_, _ = a.BindICMP(9)
	l, _ := b.ListenTCP(port(ipB, 81), 0, tcp.Config{})
	_, _ = a.DialTCP(n.now, at(1234), l.Local(), tcp.Config{})
	for what, p := range map[string]uint16{"listener": 80, "connection": 1234} {
		_, err := a.ClaimTCP(p)
		used(what, err)
	}
	_, err := a.ClaimUDP(53)
	used("UDP socket", err)
	_, err = a.ClaimICMP(9)
	used("ICMP socket", err)

	c, _ := a.ClaimTCP(90)
	_, _ = a.ClaimUDP(90)
	_, _ = a.ClaimICMP(90)
	_, err = a.ClaimTCP(90)
	used("claim", err)
	_, err = a.ListenTCP(at(90), 0, tcp.Config{})
	used("ListenTCP", err)
	_, err = a.DialTCP(n.now, at(90), l.Local(), tcp.Config{})
	used("DialTCP", err)
	_, err = a.BindUDP(at(90))
	used("BindUDP", err)
	_, err = a.BindICMP(90)
	used("BindICMP", err)
	if infos := a.SocketInfos(n.now); infos[len(infos)-3].State != "CLAIMED" || infos[len(infos)-3].Local.Port() != 90 {
		t.Errorf("sockets: %v", infos)
	}
	if list := a.Claims(); len(list) != 3 || list[0] != c || list[0].Number() != 90 || list[1].Protocol() != wire.ProtocolUDP {
		t.Errorf("claims: %v", list)
	}
	c.Release()
	if _, err := a.ListenTCP(at(90), 0, tcp.Config{}); err != nil {
		t.Error(err)
	}
	free, _ := a.ClaimTCP(0)
	if p, err := a.EphemeralPort(wire.ProtocolTCP, ipA, port(ipB, 80)); err != nil || free.Number() < firstEphemeral || p == free.Number() {
		t.Errorf("free ports: %d, then %d, %v", free.Number(), p, err)
	}
	setLimit(t, a, "sockets", 1)
	_, err = a.ClaimUDP(0)
	wantRefusal(t, err, "sockets", 1)
}

// TestFloodedClaim: a flood to a claimed port costs no memory while nobody reads, and a queue of bounded size while somebody does.
func TestFloodedClaim(t *testing.T) {
	h, i := lone(t)
	c, _ := h.ClaimUDP(53)
	flood := func() (last Verdict) {
		for range 10_000 {
			last = h.Receive(0, i, toB(udpPacket(port(ipA, 1), port(ipB, 53), make([]byte, 100))))
		}
		return last
	}
	if v := flood(); v.String() != "claim of udp :53" || c.Queued() != 0 || c.Delivered() != 10_000 {
		t.Errorf("%v, %d octets queued, %d delivered", v, c.Queued(), c.Delivered())
	}
	c.Keep(true)
	if v := flood(); v != dropped(drop.SocketQueueFull) || c.Queued() > 256<<10 || c.Lost() == 0 || c.Lost()+c.Delivered() != 20_000 {
		t.Errorf("%v, %d octets queued, %d delivered, %d lost", v, c.Queued(), c.Delivered(), c.Lost())
	}
	wantLimit(t, h, "recv_queue", c.Queued(), 256<<10, c.Lost())
	buf := make([]byte, 1500)
	if k, from, err := c.Recv(buf); err != nil || from != ipA || !bytes.Equal(buf[:k], udpPacket(port(ipA, 1), port(ipB, 53), make([]byte, 100))) {
		t.Errorf("received %x from %v, %v", buf[:max(k, 0)], from, err)
	}
	c.Release()
	if _, _, err := c.Recv(buf); !errors.Is(err, ErrClosed) {
		t.Errorf("after the release: %v", err)
	}
	if in, out := h.Conservation(); in != out {
		t.Errorf("%d frames in, %d accounted for", in, out)
	}
}

// TestMalformedToClaim: whatever arrives at a claimed port, the stack says nothing.
func TestMalformedToClaim(t *testing.T) {
	h, i := lone(t)
	_, _ = h.ClaimTCP(80)
	_, _ = h.ClaimICMP(0x0102)
	for _, p := range [][]byte{
		ipPacket(wire.ProtocolTCP, ipA, ipB, []byte{0, 1, 0, 80}, nil),
		ipPacket(wire.ProtocolTCP, ipA, ipB, append([]byte{0, 1, 0, 80}, make([]byte, 16)...), nil),
		ipPacket(wire.ProtocolICMP, ipA, ipB, []byte{0, 0, 0, 0, 1, 2, 0, 0}, nil),
		ipPacket(wire.ProtocolICMP, ipA, ipB, []byte{13, 0, 0, 0, 1, 2, 0, 0}, nil),
	} {
		if v := h.Receive(0, i, toB(p)); v.Kind != Delivered || !v.Claimed {
			t.Errorf("%x: %v", p[20:], v)
		}
	}
	for _, p := range [][]byte{
		ipPacket(wire.ProtocolTCP, ipA, ipB, []byte{0, 1, 0}, nil),
		ipPacket(wire.ProtocolICMP, ipA, ipB, []byte{0, 0, 0, 0, 1, 2, 0}, nil),
	} {
		if v := h.Receive(0, i, toB(p)); v.Kind != Dropped {
			t.Errorf("%x: %v", p[20:], v)
		}
	}
	if out := drain(h, 0, i); len(out) != 0 {
		t.Errorf("%d answers", len(out))
	}
}
