package handheld

import (
	"net/netip"

	"smolsh/stack/packet"
)

// Belongs reports whether a packet is a segment of the end's connection. A passive end that has no peer yet has one in each SYN for its port.
func (e *TCP) Belongs(p *packet.Packet) bool {
	from, to, ok := Ends(p)
	if !ok || to.Port() != e.Local.Port() || e.Local.Addr().IsValid() && to.Addr() != e.Local.Addr() {
		return false
	}
	if !e.Remote.IsValid() {
		n, _ := number(p, "flags")
		return n&(SYN|ACK|RST) == SYN
	}
	return from.Port() == e.Remote.Port() && from.Addr() == e.Remote.Addr().WithZone("")
}

// Ends returns the addresses and ports of a segment whose TCP layer is directly in an IP packet, possibly with extension headers. ok is false for another packet.
func Ends(p *packet.Packet) (from, to netip.AddrPort, ok bool) {
	src, dst, l, ok := p.OuterEnds()
	if !ok || l.Protocol != packet.TCP {
		return from, to, false // also in a tunnel
	}
	sport, ok1 := l.Uint(packet.TCP.MustField("sport"))
	dport, ok2 := l.Uint(packet.TCP.MustField("dport"))
	return netip.AddrPortFrom(src, uint16(sport)), netip.AddrPortFrom(dst, uint16(dport)), ok1 && ok2
}

// number returns a number of a packet's TCP layer.
func number(p *packet.Packet, name string) (uint64, bool) {
	l, ok := p.Layer(packet.TCP)
	if !ok {
		return 0, false
	}
	return l.Uint(packet.TCP.MustField(name))
}

// A Received is a segment that has arrived, with the numbers that the end gives it.
type Received struct {
	Flags    uint64
	Seq, Ack int64 // relative: Seq to IRS, Ack to ISS; the first octet of data has 1
	Window   int   // octets, scaled if both ends have agreed on it and the segment is no SYN
	Data     []byte
	HasAck   bool
}

// Receive reads a segment of the connection (Belongs) and moves the numbers: RcvNxt over its data, SYN and FIN, and over what has arrived beyond it before; SndUna
// over what it acknowledges; the peer's window and options. A reset moves nothing. It judges no number by the window, because a script does that.
func (e *TCP) Receive(p *packet.Packet) Received {
	var r Received
	l, ok := p.Layer(packet.TCP)
	if !ok {
		return r
	}
	r.Flags, _ = number(p, "flags")
	seq64, _ := number(p, "seq")
	ack64, _ := number(p, "ack")
	window, _ := number(p, "window")
	seq, ack := uint32(seq64), uint32(ack64)
	r.Data, r.HasAck, r.Window = l.Payload(), r.Flags&ACK != 0, int(window)
	if r.Flags&SYN != 0 && r.Flags&RST == 0 && !e.Synced {
		e.synced(p, l, seq)
	}
	if r.Flags&SYN == 0 && e.scaled() {
		r.Window <<= min(e.peer.WScale, 14)
	}
	if e.Synced {
		r.Seq = e.RelativeTheirs(seq)
	}
	if r.HasAck {
		r.Ack = e.Relative(ack)
	}
	if r.Flags&RST != 0 {
		return r
	}
	if v, ok := l.Value(packet.TCP.MustField("tsval")).(uint64); ok && e.Synced && !less(e.RcvNxt, seq) {
		e.tsRecent = uint32(v)
	}
	if r.HasAck && less(e.SndUna, ack) && !less(e.sndMax, ack) {
		e.SndUna = ack
	}
	e.SndWnd = r.Window
	if s := (Segment{Flags: r.Flags, Data: r.Data}); e.Synced && s.length() > 0 {
		e.RcvNxt, e.got = cover(e.RcvNxt, span{seq, seq + s.length()}, e.got)
	}
	return r
}

// synced reads the peer's first SYN: its number, its options, and, of a passive end, who sent it.
func (e *TCP) synced(p *packet.Packet, l packet.Layer, seq uint32) {
	e.Synced, e.IRS, e.RcvNxt = true, seq, seq
	if from, to, ok := Ends(p); ok && !e.Remote.IsValid() {
		e.Remote, e.Local = from, to
	}
	if v, ok := l.Value(packet.TCP.MustField("mss")).(uint64); ok {
		e.peer.MSS = int(v)
	}
	if v, ok := l.Value(packet.TCP.MustField("wscale")).(uint64); ok {
		e.peer.WScale = min(int(v), 14) // RFC 7323 §2.3
	}
	e.peer.SACKOK, _ = l.Value(packet.TCP.MustField("sack_ok")).(bool)
	_, e.peer.TS = l.Value(packet.TCP.MustField("tsval")).(uint64)
}

// Relative returns the distance of one of this end's numbers from ISS.
func (e *TCP) Relative(n uint32) int64 { return distance(n, e.ISS) }

// RelativeTheirs returns the distance of one of the peer's numbers from IRS, 0 before its SYN.
func (e *TCP) RelativeTheirs(n uint32) int64 {
	if !e.Synced {
		return 0
	}
	return distance(n, e.IRS)
}

// distance returns n - base: a number before base is negative, if it is nearer to base that way than by a quarter of the sequence space.
func distance(n, base uint32) int64 {
	d := n - base
	if d >= 3<<30 {
		return int64(d) - 1<<32
	}
	return int64(d)
}

// PeerMSS returns the MSS that the peer's SYN has, 0 without one.
func (e *TCP) PeerMSS() int { return e.peer.MSS }
