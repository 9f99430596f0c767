package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Block types of pcapng that a Reader reads (draft-ietf-opsawg-pcapng §4). It skips blocks of other types.
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
	blockSection   = 0x0a0d0d0a // the same in either octet order
)

// Options that a Reader reads (§3.5, §4.2, §4.3).
const (
	optEnd      = 0
	optComment  = 1
	optFlags    = 2 // in a packet block
	optName     = 2 // in an interface block
	optTsresol  = 9
	optTsoffset = 14
)

const orderMagic = 0x1a2b3c4d

// Lengths, in octets, of blocks' fixed parts.
const (
	blockOverhead = 12 // type, total length, and the total length again at the end
	sectionLen    = 16 // order magic, version, section length
	interfaceLen  = 8
	enhancedLen   = 20
	simpleLen     = 4
)

// pcapng reads the sections of a pcapng file.
type pcapng struct {
	r      *Reader
	order  binary.ByteOrder
	ifaces []ngIface // interfaces of the present section
}

// ngIface is the content of an interface description block.
type ngIface struct {
	name    string
	link    LinkType
	snaplen uint32
	unit    timeUnit
}

// newPcapng reads the first section's header.
func newPcapng(r *Reader) (*pcapng, error) {
	g := &pcapng{r: r}
	_, err := g.next()
	return g, err
}

// next reads one block.
func (g *pcapng) next() (*Record, error) {
	src := &g.r.src
	h, err := src.take(8)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(h) == blockSection {
		return nil, g.section([4]byte(h[4:]))
	}
	kind, total := g.order.Uint32(h), g.order.Uint32(h[4:])
	packet := kind == blockPacket || kind == blockSimple || kind == blockEnhanced
	if packet {
		g.r.begin()
	}
	size, err := bodyLen(total)
	if err != nil {
		return nil, err
	}
	if !packet && kind != blockInterface {
		if err := src.skip(size); err != nil {
			return nil, err
		}
		return nil, g.trailer(nil, total)
	}
	body, err := src.take(size + 4)
	if err != nil {
		return nil, cut(err)
	}
	body, trailer := body[:size], body[size:]
	if err := g.trailer(trailer, total); err != nil {
		return nil, err
	}
	switch kind {
	case blockInterface:
		return nil, g.iface(body)
	case blockSimple:
		return g.simple(body)
	case blockPacket:
		return g.packet(body, true)
	}
	return g.packet(body, false)
}

// bodyLen returns the length of a block's body, from the block total length.
func bodyLen(total uint32) (int, error) {
	switch {
	case total%4 != 0:
		return 0, fmt.Errorf("block total length %d is not a multiple of 4", total)
	case total < blockOverhead:
		return 0, fmt.Errorf("block total length %d is below %d", total, blockOverhead)
	case total > maxBlock:
		return 0, fmt.Errorf("block total length %d is above %d", total, maxBlock)
	}
	return int(total - blockOverhead), nil
}

// trailer compares the total length at a block's end with that at its beginning. Without b it reads b first.
func (g *pcapng) trailer(b []byte, total uint32) (err error) {
	if b == nil {
		if b, err = g.r.src.take(4); err != nil {
			return cut(err)
		}
	}
	if again := g.order.Uint32(b); again != total {
		return fmt.Errorf("block total length %d, but %d at the block's end", total, again)
	}
	return nil
}

// section begins a section. The section header block shows the octet order (§4.1). length is the block total length in
// that order.
func (g *pcapng) section(length [4]byte) error {
	b, err := g.r.src.take(4)
	if err != nil {
		return cut(err)
	}
	switch uint32(orderMagic) {
	case binary.LittleEndian.Uint32(b):
		g.order = binary.LittleEndian
	case binary.BigEndian.Uint32(b):
		g.order = binary.BigEndian
	default:
		return fmt.Errorf("the byte-order magic of a section is % x", b)
	}
	total := g.order.Uint32(length[:])
	size, err := bodyLen(total)
	if err != nil {
		return err
	}
	if size < sectionLen {
		return fmt.Errorf("a section header of %d octets is too short", total)
	}
	if b, err = g.r.src.take(sectionLen - 4); err != nil {
		return cut(err)
	}
	if major, minor := g.order.Uint16(b), g.order.Uint16(b[2:]); major != 1 || minor > 2 {
		return fmt.Errorf("pcapng version %d.%d, and 1.0 to 1.2 are known", major, minor)
	}
	if err := g.r.src.skip(size - sectionLen); err != nil {
		return err
	}
	g.ifaces = nil
	return g.trailer(nil, total)
}

