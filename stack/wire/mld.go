package wire

import (
	"net/netip"
	"time"

	"smolsh/stack/drop"
)

// Lengths of MLD messages, in octets: of every message of version 1 (RFC 2710 §3), of a query of version 2 and of a report of
// version 2 without sources and records, and of a record without sources (RFC 3810 §5.1, §5.2).
const (
	MLDLen         = 24
	MLDv2QueryLen  = 28
	MLDv2ReportLen = 8
	MLDRecordLen   = 20
)

// mldHopLimit is the hop limit of every MLD message (RFC 2710 §3, RFC 3810 §5).
const mldHopLimit = 1

// MLDRecordType is the type of a record in a report of version 2 (RFC 3810 §5.2.12).
type MLDRecordType uint8

// The types of records.
const (
	MLDIsInclude MLDRecordType = 1 + iota
	MLDIsExclude
	MLDToInclude
	MLDToExclude
	MLDAllow
	MLDBlock
)

// checkMLD checks the rules that all messages share: a length of at least size, the checksum if verify is set, a link-local
// source, a hop limit of 1 and a router alert for MLD (RFC 2710 §3, RFC 3810 §5, §6.2). A router drops a report from :: too
// (RFC 3810 §5.2.13).
func checkMLD(h *IPv6, c *IPv6Chain, b []byte, size int, verify bool) error {
	switch {
	case len(b) < size:
		return drop.Truncated
	case verify && !verifyICMPv6(b, h.Src, h.Dst):
		return drop.BadChecksum
	case !h.Src.IsLinkLocalUnicast():
		return drop.NotLinkLocal
	case h.HopLimit != mldHopLimit:
		return drop.BadHopLimit
	case !c.HasRouterAlert || c.RouterAlert != 0:
		return drop.MLDNoAlert
	}
	return nil
}

// MLDQuery is a multicast listener query of version 1 (RFC 2710 §3) or 2 (RFC 3810 §5.1).
type MLDQuery struct {
	Version      uint8      // 1 or 2; the fields after Group are of version 2
	ResponseCode uint16     // see MaxResponse
	Group        netip.Addr // :: in a general query
	Suppress     bool       // routers do not process timers
	Robustness   uint8      // 0 to 7; 0 if the querier's is above 7
	IntervalCode uint8      // see Interval
}

// MaxResponse returns the longest delay of a response, 0 to 8387.584 s. From 32768 on a code of version 2 is a mantissa and an
// exponent (RFC 3810 §5.1.3); a code of version 1 is a number of milliseconds.
func (q *MLDQuery) MaxResponse() time.Duration {
	n := uint64(q.ResponseCode)
	if q.Version >= 2 && n >= 0x8000 {
		n = (n&0xfff | 0x1000) << (n>>12&7 + 3)
	}
	return time.Duration(n) * time.Millisecond
}

// Interval returns the interval of the querier's queries, 0 to 31744 s. From 128 on the code is a mantissa and an exponent
// (RFC 3810 §5.1.9).
func (q *MLDQuery) Interval() time.Duration {
	n := uint64(q.IntervalCode)
	if n >= 0x80 {
		n = (n&0xf | 0x10) << (n>>4&7 + 3)
	}
	return time.Duration(n) * time.Second
}

// ParseMLDQuery checks and parses a query of either version, which its length determines (RFC 3810 §8.1). h and c are the
// packet's header and extension headers. The checksum is checked if verify is set. sources is empty unless the query asks for
// sources of the group. Octets after the sources are ignored, as is the code.
func ParseMLDQuery(h *IPv6, c *IPv6Chain, b []byte, verify bool) (q MLDQuery, sources AddrList, err error) {
	if err := checkMLD(h, c, b, MLDLen, verify); err != nil {
		return q, nil, err
	}
	m := MLDQuery{Version: 1, ResponseCode: be.Uint16(b[4:]), Group: addr6(b[8:24])}
	switch {
	case ICMPv6Type(b[0]) != ICMPv6ListenerQuery:
		return q, nil, drop.BadType
	case !m.Group.IsUnspecified() && !m.Group.IsMulticast():
		return q, nil, drop.MLDBadGroup
	case len(b) == MLDLen:
		return m, nil, nil
	case len(b) < MLDv2QueryLen: // of no version
		return q, nil, drop.BadLength
	}
	m.Version = 2
	m.Suppress, m.Robustness, m.IntervalCode = b[24]&8 != 0, b[24]&7, b[25]
	n := 16 * int(be.Uint16(b[26:]))
	if n > len(b)-MLDv2QueryLen {
		return q, nil, drop.BadLength
	}
	return m, AddrList(b[MLDv2QueryLen : MLDv2QueryLen+n]), nil
}

