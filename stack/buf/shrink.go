package buf

// leastPeak is the size below which ShrinkMap does not copy a map, in entries.
const leastPeak = 1024

// ShrinkMap returns m, or a copy of m once m holds less than a quarter of *peak, the most entries that it has held. A Go
// map never gives storage back, so that a flood would leave it behind for ever. All copies together cost O(1) for each
// entry that was deleted.
func ShrinkMap[K comparable, V any](m map[K]V, peak *int) map[K]V {
	*peak = max(*peak, len(m))
	if *peak < leastPeak || len(m) >= *peak/4 {
		return m
	}
	small := make(map[K]V, len(m))
	for k, v := range m { // the order can't be seen: the copy is a map, too
		small[k] = v
	}
	*peak = len(m)
	return small
}
