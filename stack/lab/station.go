package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

const (
	// stationFrames and stationOctets bound the frames that a station keeps until its user takes them.
	stationFrames = 1024
	stationOctets = 4 << 20
	// stationNeighbors bounds the neighbours that a station knows. A full table is emptied before it learns another one.
	stationNeighbors = 1024
)

// StationConfig describes a station.
type StationConfig struct {
	// MAC is the station's hardware address. Zero means 02:57:00:00:00:NN, where NN is the station's number in the lab from 1; the third
	// octet differs if that address is in use.
	MAC wire.HardwareAddr
	// Addrs are the station's IP addresses, of either family.
	Addrs []netip.Addr
	// Silent leaves ARP requests and neighbour solicitations for the addresses unanswered.
	Silent bool
	// Duplicates allows an IP address or a hardware address that a host or station on the link or switch has.
	Duplicates bool
}

// BareStation is the end of a link, or of a switch's port, without a stack: a station. It keeps the frames that arrive until its user takes
// them, and sends only the frames that its user passes to it. By itself it answers ARP requests and neighbour solicitations for its addresses. At the end of
// a link it receives every frame, at a switch those for its hardware address, and those for groups.
type BareStation struct {
	Signal stack.Signal // fires when a frame has arrived, and when the station is closed

	lab        *Lab
	mac        wire.HardwareAddr
	addrs      []netip.Addr
	silent     bool
	link       *Link       // nil at a switch
	port       *SwitchPort // nil on a link
	arrived    []Arrival
	octets     int // octets of the arrived frames
	lost       uint64
	latestLost uint64 // number of the latest arrival that was dropped unread
	latest     uint64 // number of the latest arrival
	closed     bool
	neighbors  map[netip.Addr]wire.HardwareAddr
}

// Arrival is a frame that has arrived at a station, and when.
type Arrival struct {
	Number uint64 // arrivals at the station so far, from 1
	Time   clock.Instant
	Frame  []byte // without a frame check sequence; must not be changed
}

// ErrStationClosed is the error of a call on a closed station.
var ErrStationClosed = errors.New("the station is closed")

// ErrNoSource is the error for a neighbour solicitation of a station without an IPv6 address.
var ErrNoSource = errors.New("the station has no address of this family to ask from")

// Wire links h to a new station. h gets an interface with its next address, if one is left.
func (l *Lab) Wire(h *Host, cfg StationConfig, link LinkConfig) (*BareStation, error) {
	if !cfg.Duplicates {
		for _, p := range h.next() {
			if slices.Contains(cfg.Addrs, p.Addr()) {
				return nil, errDuplicate(h.Name(), theStation, p.Addr())
			}
		}
	}
	link.Offload = false // a station receives frames as a cable carries them
	k, err := l.newLink(link, h.linkMTU())
	if err != nil {
		return nil, err
	}
	if err := link.checkMTU(h); err != nil {
		return nil, err
	}
	st, err := l.newStation(cfg)
	if err != nil {
		return nil, err
	}
	if h.hardwareAddr(int(h.portsMade), wire.HardwareAddr{}) == st.mac && !cfg.Duplicates {
		st.releaseMAC()
		return nil, errDuplicate(h.Name(), theStation, st.mac)
	}
	k.a, err = h.attachLink(k, &k.ab)
	if err != nil {
		st.releaseMAC()
		return nil, err
	}
	st.link = k
	k.ab.to, k.ba.to = st, k.a
	l.links = append(l.links, k)
	return st, nil
}

// Wire puts a new station at a port of the switch.
func (s *Switch) Wire(cfg StationConfig) (*BareStation, error) {
	if !cfg.Duplicates {
		if err := s.unique(&cfg); err != nil {
			return nil, err
		}
	}
	st, err := s.lab.newStation(cfg)
	if err != nil {
		return nil, err
	}
	p := &SwitchPort{sw: s, deviceQueue: deviceQueue{dev: stationDevice{st}}, floods: s.floods}
	s.add(p, st.Name())
	st.port = p
	return st, nil
}

