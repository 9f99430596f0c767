package stack

import (
	"math/rand/v2"

	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/reassembly"
	"smolsh/stack/tcp"
)

// Config is the configuration of a host. New copies it.
type Config struct {
	Name     string
	Seed     uint64       // source of all the host's randomness: ports, sequence numbers, identifications
	Neighbor neigh.Config // lifetimes, rates and bounds of the neighbour caches
	TCP      tcp.Config   // defaults for new sockets; the zero value means tcp.Default()
	Limits   Limits       // bounds of tables, queues and rates

	TemporaryAddrs bool // makes temporary IPv6 addresses besides the stable ones (RFC 8981)
}

// Host is one TCP/IP host. See New. Each part of its state has its own type.
type Host struct {
	name   string
	cfg    Config
	limits Limits
	rng    *rand.Rand
	secret [2]uint64 // key of the hashes of RFC 6528 and RFC 6056

	net        netLayer         // interfaces, addresses, routes, path MTUs
	reassembly reassembly.Table // incomplete datagrams with their fragments
	sockets    socketTable      // the sockets, by the packets that each receives
	ports      portTable        // TCP and UDP ports and ICMP identifiers in use
	memory     memoryPools      // octets in the connections' buffers
	tcp        tcpShared        // state that all connections share
	igmp       igmpReports      // timers of membership reports
	icmpErrors clock.Bucket     // rate limit of ICMP errors
	frames     framePools       // frames for packets that the host sends
	watch      watchers         // functions that the host calls, and unreported events
	stats      hostStatistics   // counters, verdicts, drops
}

// New returns a host without interfaces.
func New(cfg Config) *Host {
	if cfg.TCP == (tcp.Config{}) {
		cfg.TCP = tcp.Default()
	}
	h := &Host{
		name:   cfg.Name,
		cfg:    cfg,
		limits: cfg.Limits.withDefaults(),
		rng:    rand.New(rand.NewPCG(cfg.Seed, 0x736d6f6c7368)),
		frames: newFramePools(),
	}
	h.net.init()
	h.sockets.init()
	h.cfg.Neighbor = h.cfg.Neighbor.WithDefaults()
	h.secret = [2]uint64{h.rng.Uint64(), h.rng.Uint64()}
	h.ports.init(h.rng)
	h.icmpErrors = clock.NewBucket(h.limits.ICMPRate, h.limits.ICMPBurst)
	h.tcp.challenge.left = -1
	h.tcp.doubts = make(map[*TCPConn]doubt)
	h.tcp.hooks = tcp.Hooks{Challenge: h.mayChallenge, State: h.tcpState, Count: h.tcpCount, Episode: h.tcpEpisode}
	return h
}

// Name returns the name given in the configuration.
func (h *Host) Name() string { return h.name }

// Deadline returns the time at which Tick must be called even if no frame arrives, clock.Never if there is none. It may
// be too early, but never too late. See Upkeep for what only keeps up a state that can last for ever.
func (h *Host) Deadline() clock.Instant {
	at := min(h.tcp.timers.Next(), h.igmp.reports.Next(), h.net.addrProbes.Next(), h.reassembly.Deadline())
	for _, i := range h.net.ifaces {
		at = min(at, i.neigh[ipv4].Deadline(), i.neigh[ipv6].Deadline(), i.deadline6())
	}
	return at
}

// Upkeep returns the time at which Tick must be called to keep up a state that can last for ever: the end of the lifetimes of what
// routers have advertised, a router's periodic advertisements, and the end of neighbours that only they have made known. A network in which only upkeep is left is at rest.
func (h *Host) Upkeep() clock.Instant {
	at := clock.Never
	for _, i := range h.net.ifaces {
		if i.v6 != nil {
			at = min(at, i.v6.conf.Deadline(), i.v6.router.upkeep(), i.neigh[ipv6].Upkeep())
		}
	}
	return at
}

// Tick runs the timers that are due at time now: those of connections, neighbours, reassembly, IGMP reports and address
// probes. Connections may then have segments to transmit. Packets and connections that wait for a neighbour may fail.
func (h *Host) Tick(now clock.Instant) {
	for {
		t := h.tcp.timers.Pop(now)
		if t == nil {
			break
		}
		h.connChanged(now, t.Value)
	}
	h.sockets.conns = buf.ShrinkMap(h.sockets.conns, &h.sockets.peakConns)
	h.tickReports(now)
	h.tickAddrProbes(now)
	h.tickReassembly(now)
	for _, i := range h.net.ifaces {
		i.tick6(now)
		for _, c := range i.neigh {
			for e := c.Expire(now); e != nil; e = c.Expire(now) {
				h.net.neighborFailed(e.Addr)
				i.failPending(now, e, drop.NeighborFailed)
			}
		}
	}
	h.raiseNeighbors(now)
}
