package handheld

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// maxRanges bounds the ranges of numbers that lie beyond a gap. Further ones are forgotten.
const maxRanges = 1024

// Options are the options of a TCP end's SYN.
type Options struct {
	MSS        int // octets; 0 leaves the option out
	WScale     int // shift, 0 to 14; -1 leaves the option out
	SACKOK, TS bool
}

// A TCP is one end of a connection that a script moves by hand. It keeps the numbers of RFC 9293 §3.3.1. Sequence numbers in its fields are those of
// the wire; Relative and Absolute convert them.
type TCP struct {
	Local, Remote netip.AddrPort // Remote is the zero value until a passive end has received a SYN
	ISS, IRS      uint32         // initial numbers; IRS is valid with Synced
	Synced        bool           // true once a SYN has been received
	SndNxt        uint32         // first number that was not sent: the end of what was sent without a gap
	SndUna        uint32         // first number that the peer has not acknowledged
	RcvNxt        uint32         // first number that was not received
	RcvWnd        int            // octets that the end offers
	SndWnd        int            // octets that the peer offers

	options   Options // those of this end
	peer      Options // those of the peer's SYN
	tsRecent  uint32
	sent, got []span // ranges beyond SndNxt and RcvNxt
	sndMax    uint32 // end of everything that was sent
}

// span is a range of sequence numbers, [from, to).
type span struct{ from, to uint32 }

// NewTCP returns an end that has sent and received nothing. window is in octets.
func NewTCP(local, remote netip.AddrPort, iss uint32, window int, o Options) *TCP {
	return &TCP{Local: local, Remote: remote, ISS: iss, SndNxt: iss, SndUna: iss, sndMax: iss, RcvWnd: window, options: o, peer: Options{WScale: -1}}
}

// A Segment is what a script sends.
type Segment struct {
	Flags uint64 // bits of the TCP layer's flags
	Seq   uint32 // sequence number on the wire
	Ack   uint32 // acknowledgement number on the wire; it is left out without the flag ACK
	Data  []byte
	SACK  [][2]uint32 // blocks of numbers on the wire, at most 4, at most 3 beside timestamps
	TSVal uint32      // value for the timestamps option
}

// Bits of the flags of a segment.
const (
	FIN = uint64(wire.FIN)
	SYN = uint64(wire.SYN)
	RST = uint64(wire.RST)
	ACK = uint64(wire.ACK)
)

// length returns the number of sequence numbers that the segment occupies.
func (s *Segment) length() uint32 {
	n := uint32(len(s.Data))
	if s.Flags&SYN != 0 {
		n++
	}
	if s.Flags&FIN != 0 {
		n++
	}
	return n
}

// Compose returns the packet of a segment. The caller calls Sent once it was sent. The error names a value that does not fit.
func (e *TCP) Compose(s Segment) (*packet.Draft, error) {
	if !e.Remote.IsValid() {
		return nil, fmt.Errorf("the other end is not known before accept()")
	}
	options, err := e.optionOctets(&s)
	if err != nil {
		return nil, err
	}
	var fail error
	set := func(l *packet.DraftLayer, name string, v any) {
		next, err := l.With(l.Protocol.MustField(name), v)
		*l = next
		if fail == nil {
			fail = err
		}
	}
	ip := packet.DraftLayer{Protocol: packet.IP}
	if e.Remote.Addr().Is6() {
		ip.Protocol = packet.IPv6
	}
	set(&ip, "src", e.Local.Addr())
	set(&ip, "dst", e.Remote.Addr().WithZone(""))
	tcp := packet.DraftLayer{Protocol: packet.TCP}
	set(&tcp, "sport", uint64(e.Local.Port()))
	set(&tcp, "dport", uint64(e.Remote.Port()))
	set(&tcp, "seq", uint64(s.Seq))
	if s.Flags&ACK != 0 {
		set(&tcp, "ack", uint64(s.Ack))
	}
	set(&tcp, "flags", s.Flags)
	set(&tcp, "window", uint64(e.window(s.Flags)))
	if len(options) > 0 {
		set(&tcp, "options", options)
	}
	d := packet.NewDraft(ip, tcp)
	if len(s.Data) > 0 {
		data := packet.DraftLayer{Protocol: packet.Raw}
		set(&data, "load", s.Data)
		d = packet.NewDraft(ip, tcp, data)
	}
	if fail != nil {
		return nil, fail
	}
	return d, nil
}

