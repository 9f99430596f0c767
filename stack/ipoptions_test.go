package stack

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// optioned returns a packet with options.
func optioned(proto wire.Protocol, src, dst netip.Addr, options string, payload []byte, change func(*wire.IPv4)) []byte {
	o, err := hex.DecodeString(strings.ReplaceAll(options, " ", ""))
	if err != nil {
		panic(err)
	}
	h := wire.IPv4{TTL: 64, Protocol: proto, Src: src, Dst: dst, PayloadLen: len(payload), ID: 7}
	if change != nil {
		change(&h)
	}
	b := make([]byte, wire.IPv4Len+wire.MaxIPv4Options+len(payload))
	n := h.PutWithOptions(b, o)
	return b[:n+copy(b[n:], payload)]
}

// sentPacket returns the one packet that h sends on i, with its options in hexadecimal.
func sentPacket(t *testing.T, h *Host, now clock.Instant, i *Iface) (ip wire.IPv4, options string, payload []byte) {
	t.Helper()
	out := drain(h, now, i)
	if len(out) != 1 {
		t.Fatalf("%d frames were sent", len(out))
	}
	b := out[0].Bytes()[wire.EthernetLen:]
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil {
		t.Fatal(err)
	}
	return ip, hex.EncodeToString(ip.IPv4Options(b)), bytes.Clone(payload)
}

const (
	brokenOption = "01 01 07 28"
	unfinished   = "83 07 04 0a000009 00"
	completed    = "83 07 08 0a000009 00"
)

// TestIPOptionVerdicts: each packet with options for this host has its verdict and its answer.
func TestIPOptionVerdicts(t *testing.T) {
	udp := func(dst uint16) []byte { return udpPacket(port(ipA, 5), port(ipB, dst), []byte("x"))[wire.IPv4Len:] }
	unreachable := icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: 3}, udpPacket(port(ipB, 7), port(ipA, 5), nil))[wire.IPv4Len:]
	ping := echoRequest(1, 1, "data")
	everyone := netip.MustParseAddr("10.0.0.255")
	fragment := func(off int) func(*wire.IPv4) {
		return func(h *wire.IPv4) { h.FragmentOffset, h.MoreFragments = off, true }
	}
	for name, c := range map[string]struct {
		packet  []byte
		want    string
		answer  string // an ICMP error: type, code and pointer
		counted string
	}{
		"broken":                    {optioned(17, ipA, ipB, brokenOption, udp(7), nil), "parameter problem", "0c 00 17", "IpInHdrErrors"},
		"broken, in an echo":        {optioned(1, ipA, ipB, "07 03 03 00", ping, nil), "parameter problem", "0c 00 16", "IcmpOutParmProbs"},
		"broken, in an ICMP error":  {optioned(1, ipA, ipB, brokenOption, unreachable, nil), "dropped: bad option", "", "IpInHdrErrors"},
		"broken, to everyone":       {optioned(17, ipA, everyone, brokenOption, udp(7), nil), "dropped: bad option", "", "IpInHdrErrors"},
		"broken, to all hosts":      {optioned(17, ipA, wire.AllHosts, brokenOption, udp(7), nil), "dropped: bad option", "", "IpInHdrErrors"},
		"broken, first fragment":    {optioned(17, ipA, ipB, brokenOption, make([]byte, 16), fragment(0)), "parameter problem", "0c 00 17", "IpInHdrErrors"},
		"broken, later fragment":    {optioned(17, ipA, ipB, brokenOption, make([]byte, 16), fragment(16)), "dropped: bad option", "", "IpInHdrErrors"},
		"broken, from nobody":       {optioned(17, netip.IPv4Unspecified(), limitedBroadcast, brokenOption, udp(7), nil), "dropped: bad option", "", "IpInHdrErrors"},
		"broken, for another":       {optioned(17, ipA, ipC, brokenOption, udp(7), nil), "dropped: not for us", "", "IpInAddrErrors"},
		"broken, a martian":         {optioned(17, everyone, ipB, brokenOption, udp(7), nil), "dropped: martian source", "", "IpInAddrErrors"},
		"source route":              {optioned(17, ipA, ipB, unfinished, udp(7), nil), "source route failed", "03 05 00", "IpInAddrErrors"},
		"strict source route":       {optioned(1, ipA, ipB, "89 07 04 0a000009 00", ping, nil), "source route failed", "03 05 00", "IcmpOutDestUnreachs"},
		"source route, error":       {optioned(1, ipA, ipB, unfinished, unreachable, nil), "dropped: source route", "", "IpInAddrErrors"},
		"source route, to everyone": {optioned(17, ipA, everyone, unfinished, udp(7), nil), "dropped: source route", "", "IpInAddrErrors"},
		"source route, completed":   {optioned(17, ipA, ipB, completed, udp(7), nil), "udp :7", "", "UdpInDatagrams"},
		"record route, UDP":         {optioned(17, ipA, ipB, "07 07 04 00000000 00", udp(7), nil), "udp :7", "", "UdpInDatagrams"},
		"unknown, UDP":              {optioned(17, ipA, ipB, "9e 04 0000", udp(7), nil), "udp :7", "", "UdpInDatagrams"},
		"closed port":               {optioned(17, ipA, ipB, "94 04 0000", udp(8), nil), "port unreachable", "03 03 00", "UdpNoPorts"},
		"stamps that overflow":      {optioned(1, ipA, ipB, "44 08 09 f0 00000001", ping, nil), "parameter problem", "0c 00 17", "IpInHdrErrors"},
	} {
		t.Run(name, func(t *testing.T) {
			h, i := lone(t)
			if _, err := h.BindUDP(port(netip.Addr{}, 7)); err != nil {
				t.Fatal(err)
			}
			dst := macB
			if a, _, _ := wire.ParseIPv4(c.packet); a.Dst == wire.AllHosts {
				dst = wire.GroupMAC(a.Dst)
			} else if i.isBroadcast(a.Dst) {
				dst = wire.Broadcast
			}
			if v := h.Receive(0, i, crafted{dst, macA, wire.EtherTypeIPv4, c.packet}.frame()); v.String() != c.want {
				t.Fatalf("%q, want %q", v, c.want)
			}
			if n := counterOf(t, h, c.counted); n != 1 {
				t.Errorf("%s is %d", c.counted, n)
			}
			if c.answer == "" {
				if out := drain(h, 0, i); len(out) != 0 {
					t.Errorf("%d frames were sent", len(out))
				}
				return
			}
			ip, _, p := sentPacket(t, h, 0, i)
			if got := hex.EncodeToString([]byte{p[0], p[1], p[4]}); got != strings.ReplaceAll(c.answer, " ", "") || ip.Src != ipB || ip.Dst != ipA {
				t.Errorf("answered %s from %v to %v, want %s", got, ip.Src, ip.Dst, c.answer)
			}
			if quote := p[wire.ICMPLen:]; !bytes.HasPrefix(c.packet, quote) {
				t.Errorf("it quotes % x", quote)
			}
		})
	}
}

