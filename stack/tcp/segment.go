package tcp

import "smolsh/stack/wire"

// Segment is a TCP segment: header fields and payload. The stack handles checksums and addresses. The payload of a received
// segment aliases its frame.
type Segment struct {
	wire.TCP
	Payload []byte
	GSOSize int // payload of each wire segment of a super-segment, in octets; 0 for a single segment

	// Probe is set by Emit and Receive if the segment is a keep-alive or a window probe.
	Probe Probe

	// ECN is the explicit congestion notification field of the IP header.
	ECN wire.ECN

	// With Lend, Emit lends a long payload and does not copy it. Lent then contains that payload, in up to two parts,
	// and Payload has its length but not its octets. Lent is valid until the connection's next Receive, Close or Abort.
	Lend bool
	Lent [2][]byte
}

// lendLeast is the length of the shortest payload that is lent, in octets. A shorter one is cheaper to copy than to
// gather.
const lendLeast = 4096

// Len returns SEG.LEN: the octets of sequence space that the segment occupies, SYN and FIN included (RFC 9293 §3.4).
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

// Segments returns the number of wire segments that a super-segment stands for, and 1 for any other segment.
func (s *Segment) Segments() int {
	if s.GSOSize <= 0 || len(s.Payload) <= s.GSOSize {
		return 1
	}
	return (len(s.Payload) + s.GSOSize - 1) / s.GSOSize
}

// trimFront removes the first n sequence numbers of a segment: first a SYN, then payload. It adjusts the urgent
// pointer.
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