// theStation names a new station in errors.
const theStation = "the station"

// unique returns an error if a host or station at the switch has an address that a new station would have.
func (s *Switch) unique(cfg *StationConfig) error {
	for _, a := range cfg.Addrs {
		if other := s.Holder(a); other != "" {
			return errDuplicate(other, theStation, a)
		}
	}
	for _, p := range s.ports {
		if p.link != nil && p.link.a.iface.MAC() == cfg.MAC {
			return errDuplicate(p.host.Name(), theStation, cfg.MAC)
		}
		if st, ok := p.dev.(stationDevice); ok && st.mac == cfg.MAC {
			return errDuplicate("station "+st.Name(), theStation, cfg.MAC)
		}
	}
	return nil
}

// newStation makes a station that is not connected. Close or releaseMAC gives its hardware address back.
func (l *Lab) newStation(cfg StationConfig) (*BareStation, error) {
	if cfg.MAC.IsGroup() {
		return nil, fmt.Errorf("link: %v is the hardware address of a group, which no station has", cfg.MAC)
	}
	for _, a := range cfg.Addrs {
		if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() {
			return nil, fmt.Errorf("link: %v is no station's address", a)
		}
	}
	l.stationsMade++
	st := &BareStation{lab: l, mac: cfg.MAC, addrs: slices.Clone(cfg.Addrs), silent: cfg.Silent, neighbors: map[netip.Addr]wire.HardwareAddr{}}
	if st.mac.IsZero() {
		n := l.stationsMade
		st.mac = l.freeMAC(wire.HardwareAddr{2, 0x57, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	l.macs[st.mac]++
	return st, nil
}

// releaseMAC lets the lab use the station's hardware address again.
func (st *BareStation) releaseMAC() {
	if st.lab.macs[st.mac]--; st.lab.macs[st.mac] == 0 {
		delete(st.lab.macs, st.mac)
	}
}

// Name returns the station's first address, or its hardware address if it has none.
func (st *BareStation) Name() string {
	if len(st.addrs) > 0 {
		return st.addrs[0].String()
	}
	return st.mac.String()
}

// MAC returns the station's hardware address.
func (st *BareStation) MAC() wire.HardwareAddr { return st.mac }

// Addrs returns the station's addresses. The caller must not change the slice.
func (st *BareStation) Addrs() []netip.Addr { return st.addrs }

// Link returns the link at whose end the station is, nil for a station at a switch.
func (st *BareStation) Link() *Link { return st.link }

// Closed reports whether the station is closed.
func (st *BareStation) Closed() bool { return st.closed }

// Lost returns the number of arrivals that were dropped before Take removed them, because later ones needed their place.
func (st *BareStation) Lost() uint64 { return st.lost }

// LatestLost returns the number of the latest of those arrivals, 0 if there is none. Every arrival that Arrived has is later.
func (st *BareStation) LatestLost() uint64 { return st.latestLost }

// Arrived returns the frames that have arrived and that Take has not removed, the oldest first. The slice is valid until the next Take or
// arrival.
func (st *BareStation) Arrived() []Arrival { return st.arrived }

// Latest returns the number of the latest arrival, 0 before the first.
func (st *BareStation) Latest() uint64 { return st.latest }

// Take removes the arrival with a number, if Arrived has it.
func (st *BareStation) Take(number uint64) {
	i := slices.IndexFunc(st.arrived, func(a Arrival) bool { return a.Number == number })
	if i < 0 {
		return
	}
	st.octets -= len(st.arrived[i].Frame)
	st.arrived = slices.Delete(st.arrived, i, i+1)
}

// Neighbor returns the hardware address that the station has last heard from an IP address. ok is false if it has heard none.
func (st *BareStation) Neighbor(a netip.Addr) (mac wire.HardwareAddr, ok bool) {
	mac, ok = st.neighbors[a]
	return mac, ok
}

// Send sends a frame as it is. The error is ErrStationClosed, or the reason for which the link can't carry the frame: drop.LinkDown or
// drop.TooBig, drop.Truncated for a frame without a whole Ethernet header. A frame that is lost on the way is no error.
func (st *BareStation) Send(now clock.Instant, frame []byte) error {
	switch {
	case st.closed:
		return ErrStationClosed
	case len(frame) < wire.EthernetLen:
		return drop.Truncated
	case len(frame) > phy.SuperFrameSize:
		return drop.TooBig
	}
	w := st.lab.world
	f := w.frame(len(frame))
	f.Set(frame)
	if st.port != nil {
		if tooBig(f, st.port.MTU()) {
			w.recycle(f)
			return drop.TooBig
		}
		st.port.arrive(now, f)
		return nil
	}
	w.follow(f)
	v := st.link.ba.decideFate(now, f)
	st.link.ba.carry(f, v)
	if v.Drop == drop.LinkDown || v.Drop == drop.TooBig {
		return v.Drop
	}
	return nil
}

// Close takes the station off the link or switch. The link goes down. The arrived frames are released.
func (st *BareStation) Close() {
	if st.closed {
		return
	}
	st.closed, st.arrived, st.octets = true, nil, 0
	st.releaseMAC()
	clear(st.neighbors)
	if st.port != nil {
		st.port.Detach()
	} else {
		st.link.SetUp(false)
	}
	st.Signal.Fire()
}

// arrive takes a frame from the link.
func (st *BareStation) arrive(now clock.Instant, f *phy.Frame) {
	w := st.lab.world
	w.noteArrival(f, st.Name())
	st.receive(now, f.Bytes())
	w.recycle(f)
}

// receive keeps a copy of a frame, learns the sender's address from it, and answers a request for the station's own.
func (st *BareStation) receive(now clock.Instant, frame []byte) {
	if st.closed {
		return
	}
	for len(st.arrived) >= stationFrames || st.octets+len(frame) > stationOctets {
		st.dropOldest()
	}
	st.latest++
	st.arrived = append(st.arrived, Arrival{st.latest, now, slices.Clone(frame)})
	st.octets += len(frame)
	if fn := st.lab.OnArrival; fn != nil {
		fn(st, now, frame)
	}
	st.hear(now, frame)
	st.Signal.Fire()
}

// dropOldest makes room for a new arrival, so that a peer that floods the station can't hide what it sends after that.
func (st *BareStation) dropOldest() {
	a := st.arrived[0]
	st.arrived[0] = Arrival{}
	st.arrived = st.arrived[1:]
	st.octets -= len(a.Frame)
	st.lost, st.latestLost = st.lost+1, a.Number
}

// stationDevice is a station as the device at a switch's port, which counts the frames, cuts them to wire size, and finishes their
// checksums. The switch receives the station's frames directly, not through Recv.
type stationDevice struct{ *BareStation }

// Capabilities returns those of a cable.
func (d stationDevice) Capabilities() phy.Capabilities {
	c := phy.Capabilities{Medium: phy.MediumEthernet, MTU: defaultMTU}
	if up := d.port.sw.uplink; up != nil && up.err == nil {
		c.MTU = up.dev.Capabilities().MTU
	}
	return c
}

// Recv returns no frame.
func (d stationDevice) Recv([]*phy.Frame) (int, error) { return 0, nil }

// Send delivers frames for the station's hardware address, and those for groups.
func (d stationDevice) Send(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	for _, f := range frames {
		if d.isFor(f) {
			d.receive(d.lab.world.now, f.Bytes())
		}
	}
	return len(frames), nil
}

// isFor reports whether a frame is for the station's hardware address or for a group.
func (d stationDevice) isFor(f *phy.Frame) bool {
	h, _, err := wire.ParseEthernet(f.Bytes())
	return err == nil && (h.Dst == d.mac || h.Dst.IsGroup())
}

// Close does nothing. BareStation.Close takes the station off the switch.
func (d stationDevice) Close() error { return nil }
