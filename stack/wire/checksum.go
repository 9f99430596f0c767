package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum is a partial Internet checksum: a ones' complement sum of 16-bit words (RFC 1071), not yet complemented. The zero
// value is the sum of no words.
type Sum uint64

// AddBytes adds b, which must start at an even offset of the packet. An odd last octet is padded with zero, so only the
// last part of a packet may have an odd length.
func (s Sum) AddBytes(b []byte) Sum {
	// Words are added eight octets at a time in little-endian order, the order of most machines. The result is swapped
	// at the end (RFC 1071 §2(B)).
	var acc, carry uint64
	le := binary.LittleEndian
	for len(b) >= 64 {
		acc, carry = bits.Add64(acc, le.Uint64(b), 0)
		acc, carry = bits.Add64(acc, le.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[24:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[32:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[40:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[48:]), carry)
		acc, carry = bits.Add64(acc, le.Uint64(b[56:]), carry)
		acc += carry // can't wrap: an addition with a carry leaves at most 2^64-2
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, le.Uint64(b), 0)
		acc += carry
		b = b[8:]
	}
	var tail uint64 // at most seven octets; only the parity of a word's position matters
	if len(b) >= 4 {
		tail = uint64(le.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		tail += uint64(le.Uint16(b))
		b = b[2:]
	}
	if len(b) > 0 {
		tail += uint64(b[0])
	}
	acc, carry = bits.Add64(acc, tail, 0)
	acc += carry
	return s.AddUint16(bits.ReverseBytes16(Sum(acc).Fold()))
}

// AddUint16 adds one word.
func (s Sum) AddUint16(v uint16) Sum {
	acc, carry := bits.Add64(uint64(s), uint64(v), 0)
	return Sum(acc + carry)
}

// AddAddr adds an address of either family.
func (s Sum) AddAddr(a netip.Addr) Sum {
	// Words of four or eight octets are summed like those of two, because 2^16 and 1 are equal modulo 2^16-1 (RFC 1071 §2(C)).
	if a.Is4() {
		v := a.As4()
		acc, carry := bits.Add64(uint64(s), uint64(be.Uint32(v[:])), 0)
		return Sum(acc + carry)
	}
	v := a.As16()
	acc, carry := bits.Add64(uint64(s), be.Uint64(v[:8]), 0)
	acc, carry = bits.Add64(acc, be.Uint64(v[8:]), carry)
	return Sum(acc + carry)
}

// Fold returns the 16-bit ones' complement sum.
func (s Sum) Fold() uint16 {
	v := uint64(s)
	v = v>>32 + v&0xffffffff
	v = v>>32 + v&0xffffffff
	v = v>>16 + v&0xffff
	v = v>>16 + v&0xffff
	return uint16(v)
}

// Checksum returns the complement of the folded sum, which is the value of a header's checksum field. It is zero for data that
// includes its own correct checksum.
func (s Sum) Checksum() uint16 { return ^s.Fold() }

// Checksum returns the Internet checksum of b (RFC 1071).
func Checksum(b []byte) uint16 { return Sum(0).AddBytes(b).Checksum() }

// PseudoHeader returns the sum of the pseudo-header of TCP and UDP over IPv4 (RFC 9293 §3.1) or IPv6
// (RFC 8200 §8.1); length is that of the transport header and its data, in octets.
func PseudoHeader(src, dst netip.Addr, proto Protocol, length int) Sum {
	return Sum(uint64(proto) + uint64(uint32(length))).AddAddr(src).AddAddr(dst)
}
