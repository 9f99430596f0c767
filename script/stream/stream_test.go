package stream

import "testing"

// TestDelimited: end and err do not depend on the pieces in which the stream arrives.
func TestDelimited(t *testing.T) {
	const text, delim = "abcENDdef", "END"
	for most := 1; most <= len(text)+1; most++ {
		for cut := range len(text) {
			for second := cut; second <= len(text); second++ {
				end, err := 0, error(nil)
				searched := 0
				for _, n := range []int{cut, second, len(text)} {
					if end, err = Delimited([]byte(text[:n]), max(0, searched-len(delim)+1), []byte(delim), most); end > 0 || err != nil {
						break
					}
					searched = n
				}
				if fits := most >= 6; fits != (end == 6) || fits != (err == nil) {
					t.Fatalf("most %d, cuts at %d and %d: %d, %v", most, cut, second, end, err)
				}
			}
		}
	}
}