// Sent records that a segment was sent: SndNxt moves over its numbers. A reset's do not count.
func (e *TCP) Sent(s Segment) {
	if s.Flags&RST == 0 {
		e.noteSent(s.Seq, s.length())
	}
}

// window returns the window field: a SYN's is not scaled (RFC 7323 §2.2), others are if both ends have sent the option.
func (e *TCP) window(flags uint64) int {
	if flags&SYN != 0 || !e.scaled() {
		return min(e.RcvWnd, 65535)
	}
	return min(e.RcvWnd>>e.options.WScale, 65535)
}

func (e *TCP) scaled() bool     { return e.options.WScale >= 0 && e.peer.WScale >= 0 }
func (e *TCP) timestamps() bool { return e.options.TS && e.peer.TS }

// optionOctets returns the options of a segment: those of a SYN, or timestamps where both ends have agreed on them, and SACK blocks. A SYN that answers a
// SYN has those that the peer has offered, and its MSS.
func (e *TCP) optionOctets(s *Segment) ([]byte, error) {
	var b []byte
	syn, answer := s.Flags&SYN != 0, e.Synced
	if syn && e.options.MSS > 0 {
		b = append(b, 2, 4, byte(e.options.MSS>>8), byte(e.options.MSS))
	}
	if syn && e.options.SACKOK && (!answer || e.peer.SACKOK) {
		b = append(b, 1, 1, 4, 2)
	}
	if e.timestamps() || syn && e.options.TS && !answer {
		b = append(b, 1, 1, 8, 10)
		b = binary.BigEndian.AppendUint32(b, s.TSVal)
		b = binary.BigEndian.AppendUint32(b, e.tsRecent)
	}
	if syn && e.options.WScale >= 0 && (!answer || e.peer.WScale >= 0) {
		b = append(b, 1, 3, 3, byte(e.options.WScale))
	}
	if n := len(s.SACK); n > 0 {
		if n > 4 || len(b)+4+8*n > 40 {
			return nil, fmt.Errorf("%d SACK blocks do not fit in the 40 octets of options", n)
		}
		b = append(b, 1, 1, 5, byte(2+8*n))
		for _, r := range s.SACK {
			b = binary.BigEndian.AppendUint32(b, r[0])
			b = binary.BigEndian.AppendUint32(b, r[1])
		}
	}
	return b, nil
}

// noteSent moves SndNxt over n numbers from seq, and over ranges that were sent before beyond them. Numbers beyond a gap are kept until the gap is filled.
func (e *TCP) noteSent(seq, n uint32) {
	if n == 0 {
		return
	}
	if less(e.sndMax, seq+n) {
		e.sndMax = seq + n
	}
	e.SndNxt, e.sent = cover(e.SndNxt, span{seq, seq + n}, e.sent)
}

// cover adds a range to those beyond next, and returns next moved over every range that reaches it.
func cover(next uint32, r span, beyond []span) (uint32, []span) {
	switch {
	case !less(next, r.from):
		if less(next, r.to) {
			next = r.to
		}
	case len(beyond) < maxRanges:
		beyond = append(beyond, r)
	}
	for moved := true; moved; {
		moved = false
		beyond = slices.DeleteFunc(beyond, func(r span) bool {
			if less(next, r.from) {
				return false
			}
			if less(next, r.to) {
				next, moved = r.to, true
			}
			return true
		})
	}
	return next, beyond
}

// less reports whether a is before b in sequence space (RFC 9293 §3.4).
func less(a, b uint32) bool { return int32(a-b) < 0 }
