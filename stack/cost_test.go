package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// pile is a kind of entry of which a host may have many, and a step whose cost per packet is measured beside that many
// entries. No step may cost much more beside many entries than beside none, except for a logarithm, and for the copy
// that each socket receives.
type pile struct {
	name string
	step string
	most int // the maximum number; 0: unlimited
	make func(x *costRig, n int) (step func())
}

// costSizes are the numbers of entries measured.
var costSizes = [...]int{0, 1000, 50_000}

// BenchmarkCost measures each pile's step beside no, 1000 and 50,000 entries, or the maximum. The table in docs/performance.md is
// made from its ns/op:
//
//	go test ./stack ./stack/lab -run '^$' -bench '^BenchmarkCost$'
func BenchmarkCost(b *testing.B) {
	for _, p := range slices.Concat(piles, piles6) {
		for k, n := range costSizes {
			if p.most > 0 && n > p.most {
				if costSizes[k-1] >= p.most {
					continue
				}
				n = p.most
			}
			b.Run(fmt.Sprintf("%s: %s/%d", p.name, p.step, n), func(b *testing.B) {
				step := p.make(newCostRig(b), n)
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
			})
		}
	}
}

// TestCostSteps runs each pile's step beside a few entries, to check that it does what the benchmark measures.
func TestCostSteps(t *testing.T) {
	for _, p := range slices.Concat(piles, piles6) {
		for _, n := range [...]int{0, 20} {
			t.Run(fmt.Sprintf("%s: %s/%d", p.name, p.step, n), func(t *testing.T) {
				step := p.make(newCostRig(t), n)
				for range 100 {
					step()
				}
			})
		}
	}
}

// costRig is a host with very high limits, and a peer at 10.0.0.1 that consists of frames alone.
type costRig struct {
	testing.TB
	h   *Host
	i   *Iface
	now clock.Instant
	l   *TCPListener
	in  *phy.Frame
	out *phy.Frame
}

func newCostRig(tb testing.TB) *costRig {
	const many = 1 << 20
	x := &costRig{TB: tb, in: phy.NewFrame(phy.FrameSize), out: phy.NewFrame(phy.FrameSize)}
	x.h = New(Config{
		Name: "b", Seed: 1, Neighbor: neigh.Config{Entries: many, Incomplete: many},
		Limits: Limits{Fragments: 1 << 40, Paths: many, Groups: many, ReplyQueue: many, SendQueue: many, ICMPRate: 1e9, ICMPBurst: 1e9},
	})
	x.i = x.h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, Addrs: prefixes("10.0.0.2/24")})
	must(tb, x.i.AddNeighbor(0, ipA, macA))
	must(tb, x.h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil))
	x.l = listen(tb, x.h, 80, tcp.Config{})
	x.l.backlog = many
	x.drain()
	return x
}

// drain removes the host's frames and returns their number.
func (x *costRig) drain() (n int) {
	for x.out.Reset(); x.h.Transmit(x.now, x.i, x.out); x.out.Reset() {
		x.h.FrameSent(x.now, x.i, x.out, drop.None)
		n++
	}
	return n
}

// receive passes a packet from the peer to the host. The frame says that the device has verified its checksum.
func (x *costRig) receive(packet []byte) Verdict {
	x.in.Reset()
	eth := wire.Ethernet{Dst: macB, Src: macA, Type: versionOf(packet).etherType()}
	eth.Put(x.in.Extend(wire.EthernetLen))
	copy(x.in.Extend(len(packet)), packet)
	x.in.Offload.CsumValid = true
	return x.h.Receive(x.now, x.i, x.in)
}

// costConn is a connection of the host, with the peer's sequence numbers.
type costConn struct {
	*costRig
	c      *TCPConn
	remote netip.AddrPort
	seq    wire.Seq // the peer's next sequence number
	ack    wire.Seq // the host's next sequence number, as far as the peer knows
	packet []byte   // reused for segments that differ only in their numbers
}

