package stack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// part is a fragment from A to B: octets of a datagram's fragmentable part, whose first header is next. before is an extension
// header with options before the fragment header; nil means none.
type part struct {
	id      uint32
	lo      int
	more    bool
	payload []byte
	next    wire.Protocol // 0 means UDP
	before  []byte
	change  func(*wire.IPv6)
}

func (p part) packet() []byte {
	next := p.next
	if next == 0 {
		next = wire.ProtocolUDP
	}
	head := make([]byte, wire.IPv6FragmentLen)
	(&wire.IPv6Fragment{Next: next, Offset: p.lo, More: p.more, ID: p.id}).Put(head)
	b, first := append(head, p.payload...), wire.Protocol(44)
	if p.before != nil {
		b, first = behind(44, p.before, b), 60
	}
	return ip6Packet(first, ip6A, ip6B, b, p.change)
}

// parts cuts a payload at the given octets.
func parts(id uint32, payload []byte, at ...int) (list []part) {
	lo := 0
	for _, hi := range append(at, len(payload)) {
		list = append(list, part{id: id, lo: lo, more: hi < len(payload), payload: payload[lo:hi]})
		lo = hi
	}
	return list
}

// wholeUDP is a datagram to port 7 of B, whose fragmentable part has 104 octets.
func wholeUDP() []byte { return udp6(port(ip6A, 5), port(ip6B, 7), octets(96)) }

// TestReassembly6: fragments make their datagram in any order, with headers that differ, and with extension headers before and after
// the fragment header (RFC 8200 §4.5, RFC 6946 §4).
func TestReassembly6(t *testing.T) {
	whole := wholeUDP()
	behindOptions := append([]byte{17, 0, 1, 4, 0, 0, 0, 0}, whole...)
	for name, list := range map[string][]part{
		"two":  parts(1, whole, 48),
		"many": parts(1, whole, 8, 16, 24, 64, 72),
		"options in each": {
			{id: 1, more: true, payload: whole[:48], before: plainOptions}, {id: 1, lo: 48, payload: whole[48:], before: skipped},
		},
		"options in the first alone": {{id: 1, more: true, payload: whole[:48], before: plainOptions}, {id: 1, lo: 48, payload: whole[48:]}},
		"options in the last alone":  {{id: 1, more: true, payload: whole[:48]}, {id: 1, lo: 48, payload: whole[48:], before: skipped}},
		"options to be reassembled":  {{id: 1, more: true, payload: behindOptions[:56], next: 60}, {id: 1, lo: 56, payload: behindOptions[56:], next: 60}},
		"another next header in the last": {
			{id: 1, more: true, payload: whole[:48]}, {id: 1, lo: 48, payload: whole[48:], next: 253},
		},
		"other traffic classes": {
			{id: 1, more: true, payload: whole[:48], change: func(h *wire.IPv6) { h.TrafficClass, h.FlowLabel = 8, 3 }},
			{id: 1, lo: 48, payload: whole[48:], change: hops(3)},
		},
	} {
		for seed := range uint64(6) {
			rng := rand.New(rand.NewPCG(seed, 8200))
			h, i, now := lone6(t)
			u, _ := h.BindUDP(port(netip.Addr{}, 7))
			order := rng.Perm(len(list))
			buf := make([]byte, 200)
			for k, at := range order {
				if v := h.Receive(now, i, toB6(part{id: 1, payload: whole}.packet())); v.String() != "udp :7" {
					t.Fatalf("%s: an atomic fragment with the same identification: %v", name, v)
				}
				_, _, _ = u.Recv(buf)
				v := h.Receive(now, i, toB6(list[at].packet()))
				if last := k == len(order)-1; v.Kind != Delivered || v.Held == last {
					t.Errorf("%s, order %v: fragment %d: %v", name, order, at, v)
				}
				if again := h.Receive(now, i, toB6(list[at].packet())); k < len(order)-1 && again != dropped(drop.FragmentAgain) {
					t.Errorf("%s: fragment %d again: %v", name, at, again)
				}
			}
			if n, from, _ := u.Recv(buf); n != 96 || !bytes.Equal(buf[:n], octets(96)) || from != port(ip6A, 5) {
				t.Errorf("%s, order %v: %d octets from %v", name, order, n, from)
			}
			if a := answer6(t, h, now, i); a != nil {
				t.Errorf("%s: answer %+v", name, a)
			}
			wantCounter(t, h, "Ip6ReasmOKs", 1)
			h.Tick(now.Add(2 * time.Minute))
		}
	}
}

