package tcp

import "smolsh/stack/wire"

// Segment is a TCP segment as the connection sees it: header values and payload. Checksums and
// addresses are the stack's business. Payload of a received segment aliases its frame.
type Segment struct {
	wire.TCP
	Payload []byte
	GSOSize int // payload of each wire segment of a super-segment, in octets; 0: this is one segment

	// ECN is the explicit congestion notification field of its IP header.
	ECN wire.ECN

	// Lend asks Emit to lend a long payload rather than copy it. Lent is that payload then, in up to two
	// parts, and Payload has its length but not its octets. It stays as it is until the connection is
	// given a segment or closed.
	Lend bool
	Lent [2][]byte
}

// lendLeast is how long a payload is at least that is lent, in octets: to gather a short one costs more
// than to copy it.
const lendLeast = 4096

// Len is SEG.LEN: the octets of sequence space the segment occupies, SYN and FIN included
// (RFC 9293 §3.4).
func (s *Segment) Len() int {
	n := len(s.Payload)
	if s.Flags&wire.SYN != 0 {
		n++
	}
	if s.Flags&wire.FIN != 0 {
		n++
	}
	return n
}

// Segments is the number of wire segments the segment stands for.
func (s *Segment) Segments() int {
	if s.GSOSize <= 0 || len(s.Payload) <= s.GSOSize {
		return 1
	}
	return (len(s.Payload) + s.GSOSize - 1) / s.GSOSize
}

// trimFront takes n numbers off the front of a segment's sequence space.
func (s *Segment) trimFront(n int) {
	s.Seq = s.Seq.Add(n)
	if int(s.Urgent) <= n {
		s.Flags &^= wire.URG
	}
	s.Urgent -= uint16(min(n, int(s.Urgent)))
	if s.Flags&wire.SYN != 0 {
		s.Flags &^= wire.SYN
		n--
	}
	s.Payload = s.Payload[min(n, len(s.Payload)):]
}
