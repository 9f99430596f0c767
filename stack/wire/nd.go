package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// Lengths of neighbour discovery messages without their options, in octets (RFC 4861 §4.1 to §4.5).
const (
	RouterSolicitationLen  = 8
	RouterAdvertisementLen = 16
	NeighborMessageLen     = 24 // solicitation and advertisement
	RedirectLen            = 40
)

// ndHopLimit is the hop limit of every neighbour discovery message. No router forwards a packet with it, so that the sender is
// on the link (RFC 4861 §3.1).
const ndHopLimit = 255

// RouterAdvertisement is the fixed part of a router advertisement (RFC 4861 §4.2).
type RouterAdvertisement struct {
	HopLimit       uint8 // for packets that the host sends; 0 if unspecified
	Managed        bool  // addresses by DHCPv6
	Other          bool  // other configuration by DHCPv6
	HomeAgent      bool  // RFC 6275 §7.1
	Preference     Preference
	Proxy          bool   // RFC 4389 §4.1.3.3
	RouterLifetime uint16 // seconds; 0 if the router is no default router, and Preference is then without meaning
	ReachableTime  uint32 // milliseconds; 0 if unspecified
	RetransTimer   uint32 // milliseconds; 0 if unspecified
}

// NeighborSolicitation is the fixed part of a neighbour solicitation (RFC 4861 §4.3).
type NeighborSolicitation struct{ Target netip.Addr }

// NeighborAdvertisement is the fixed part of a neighbour advertisement (RFC 4861 §4.4).
type NeighborAdvertisement struct {
	Router    bool
	Solicited bool
	Override  bool
	Target    netip.Addr
}

// Redirect is the fixed part of a redirect (RFC 4861 §4.5).
type Redirect struct {
	Target netip.Addr // the better first hop; the destination itself if it is a neighbour
	Dest   netip.Addr
}

// checkND checks the rules that all messages share: hop limit, checksum, code, length, and lengths of the options. size is the
// length of the fixed part. typ is the message's type, for which the caller has chosen the parser.
func checkND(h *IPv6, b []byte, typ ICMPv6Type, size int, verify bool) (NDOptions, error) {
	switch {
	case len(b) < size:
		return nil, drop.Truncated
	case ICMPv6Type(b[0]) != typ:
		return nil, drop.BadType
	case h.HopLimit != ndHopLimit:
		return nil, drop.BadHopLimit
	case verify && !verifyICMPv6(b, h.Src, h.Dst):
		return nil, drop.BadChecksum
	case b[1] != 0:
		return nil, drop.BadCode
	}
	options := NDOptions(b[size:])
	if !options.valid() {
		return nil, drop.BadOption
	}
	return options, nil
}

// checkUnspecified checks that a message from the unspecified address has no source link-layer address (RFC 4861 §6.1.1,
// §7.1.1).
func checkUnspecified(h *IPv6, options NDOptions) error {
	if !h.Src.IsUnspecified() {
		return nil
	}
	for o, rest, ok := options.Next(); ok; o, rest, ok = rest.Next() {
		if o.Type == NDSourceLinkAddr {
			return drop.NDBadSource
		}
	}
	return nil
}

// ParseRouterSolicitation checks the router solicitation b by every rule of RFC 4861 §6.1.1, and returns its options. h is the
// packet's header. The checksum is checked if verify is set. The caller drops a message with a fragment header first (RFC 6980
// §5).
func ParseRouterSolicitation(h *IPv6, b []byte, verify bool) (NDOptions, error) {
	options, err := checkND(h, b, ICMPv6RouterSolicitation, RouterSolicitationLen, verify)
	if err == nil {
		err = checkUnspecified(h, options)
	}
	if err != nil {
		return nil, err
	}
	return options, nil
}

// PutRouterSolicitation writes the fixed part and the checksum over all of b, and returns RouterSolicitationLen. The options
// must already be in b.
func PutRouterSolicitation(b []byte, src, dst netip.Addr) int {
	return putND(b, ICMPv6RouterSolicitation, 0, RouterSolicitationLen, src, dst)
}

// putND writes a message's type, its word of flags and its checksum over all of b, and returns size. The rest of the message
// must already be in b.
func putND(b []byte, typ ICMPv6Type, flags uint32, size int, src, dst netip.Addr) int {
	b[0], b[1] = byte(typ), 0
	be.PutUint32(b[4:], flags)
	putICMPv6Checksum(b, src, dst)
	return size
}

// ParseRouterAdvertisement checks the router advertisement b by every rule of RFC 4861 §6.1.2, and parses it. Its arguments are
// those of ParseRouterSolicitation. A reserved preference is parsed as medium (RFC 4191 §2.2).
func ParseRouterAdvertisement(h *IPv6, b []byte, verify bool) (m RouterAdvertisement, options NDOptions, err error) {
	options, err = checkND(h, b, ICMPv6RouterAdvertisement, RouterAdvertisementLen, verify)
	if err == nil && !h.Src.IsLinkLocalUnicast() {
		err = drop.NotLinkLocal
	}
	if err != nil {
		return m, nil, err
	}
	flags := b[5]
	preference, _ := parsePreference(flags)
	return RouterAdvertisement{
		HopLimit:       b[4],
		Managed:        flags&0x80 != 0,
		Other:          flags&0x40 != 0,
		HomeAgent:      flags&0x20 != 0,
		Preference:     preference,
		Proxy:          flags&0x04 != 0,
		RouterLifetime: be.Uint16(b[6:]),
		ReachableTime:  be.Uint32(b[8:]),
		RetransTimer:   be.Uint32(b[12:]),
	}, options, nil
}

