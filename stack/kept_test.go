package stack

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/reassembly"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// heapNow returns the number of octets of live objects.
func heapNow() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// reused returns a function that passes packets to the host in one reused frame.
func reused(h *Host, i *Iface) func(now clock.Instant, b []byte) Verdict {
	f := phy.NewFrame(phy.FrameSize)
	return func(now clock.Instant, b []byte) Verdict {
		f.Reset()
		copy(f.Extend(len(b)), b)
		eth := wire.Ethernet{Dst: macB, Src: macA, Type: versionOf(b).etherType()}
		eth.Put(f.Prepend(wire.EthernetLen))
		return h.Receive(now, i, f)
	}
}

// TestVoidedDatagramsHoldNothing: the bound on fragments covers all of their memory, since a discarded datagram keeps
// no list of its fragments.
func TestVoidedDatagramsHoldNothing(t *testing.T) {
	h, i := lone(t)
	receive := reused(h, i)
	before := heapNow()
	for id := range 1000 {
		for k := range 600 { // far apart, so that no datagram is complete
			receive(0, piece(uint16(id), 16*k, true, octets(8)))
		}
		if v := receive(0, piece(uint16(id), 8, true, octets(16))); v.String() != "dropped: fragment conflict" {
			t.Fatalf("%d: an overlap: %q", id, v)
		}
	}
	pools := 4 << 20 // spare frames, which have a bound of their own
	if held := heapNow() - before; held > h.limits.Fragments+pools {
		t.Errorf("%d octets are held under a limit of %d", held, h.limits.Fragments)
	}
	runtime.KeepAlive(h)
}

// TestFloodsLeaveNothingBehind: after a flood, tables, heaps and lists free the storage of removed entries.
func TestFloodsLeaveNothingBehind(t *testing.T) {
	const margin = 4<<20 + 1<<19 // the pools' spare frames, and noise
	t.Run("fragments", func(t *testing.T) {
		h, i := lone(t)
		setLimit(t, h, "fragments", 1<<30)
		receive := reused(h, i)
		before := heapNow()
		for k := range 1 << 16 {
			src := netip.AddrFrom4([4]byte{10, 0, 1, byte(k >> 16)})
			receive(0, ipPacket(wire.ProtocolUDP, src, ipB, octets(8), func(p *wire.IPv4) { p.ID, p.MoreFragments = uint16(k), true }))
		}
		h.Tick(clock.Instant(2 * reassembly.Timeout))
		if held := heapNow() - before; held > margin {
			t.Errorf("%d octets are held", held)
		}
		runtime.KeepAlive(h)
	})
	t.Run("fragments of IPv6", func(t *testing.T) {
		h, eth, _, now := alone6(t)
		setLimit(t, h, "fragments", 1<<30)
		receive := reused(h, eth)
		packet := fragment6(ip6A, 0, wire.ProtocolUDP, 0, true, 64).Bytes()[wire.EthernetLen:]
		before := heapNow()
		for k := range 1 << 16 {
			binary.BigEndian.PutUint32(packet[wire.IPv6Len+4:], uint32(k))
			receive(now, packet)
		}
		if h.reassembly.Len() != 1<<16 {
			t.Fatalf("%d incomplete datagrams", h.reassembly.Len())
		}
		h.Tick(now.Add(2 * reassembly.Timeout))
		drain(h, now.Add(2*reassembly.Timeout), eth)
		if held := heapNow() - before; held > margin {
			t.Errorf("%d octets are held", held)
		}
		runtime.KeepAlive(h)
	})
	t.Run("neighbours and routers of IPv6", func(t *testing.T) {
		h, eth, _, now := alone6(t)
		setLimit(t, h, "neighbors", 1<<20)
		receive := reused(h, eth)
		before := heapNow()
		for k := range 1 << 16 {
			receive(now, solicit(station6(k), ip6B, mac6(k)))
			b := make([]byte, wire.RouterAdvertisementLen)
			m := wire.RouterAdvertisement{RouterLifetime: 60}
			router := netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(k >> 8), 15: byte(k)})
			m.Put(b, router, ip6B)
			receive(now, packet6To(wire.ProtocolICMPv6, router, ip6B, 255, b))
			receive(now, redirect6(router, linkC, farOf6(k)))
			drain(h, now, eth)
		}
		if eth.neigh[ipv6].Len() < 1<<16 {
			t.Fatalf("%d neighbours", eth.neigh[ipv6].Len())
		}
		eth.FlushNeighbors(now)
		eth.SetUp(now, false)
		if held := heapNow() - before; held > margin {
			t.Errorf("%d octets are held", held)
		}
		runtime.KeepAlive(h)
	})
	t.Run("connections", func(t *testing.T) {
		h, i := lone(t)
		setLimit(t, h, "syn_queue", 1<<20)
		l, err := h.ListenTCP(port(netip.Addr{}, 80), 1<<20, tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		receive := reused(h, i)
		before, now := heapNow(), clock.Instant(0)
		for k := range 1 << 16 {
			from := port(ipA, uint16(k))
			if from.Port() == 0 {
				continue
			}
			receive(now, tcpPacket(from, port(ipB, 80), wire.TCP{Flags: wire.SYN, Seq: 5}, nil))
			if k%256 == 0 {
				drain(h, now, i)
			}
		}
		if len(h.sockets.conns) < 60_000 {
			t.Fatalf("%d connections are open", len(h.sockets.conns))
		}
		for range 100 {
			now = now.Add(10 * time.Second)
			h.Tick(now)
			drain(h, now, i)
		}
		if held := heapNow() - before; held > margin {
			t.Errorf("%d octets are held", held)
		}
		runtime.KeepAlive(l)
		runtime.KeepAlive(h)
	})
}

