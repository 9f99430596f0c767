package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func TestDatagramTakesTheLinksTime(t *testing.T) { bothFamilies(t, testDatagramTakesTheLinksTime) }

func testDatagramTakesTheLinksTime(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: 10 * time.Millisecond})
	s.runFor(time.Second) // until the gratuitous ARP is sent
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	begin := s.w.Now()
	s.sendUDP(ua, "one", v.at(2, 2000))
	got, when := s.await(ub)
	first := when.Sub(begin) // the announcement may have made an ARP exchange unnecessary
	if got != "one" || first != 10*time.Millisecond && first != 30*time.Millisecond {
		t.Errorf("%q after %v", got, first)
	}
	begin = s.w.Now()
	s.sendUDP(ua, "two", v.at(2, 2000))
	if got, when := s.await(ub); got != "two" || when.Sub(begin) != 10*time.Millisecond {
		t.Errorf("%q after %v, want two after 10 ms", got, when.Sub(begin))
	}
	s.check()
}

func TestHostReachesItself(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	if err := s.a.Ifaces()[0].AddAddr(0, netip.MustParsePrefix(six.host(1))); err != nil {
		t.Fatal(err)
	}
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.a, 2000)
	for _, to := range []string{"127.0.0.1:2000", four.at(1, 2000), "[::1]:2000", six.at(1, 2000)} {
		s.sendUDP(ua, "to "+to, to)
		if got := recvUDP(ub); got != "to "+to {
			t.Errorf("%s: got %q", to, got)
		}
	}
	if n := len(s.a.Ifaces()); n != 1 {
		t.Errorf("%d interfaces are shown, want 1", n)
	}
	s.check()
}

func TestWaitingForNothingIsADeadlock(t *testing.T) {
	bothFamilies(t, testWaitingForNothingIsADeadlock)
}

func testWaitingForNothingIsADeadlock(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{})
	u := s.bindUDP(s.a, 1000)
	for n := 0; s.r.Idle(nil); n++ {
		if n > 100000 {
			t.Fatalf("still something at %v", s.w.Now())
		}
	}
	if got := recvUDP(u); got != "" || s.w.Next() != clock.Never {
		t.Errorf("got %q, next %v", got, s.w.Next())
	}
}

func TestPartitionAndHeal(t *testing.T) { bothFamilies(t, testPartitionAndHeal) }

func testPartitionAndHeal(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: time.Millisecond})
	c := addHost(t, s.l, "c", v.on(1, 3))
	if _, err := s.l.Link(s.b, c, LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	s.settle()
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	s.sendUDP(ua, "before", v.at(2, 2000))
	if got, _ := s.await(ub); got != "before" {
		t.Fatalf("got %q", got)
	}
	s.l.Partition(s.b, s.a)
	s.sendUDP(ua, "during", v.at(2, 2000))
	s.runFor(time.Second)
	if got := recvUDP(ub); got != "" {
		t.Errorf("%q crossed a partition", got)
	}
	if ab, _ := s.k.Stats(); ab.Drops[drop.Partitioned] != 1 || !s.k.Up() {
		t.Errorf("drops %v", ab.Drops)
	}
	s.l.Heal()
	s.sendUDP(ua, "after", v.at(2, 2000))
	if got, _ := s.await(ub); got != "after" {
		t.Errorf("got %q", got)
	}
	s.check()
}

func TestHostsOnASwitch(t *testing.T) { bothFamilies(t, testHostsOnASwitch) }

