package stack

import (
	"fmt"
	"net/netip"
	"slices"

	dissector "smolsh/stack/packet"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/mld"
	"smolsh/stack/route"
	"smolsh/stack/wire"
)

// upper returns the protocol behind the IP header and the extension headers of the packet b, and its octets. It returns nil for
// one that can't be parsed.
func upper(b []byte) (wire.Protocol, []byte) {
	if len(b) > 0 && versionOf(b) == ipv6 {
		ip, payload, err := wire.ParseIPv6(b)
		if err != nil {
			return 0, nil
		}
		return wire.UpperLayer(ip.NextHeader, payload)
	}
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return 0, nil
	}
	return ip.Protocol, payload
}

// sincere checks that the host may have sent the frame in r.tx: its own address is not tentative, its link-local address stays on
// the link, an interface without IPv6 sends nothing of it, and packages wire and packet can read it. The application's sockets for
// raw packets and for frames may send anything.
func (r *rig) sincere(i *Iface) {
	b := r.tx.Bytes()[i.headerLen():]
	if r.forger || len(b) == 0 || i.loop {
		return
	}
	if i.caps.Medium == phy.MediumEthernet && wire.EtherType(uint16(r.tx.Bytes()[12])<<8|uint16(r.tx.Bytes()[13])) != wire.EtherTypeIPv6 || versionOf(b) != ipv6 {
		return
	}
	ip, payload, err := wire.ParseIPv6(b)
	if err != nil {
		r.fail("the host sends %x on %s: %v", b, i.name, err)
		return
	}
	own := r.h.net.localAddrs[i.ownScope(ip.Src)]
	switch {
	case !i.speaksIPv6() && !r.resized:
		r.fail("%s does not speak IPv6, and sends %x", i.name, b)
	case own == nil && !r.renamed && ip.Src.IsLinkLocalUnicast() && slices.ContainsFunc(r.ifaces[:], func(o *Iface) bool { return r.h.net.localAddrs[o.ownScope(ip.Src)] == o }):
		r.fail("%s sends from the link-local address %v of another interface: %x", i.name, ip.Src, b)
	case own == nil && !r.renamed && i.addrProbe(i.ownScope(ip.Src)) != nil && !i.addrProbe(i.ownScope(ip.Src)).done:
		r.fail("%s sends from the tentative address %v: %x", i.name, ip.Src, b)
	case ip.Src.IsMulticast() || ip.Src.IsLoopback() || ip.Dst.IsLoopback() || ip.Dst.IsUnspecified():
		r.fail("%s sends from %v to %v: %x", i.name, ip.Src, ip.Dst, b)
	}
	if ip.Src.IsUnspecified() || own == i && (r.strict || r.sent%16 == 0) {
		r.readable(i, &ip, payload)
	}
}

// readable checks that package packet reads the frame in r.tx without damage, and package wire its ICMPv6 message. Quotations may
// be of any packet.
func (r *rig) readable(i *Iface, ip *wire.IPv6, payload []byte) {
	proto, b := wire.UpperLayer(ip.NextHeader, payload)
	if proto == wire.ProtocolICMPv6 && len(b) > 0 {
		if m, _, err := wire.ParseICMPv6(b, ip.Src, ip.Dst, ip.NextHeader != wire.Protocol(wire.FragmentHeader)); err != nil {
			r.fail("the host sends a message that can't be read, %v: %x", err, r.tx.Bytes())
			return
		} else if m.Type.IsError() || m.Type == wire.ICMPv6Redirect || m.Type == wire.ICMPv6EchoReply {
			return
		}
	}
	p := dissector.OfMedium(r.tx.Bytes(), i.caps.Medium)
	if d := p.Damage(); len(d) > 0 && r.tx.Offload.GSOSize == 0 && !r.tx.Offload.NeedsCsum && ip.NextHeader != wire.Protocol(wire.FragmentHeader) {
		r.fail("layer %d of a packet that the host sends has damage, %s: %x", d[0].Layer, d[0].Text, r.tx.Bytes())
	}
}

