package lab

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

const (
	maxStations = 1024              // addresses that a switch learns; frames for others are flooded
	stationAge  = 300 * time.Second // IEEE 802.1D-2004 table 7-5
	sweepEvery  = time.Second
)

// Switch is a learning bridge (IEEE 802.1D-2004 §7.8). Its ports are the far ends of links, and devices. Forwarding
// takes no time; rates and queues are those of the links, and devices have queues too. There is no spanning tree, and a
// loop can't be built.
type Switch struct {
	lab      *Lab
	name     string
	ports    []*SwitchPort
	names    map[string]bool // names of the ports
	floods   clock.Bucket    // full bucket that limits what a port may flood, copied for each port
	uplink   *SwitchPort     // device that a host shares through this switch; nil for most switches
	stations map[wire.HardwareAddr]station
	sweepAt  clock.Instant
	stats    Flow
	moves    uint64
	unlearnt uint64
}

// station records at which port an address was last seen, and when.
type station struct {
	port *SwitchPort
	seen clock.Instant
}

// Switch makes a switch without ports.
func (l *Lab) Switch(name string) *Switch {
	s := &Switch{lab: l, name: name, stations: map[wire.HardwareAddr]station{}, names: map[string]bool{}}
	l.switches = append(l.switches, s)
	return s
}

// Name returns the switch's name.
func (s *Switch) Name() string { return s.name }

// Stats returns the counters of frames that arrived at the switch. A frame counts as delivered when it is passed to a
// port; the port's counters then show whether it was sent. The switch drops a frame whose destination is at the port
// where it arrived (drop.UnknownMAC), between partitioned hosts (drop.Partitioned), flooded beyond a port's limit
// (drop.FloodLimit), to a group that no bridge relays (drop.ReservedMAC), or from an address that no station can have
// (drop.BadSourceMAC).
func (s *Switch) Stats() Flow { return s.stats }

// Learning returns two counters: addresses that moved from one port to another, and frames whose sender was not learnt
// because the table was full. Frames for such a sender are flooded.
func (s *Switch) Learning() (moves, unlearnt uint64) { return s.moves, s.unlearnt }

// SetFlood limits the frames that each port may flood to rate per second, and as many at once after a pause. 0 removes
// the limit. Flooded frames are those for groups, for the broadcast address and for unknown stations. A super-segment
// counts as one frame.
func (s *Switch) SetFlood(rate int) {
	s.floods = clock.Bucket{}
	if rate > 0 {
		s.floods = clock.NewBucket(rate, rate)
	}
	for _, p := range s.ports {
		p.floods = s.floods
	}
}

// Station is an address that a switch has learnt.
type Station struct {
	Addr wire.HardwareAddr
	Port *SwitchPort
	Age  time.Duration // time since its last frame; at 300 s the address is forgotten
}

// Stations returns the hardware addresses that the switch has learnt and that have not expired at time now, sorted.
func (s *Switch) Stations(now clock.Instant) []Station {
	var list []Station
	for a, st := range s.stations {
		if age := now.Sub(st.seen); age < stationAge {
			list = append(list, Station{a, st.port, age})
		}
	}
	slices.SortFunc(list, func(a, b Station) int { return bytes.Compare(a.Addr[:], b.Addr[:]) })
	return list
}

// Attach links h to the switch. h gets an interface with its next address, if one is left. If the switch belongs to a
// shared device (Port.Share) and the configuration has no MTU, the link's MTU follows the device's.
func (s *Switch) Attach(h *Host, cfg LinkConfig) (*Link, error) {
	var follows *SwitchPort
	mtu := h.linkMTU()
	if s.uplink != nil && s.uplink.err == nil && cfg.MTU == 0 {
		follows, mtu = s.uplink, s.uplink.dev.Capabilities().MTU
	}
	k, err := s.lab.newLink(cfg, mtu)
	if err != nil {
		return nil, err
	}
	if err := cfg.checkMTU(h); err != nil {
		return nil, err
	}
	for _, p := range h.next() {
		if other := s.Holder(p.Addr()); other != "" && !cfg.Duplicates {
			return nil, errDuplicate(h.Name(), other, p.Addr())
		}
	}
	k.uplink = follows
	if k.a, err = h.attachLink(k, &k.ab); err != nil {
		return nil, err
	}
	s.join(k)
	return k, nil
}

// Holder returns the name of the host that is linked to the switch by an interface with the address at, or "station " and the name of the station there
// that has the address; "" if there is none. What has the address beyond a device is not known.
func (s *Switch) Holder(at netip.Addr) string {
	for _, p := range s.ports {
		if st, ok := p.dev.(stationDevice); ok && slices.Contains(st.addrs, at) {
			return "station " + st.Name()
		}
		if p.link != nil && slices.ContainsFunc(p.link.a.iface.Addrs(), func(a netip.Prefix) bool { return a.Addr() == at }) {
			return p.host.Name()
		}
	}
	return ""
}

