package wire

// Seq is a TCP sequence number, a number modulo 2^32 (RFC 9293 §3.4). The operator `<` must not be used on it; Less
// compares two numbers that are less than 2^31 apart.
type Seq uint32

// Less reports whether s comes before t.
func (s Seq) Less(t Seq) bool { return int32(s-t) < 0 }

// LessEq reports whether s comes before t or is t.
func (s Seq) LessEq(t Seq) bool { return int32(s-t) <= 0 }

// Add returns the number n octets after s; n may be negative.
func (s Seq) Add(n int) Seq { return s + Seq(uint32(n)) }

// Sub returns the number of octets from t to s, negative if s is before t.
func (s Seq) Sub(t Seq) int { return int(int32(s - t)) }

// Between reports whether s lies in the closed interval from lo to hi, where hi is not before lo. It is right for any
// numbers. A chain of Less over three or more numbers is not an interval, because each comparison may cover half of the
// sequence space.
func (s Seq) Between(lo, hi Seq) bool { return s-lo <= hi-lo }

// In reports whether s is one of the n sequence numbers that start at the number first.
func (s Seq) In(first Seq, n int) bool { return uint32(s-first) < uint32(n) }

// MaxSeq returns the later of two numbers.
func MaxSeq(s, t Seq) Seq {
	if s.Less(t) {
		return t
	}
	return s
}
