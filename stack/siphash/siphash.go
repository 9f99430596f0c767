// Package siphash is SipHash-2-4 (Aumasson and Bernstein), the keyed hash of the host's sequence numbers, ports,
// identifications and SYN cookies. A peer that does not have the key cannot predict it.
package siphash

import "math/bits"

// Sum returns the hash of six words, each of them eight octets in little-endian order.
func Sum(key [2]uint64, words [6]uint64) uint64 {
	s := state{
		key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573,
	}
	for _, m := range words {
		s.mix(m)
	}
	s.mix(uint64(len(words)*8) << 56)
	s[2] ^= 0xff
	for range 4 {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

type state [4]uint64

func (s *state) mix(m uint64) {
	s[3] ^= m
	s.round()
	s.round()
	s[0] ^= m
}

func (s *state) round() {
	s[0] += s[1]
	s[1] = bits.RotateLeft64(s[1], 13) ^ s[0]
	s[0] = bits.RotateLeft64(s[0], 32)
	s[2] += s[3]
	s[3] = bits.RotateLeft64(s[3], 16) ^ s[2]
	s[0] += s[3]
	s[3] = bits.RotateLeft64(s[3], 21) ^ s[0]
	s[2] += s[1]
	s[1] = bits.RotateLeft64(s[1], 17) ^ s[2]
	s[2] = bits.RotateLeft64(s[2], 32)
}
