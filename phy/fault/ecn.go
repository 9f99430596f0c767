package fault

import (
	"encoding/binary"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// congest marks an ECN-capable packet with CE, as a router with ECN does instead of dropping it (RFC 3168 §5). It
// reports whether it marked the packet.
func congest(f *phy.Frame, m phy.Medium) bool {
	p, v4, v6 := f.Bytes(), true, true
	if m == phy.MediumEthernet {
		if len(p) < wire.EthernetLen {
			return false
		}
		n := wire.EthernetLen + wire.VLANTagsLen(p)
		t := wire.EtherType(binary.BigEndian.Uint16(p[n-2:]))
		p, v4, v6 = p[n:], t == wire.EtherTypeIPv4, t == wire.EtherTypeIPv6
	}
	switch {
	case v4 && len(p) >= wire.IPv4Len && p[0]>>4 == 4:
		n := int(p[0]&0xf) * 4
		if n < wire.IPv4Len || len(p) < n || wire.ECN(p[1]&3) == wire.NotECT {
			return false
		}
		p[1] |= uint8(wire.CE)
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], wire.Checksum(p[:n]))
		return true
	case v6 && len(p) >= wire.IPv6Len && p[0]>>4 == 6 && wire.ECN(p[1]>>4&3) != wire.NotECT:
		p[1] |= uint8(wire.CE) << 4
		return true
	}
	return false
}