// TestFragmentConflicts6: fragments that overlap or contradict each other, even by one octet, end their datagram for good, and others
// stay (RFC 5722 §4, RFC 8200 §4.5).
func TestFragmentConflicts6(t *testing.T) {
	whole := wholeUDP()
	first := part{id: 1, more: true, payload: whole[:48]}
	last := part{id: 1, lo: 48, payload: whole[48:]}
	for name, bad := range map[string]part{
		"the end of the first":    {id: 1, lo: 40, more: true, payload: whole[40:56]},
		"within the first":        {id: 1, lo: 8, more: true, payload: whole[8:16]},
		"a longer first":          {id: 1, more: true, payload: whole[:56]},
		"a shorter first":         {id: 1, more: true, payload: whole[:40]},
		"an end within the first": {id: 1, lo: 40, payload: whole[40:48]},
		"an end before its end":   {id: 1, lo: 8, payload: whole[8:16]},
	} {
		h, i, now := lone6(t)
		u, _ := h.BindUDP(port(netip.Addr{}, 7))
		h.Receive(now, i, toB6(first.packet()))
		if v := h.Receive(now, i, toB6(bad.packet())); v != dropped(drop.FragmentConflict) {
			t.Errorf("%s: %v", name, v)
		}
		poisoned := reasonsOf(h)[drop.FragmentConflict] > 0
		v := h.Receive(now, i, toB6(last.packet()))
		if n, _, _ := u.Recv(make([]byte, 200)); !poisoned || v != dropped(drop.FragmentConflict) || n != -1 {
			t.Errorf("%s: the rest makes %v, %d octets", name, v, n)
		}
		if a := answer6(t, h, now, i); a != nil {
			t.Errorf("%s: answer %+v", name, a)
		}
		for _, p := range parts(2, whole, 48) {
			v = h.Receive(now, i, toB6(p.packet()))
		}
		if v.String() != "udp :7" {
			t.Errorf("%s: the next datagram: %v", name, v)
		}
		later := now.Add(61 * time.Second)
		h.Tick(later)
		if a := answer6(t, h, later, i); a != nil {
			t.Errorf("%s: a time exceeded error about a datagram in conflict: %+v", name, a)
		}
		for _, p := range parts(1, whole, 48) {
			v = h.Receive(later, i, toB6(p.packet()))
		}
		if v.String() != "udp :7" {
			t.Errorf("%s: the same identification after its time: %v", name, v)
		}
	}
}

// TestFragmentErrors6: the errors about fragments (RFC 8200 §4.5, RFC 7112 §5, RFC 4443 §3.4).
func TestFragmentErrors6(t *testing.T) {
	whole := wholeUDP()
	tcpHead := tcp6(port(ip6A, 5), port(ip6B, 80), wire.TCP{Flags: wire.SYN})
	held := Verdict{Kind: Delivered}
	for _, c := range []chainCase{
		{"more, and not a multiple of eight octets", 44, ip6B, behind(17, firstPart, whole[:47]), errorAbout(drop.BadLength), problem6(0, 4), ""},
		{"beyond 65,535 octets", 44, ip6B, behind(17, overlongPart, whole[:8]), errorAbout(drop.BadLength), problem6(0, 42), ""},
		{"up to 65,535 octets", 44, ip6B, behind(17, overlongPart, whole[:7]), held, nil, ""},
		{"beyond 65,535 octets with options", 60, ip6B, behind(44, plainOptions, behind(17, overlongPart, whole[:7])), errorAbout(drop.BadLength), problem6(0, 50), ""},
		{"empty and last", 44, ip6B, behind(17, []byte{0, 0, 8, 0, 0, 0, 9}, nil), dropped(drop.BadLength), nil, ""},
		{"empty with more to come", 44, ip6B, behind(17, laterPart, nil), dropped(drop.BadLength), nil, ""},
		{"half of a TCP header", 44, ip6B, behind(6, firstPart, tcpHead[:16]), errorAbout(drop.HeaderChainCut), problem6(3, 0), "Icmp6OutParmProblems"},
		{"a TCP header", 44, ip6B, behind(6, firstPart, append(tcpHead, make([]byte, 4)...)), held, nil, ""},
		{"half of a UDP header and no octet", 44, ip6B, behind(17, firstPart, nil), errorAbout(drop.HeaderChainCut), problem6(3, 0), ""},
		{"options that end too late", 44, ip6B, behind(60, firstPart, []byte{17, 1, 1, 4, 0, 0, 0, 0}), errorAbout(drop.HeaderChainCut), problem6(3, 0), ""},
		{"a fragment of a fragment", 44, ip6B, behind(44, firstPart, behind(17, firstPart, whole[:16])), dropped(drop.FragmentNested), nil, ""},
		{"to a group", 44, group6, behind(17, firstPart, whole[:47]), dropped(drop.BadLength), nil, ""},
		{"ICMPv6 without its type", 44, ip6B, behind(60, firstPart, behind(58, plainOptions, nil)), dropped(drop.HeaderChainCut), nil, ""},
		{"an atomic fragment", 44, ip6B, behind(17, atomicPart, udpIn(ip6B)), held, nil, ""},
		{"an unknown header in an atomic fragment", 44, ip6B, behind(253, atomicPart, whole), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 40), ""},
	} {
		t.Run(c.name, c.run)
	}
}