// TestEchoReplyOptions: an echo reply returns record route and timestamp options, with our own entry (RFC 1122 §3.2.2.6).
func TestEchoReplyOptions(t *testing.T) {
	for name, c := range map[string]struct{ request, reply string }{
		"record route":       {"07 0b 04 00000000 00000000 00", "070b080a0000020000000000"},
		"record route, ours": {"01 07 07 04 00000000", "0707080a00000200"},
		"record route, full": {"07 07 08 0a000001 00", "0707080a00000100"},
		"timestamp":          {"44 0c 05 00 00000000 00000000", "440c0900800007d000000000"},
		"timestamp, address": {"44 0c 05 01 0000000000000000", "440c0d010a000002800007d0"},
		"timestamp, ours":    {"44 0c 05 03 0a00000200000000", "440c0d030a000002800007d0"},
		"timestamp, other":   {"44 0c 05 03 0a00000300000000", "440c05030a00000300000000"},
		"timestamp, full":    {"44 08 09 00 00000001", "4408091000000001"},
		"both":               {"44 08 05 00 00000000 07 07 04 00000000 00", "44080900800007d00707080a00000200"},
		"router alert":       {"94 04 0000", ""},
		"completed route":    {completed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, i := lone(t)
			data := strings.Repeat("x", 1400)
			v := h.Receive(clock.Instant(2*time.Second), i, toB(optioned(1, ipA, ipB, c.request, echoRequest(9, 1, data), nil)))
			if v != (Verdict{Kind: Answered, Answer: EchoReply, Proto: 1, Port: 9}) {
				t.Fatalf("%q", v)
			}
			ip, options, p := sentPacket(t, h, clock.Instant(2*time.Second), i)
			if options != c.reply || ip.Src != ipB || ip.Dst != ipA || string(p[wire.ICMPLen:]) != data || wire.Checksum(p) != 0 {
				t.Errorf("options %q from %v to %v with %d octets, want %q", options, ip.Src, ip.Dst, len(p), c.reply)
			}
		})
	}
}

