package stack

import "net/netip"

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// unicast reports whether a can be the IPv4 address of one station (RFC 1122 §3.2.1.3): it is not of class D or E, not
// in 0/8, and not the limited broadcast address. Iface.isBroadcast checks for the broadcast addresses of subnets.
func unicast(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	first := a.As4()[0]
	return first != 0 && first < 224
}

// lastAddr returns the highest address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	v := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		v[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(v)
}

// flow is the key of a TCP or UDP socket: its local and remote address and port. A zero field matches any value. It
// contains no pointers, so that the garbage collector need not scan large tables.
type flow struct {
	local, remote         [16]byte
	localPort, remotePort uint16
}

func flowOf(local, remote netip.AddrPort) flow {
	f := flow{localPort: local.Port(), remotePort: remote.Port()}
	if a := local.Addr(); a.IsValid() && !a.IsUnspecified() {
		f.local = a.As16()
	}
	if a := remote.Addr(); a.IsValid() && !a.IsUnspecified() {
		f.remote = a.As16()
	}
	return f
}
