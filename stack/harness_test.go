package stack

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var (
	macA = wire.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = wire.HardwareAddr{2, 0, 0, 0, 0, 2}
	macC = wire.HardwareAddr{2, 0, 0, 0, 0, 3}
	ipA  = netip.MustParseAddr("10.0.0.1")
	ipB  = netip.MustParseAddr("10.0.0.2")
	ipC  = netip.MustParseAddr("10.0.0.3")
)

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

// flight is a frame in transit between two interfaces.
type flight struct {
	at    clock.Instant
	to    *Iface
	frame *phy.Frame
}

// network is a set of hosts in synthetic time, whose interfaces are connected in pairs.
type network struct {
	t       testing.TB
	now     clock.Instant
	delay   time.Duration
	hosts   []*Host
	peer    map[*Iface]*Iface
	flights []flight
	lose    func(from *Iface, f *phy.Frame) bool
	sent    int
	wrong   bool // true if the hosts are made to send packets that are damaged
}

func newNetwork(t testing.TB) *network {
	n := &network{t: t, delay: time.Millisecond, peer: map[*Iface]*Iface{}}
	if t, ok := t.(*testing.T); ok {
		t.Cleanup(func() {
			if !t.Failed() {
				n.rest()
			}
		})
	}
	return n
}

var ethernet = phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500}

// bare adds a host whose only interface is the loopback.
func (n *network) bare(cfg Config) *Host {
	h := New(cfg)
	loop := h.AddIface(n.now, IfaceConfig{
		Name: "lo", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 65535}, Loop: true, Hidden: true,
		Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	})
	n.peer[loop] = loop
	n.hosts = append(n.hosts, h)
	return h
}

func (n *network) host(name string, mac wire.HardwareAddr, addr string) (*Host, *Iface) {
	h := n.bare(Config{Name: name, Seed: uint64(len(n.hosts) + 1)})
	return h, h.AddIface(n.now, IfaceConfig{
		Name: "eth0", Caps: ethernet, MAC: mac, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)},
	})
}

func (n *network) join(a, b *Iface) { n.peer[a], n.peer[b] = b, a }

// pair returns two hosts on one link.
func pair(t testing.TB) (n *network, a, b *Host) {
	n = newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	b, ib := n.host("b", macB, "10.0.0.2/24")
	n.join(ia, ib)
	n.pump()
	return n, a, b
}

func (n *network) pump() {
	for busy := true; busy; {
		busy = false
		for _, h := range n.hosts {
			for _, i := range h.net.ifaces {
				for k := 0; k < 64 && h.Pending(n.now, i); k++ {
					f := phy.NewFrame(phy.SuperFrameSize)
					if !h.Transmit(n.now, i, f) {
						break
					}
					busy = true
					n.sent++
					if !n.wrong {
						sameReading(n.t, f, i.caps.Medium)
					}
					h.FrameSent(n.now, i, f, drop.None)
					to := n.peer[i]
					if to == nil || n.lose != nil && n.lose(i, f) {
						continue
					}
					delay := n.delay
					if i.hidden {
						delay = 0
					}
					n.flights = append(n.flights, flight{n.now.Add(delay), to, f})
				}
			}
		}
	}
}

// step runs the next event if it is due no later than the time until. It returns false if there is no such event.
func (n *network) step(until clock.Instant) bool {
	n.pump()
	next := clock.Never
	for _, f := range n.flights {
		next = min(next, f.at)
	}
	for _, h := range n.hosts {
		next = min(next, h.Deadline())
	}
	if next == clock.Never || next > until {
		return false
	}
	n.now = max(n.now, next)
	for len(n.flights) > 0 && n.flights[0].at <= n.now {
		f := n.flights[0]
		n.flights = n.flights[1:]
		f.to.host.Receive(n.now, f.to, f.frame)
	}
	slices.SortStableFunc(n.flights, func(a, b flight) int { return int(a.at - b.at) })
	for _, h := range n.hosts {
		h.Tick(n.now)
	}
	n.pump()
	return true
}

func (n *network) run(d time.Duration) {
	n.t.Helper()
	until := n.now.Add(d)
	for k := 0; n.step(until); k++ {
		if k > 10_000_000 {
			n.t.Fatal("something happens all the time")
		}
	}
	n.now = until
	n.conserve()
}

func (n *network) runUntil(what string, within time.Duration, done func() bool) {
	n.t.Helper()
	until := n.now.Add(within)
	n.pump()
	for !done() {
		if !n.step(until) {
			n.t.Fatalf("%s: did not happen within %v", what, within)
		}
	}
	n.conserve()
}

