package wire

// Seq is a TCP sequence number: an element of a circle of 2^32 (RFC 9293 §3.4). It has no order of
// its own, so `<` on it is a bug; Less compares two numbers less than 2^31 apart.
type Seq uint32

// Less reports whether s comes before t.
func (s Seq) Less(t Seq) bool { return int32(s-t) < 0 }

// LessEq reports whether s comes before t or is t.
func (s Seq) LessEq(t Seq) bool { return int32(s-t) <= 0 }

// Add returns the number n octets after s; n may be negative.
func (s Seq) Add(n int) Seq { return s + Seq(uint32(n)) }

// Sub returns how many octets s is after t, negative when it is before.
func (s Seq) Sub(t Seq) int { return int(int32(s - t)) }

// Between reports whether s lies in the closed interval that begins at lo and ends at hi, which is not
// before lo. It holds for numbers anywhere on the circle: a chain of Less over three numbers or more is no
// interval, since each link may go half the way round.
func (s Seq) Between(lo, hi Seq) bool { return s-lo <= hi-lo }

// In reports whether s is one of the n numbers that start at first.
func (s Seq) In(first Seq, n int) bool { return uint32(s-first) < uint32(n) }

// MaxSeq returns the later of two numbers.
func MaxSeq(s, t Seq) Seq {
	if s.Less(t) {
		return t
	}
	return s
}
