package lab

import (
	"errors"
	"fmt"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/drop"
)

// LinkConfig describes a link. It applies to each direction.
type LinkConfig struct {
	// Delay is the time from the end of a frame's serialisation until its arrival. Jitter adds a random time from
	// -Jitter to +Jitter for each frame, so that frames may overtake each other.
	Delay, Jitter time.Duration
	// RateBps is the speed of serialisation in bits per second, link header included; 0 is infinitely fast.
	RateBps uint64
	// Queue is the number of frames that may wait while another one is serialised. Further frames are dropped
	// (drop.LinkQueueFull). 0 means 100.
	Queue int
	// Loss is the probability, 0 to 1, that a serialised frame is lost (drop.FaultLoss).
	Loss float64
	// MTU is the longest network-layer packet that the link carries, in octets; longer ones are dropped (drop.TooBig).
	// The interfaces at its ends have the same MTU, unless the configuration of a host has a lower one. 0 means the MTU
	// of the hosts.
	MTU int
	// Duplicates allows two hosts on the link or the switch to have the same address. The hosts detect the conflict
	// (RFC 5227).
	Duplicates bool
	// Offload lets hosts leave segmentation and checksums to the link, which carries super-segments
	// whole.
	Offload bool
}

const (
	defaultQueue = 100
	maxQueue     = 1 << 16
	maxGSO       = 65535
)

func (c *LinkConfig) check() error {
	switch {
	case c.Delay < 0 || c.Jitter < 0:
		return fmt.Errorf("link: delay and jitter can't be negative")
	case c.Loss < 0 || c.Loss > 1:
		return fmt.Errorf("link: loss %v is not within 0 to 1", c.Loss)
	case c.Queue < 0 || c.Queue > maxQueue:
		return fmt.Errorf("link: queue %d is not within 0 to %d", c.Queue, maxQueue)
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > maxMTU):
		return fmt.Errorf("link: mtu %d is not within %d to %d", c.MTU, minMTU, maxMTU)
	}
	return nil
}

// checkMTU refuses an MTU above the one that a host at an end was given.
func (c *LinkConfig) checkMTU(ends ...*Host) error {
	for _, h := range ends {
		if m := h.setup.mtu; m != 0 && c.MTU > m {
			return fmt.Errorf("link: mtu %d is more than the mtu %d that host %s was given", c.MTU, m, h.Name())
		}
	}
	return nil
}

// Link joins two hosts, or a host and a switch. Each way has a direction of its own.
type Link struct {
	lab    *Lab
	cfg    LinkConfig
	ownMTU bool // true if the MTU was configured, and does not follow from the ends
	up     bool
	faults *fault.Set
	a, b   *Port       // b is nil if the far end is a switch or a station
	uplink *SwitchPort // device of the switch whose MTU the link follows; nil for most links
	ab, ba direction
}

// ErrDuplicateAddr is the error for a host or station with an address that another one on the link or switch has.
var ErrDuplicateAddr = errors.New("both have the address")

// errDuplicate is the error for two hosts or stations, called a and b, with one IP address or hardware address on a link or switch.
func errDuplicate(a, b string, at fmt.Stringer) error {
	return fmt.Errorf("link: %s and %s %w %v", a, b, ErrDuplicateAddr, at)
}

// Link joins a and b; each gets an interface eth0, eth1, … with its next address, if it has one left.
func (l *Lab) Link(a, b *Host, cfg LinkConfig) (*Link, error) {
	if a == b {
		return nil, fmt.Errorf("link: %s can't be linked to itself", a.Name())
	}
	k, err := l.newLink(cfg, max(a.linkMTU(), b.linkMTU()))
	if err != nil {
		return nil, err
	}
	if err := cfg.checkMTU(a, b); err != nil {
		return nil, err
	}
	if at, same := a.meets(b); same && !cfg.Duplicates {
		return nil, errDuplicate(a.Name(), b.Name(), at)
	}
	if k.a, err = a.attachLink(k, &k.ab); err != nil {
		return nil, err
	}
	if k.b, err = b.attachLink(k, &k.ba); err != nil {
		k.a.close()
		return nil, err
	}
	k.ab.to, k.ba.to = k.b, k.a
	l.links = append(l.links, k)
	return k, nil
}

// newLink makes a link without ends. mtu is used if the configuration has no MTU.
func (l *Lab) newLink(cfg LinkConfig, mtu int) (*Link, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ownMTU := cfg.MTU != 0
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.MTU == 0 {
		cfg.MTU = mtu
	}
	ordinal := uint64(len(l.links) + 1)
	k := &Link{lab: l, cfg: cfg, ownMTU: ownMTU, up: true}
	k.faults = fault.NewSet(l.stream(streamLinkFaults, ordinal))
	k.ab = direction{link: k, dir: fault.TX, rng: l.stream(streamDirection, ordinal, 0)}
	k.ba = direction{link: k, dir: fault.RX, rng: l.stream(streamDirection, ordinal, 1)}
	return k, nil
}

// attachLink makes the host's interface at one end of k. The interface sends its frames to the argument out, a
// direction.
func (h *Host) attachLink(k *Link, out *direction) (*Port, error) {
	name := h.nextLinkName()
	p := h.newPort(k.capabilities(h))
	p.link, p.direction = k, out
	return p, p.open(name, h.nextAddrs(), false)
}

// linkMTU returns the MTU that the host wants on links.
func (h *Host) linkMTU() int {
	if h.setup.mtu == 0 {
		return defaultMTU
	}
	return h.setup.mtu
}

// capabilities returns the capabilities of the host's interface on the link.
func (k *Link) capabilities(h *Host) phy.Capabilities {
	c := phy.Capabilities{Medium: phy.MediumEthernet, MTU: min(k.cfg.MTU, h.linkMTU())}
	if (k.uplink != nil || k.ownMTU) && h.setup.mtu == 0 {
		c.MTU = k.cfg.MTU
	}
	if k.cfg.Offload {
		c.MaxGSO, c.TxChecksum = maxGSO, true
	}
	return c
}

// Config returns the link's configuration. It has the defaults in place of unset fields.
func (k *Link) Config() LinkConfig { return k.cfg }

// Faults returns the fault rules on the link. TX is from its first host to the second, RX is back. They apply after
// queue and loss. While there is a rule, frames on the link are of wire size.
func (k *Link) Faults() *fault.Set { return k.faults }

// Ports returns the link's ends in the order of Lab.Link. b is nil if the second end is a switch or a station.
func (k *Link) Ports() (a, b *Port) { return k.a, k.b }

// Up reports whether the link is up; a partition does not count.
func (k *Link) Up() bool { return k.up }

// Stats returns the counters of both directions: from the first host to the second, and back.
func (k *Link) Stats() (ab, ba Flow) { return k.ab.stats, k.ba.stats }

// broken returns why the link carries nothing: drop.LinkDown, or drop.Partitioned for its hosts. It returns drop.None while
// the link carries frames.
func (k *Link) broken() drop.Reason {
	switch {
	case !k.up:
		return drop.LinkDown
	case k.b != nil && k.lab.isCut(k.a.host, k.b.host):
		return drop.Partitioned
	}
	return drop.None
}

// refuses returns why the link does not carry a frame, drop.None if it does.
func (k *Link) refuses(frame []byte) drop.Reason {
	if why := k.broken(); why != drop.None {
		return why
	}
	if k.lab.cutsPacket(frame) {
		return drop.Partitioned
	}
	return drop.None
}
