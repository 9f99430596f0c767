package stack

import (
	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// Receive processes one arriving frame. The caller keeps the frame and recycles it afterwards. Observers are called with the
// verdict before Receive returns.
func (h *Host) Receive(now clock.Instant, i *Iface, f *phy.Frame) Verdict {
	v := dropped(drop.InterfaceDown)
	switch {
	case !i.up:
	case i.caps.Medium == phy.MediumEthernet:
		var c copies
		if len(h.sockets.frames) > 0 {
			c = h.sockets.copyToFrames(now, i, f)
		}
		v = h.receiveEthernet(now, i, f)
		if v == dropped(drop.UnknownEtherType) || v == dropped(drop.IPv6Off) {
			v = c.verdictOr(v, 0)
		}
	default:
		v = h.receiveIP(now, i, f, f.Bytes())
	}
	h.account(now, i, f, v)
	return v
}

// FrameDroppedBeforeStack counts an arriving frame that a fault rule or the link dropped, and reports it to observers.
func (h *Host) FrameDroppedBeforeStack(now clock.Instant, i *Iface, f *phy.Frame, r drop.Reason) Verdict {
	v := dropped(r)
	h.account(now, i, f, v)
	return v
}

// account counts an arriving frame and its verdict, and reports both to observers. No other function counts arriving
// frames.
func (h *Host) account(now clock.Instant, i *Iface, f *phy.Frame, v Verdict) {
	i.stats.rxPackets++
	i.stats.rxBytes += uint64(f.Len())
	h.stats.verdicts[v.Kind]++
	if v.Reason != drop.None {
		i.stats.rxDropped++
		d := &h.stats.drops[v.Reason]
		if v.Kind == Answered {
			d.answered++
		} else {
			d.rx++
		}
		d.record(now, i.caps.Medium, f.Bytes())
		h.raiseDrop(now, i, RX, i.caps.Medium, f.Bytes(), v.Reason)
	}
	h.raiseNeighbors(now)
	h.observe(now, i, RX, f, v)
}

// receiveEthernet accepts frames to the interface's own address, to the broadcast address, and to multicast
// addresses of IP. receiveIP later checks whether the host has joined the multicast group.
func (h *Host) receiveEthernet(now clock.Instant, i *Iface, f *phy.Frame) Verdict {
	eth, payload, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		return dropped(drop.Of(err))
	}
	if eth.Src.IsGroup() {
		return dropped(drop.BadSourceMAC)
	}
	if i.shared && eth.Src == i.mac {
		return Verdict{Kind: Overheard, Kernel: true} // a frame that the kernel has sent
	}
	group, ipv6Group := eth.Dst.IsGroup(), eth.Dst[0] == 0x33 && eth.Dst[1] == 0x33 // RFC 2464 §7
	if group {
		ipv4Group := eth.Dst[0] == 0x01 && eth.Dst[1] == 0x00 && eth.Dst[2] == 0x5e && eth.Dst[3] < 0x80
		if eth.Dst != wire.Broadcast && !ipv4Group && !ipv6Group {
			return dropped(drop.UnknownMAC)
		}
	} else if eth.Dst != i.mac {
		return dropped(drop.UnknownMAC)
	}
	if payload, err = eth.SkipPriorityTags(payload); err != nil {
		return dropped(drop.Of(err))
	}
	if ipv6Group && eth.Type != wire.EtherTypeIPv6 {
		return dropped(drop.UnknownMAC)
	}
	switch eth.Type {
	case wire.EtherTypeARP:
		return h.receiveARP(now, i, eth.Src, payload)
	case wire.EtherTypeIPv4:
		return h.receiveIPv4(now, i, f, payload, group)
	case wire.EtherTypeIPv6:
		return h.receiveIPv6(now, i, f, payload, group)
	}
	return dropped(drop.UnknownEtherType)
}

// receiveIP processes a packet without a link header.
func (h *Host) receiveIP(now clock.Instant, i *Iface, f *phy.Frame, b []byte) Verdict {
	if len(b) > 0 && versionOf(b) == ipv6 {
		return h.receiveIPv6(now, i, f, b, false)
	}
	return h.receiveIPv4(now, i, f, b, false)
}

// receiveHeader parses the header of a packet of p's family, and counts the packet. It returns the reason for a drop.
func (h *Host) receiveHeader(p *packet, b []byte) drop.Reason {
	h.countIP(p.family, mib.IPInReceives)
	if err := p.parse(b); err != nil {
		h.countIP(p.family, mib.IPInHdrErrors)
		return drop.Of(err)
	}
	if p.ecn() == wire.CE {
		h.countIP(p.family, mib.IPExtInCEPkts)
	}
	if len(p.octets) > p.iface.mru() && p.frame.Offload.GSOSize == 0 {
		h.countIP(p.family, mib.IPInDiscards)
		return drop.TooLong
	}
	p.trusted = p.frame.Offload.CsumValid || p.frame.Offload.NeedsCsum
	return drop.None
}

// receiveIPv4 processes an IPv4 packet. group is true if the frame was sent to a link-layer broadcast or group address.
func (h *Host) receiveIPv4(now clock.Instant, i *Iface, f *phy.Frame, b []byte, group bool) Verdict {
	p := &packet{frame: f, iface: i}
	if r := h.receiveHeader(p, b); r != drop.None {
		return dropped(r)
	}
	if p.conn = h.sockets.fastPathConn(p, group); p.conn != nil {
		return h.deliver(now, p)
	}
	switch r := h.checkIPv4Addresses(p, group); {
	case i.shared && (r == drop.NotForUs || r == drop.MulticastUnknown):
		return h.leaveToKernel(p)
	case r == drop.NotForUs && h.net.forwarding && !group:
		return h.forward(now, p)
	case r == drop.MulticastUnknown:
		return h.receiveUnknownGroup(p)
	case r != drop.None:
		h.count(mib.IPInAddrErrors)
		return dropped(r)
	}
	if p.headerLen > wire.IPv4Len {
		if v, ok := h.receiveOptions(now, p, false); !ok {
			return v
		}
	}
	if p.fragment.isFragment() {
		return h.receiveFragment(now, p)
	}
	return h.deliver(now, p)
}
