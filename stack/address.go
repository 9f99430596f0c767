package stack

import "net/netip"

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// unicast reports whether a can be the address of one station. An IPv4 address is not of class D or E, not in 0/8, and
// not the limited broadcast address (RFC 1122 §3.2.1.3); Iface.isBroadcast checks for the broadcast addresses of
// subnets. An IPv6 address is not unspecified, no group, and not IPv4-mapped (RFC 4291 §2.4, §2.5.5.2).
func unicast(a netip.Addr) bool {
	if a.Is4() {
		first := a.As4()[0]
		return first != 0 && first < 224
	}
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6()
}

// CheckStation returns an error that says why a is not the address of one station, for instance because it is a group's. Loopback
// addresses are stations'.
func CheckStation(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return invalid("not an address")
	case a.IsUnspecified():
		return invalid("the unspecified address, which is no station's")
	case a.IsMulticast():
		return invalid("a multicast group, which is no station's address")
	case a.Is4In6():
		return invalid("an IPv4-mapped address, which is no station's: write %v", a.Unmap())
	case a == limitedBroadcast:
		return invalid("the limited broadcast address, which is no station's")
	case !unicast(a):
		return invalid("reserved, and no station's address")
	}
	return nil
}

// CheckAddr returns an error that says why no interface other than a loop can have the address p. The error matches ErrInvalid.
func CheckAddr(p netip.Prefix) error {
	if p.IsValid() && p.Addr().IsLoopback() {
		return invalid("a loopback address, which only lo has")
	}
	return checkPrefix(p)
}

// checkPrefix returns an error that says why no interface can have the address p.
func checkPrefix(p netip.Prefix) error {
	a := p.Addr()
	if err := CheckStation(a); err != nil {
		return err
	}
	switch {
	case !p.IsValid():
		return invalid("not an address with a prefix length")
	case a.Is4() && p.Bits() <= 30 && a == p.Masked().Addr():
		return invalid("the address of the network %v itself, which is no station's", p.Masked())
	case a.Is4() && p.Bits() <= 30 && a == lastAddr(p):
		return invalid("the broadcast address of the network %v, which is no station's", p.Masked())
	}
	return nil
}

// needsZone reports whether an address is unique on one link only: an IPv6 address of link-local scope (RFC 4007 §6).
func needsZone(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// groupScope returns the scope in an IPv6 group's address (RFC 4291 §2.7).
func groupScope(group netip.Addr) uint8 { return group.As16()[1] & 15 }

// The scopes of groups that the host must know (RFC 7346 §2).
const (
	scopeInterface = 1
	scopeLink      = 2
)

// lastAddr returns the highest address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	v := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		v[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(v)
}

// scoped returns a with the interface's name as its zone if a needs a zone. The host itself sends packets from and to its
// link-local addresses by the loop, where the zone is that of the interface with the address.
func (i *Iface) scoped(a netip.Addr) netip.Addr {
	if !needsZone(a) {
		return a
	}
	if i.loop {
		for _, o := range i.host.net.ifaces {
			if z := a.WithZone(o.name); i.host.net.localAddrs[z] != nil {
				return z
			}
		}
	}
	return a.WithZone(i.name)
}

// inZone returns the interface that is an address's zone, nil if there is none of that name.
func (n *netLayer) inZone(a netip.Addr) *Iface {
	return n.zones[a.Zone()]
}

// linkScope reports whether an address is unique on one link only: a link-local address, or a group of IPv6 with the scope of a link
// or of an interface.
func linkScope(a netip.Addr) bool {
	return a.Is6() && a.IsMulticast() && groupScope(a) <= scopeLink || needsZone(a)
}

// scope returns a with a zone if it needs one: its own zone, else that of like, the address at the other end, or the interface with
// the address like, else the only interface that speaks IPv6. A group of a larger scope may have a zone, which chooses the
// interface. Errors: a ZoneError; ErrInvalid if a has a zone although it is unique on all links (RFC 4007 §6).
func (n *netLayer) scope(a, like netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if a.Zone() != "" {
		if !needsZone(a) && !a.IsMulticast() {
			return a, ErrInvalid
		}
		if i := n.inZone(a); i == nil || !i.loop && !i.speaksIPv6() {
			return a, n.zoneError(a)
		}
		return a, nil
	}
	if !linkScope(a) || a.IsMulticast() && groupScope(a) < scopeLink {
		return a, nil
	}
	if like.Zone() != "" {
		return a.WithZone(like.Zone()), nil
	}
	if i := n.localAddrs[like]; i != nil && !i.loop && i.speaksIPv6() {
		return a.WithZone(i.name), nil
	}
	var only *Iface
	for _, i := range n.ifaces {
		if i.loop || !i.speaksIPv6() {
			continue
		}
		if only != nil {
			return a, n.zoneError(a)
		}
		only = i
	}
	if only == nil {
		return a, n.zoneError(a)
	}
	return a.WithZone(only.name), nil
}

// zoneError returns the error of an address whose interface can't be found.
func (n *netLayer) zoneError(a netip.Addr) error {
	e := &ZoneError{Addr: a}
	for _, i := range n.ifaces {
		if !i.loop && i.speaksIPv6() {
			e.Zones = append(e.Zones, i.name)
		}
	}
	return e
}

// flow is the key of a TCP or UDP socket: its local and remote address and port. A zero field matches any value. It
// contains no pointers, so that the garbage collector need not scan large tables.
type flow struct {
	local, remote         [16]byte
	localPort, remotePort uint16
	zone                  uint32 // of link-local addresses: the number of the interface, plus one; 32 bits so that the key has no padding
}

// flowOf returns the key of a socket with the two ends.
func (n *netLayer) flowOf(local, remote netip.AddrPort) flow {
	f := flow{localPort: local.Port(), remotePort: remote.Port()}
	if a := local.Addr(); a.IsValid() && !a.IsUnspecified() {
		f.local = a.As16()
		f.zone = n.zoneOf(a)
	}
	if a := remote.Addr(); a.IsValid() && !a.IsUnspecified() {
		f.remote = a.As16()
		f.zone = max(f.zone, n.zoneOf(a))
	}
	return f
}

// zoneOf returns the value of flow.zone for an address: 0 if it has no zone.
func (n *netLayer) zoneOf(a netip.Addr) uint32 {
	if !needsZone(a) {
		return 0
	}
	if i := n.inZone(a); i != nil {
		return uint32(i.index) + 1
	}
	return 0
}
