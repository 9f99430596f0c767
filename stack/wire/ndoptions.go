package wire

import (
	"net/netip"
)

// NDOptionType is the type of an option of neighbour discovery.
type NDOptionType uint8

// The options that the stack reads (RFC 4861 §4.6, RFC 3971 §5.3.2, RFC 4191 §2.3, RFC 8106 §5).
const (
	NDSourceLinkAddr NDOptionType = 1
	NDTargetLinkAddr NDOptionType = 2
	NDPrefix         NDOptionType = 3
	NDRedirected     NDOptionType = 4
	NDMTU            NDOptionType = 5
	NDNonce          NDOptionType = 14
	NDRoute          NDOptionType = 24
	NDDNSServers     NDOptionType = 25
	NDDNSSearch      NDOptionType = 31
)

// Lengths of options, in octets. NDNonceLen is that of an option with a nonce of six octets (RFC 7527 §4.1).
const (
	NDLinkAddrLen = 8
	NDPrefixLen   = 32
	NDMTULen      = 8
	NDNonceLen    = 8
	NDRouteLen    = 24 // of the longest form
)

// NDOptions is the options of a message that a Parse function has checked. It aliases the packet.
type NDOptions []byte

// valid reports whether every option has a length other than 0 and lies within the message (RFC 4861 §4.6, §6.1.1).
func (o NDOptions) valid() bool {
	for len(o) > 0 {
		if len(o) < 2 || o[1] == 0 || int(o[1])*8 > len(o) {
			return false
		}
		o = o[int(o[1])*8:]
	}
	return true
}

// Next returns the first option and those after it. ok is false if there is none. The caller passes over options of unknown
// types, and options for which a method of NDOption returns false.
func (o NDOptions) Next() (first NDOption, rest NDOptions, ok bool) {
	if len(o) < 2 || o[1] == 0 || int(o[1])*8 > len(o) {
		return first, nil, false
	}
	n := int(o[1]) * 8
	return NDOption{NDOptionType(o[0]), o[2:n]}, o[n:], true
}

// NDOption is an option of neighbour discovery (RFC 4861 §4.6). Its methods return false for an option of another type, or one
// whose content contradicts its type.
type NDOption struct {
	Type NDOptionType
	Data []byte // the octets after type and length: 8n+6, aliasing the packet
}

// is reports whether the option has type t and n octets of data.
func (o NDOption) is(t NDOptionType, n int) bool { return o.Type == t && len(o.Data) == n }

// LinkAddr returns the Ethernet address of a source or target link-layer address option (RFC 4861 §4.6.1, RFC 2464 §6).
func (o NDOption) LinkAddr() (a HardwareAddr, ok bool) {
	if !o.is(NDSourceLinkAddr, 6) && !o.is(NDTargetLinkAddr, 6) {
		return a, false
	}
	return HardwareAddr(o.Data), true
}

// PutNDLinkAddr writes a source or target link-layer address option and returns NDLinkAddrLen.
func PutNDLinkAddr(b []byte, t NDOptionType, a HardwareAddr) int {
	b[0], b[1] = byte(t), 1
	copy(b[2:], a[:])
	return NDLinkAddrLen
}

// PrefixInfo is a prefix information option (RFC 4861 §4.6.2).
type PrefixInfo struct {
	Prefix        netip.Prefix // not masked: with RouterAddr its address is the router's
	OnLink        bool
	Autonomous    bool   // addresses may be configured from the prefix (RFC 4862 §5.5.3)
	RouterAddr    bool   // RFC 6275 §7.2
	ValidLifetime uint32 // seconds; all ones for infinity, like PreferredLifetime
	Preferred     uint32 // seconds, of addresses configured from the prefix; a host ignores more than ValidLifetime
}

// PrefixInfo returns the content of a prefix information option. ok is false for a prefix length above 128.
func (o NDOption) PrefixInfo() (p PrefixInfo, ok bool) {
	if !o.is(NDPrefix, NDPrefixLen-2) || o.Data[0] > 128 {
		return p, false
	}
	d := o.Data
	return PrefixInfo{
		Prefix:        netip.PrefixFrom(addr6(d[14:30]), int(d[0])),
		OnLink:        d[1]&0x80 != 0,
		Autonomous:    d[1]&0x40 != 0,
		RouterAddr:    d[1]&0x20 != 0,
		ValidLifetime: be.Uint32(d[2:]),
		Preferred:     be.Uint32(d[6:]),
	}, true
}

// Put writes the option and returns NDPrefixLen.
func (p *PrefixInfo) Put(b []byte) int {
	clear(b[:NDPrefixLen])
	b[0], b[1], b[2] = byte(NDPrefix), NDPrefixLen/8, byte(p.Prefix.Bits())
	for i, set := range [...]bool{p.OnLink, p.Autonomous, p.RouterAddr} {
		if set {
			b[3] |= 0x80 >> i
		}
	}
	be.PutUint32(b[4:], p.ValidLifetime)
	be.PutUint32(b[8:], p.Preferred)
	putAddr6(b[16:], p.Prefix.Addr())
	return NDPrefixLen
}

