package lab

import "math/rand/v2"

// What a random stream is for. The numbers are part of what a seed means: they must not change.
const (
	streamHost uint64 = iota + 1
	streamDirection
	streamPortFaults
	streamLinkFaults
)

// mix derives a 64-bit value from a seed and a path of numbers, such that neighbouring paths have
// nothing in common: the finaliser of splitmix64 (Steele, Lea, Flood 2014) over each step.
func mix(seed uint64, path ...uint64) uint64 {
	z := seed
	for _, p := range path {
		z += 0x9e3779b97f4a7c15 * (p + 1)
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
	}
	return z
}

// stream returns the random stream of one thing of a lab.
func (l *Lab) stream(path ...uint64) *rand.Rand {
	a := mix(l.seed, path...)
	return rand.New(rand.NewPCG(a, mix(a, 0)))
}
