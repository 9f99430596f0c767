package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// Addresses of the neighbours in the tests of neighbour discovery.
var (
	llA     = netip.MustParseAddr("fe80::a") // a router's, or a host's
	llC     = netip.MustParseAddr("fe80::c") // another router's
	distant = netip.MustParseAddr("2001:db8::1")
)

// ndRig is host B with the interface eth0, whose peer is the test.
type ndRig struct {
	t    testing.TB
	n    *network
	h    *Host
	i    *Iface
	ll   netip.Addr // B's link-local address, without its zone
	sent []string   // "time message" of each IPv6 packet that B has sent, as ndText writes it
	raw  [][]byte   // the frames
}

// newNDRig returns a rig whose host speaks IPv6 from now on.
func newNDRig(t testing.TB, addrs ...string) *ndRig {
	n := newNetwork(t)
	h := n.bare(Config{Name: "b", Seed: 2})
	r := &ndRig{t: t, n: n, h: h}
	h.Observe(func(ev *PacketEvent) {
		if ev.Dir == TX && !ev.Iface.hidden {
			r.raw = append(r.raw, slices.Clone(ev.Frame.Bytes()))
			r.sent = append(r.sent, fmt.Sprintf("%v %s", time.Duration(ev.Now).Round(time.Millisecond), ndText(ev.Frame.Bytes())))
		}
	})
	cfg := IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, IPv6: true}
	for _, a := range addrs {
		cfg.Addrs = append(cfg.Addrs, netip.MustParsePrefix(a))
	}
	r.i = h.AddIface(0, cfg)
	return r
}

// settled returns a rig whose host has its link-local address and has stopped asking for routers.
func settled(t testing.TB, addrs ...string) *ndRig {
	r := newNDRig(t, addrs...)
	r.n.run(20 * time.Second)
	r.ll = r.i.LinkLocal().WithZone("")
	if !r.ll.IsValid() {
		t.Fatal("no link-local address")
	}
	r.take()
	return r
}

// take returns what B has sent since the last call, without the times.
func (r *ndRig) take() []string {
	r.n.pump()
	list := make([]string, len(r.sent))
	for k, s := range r.sent {
		_, list[k], _ = strings.Cut(s, " ")
	}
	r.sent, r.raw = nil, nil
	return list
}

// timed is take with the times.
func (r *ndRig) timed() []string {
	r.n.pump()
	list := r.sent
	r.sent, r.raw = nil, nil
	return list
}

// receive passes a frame to B and checks its verdict.
func (r *ndRig) receive(f *phy.Frame, want string) {
	r.t.Helper()
	if v := r.h.Receive(r.n.now, r.i, f); v.String() != want {
		r.t.Errorf("verdict %q, want %q", v, want)
	}
}