// connect opens the kth connection from the peer.
func (x *costRig) connect(k int) *costConn {
	x.Helper()
	c := &costConn{costRig: x, remote: port(ipA, uint16(1024+k)), seq: 1001}
	syn := wire.TCP{Seq: 1000, Flags: wire.SYN, Window: 65535, Options: wire.TCPOptions{MSS: 1460, SACKPermitted: true}}
	x.receive(tcpPacket(c.remote, port(ipB, 80), syn, nil))
	x.out.Reset()
	if !x.h.Transmit(x.now, x.i, x.out) {
		x.Fatal("no SYN-ACK")
	}
	s, _, err := wire.ParseTCP(x.out.Bytes()[wire.EthernetLen+wire.IPv4Len:])
	must(x, err)
	c.ack = s.Seq.Add(1)
	c.send(wire.ACK, nil)
	if c.c = x.l.Accept(); c.c == nil {
		x.Fatalf("connection %d is not there", k)
	}
	return c
}

// send sends an in-order segment from the peer.
func (c *costConn) send(flags wire.Flags, text []byte) Verdict {
	v := c.receive(tcpPacket(c.remote, port(ipB, 80), wire.TCP{Seq: c.seq, Ack: c.ack, Flags: flags, Window: 65535}, text))
	c.seq = c.seq.Add(len(text))
	return v
}

// stream returns the step of a live connection: a segment of 100 octets is received, read and acknowledged.
func (x *costRig) stream() func() {
	c := x.connect(60_000)
	c.packet = tcpPacket(c.remote, port(ipB, 80), wire.TCP{Ack: c.ack, Flags: wire.ACK, Window: 65535}, make([]byte, 100))
	return func() {
		binary.BigEndian.PutUint32(c.packet[wire.IPv4Len+4:], uint32(c.seq))
		if v := c.receive(c.packet); v.Kind != Delivered {
			c.Fatal(v)
		}
		c.seq = c.seq.Add(100)
		if n, _ := c.c.Discard(c.now, 100); n != 100 {
			c.Fatalf("%d octets", n)
		}
		c.drain()
	}
}

// finish closes a connection from the host's side, up to TIME-WAIT.
func (c *costConn) finish() {
	c.c.Close(c.now)
	c.drain()
	c.ack = c.ack.Add(1)
	c.send(wire.ACK|wire.FIN, nil)
	c.drain()
	if c.c.State() != tcp.TimeWait {
		c.Fatal(c.c.State())
	}
}

// datagram returns the step of a datagram that is received from the peer and read.
func (x *costRig) datagram(u *UDPConn) func() {
	packet := udpPacket(port(ipA, 9), port(ipB, u.local.Port()), make([]byte, 100))
	var buf [200]byte
	return func() {
		if v := x.receive(packet); v.Kind != Delivered {
			x.Fatal(v)
		}
		if n, _, _ := u.Recv(buf[:]); n != 100 {
			x.Fatalf("%d octets", n)
		}
	}
}

// bind returns a UDP socket on any address.
func (x *costRig) bind(p uint16) *UDPConn {
	u, err := x.h.BindUDP(port(netip.Addr{}, p))
	must(x, err)
	return u
}

// answered returns the step of a packet from the peer that the host answers.
func (x *costRig) answered(packet []byte) func() {
	return func() {
		if v := x.receive(packet); v.Kind != Answered {
			x.Fatal(v)
		}
		x.drain()
	}
}

// tick returns the step of a timer: the host reports its deadline, and runs it.
func (x *costRig) tick() func() {
	return func() {
		x.now = max(x.now+1, min(x.h.Deadline(), x.now+clock.Instant(time.Microsecond)))
		x.h.Tick(x.now)
		x.drain()
	}
}

// many returns the kth address of a large network.
func many(k int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 11<<24+uint32(k)+1)
	return netip.AddrFrom4(a)
}
