package lab

import (
	"net/netip"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
)

// netPlan is the addresses of both hosts, and the stations between or beside them. The zero value is two hosts with IPv4 addresses on
// one link.
type netPlan struct {
	Addrs  addrPlan      `json:",omitempty"`
	Router placePlan     `json:",omitempty"`
	Beyond linkPlan      `json:",omitzero"`  // the router's second link; the faults are on the client's
	Every  time.Duration `json:",omitempty"` // longest time between two advertisements of the router
}

// addrPlan is the kind of addresses that the hosts have.
type addrPlan string

const (
	addrsIPv4      addrPlan = ""           // by hand
	addrsIPv6      addrPlan = "ipv6"       // global ones by hand
	addrsBoth      addrPlan = "both"       // by hand; attempts to connect use IPv6 and IPv4 in turn
	addrsLinkLocal addrPlan = "link-local" // the hosts make them
	addrsAutoconf  addrPlan = "autoconf"   // from the prefixes that a router advertises
)

// placePlan is the place of a router.
type placePlan string

const (
	routerNone    placePlan = ""
	routerBetween placePlan = "between" // it forwards from one host's link to the other's
	routerTwo     placePlan = "two"     // it forwards to a second one, whose other link is like the client's; no end knows the MTU between them
	routerBeside  placePlan = "beside"  // it is on one switch with both hosts
)

// ipv6 reports whether the hosts speak IPv6.
func (n *netPlan) ipv6() bool { return n.Addrs != addrsIPv4 }

// net draws the network of a plan whose other parts are drawn.
func (d dice) net(p *plan) {
	n := &p.Net
	n.Addrs = pick(d, addrsIPv4, addrsIPv4, addrsIPv6, addrsBoth, addrsLinkLocal, addrsAutoconf)
	switch n.Addrs {
	case addrsAutoconf:
		n.Router = pick(d, routerBetween, routerBeside, routerTwo)
	case addrsLinkLocal:
	default:
		n.Router = pick(d, routerNone, routerNone, routerBetween, routerTwo)
	}
	if n.Router != routerNone {
		n.Beyond = d.link()
		n.Beyond.Delay, n.Beyond.Jitter = n.Beyond.Delay/4, 0
		n.Every = pick(d, 4*time.Second, 10*time.Second, 600*time.Second)
	}
	if n.Router == routerTwo {
		n.Beyond.MTU = pick(d, 576, 1006, 1280, 1400) // at less, routers cut segments into fragments, which wiretap does not read
	}
	if n.ipv6() {
		for _, k := range []*linkPlan{&p.Link, &n.Beyond} {
			if k.MTU < leastMTU6 {
				k.MTU = pick(d, leastMTU6, leastMTU6+8, 1400, 1492)
			}
		}
	}
	if n.Router == routerBeside {
		n.Beyond.MTU = p.Link.MTU // a switch reports no packet that is too big
	}
	if n.Router == routerNone {
		n.Beyond = linkPlan{}
	}
}

// leastMTU6 is the least MTU of a link that carries IPv6, in octets (RFC 8200 §5).
const leastMTU6 = 1280

func (k *linkPlan) config() LinkConfig {
	return LinkConfig{
		MTU: k.MTU, Delay: k.Delay, Jitter: k.Jitter, RateBps: k.RateBps, Queue: k.Queue, Offload: k.Offload, Loss: k.Loss,
	}
}

// Addresses of the hosts, the client's first, on one link and on the links of routers, and those of the routers: the only or first one's
// on the client's link, the last one's on the server's, and those between two routers.
var (
	campaignAddrs4 = [2][2]string{{"10.0.0.1/24", "10.0.0.2/24"}, {"10.0.0.1/24", "10.0.1.2/24"}}
	campaignAddrs6 = [2][2]string{{"fd00::1/64", "fd00::2/64"}, {"fd00::1/64", "fd00:0:0:1::2/64"}}
	routerAddrs4   = [2]string{"10.0.0.254/24", "10.0.1.254/24"}
	routerAddrs6   = [2]string{"fd00::fe/64", "fd00:0:0:1::fe/64"}
	middleAddrs4   = [2]string{"10.0.2.1/24", "10.0.2.2/24"}
	middleAddrs6   = [2]string{"fd00:0:0:2::1/64", "fd00:0:0:2::2/64"}
)

// addrsOf returns those of the addresses whose family the plan has.
func (n *netPlan) addrsOf(four, six []string) (list []netip.Prefix) {
	if a := n.Addrs; a == addrsIPv4 || a == addrsBoth {
		for _, a := range four {
			list = append(list, netip.MustParsePrefix(a))
		}
	}
	if n.ipv6() {
		for _, a := range six {
			list = append(list, netip.MustParsePrefix(a))
		}
	}
	return list
}

// setGateways makes the addresses the gateways of their families.
func (c *HostConfig) setGateways(list []netip.Prefix) {
	for _, p := range list {
		if p.Addr().Is4() {
			c.Gateway = p.Addr()
		} else {
			c.Gateway6 = p.Addr()
		}
	}
}

// hostConfig returns the configuration of host i.
func (p *plan) hostConfig(i int) HostConfig {
	cfg, n := HostConfig{Name: [2]string{"a", "b"}[i], MTU: p.Link.MTU}, &p.Net
	routed := 0
	if n.Router == routerBetween || n.Router == routerTwo {
		routed = 1
	}
	if n.Router == routerBetween && i == 1 {
		cfg.MTU = n.Beyond.MTU
	}
	if n.Addrs == addrsLinkLocal || n.Addrs == addrsAutoconf {
		return cfg
	}
	cfg.Addrs = n.addrsOf(campaignAddrs4[routed][i:i+1], campaignAddrs6[routed][i:i+1])
	if routed > 0 {
		cfg.setGateways(n.addrsOf(routerAddrs4[i:i+1], routerAddrs6[i:i+1]))
	}
	return cfg
}