// TestBrokenOptionsAreRateLimited: a flood of malformed options is answered within the rate limit of ICMP errors.
func TestBrokenOptionsAreRateLimited(t *testing.T) {
	h, i := lone(t)
	in := toB(optioned(17, ipA, ipB, brokenOption, make([]byte, 8), nil))
	for range 500 {
		h.Receive(0, i, in)
	}
	if n := len(drain(h, 0, i)); n != h.limits.ICMPBurst {
		t.Errorf("%d errors were sent", n)
	}
	wantCounter(t, h, "IcmpOutRateLimited", uint64(500-h.limits.ICMPBurst))
}

// TestForwardingOptions: a router adds the outgoing interface's address to record route and timestamp options
// (RFC 1812 §5.2.4.2, §5.2.4.3). It drops source-routed packets (§5.2.4.1), and reports malformed options.
func TestForwardingOptions(t *testing.T) {
	const now = clock.Instant(3 * time.Second)
	out := "0a0001fe" // the address of the outgoing interface
	for name, c := range map[string]struct{ options, want, sent string }{
		"record route":           {"07 0b 04 00000000 00000000 00", "forwarded", "070b08" + out + "0000000000"},
		"record route, full":     {"07 07 08 0a000001 00", "forwarded", "0707080a00000100"},
		"timestamp":              {"44 0c 05 01 0000000000000000", "forwarded", "440c0d01" + out + "80000bb8"},
		"timestamp, full":        {"44 08 09 00 00000001", "forwarded", "4408091000000001"},
		"timestamp, overflow":    {"44 08 09 f0 00000001", "parameter problem", ""},
		"router alert":           {"94 04 0000", "forwarded", "94040000"},
		"broken":                 {brokenOption, "parameter problem", ""},
		"source route":           {unfinished, "source route failed", ""},
		"source route, finished": {completed, "source route failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			h.SetForwarding(true)
			add := func(name, addr string, mac wire.HardwareAddr) *Iface {
				return h.AddIface(0, IfaceConfig{Name: name, Caps: phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500}, MAC: mac, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
			}
			in, to := add("eth0", "10.0.0.254/24", macB), add("eth1", "10.0.1.254/24", macC)
			far := netip.MustParseAddr("10.0.1.1")
			for i, a := range map[*Iface]netip.Addr{in: ipA, to: far} {
				if err := i.AddNeighbor(0, a, macA); err != nil {
					t.Fatal(err)
				}
			}
			drain(h, 0, in)
			drain(h, 0, to)
			if v := h.Receive(now, in, toB(optioned(17, ipA, far, c.options, make([]byte, 8), nil))); v.String() != c.want {
				t.Fatalf("%q, want %q", v, c.want)
			}
			if c.want != "forwarded" {
				if ip, _, _ := sentPacket(t, h, now, in); ip.Dst != ipA || ip.Src != netip.MustParseAddr("10.0.0.254") {
					t.Errorf("the error goes from %v to %v", ip.Src, ip.Dst)
				}
				if out := drain(h, now, to); len(out) != 0 {
					t.Errorf("%d frames were sent on", len(out))
				}
				return
			}
			if ip, options, _ := sentPacket(t, h, now, to); options != c.sent || ip.TTL != 63 {
				t.Errorf("options %s, TTL %d, want %s", options, ip.TTL, c.sent)
			}
		})
	}
}

// TestNoAllocsIPOptions: packets with options allocate nothing.
func TestNoAllocsIPOptions(t *testing.T) {
	h, i := lone(t)
	in := toB(optioned(1, ipA, ipB, "44 0c 05 01 0000000000000000 07 0b 04 00000000 00000000 00", echoRequest(1, 1, "x"), nil))
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := h.Receive(0, i, in); v.Kind != Answered {
			t.Fatalf("%q", v)
		}
		out.Reset()
		h.Transmit(0, i, out)
	})
}
