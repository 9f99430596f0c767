// Package follow puts the streams of captured packets together: those of TCP by their sequence numbers, so that segments out of
// order are sorted and repeated octets count once, and those of UDP in the order of the datagrams. It knows neither hosts nor
// time.
package follow

import (
	"cmp"
	"net/netip"
	"slices"

	"smolsh/stack/buf"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// Bounds of a Follower.
const (
	MaxOctets  = 1 << 28 // octets that all streams hold
	MaxStreams = 100_000
	maxRanges  = 4096 // gaps of one direction; further octets beyond gaps are ignored
	// maxOvertaken is the largest number of octets between a SYN and the first octet that was captured before the SYN. A SYN with an
	// earlier sequence number is taken for that of another connection.
	maxOvertaken = 1 << 20
)

// A Follower sorts packets into streams. The zero value is empty.
type Follower struct {
	streams []*Stream
	latest  map[key]*Stream
	octets  int
	refused int
}

// key is a protocol and two endpoints, the lesser one first.
type key struct {
	tcp  bool
	a, b netip.AddrPort
}

// A Stream is a connection of TCP, or an exchange of datagrams between two endpoints.
type Stream struct {
	TCP            bool
	Client, Server netip.AddrPort // Client sent the SYN, or else the first packet that was seen
	Packets        []int          // numbers of its packets, as they were added
	Up, Down       Direction      // from the client, and from the server
}

// A Direction is the data of one direction of a stream.
type Direction struct {
	chunks []chunk
	have   buf.Ranges
	begun  bool
	syn    bool     // true if the SYN was seen, so that the data begins at offset 0
	isn    wire.Seq // the SYN's sequence number
	next   wire.Seq // sequence number of the offset at
	at     int64
}

type chunk struct {
	at   int64
	data []byte
}

// A Gap is octets that were not captured: they are missing at an offset of the data, which does not hold them.
type Gap struct{ Offset, Octets int }

// Add adds a packet. number identifies it in Stream.Packets. It ignores packets that are neither TCP nor UDP, fragments, and packets beyond the bounds.
func (f *Follower) Add(number int, p *packet.Packet) {
	flow, l, ok := p.Flow()
	if !ok {
		return
	}
	tcp := l.Protocol == packet.TCP
	var flags wire.Flags
	if n, ok := l.Number("flags"); ok && tcp {
		flags = wire.Flags(n)
	}
	seq, _ := l.Number("seq")
	s := f.stream(flow, tcp, flags, wire.Seq(seq))
	if s == nil {
		f.refused++
		return
	}
	s.Packets = append(s.Packets, number)
	d := &s.Up
	if flow.Src != s.Client {
		d = &s.Down
	}
	data := l.Payload()
	if f.octets+len(data) > MaxOctets {
		f.refused++
		return
	}
	if !tcp {
		d.add(d.at, data, &f.octets)
		d.at += int64(len(data))
		return
	}
	d.segment(wire.Seq(seq), flags, data, &f.octets)
}

// Refused returns the number of packets that were ignored because of the bounds.
func (f *Follower) Refused() int { return f.refused }

// Streams returns the streams in the order of their first packets.
func (f *Follower) Streams() []*Stream { return f.streams }

// stream returns the stream of a flow. A SYN that does not fit the octets and the SYN before it begins a new connection. It returns nil if there
// are too many.
func (f *Follower) stream(flow packet.Flow, tcp bool, flags wire.Flags, seq wire.Seq) *Stream {
	k := key{tcp, flow.Src, flow.Dst}
	if k.b.Compare(k.a) < 0 {
		k.a, k.b = k.b, k.a
	}
	client, server := flow.Src, flow.Dst
	if flags.Has(wire.SYN | wire.ACK) {
		client, server = server, client
	}
	s := f.latest[k]
	if s != nil && !(flags.Has(wire.SYN) && s.other(flow.Src, flags, seq)) {
		if flags.Has(wire.SYN) && s.Client != client && !s.Up.syn && !s.Down.syn {
			s.Client, s.Server, s.Up, s.Down = client, server, s.Down, s.Up // the server's first octets were captured before the SYN
		}
		return s
	}
	if len(f.streams) == MaxStreams {
		return nil
	}
	s = &Stream{TCP: tcp, Client: client, Server: server}
	if f.latest == nil {
		f.latest = map[key]*Stream{}
	}
	f.latest[k], f.streams = s, append(f.streams, s)
	return s
}

// other reports whether a SYN from src belongs to another connection than s. A server that answers a SYN again may choose another sequence
// number, as long as it has sent no octets.
func (s *Stream) other(src netip.AddrPort, flags wire.Flags, seq wire.Seq) bool {
	d := &s.Up
	if src != s.Client {
		d = &s.Down
	}
	return !d.fits(seq) && (!flags.Has(wire.ACK) || len(d.chunks) > 0)
}

// fits reports whether the direction may have a SYN with the sequence number seq: it is the SYN that was captured before, or it belongs in front
// of the octets, if the capture has it behind them.
func (d *Direction) fits(seq wire.Seq) bool {
	switch {
	case !d.begun:
		return true
	case d.syn:
		return d.isn == seq
	}
	first := d.at
	for _, c := range d.chunks {
		first = min(first, c.at)
	}
	before := first - d.offset(seq.Add(1))
	return before >= 0 && before <= maxOvertaken
}

// offset returns the offset of a sequence number, which is negative in front of the first octet that was captured.
func (d *Direction) offset(seq wire.Seq) int64 { return d.at + int64(int32(seq-d.next)) }

// segment adds the data of a segment.
func (d *Direction) segment(seq wire.Seq, flags wire.Flags, data []byte, octets *int) {
	if flags.Has(wire.SYN) {
		if len(d.chunks) == 0 {
			d.begun, d.next, d.at = true, seq.Add(1), 0
		} else if !d.syn {
			d.begin(d.offset(seq.Add(1)))
		}
		d.isn, d.syn = seq, true
		seq = seq.Add(1)
	}
	if flags.Has(wire.RST) {
		return // the octets of a reset, if any, are a reason in text (RFC 9293 §3.5.3)
	}
	if !d.begun {
		d.begun, d.next = true, seq
	}
	at := d.offset(seq)
	if n := int64(len(data)); n > 0 {
		d.add(at, data, octets)
		if at+n > d.at {
			d.at, d.next = at+n, seq.Add(len(data))
		}
	}
}

// begin makes offset 0 of what was offset at.
func (d *Direction) begin(at int64) {
	d.at -= at
	d.have = buf.Ranges{}
	for i := range d.chunks {
		c := &d.chunks[i]
		c.at -= at
		d.have.Add(c.at, c.at+int64(len(c.data)))
	}
}

// add keeps those octets of data, which begins at offset at, that were not there before.
func (d *Direction) add(at int64, data []byte, octets *int) {
	if d.syn && at < 0 {
		data, at = data[min(-at, int64(len(data))):], 0
	}
	for len(data) > 0 {
		end := at + int64(len(data))
		r, overlaps := d.have.Overlap(at, end)
		n := int64(len(data))
		if overlaps {
			n = r.Lo - at
		}
		if n > 0 {
			if d.have.Len() >= maxRanges && !d.have.Touches(at, at+n) {
				return
			}
			d.chunks = append(d.chunks, chunk{at, data[:n:n]})
			d.have.Add(at, at+n)
			*octets += int(n)
		}
		if !overlaps || r.Hi >= end {
			return
		}
		data, at = data[r.Hi-at:], r.Hi
	}
}

// Data returns the octets of the direction in their order, and the gaps between them. Octets before the first one that was captured are no gap,
// unless the SYN was seen.
func (d *Direction) Data() (data []byte, gaps []Gap) {
	chunks := slices.Clone(d.chunks)
	slices.SortFunc(chunks, func(a, b chunk) int { return cmp.Compare(a.at, b.at) })
	at := int64(0)
	if !d.syn && len(chunks) > 0 {
		at = chunks[0].at
	}
	for _, c := range chunks {
		if c.at > at {
			gaps = append(gaps, Gap{len(data), int(c.at - at)})
		}
		data = append(data, c.data...)
		at = c.at + int64(len(c.data))
	}
	return data, gaps
}
