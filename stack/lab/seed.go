package lab

import "math/rand/v2"

// Purposes of random streams. The numbers must not change, because a seed's results depend on them.
const (
	streamHost uint64 = iota + 1
	streamDirection
	streamPortFaults
	streamLinkFaults
)

// mix derives a 64-bit value from a seed and a path of numbers, so that neighbouring paths have independent values. It
// applies splitmix64's finaliser (Steele, Lea, Flood 2014) at each step.
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

// stream returns the random stream with the given path: of a host, a direction or a set of rules.
func (l *Lab) stream(path ...uint64) *rand.Rand {
	a := mix(l.seed, path...)
	return rand.New(rand.NewPCG(a, mix(a, 0)))
}
