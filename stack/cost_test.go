package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// BenchmarkCost is a table of the work for one packet or call after so many of whatever can pile up. No row may grow by
// more than a logarithm.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct {
		name string
		fn   func(b *testing.B, n int)
	}{
		{"fragmentation needed, path table full", costPaths},
		{"raw socket bound and closed, beside others", costRawBind},
		{"error about another's packet, raw sockets", costRawError},
		{"frame socket bound and closed, beside others", costFrameBind},
		{"frame of another type, frame sockets", costFrameOther},
		{"group joined and left, members", costJoin},
		{"datagram to a group, members with other ports", costGroupOther},
		{"query about one group, groups", costQuery},
		{"ping, addresses", costAddresses},
		{"listener closed, connections", costListener},
		{"connection refused, ports to the destination in use", costDial},
		{"port refused, ports in use", costBind},
	} {
		for _, n := range []int{0, 1000, 50_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) { c.fn(b, n) })
		}
	}
}

// outside is an address beyond the link's router.
func outside(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{20, byte(k >> 16), byte(k >> 8), byte(k)})
}

func costPaths(b *testing.B, n int) {
	h, i := lone(b)
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		b.Fatal(err)
	}
	if err := h.SetLimit("paths", max(1, n)); err != nil {
		b.Fatal(err)
	}
	if _, err := h.BindUDP(port(netip.IPv4Unspecified(), 80)); err != nil {
		b.Fatal(err)
	}
	frame := func(k int) *phy.Frame { return toB(fragNeeded(1000, wire.ProtocolUDP, outside(k), 1500, 0, 9)) }
	for k := range n {
		h.Receive(clock.Instant(k), i, frame(k))
	}
	frames := make([]*phy.Frame, 4096)
	for k := range frames {
		frames[k] = frame(n + k)
	}
	for k := n; b.Loop(); k++ {
		h.Receive(clock.Instant(k), i, frames[k%len(frames)])
	}
}

// crowded is lone with room for many sockets and groups.
func crowded(b *testing.B) (*Host, *Iface) {
	h, i := lone(b)
	for name, most := range map[string]int{"groups": 1 << 20, "recv_queue": 1 << 12} {
		if err := h.SetLimit(name, most); err != nil {
			b.Fatal(err)
		}
	}
	return h, i
}

// made returns what a call has made, and gives up on an error.
func made[T any](b *testing.B, v T, err error) T {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
	return v
}

func rawSocket(b *testing.B, h *Host) *RawConn {
	c, err := h.BindRaw(89)
	return made(b, c, err)
}

func costRawBind(b *testing.B, n int) {
	h, _ := crowded(b)
	for range n {
		rawSocket(b, h)
	}
	for b.Loop() {
		rawSocket(b, h).Close()
	}
}

func costRawError(b *testing.B, n int) {
	h, i := crowded(b)
	for range n {
		c := rawSocket(b, h)
		_ = c.Send(0, []byte("x"), ipA, 0)
		drain(h, 0, i)
	}
	quote := ipPacket(89, ipB, ipC, make([]byte, 8), nil)
	in := toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableProtocol}, quote))
	for b.Loop() {
		h.Receive(0, i, in)
	}
}

func costFrameBind(b *testing.B, n int) {
	h, i := crowded(b)
	bind := func() *FrameConn {
		c, err := h.BindFrames(i, 0x88b5)
		return made(b, c, err)
	}
	for range n {
		bind()
	}
	for b.Loop() {
		bind().Close()
	}
}

func costFrameOther(b *testing.B, n int) {
	h, i := crowded(b)
	for range n {
		c, err := h.BindFrames(i, 0x88b5)
		made(b, c, err)
	}
	in := toB(ipPacket(89, ipA, ipC, nil, nil))
	for b.Loop() {
		h.Receive(0, i, in)
	}
}

// member is a socket of its own on a port that has joined a group.
func member(b *testing.B, h *Host, k int, group netip.Addr) *UDPConn {
	u, err := h.BindUDP(port(netip.Addr{}, uint16(k)))
	made(b, u, err)
	return made(b, u, u.Join(0, group))
}

var aGroup = netip.AddrFrom4([4]byte{239, 1, 1, 1})

func costJoin(b *testing.B, n int) {
	h, i := crowded(b)
	for k := range n {
		member(b, h, 1+k, aGroup)
	}
	for b.Loop() {
		member(b, h, 60_000, aGroup).Close()
		drain(h, 0, i)
	}
}

func costGroupOther(b *testing.B, n int) {
	h, i := crowded(b)
	for k := range n {
		member(b, h, 1+k, aGroup)
	}
	member(b, h, 60_001, aGroup)
	in := toGroup(aGroup, udpPacket(port(ipA, 5), port(aGroup, 60_000), nil))
	for b.Loop() {
		h.Receive(0, i, in)
	}
}

func costQuery(b *testing.B, n int) {
	h, i := crowded(b)
	u, err := h.BindUDP(port(netip.Addr{}, 9))
	made(b, u, err)
	for k := range n {
		made(b, u, u.Join(0, netip.AddrFrom4([4]byte{239, 2, byte(k >> 8), byte(k)})))
		drain(h, 0, i)
	}
	msg := make([]byte, wire.IGMPLen)
	(&wire.IGMP{Type: wire.IGMPQuery, MaxResp: 1, Group: aGroup}).Put(msg)
	in := toGroup(aGroup, ipPacket(wire.ProtocolIGMP, ipA, aGroup, msg, func(p *wire.IPv4) { p.TTL = 1 }))
	member(b, h, 10, aGroup)
	for b.Loop() {
		h.Receive(0, i, in)
	}
}

// costDial is with all ports in use where n is more than there are.
func costDial(b *testing.B, n int) {
	h, _ := crowded(b)
	dial := func() (*TCPConn, error) { return h.DialTCP(0, netip.AddrPort{}, port(ipA, 80), tcp.Config{}) }
	for range min(n, numEphemeral) {
		c, err := dial()
		made(b, c, err)
	}
	for b.Loop() {
		if c, err := dial(); err == nil {
			c.Abort(0)
		}
	}
}

func costBind(b *testing.B, n int) {
	h, _ := crowded(b)
	for range min(n, numEphemeral) {
		u, err := h.BindUDP(netip.AddrPort{})
		made(b, u, err)
	}
	for b.Loop() {
		if u, err := h.BindUDP(netip.AddrPort{}); err == nil {
			u.Close()
		}
	}
}

func costAddresses(b *testing.B, n int) {
	h, i := crowded(b)
	for k := range n {
		if err := i.AddAddr(0, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 8, byte(k >> 8), byte(k)}), 32)); err != nil {
			b.Fatal(err)
		}
		drain(h, 0, i)
	}
	in := toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, make([]byte, 56)))
	out := phy.NewFrame(phy.FrameSize)
	for b.Loop() {
		h.Receive(0, i, in)
		out.Reset()
		h.Transmit(0, i, out)
	}
}

func costListener(b *testing.B, n int) {
	h, _ := crowded(b)
	for k := range n {
		c, err := h.DialTCP(0, netip.AddrPort{}, port(ipA, uint16(80+k%8)), tcp.Config{})
		made(b, c, err)
	}
	for b.Loop() {
		l, err := h.ListenTCP(port(netip.Addr{}, 80), 1, tcp.Config{})
		made(b, l, err).Close(0)
	}
}
