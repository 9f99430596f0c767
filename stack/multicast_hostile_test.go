package stack

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// randomGroupFrame returns an IGMP message or a datagram to a group with a random value in each field, often malformed. groups are
// those that sockets may have joined.
func randomGroupFrame(rng *rand.Rand, groups []netip.Addr) []byte {
	pick := func(a ...netip.Addr) netip.Addr { return a[rng.IntN(len(a))] }
	any := func() netip.Addr { return netip.AddrFrom4([4]byte{byte(rng.Uint32()), 1, 2, byte(rng.Uint32())}) }
	dst := pick(groups[rng.IntN(len(groups))], groups[rng.IntN(len(groups))], wire.AllHosts, wire.AllRouters, ipB, any())
	src := pick(ipA, ipA, ipC, netip.IPv4Unspecified(), groups[0], any())
	var payload []byte
	proto := wire.ProtocolIGMP
	if rng.IntN(4) == 0 {
		proto = wire.ProtocolUDP
		payload = udpPacket(port(src, 9), port(dst, uint16(5000+rng.IntN(5))), make([]byte, rng.IntN(500)))[wire.IPv4Len:]
	} else {
		types := []wire.IGMPType{wire.IGMPQuery, wire.IGMPQuery, wire.IGMPv1Report, wire.IGMPv2Report, wire.IGMPLeave, wire.IGMPType(rng.Uint32())}
		m := wire.IGMP{Type: types[rng.IntN(len(types))], MaxResp: byte(rng.Uint32()), Group: pick(dst, netip.IPv4Unspecified(), groups[0], any())}
		payload = make([]byte, wire.IGMPLen)
		m.Put(payload)
	}
	b := toGroup(groups[0], ipPacket(proto, src, dst, payload, nil)).Bytes()
	if dst.IsMulticast() && rng.IntN(8) > 0 {
		mac := wire.GroupMAC(dst)
		copy(b, mac[:])
	}
	switch rng.IntN(6) {
	case 0:
		b[rng.IntN(len(b))] = byte(rng.Uint32())
	case 1:
		b = b[:rng.IntN(len(b)+1)]
	}
	return b
}

// TestHostileMulticast joins and leaves groups while a hundred thousand frames about them arrive. The host counts every
// frame, keeps its memory within the limits, and frees it when all sockets have left.
func TestHostileMulticast(t *testing.T) {
	h, i := lone(t)
	h.limits.Groups = 40
	n := newNetwork(t)
	n.hosts = append(n.hosts, h)
	n.peer[h.net.loop] = h.net.loop
	rng := rand.New(rand.NewPCG(11, 12))
	var groups []netip.Addr
	for k := range 30 {
		groups = append(groups, netip.AddrFrom4([4]byte{239, 1, 2, byte(k)}))
	}
	var socks []*UDPConn
	f := phy.NewFrame(phy.FrameSize)
	const frames = 100_000
	var early, late runtime.MemStats
	var kinds [Transmitted]int
	for k := range frames {
		f.Set(randomGroupFrame(rng, groups))
		kinds[h.Receive(n.now, i, f).Kind]++
		if k%16 == 0 {
			switch j := rng.IntN(len(socks) + 1); {
			case j == len(socks) || len(socks) < 4:
				if u, err := h.BindUDP(port([]netip.Addr{ipB, {}}[rng.IntN(2)], uint16(5000+rng.IntN(5)))); err == nil {
					socks = append(socks, u)
				}
			case rng.IntN(10) == 0:
				socks[j].Close()
				socks = slices.Delete(socks, j, j+1)
			case rng.IntN(2) == 0:
				_ = socks[j].Leave(groups[rng.IntN(len(groups))])
			case rng.IntN(4) == 0:
				_ = socks[j].Send(n.now, []byte("hi"), port(groups[rng.IntN(len(groups))], 5000))
			default:
				_ = socks[j].Join(n.now, groups[rng.IntN(len(groups))], nil)
			}
			i.SetUp(n.now, rng.IntN(200) > 0)
			if h.igmp.memberships > 40 || i.groups.list.len() > 40 || h.igmp.reports.Len() > i.groups.list.len() || i.out.replies.n > h.limits.ReplyQueue {
				t.Fatalf("%d memberships in %d groups, %d timers, %d replies", h.igmp.memberships, i.groups.list.len(), h.igmp.reports.Len(), i.out.replies.n)
			}
		}
		if k%64 == 0 {
			n.run(time.Duration(rng.IntN(400)) * time.Millisecond)
			n.flights = n.flights[:0]
		}
		if k == frames/5 {
			runtime.GC()
			runtime.ReadMemStats(&early)
		}
	}
	n.conserve()
	if in, _ := h.Conservation(); in < frames {
		t.Errorf("%d frames in, want at least %d", in, frames)
	}
	if kinds[Delivered] < 5_000 || kinds[Dropped] < 10_000 {
		t.Errorf("the frames were not hostile enough: %v", kinds)
	}
	for _, name := range []string{"IgmpOutReports", "IgmpOutLeaves", "IgmpInQueries", "IgmpInReports", "IgmpInErrors", "IpInMcastPkts", "IpOutMcastPkts"} {
		if v := counterOf(t, h, name); v < 100 {
			t.Errorf("%s = %d: hardly tried", name, v)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&late)
	if late.HeapAlloc > early.HeapAlloc+4<<20 {
		t.Errorf("the heap grew from %d to %d KiB", early.HeapAlloc>>10, late.HeapAlloc>>10)
	}
	for _, u := range socks {
		u.Close()
	}
	if h.igmp.memberships != 0 || i.groups.list.len() != 0 || len(i.groups.byAddr) != 0 || h.igmp.reports.Len() != 0 || h.sockets.open != 0 {
		t.Errorf("left over: %d memberships, %d groups, %d timers, %d sockets", h.igmp.memberships, i.groups.list.len(), h.igmp.reports.Len(), h.sockets.open)
	}
}