// Put writes a query of its version with the checksum over all of b, and returns MLDLen or MLDv2QueryLen. In version 2 the
// rest of b is the sources, which must already be there.
func (q *MLDQuery) Put(b []byte, src, dst netip.Addr) int {
	n := MLDLen
	if q.Version >= 2 {
		n = MLDv2QueryLen
		b[24], b[25] = q.Robustness&7, q.IntervalCode
		if q.Suppress {
			b[24] |= 8
		}
		be.PutUint16(b[26:], uint16((len(b)-n)/16))
	}
	putAddr6(b[8:], q.Group)
	b[0], b[1] = byte(ICMPv6ListenerQuery), 0
	be.PutUint32(b[4:], uint32(q.ResponseCode)<<16)
	putICMPv6Checksum(b, src, dst)
	return n
}

// ParseMLDReport checks a report or done of version 1 and returns its group (RFC 2710 §3). Its arguments are those of
// ParseMLDQuery. Octets after the group are ignored.
func ParseMLDReport(h *IPv6, c *IPv6Chain, b []byte, verify bool) (group netip.Addr, err error) {
	if err := checkMLD(h, c, b, MLDLen, verify); err != nil {
		return group, err
	}
	if t := ICMPv6Type(b[0]); t != ICMPv6ListenerReport && t != ICMPv6ListenerDone {
		return group, drop.BadType
	}
	if a := addr6(b[8:24]); a.IsMulticast() {
		return a, nil
	}
	return group, drop.MLDBadGroup
}

// PutMLDReport writes a report or done of version 1, as typ says, with its checksum and returns MLDLen.
func PutMLDReport(b []byte, typ ICMPv6Type, group, src, dst netip.Addr) int {
	b = b[:MLDLen]
	b[0], b[1] = byte(typ), 0
	be.PutUint32(b[4:], 0)
	putAddr6(b[8:], group)
	putICMPv6Checksum(b, src, dst)
	return MLDLen
}

// MLDRecord is a multicast address record (RFC 3810 §5.2.4).
type MLDRecord struct {
	Type    MLDRecordType
	Group   netip.Addr
	Sources AddrList
}

// MLDRecords is the records of a report that ParseMLDv2Report has checked. It aliases the packet.
type MLDRecords []byte

// Next returns the first record without its auxiliary data, and the records after it. ok is false if there is none. The caller
// ignores records of unknown types (RFC 3810 §5.2.12).
func (r MLDRecords) Next() (first MLDRecord, rest MLDRecords, ok bool) {
	n := r.recordLen()
	if n == 0 {
		return first, nil, false
	}
	end := MLDRecordLen + 16*int(be.Uint16(r[2:]))
	return MLDRecord{MLDRecordType(r[0]), addr6(r[4:20]), AddrList(r[MLDRecordLen:end])}, r[n:], true
}

// recordLen returns the length of the first record with its auxiliary data, 0 if it is not complete.
func (r MLDRecords) recordLen() int {
	if len(r) < MLDRecordLen {
		return 0
	}
	n := MLDRecordLen + 16*int(be.Uint16(r[2:])) + 4*int(r[1])
	if n > len(r) {
		return 0
	}
	return n
}

// ParseMLDv2Report checks a report of version 2 and returns its records (RFC 3810 §5.2). Its arguments are those of
// ParseMLDQuery. Octets after the records are ignored.
func ParseMLDv2Report(h *IPv6, c *IPv6Chain, b []byte, verify bool) (MLDRecords, error) {
	if err := checkMLD(h, c, b, MLDv2ReportLen, verify); err != nil {
		return nil, err
	}
	if ICMPv6Type(b[0]) != ICMPv6ListenerReportVersion2 {
		return nil, drop.BadType
	}
	all := MLDRecords(b[MLDv2ReportLen:])
	end := 0
	for range be.Uint16(b[6:]) {
		rest := all[end:]
		n := rest.recordLen()
		if n == 0 {
			return nil, drop.BadLength
		}
		if !addr6(rest[4:20]).IsMulticast() {
			return nil, drop.MLDBadGroup
		}
		end += n
	}
	return all[:end], nil
}

// Put writes a record without auxiliary data and returns its length, MLDRecordLen and 16 octets for each source.
func (r *MLDRecord) Put(b []byte) int {
	b[0], b[1] = byte(r.Type), 0
	be.PutUint16(b[2:], uint16(r.Sources.Len()))
	putAddr6(b[4:], r.Group)
	return MLDRecordLen + copy(b[MLDRecordLen:], r.Sources[:16*r.Sources.Len()])
}

// PutMLDv2Report writes the fixed part of a report of version 2 and the checksum over all of b, and returns MLDv2ReportLen. The
// records, whose number is the argument, must already be in b.
func PutMLDv2Report(b []byte, records int, src, dst netip.Addr) int {
	b[0], b[1] = byte(ICMPv6ListenerReportVersion2), 0
	be.PutUint32(b[4:], uint32(records))
	putICMPv6Checksum(b, src, dst)
	return MLDv2ReportLen
}
