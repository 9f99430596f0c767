package wire

import (
	"fmt"
	"net/netip"

	"smolsh/stack/drop"
)

// IGMPType is an IGMP message type (RFC 2236 §2.1).
type IGMPType uint8

// The message types of IGMPv1 and v2.
const (
	IGMPQuery    IGMPType = 0x11
	IGMPv1Report IGMPType = 0x12
	IGMPv2Report IGMPType = 0x16
	IGMPLeave    IGMPType = 0x17
)

// IGMPLen is the length of a message, RouterAlertLen that of the IP option in every IGMP packet.
const (
	IGMPLen        = 8
	RouterAlertLen = 4
)

// Groups to which IGMP messages are sent: every host, and every router, of the link.
var (
	AllHosts   = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	AllRouters = netip.AddrFrom4([4]byte{224, 0, 0, 2})
)

// IGMP is an IGMPv1 or v2 message.
type IGMP struct {
	Type    IGMPType
	MaxResp uint8      // longest response time of a query in tenths of a second; 0 in a query of version 1
	Group   netip.Addr // 0.0.0.0 in a general query
}

// String names the message and its group, such as "query", "query 239.1.2.3" or "report 239.1.2.3".
func (m *IGMP) String() string {
	switch m.Type {
	case IGMPQuery:
		if m.Group.IsUnspecified() {
			return "query"
		}
		return fmt.Sprintf("query %v", m.Group)
	case IGMPv1Report:
		return fmt.Sprintf("v1 report %v", m.Group)
	case IGMPv2Report:
		return fmt.Sprintf("report %v", m.Group)
	case IGMPLeave:
		return fmt.Sprintf("leave %v", m.Group)
	}
	return fmt.Sprintf("type 0x%02x", uint8(m.Type))
}

// ParseIGMP parses a message of any type and verifies its checksum, which covers all of b. It ignores octets that later
// versions add after the first eight (RFC 2236 §2.5).
func ParseIGMP(b []byte) (m IGMP, err error) {
	if len(b) < IGMPLen {
		return m, drop.Truncated
	}
	if Checksum(b) != 0 {
		return m, drop.BadChecksum
	}
	return IGMP{Type: IGMPType(b[0]), MaxResp: b[1], Group: addr4(b[4:8])}, nil
}

// Put writes a message with its checksum and returns IGMPLen.
func (m *IGMP) Put(b []byte) int {
	b[0], b[1], b[2], b[3] = byte(m.Type), m.MaxResp, 0, 0
	putAddr4(b[4:], m.Group)
	be.PutUint16(b[2:], Checksum(b[:IGMPLen]))
	return IGMPLen
}

// PutRouterAlert writes a header with the router alert option (RFC 2113), which makes routers examine packets that are
// not addressed to them. It returns IPv4Len+RouterAlertLen.
func (h *IPv4) PutRouterAlert(b []byte) int {
	alert := [RouterAlertLen]byte{148, RouterAlertLen}
	return h.PutWithOptions(b, alert[:])
}

// GroupMAC returns the Ethernet address for packets to a multicast group. It is 01:00:5e and the last 23 bits of an IPv4
// group (RFC 1112 §6.4), 33:33 and the last 32 bits of an IPv6 group (RFC 2464 §7).
func GroupMAC(group netip.Addr) HardwareAddr {
	if group.Is4() {
		a := group.As4()
		return HardwareAddr{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	}
	a := group.As16()
	return HardwareAddr{0x33, 0x33, a[12], a[13], a[14], a[15]}
}
