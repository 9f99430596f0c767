package buf

// leastPeak is the size below which ShrinkMap does not copy a map, in entries.
const leastPeak = 1024

// ShrinkMap returns m, or a copy of m if m has less than a quarter of *peak entries. *peak is the largest number of
// entries that m has had. A Go map never frees storage, so a flood would enlarge it for ever. All copies together cost
// O(1) for each deleted entry.
func ShrinkMap[K comparable, V any](m map[K]V, peak *int) map[K]V {
	*peak = max(*peak, len(m))
	if *peak < leastPeak || len(m) >= *peak/4 {
		return m
	}
	small := make(map[K]V, len(m))
	for k, v := range m { // map order does not matter: the copy is a map, too
		small[k] = v
	}
	*peak = len(m)
	return small
}