// Redirected returns the packet that a redirected header option quotes, with up to seven octets of padding (RFC 4861 §4.6.3).
func (o NDOption) Redirected() (quoted []byte, ok bool) {
	if o.Type != NDRedirected {
		return nil, false
	}
	return o.Data[6:], true
}

// PutNDRedirected writes a redirected header option with as much of the packet as fits into room octets of b, a whole number of
// words of eight octets. It returns the option's length, at most 2040 octets.
func PutNDRedirected(b []byte, packet []byte, room int) int {
	packet = packet[:min(len(packet), min(room, 255*8)/8*8-8)]
	n := (8 + len(packet) + 7) / 8 * 8
	clear(b[:n])
	b[0], b[1] = byte(NDRedirected), byte(n/8)
	copy(b[8:], packet)
	return n
}

// MTU returns the link's MTU in octets from an MTU option (RFC 4861 §4.6.4). A host ignores a value below MinMTU6 or above its
// interface's MTU.
func (o NDOption) MTU() (mtu uint32, ok bool) {
	if !o.is(NDMTU, NDMTULen-2) {
		return 0, false
	}
	return be.Uint32(o.Data[2:]), true
}

// PutNDMTU writes an MTU option and returns NDMTULen.
func PutNDMTU(b []byte, mtu uint32) int {
	b[0], b[1], b[2], b[3] = byte(NDMTU), 1, 0, 0
	be.PutUint32(b[4:], mtu)
	return NDMTULen
}

// Nonce returns the octets of a nonce option: 6, or a multiple of 8 more (RFC 3971 §5.3.2). A host finds its own
// solicitations by them (RFC 7527 §4.2).
func (o NDOption) Nonce() (nonce []byte, ok bool) { return o.Data, o.Type == NDNonce }

// PutNDNonce writes a nonce option with a nonce of six octets and returns NDNonceLen.
func PutNDNonce(b []byte, nonce [6]byte) int {
	b[0], b[1] = byte(NDNonce), 1
	copy(b[2:], nonce[:])
	return NDNonceLen
}

// Preference is a router's or a route's preference (RFC 4191 §2.1): −1 low, 0 medium, 1 high.
type Preference int8

// parsePreference reads a preference from its bits in an octet of flags. ok is false for the reserved value, and the preference
// is then medium.
func parsePreference(flags byte) (p Preference, ok bool) {
	switch flags >> 3 & 3 {
	case 1:
		return 1, true
	case 2:
		return 0, false
	case 3:
		return -1, true
	}
	return 0, true
}

// bits returns the preference in its place in an octet of flags.
func (p Preference) bits() byte { return byte(p) & 3 << 3 }

// RouteInfo is a route information option (RFC 4191 §2.3).
type RouteInfo struct {
	Prefix     netip.Prefix // not masked
	Preference Preference
	Lifetime   uint32 // seconds; all ones for infinity
}

// RouteInfo returns the content of a route information option, which has room for 0, 64 or 128 bits of prefix. ok is false if
// the room is too small for the prefix, or the preference is reserved.
func (o NDOption) RouteInfo() (r RouteInfo, ok bool) {
	room := len(o.Data) - 6
	if o.Type != NDRoute || room > 16 || int(o.Data[0]) > 8*room {
		return r, false
	}
	if r.Preference, ok = parsePreference(o.Data[1]); !ok {
		return r, false
	}
	var a [16]byte
	copy(a[:], o.Data[6:])
	r.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), int(o.Data[0]))
	r.Lifetime = be.Uint32(o.Data[2:])
	return r, true
}

// Put writes the option in its longest form and returns NDRouteLen.
func (r *RouteInfo) Put(b []byte) int {
	b[0], b[1], b[2], b[3] = byte(NDRoute), NDRouteLen/8, byte(r.Prefix.Bits()), r.Preference.bits()
	be.PutUint32(b[4:], r.Lifetime)
	putAddr6(b[8:], r.Prefix.Addr())
	return NDRouteLen
}

// DNSServers returns the addresses of a recursive DNS server option, at least one, and their lifetime in seconds: 0 for servers
// that must no longer be used, all ones for infinity (RFC 8106 §5.1). ok is false if an address is not unicast or the length
// leaves a part of one (RFC 8106 §5.3.1).
func (o NDOption) DNSServers() (servers AddrList, lifetime uint32, ok bool) {
	if o.Type != NDDNSServers || len(o.Data) < 22 || len(o.Data)%16 != 6 {
		return nil, 0, false
	}
	servers = AddrList(o.Data[6:])
	for i := range servers.Len() {
		if a := servers.At(i); a.IsMulticast() || a.IsUnspecified() {
			return nil, 0, false
		}
	}
	return servers, be.Uint32(o.Data[2:]), true
}

// PutNDDNSServers writes a recursive DNS server option of 1 to 127 addresses and returns its length, 8+16n octets.
func PutNDDNSServers(b []byte, lifetime uint32, servers ...netip.Addr) int {
	n := 8 + 16*len(servers)
	b[0], b[1], b[2], b[3] = byte(NDDNSServers), byte(n/8), 0, 0
	be.PutUint32(b[4:], lifetime)
	for i, a := range servers {
		putAddr6(b[8+16*i:], a)
	}
	return n
}
