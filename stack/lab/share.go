package lab

import (
	"fmt"

	"smolsh/phy"
)

// Share inserts a switch between the port and its device and returns the switch. Switch.Attach then connects other
// hosts to the same device. A further call returns the same switch. The port's host keeps its interface, addresses,
// neighbours, connections, rules, captures, MTU and super-segments.
//
// Three things change. The host's link is now its link to the switch, which stays up when the device's link goes down.
// If the device fails, the hosts stay connected to each other, and World.OnSwitchError is called. A frame for which a
// slow device has no room is dropped, and not kept. An error means that the port has no device, that the device is out
// of service, or that it carries no Ethernet.
func (p *Port) Share() (*Switch, error) {
	switch {
	case p.shared != nil:
		return p.shared, nil
	case p.dev == nil || p.loop:
		return nil, fmt.Errorf("%s of %s is on no device", p.iface.Name(), p.host.Name())
	case p.err != nil:
		return nil, fmt.Errorf("%s: %w", p.dev.Name(), p.err)
	case p.caps.Medium != phy.MediumEthernet:
		return nil, fmt.Errorf("%s carries no Ethernet, which hosts need to share it", p.dev.Name())
	}
	l, w, dev := p.host.lab, p.world(), p.dev
	k, err := l.newLink(LinkConfig{Offload: true, MTU: dev.Capabilities().MTU}, 0)
	if err != nil {
		return nil, err
	}
	p.flush(w.now)
	if p.err != nil {
		return nil, fmt.Errorf("%s: %w", dev.Name(), p.err)
	}
	if d, ok := dev.(phy.Offloader); ok && p.wireSizeOnly && d.SetOffload(true) == nil {
		p.wireSizeOnly = false // from now on the port itself cuts super-segments for its rules
	}
	s := l.Switch(dev.Name())
	w.detach(p)
	if s.uplink, err = s.AttachDevice(dev); err != nil {
		return nil, err
	}
	for i, f := range p.out { // queued before the frames that are sent from now on
		p.host.FrameTaken(p.iface, p.sizes[i])
		s.uplink.transmit(w.now, f)
	}
	p.out, p.sizes, p.full = nil, nil, false
	p.dev, p.link, p.direction, p.shared = nil, k, &k.ab, s
	k.a, k.uplink = p, s.uplink
	s.join(k)
	p.caps = p.currentCapabilities()
	p.iface.SetLink(w.now, p.caps, true)
	w.touch(p.host)
	return s, nil
}

// join makes the switch's port at the far end of k.
func (s *Switch) join(k *Link) {
	p := &SwitchPort{sw: s, host: k.a.host, linkEnd: linkEnd{k, &k.ba}, floods: s.floods}
	s.add(p, k.a.host.Name())
	k.ab.to, k.ba.to = p, k.a
	s.lab.links = append(s.lab.links, k)
}

// follow sets the MTU of the links that follow the device p to the device's present MTU.
func (s *Switch) follow(p *SwitchPort) {
	mtu := p.dev.Capabilities().MTU
	for _, q := range s.ports {
		if k := q.link; k != nil && k.uplink == p && k.cfg.MTU != mtu {
			k.cfg.MTU = mtu
			k.a.caps = k.a.currentCapabilities()
			k.a.iface.SetLink(s.lab.world.now, k.a.caps, k.up)
			s.lab.world.touch(k.a.host)
		}
	}
}