// wantSent checks what B has sent since the last call.
func (r *ndRig) wantSent(want ...string) {
	r.t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		r.t.Errorf("sent\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantNeighbor checks the state, hardware address and router flag of a neighbour: "STALE 02:00:00:00:00:01 router",
// "FAILED", "" for none.
func (r *ndRig) wantNeighbor(a netip.Addr, want string) {
	r.t.Helper()
	got := ""
	if e := r.i.neigh[ipv6].Get(r.i.scoped(a)); e != nil {
		if got = e.State.String(); e.Usable() {
			got += " " + e.HW.String()
		}
		if e.Router {
			got += " router"
		}
	}
	if got != want {
		r.t.Errorf("neighbour %v: %q, want %q", a, got, want)
	}
}

// ndMessage is a message of neighbour discovery or MLD that a test sends to B. The zero values of hop and from are 255 and station A.
type ndMessage struct {
	src, dst netip.Addr
	put      func(b []byte, src, dst netip.Addr) int // writes the fixed part and the checksum
	size     int                                     // of the fixed part
	options  []byte
	hop      uint8
	from     wire.HardwareAddr
	change   func(icmp []byte) // made before the checksum is right again
}

func (m ndMessage) frame() *phy.Frame {
	icmp := append(make([]byte, m.size), m.options...)
	m.put(icmp, m.src, m.dst)
	if m.change != nil {
		m.change(icmp)
		icmp[2], icmp[3] = 0, 0
		ndChecksum(icmp, m.src, m.dst)
	}
	return ndFrame(m.from, m.src, m.dst, m.hop, icmp)
}

// ndChecksum writes the checksum of an ICMPv6 message whose checksum field is zero.
func ndChecksum(icmp []byte, src, dst netip.Addr) {
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 0, byte(len(icmp)>>8), byte(len(icmp)), 0, 0, 0, byte(wire.ProtocolICMPv6))
	binary.BigEndian.PutUint16(icmp[2:], wire.Checksum(append(pseudo, icmp...)))
}

// ndFrame returns a frame with an ICMPv6 message to B or to a group.
func ndFrame(from wire.HardwareAddr, src, dst netip.Addr, hop uint8, icmp []byte) *phy.Frame {
	if from.IsZero() {
		from = macA
	}
	if hop == 0 {
		hop = 255
	}
	b := make([]byte, wire.IPv6Len+len(icmp))
	h := wire.IPv6{HopLimit: hop, NextHeader: wire.ProtocolICMPv6, Src: src, Dst: dst, PayloadLen: len(icmp)}
	h.Put(b)
	copy(b[wire.IPv6Len:], icmp)
	to := macB
	if dst.IsMulticast() {
		to = wire.GroupMAC(dst)
	}
	return crafted{to, from, wire.EtherTypeIPv6, b}.frame()
}

func solicitation(src, dst, target netip.Addr, options ...[]byte) ndMessage {
	m := wire.NeighborSolicitation{Target: target}
	return ndMessage{src: src, dst: dst, put: m.Put, size: wire.NeighborMessageLen, options: slices.Concat(options...)}
}

// advertisement returns a neighbour advertisement whose flags are among the letters R, S and O.
func advertisement(src, dst, target netip.Addr, flags string, options ...[]byte) ndMessage {
	m := wire.NeighborAdvertisement{
		Router: strings.Contains(flags, "R"), Solicited: strings.Contains(flags, "S"), Override: strings.Contains(flags, "O"), Target: target,
	}
	return ndMessage{src: src, dst: dst, put: m.Put, size: wire.NeighborMessageLen, options: slices.Concat(options...)}
}

func routerSolicitation(src netip.Addr, options ...[]byte) ndMessage {
	return ndMessage{src: src, dst: wire.AllRouters6, put: wire.PutRouterSolicitation, size: wire.RouterSolicitationLen, options: slices.Concat(options...)}
}

func routerAdvertisement(src netip.Addr, m wire.RouterAdvertisement, options ...[]byte) ndMessage {
	return ndMessage{src: src, dst: wire.AllNodes6, put: m.Put, size: wire.RouterAdvertisementLen, options: slices.Concat(options...)}
}

func redirectTo(src, dst, target, dest netip.Addr, options ...[]byte) ndMessage {
	m := wire.Redirect{Target: target, Dest: dest}
	return ndMessage{src: src, dst: dst, put: m.Put, size: wire.RedirectLen, options: slices.Concat(options...)}
}

// sourceLink and targetLink return the options with a hardware address.
func sourceLink(hw wire.HardwareAddr) []byte {
	b := make([]byte, wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(b, wire.NDSourceLinkAddr, hw)
	return b
}

func targetLink(hw wire.HardwareAddr) []byte {
	b := sourceLink(hw)
	b[0] = byte(wire.NDTargetLinkAddr)
	return b
}

// prefixOption returns a prefix information option with the flags L and A, and lifetimes in seconds.
func prefixOption(prefix string, flags string, valid, preferred uint32) []byte {
	p := wire.PrefixInfo{
		Prefix: netip.MustParsePrefix(prefix), OnLink: strings.Contains(flags, "L"), Autonomous: strings.Contains(flags, "A"),
		ValidLifetime: valid, Preferred: preferred,
	}
	b := make([]byte, wire.NDPrefixLen)
	p.Put(b)
	return b
}

func mtuOption(mtu uint32) []byte {
	b := make([]byte, wire.NDMTULen)
	wire.PutNDMTU(b, mtu)
	return b
}

// ndText returns a line for a frame: "NS fd00::1 <- fd00::2 to ff02::1:ff00:1 src=02:…", with the options and, for other protocols,
// only source and destination. An IPv4 frame is "v4".
func ndText(frame []byte) string {
	eth, b, err := wire.ParseEthernet(frame)
	if err != nil || eth.Type != wire.EtherTypeIPv6 {
		return "v4"
	}
	ip, payload, err := wire.ParseIPv6(b)
	if err != nil {
		return err.Error()
	}
	chain, upper, err := wire.WalkIPv6(&ip, payload)
	if err != nil {
		return err.Error()
	}
	ends := fmt.Sprintf(" <- %v to %v", ip.Src, ip.Dst)
	if chain.Protocol != wire.ProtocolICMPv6 {
		return fmt.Sprintf("%v%s", chain.Protocol, ends)
	}
	switch wire.ICMPv6Type(upper[0]) {
	case wire.ICMPv6NeighborSolicitation:
		m, o, err := wire.ParseNeighborSolicitation(&ip, upper, true)
		return fmt.Sprint("NS ", m.Target, ends, ndOptionText(o), errText(err))
	case wire.ICMPv6NeighborAdvertisement:
		m, o, err := wire.ParseNeighborAdvertisement(&ip, upper, true)
		return fmt.Sprint("NA ", m.Target, flagText(m.Router, " R"), flagText(m.Solicited, " S"), flagText(m.Override, " O"), ends, ndOptionText(o), errText(err))
	case wire.ICMPv6RouterSolicitation:
		o, err := wire.ParseRouterSolicitation(&ip, upper, true)
		return fmt.Sprint("RS", ends, ndOptionText(o), errText(err))
	case wire.ICMPv6RouterAdvertisement:
		m, o, err := wire.ParseRouterAdvertisement(&ip, upper, true)
		return fmt.Sprint("RA lifetime=", m.RouterLifetime, ends, ndOptionText(o), errText(err))
	case wire.ICMPv6Redirect:
		m, o, err := wire.ParseRedirect(&ip, upper, true)
		return fmt.Sprint("Redirect ", m.Dest, " by ", m.Target, ends, ndOptionText(o), errText(err))
	case wire.ICMPv6ListenerReportVersion2:
		records, err := wire.ParseMLDv2Report(&ip, &chain, upper, true)
		text := "MLD"
		for rec, rest, more := records.Next(); more; rec, rest, more = rest.Next() {
			text += fmt.Sprintf(" %d:%v", rec.Type, rec.Group)
		}
		return fmt.Sprint(text, " <- ", ip.Src, errText(err))
	case wire.ICMPv6ListenerReport, wire.ICMPv6ListenerDone:
		group, err := wire.ParseMLDReport(&ip, &chain, upper, true)
		return fmt.Sprintf("MLDv1 %d %v%s%s", upper[0], group, ends, errText(err))
	}
	return fmt.Sprintf("ICMPv6 %d.%d%s", upper[0], upper[1], ends)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return " bad: " + err.Error()
}

func flagText(set bool, letter string) string {
	if set {
		return letter
	}
	return ""
}

// ndOptionText returns the options of a message. A nonce is not written, because it is random.
func ndOptionText(o wire.NDOptions) (text string) {
	for x, rest, more := o.Next(); more; x, rest, more = rest.Next() {
		switch x.Type {
		case wire.NDSourceLinkAddr:
			hw, _ := x.LinkAddr()
			text += fmt.Sprintf(" src=%v", hw)
		case wire.NDTargetLinkAddr:
			hw, _ := x.LinkAddr()
			text += fmt.Sprintf(" tgt=%v", hw)
		case wire.NDNonce:
			text += " nonce"
		case wire.NDMTU:
			mtu, _ := x.MTU()
			text += fmt.Sprintf(" mtu=%d", mtu)
		case wire.NDPrefix:
			p, _ := x.PrefixInfo()
			text += fmt.Sprintf(" %v%s%s %d/%d", p.Prefix, flagText(p.OnLink, " L"), flagText(p.Autonomous, " A"), p.ValidLifetime, p.Preferred)
		case wire.NDDNSServers:
			list, lifetime, _ := x.DNSServers()
			text += fmt.Sprintf(" dns=%v %d", list.At(0), lifetime)
		case wire.NDRedirected:
			text += fmt.Sprintf(" quote=%d", len(x.Data)-6)
		default:
			text += fmt.Sprintf(" option%d", x.Type)
		}
	}
	return text
}

// crafted6 returns the frame of a message to the station hw or to a group.
func crafted6(hw wire.HardwareAddr, m ndMessage) *phy.Frame {
	f := m.frame()
	if !m.dst.IsMulticast() {
		copy(f.Bytes(), hw[:])
	}
	return f
}
