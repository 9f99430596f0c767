package capture

import (
	"bytes"
	"encoding/binary"

	"smolsh/phy"
)

// ng builds a pcapng file octet by octet.
type ng struct {
	order binary.AppendByteOrder
	b     []byte
}

func (f *ng) u16(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = f.order.AppendUint16(b, v)
	}
	return b
}

func (f *ng) u32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = f.order.AppendUint32(b, v)
	}
	return b
}

// block adds a block with correct lengths and padding.
func (f *ng) block(kind uint32, body []byte) *ng {
	body = padded(body)
	n := uint32(len(body) + 12)
	return f.raw(kind, n, body, n)
}

// raw adds a block whose two lengths may differ.
func (f *ng) raw(kind, length uint32, body []byte, trailer uint32) *ng {
	f.b = f.u32(append(f.u32(f.b, kind, length), body...), trailer)
	return f
}

func padded(b []byte) []byte { return append(bytes.Clone(b), make([]byte, -len(b)&3)...) }

// section adds a section header of version 1.minor.
func (f *ng) section(minor uint16) *ng {
	return f.block(0x0a0d0d0a, f.u32(f.u16(f.u32(nil, 0x1a2b3c4d), 1, minor), 0xffffffff, 0xffffffff))
}

func (f *ng) iface(link uint16, snaplen uint32, options ...[]byte) *ng {
	return f.block(1, append(f.u32(f.u16(nil, link, 0), snaplen), bytes.Join(options, nil)...))
}

func (f *ng) option(code uint16, v ...byte) []byte {
	return append(f.u16(nil, code, uint16(len(v))), padded(v)...)
}

func (f *ng) text(code uint16, v string) []byte { return f.option(code, []byte(v)...) }

func (f *ng) offset(seconds int64) []byte { return f.option(14, f.u64(uint64(seconds))...) }

func (f *ng) u64(v uint64) []byte { return f.order.AppendUint64(nil, v) }

// enhanced adds an enhanced packet block.
func (f *ng) enhanced(id uint32, count uint64, original int, data []byte, options ...[]byte) *ng {
	body := append(f.u32(nil, id, uint32(count>>32), uint32(count), uint32(len(data)), uint32(original)), padded(data)...)
	return f.block(6, append(body, bytes.Join(options, nil)...))
}

// old adds an obsolete packet block.
func (f *ng) old(id uint16, count uint64, original int, data []byte) *ng {
	return f.block(2, append(f.u32(f.u16(nil, id, 7), uint32(count>>32), uint32(count), uint32(len(data)), uint32(original)), data...))
}

func (f *ng) simple(original int, data []byte) *ng {
	return f.block(3, append(f.u32(nil, uint32(original)), data...))
}

// pcap returns the header of a classic file and a record for each packet.
func pcap(order binary.AppendByteOrder, magic uint32, minor uint16, snaplen, link uint32, records ...[]byte) []byte {
	f := ng{order: order}
	b := f.u32(f.u16(f.u32(nil, magic), 2, minor), 0, 0, snaplen, link)
	return append(b, bytes.Join(records, nil)...)
}

// record returns a packet record of a classic file. Its lengths have the order of version 2.4.
func record(order binary.AppendByteOrder, seconds, fraction uint32, captured, original int, data []byte) []byte {
	f := ng{order: order}
	return append(f.u32(nil, seconds, fraction, uint32(captured), uint32(original)), data...)
}

var (
	le = binary.LittleEndian
	be = binary.BigEndian

	etherPing = ping(phy.MediumEthernet, 8) // 50 octets
	ipPing    = ping(phy.MediumIP, 8)       // 36 octets

	sllPing     = append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, ipPing...)
	sll2Ping    = append([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, ipPing...)
	nullPing    = append([]byte{2, 0, 0, 0}, ipPing...)
	nullPingBig = append([]byte{0, 0, 0, 2}, ipPing...)
)
