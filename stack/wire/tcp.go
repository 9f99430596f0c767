package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// Flags are TCP's control bits (RFC 9293 §3.1).
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether every bit of g is set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// String prints the bits as tcpdump does: "S", "S.", "P.", "." for ACK alone, "none".
func (f Flags) String() string {
	if f == 0 {
		return "none"
	}
	const letters = "FSRP.UEW"
	var b [8]byte
	n := 0
	for i := range letters {
		if f&(1<<i) != 0 {
			b[n] = letters[i]
			n++
		}
	}
	return string(b[:n])
}

// TCPLen is the length of a TCP header without options, MaxTCPLen its largest length with options.
const (
	TCPLen    = 20
	MaxTCPLen = 60
)

// SACKBlock is a range of received octets, [Left, Right) (RFC 2018 §3).
type SACKBlock struct{ Left, Right Seq }

// Within reports whether the block is not empty and lies in the interval [lo, hi), which is empty if hi is not after
// lo. The edges of the block may be any numbers, since a peer chooses them.
func (b SACKBlock) Within(lo, hi Seq) bool {
	return lo.Less(hi) && b.Left != b.Right && b.Left.Between(lo, hi) && b.Right.Between(b.Left, hi)
}

// TCPOptions holds the options of a segment. The zero value means no options.
type TCPOptions struct {
	MSS            uint16 // octets; 0 if absent
	WindowScale    uint8  // shift, RFC 7323 §2.2; valid with HasWindowScale
	HasWindowScale bool
	SACKPermitted  bool
	HasTimestamps  bool
	NumSACK        uint8 // number of valid blocks in SACK, 0 to 4
	TSVal, TSEcr   uint32
	SACK           [4]SACKBlock
}

// Option kinds.
const (
	optEnd           = 0
	optNop           = 1
	optMSS           = 2
	optWindowScale   = 3
	optSACKPermitted = 4
	optSACK          = 5
	optTimestamps    = 8
)

// TCP is a TCP header.
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         Seq
	Flags            Flags
	Window           uint16 // window as on the wire, not scaled
	Urgent           uint16 // offset of the urgent pointer; valid with URG
	Options          TCPOptions
}

// ParseTCP parses a segment's header and options. It skips unknown options by their length. It returns drop.BadOption
// for an impossible length, and for a known option with a wrong length.
func ParseTCP(b []byte) (h TCP, payload []byte, err error) {
	if len(b) < TCPLen {
		return h, nil, drop.Truncated
	}
	hl := int(b[12]>>4) * 4
	if hl < TCPLen {
		return h, nil, drop.BadHeaderLen
	}
	if hl > len(b) {
		return h, nil, drop.Truncated
	}
	h.SrcPort = be.Uint16(b)
	h.DstPort = be.Uint16(b[2:])
	h.Seq = Seq(be.Uint32(b[4:]))
	h.Ack = Seq(be.Uint32(b[8:]))
	h.Flags = Flags(b[13])
	h.Window = be.Uint16(b[14:])
	h.Urgent = be.Uint16(b[18:])
	if hl > TCPLen {
		if err = h.Options.parse(b[TCPLen:hl]); err != nil {
			return h, nil, err
		}
	}
	return h, b[hl:], nil
}

// VerifyTCP reports whether the checksum of the segment b is right.
func VerifyTCP(b []byte, src, dst netip.Addr) bool {
	return PseudoHeader(src, dst, ProtocolTCP, len(b)).AddBytes(b).Checksum() == 0
}

func (o *TCPOptions) parse(b []byte) error {
	for len(b) > 0 {
		kind := b[0]
		if kind == optEnd {
			return nil
		}
		if kind == optNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return drop.BadOption
		}
		data := b[2:b[1]]
		b = b[b[1]:]
		if !o.set(kind, data) {
			return drop.BadOption
		}
	}
	return nil
}

