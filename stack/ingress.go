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
		if v == dropped(drop.UnknownEtherType) || v == dropped(drop.IPv6Unsupported) {
			v = c.verdictOr(v, 0)
		}
	default:
		v = h.receiveIP(now, i, f, f.Bytes(), false)
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

// receiveEthernet accepts frames to the interface's own address, to the broadcast address, and to IPv4 multicast
// addresses. receiveIP later checks whether the host has joined the multicast group.
func (h *Host) receiveEthernet(now clock.Instant, i *Iface, f *phy.Frame) Verdict {
	eth, payload, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		return dropped(drop.Of(err))
	}
	if eth.Src.IsGroup() {
		return dropped(drop.BadSourceMAC)
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
		return h.receiveIP(now, i, f, payload, group)
	case wire.EtherTypeIPv6:
		return dropped(drop.IPv6Unsupported)
	}
	return dropped(drop.UnknownEtherType)
}

// receiveIP processes an IP packet. group is true if the frame was sent to a link-layer broadcast or group address.
func (h *Host) receiveIP(now clock.Instant, i *Iface, f *phy.Frame, b []byte, group bool) Verdict {
	if len(b) > 0 && b[0]>>4 == 6 && i.caps.Medium != phy.MediumEthernet {
		return dropped(drop.IPv6Unsupported)
	}
	h.count(mib.IPInReceives)
	p := &packet{frame: f, iface: i}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(b); err != nil {
		h.count(mib.IPInHdrErrors)
		return dropped(drop.Of(err))
	}
	if p.ip.ECN() == wire.CE {
		h.count(mib.IPExtInCEPkts)
	}
	p.octets = b[:p.ip.HeaderLen+p.ip.PayloadLen]
	if len(p.octets) > i.mru() && f.Offload.GSOSize == 0 {
		h.count(mib.IPInDiscards)
		return dropped(drop.TooLong)
	}
	p.trusted = f.Offload.CsumValid || f.Offload.NeedsCsum
	if p.conn = h.sockets.fastPathConn(p, group); p.conn != nil {
		return h.deliver(now, p)
	}
	if r := h.checkAddresses(p, group); r == drop.NotForUs && h.net.forwarding && !group {
		return h.forward(now, p)
	} else if r != drop.None {
		if r != drop.MulticastUnknown {
			h.count(mib.IPInAddrErrors)
		}
		return dropped(r)
	}
	if p.ip.HeaderLen > wire.IPv4Len {
		if v, ok := h.receiveOptions(now, p, false); !ok {
			return v
		}
	}
	if p.ip.IsFragment() {
		return h.receiveFragment(now, p)
	}
	return h.deliver(now, p)
}
