package siphash

import "testing"

// TestSipHash: the expected value is from an independent SipHash-2-4 over the octets 0 to 47, with the octets 0 to 15
// as the key.
func TestSipHash(t *testing.T) {
	var words [6]uint64
	for k := range words {
		for j := range 8 {
			words[k] |= uint64(8*k+j) << (8 * j)
		}
	}
	got := Sum([2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}, words)
	if want := uint64(0xe612a3cb9ecba951); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}
