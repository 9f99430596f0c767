package lab

import (
	"smolsh/stack/clock"
)

// SetUp takes the link down or up. A frame that is sent or in transit while the link is down is lost (drop.LinkDown). The
// interfaces at the ends have no carrier then: they forget their neighbours, and routes don't use them. A switch forgets the
// stations at its end.
func (k *Link) SetUp(up bool) {
	if k.up == up {
		return
	}
	k.up = up
	w := k.lab.world
	for _, p := range []*Port{k.a, k.b} {
		if p != nil && p.host.broken == nil {
			p.iface.SetLink(w.now, p.caps, up)
			w.touch(p.host)
		}
	}
	if p, ok := k.ab.to.(*SwitchPort); ok && !up {
		p.sw.forget(p)
	}
}

// Set changes the link in force. It adopts all of cfg but Offload, and LinkConfig's defaults for the fields that cfg
// leaves unset. Frames in transit keep their instants of arrival, and frames that are queued leave at the instants that
// the rate gave them. Later frames don't overtake any of them unless there is jitter. A queue that becomes shorter
// loses no frame that it holds.
func (k *Link) Set(cfg LinkConfig) error {
	if err := cfg.check(); err != nil {
		return err
	}
	ends := []*Host{k.a.host}
	if k.b != nil {
		ends = append(ends, k.b.host)
	}
	if cfg.MTU != k.cfg.MTU && cfg.MTU != 0 {
		if err := cfg.checkMTU(ends...); err != nil {
			return err
		}
		k.ownMTU, k.uplink = true, nil
	}
	if cfg.MTU == 0 {
		cfg.MTU = k.cfg.MTU
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	cfg.Offload = k.cfg.Offload
	k.cfg = cfg
	k.ab.resizeQueue()
	k.ba.resizeQueue()
	w := k.lab.world
	for _, p := range []*Port{k.a, k.b} {
		if p == nil || p.host.broken != nil {
			continue
		}
		if c := p.currentCapabilities(); c != p.caps {
			p.caps = c
			p.iface.SetLink(w.now, c, k.up)
			w.touch(p.host)
		}
	}
	return nil
}

// Ends returns the name of the first host, and that of the second one, of the switch, or of the station.
func (k *Link) Ends() (a, b string) {
	switch to := k.ab.to.(type) {
	case *SwitchPort:
		return k.a.host.Name(), to.sw.name
	case *BareStation:
		return k.a.host.Name(), to.Name()
	}
	return k.a.host.Name(), k.b.host.Name()
}

// Queued returns the number of frames that wait for the transmitter in each direction, from the first end and back. It
// does not count the frame that the transmitter serialises.
func (k *Link) Queued(now clock.Instant) (ab, ba int) {
	return max(0, k.ab.serialising(now)-1), max(0, k.ba.serialising(now)-1)
}