func testHostsOnASwitch(t *testing.T, v *addressing) {
	w := NewWorld()
	l := New(w, 1)
	s := &scene{TB: t, w: w, l: l, r: NewVirtual(w)}
	sw := l.Switch("s")
	for i := 1; i <= 3; i++ {
		h := addHost(t, l, fmt.Sprint("h", i), v.host(i))
		if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	s.settle()
	h := l.Hosts()
	u1, u2 := s.bindUDP(h[0], 1000), s.bindUDP(h[1], 1000)
	s.sendUDP(u1, "ping", v.at(2, 1000))
	if got, _ := s.await(u2); got != "ping" {
		t.Fatalf("got %q", got)
	}
	_, before := l.Links()[2].Stats()
	s.sendUDP(u2, "pong", v.at(1, 1000))
	if got, _ := s.await(u1); got != "pong" {
		t.Fatalf("got %q", got)
	}
	if _, after := l.Links()[2].Stats(); after.In != before.In {
		t.Errorf("the third host saw %d frames of others", after.In-before.In)
	}
	l.Partition(h[0], h[1])
	s.sendUDP(u1, "lost", v.at(2, 1000))
	s.runFor(time.Second)
	if got := recvUDP(u2); got != "" {
		t.Errorf("%q crossed a partition", got)
	}
	s.check()
}

func TestHardwareAddresses(t *testing.T) {
	w := NewWorld()
	l := New(w, 1)
	a, b, c := addHost(t, l, "a"), addHost(t, l, "b"), addHost(t, l, "c")
	own, err := l.AddHost(HostConfig{Name: "own", MAC: wire.HardwareAddr{0, 0x11, 0x22, 0x33, 0x44, 0x55}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]*Host{{a, b}, {a, c}, {own, a}, {own, b}} {
		if _, err := l.Link(p[0], p[1], LinkConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		h    *Host
		i    int
		name string
		mac  string
	}{
		{a, 0, "eth0", "02:00:00:00:00:01"},
		{a, 1, "eth1", "02:01:00:00:00:01"},
		{b, 0, "eth0", "02:00:00:00:00:02"},
		{c, 0, "eth0", "02:00:00:00:00:03"},
		{own, 0, "eth0", "00:11:22:33:44:55"},
		{own, 1, "eth1", "02:10:22:33:44:55"},
	} {
		got := want.h.IfaceInfos()[want.i]
		if got.Name != want.name || got.MAC.String() != want.mac {
			t.Errorf("%s: %s %s, want %s %s", want.h.Name(), got.Name, got.MAC, want.name, want.mac)
		}
	}
	if _, err := l.AddHost(HostConfig{Name: "a"}); err == nil {
		t.Error("a second host of one name was taken")
	}
	if _, err := l.AddHost(HostConfig{Name: "x", MTU: 10}); err == nil {
		t.Error("an MTU of 10 was taken")
	}
	if _, err := l.Link(a, a, LinkConfig{}); err == nil {
		t.Error("a host was linked to itself")
	}
}

func TestGatewayBecomesTheDefaultRoute(t *testing.T) {
	bothFamilies(t, testGatewayBecomesTheDefaultRoute)
}

func testGatewayBecomesTheDefaultRoute(t *testing.T, v *addressing) {
	w := NewWorld()
	l := New(w, 1)
	cfg := HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix(v.on(0, 1)), netip.MustParsePrefix(v.on(1, 1))}}
	v.gateway(&cfg, 1, 254)
	a, err := l.AddHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, c := addHost(t, l, "b", v.on(0, 2)), addHost(t, l, "c", v.on(1, 254))
	for _, h := range []*Host{b, c} {
		if _, err := l.Link(a, h, LinkConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range a.RouteInfos() {
		if r.Dst.Bits() == 0 {
			if r.Gateway != v.addr(1, 254) || r.Dev != "eth1" {
				t.Errorf("default route %+v", r)
			}
			return
		}
	}
	t.Errorf("no default route in %+v", a.RouteInfos())
}

// TestPortRules adds rules to a port, and checks the results at the application and in the counters.
func TestPortRules(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	s.runFor(time.Second)
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	s.sendUDP(ua, "warm", "10.0.0.2:2000")
	s.await(ub)
	match := func(f []byte, m phy.Medium) bool { return bytes.HasSuffix(f, []byte("!")) }
	tx, rx := s.a.Ports()[0].Faults(), s.b.Ports()[0].Faults()

	dropTX := &fault.Rule{Dir: fault.TX, Match: match, Nth: []int{1}}
	tx.Add(dropTX)
	s.sendUDP(ua, "gone!", "10.0.0.2:2000")
	s.sendUDP(ua, "there!", "10.0.0.2:2000")
	if got, _ := s.await(ub); got != "there!" || dropTX.Hits != 1 {
		t.Errorf("got %q, %d hits", got, dropTX.Hits)
	}
	tx.Remove(dropTX)

	twice := &fault.Rule{Dir: fault.RX, Match: match, Duplicate: 1, Delay: 7 * time.Millisecond}
	rx.Add(twice)
	begin := s.w.Now()
	before := s.b.IfaceInfos()[0].RxPackets
	s.sendUDP(ua, "twice!", "10.0.0.2:2000")
	got1, when := s.await(ub)
	got2, _ := s.await(ub)
	if got1 != "twice!" || got2 != "twice!" || when.Sub(begin) != 7*time.Millisecond {
		t.Errorf("got %q and %q after %v", got1, got2, when.Sub(begin))
	}
	if n := s.b.IfaceInfos()[0].RxPackets - before; n != 2 {
		t.Errorf("%d frames in, want 2: a duplicate is another frame", n)
	}
	rx.Remove(twice)

	lost := &fault.Rule{Dir: fault.RX, Match: match, Loss: 1}
	rx.Add(lost)
	s.sendUDP(ua, "lost!", "10.0.0.2:2000")
	s.runFor(time.Second)
	if got := recvUDP(ub); got != "" {
		t.Errorf("got %q", got)
	}
	if d := dropsOf(s.b); d[drop.FaultLoss] != 1 {
		t.Errorf("drops %v", d)
	}
	s.check()
}

func dropsOf(h *Host) map[drop.Reason]uint64 {
	m := map[drop.Reason]uint64{}
	for _, d := range h.DropInfos() {
		m[d.Reason] = d.Count
	}
	return m
}

// TestCorruptionIsSeenByTheReceiverOnly: a sender's frame is captured as sent, and the receiver detects corruption on the link.
func TestCorruptionIsSeenByTheReceiverOnly(t *testing.T) {
	for _, offload := range []bool{false, true} {
		s := newScene(t, 1, LinkConfig{Offload: offload})
		s.runFor(time.Second)
		ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
		s.sendUDP(ua, "warm", "10.0.0.2:2000")
		s.await(ub)
		isUDP := func(f []byte, m phy.Medium) bool { return len(f) > 40 && f[12] == 8 && f[13] == 0 }
		s.a.Ports()[0].Faults().Add(&fault.Rule{Dir: fault.TX, Match: isUDP, Corrupt: 1})
		var sent []string
		s.a.Observe(func(ev *stack.PacketEvent) {
			if b := ev.Frame.Bytes(); ev.Dir == stack.TX && isUDP(b, 0) {
				if _, _, err := wire.ParseUDP(b[34:], netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), true); err != nil {
					t.Errorf("a sent frame was observed with: %v", err)
				}
				sent = append(sent, string(b[42:]))
			}
		})
		for i := range 50 {
			s.sendUDP(ua, fmt.Sprint("datagram ", i), "10.0.0.2:2000")
		}
		s.runFor(time.Second)
		if len(sent) != 50 {
			t.Errorf("offload %v: %d sent", offload, len(sent))
		}
		for got := recvUDP(ub); got != ""; got = recvUDP(ub) {
			var i int
			if n, _ := fmt.Sscanf(got, "datagram %d", &i); n != 1 || got != fmt.Sprint("datagram ", i) {
				t.Errorf("offload %v: %q was delivered", offload, got)
			}
		}
		var bad uint64
		for r, n := range dropsOf(s.b) {
			t.Logf("offload %v: %s %d", offload, r, n)
			bad += n
		}
		if bad < 30 {
			t.Errorf("offload %v: %d of 50 corrupted frames were found out", offload, bad)
		}
		s.check()
	}
}

func TestHostOnADeviceInMemory(t *testing.T) { bothFamilies(t, testHostOnADeviceInMemory) }

func testHostOnADeviceInMemory(t *testing.T, v *addressing) {
	w := NewWorld()
	l := New(w, 1)
	a, b := addHost(t, l, "a", v.host(1)), addHost(t, l, "b", v.host(2))
	da, db := phy.NewPair("pair0", "pair1", phy.MemoryConfig{Queue: 4})
	pa, err := a.Attach(da)
	if err != nil {
		t.Fatal(err)
	}
	pb, err := b.Attach(db)
	if err != nil {
		t.Fatal(err)
	}
	if pa.Iface().Name() != "pair0" || pb.Device() != phy.Device(db) {
		t.Errorf("ports %v %v", pa.Iface().Name(), pb.Device())
	}
	s := &scene{TB: t, w: w, l: l, r: NewVirtual(w), a: a, b: b}
	ua, ub := s.bindUDP(a, 1000), s.bindUDP(b, 2000)
	s.sendUDP(ua, "first", v.at(2, 2000))
	if got, _ := s.await(ub); got != "first" {
		t.Fatalf("got %q", got)
	}
	// The device does not accept this many frames at once: some wait, and all arrive in order.
	s.r.Do(func(now clock.Instant) {
		for i := range 20 {
			if err := ua.Send(now, fmt.Append(nil, i), netip.MustParseAddrPort(v.at(2, 2000))); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 20 {
		if got, _ := s.await(ub); got != fmt.Sprint(i) {
			t.Errorf("got %q, want %d", got, i)
		}
	}
	// A device that is closed while a port uses it is reported once, and the interface goes down.
	var failed []string
	w.OnDeviceError = func(p *Port, err error) { failed = append(failed, p.Iface().Name()+": "+err.Error()) }
	da.Close()
	s.r.Do(func(clock.Instant) {})
	s.r.Do(func(clock.Instant) {})
	if want := []string{"pair0: device: closed"}; fmt.Sprint(failed) != fmt.Sprint(want) {
		t.Errorf("reported %q, want %q", failed, want)
	}
	if pa.Err() == nil || a.IfaceInfos()[0].Up {
		t.Error("the interface of a closed device is up")
	}
	s.check()
}

func TestCapturesOfEqualSeedsAreEqual(t *testing.T) {
	bothFamilies(t, testCapturesOfEqualSeedsAreEqual)
}

func testCapturesOfEqualSeedsAreEqual(t *testing.T, v *addressing) {
	run := func(name string, seed uint64) []byte {
		path := filepath.Join(t.TempDir(), name)
		s := v.scene(t, seed, LinkConfig{
			Delay: 5 * time.Millisecond, Jitter: 2 * time.Millisecond, RateBps: 50e6, Loss: 0.03,
		})
		stop, err := captureTo(s.l.world, s.l.CaptureTo, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.k.Faults().Add(&fault.Rule{Duplicate: 0.05, Reorder: 0.05, Corrupt: 0.05})
		s.a.Ports()[0].Faults().Add(&fault.Rule{Loss: 0.02, Corrupt: 0.02, Duplicate: 0.02})
		ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
		for i := range 20 {
			s.sendUDP(ua, fmt.Sprint("datagram ", i), v.at(2, 2000))
			s.sendUDP(ub, fmt.Sprint("datagram ", i), v.at(1, 1000))
			s.runFor(10 * time.Millisecond)
		}
		st := s.newStream(s.a, s.b, v.at(2, 80), 100000)
		s.finish(st)
		if !bytes.Equal(st.got, st.data) {
			t.Errorf("seed %d: the stream arrived changed", seed)
		}
		s.check()
		if err := stop(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, ext := range []string{"pcapng", "pcap"} {
		one, again, other := run("x."+ext, 5), run("y."+ext, 5), run("z."+ext, 6)
		if len(one) < 100000 || !bytes.Equal(one, again) {
			t.Errorf("%s: one seed wrote two captures, %d and %d octets", ext, len(one), len(again))
		}
		if bytes.Equal(one, other) {
			t.Errorf("%s: another seed wrote the same capture", ext)
		}
	}
}

// TestNothingVanishesInAThousandRuns: with a thousand seeds of link faults, the receiver gets each stream as sent, and
// the lab counts every frame.
func TestNothingVanishesInAThousandRuns(t *testing.T) {
	runs := uint64(1000)
	if testing.Short() {
		runs = 100
	}
	var copies uint64
	var drops [drop.NumReasons]uint64
	for seed := range runs {
		v := families[seed/3%2]
		s := v.scene(t, seed, LinkConfig{
			Delay: time.Duration(seed%7) * time.Millisecond, Jitter: time.Duration(seed%3) * time.Millisecond,
			RateBps: seed % 4 * 10e6, Queue: 10 + int(seed%50), Loss: float64(seed%10) / 100, Offload: seed%5 == 0,
		})
		s.k.Faults().Add(&fault.Rule{Duplicate: 0.03, Reorder: 0.05, Corrupt: 0.03})
		if seed%2 == 0 { // no corruption, since a frame that is corrupted twice may have a correct checksum
			s.a.Ports()[0].Faults().Add(&fault.Rule{Loss: 0.02, Duplicate: 0.02, Reorder: 0.02})
		}
		ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
		s.sendUDP(ua, "hello", v.at(2, 2000))
		s.sendUDP(ub, "hello", v.at(1, 1999)) // to a port without a socket
		st := s.newStream(s.a, s.b, v.at(2, 80), 20000)
		s.finish(st)
		if !bytes.Equal(st.got, st.data) {
			t.Errorf("seed %d: the stream arrived changed", seed)
		}
		s.check()
		s.runFor(time.Minute)
		s.check()
		ab, ba := s.k.Stats()
		if ab.InFlight+ba.InFlight != 0 {
			t.Errorf("seed %d: %d frames in flight after a minute", seed, ab.InFlight+ba.InFlight)
		}
		if t.Failed() {
			t.Fatalf("seed %d fails", seed)
		}
		copies += ab.Copies + ba.Copies
		for r := range drops {
			drops[r] += ab.Drops[r] + ba.Drops[r]
		}
		for _, h := range s.l.Hosts() {
			for r, n := range dropsOf(h) {
				drops[r] += n
			}
		}
	}
	t.Logf("%d copies; %d lost, %d with a bad checksum", copies, drops[drop.FaultLoss], drops[drop.BadChecksum])
	if copies < runs || drops[drop.FaultLoss] < runs || drops[drop.BadChecksum] < runs {
		t.Error("hardly anything went wrong on the way: the runs show nothing")
	}
}

// TestSuperSegmentsCross: super-segments cross a link with offloads whole; a switch cuts them for a link without.
func TestSuperSegmentsCross(t *testing.T) { bothFamilies(t, testSuperSegmentsCross) }

func testSuperSegmentsCross(t *testing.T, v *addressing) {
	w := NewWorld()
	l := New(w, 1)
	s := &scene{TB: t, w: w, l: l, r: NewVirtual(w)}
	a, b := addHost(t, l, "a", v.host(1)), addHost(t, l, "b", v.host(2))
	sw := l.Switch("s")
	for i, h := range []*Host{a, b} {
		if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond, Offload: i == 0}); err != nil {
			t.Fatal(err)
		}
	}
	longest := map[string]int{}
	for _, h := range l.Hosts() {
		h.Observe(func(ev *stack.PacketEvent) {
			if ev.Verdict.Kind == stack.Dropped {
				t.Errorf("%s: %s", h.Name(), ev.Verdict)
			}
			longest[h.Name()] = max(longest[h.Name()], ev.Frame.Len())
		})
	}
	st := s.newStream(a, b, v.at(2, 80), 2<<20)
	s.finish(st)
	if !bytes.Equal(st.got, st.data) {
		t.Error("the stream arrived changed")
	}
	if longest["a"] <= 1514 || longest["b"] > 1514 {
		t.Errorf("longest frames %v, want super-segments at a, wire size at b", longest)
	}
	s.check()
}

func TestDatagramsBetweenHostsDoNotAllocate(t *testing.T) {
	bothFamilies(t, testDatagramsBetweenHostsDoNotAllocate)
}

func testDatagramsBetweenHostsDoNotAllocate(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: time.Millisecond, RateBps: 1e9})
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	to, data, buf := netip.MustParseAddrPort(v.at(2, 2000)), make([]byte, 1000), make([]byte, 2000)
	send := func(now clock.Instant) { ua.Send(now, data, to) }
	got := 0
	exchange := func() {
		for range 10 {
			s.r.Do(send)
		}
		s.w.Advance(s.w.Now().Add(5 * time.Millisecond))
		for n, _, _ := ub.Recv(buf); n >= 0; n, _, _ = ub.Recv(buf) {
			got++
		}
	}
	for range 100 {
		exchange()
	}
	if n := testing.AllocsPerRun(100, exchange); n != 0 {
		t.Errorf("%v allocations for 10 datagrams", n)
	}
	if got < 2000 {
		t.Errorf("%d datagrams arrived", got)
	}
	s.check()
}

// TestStepEndsThoughHostsNeverStop: if two sockets answer each other for ever without delay, a step still ends, at the same
// instant.
func TestStepEndsThoughHostsNeverStop(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.a, 2000)
	n := 0
	answer := func(u *stack.UDPConn, to string) func(now clock.Instant) {
		dst := netip.MustParseAddrPort(to)
		return func(now clock.Instant) {
			for recvUDP(u) != "" {
				n++
				if err := u.Send(now, []byte("again"), dst); err != nil {
					t.Error(err)
				}
			}
		}
	}
	ua.OnEvent, ub.OnEvent = answer(ua, "127.0.0.1:2000"), answer(ub, "127.0.0.1:1000")
	s.sendUDP(ua, "begin", "127.0.0.1:2000")
	for range 3 {
		before := n
		if !s.r.Idle(nil) || s.w.Next() != s.w.Now() {
			t.Fatal("nothing left to do")
		}
		if n == before || n > before+transmitFrames {
			t.Fatalf("a step made %d exchanges", n-before)
		}
	}
	if s.w.Now() != 0 {
		t.Errorf("the clock moved to %v", s.w.Now())
	}
}

func TestCaptureNamesInterfacesAndVerdicts(t *testing.T) {
	dir := t.TempDir()
	s := newScene(t, 1, LinkConfig{})
	stopAll, err := captureTo(s.l.world, s.l.CaptureTo, filepath.Join(dir, "all.pcapng"), nil)
	if err != nil {
		t.Fatal(err)
	}
	stopB, err := captureTo(s.l.world, s.b.CaptureTo, filepath.Join(dir, "b.pcapng"), nil)
	if err != nil {
		t.Fatal(err)
	}
	late := addHost(t, s.l, "late", "10.0.1.1/24")
	if _, err := s.l.Link(s.b, late, LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	s.sendUDP(ua, "warm", "10.0.0.2:2000")
	s.await(ub)
	s.b.Ports()[0].Faults().Add(&fault.Rule{Dir: fault.RX, Loss: 1})
	s.sendUDP(ua, "lost", "10.0.0.2:2000")
	s.runFor(time.Second)
	for _, c := range []struct {
		file string
		stop func() error
		want []string
		not  []string
	}{
		{"all.pcapng", stopAll, []string{"a/eth0", "b/eth0", "b/eth1", "late/eth0", "udp :2000", "dropped: fault loss"}, nil},
		{"b.pcapng", stopB, []string{"eth0", "eth1", "udp :2000", "dropped: fault loss"}, []string{"b/eth0", "late"}},
	} {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		if err := c.stop(); err == nil {
			t.Errorf("%s: stopping twice is no error", c.file)
		}
		got, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !bytes.Contains(got, []byte(want)) {
				t.Errorf("%s does not hold %q", c.file, want)
			}
		}
		for _, not := range c.not {
			if bytes.Contains(got, []byte(not)) {
				t.Errorf("%s holds %q", c.file, not)
			}
		}
	}
	if s.a.wireSizeUsers != 0 || s.b.wireSizeUsers != 0 || len(s.b.captures) != 0 || len(s.w.records.captures) != 0 {
		t.Error("something of the captures is left")
	}
}

// TestCapturesSeeWireSize: a super-segment is cut on arrival if an observer wants frames of wire size.
func TestCapturesSeeWireSize(t *testing.T) { bothFamilies(t, testCapturesSeeWireSize) }

func testCapturesSeeWireSize(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: time.Millisecond, Offload: true})
	longest := map[string]int{}
	for _, h := range s.l.Hosts() {
		h.Observe(func(ev *stack.PacketEvent) { longest[h.Name()] = max(longest[h.Name()], ev.Frame.Len()) })
	}
	release := s.b.WireFrames()
	s.finish(s.newStream(s.a, s.b, v.at(2, 80), 1<<20))
	if longest["a"] <= 1514 || longest["b"] > 1514 {
		t.Errorf("longest frames %v, want super-segments at a, wire size at b", longest)
	}
	release()
	release()
	if s.b.wireSizeUsers != 0 {
		t.Error("released twice counts twice")
	}
	s.check()
}

// BenchmarkStream sends over one connection between two hosts of a virtual lab. Checksums are on.
func BenchmarkStream(b *testing.B) {
	for k := range 4 {
		offload, v := k%2 == 1, families[k/2]
		b.Run(fmt.Sprint(v.name, "/offload=", offload), func(b *testing.B) {
			s := v.scene(b, 1, LinkConfig{Delay: 100 * time.Microsecond, Offload: offload})
			// Fixed buffers: on a link without a rate, self-sizing buffers would outgrow the processor's cache.
			cfg := tcp.Config{SendBuffer: 256 << 10, RecvBuffer: 256 << 10}
			st := s.newStreamWith(cfg, s.a, s.b, v.at(2, 80), 0)
			for st.to == nil && s.r.Idle(nil) {
				st.to = st.listener.Accept()
			}
			const chunk = 1 << 20
			data, buf := make([]byte, chunk), make([]byte, 64<<10)
			left, got := 0, 0
			st.from.OnEvent = func(now clock.Instant) {
				for left > 0 {
					n, err := st.from.Write(now, data[:left])
					if n == 0 || err != nil {
						return
					}
					left -= n
				}
			}
			st.to.OnEvent = func(now clock.Instant) {
				for n, _ := st.to.Read(now, buf); n > 0; n, _ = st.to.Read(now, buf) {
					got += n
				}
			}
			b.SetBytes(chunk)
			for want := chunk; b.Loop(); want += chunk {
				left = chunk
				s.r.Do(st.from.OnEvent)
				for got < want && s.r.Idle(nil) {
				}
			}
			if ab, ba := s.k.Stats(); b.N > 1 {
				b.ReportMetric(float64(ab.In+ba.In)/b.Elapsed().Seconds(), "frames/s")
			}
			s.check()
		})
	}
}

// TestHostsTransmitInOrder: hosts with pending packets at one instant transmit in the order in which they were added.
func TestHostsTransmitInOrder(t *testing.T) {
	w := NewWorld()
	l := New(w, 1)
	var sent []string
	var socks []*stack.UDPConn
	s := &scene{TB: t, w: w, l: l, r: NewVirtual(w)}
	for i := range 4 {
		h := addHost(t, l, fmt.Sprint("h", i))
		socks = append(socks, s.bindUDP(h, 1000))
		h.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir == stack.TX {
				sent = append(sent, h.Name())
			}
		})
	}
	w.runTransmits()
	for i := len(socks) - 1; i >= 0; i-- {
		if err := socks[i].Send(0, []byte("x"), netip.MustParseAddrPort("127.0.0.1:9")); err != nil {
			t.Fatal(err)
		}
		w.touch(l.Hosts()[i])
	}
	w.transmitDirty()
	if want := "[h0 h1 h2 h3]"; fmt.Sprint(sent) != want {
		t.Errorf("sent by %v, want %s", sent, want)
	}
}

// TestAnEventMaySend: a packet that an event queues at a host is sent at once.
func TestAnEventMaySend(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	u := s.bindUDP(s.a, 1000)
	s.runFor(time.Second)
	s.w.At(at(2*time.Second), func(now clock.Instant) {
		if err := u.Send(now, []byte("x"), netip.MustParseAddrPort("127.0.0.1:1000")); err != nil {
			t.Error(err)
		}
	})
	if !s.r.Idle(nil) || recvUDP(u) != "x" || s.w.Now() != at(2*time.Second) {
		t.Errorf("nothing came by %v", s.w.Now())
	}
}