// TestReassemblyTimeout6: an error follows only if the first fragment has arrived, which it quotes (RFC 8200 §4.5, RFC 4443 §3.3).
func TestReassemblyTimeout6(t *testing.T) {
	whole := wholeUDP()
	for _, c := range []struct {
		name string
		part part
		want bool
	}{
		{"the first alone", part{id: 1, more: true, payload: whole[:48]}, true},
		{"the first with options", part{id: 1, more: true, payload: whole[:48], before: plainOptions}, true},
		{"the last alone", part{id: 1, lo: 48, payload: whole[48:]}, false},
		{"the first of an error", part{id: 1, more: true, payload: icmp6(ip6A, ip6B, wire.ICMPv6{Type: 1}, whole[:48]), next: 58}, false},
		{"the first of an echo", part{id: 1, more: true, payload: icmp6(ip6A, ip6B, wire.ICMPv6{Type: 128}, whole[:48]), next: 58}, true},
		{"the first of an error behind options", part{id: 1, more: true, payload: behind(58, plainOptions, icmp6(ip6A, ip6B, wire.ICMPv6{Type: 1}, whole[:48])), next: 60}, false},
	} {
		h, i, now := lone6(t)
		b := c.part.packet()
		if v := h.Receive(now, i, toB6(b)); !v.Held {
			t.Errorf("%s: %v", c.name, v)
		}
		h.Tick(now.Add(60*time.Second - 1))
		if a := answer6(t, h, now, i); a != nil {
			t.Errorf("%s: too early: %+v", c.name, a)
		}
		now = now.Add(60 * time.Second)
		h.Tick(now)
		a := answer6(t, h, now, i)
		switch {
		case !c.want && a != nil:
			t.Errorf("%s: answer %+v", c.name, a)
		case c.want && (a == nil || a.m != wire.ICMPv6{Type: wire.ICMPv6TimeExceeded, Code: wire.ExceededReassembly} || !bytes.Equal(a.quote, b)):
			t.Errorf("%s: answer %+v", c.name, a)
		}
		wantCounter(t, h, "Ip6ReasmTimeout", 1)
		wantCounter(t, h, "Ip6ReasmFails", 1)
	}
}

// TestFragmentedDiscovery: no message of neighbour discovery is accepted from fragments, even from an atomic one (RFC 6980 §5).
func TestFragmentedDiscovery(t *testing.T) {
	h, i, now := lone6(t)
	b := make([]byte, wire.NeighborMessageLen)
	(&wire.NeighborSolicitation{Target: ip6B}).Put(b, ip6A, ip6B)
	if v := h.Receive(now, i, toB6(ip6Packet(58, ip6A, ip6B, b, hops(255)))); v.Answer != NeighborAdvertisement {
		t.Errorf("a solicitation: %v", v)
	}
	if v := h.Receive(now, i, toB6(part{id: 1, payload: b, next: 58, change: hops(255)}.packet())); v != dropped(drop.NDFragmented) {
		t.Errorf("in an atomic fragment: %v", v)
	}
	var v Verdict
	for _, p := range parts(2, b, 16) {
		p.next, p.change = 58, hops(255)
		v = h.Receive(now, i, toB6(p.packet()))
	}
	if v != dropped(drop.NDFragmented) {
		t.Errorf("in two fragments: %v", v)
	}
}