// Shared returns the device that a host shares through the switch (Port.Share), nil if there is none or it is out of service.
func (s *Switch) Shared() phy.Device {
	if s.uplink == nil || s.uplink.err != nil {
		return nil
	}
	return s.uplink.dev
}

// arrive learns the sender's port and forwards the frame.
func (p *SwitchPort) arrive(now clock.Instant, f *phy.Frame) {
	s := p.sw
	s.lab.world.follow(f)
	s.stats.In++
	s.stats.Octets += uint64(f.Len())
	p.rx.In++
	p.rx.Octets += uint64(f.Len())
	h, _, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		p.drop(f, drop.Of(err))
		return
	}
	if h.Src.IsGroup() || h.Src.IsZero() {
		p.drop(f, drop.BadSourceMAC)
		return
	}
	s.learn(now, h.Src, p)
	if isReserved(h.Dst) {
		p.drop(f, drop.ReservedMAC)
		return
	}
	if to := s.find(now, h.Dst); to != nil {
		s.forward(now, f, p, to)
		return
	}
	s.flood(now, f, p)
}

// isReserved reports whether a is a group address that no bridge relays, because it is for the other end of the link
// (IEEE 802.1Q §8.6.3): spanning tree, pause, LACP, 802.1X, LLDP.
func isReserved(a wire.HardwareAddr) bool {
	return a[0] == 0x01 && a[1] == 0x80 && a[2] == 0xc2 && a[3] == 0 && a[4] == 0 && a[5] < 0x10
}

// learn records the port of a station's address. In a full table it replaces only stations that have aged.
func (s *Switch) learn(now clock.Instant, a wire.HardwareAddr, p *SwitchPort) {
	st, known := s.stations[a]
	if !known && len(s.stations) >= maxStations {
		s.sweep(now)
		if len(s.stations) >= maxStations {
			s.unlearnt++
			return
		}
	}
	if known && st.port != p {
		s.moves++
	}
	s.stations[a] = station{port: p, seen: now}
}

// sweep removes the stations that have aged, at most once a second. Map order does not matter, because all of them are
// removed.
func (s *Switch) sweep(now clock.Instant) {
	if now < s.sweepAt {
		return
	}
	s.sweepAt = now.Add(sweepEvery)
	for a, st := range s.stations {
		if now.Sub(st.seen) >= stationAge {
			delete(s.stations, a)
		}
	}
}

// forget removes the addresses that were learnt at a port. Map order does not matter, because all of them are removed.
func (s *Switch) forget(p *SwitchPort) {
	for a, st := range s.stations {
		if st.port == p {
			delete(s.stations, a)
		}
	}
}

// find returns the port of an address, or nil for a group or an unknown address.
func (s *Switch) find(now clock.Instant, a wire.HardwareAddr) *SwitchPort {
	if st, ok := s.stations[a]; ok && now.Sub(st.seen) < stationAge {
		return st.port
	}
	return nil
}

// forward sends f to one port.
func (s *Switch) forward(now clock.Instant, f *phy.Frame, from, to *SwitchPort) {
	switch {
	case from == to:
		from.drop(f, drop.UnknownMAC)
	case from.host != nil && to.host != nil && s.lab.isCut(from.host, to.host):
		from.drop(f, drop.Partitioned)
	default:
		s.stats.Delivered++
		from.rx.Delivered++
		to.transmit(now, f)
	}
}

// flood sends f to every port except the one where it arrived. Each port but the last gets a copy.
func (s *Switch) flood(now clock.Instant, f *phy.Frame, from *SwitchPort) {
	rest := len(s.ports) - 1
	if rest == 0 {
		s.forward(now, f, from, from)
		return
	}
	if !from.floods.Take(now) {
		from.drop(f, drop.FloodLimit)
		return
	}
	from.flooded++
	for _, to := range s.ports {
		if to == from {
			continue
		}
		g := f
		if rest--; rest > 0 {
			g = s.lab.world.clone(f)
			s.stats.Copies++
			from.rx.Copies++
		}
		s.forward(now, g, from, to)
	}
}

// drop counts and recycles a frame that arrived at the port and is not forwarded.
func (p *SwitchPort) drop(f *phy.Frame, why drop.Reason) {
	p.sw.stats.Drops[why]++
	p.rx.Drops[why]++
	p.sw.lab.world.noteDrop(f, p.sw.name, why, false)
	p.sw.lab.world.recycle(f)
}