// addRouter adds a router.
func (r *run) addRouter(name string, addrs, gateways []netip.Prefix) (*Host, error) {
	cfg := HostConfig{Name: name, Forward: true, Addrs: addrs}
	cfg.setGateways(gateways)
	if r.Net.Addrs == addrsAutoconf {
		cfg.Advertise = &stack.Advertising{MaxInterval: r.Net.Every, Lifetime: 9000 * time.Second}
	}
	return r.l.AddHost(cfg)
}

// connect makes the links and the routers. The result k is the client's link, on which the faults are.
func (r *run) connect(hosts [2]*Host) (k *Link, err error) {
	a, b, n := hosts[0], hosts[1], &r.Net
	r.cut = [2]*Host{a, b}
	switch n.Router {
	case routerBeside:
		return r.connectSwitch(a, b)
	case routerBetween:
		router, err := r.addRouter("r", n.addrsOf(routerAddrs4[:], routerAddrs6[:]), nil)
		if err != nil {
			return nil, err
		}
		return r.chain([]*Host{a, router, b}, []linkPlan{r.Link, n.Beyond})
	case routerTwo:
		four, six := []string{routerAddrs4[0], middleAddrs4[0]}, []string{routerAddrs6[0], middleAddrs6[0]}
		first, err := r.addRouter("r", n.addrsOf(four, six), n.addrsOf(middleAddrs4[1:], middleAddrs6[1:]))
		if err != nil {
			return nil, err
		}
		four, six = []string{middleAddrs4[1], routerAddrs4[1]}, []string{middleAddrs6[1], routerAddrs6[1]}
		second, err := r.addRouter("q", n.addrsOf(four, six), n.addrsOf(middleAddrs4[:1], middleAddrs6[:1]))
		if err != nil {
			return nil, err
		}
		return r.chain([]*Host{a, first, second, b}, []linkPlan{r.Link, n.Beyond, {MTU: r.Link.MTU, Offload: r.Link.Offload}})
	}
	return r.chain(hosts[:], []linkPlan{r.Link})
}

// chain links each host to the next, and returns the first link.
func (r *run) chain(hosts []*Host, links []linkPlan) (first *Link, err error) {
	r.cut[1] = hosts[1]
	for i := range links {
		k, err := r.l.Link(hosts[i], hosts[i+1], links[i].config())
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = k
		}
	}
	return first, nil
}

// connectSwitch links both hosts and a router to a switch.
func (r *run) connectSwitch(a, b *Host) (*Link, error) {
	router, err := r.addRouter("r", r.Net.addrsOf(nil, routerAddrs6[:1]), nil)
	if err != nil {
		return nil, err
	}
	s := r.l.Switch("s")
	k, err := s.Attach(a, r.Link.config())
	if err != nil {
		return nil, err
	}
	if _, err = s.Attach(b, r.Net.Beyond.config()); err != nil {
		return nil, err
	}
	_, err = s.Attach(router, LinkConfig{MTU: r.Link.MTU})
	return k, err
}

// addrs returns the addresses that the hosts use for the n-th attempt to connect: each host's own, and each host's name for the
// other's. ok is false while a host does not have its address yet.
func (r *run) addrs(n int) (own, peer [2]netip.Addr, ok bool) {
	six := r.Net.ipv6() && (r.Net.Addrs != addrsBoth || n%2 == 1)
	for i, e := range r.ends {
		iface := e.host.Ifaces()[0]
		if r.Net.Addrs == addrsLinkLocal {
			own[i] = iface.LinkLocal()
		} else {
			for _, p := range iface.Addrs() {
				if p.Addr().Is6() == six && !p.Addr().IsLinkLocalUnicast() && !own[i].IsValid() {
					own[i] = p.Addr()
				}
			}
		}
		peer[1-i] = own[i]
	}
	return own, peer, own[0].IsValid() && own[1].IsValid()
}

// awaitAddrs calls open again in a second, until the hosts must have their addresses.
func (r *run) awaitAddrs(now clock.Instant) {
	if now > clock.Instant(r.Heal).Add(2*r.Net.Every+time.Minute) {
		r.fail("the hosts have no addresses: %v, %v", r.ends[0].host.Addrs(), r.ends[1].host.Addrs())
		return
	}
	r.w.At(now.Add(time.Second), r.open)
}

// checkNet checks and counts the messages of ICMPv6 at the end. No host may take a frame of its own for another station's.
func (r *run) checkNet() {
	for _, h := range r.l.Hosts() {
		for _, c := range h.CounterInfos() {
			switch c.Name {
			case "Icmp6InConflicts":
				if c.Value > 0 {
					r.fail("host %s has seen %d conflicts about its addresses", h.Name(), c.Value)
				}
			case "Icmp6InPktTooBigs":
				r.out.tooBig += c.Value
			case "Icmp6InNeighborSolicits":
				r.out.solicit += c.Value
			}
		}
	}
}

// kind names the network in a campaign's summary.
func (n *netPlan) kind() string {
	a, r := n.Addrs, n.Router
	if a == addrsIPv4 {
		a = "ipv4"
	}
	if r == routerNone {
		r = "direct"
	}
	return string(a) + " " + string(r)
}

// campaignKinds are the networks that a campaign must have run.
var campaignKinds = []string{
	"autoconf beside", "autoconf between", "autoconf two", "both between", "both direct", "both two", "ipv4 between", "ipv4 direct",
	"ipv4 two", "ipv6 between", "ipv6 direct", "ipv6 two", "link-local direct",
}