// invariant6 checks what IPv6 adds to a host: its addresses and their groups, probes, learned routes, and what MLD reports.
func (h *Host) invariant6() error {
	addrs, probes := 0, 0
	for _, i := range h.net.ifaces {
		addrs += len(i.addresses.list)
		probes += len(i.addresses.probes)
		for _, a := range i.addresses.list {
			if h.net.localAddrs[a.addr] != i {
				return fmt.Errorf("%s has %v, and the host does not", i.name, a.addr)
			}
		}
		for _, c := range i.addresses.probes {
			if c.timer.At() == clock.Never {
				return fmt.Errorf("%s: the probe for %v has no timer", i.name, c.addr)
			}
		}
		if err := i.invariantGroups(); err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		if err := i.invariantMLD(); err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		if v := i.v6; v != nil && v.linkLocal.IsValid() && h.net.localAddrs[v.linkLocal] != i {
			return fmt.Errorf("%s does not have its link-local address %v", i.name, v.linkLocal)
		}
	}
	if addrs != len(h.net.localAddrs) || probes != h.net.addrProbes.Len() {
		return fmt.Errorf("%d addresses of interfaces and %d of the host, %d probes and %d timers", addrs, len(h.net.localAddrs), probes, h.net.addrProbes.Len())
	}
	return h.invariantRoutes()
}

// invariantGroups checks that the groups that the host itself needs are those of its addresses, its probes and its role.
func (i *Iface) invariantGroups() error {
	want := map[netip.Addr]int{}
	for _, a := range i.addresses.list {
		if a.addr.Is6() && !i.loop && i.hasNeighbors() {
			want[wire.SolicitedNode(a.addr)]++
		}
	}
	for _, c := range i.addresses.probes {
		if c.listening {
			want[wire.SolicitedNode(c.addr)]++
		}
	}
	if (i.v6 != nil && i.v6.running) && i.host.net.forwarding {
		want[wire.AllRouters6]++
	}
	for m := range i.groups.list.all {
		if m.needed != want[m.group] {
			return fmt.Errorf("the host needs group %v %d times, and counts %d", m.group, want[m.group], m.needed)
		}
		if m.needed == 0 && len(m.joined) == 0 {
			return fmt.Errorf("nothing needs group %v", m.group)
		}
		delete(want, m.group)
	}
	for g := range want {
		return fmt.Errorf("the interface is not in group %v", g)
	}
	return nil
}

// invariantMLD checks that MLD knows the interface's groups.
func (i *Iface) invariantMLD() error {
	if has := i.v6 != nil && i.v6.mld != nil; has != ((i.v6 != nil && i.v6.running) && i.hasNeighbors()) {
		return fmt.Errorf("MLD runs: %v; up: %v, MTU %d", has, i.up, i.MTU())
	} else if !has || len(i.v6.changes) > 0 {
		return nil
	}
	n := 0
	for m := range i.groups.list.all {
		if mld.Reportable(m.group) && !m.silent {
			if n++; !i.v6.mld.Joined(m.group) {
				return fmt.Errorf("MLD does not report %v", m.group)
			}
		}
	}
	if n != i.v6.mld.Len() {
		return fmt.Errorf("MLD reports %d groups of %d", i.v6.mld.Len(), n)
	}
	return nil
}

// invariantRoutes checks that the learned routes are those of autoconf and of redirects.
func (h *Host) invariantRoutes() error {
	want, gateways := map[route.Route]bool{}, map[netip.Addr]int{}
	add := func(p netip.Prefix, gw netip.Addr, out int) { want[route.Route{Dst: p, Gateway: gw, Out: out}] = true }
	for _, i := range h.net.ifaces {
		if i.v6 == nil {
			continue
		}
		for _, p := range i.v6.conf.Prefixes(0) {
			add(p.Prefix, netip.Addr{}, int(i.index))
		}
		for _, x := range i.v6.conf.Routers(0) {
			add(netip.PrefixFrom(netip.IPv6Unspecified(), 0), i.ownScope(x.Addr), int(i.index))
		}
		for _, x := range i.v6.conf.Routes(0) {
			add(x.Prefix, i.ownScope(x.Via), int(i.index))
		}
	}
	for _, x := range h.net.redirects {
		add(x.Dst, x.Gateway, x.Out)
	}
	if len(h.net.redirects) > maxRedirects {
		return fmt.Errorf("%d redirects", len(h.net.redirects))
	}
	n := 0
	for _, x := range h.net.routes.All() {
		if !x.Learned {
			continue
		}
		if n++; !want[route.Route{Dst: x.Dst, Gateway: x.Gateway, Out: x.Out}] {
			return fmt.Errorf("nobody has told of the route to %v by %v", x.Dst, x.Gateway)
		}
		if x.Gateway.IsValid() {
			gateways[x.Gateway]++
		}
	}
	if n != len(want) {
		return fmt.Errorf("%d learned routes of %d", n, len(want))
	}
	if len(gateways) != len(h.net.gateways) {
		return fmt.Errorf("%d gateways, and %d counted", len(gateways), len(h.net.gateways))
	}
	for a, n := range gateways {
		if h.net.gateways[a] != n {
			return fmt.Errorf("%d routes by gateway %v, and %d counted", n, a, h.net.gateways[a])
		}
	}
	return nil
}