// iface adds an interface to the section (§4.2).
func (g *pcapng) iface(b []byte) error {
	if len(b) < interfaceLen {
		return errors.New("an interface description block that is too short")
	}
	if len(g.ifaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces in a section", maxInterfaces)
	}
	i := ngIface{link: LinkType(g.order.Uint16(b)), snaplen: g.order.Uint32(b[4:]), unit: microseconds}
	offset := int64(0)
	g.options(b[interfaceLen:], func(code uint16, v []byte) bool {
		switch code {
		case optName:
			i.name = strings.TrimRight(string(v[:min(len(v), maxName)]), "\x00")
		case optTsresol:
			if len(v) != 1 {
				return false
			}
			i.unit = newTimeUnit(v[0])
		case optTsoffset:
			if len(v) != 8 {
				return false
			}
			offset = int64(g.order.Uint64(v))
		}
		return true
	})
	i.unit.offset = offset
	g.ifaces = append(g.ifaces, i)
	return nil
}

// options calls fn for each option of a block (§3.5). It warns of an option that fn refuses, and of a list that does
// not fit into the block.
func (g *pcapng) options(b []byte, fn func(code uint16, v []byte) bool) {
	for len(b) >= 4 {
		code, n := g.order.Uint16(b), int(g.order.Uint16(b[2:]))
		if code == optEnd {
			return
		}
		b = b[4:]
		if n > len(b) {
			g.r.warn("options", "option %d has %d octets, and the block has %d left", code, n, len(b))
			return
		}
		if !fn(code, b[:n]) {
			g.r.warn("option", "option %d has the wrong length %d", code, n)
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	if len(b) > 0 {
		g.r.warn("options", "%d octets after the last option", len(b))
	}
}

// packet reads an enhanced packet block (§4.3) or an obsolete packet block. The obsolete block has interface numbers of
// 16 bits, and a count of drops (appendix A).
func (g *pcapng) packet(b []byte, obsolete bool) (*Record, error) {
	if len(b) < enhancedLen {
		return g.r.pass("short", "a packet block of %d octets is too short", len(b)+blockOverhead)
	}
	id := g.order.Uint32(b)
	if obsolete {
		id = uint32(g.order.Uint16(b))
	}
	count := uint64(g.order.Uint32(b[4:]))<<32 | uint64(g.order.Uint32(b[8:]))
	l := lengths{captured: g.order.Uint32(b[12:]), original: g.order.Uint32(b[16:])}
	b = b[enhancedLen:]
	if uint64(id) >= uint64(len(g.ifaces)) {
		return g.r.pass("interface", "its interface is %d, and the section has %d", id, len(g.ifaces))
	}
	i := &g.ifaces[id]
	l.snaplen = i.snaplen
	switch {
	case uint64(l.captured) > uint64(len(b)):
		return g.r.pass("captured", "its captured length %d is above the %d octets that the block has", l.captured, len(b))
	case l.captured > maxCaptured:
		return g.r.pass("large", "its captured length %d is above %d", l.captured, maxCaptured)
	}
	rec, err := g.r.record(i.link, l, b[:l.captured])
	if rec == nil {
		return nil, err
	}
	rec.Iface = i.name
	g.r.stamp(rec, i.unit, count)
	g.options(b[(l.captured+3)&^3:], func(code uint16, v []byte) bool {
		switch code {
		case optComment:
			rec.Comments = append(rec.Comments, string(v))
		case optFlags:
			if len(v) != 4 {
				return false
			}
			way := g.order.Uint32(v) & 3
			rec.Directed, rec.Outgoing = way == 1 || way == 2, way == 2
		}
		return true
	})
	return rec, nil
}

// simple reads a simple packet block, which belongs to the section's first interface and has no time (§4.4).
func (g *pcapng) simple(b []byte) (*Record, error) {
	if len(b) < simpleLen {
		return g.r.pass("short", "a simple packet block of %d octets is too short", len(b)+blockOverhead)
	}
	if len(g.ifaces) == 0 {
		return g.r.pass("interface", "its interface is 0, and the section has 0")
	}
	i := &g.ifaces[0]
	l := lengths{original: g.order.Uint32(b), snaplen: i.snaplen}
	b = b[simpleLen:]
	if l.captured = l.original; i.snaplen > 0 {
		l.captured = min(l.captured, i.snaplen)
	}
	if uint64(l.captured) > uint64(len(b)) {
		return g.r.pass("captured", "its captured length %d is above the %d octets that the block has", l.captured, len(b))
	}
	if l.captured > maxCaptured {
		return g.r.pass("large", "its captured length %d is above %d", l.captured, maxCaptured)
	}
	rec, err := g.r.record(i.link, l, b[:l.captured])
	if rec != nil {
		rec.Iface = i.name
	}
	return rec, err
}
