package stack

import (
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// corrupt returns b with octet k changed.
func corrupt(b []byte, k int) []byte {
	c := append([]byte(nil), b...)
	c[k] ^= 0x55
	return c
}

// TestVerdicts passes one frame at a time to host B and states its verdict, and the number of frames that B sends.
func TestVerdicts(t *testing.T) {
	echo := wire.ICMP{Type: wire.ICMPEchoRequest, ID: 9, Seq: 1}
	at := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	ping := func(src, dst string) []byte { return icmpPacket(at(src), at(dst), echo, []byte("data")) }
	syn := wire.TCP{Seq: 1, Flags: wire.SYN, Window: 1000}
	udp := udpPacket(port(ipA, 5), port(ipB, 6969), []byte("x"))
	segment := tcpPacket(port(ipA, 5), port(ipB, 80), syn, nil)
	who := wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipB}
	arp := func(change func(a *wire.ARP)) *phy.Frame {
		a := who
		change(&a)
		return arpFrame(wire.Broadcast, macA, a)
	}
	ip := func(change func(h *wire.IPv4)) *phy.Frame {
		return toB(ipPacket(wire.ProtocolUDP, ipA, ipB, udp[wire.IPv4Len:], change))
	}
	eth := func(dst, src wire.HardwareAddr, typ wire.EtherType, p []byte) *phy.Frame {
		return crafted{dst, src, typ, p}.frame()
	}
	vouched := func(p []byte, o phy.Offload) *phy.Frame {
		f := toB(p)
		f.Offload = o
		return f
	}
	v6 := make([]byte, 40)
	v6[0] = 0x60

	tests := []struct {
		name  string
		frame *phy.Frame
		want  string
		sends int
	}{
		{"empty frame", phy.NewFrame(100), "dropped: truncated", 0},
		{"for another station", eth(macC, macA, wire.EtherTypeIPv4, udp), "dropped: unknown mac", 0},
		{"IPv6 multicast", eth(wire.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, macA, wire.EtherTypeIPv6, v6), "dropped: ipv6 off", 0},
		{"IPv4 to an IPv6 group's hardware address", eth(wire.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, macA, wire.EtherTypeIPv4, udp), "dropped: unknown mac", 0},
		{"from a group address", eth(macB, wire.HardwareAddr{1, 0, 0, 0, 0, 1}, wire.EtherTypeIPv4, udp), "dropped: bad source mac", 0},
		{"unknown ethertype", eth(macB, macA, 0x1234, udp), "dropped: unknown ethertype", 0},
		{"802.3 length", eth(macB, macA, 46, udp), "dropped: unknown ethertype", 0},
		{"IPv6", eth(macB, macA, wire.EtherTypeIPv6, v6), "dropped: ipv6 off", 0},
		{"IPv6 as IPv4", toB(v6), "dropped: bad version", 0},

		{"ARP request", arp(func(*wire.ARP) {}), "arp reply", 1},
		{"ARP probe", arp(func(a *wire.ARP) { a.SenderIP = at("0.0.0.0") }), "arp reply", 1},
		{"ARP probe for another", arp(func(a *wire.ARP) { a.SenderIP, a.TargetIP = at("0.0.0.0"), ipC }), "arp not for us", 0},
		{"ARP request of a stranger for another", arp(func(a *wire.ARP) { a.SenderIP, a.TargetIP = ipC, at("10.0.0.4") }), "arp not for us", 0},
		{"ARP from off link", arp(func(a *wire.ARP) { a.SenderIP = at("192.0.2.1") }), "dropped: arp martian", 0},
		{"ARP from broadcast", arp(func(a *wire.ARP) { a.SenderIP = at("10.0.0.255") }), "dropped: arp martian", 0},
		{"ARP from multicast", arp(func(a *wire.ARP) { a.SenderIP = at("224.0.0.1") }), "dropped: arp martian", 0},
		{"ARP from our address", arp(func(a *wire.ARP) { a.SenderIP = ipB }), "dropped: arp conflict", 1},
		{"ARP with a group MAC", arp(func(a *wire.ARP) { a.SenderHW = wire.Broadcast }), "dropped: arp martian", 0},
		{"ARP operation 7", arp(func(a *wire.ARP) { a.Op = 7 }), "dropped: bad type", 0},
		{"short ARP", eth(macB, macA, wire.EtherTypeARP, make([]byte, 7)), "dropped: truncated", 0},
		{"unsolicited ARP reply", arpFrame(macB, macC, wire.ARP{Op: wire.ARPReply, SenderHW: macC, SenderIP: ipC, TargetHW: macB, TargetIP: ipB}), "arp", 0},

		{"truncated IP", toB(udp[:19]), "dropped: truncated", 0},
		{"IP checksum", toB(corrupt(udp, 8)), "dropped: bad checksum", 0},
		{"longer than the MTU", toB(ipPacket(wire.ProtocolUDP, ipA, ipB, make([]byte, 1481), nil)), "dropped: longer than mtu", 0},
		{"first fragment of odd length", toB(ipPacket(17, ipA, ipB, make([]byte, 9), func(h *wire.IPv4) { h.MoreFragments = true })), "dropped: bad length", 0},
		{"last fragment", ip(func(h *wire.IPv4) { h.FragmentOffset = 8 }), "held for reassembly", 0},
		{"from 0.0.0.0", toB(ping("0.0.0.0", "10.0.0.2")), "dropped: martian source", 0},
		{"from loopback", toB(ping("127.0.0.1", "10.0.0.2")), "dropped: martian source", 0},
		{"from multicast", toB(ping("224.0.0.1", "10.0.0.2")), "dropped: martian source", 0},
		{"from class E", toB(ping("240.0.0.1", "10.0.0.2")), "dropped: martian source", 0},
		{"from the limited broadcast", toB(ping("255.255.255.255", "10.0.0.2")), "dropped: martian source", 0},
		{"from the subnet broadcast", toB(ping("10.0.0.255", "10.0.0.2")), "dropped: martian source", 0},
		{"from ourselves", toB(ping("10.0.0.2", "10.0.0.2")), "dropped: martian source", 0},
		{"to loopback", toB(ping("10.0.0.1", "127.0.0.1")), "dropped: martian destination", 0},
		{"to 0.0.0.0", toB(ping("10.0.0.1", "0.0.0.0")), "dropped: martian destination", 0},
		{"to class E", toB(ping("10.0.0.1", "250.0.0.1")), "dropped: martian destination", 0},
		{"to another host", toB(ping("10.0.0.1", "10.0.0.3")), "dropped: not for us", 0},
		{"to a group", toB(ping("10.0.0.1", "224.0.0.251")), "dropped: multicast group not joined", 0},
		{"a report of a group of others", toB(ipPacket(wire.ProtocolIGMP, ipA, at("224.0.0.22"), []byte{0x22, 0, 0, 0, 0, 0, 0, 0}, func(h *wire.IPv4) { h.TTL = 1 })), "igmp not for us", 0},
		{"unicast in a broadcast frame", eth(wire.Broadcast, macA, wire.EtherTypeIPv4, ping("10.0.0.1", "10.0.0.2")), "dropped: martian destination", 0},
		{"unknown protocol", toB(ipPacket(99, ipA, ipB, []byte("what?"), nil)), "protocol unreachable", 1},
		{"unknown protocol to broadcast", toB(ipPacket(99, ipA, at("10.0.0.255"), []byte("what?"), nil)), "dropped: unknown protocol", 0},

		{"ping", toB(ping("10.0.0.1", "10.0.0.2")), "echo reply", 1},
		{"ping with TTL 1", toB(ipPacket(wire.ProtocolICMP, ipA, ipB, echoRequest(1, 1, ""), func(h *wire.IPv4) { h.TTL = 1 })), "echo reply", 1},
		{"ping to the subnet broadcast", eth(wire.Broadcast, macA, wire.EtherTypeIPv4, ping("10.0.0.1", "10.0.0.255")), "dropped: icmp to broadcast", 0},
		{"ICMP checksum", toB(corrupt(ping("10.0.0.1", "10.0.0.2"), 30)), "dropped: bad checksum", 0},
		{"short ICMP", toB(ipPacket(wire.ProtocolICMP, ipA, ipB, make([]byte, 7), nil)), "dropped: truncated", 0},
		{"echo reply nobody waits for", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoReply, ID: 3}, nil)), "dropped: icmp no socket", 0},
		{"echo reply", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoReply, ID: 44}, nil)), "icmp id 44", 0},
		{"timestamp request", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: 13}, make([]byte, 12))), "dropped: icmp unknown type", 0},
		{"redirect", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPRedirect, Gateway: ipC}, udp[:28])), "dropped: icmp redirect", 0},
		{"error about nothing of ours", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: 3}, udp[:28])), "dropped: icmp no socket", 0},
		{"error with half a quotation", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: 3}, udp[:24])), "dropped: truncated", 0},

		{"UDP", toB(udp), "udp :6969", 0},
		{"UDP checksum", toB(corrupt(udp, 28)), "dropped: bad checksum", 0},
		{"UDP checksum that somebody vouches for", vouched(corrupt(udp, 28), phy.Offload{CsumValid: true}), "udp :6969", 0},
		{"UDP checksum not finished", vouched(corrupt(udp, 28), phy.Offload{NeedsCsum: true}), "udp :6969", 0},
		{"UDP without checksum", toB(func() []byte { b := append([]byte(nil), udp...); b[26], b[27] = 0, 0; return b }()), "udp :6969", 0},
		{"UDP closed port", toB(udpPacket(port(ipA, 5), port(ipB, 6970), nil)), "port unreachable", 1},
		{"UDP closed port by broadcast", eth(wire.Broadcast, macA, wire.EtherTypeIPv4, udpPacket(port(ipA, 5), port(at("10.0.0.255"), 6970), nil)), "dropped: no socket", 0},
		{"UDP by broadcast", eth(wire.Broadcast, macA, wire.EtherTypeIPv4, udpPacket(port(ipA, 5), port(at("255.255.255.255"), 6969), nil)), "udp :6969", 0},

		{"SYN", toB(segment), "listener :80, SYN-RECEIVED", 1},
		{"TCP checksum", toB(corrupt(segment, 38)), "dropped: bad checksum", 0},
		{"TCP header length", toB(ipPacket(wire.ProtocolTCP, ipA, ipB, make([]byte, 20), nil)), "dropped: bad header length", 0},
		{"SYN to a closed port", toB(tcpPacket(port(ipA, 5), port(ipB, 81), syn, nil)), "rst", 1},
		{"RST to a closed port", toB(tcpPacket(port(ipA, 5), port(ipB, 81), wire.TCP{Flags: wire.RST}, nil)), "dropped: no socket", 0},
		{"ACK to a listener", toB(tcpPacket(port(ipA, 6), port(ipB, 80), wire.TCP{Flags: wire.ACK}, nil)), "rst", 1},
		{"RST to a listener", toB(tcpPacket(port(ipA, 6), port(ipB, 80), wire.TCP{Flags: wire.RST}, nil)), "dropped: no socket", 0},
		{"data to a listener", toB(tcpPacket(port(ipA, 6), port(ipB, 80), wire.TCP{}, []byte("x"))), "dropped: tcp bad state", 0},
		{"SYN by broadcast", toB(tcpPacket(port(ipA, 6), port(at("10.0.0.255"), 80), syn, nil)), "dropped: martian destination", 0},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			h, i := lone(t)
			if _, err := h.BindUDP(port(netip.Addr{}, 6969)); err != nil {
				t.Fatal(err)
			}
			if _, err := h.BindICMP(44); err != nil {
				t.Fatal(err)
			}
			listen(t, h, 80, tcp.Config{})
			before := string(c.frame.Bytes())
			seen := 0
			h.Observe(func(ev *PacketEvent) {
				if ev.Dir == RX {
					seen++
					if ev.Verdict.String() != c.want || ev.Frame != c.frame || ev.Iface != i || ev.Host != h {
						t.Errorf("observer saw %+v", ev)
					}
				}
			})
			if v := h.Receive(5, i, c.frame); v.String() != c.want {
				t.Errorf("verdict %q, want %q", v, c.want)
			}
			if seen != 1 {
				t.Errorf("observed %d times", seen)
			}
			if string(c.frame.Bytes()) != before {
				t.Error("the frame was changed")
			}
			out := drain(h, 5, i)
			if len(out) != c.sends {
				t.Errorf("%d frames sent, want %d", len(out), c.sends)
			}
			for _, f := range out {
				if eth, _, _ := wire.ParseEthernet(f.Bytes()); eth.Dst != macA && c.want != "dropped: arp conflict" || eth.Src != macB {
					t.Errorf("sent %v > %v", eth.Src, eth.Dst)
				}
			}
			if in, accounted := h.Conservation(); in != 1 || accounted != 1 {
				t.Errorf("%d in, %d accounted for", in, accounted)
			}
		})
	}
}