// TestFragments6: B receives datagrams of every length intact over links of every MTU, and answers long pings; no fragment is
// longer than the MTU, and all but the last are multiples of eight octets (RFC 8200 §4.5).
func TestFragments6(t *testing.T) {
	for _, mtu := range []int{1280, 1281, 1492, 1500} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			n, a, b := pair6(t)
			n.run(5 * time.Second)
			a.limits.SendQueue, b.limits.ReplyQueue = 2000, 2000
			for _, h := range n.hosts {
				if err := h.Ifaces()[0].SetMTU(mtu); err != nil {
					t.Fatal(err)
				}
			}
			a.Observe(func(ev *PacketEvent) {
				if ev.Dir == TX && ev.Frame.Len() > wire.EthernetLen+mtu {
					t.Errorf("a frame of %d octets", ev.Frame.Len())
				}
			})
			from, _ := a.BindUDP(port(netip.Addr{}, 5))
			to, _ := b.BindUDP(port(netip.Addr{}, 7))
			const most = 65535 - wire.UDPLen
			buf := make([]byte, most)
			for _, size := range []int{0, mtu - 48, mtu - 47, 2 * mtu, 8192, most - 1, most} {
				want := octets(size)
				if err := from.Send(n.now, want, port(ip6B, 7)); err != nil {
					t.Fatalf("%d octets: %v", size, err)
				}
				n.run(time.Second)
				if k, src, err := to.Recv(buf); k != size || !bytes.Equal(buf[:k], want) || src != port(ip6A, 5) {
					t.Fatalf("of %d octets %d arrived from %v: %v", size, k, src, err)
				}
				if got := echo6(t, n, a, ip6B, size); len(got) != size {
					t.Fatalf("of an echo of %d octets %d came back", size, len(got))
				}
			}
			if err := from.Send(n.now, make([]byte, most+1), port(ip6B, 7)); !errors.Is(err, ErrTooBig) {
				t.Errorf("more than fits a datagram: %v", err)
			}
			if sent, came := counterOf(t, a, "Ip6FragCreates"), counterOf(t, b, "Ip6ReasmReqds"); sent != came || sent < 50 {
				t.Errorf("%d fragments sent, %d received", sent, came)
			}
			noDrops(t, a, b)
		})
	}
}

// TestIdentifications6: fragments of one datagram have one identification, no two datagrams of a pair of hosts the same, and those
// to other hosts, or of another host, tell nothing about them (RFC 7739 §4, RFC 8200 §4.5).
func TestIdentifications6(t *testing.T) {
	h, i, now := lone6(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 5))
	seen := map[uint32]bool{}
	for range 1000 {
		if err := u.Send(now, make([]byte, 2000), port(ip6A, 7)); err != nil {
			t.Fatal(err)
		}
		var ids []uint32
		for _, f := range drain(h, now, i) {
			if b := f.Bytes()[wire.EthernetLen:]; b[6] == 44 {
				ids = append(ids, binary.BigEndian.Uint32(b[44:]))
			}
		}
		if len(ids) != 2 || ids[0] != ids[1] || seen[ids[0]] {
			t.Fatalf("identifications %x", ids)
		}
		seen[ids[0]] = true
	}
	other := New(Config{Seed: 99})
	x := h.identification(ip6B, ip6A, 0)
	for k, y := range []uint32{h.identification(ip6B, localA, 0), h.identification(ip6A, ip6B, 0), other.identification(ip6B, ip6A, 0)} {
		if d := int32(x - y); -100_000 < d && d < 100_000 {
			t.Errorf("%d: identifications %d and %d", k, x, y)
		}
	}
}

// TestReassemblyBounded6: a flood of fragments does not prevent other datagrams from arriving, and holds bounded storage.
func TestReassemblyBounded6(t *testing.T) {
	h, i, now := lone6(t)
	if err := h.SetLimit("fragments", 100_000); err != nil {
		t.Fatal(err)
	}
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	for k := range uint32(2000) {
		h.Receive(now, i, toB6(part{id: 1<<20 + k, lo: 1440 * int(k%40), more: true, payload: make([]byte, 1440)}.packet()))
		if h.reassembly.Storage() > 100_000 {
			t.Fatalf("%d octets are kept", h.reassembly.Storage())
		}
		if k%100 == 0 {
			for _, p := range parts(k, wholeUDP(), 48) {
				h.Receive(now, i, toB6(p.packet()))
			}
			if n, _, _ := u.Recv(make([]byte, 200)); n != 96 {
				t.Fatalf("after %d: %d octets", k, n)
			}
		}
	}
	h.Tick(now.Add(time.Hour))
	if h.reassembly.Storage() != 0 || h.reassembly.Len() != 0 {
		t.Errorf("%d octets are kept", h.reassembly.Storage())
	}
}

func TestNoAllocsFragments6(t *testing.T) {
	h, i, now := lone6(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	var in []*phy.Frame
	for _, p := range parts(1, udp6(port(ip6A, 5), port(ip6B, 7), octets(4000)), 1440, 2880) {
		in = append(in, toB6(p.packet()))
	}
	buf, out := make([]byte, 5000), phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		for _, f := range in {
			h.Receive(now, i, f)
		}
		if n, _, _ := u.Recv(buf); n != 4000 {
			t.Fatalf("%d octets", n)
		}
		if err := u.Send(now, buf[:4000], port(ip6A, 5)); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			out.Reset()
			if h.Transmit(now, i, out) {
				h.FrameSent(now, i, out, drop.None)
			}
		}
	})
}
