// Package siphash is SipHash-2-4 (Aumasson and Bernstein), the keyed hash of the host's sequence numbers, ports,
// identifications and SYN cookies. A peer that does not have the key cannot predict it.
package siphash

import "math/bits"

// Sum returns the hash of six words of eight octets each, in little-endian order.
func Sum(key [2]uint64, words [6]uint64) uint64 {
	v0, v1 := key[0]^0x736f6d6570736575, key[1]^0x646f72616e646f6d
	v2, v3 := key[0]^0x6c7967656e657261, key[1]^0x7465646279746573
	length := uint64(len(words)*8) << 56
	// Two rounds follow each word and the length. The last four rounds have no input, so the loop adds two zero words
	// for them.
	for k, m := range [...]uint64{words[0], words[1], words[2], words[3], words[4], words[5], length, 0, 0} {
		if k == len(words)+1 {
			v2 ^= 0xff
		}
		v3 ^= m
		for range 2 { // the state stays in registers, so the rounds are written here
			v0 += v1
			v1 = bits.RotateLeft64(v1, 13) ^ v0
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v3
			v3 = bits.RotateLeft64(v3, 16) ^ v2
			v0 += v3
			v3 = bits.RotateLeft64(v3, 21) ^ v0
			v2 += v1
			v1 = bits.RotateLeft64(v1, 17) ^ v2
			v2 = bits.RotateLeft64(v2, 32)
		}
		v0 ^= m
	}
	return v0 ^ v1 ^ v2 ^ v3
}