func TestLostAndSent(t *testing.T) {
	h, i := lone(t)
	var said []string
	cancel := h.Observe(func(ev *PacketEvent) { said = append(said, ev.Verdict.String()) })
	f := toB(udpPacket(port(ipA, 1), port(ipB, 2), nil))
	h.FrameDroppedBeforeStack(7, i, f, drop.FaultLoss)
	h.FrameSent(8, i, f, drop.FaultRate)
	h.FrameSent(9, i, f, drop.None)
	cancel()
	h.FrameDroppedBeforeStack(10, i, f, drop.FaultLoss)
	want := []string{"dropped: fault loss", "dropped: fault rate limit", ""}
	if len(said) != 3 || said[0] != want[0] || said[2] != want[2] || said[1] != "dropped: "+drop.FaultRate.String() {
		t.Errorf("observed %q", said)
	}
	d := h.DropInfos()
	if len(d) != 2 || d[0].Reason != drop.FaultLoss || d[0].Count != 2 || d[0].Sending != 0 || d[0].Last != 10 ||
		d[1].Reason != drop.FaultRate || d[1].Count != 1 || d[1].Sending != 1 || string(d[0].Example) != string(f.Bytes()) {
		t.Errorf("drops %+v", d)
	}
	info := i.Info()
	if info.RxPackets != 2 || info.RxDropped != 2 || info.TxDropped != 1 || info.RxBytes != 2*uint64(f.Len()) {
		t.Errorf("%+v", info)
	}
	if in, out := h.Conservation(); in != 2 || out != 2 {
		t.Errorf("%d in, %d accounted for", in, out)
	}
}
