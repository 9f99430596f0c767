package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// bareSwitch returns a switch whose ports lead to catches.
func bareSwitch(t *testing.T, n int) (*World, *Switch, []*catch) {
	t.Helper()
	w := NewWorld()
	l := New(w, 1)
	s := l.Switch("s")
	var ends []*catch
	for i := range n {
		k, err := l.newLink(LinkConfig{}, 1500)
		if err != nil {
			t.Fatal(err)
		}
		l.links = append(l.links, k)
		end := &catch{w: w, got: []string{}}
		p := &SwitchPort{sw: s, host: &Host{lab: l, order: i}, linkEnd: linkEnd{direction: &k.ba}}
		k.ab.to, k.ba.to = p, end
		s.ports, ends = append(s.ports, p), append(ends, end)
	}
	return w, s, ends
}

func mac(n int) (a wire.HardwareAddr) {
	binary.BigEndian.PutUint32(a[2:], uint32(n))
	a[0] = 2
	return a
}

func (w *World) etherFrame(dst, src wire.HardwareAddr) *phy.Frame {
	f := w.frameOf(0, 60)
	h := wire.Ethernet{Dst: dst, Src: src, Type: wire.EtherTypeIPv4}
	h.Put(f.Bytes())
	return f
}

// counts runs the world and returns the number of frames that each end has received since the last call.
func counts(w *World, ends []*catch) []int {
	w.run()
	var n []int
	for _, e := range ends {
		n = append(n, e.n)
		e.n = 0
	}
	return n
}

func TestSwitchLearns(t *testing.T) {
	w, s, ends := bareSwitch(t, 3)
	l := s.lab
	steps := []struct {
		what     string
		port     int
		dst, src wire.HardwareAddr
		want     []int
	}{
		{"unknown destination is flooded", 0, mac(2), mac(1), []int{0, 1, 1}},
		{"the first sender is known", 1, mac(1), mac(2), []int{1, 0, 0}},
		{"and so is the second", 0, mac(2), mac(1), []int{0, 1, 0}},
		{"broadcast is flooded", 0, wire.Broadcast, mac(1), []int{0, 1, 1}},
		{"multicast is flooded", 1, wire.HardwareAddr{1, 0, 0x5e, 0, 0, 1}, mac(2), []int{1, 0, 1}},
		{"a group is no sender", 2, mac(1), wire.Broadcast, []int{0, 0, 0}},
		{"so it is not learnt", 2, wire.Broadcast, mac(3), []int{1, 1, 0}},
		{"a frame for its own port goes nowhere", 0, mac(1), mac(9), []int{0, 0, 0}},
		{"a station that moved", 2, mac(1), mac(2), []int{1, 0, 0}},
		{"is reached there", 0, mac(2), mac(1), []int{0, 0, 1}},
	}
	for _, st := range steps {
		l.links[st.port].ab.accept(w.now, w.etherFrame(st.dst, st.src))
		if got := counts(w, ends); !slices.Equal(got, st.want) {
			t.Errorf("%s: arrived %v, want %v", st.what, got, st.want)
		}
	}
	if moves, unlearnt := s.Learning(); moves != 1 || unlearnt != 0 {
		t.Errorf("%d moves, %d not learnt, want 1 and 0", moves, unlearnt)
	}
	if s.stats.Drops[drop.UnknownMAC] != 1 {
		t.Errorf("drops %v", s.stats.Drops)
	}
	if err := l.Conservation(); err != nil {
		t.Error(err)
	}
}

func TestSwitchForgets(t *testing.T) {
	w, s, ends := bareSwitch(t, 3)
	put := func(port int, dst, src wire.HardwareAddr) []int {
		s.lab.links[port].ab.accept(w.now, w.etherFrame(dst, src))
		return counts(w, ends)
	}
	put(0, wire.Broadcast, mac(1))
	w.Sync(clock.Instant(stationAge - 1))
	if got := put(1, mac(1), mac(2)); !slices.Equal(got, []int{1, 0, 0}) {
		t.Errorf("before it ages: %v", got)
	}
	w.Sync(clock.Instant(stationAge))
	if got := put(1, mac(1), mac(2)); !slices.Equal(got, []int{1, 0, 1}) {
		t.Errorf("aged: %v", got)
	}
}

