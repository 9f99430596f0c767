package stack

import (
	"math/rand/v2"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// Config of a host. It is copied by New.
type Config struct {
	Name     string
	Seed     uint64       // source of all the host's randomness: ports, sequence numbers, identifications
	Neighbor neigh.Config // lifetimes, rates, bounds
	TCP      tcp.Config   // defaults for new sockets; the zero value means tcp.Default()
	Limits   Limits       // what is kept at most
}

// Host is one TCP/IP host. See New.
type Host struct {
	name   string
	cfg    Config
	limits Limits
	rng    *rand.Rand
	secret [2]uint64 // of RFC 6528's and 6056's hashes

	ifaces     []*Iface
	assemblies assemblies // datagrams of which fragments have come
	fragmentID [256]uint16
	paths      pathTable // what is known of paths that carry less than their first link
	forwarding bool
	loop       *Iface                // on which the host reaches itself; nil without
	localAddrs map[netip.Addr]*Iface // every address of the host
	routes     routeTable
	epoch      uint32 // changes with routes, addresses and interfaces; connections cache their path by it

	conns      map[flow]*TCPConn
	peakConns  int      // the most that conns has held, see shrink
	recent     *TCPConn // the connection that was found last, under recentFlow; nil: none
	recentFlow flow
	listeners  map[flow]*TCPListener
	udp        map[flow]*UDPConn
	icmpByID   map[uint16]*ICMPConn
	icmpByUDP  map[uint16]*ICMPConn
	raw        map[wire.Protocol]*roll[*RawConn]
	rawSenders map[rawPeer]*roll[*RawConn]
	frames     map[frameKind]*roll[*FrameConn]
	ports      [numPorts]map[uint16]int // listeners and UDP sockets by port, whatever their address
	boundPorts [numPorts]portSet        // those of them that are ephemeral, counted from the first
	destPorts  map[flow]*destPorts      // of connections, by local and remote address and remote port
	icmpIDs    portSet                  // the keys of icmpByID
	sockets    int
	buffers    pool // storage of the connections' buffers, as of their last settling
	waiting    pool // the part of it for octets that wait beyond a gap

	spareMemoryUse []*memoryUse // for reuse; see newMemoryUse

	lastID   uint64
	lastPort [2]uint16 // RFC 6056's counters, TCP and UDP

	reports     clock.Heap[*membership] // IGMP's timers
	addrProbes  clock.Heap[*AddrProbe]  // those of address probes
	memberships int                     // groups joined, once for each socket

	onWork    func()                  // see WatchWork; may be nil
	onMAC     func(wire.HardwareAddr) // see WatchMAC; may be nil
	timers    clock.Heap[*TCPConn]
	hooks     tcp.Hooks
	tcpShared *tcp.Config // the last configuration that connections share
	rxSeg     tcp.Segment
	txSeg     tcp.Segment
	scratch   *phy.Frame // where segments go that no interface takes
	small     *phy.Pool
	large     *phy.Pool
	lent      int          // frames of the two pools in use
	bucket    clock.Bucket // ICMP errors
	cookies   cookies
	challenge struct {
		second clock.Instant // the budget is for it
		left   int
	}

	observers        []*observer
	payloadObservers int // of them want to see payload too
	events           []*eventListener
	tcpEvents        []tcpEvent  // of connections that are to be settled; empty while nobody listens
	onConflict       func(Event) // is told of address conflicts; may be nil
	neighborEvents   []Event     // of neighbours, to be reported; the same

	event    *PacketEvent
	counters [numCounters]uint64
	verdicts [Transmitted]uint64
	drops    [drop.NumReasons]dropRecord
	refusals [numLimits]refusals
}

// New returns a host without interfaces.
func New(cfg Config) *Host {
	if cfg.TCP == (tcp.Config{}) {
		cfg.TCP = tcp.Default()
	}
	h := &Host{
		name:       cfg.Name,
		cfg:        cfg,
		limits:     cfg.Limits.withDefaults(),
		rng:        rand.New(rand.NewPCG(cfg.Seed, 0x736d6f6c7368)),
		localAddrs: make(map[netip.Addr]*Iface),
		paths:      pathTable{byKey: make(map[pathKey]*pathMTU)},
		conns:      make(map[flow]*TCPConn),
		listeners:  make(map[flow]*TCPListener),
		udp:        make(map[flow]*UDPConn),
		icmpByID:   make(map[uint16]*ICMPConn),
		icmpByUDP:  make(map[uint16]*ICMPConn),
		raw:        make(map[wire.Protocol]*roll[*RawConn]),
		frames:     make(map[frameKind]*roll[*FrameConn]),

		rawSenders: make(map[rawPeer]*roll[*RawConn]),

		ports:     [numPorts]map[uint16]int{{}, {}},
		destPorts: make(map[flow]*destPorts),
		small:     phy.NewPool(phy.FrameSize, 1024),
		large:     phy.NewPool(phy.SuperFrameSize, 16),
		scratch:   phy.NewFrame(phy.FrameSize),
		epoch:     1,
	}
	h.cfg.Neighbor = h.cfg.Neighbor.WithDefaults()
	h.secret = [2]uint64{h.rng.Uint64(), h.rng.Uint64()}
	h.lastPort = [2]uint16{uint16(h.rng.Uint32()), uint16(h.rng.Uint32())}
	h.challenge.left = -1
	h.bucket = clock.NewBucket(h.limits.ICMPRate, h.limits.ICMPBurst)
	h.assemblies.init()
	h.hooks = tcp.Hooks{Challenge: h.mayChallenge, State: h.tcpState, Count: h.tcpCount, Episode: h.tcpEpisode}
	return h
}

// Name is the name given in the configuration.
func (h *Host) Name() string { return h.name }

// Deadline is when Tick should be called though nothing happened; clock.Never if not. It may be early,
// never late.
func (h *Host) Deadline() clock.Instant {
	at := min(h.timers.Next(), h.reports.Next(), h.addrProbes.Next(), h.assemblies.expiry.Next())
	for _, i := range h.ifaces {
		at = min(at, i.neigh.Deadline())
	}
	return at
}

// WatchWork has fn called whenever an interface may have got something to transmit, or the host an earlier deadline, in
// place of the function before. fn only takes note: it must not call the host. The owner of many hosts thus need not
// ask each after a call to one.
func (h *Host) WatchWork(fn func()) { h.onWork = fn }

// WatchMAC has fn called with each hardware address that SetMAC gives to an interface, in place of the function before.
func (h *Host) WatchMAC(fn func(a wire.HardwareAddr)) { h.onMAC = fn }

// workPending calls the function of WatchWork.
func (h *Host) workPending() {
	if h.onWork != nil {
		h.onWork()
	}
}

// Tick runs what is due at now: connection timers (the connections become ready to Transmit), neighbour
// timers (waiting datagrams and connections fail).
func (h *Host) Tick(now clock.Instant) {
	for {
		t := h.timers.Pop(now)
		if t == nil {
			break
		}
		h.connChanged(now, t.Value)
	}
	h.conns = shrink(h.conns, &h.peakConns)
	h.tickReports(now)
	h.tickAddrProbes(now)
	h.tickAssemblies(now)
	for _, i := range h.ifaces {
		for e := i.neigh.Expire(now); e != nil; e = i.neigh.Expire(now) {
			i.failPending(now, e, drop.NeighborFailed)
		}
	}
	h.raiseNeighbors(now)
}

// register gives a new socket its number, or says that there are too many.
func (h *Host) register() (id uint64, err error) {
	if h.sockets >= h.limits.Sockets {
		return 0, h.limitError(limitSockets)
	}
	h.sockets++
	h.lastID++
	return h.lastID, nil
}

// newFrame returns an empty frame with room for a packet of n octets without its headers.
func (h *Host) newFrame(n int) *phy.Frame {
	h.lent++
	if n <= phy.FrameSize {
		return h.small.Get()
	}
	return h.large.Get()
}

// free takes back a frame of newFrame.
func (h *Host) free(f *phy.Frame) {
	h.lent--
	f.Reset()
	if len(f.Tail()) >= phy.SuperFrameSize {
		h.large.Put(f)
	} else {
		h.small.Put(f)
	}
}