// Put writes the fixed part and the checksum over all of b, and returns RouterAdvertisementLen. The options must already be in
// b.
func (m *RouterAdvertisement) Put(b []byte, src, dst netip.Addr) int {
	flags := m.Preference.bits()
	for i, set := range [...]bool{m.Managed, m.Other, m.HomeAgent, false, false, m.Proxy} {
		if set {
			flags |= 0x80 >> i
		}
	}
	be.PutUint32(b[8:], m.ReachableTime)
	be.PutUint32(b[12:], m.RetransTimer)
	word := uint32(m.HopLimit)<<24 | uint32(flags)<<16 | uint32(m.RouterLifetime)
	return putND(b, ICMPv6RouterAdvertisement, word, RouterAdvertisementLen, src, dst)
}

// ParseNeighborSolicitation checks the neighbour solicitation b by every rule of RFC 4861 §7.1.1, and parses it. Its arguments
// are those of ParseRouterSolicitation.
func ParseNeighborSolicitation(h *IPv6, b []byte, verify bool) (m NeighborSolicitation, options NDOptions, err error) {
	options, err = checkND(h, b, ICMPv6NeighborSolicitation, NeighborMessageLen, verify)
	if err != nil {
		return m, nil, err
	}
	target := addr6(b[8:24])
	switch {
	case target.IsMulticast():
		return m, nil, drop.NDBadTarget
	case h.Src.IsUnspecified() && !IsSolicitedNode(h.Dst):
		return m, nil, drop.NDBadDest
	}
	if err := checkUnspecified(h, options); err != nil {
		return m, nil, err
	}
	return NeighborSolicitation{target}, options, nil
}

// Put writes the fixed part and the checksum over all of b, and returns NeighborMessageLen. The options must already be in b.
func (m *NeighborSolicitation) Put(b []byte, src, dst netip.Addr) int {
	putAddr6(b[8:], m.Target)
	return putND(b, ICMPv6NeighborSolicitation, 0, NeighborMessageLen, src, dst)
}

// ParseNeighborAdvertisement checks the neighbour advertisement b by every rule of RFC 4861 §7.1.2, and parses it. Its
// arguments are those of ParseRouterSolicitation.
func ParseNeighborAdvertisement(h *IPv6, b []byte, verify bool) (m NeighborAdvertisement, options NDOptions, err error) {
	options, err = checkND(h, b, ICMPv6NeighborAdvertisement, NeighborMessageLen, verify)
	if err != nil {
		return m, nil, err
	}
	n := NeighborAdvertisement{Router: b[4]&0x80 != 0, Solicited: b[4]&0x40 != 0, Override: b[4]&0x20 != 0, Target: addr6(b[8:24])}
	switch {
	case n.Target.IsMulticast():
		return m, nil, drop.NDBadTarget
	case n.Solicited && h.Dst.IsMulticast():
		return m, nil, drop.NDBadDest
	}
	return n, options, nil
}

// Put writes the fixed part and the checksum over all of b, and returns NeighborMessageLen. The options must already be in b.
func (m *NeighborAdvertisement) Put(b []byte, src, dst netip.Addr) int {
	flags := uint32(0)
	for i, set := range [...]bool{m.Router, m.Solicited, m.Override} {
		if set {
			flags |= 1 << (31 - i)
		}
	}
	putAddr6(b[8:], m.Target)
	return putND(b, ICMPv6NeighborAdvertisement, flags, NeighborMessageLen, src, dst)
}

// ParseRedirect checks the redirect b by every rule of RFC 4861 §8.1 but one, and parses it. Its arguments are those of
// ParseRouterSolicitation. The caller checks that the source is the first hop to the destination.
func ParseRedirect(h *IPv6, b []byte, verify bool) (m Redirect, options NDOptions, err error) {
	options, err = checkND(h, b, ICMPv6Redirect, RedirectLen, verify)
	if err == nil && !h.Src.IsLinkLocalUnicast() {
		err = drop.NotLinkLocal
	}
	if err != nil {
		return m, nil, err
	}
	r := Redirect{Target: addr6(b[8:24]), Dest: addr6(b[24:40])}
	switch {
	case r.Dest.IsMulticast():
		return m, nil, drop.NDBadDest
	case r.Target != r.Dest && !r.Target.IsLinkLocalUnicast():
		return m, nil, drop.NDBadTarget
	}
	return r, options, nil
}

// Put writes the fixed part and the checksum over all of b, and returns RedirectLen. The options must already be in b.
func (m *Redirect) Put(b []byte, src, dst netip.Addr) int {
	putAddr6(b[8:], m.Target)
	putAddr6(b[24:], m.Dest)
	return putND(b, ICMPv6Redirect, 0, RedirectLen, src, dst)
}