// TestSwitchTableIsBounded: a flood of invented source addresses fills the table and evicts no station. When they have aged out
// there is room again.
func TestSwitchTableIsBounded(t *testing.T) {
	w, s, ends := bareSwitch(t, 3)
	put := func(port int, dst, src wire.HardwareAddr) []int {
		s.lab.links[port].ab.accept(w.now, w.etherFrame(dst, src))
		return counts(w, ends)
	}
	put(0, wire.Broadcast, mac(1))
	for i := range 5000 {
		put(1, mac(1), mac(1000+i))
	}
	if moves, unlearnt := s.Learning(); moves != 0 || unlearnt != 5000-(maxStations-1) {
		t.Errorf("%d moves, %d not learnt, want 0 and %d", moves, unlearnt, 5000-(maxStations-1))
	}
	if len(s.stations) != maxStations {
		t.Errorf("%d stations, want %d", len(s.stations), maxStations)
	}
	if got := put(2, mac(1), mac(3)); !slices.Equal(got, []int{1, 0, 0}) {
		t.Errorf("the live station: %v", got)
	}
	w.Sync(clock.Instant(stationAge + time.Second))
	put(2, wire.Broadcast, mac(3))
	if got := put(0, mac(3), mac(1)); !slices.Equal(got, []int{0, 0, 1}) {
		t.Errorf("a new station after the flood: %v", got)
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

func TestSwitchPartition(t *testing.T) {
	w, s, ends := bareSwitch(t, 3)
	l := s.lab
	a, b := s.ports[0].host, s.ports[1].host
	a.Host, b.Host = stack.New(stack.Config{}), stack.New(stack.Config{})
	put := func(port int, dst, src wire.HardwareAddr) []int {
		l.links[port].ab.accept(w.now, w.etherFrame(dst, src))
		return counts(w, ends)
	}
	put(0, wire.Broadcast, mac(1))
	put(1, wire.Broadcast, mac(2))
	l.Partition(b, a)
	if got := put(0, mac(2), mac(1)); !slices.Equal(got, []int{0, 0, 0}) {
		t.Errorf("a to b: %v", got)
	}
	if got := put(1, wire.Broadcast, mac(2)); !slices.Equal(got, []int{0, 0, 1}) {
		t.Errorf("b to all: %v", got)
	}
	if s.stats.Drops[drop.Partitioned] != 2 {
		t.Errorf("drops %v", s.stats.Drops)
	}
	l.Heal()
	if got := put(0, mac(2), mac(1)); !slices.Equal(got, []int{0, 1, 0}) {
		t.Errorf("healed: %v", got)
	}
	if err := l.Conservation(); err != nil {
		t.Error(err)
	}
}

func TestSwitchDropsWhatHasNoHeader(t *testing.T) {
	w, s, ends := bareSwitch(t, 2)
	s.lab.links[0].ab.accept(0, w.frameOf(1, 5))
	if got := counts(w, ends); !slices.Equal(got, []int{0, 0}) || s.stats.Drops[drop.Truncated] != 1 {
		t.Errorf("arrived %v, drops %v", got, s.stats.Drops)
	}
}

// TestSwitchKeepsReservedFrames: a bridge does not relay frames to the groups that are reserved for its neighbours
// (IEEE 802.1Q §8.6.3), nor frames from an address that no station can have. The receiving port counts each.
func TestSwitchKeepsReservedFrames(t *testing.T) {
	reserved := func(last byte) wire.HardwareAddr { return wire.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, last} }
	for name, c := range map[string]struct {
		dst, src wire.HardwareAddr
		want     drop.Reason
	}{
		"spanning tree":      {reserved(0), mac(1), drop.ReservedMAC},
		"pause":              {reserved(1), mac(1), drop.ReservedMAC},
		"LLDP":               {reserved(0x0e), mac(1), drop.ReservedMAC},
		"the last":           {reserved(0x0f), mac(1), drop.ReservedMAC},
		"the next":           {reserved(0x10), mac(1), drop.None},
		"GMRP":               {reserved(0x20), mac(1), drop.None},
		"another group":      {wire.HardwareAddr{0x01, 0x80, 0xc2, 0, 1, 0}, mac(1), drop.None},
		"everyone":           {wire.Broadcast, mac(1), drop.None},
		"from a group":       {mac(2), wire.HardwareAddr{1, 0, 0x5e, 0, 0, 1}, drop.BadSourceMAC},
		"from everyone":      {wire.Broadcast, wire.Broadcast, drop.BadSourceMAC},
		"from nobody":        {wire.Broadcast, wire.HardwareAddr{}, drop.BadSourceMAC},
		"from nobody to one": {mac(2), wire.HardwareAddr{}, drop.BadSourceMAC},
	} {
		w, s, ends := bareSwitch(t, 3)
		s.ports[0].arrive(0, w.etherFrame(c.dst, c.src))
		want := []int{0, 1, 1}
		if c.want != drop.None {
			want = []int{0, 0, 0}
		}
		if got := counts(w, ends); !slices.Equal(got, want) {
			t.Errorf("%s: the ports sent %v, want %v", name, got, want)
		}
		rx, _ := s.ports[0].Received()
		stats := s.Stats()
		for _, f := range []*Flow{&rx, &stats} {
			if f.Dropped() != f.Drops[c.want] || (f.Dropped() == 1) != (c.want != drop.None) || f.In+f.Copies != f.Delivered+f.Dropped() {
				t.Errorf("%s: counted %+v", name, f)
			}
		}
		if learnt := len(s.Stations(0)) == 1; learnt != (c.want != drop.BadSourceMAC) {
			t.Errorf("%s: the sender was learnt: %v", name, learnt)
		}
	}
}

// TestSwitchFloodsGroups: a switch floods frames to groups of IPv6 and does not learn a group's address (RFC 2464 §7); it ignores the
// listeners that hosts report.
func TestSwitchFloodsGroups(t *testing.T) {
	w, s, ends := bareSwitch(t, 3)
	put := func(port int, dst, src wire.HardwareAddr) []int {
		s.lab.links[port].ab.accept(w.now, w.etherFrame(dst, src))
		return counts(w, ends)
	}
	group := wire.GroupMAC(netip.MustParseAddr("ff02::1:ff00:2"))
	for range 3 {
		if got := put(0, group, mac(1)); !slices.Equal(got, []int{0, 1, 1}) {
			t.Errorf("to a group: %v", got)
		}
	}
	if got := put(1, mac(2), group); !slices.Equal(got, []int{0, 0, 0}) {
		t.Errorf("from a group: %v", got)
	}
	if got := put(2, group, mac(3)); !slices.Equal(got, []int{1, 1, 0}) {
		t.Errorf("to a group: %v", got)
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}