func (n *network) conserve() {
	n.t.Helper()
	for _, h := range n.hosts {
		if in, out := h.Conservation(); in != out {
			n.t.Fatalf("%s: %d frames in, %d accounted for", h.name, in, out)
		}
	}
}

// rest closes every socket and runs until the hosts are idle. They must then hold nothing. Every test with a network
// ends with this check.
func (n *network) rest() {
	n.t.Helper()
	for _, h := range n.hosts {
		h.AbortAll(n.now)
	}
	for k := 0; n.step(clock.Never - 1); k++ {
		if k > 1_000_000 {
			n.t.Fatal("the hosts do not come to rest")
		}
	}
	n.conserve()
	for _, h := range n.hosts {
		if err := h.Rest(); err != nil {
			n.t.Error(err)
		}
	}
}

// counterOf returns one MIB counter.
func counterOf(t testing.TB, h *Host, name string) uint64 {
	t.Helper()
	for _, c := range h.CounterInfos() {
		if c.Name == name {
			return c.Value
		}
	}
	t.Fatalf("no counter %s", name)
	return 0
}

func wantCounter(t testing.TB, h *Host, name string, want uint64) {
	t.Helper()
	if got := counterOf(t, h, name); got != want {
		t.Errorf("%s: %s = %d, want %d", h.name, name, got, want)
	}
}

// crafted is a frame made of its layers, by default from A to B.
type crafted struct {
	dst, src wire.HardwareAddr
	typ      wire.EtherType
	payload  []byte
}

func (c crafted) frame() *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	copy(f.Extend(len(c.payload)), c.payload)
	eth := wire.Ethernet{Dst: c.dst, Src: c.src, Type: c.typ}
	eth.Put(f.Prepend(wire.EthernetLen))
	return f
}

func toB(payload []byte) *phy.Frame {
	return crafted{macB, macA, wire.EtherTypeIPv4, payload}.frame()
}

func ipPacket(proto wire.Protocol, src, dst netip.Addr, payload []byte, change func(*wire.IPv4)) []byte {
	b := make([]byte, wire.IPv4Len+len(payload))
	h := wire.IPv4{TTL: 64, Protocol: proto, Src: src, Dst: dst, PayloadLen: len(payload), ID: 7}
	if change != nil {
		change(&h)
	}
	h.Put(b)
	copy(b[wire.IPv4Len:], payload)
	return b
}

func udpPacket(src, dst netip.AddrPort, data []byte) []byte {
	b := make([]byte, wire.UDPLen+len(data))
	copy(b[wire.UDPLen:], data)
	(&wire.UDP{SrcPort: src.Port(), DstPort: dst.Port()}).Put(b, src.Addr(), dst.Addr())
	return ipPacket(wire.ProtocolUDP, src.Addr(), dst.Addr(), b, nil)
}

func tcpPacket(src, dst netip.AddrPort, h wire.TCP, data []byte) []byte {
	h.SrcPort, h.DstPort = src.Port(), dst.Port()
	b := make([]byte, h.HeaderLen()+len(data))
	copy(b[h.Put(b):], data)
	wire.PutTCPChecksum(b, src.Addr(), dst.Addr())
	return ipPacket(wire.ProtocolTCP, src.Addr(), dst.Addr(), b, nil)
}

func icmpPacket(src, dst netip.Addr, m wire.ICMP, data []byte) []byte {
	b := make([]byte, wire.ICMPLen+len(data))
	copy(b[wire.ICMPLen:], data)
	m.Put(b)
	return ipPacket(wire.ProtocolICMP, src, dst, b, nil)
}

func arpFrame(dst, src wire.HardwareAddr, a wire.ARP) *phy.Frame {
	b := make([]byte, 46)
	a.Put(b)
	return crafted{dst, src, wire.EtherTypeARP, b}.frame()
}

// drain removes the frames that the host h has to send on the interface i, and returns them.
func drain(h *Host, now clock.Instant, i *Iface) (frames []*phy.Frame) {
	for {
		f := phy.NewFrame(phy.FrameSize)
		if !h.Transmit(now, i, f) {
			return frames
		}
		h.FrameSent(now, i, f, drop.None)
		frames = append(frames, f)
	}
}

// lone returns host B without a network. A is a PERMANENT neighbour of B, and B has sent its first announcements.
func lone(t testing.TB) (*Host, *Iface) {
	n := newNetwork(t)
	h, i := n.host("b", macB, "10.0.0.2/24")
	if err := i.AddNeighbor(0, ipA, macA); err != nil {
		t.Fatal(err)
	}
	drain(h, 0, i)
	return h, i
}
