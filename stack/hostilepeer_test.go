package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// talk is one TCP connection as the peer sees it, from the frames that the host sends.
type talk struct {
	iface         *Iface
	local, remote netip.AddrPort // the host's end first
	una, nxt      wire.Seq       // the host's sequence numbers: SND.UNA and SND.NXT, as far as the peer knows
	ours, theirs  wire.Seq       // the peer's sequence numbers: the next to send in order, and the next that the host expects
	window        int            // the host's receive window, in octets
	scale         uint8          // shift of the host's window
	stamp         uint32         // the host's last timestamp
	clock         uint32         // the peer's timestamp clock
	stamps, sack  bool           // true if the option was agreed on, or offered by the host
}

// headerLen returns the length of the IP header of the talk's packets.
func (t *talk) headerLen() int { return familyOf(t.local.Addr()).headerLen() }

// numTalks is the number of connections that the peer remembers.
const numTalks = 16

// peer plays every station that the host can reach. Its switches decide how far it follows the RFCs, and it sends any
// packet that an op demands.
type peer struct {
	talks   [numTalks]talk
	n       int // number of talks that the peer has begun
	quirks  int // bits that choose the options that the peer sends in handshakes; see offer
	mute    bool
	still   bool // true if the peer does not answer ARP requests
	rude    bool // true if the peer does not answer SYNs
	cross   bool // true if the peer answers a SYN with its own SYN
	acks    bool // true if the peer acknowledges received segments
	last    [200]byte
	lastN   int
	forged  [wire.IPv4Len + wire.UDPLen]byte
	forged6 [wire.IPv6Len + wire.UDPLen]byte
	from    *Iface // the interface of the last packet
}

// hear handles a frame that the host has sent.
func (p *peer) hear(r *rig, i *Iface, f *phy.Frame) {
	if p.mute {
		return
	}
	b := f.Bytes()
	if i.caps.Medium == phy.MediumEthernet {
		eth, rest, err := wire.ParseEthernet(b)
		if err != nil {
			return // a frame socket may send anything
		}
		if eth.Type == wire.EtherTypeARP && !p.still {
			p.hearARP(r, i, rest)
		}
		if eth.Type != wire.EtherTypeIPv4 && eth.Type != wire.EtherTypeIPv6 || len(rest) == 0 {
			return
		}
		b = rest
	}
	p.lastN, p.from = copy(p.last[:], b), i
	if versionOf(b) == ipv6 {
		p.hear6(r, i, b)
		return
	}
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil || ip.Protocol != wire.ProtocolTCP || ip.IsFragment() || ip.TTL != replyTTL {
		return // a packet that the host only forwards
	}
	if s, text, err := wire.ParseTCP(payload); err == nil {
		p.hearTCP(r, i, ip.Src, ip.Dst, &s, len(text))
	}
}

func (p *peer) hearARP(r *rig, i *Iface, b []byte) {
	q, err := wire.ParseARP(b)
	if err != nil || q.Op != wire.ARPRequest || q.TargetIP == q.SenderIP {
		return
	}
	for k, a := range hostileStations {
		if a == q.TargetIP {
			mac := stationMAC(k)
			r.putARP(i.mac, wire.ARP{Op: wire.ARPReply, SenderHW: mac, SenderIP: a, TargetHW: i.mac, TargetIP: q.SenderIP}, mac)
			r.receive(i)
		}
	}
}

func stationMAC(k int) wire.HardwareAddr { return wire.HardwareAddr{2, 0, 0, 0, 0, byte(1 + 2*(k%2))} }

// find returns the talk of a segment from the host. A new talk replaces the oldest.
func (p *peer) find(i *Iface, src, dst netip.Addr, s *wire.TCP) *talk {
	local, remote := netip.AddrPortFrom(src, s.SrcPort), netip.AddrPortFrom(dst, s.DstPort)
	for k := range p.talks {
		if t := &p.talks[k]; t.local == local && t.remote == remote {
			return t
		}
	}
	t := &p.talks[p.n%numTalks]
	p.n++
	*t = talk{iface: i, local: local, remote: remote, una: s.Seq, nxt: s.Seq, ours: wire.Seq(binary.BigEndian.Uint32([]byte{byte(p.n), 255, 255, 0}))}
	return t
}

// hearTCP updates the talk from the host's segment, and answers it if the switches demand it.
func (p *peer) hearTCP(r *rig, i *Iface, src, dst netip.Addr, s *wire.TCP, text int) {
	t := p.find(i, src, dst, s)
	t.iface = i
	end := s.Seq.Add(text)
	if s.Flags&(wire.SYN|wire.FIN) != 0 {
		end = end.Add(1)
	}
	if s.Flags.Has(wire.SYN) {
		if t.nxt != end {
			t.una, t.nxt = s.Seq, s.Seq
		}
		t.sack, t.scale = s.Options.SACKPermitted && p.quirks&1 == 0, s.Options.WindowScale
		t.stamps = s.Options.HasTimestamps && p.quirks&2 == 0
	}
	if t.nxt.Less(end) {
		t.nxt = end
	}
	if s.Flags.Has(wire.ACK) {
		t.theirs = s.Ack
	}
	if t.window = int(s.Window); !s.Flags.Has(wire.SYN) {
		t.window <<= t.scale
	}
	if s.Options.HasTimestamps {
		t.stamp = s.Options.TSVal
	}
	switch {
	case s.Flags.Has(wire.RST) || p.rude:
	case s.Flags.Has(wire.SYN | wire.ACK):
		r.sendTCP(t, wire.ACK, t.ours, t.nxt, 65535, p.stampOf(t), 0)
		t.una = t.nxt
	case s.Flags.Has(wire.SYN) && p.cross && t.una == s.Seq: // both ends open at the same time
		r.sendTCP(t, wire.SYN, t.ours, 0, 65535, p.offer(t), 0)
		t.ours, t.una = t.ours.Add(1), t.nxt
	case s.Flags.Has(wire.SYN):
		r.sendTCP(t, wire.SYN|wire.ACK, t.ours, t.nxt, 65535, p.offer(t), 0)
		t.ours, t.una = t.ours.Add(1), t.nxt
	case p.acks && s.Seq != t.nxt.Add(-text) && s.Seq.Less(t.una):
	case p.acks && end != s.Seq:
		r.sendTCP(t, wire.ACK, t.theirs, t.nxt, 65535, p.stampOf(t), 0)
		t.una = t.nxt
	}
}

// offer returns the options of the peer's SYN or SYN-ACK. Bits of quirks leave out SACK, timestamps and window scaling, and choose
// the segment size.
func (p *peer) offer(t *talk) (o wire.TCPOptions) {
	o.SACKPermitted = p.quirks&1 == 0
	if p.quirks&2 == 0 {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, t.clock, t.stamp
	}
	if p.quirks&4 == 0 {
		o.HasWindowScale, o.WindowScale = true, uint8(p.quirks>>5)
	}
	o.MSS = [...]uint16{1460, 0, 1, 48, 536, 8960, 65535, 40}[p.quirks>>3&7]
	return o
}

func (p *peer) stampOf(t *talk) (o wire.TCPOptions) {
	if t.stamps {
		t.clock++
		o.HasTimestamps, o.TSVal, o.TSEcr = true, t.clock, t.stamp
	}
	return o
}

// choose returns one of the talks, nil before the first.
func (p *peer) choose(d *decisions) *talk {
	n := min(p.n, numTalks)
	if n == 0 {
		return nil
	}
	b := d.byte()
	if b < 128 { // the newest
		return &p.talks[(p.n-1)%numTalks]
	}
	return &p.talks[b%n]
}
