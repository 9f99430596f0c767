package lab

import "fmt"

// Share inserts a switch at the second end of the link and returns the switch, to which further hosts and stations can then be attached. The
// hosts keep their interfaces, addresses, neighbours and connections. The link's delay, rate, loss and rules stay between its first host
// and the switch. A new link without delay is between the switch and the second host. A further call, or a call for a link whose second end is a switch, returns
// that switch.
func (k *Link) Share() (*Switch, error) {
	if p, ok := k.ab.to.(*SwitchPort); ok {
		return p.sw, nil
	}
	b := k.b
	if b == nil {
		return nil, fmt.Errorf("link: a station is at its end")
	}
	far, err := k.lab.newLink(LinkConfig{Offload: k.cfg.Offload, MTU: k.cfg.MTU}, 0)
	if err != nil {
		return nil, err
	}
	s := k.lab.Switch(k.a.host.Name() + "-" + b.host.Name())
	near := &SwitchPort{sw: s, host: k.a.host, linkEnd: linkEnd{k, &k.ba}, floods: s.floods}
	s.add(near, k.a.host.Name())
	k.ab.to, k.b = near, nil
	far.ownMTU, far.up, far.a = k.ownMTU, k.up, b
	b.link, b.direction = far, &far.ab
	s.join(far)
	return s, nil
}
