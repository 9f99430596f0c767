package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// errorAnswers has, for each answer that is an error, a packet to the router of routed on 10.0.0.0/24 which causes it, the drop
// reason and the counters of RFC 4293, RFC 4022 and RFC 4113 that grow by one.
var errorAnswers = []struct {
	answer   Answer
	packet   []byte
	reason   drop.Reason
	counters []string
}{
	{ResetReply, tcpPacket(port(ipA, 5), port(routerIP, 9), wire.TCP{Flags: wire.SYN}, nil), drop.NoSocket, []string{"TcpOutRsts"}},
	{PortUnreachable, udpPacket(port(ipA, 5), port(routerIP, 9), []byte("x")), drop.NoSocket, []string{"UdpNoPorts", "IcmpOutDestUnreachs"}},
	{ProtocolUnreachable, ipPacket(253, ipA, routerIP, []byte("x"), nil), drop.UnknownProtocol, []string{"IpInUnknownProtos", "IcmpOutDestUnreachs"}},
	{NetUnreachable, udpPacket(port(ipA, 5), netip.MustParseAddrPort("192.0.2.1:9"), nil), drop.NoRoute, []string{"IpOutNoRoutes", "IcmpOutDestUnreachs"}},
	{FragNeeded, ipPacket(17, ipA, far, make([]byte, 1400), func(h *wire.IPv4) { h.DontFragment = true }), drop.TooBig, []string{"IpFragFails", "IcmpOutDestUnreachs"}},
	{TimeExceeded, ipPacket(17, ipA, far, make([]byte, 8), func(h *wire.IPv4) { h.TTL = 1 }), drop.TTLExceeded, []string{"IpInHdrErrors", "IcmpOutTimeExcds"}},
	{ParameterProblem, optionPacket(routerIP, 7, 40, 4, 0), drop.BadOption, []string{"IpInHdrErrors", "IcmpOutParmProbs"}},
	{SourceRouteFailed, optionPacket(routerIP, 131, 7, 4, 10, 0, 0, 9, 0), drop.SourceRoute, []string{"IpInAddrErrors", "IcmpOutDestUnreachs"}},
}

var routerIP = netip.MustParseAddr("10.0.0.254")

// optionPacket returns a packet from a to dst with the given octets as its options.
func optionPacket(dst netip.Addr, options ...byte) []byte {
	b := make([]byte, wire.IPv4Len+len(options))
	(&wire.IPv4{TTL: 64, Protocol: 253, Src: ipA, Dst: dst, PayloadLen: len(options)}).Put(b)
	copy(b[wire.IPv4Len:], options)
	b[0], b[3] = 0x40|byte(len(b)/4), byte(len(b))
	b[10], b[11] = 0, 0
	sum := wire.Checksum(b)
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}

// A packet that is answered with an error was not delivered. So it counts under the error's cause, raises a drop event, and still
// counts once.
func TestErrorsCountAsDrops(t *testing.T) {
	covered := map[Answer]bool{
		NoAnswer: true, ARPReply: true, EchoReply: true, SYNCookie: true, // no errors
		HostUnreachable:       true,                            // TestUnreachableHostCountsAsDrop
		NeighborAdvertisement: true, RouterAdvertisement: true, // no errors
		PacketTooBig: true, HopLimitExceeded: true, BeyondScope: true, // TestErrorsCountAsDrops6
	}
	for _, c := range errorAnswers {
		t.Run(c.answer.String(), func(t *testing.T) {
			n, _, r, _ := routed(t)
			i := r.Ifaces()[0]
			r.Ifaces()[1].SetMTU(1000)
			var events []drop.Reason
			defer r.Events(func(ev Event) {
				if ev.Kind == EventDrop {
					events = append(events, ev.Reason)
				}
			})()
			before, droppedBefore := map[string]uint64{}, i.Info().RxDropped
			for _, name := range c.counters {
				before[name] = counterOf(t, r, name)
			}
			v := r.Receive(n.now, i, toB(c.packet))
			if v.Kind != Answered || v.Answer != c.answer || v.Reason != c.reason {
				t.Errorf("verdict %+v, want %v because of %q", v, c.answer, c.reason)
			}
			if d := reasonsOf(r); d[c.reason] != 1 {
				t.Errorf("drops %v, want one %q", d, c.reason)
			}
			if len(events) != 1 || events[0] != c.reason {
				t.Errorf("drop events %v, want one %q", events, c.reason)
			}
			for _, name := range c.counters {
				if got := counterOf(t, r, name) - before[name]; got != 1 {
					t.Errorf("%s grew by %d, want 1", name, got)
				}
			}
			if in, accounted := r.Conservation(); in != accounted {
				t.Errorf("%d frames in, %d accounted for", in, accounted)
			}
			if got := i.Info().RxDropped - droppedBefore; got != 1 {
				t.Errorf("the interface counts %d dropped frames, want 1", got)
			}
		})
		covered[c.answer] = true
	}
	for a := range answerWords {
		if !covered[Answer(a)] {
			t.Errorf("no packet here causes %q", Answer(a))
		}
	}
}

func TestUnreachableHostCountsAsDrop(t *testing.T) {
	n, _, r, _ := routed(t)
	v := r.Receive(n.now, r.Ifaces()[0], toB(udpPacket(port(ipA, 5), netip.MustParseAddrPort("10.0.1.99:9"), nil)))
	if v.Kind != Forwarded {
		t.Fatalf("verdict %q", v)
	}
	n.run(10 * time.Second)
	if d := reasonsOf(r); d[drop.NeighborFailed] != 1 || counterOf(t, r, "IcmpOutDestUnreachs") != 1 {
		t.Errorf("drops %v, %d unreachables", d, counterOf(t, r, "IcmpOutDestUnreachs"))
	}
}

// reasonsOf returns the number of packets that a host has dropped for each reason.
func reasonsOf(h *Host) map[drop.Reason]uint64 {
	counts := map[drop.Reason]uint64{}
	for _, d := range h.DropInfos() {
		counts[d.Reason] = d.Count
	}
	return counts
}

// An answer that is no error counts nothing as dropped.
func TestRepliesAreNoDrops(t *testing.T) {
	h, i := lone(t)
	for _, f := range []*phy.Frame{
		toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, nil)),
		arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipB}),
	} {
		if v := h.Receive(0, i, f); v.Kind != Answered || v.Reason != drop.None {
			t.Errorf("verdict %+v", v)
		}
	}
	if d := reasonsOf(h); len(d) != 0 {
		t.Errorf("drops %v", d)
	}
}
