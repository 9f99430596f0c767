package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// bareRig is a host a, with a station at the end of its link or at a switch.
type bareRig struct {
	w  *World
	l  *Lab
	a  *Host
	st *BareStation
}

func newBareRig(t *testing.T, switched bool, cfg StationConfig) *bareRig {
	t.Helper()
	w := NewWorld()
	l := New(w, 1)
	a, err := l.AddHost(HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	r := &bareRig{w: w, l: l, a: a}
	if switched {
		s := l.Switch("s")
		if _, err := s.Attach(a, LinkConfig{}); err != nil {
			t.Fatal(err)
		}
		r.st, err = s.Wire(cfg)
	} else {
		r.st, err = l.Wire(a, cfg, LinkConfig{Delay: time.Millisecond})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Advance(clock.Instant(3 * time.Second)) // duplicate address detection
	return r
}

// datagram sends a UDP datagram to the address and returns the first datagram that reaches the station.
func (r *bareRig) datagram(t *testing.T, to string) *Arrival {
	t.Helper()
	dst := netip.MustParseAddrPort(to)
	u, err := r.a.BindUDP(netip.AddrPortFrom(netip.Addr{}, 0))
	if err != nil {
		t.Fatal(err)
	}
	r.w.Called()
	if err := u.Send(r.w.Now(), []byte("hello"), dst); err != nil {
		t.Fatal(err)
	}
	r.w.Kick()
	r.w.Advance(r.w.Now().Add(5 * time.Second))
	u.Close()
	for _, a := range r.st.Arrived() {
		h, p, _ := wire.ParseEthernet(a.Frame)
		if h.Type == wire.EtherTypeIPv4 && p[9] == 17 || h.Type == wire.EtherTypeIPv6 && p[6] == 17 {
			r.st.Take(a.Number)
			return &a
		}
	}
	return nil
}

var bareAddrs = []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9")}

func TestStationAnswersForItsAddresses(t *testing.T) {
	for _, switched := range []bool{false, true} {
		r := newBareRig(t, switched, StationConfig{Addrs: bareAddrs})
		for _, to := range []string{"10.0.0.9:5", "[fd00::9]:5"} {
			if r.datagram(t, to) == nil {
				t.Errorf("switched %v: nothing reached %s", switched, to)
			}
		}
		for _, to := range []string{"10.0.0.8:5", "[fd00::8]:5"} {
			if r.datagram(t, to) != nil {
				t.Errorf("switched %v: the station answered for %s", switched, to)
			}
		}
		if mac, ok := r.st.Neighbor(netip.MustParseAddr("10.0.0.1")); !ok || mac.IsZero() {
			t.Errorf("the station has not learnt its neighbour")
		}
		r.st.Close()
		if err := r.l.Conservation(); err != nil {
			t.Error(err)
		}
		if err := r.w.Drain(10000); err != nil {
			t.Error(err)
		}
	}
}

func TestSilentStationAnswersNothing(t *testing.T) {
	r := newBareRig(t, false, StationConfig{Addrs: bareAddrs, Silent: true})
	for _, to := range []string{"10.0.0.9:5", "[fd00::9]:5"} {
		if r.datagram(t, to) != nil {
			t.Errorf("the silent station answered for %s", to)
		}
	}
	requests := 0
	for _, a := range r.st.Arrived() {
		if h, _, _ := wire.ParseEthernet(a.Frame); h.Type == wire.EtherTypeARP {
			requests++
		}
	}
	if requests == 0 {
		t.Error("no request has arrived")
	}
}

// TestStationAsks resolves the host's addresses of both families.
func TestStationAsks(t *testing.T) {
	for _, switched := range []bool{false, true} {
		r := newBareRig(t, switched, StationConfig{Addrs: bareAddrs})
		clear(r.st.neighbors)
		for _, a := range []string{"10.0.0.1", "fd00::1"} {
			at := netip.MustParseAddr(a)
			if err := r.st.Ask(r.w.Now(), at); err != nil {
				t.Fatal(err)
			}
			r.w.Advance(r.w.Now().Add(time.Second))
			if mac, ok := r.st.Neighbor(at); !ok || mac != (wire.HardwareAddr{2, 0, 0, 0, 0, 1}) {
				t.Errorf("%s is at %v, %v", a, mac, ok)
			}
		}
	}
}

// TestStationIsBounded floods a station with frames from many addresses: it keeps the latest ones, and counts the others.
func TestStationIsBounded(t *testing.T) {
	r := newBareRig(t, false, StationConfig{Addrs: bareAddrs})
	before := len(r.st.Arrived())
	for i := range 3 * stationFrames {
		frame := make([]byte, wire.EthernetLen+wire.IPv4Len)
		eth := wire.Ethernet{Dst: r.st.mac, Src: wire.HardwareAddr{2, 9, 0, 0, byte(i >> 8), byte(i)}, Type: wire.EtherTypeIPv4}
		ip := wire.IPv4{TTL: 1, Protocol: 99, Src: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Dst: bareAddrs[0]}
		ip.Put(frame[eth.Put(frame):])
		r.st.receive(r.w.Now(), frame)
	}
	if got := len(r.st.Arrived()); got != stationFrames || len(r.st.neighbors) > stationNeighbors {
		t.Errorf("%d frames and %d neighbours kept", got, len(r.st.neighbors))
	}
	if got, want := r.st.Lost(), uint64(before+2*stationFrames); got != want {
		t.Errorf("%d lost, want %d", got, want)
	}
	if all := r.st.Arrived(); r.st.LatestLost()+1 != all[0].Number || all[len(all)-1].Number != r.st.Latest() {
		t.Errorf("%d was lost, and %d to %d are kept", r.st.LatestLost(), all[0].Number, all[len(all)-1].Number)
	}
	for len(r.st.Arrived()) > 0 {
		r.st.Take(r.st.Arrived()[0].Number)
	}
	if r.st.octets != 0 {
		t.Errorf("%d octets remain", r.st.octets)
	}
}

func TestStationErrors(t *testing.T) {
	r := newBareRig(t, false, StationConfig{Addrs: bareAddrs})
	now := r.w.Now()
	for _, c := range []struct {
		octets int
		want   error
	}{{13, drop.Truncated}, {1515, drop.TooBig}, {1 << 17, drop.TooBig}, {1514, nil}} {
		if err := r.st.Send(now, make([]byte, c.octets)); err != c.want {
			t.Errorf("%d octets: %v, want %v", c.octets, err, c.want)
		}
	}
	r.st.Link().SetUp(false)
	if err := r.st.Send(now, make([]byte, 60)); err != drop.LinkDown {
		t.Errorf("a link that is down: %v", err)
	}
	r.st.Close()
	r.st.Close()
	if err := r.st.Send(now, make([]byte, 60)); err != ErrStationClosed {
		t.Errorf("closed: %v", err)
	}
	if _, err := r.l.Wire(r.a, StationConfig{MAC: wire.HardwareAddr{1}}, LinkConfig{}); err == nil {
		t.Error("a group's hardware address was accepted")
	}
	b, _ := r.l.AddHost(HostConfig{Name: "b", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/24")}})
	if _, err := r.l.Wire(b, StationConfig{Addrs: bareAddrs}, LinkConfig{}); err == nil {
		t.Error("the host's own address was accepted")
	}
}

// TestShareLink inserts a switch in the middle of a connection: it continues, and a station joins both hosts.
func TestShareLink(t *testing.T) {
	w := NewWorld()
	l := New(w, 1)
	a, _ := l.AddHost(HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	b, _ := l.AddHost(HostConfig{Name: "b", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	k, err := l.Link(a, b, LinkConfig{Delay: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := b.BindUDP(netip.AddrPortFrom(netip.Addr{}, 5))
	v, _ := a.BindUDP(netip.AddrPortFrom(netip.Addr{}, 6))
	exchange := func(what string) {
		t.Helper()
		w.Called()
		at := w.Now()
		if err := v.Send(at, []byte("x"), netip.MustParseAddrPort("10.0.0.2:5")); err != nil {
			t.Fatal(err)
		}
		w.Kick()
		w.Advance(at.Add(time.Second))
		var room [10]byte
		n, from, err := u.Recv(room[:])
		if n != 1 || err != nil {
			t.Fatalf("%s: %d %v", what, n, err)
		}
		if err := u.Send(w.Now(), []byte("y"), from); err != nil {
			t.Fatal(err)
		}
		w.Kick()
		w.Advance(w.Now().Add(time.Second))
		if n, _, err := v.Recv(room[:]); n != 1 || err != nil {
			t.Fatalf("%s, back: %d %v", what, n, err)
		}
	}
	exchange("before")
	s, err := k.Share()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := k.Share(); again != s {
		t.Error("a second switch was made")
	}
	exchange("shared")
	st, err := s.Wire(StationConfig{Addrs: bareAddrs})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"10.0.0.1", "10.0.0.2"} {
		_ = st.Ask(w.Now(), netip.MustParseAddr(at))
		w.Advance(w.Now().Add(time.Second))
		if _, ok := st.Neighbor(netip.MustParseAddr(at)); !ok {
			t.Errorf("%s has not answered the station", at)
		}
	}
	l.Partition(a, b)
	if !l.isCut(a, b) {
		t.Error("not partitioned")
	}
	u.Close()
	v.Close()
	if err := l.Conservation(); err != nil {
		t.Error(err)
	}
	if err := w.Drain(10000); err != nil {
		t.Error(err)
	}
}

// TestStationReturnsItsMAC: a hardware address is free again after Close, after a failed Wire, and never given twice.
func TestStationReturnsItsMAC(t *testing.T) {
	r := newBareRig(t, true, StationConfig{MAC: wire.HardwareAddr{2, 0x57, 0, 0, 0, 2}})
	s := r.st.port.sw
	before := len(r.l.macs)
	for range 3 {
		st, err := s.Wire(StationConfig{})
		if err != nil || st.MAC() == r.st.MAC() {
			t.Fatalf("%v, %v", st, err)
		}
		st.Close()
		st.Close()
	}
	bad, err := r.l.AddHost(HostConfig{Name: "bad", Addrs: []netip.Prefix{netip.MustParsePrefix("224.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.l.Wire(bad, StationConfig{MAC: wire.HardwareAddr{2, 9}}, LinkConfig{}); err == nil || r.l.macs[wire.HardwareAddr{2, 9}] != 0 {
		t.Errorf("%v, and a failed Wire keeps the hardware address", err)
	}
	if got := len(r.l.macs); got != before+1 { // the host's
		t.Errorf("%d addresses in use, want %d", got, before+1)
	}
	for i := range 256 { // all values of the octet that differs first
		r.l.macs[wire.HardwareAddr{2, 0x57, byte(i), 0, 0, byte(r.l.stationsMade + 1)}]++
	}
	if st, err := s.Wire(StationConfig{}); err != nil || r.l.macs[st.MAC()] != 1 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestStationWithAHostsMAC: a station may have a host's hardware address only if it says so.
func TestStationWithAHostsMAC(t *testing.T) {
	r := newBareRig(t, true, StationConfig{})
	s, mac := r.st.port.sw, r.a.Ports()[0].Iface().MAC()
	if _, err := s.Wire(StationConfig{MAC: mac}); !errors.Is(err, ErrDuplicateAddr) {
		t.Errorf("at the switch: %v", err)
	}
	if _, err := s.Wire(StationConfig{MAC: mac, Duplicates: true}); err != nil {
		t.Error(err)
	}
	own := wire.HardwareAddr{2, 1, 1, 1, 1, 1}
	for _, duplicates := range []bool{false, true} {
		h, _ := r.l.AddHost(HostConfig{Name: fmt.Sprint("h", duplicates), MAC: own, Addrs: []netip.Prefix{netip.MustParsePrefix("10.4.0.1/24")}})
		_, err := r.l.Wire(h, StationConfig{MAC: own, Duplicates: duplicates}, LinkConfig{})
		if errors.Is(err, ErrDuplicateAddr) == duplicates {
			t.Errorf("on a link, duplicates %v: %v", duplicates, err)
		}
		if !duplicates && r.l.macs[own] != 0 {
			t.Error("the refused station keeps the address")
		}
	}
}

// TestRecordsOfAStation: the record of a capture says that a frame has arrived at a station, at a switch as at the end of a link.
func TestRecordsOfAStation(t *testing.T) {
	for _, switched := range []bool{false, true} {
		r := newBareRig(t, switched, StationConfig{Addrs: bareAddrs})
		path := filepath.Join(t.TempDir(), "x.pcapng")
		stop, err := captureTo(r.l.world, r.l.CaptureTo, path, compile(t, "udp"))
		if err != nil {
			t.Fatal(err)
		}
		if r.datagram(t, "10.0.0.9:5") == nil {
			t.Fatal("no datagram")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got := captured(t, path); len(got) != 1 || !strings.HasSuffix(got[0], "10.0.0.9: arrived") {
			t.Errorf("switched %v: %q", switched, got)
		}
	}
}