// TestParkedConnectionsAreForgotten: a connection that ends while it waits for its neighbour leaves the neighbour's list.
// Otherwise repeated opens and resets would make the list grow until resolution fails.
func TestParkedConnectionsAreForgotten(t *testing.T) {
	h, i := lone(t)
	if _, err := h.ListenTCP(port(netip.Addr{}, 80), 8, tcp.Config{}); err != nil {
		t.Fatal(err)
	}
	receive := reused(h, i)
	for k := range 20_000 {
		from := port(ipC, uint16(1024+k))
		receive(0, tcpPacket(from, port(ipB, 80), wire.TCP{Flags: wire.SYN, Seq: 5}, nil))
		drain(h, 0, i)
		receive(0, tcpPacket(from, port(ipB, 80), wire.TCP{Flags: wire.RST, Seq: 6}, nil))
	}
	if len(h.sockets.conns) > 1 {
		t.Fatalf("%d connections are open", len(h.sockets.conns))
	}
	if n := len(i.neigh[ipv4].Get(ipC).Pending.conns); n > 64 {
		t.Errorf("%d connections are kept for a neighbour that does not answer", n)
	}
}

// TestManySocketsAreNotCopied: a host that has ten thousand sockets copies no list of them to bind one more socket, or
// to join a group.
func TestManySocketsAreNotCopied(t *testing.T) {
	h, i := lone(t)
	setLimit(t, h, "groups", 1<<20)
	next := uint16(0)
	for name, open := range map[string]func() (closed func(), err error){
		"raw":   func() (func(), error) { c, err := h.BindRaw(89); return c.Close, err },
		"frame": func() (func(), error) { c, err := h.BindFrames(i, 0x88b5); return c.Close, err },
		"group": func() (func(), error) {
			next++
			u, err := h.BindUDP(port(netip.Addr{}, next))
			if err == nil {
				err = u.Join(0, netip.AddrFrom4([4]byte{239, 1, 1, 1}), nil)
			}
			return u.Close, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var closers []func()
			for range 10_000 {
				closed, err := open()
				if err != nil {
					t.Fatal(err)
				}
				closers = append(closers, closed)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const rounds = 200
			for range rounds {
				closed, err := open()
				if err != nil {
					t.Fatal(err)
				}
				closed()
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 8<<10 {
				t.Errorf("%d octets allocated for each", each)
			}
			for _, fn := range closers {
				fn()
			}
		})
	}
	if h.sockets.open != 0 || len(h.sockets.raw) != 0 || len(h.sockets.frames) != 0 || i.groups.list.len() != 0 {
		t.Errorf("left over: %d sockets, %d, %d, %d", h.sockets.open, len(h.sockets.raw), len(h.sockets.frames), i.groups.list.len())
	}
}