// set stores one option and reports whether its length is right.
func (o *TCPOptions) set(kind uint8, data []byte) bool {
	switch kind {
	case optMSS:
		if len(data) != 2 {
			return false
		}
		o.MSS = be.Uint16(data)
	case optWindowScale:
		if len(data) != 1 {
			return false
		}
		o.WindowScale, o.HasWindowScale = data[0], true
	case optSACKPermitted:
		if len(data) != 0 {
			return false
		}
		o.SACKPermitted = true
	case optSACK:
		if len(data) == 0 || len(data)%8 != 0 || len(data) > 32 {
			return false
		}
		o.NumSACK, o.SACK = uint8(len(data)/8), [4]SACKBlock{} // a second SACK option replaces the first
		for i := range int(o.NumSACK) {
			o.SACK[i] = SACKBlock{Seq(be.Uint32(data[8*i:])), Seq(be.Uint32(data[8*i+4:]))}
		}
	case optTimestamps:
		if len(data) != 8 {
			return false
		}
		o.TSVal, o.TSEcr, o.HasTimestamps = be.Uint32(data), be.Uint32(data[4:]), true
	}
	return true
}

// Len returns the length of the options on the wire in octets, a multiple of 4. It is at most 40 for the options that a
// segment may have: only a SYN has window scale and SACK permitted, a SYN has no SACK blocks, and timestamps leave room
// for three blocks (RFC 2018 §3).
func (o *TCPOptions) Len() int {
	n := 0
	if o.MSS != 0 {
		n += 4
	}
	if o.HasTimestamps {
		n += 12
	} else if o.SACKPermitted {
		n += 4
	}
	if o.HasWindowScale {
		n += 4
	}
	if o.NumSACK > 0 {
		n += 4 + 8*int(o.NumSACK)
	}
	return n
}

// put writes each option at a multiple of four octets, NOPs first (RFC 7323 appendix A). The order is that of Linux's
// SYN, because the fast paths of peers compare whole words.
func (o *TCPOptions) put(b []byte) {
	n := 0
	if o.MSS != 0 {
		b[0], b[1] = optMSS, 4
		be.PutUint16(b[2:], o.MSS)
		n = 4
	}
	if o.HasTimestamps || o.SACKPermitted {
		b[n], b[n+1] = optNop, optNop
		if !o.HasTimestamps {
			n += 2
		}
		if o.SACKPermitted {
			b[n], b[n+1] = optSACKPermitted, 2
		}
		n += 2
	}
	if o.HasTimestamps {
		b[n], b[n+1] = optTimestamps, 10
		be.PutUint32(b[n+2:], o.TSVal)
		be.PutUint32(b[n+6:], o.TSEcr)
		n += 10
	}
	if o.HasWindowScale {
		b[n], b[n+1], b[n+2], b[n+3] = optNop, optWindowScale, 3, o.WindowScale
		n += 4
	}
	if o.NumSACK > 0 {
		b[n], b[n+1], b[n+2], b[n+3] = optNop, optNop, optSACK, 2+8*o.NumSACK
		n += 4
		for _, s := range o.SACK[:o.NumSACK] {
			be.PutUint32(b[n:], uint32(s.Left))
			be.PutUint32(b[n+4:], uint32(s.Right))
			n += 8
		}
	}
}

// HeaderLen returns the length of the header with its options.
func (h *TCP) HeaderLen() int { return TCPLen + h.Options.Len() }

// Put writes the header with its options and returns its length. It sets the checksum field to zero. The options must
// fit (TCPOptions.Len at most 40).
func (h *TCP) Put(b []byte) int {
	n := h.HeaderLen()
	be.PutUint16(b, h.SrcPort)
	be.PutUint16(b[2:], h.DstPort)
	be.PutUint32(b[4:], uint32(h.Seq))
	be.PutUint32(b[8:], uint32(h.Ack))
	b[12], b[13] = byte(n/4)<<4, byte(h.Flags)
	be.PutUint16(b[14:], h.Window)
	be.PutUint16(b[16:], 0)
	be.PutUint16(b[18:], h.Urgent)
	if n > TCPLen {
		h.Options.put(b[TCPLen:n])
	}
	return n
}

// PutTCPChecksum computes and writes the checksum of the segment b, whose checksum field must be zero.
func PutTCPChecksum(b []byte, src, dst netip.Addr) {
	be.PutUint16(b[16:], PseudoHeader(src, dst, ProtocolTCP, len(b)).AddBytes(b).Checksum())
}

// PutTCPPartialChecksum writes the folded sum of the pseudo-header into the checksum field. The segmenter, or a device
// with checksum offload, completes the checksum. length is the length of header and data; b need only have the header.
func PutTCPPartialChecksum(b []byte, src, dst netip.Addr, length int) {
	be.PutUint16(b[16:], PseudoHeader(src, dst, ProtocolTCP, length).Fold())
}
