package stack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var group = netip.MustParseAddr("239.1.2.3")

func toGroup(g netip.Addr, packet []byte) *phy.Frame {
	return crafted{wire.GroupMAC(g), macA, wire.EtherTypeIPv4, packet}.frame()
}

func igmpFrame(src, dst netip.Addr, m wire.IGMP) *phy.Frame {
	b := make([]byte, wire.IGMPLen)
	m.Put(b)
	return toGroup(dst, ipPacket(wire.ProtocolIGMP, src, dst, b, func(h *wire.IPv4) { h.TTL = 1 }))
}

func query(g netip.Addr, tenths uint8) *phy.Frame {
	dst := g
	if g.IsUnspecified() {
		dst = wire.AllHosts
	}
	return igmpFrame(ipA, dst, wire.IGMP{Type: wire.IGMPQuery, MaxResp: tenths, Group: g})
}

// igmpSent returns the IGMP messages among the frames that h has for i, each as "destination: message". It checks the header
// fields that all of them share.
func igmpSent(t *testing.T, h *Host, now clock.Instant, i *Iface) (sent []string) {
	t.Helper()
	for _, f := range drain(h, now, i) {
		eth, b, _ := wire.ParseEthernet(f.Bytes())
		ip, payload, err := wire.ParseIPv4(b)
		if err != nil || ip.Protocol != wire.ProtocolIGMP {
			continue
		}
		m, err := wire.ParseIGMP(payload)
		alert := bytes.Equal(b[20:ip.HeaderLen], []byte{0x94, 4, 0, 0})
		if err != nil || !alert || ip.TTL != 1 || ip.TOS != 0xc0 || eth.Dst != wire.GroupMAC(ip.Dst) || len(payload) != 8 {
			t.Errorf("not as an IGMP message is to be: %v, % x", err, f.Bytes())
		}
		sent = append(sent, fmt.Sprintf("%v > %v: %v", ip.Src, ip.Dst, &m))
	}
	return sent
}

func joined(t *testing.T, h *Host, now clock.Instant, at netip.AddrPort, groups ...netip.Addr) *UDPConn {
	t.Helper()
	u, err := h.BindUDP(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if err := u.Join(now, g); err != nil {
			t.Fatalf("joining %v: %v", g, err)
		}
	}
	return u
}

func wantSent(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: sent %q, want %q", what, got, want)
	}
}

const ourReport, ourLeave = "10.0.0.2 > 239.1.2.3: report 239.1.2.3", "10.0.0.2 > 224.0.0.2: leave 239.1.2.3"

// until ticks h at its deadlines and returns its IGMP messages, and the instant of the first.
func until(t *testing.T, h *Host, i *Iface, now, end clock.Instant) (first clock.Instant, sent []string) {
	t.Helper()
	for h.Deadline() <= end {
		now = max(now, h.Deadline())
		h.Tick(now)
		if s := igmpSent(t, h, now, i); s != nil {
			if sent == nil {
				first = now
			}
			sent = append(sent, s...)
		}
	}
	return first, sent
}

// TestIGMPJoinAndLeave: a join is reported at once and again within ten seconds; the last member to leave sends a leave
// (RFC 2236 §3).
func TestIGMPJoinAndLeave(t *testing.T) {
	h, i := lone(t)
	u := joined(t, h, 0, port(ipB, 5000), group)
	wantSent(t, "join", igmpSent(t, h, 0, i), ourReport)
	second := joined(t, h, 0, port(netip.Addr{}, 6000), group)
	wantSent(t, "second socket", igmpSent(t, h, 0, i))
	at, sent := until(t, h, i, 0, clock.Instant(time.Hour))
	wantSent(t, "afterwards", sent, ourReport)
	if at <= 0 || at > clock.Instant(10*time.Second) {
		t.Errorf("repeated at %v", at)
	}
	if got := second.Groups(); len(got) != 1 || got[0] != group {
		t.Errorf("the groups are %v", got)
	}
	if err := u.Leave(group); err != nil {
		t.Fatal(err)
	}
	wantSent(t, "first leaves", igmpSent(t, h, 0, i))
	second.Close()
	wantSent(t, "last closes", igmpSent(t, h, 0, i), ourLeave)
	if h.igmp.memberships != 0 || i.groups.list.len() != 0 || h.igmp.reports.Len() != 0 {
		t.Errorf("left over: %d memberships, %d groups, %d timers", h.igmp.memberships, i.groups.list.len(), h.igmp.reports.Len())
	}
	wantCounter(t, h, "IgmpOutReports", 2)
	wantCounter(t, h, "IgmpOutLeaves", 1)
	wantCounter(t, h, "IpOutMcastPkts", 3)
	all := joined(t, h, 0, port(ipB, 7000), wire.AllHosts)
	all.Close()
	wantSent(t, "224.0.0.1", igmpSent(t, h, 0, i))
}

func TestIGMPQueries(t *testing.T) {
	other := netip.MustParseAddr("239.9.9.9")
	any := netip.IPv4Unspecified()
	const otherReport = "10.0.0.2 > 239.9.9.9: report 239.9.9.9"
	settled := clock.Instant(20 * time.Second)
	sec := func(n int) clock.Instant { return settled.Add(time.Duration(n) * time.Second) }
	for _, c := range []struct {
		name   string
		frames []*phy.Frame
		within clock.Instant // latest instant of the first report
		want   []string      // the reports, in any order
	}{
		{"general", []*phy.Frame{query(any, 50)}, sec(5), []string{ourReport, otherReport}},
		{"group", []*phy.Frame{query(group, 10)}, sec(1), []string{ourReport}},
		{"sooner", []*phy.Frame{query(group, 255), query(group, 1)}, sec(1), []string{ourReport}},
		{"no later", []*phy.Frame{query(group, 1), query(group, 255)}, settled.Add(time.Second / 10), []string{ourReport}},
		{"a report to others", []*phy.Frame{query(group, 1), igmpFrame(ipC, wire.AllHosts, wire.IGMP{Type: wire.IGMPv2Report, Group: group})},
			sec(1), []string{ourReport}},
		{"without an address", []*phy.Frame{igmpFrame(any, wire.AllHosts, wire.IGMP{Type: wire.IGMPQuery, MaxResp: 10, Group: any})},
			sec(1), []string{ourReport, otherReport}},
		{"version 1", []*phy.Frame{query(any, 0)}, sec(10),
			[]string{"10.0.0.2 > 239.1.2.3: v1 report 239.1.2.3", "10.0.0.2 > 239.9.9.9: v1 report 239.9.9.9"}},
		{"suppressed", []*phy.Frame{query(any, 50), igmpFrame(ipC, group, wire.IGMP{Type: wire.IGMPv2Report, Group: group})},
			sec(5), []string{otherReport}},
		{"suppressed by version 1", []*phy.Frame{query(group, 50), igmpFrame(ipC, group, wire.IGMP{Type: wire.IGMPv1Report, Group: group})},
			0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, i := lone(t)
			joined(t, h, 0, port(ipB, 5000), group, other)
			until(t, h, i, 0, settled)
			drain(h, settled, i)
			for _, f := range c.frames {
				if v := h.Receive(settled, i, f); v.String() != "igmp" || v.Kind != Delivered {
					t.Errorf("verdict %q", v)
				}
			}
			at, sent := until(t, h, i, settled, clock.Instant(time.Hour))
			if len(sent) == 2 && sent[0] > sent[1] {
				sent[0], sent[1] = sent[1], sent[0]
			}
			wantSent(t, "answer", sent, c.want...)
			if at > c.within || c.want != nil && at <= settled {
				t.Errorf("answered at %v, want within %v", at, c.within)
			}
			if in, out := h.Conservation(); in != out {
				t.Errorf("%d frames in, %d accounted for", in, out)
			}
		})
	}
}

// TestIGMPSilentLeave: no leave is sent by a host that has heard another's report, or that knows a version 1 router
// (RFC 2236 §3, §4).
func TestIGMPSilentLeave(t *testing.T) {
	for name, f := range map[string]*phy.Frame{
		"not the last reporter": igmpFrame(ipC, group, wire.IGMP{Type: wire.IGMPv2Report, Group: group}),
		"version 1 router":      query(netip.IPv4Unspecified(), 0),
	} {
		h, i := lone(t)
		u := joined(t, h, 0, port(ipB, 5000), group)
		h.Receive(0, i, f)
		until(t, h, i, 0, clock.Instant(100*time.Second))
		drain(h, 0, i)
		u.Close()
		wantSent(t, name, igmpSent(t, h, 0, i))
	}
}

func TestIGMPVerdicts(t *testing.T) {
	off := netip.MustParseAddr("192.0.2.7")
	strange := netip.MustParseAddr("239.3.3.3")
	broken := query(netip.IPv4Unspecified(), 5)
	broken.Bytes()[len(broken.Bytes())-1]++
	for _, c := range []struct {
		f    *phy.Frame
		want string
	}{
		{query(netip.IPv4Unspecified(), 5), "igmp"},
		{igmpFrame(ipA, wire.AllHosts, wire.IGMP{Type: wire.IGMPQuery, MaxResp: 5, Group: strange}), "igmp"},
		{query(strange, 5), "dropped: multicast group not joined"},
		{igmpFrame(ipA, wire.AllRouters, wire.IGMP{Type: wire.IGMPLeave, Group: group}), "dropped: multicast group not joined"},
		{igmpFrame(off, group, wire.IGMP{Type: wire.IGMPv2Report, Group: group}), "dropped: martian source"},
		{igmpFrame(ipA, group, wire.IGMP{Type: 0x22, Group: group}), "dropped: bad type"},
		{broken, "dropped: bad checksum"},
		{toGroup(group, ipPacket(wire.ProtocolIGMP, ipA, group, make([]byte, 7), nil)), "dropped: truncated"},
		{igmpFrame(group, group, wire.IGMP{Type: wire.IGMPv2Report, Group: group}), "dropped: martian source"},
		{toGroup(group, udpPacket(port(ipA, 9), port(group, 5001), nil)), "dropped: no socket"},
		{toGroup(group, udpPacket(port(ipA, 9), port(group, 5000), nil)), "udp :5000"},
		{toGroup(group, udpPacket(port(group, 9), port(group, 5000), nil)), "dropped: martian source"},
		{toGroup(group, udpPacket(port(netip.IPv4Unspecified(), 9), port(group, 5000), nil)), "dropped: martian source"},
		{toGroup(group, tcpPacket(port(ipA, 9), port(group, 5000), wire.TCP{Flags: wire.SYN}, nil)), "dropped: martian destination"},
		{toGroup(group, icmpPacket(ipA, group, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)), "dropped: icmp to broadcast"},
		{toGroup(group, ipPacket(89, ipA, group, nil, nil)), "dropped: unknown protocol"},
		{toGroup(group, udpPacket(port(ipA, 9), port(ipB, 5000), nil)), "dropped: martian destination"},
		{toGroup(wire.AllHosts, udpPacket(port(ipA, 9), port(wire.AllHosts, 5000), nil)), "dropped: no socket"},
	} {
		h, i := lone(t)
		joined(t, h, 0, port(ipB, 5000), group)
		drain(h, 0, i)
		if v := h.Receive(0, i, c.f); v.String() != c.want {
			t.Errorf("% x: verdict %q, want %q", c.f.Bytes(), v, c.want)
		}
		if left := drain(h, 0, i); len(left) != 0 {
			t.Errorf("%s: it answered % x", c.want, left[0].Bytes())
		}
	}
}

func recvString(u *UDPConn) string {
	b := make([]byte, 100)
	n, _, err := u.Recv(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:max(n, 0)])
}

// TestMulticastBetweenHosts: every socket of the group and port gets a copy, also on the sender's own host; no other does.
func TestMulticastBetweenHosts(t *testing.T) {
	n, a, b := pair(t)
	ib := b.net.ifaces[1]
	if err := ib.AddAddr(0, netip.MustParsePrefix("10.0.0.22/24")); err != nil {
		t.Fatal(err)
	}
	first := joined(t, b, 0, port(ipB, 5000), group)
	second := joined(t, b, 0, port(netip.MustParseAddr("10.0.0.22"), 5000), group)
	outside := joined(t, b, 0, port(netip.Addr{}, 6000), group)
	own := joined(t, a, 0, port(netip.Addr{}, 5000), group)
	apart, _ := a.BindUDP(port(netip.Addr{}, 7000))
	if err := apart.Send(n.now, []byte("hi"), port(group, 5000)); err != nil {
		t.Fatal(err)
	}
	var ttl uint8
	n.hosts[0].Observe(func(ev *PacketEvent) {
		if ip, _, err := wire.ParseIPv4(ev.Frame.Bytes()[14:]); ev.Dir == TX && !ev.Iface.loop && err == nil && ip.Protocol == wire.ProtocolUDP {
			ttl = ip.TTL
		}
	})
	n.run(time.Second)
	if ttl != 1 {
		t.Errorf("sent with ttl %d, want 1", ttl)
	}
	for name, c := range map[string]struct {
		u    *UDPConn
		want string
	}{"first": {first, "hi"}, "second": {second, "hi"}, "another port": {outside, ""}, "sender's host": {own, "hi"}} {
		if got := recvString(c.u); got != c.want {
			t.Errorf("%s received %q, want %q", name, got, c.want)
		}
	}
	apart.SetTTL(7)
	if err := first.Leave(group); err != nil {
		t.Fatal(err)
	}
	_ = apart.Send(n.now, []byte("again"), port(group, 5000))
	n.run(time.Second)
	if ttl != 7 {
		t.Errorf("sent with ttl %d, want 7", ttl)
	}
	if got := recvString(first) + recvString(second); got != "again" {
		t.Errorf("after the first left they received %q", got)
	}
}

// TestMulticastConnected: a connected socket receives a group's datagrams only from its peer.
func TestMulticastConnected(t *testing.T) {
	h, i := lone(t)
	u, err := h.DialUDP(port(netip.Addr{}, 5000), port(ipA, 9))
	if err == nil {
		err = u.Join(0, group)
	}
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[uint16]string{9: "udp :5000", 10: "dropped: no socket"} {
		if v := h.Receive(0, i, toGroup(group, udpPacket(port(ipA, from), port(group, 5000), nil))); v.String() != want {
			t.Errorf("from port %d the verdict is %q, want %q", from, v, want)
		}
	}
}

func TestMulticastErrors(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 5000))
	h.limits.Groups = 2
	next := netip.MustParseAddr("239.1.2.4")
	for k, c := range []struct {
		want error
		call func() error
	}{
		{ErrInvalid, func() error { return u.Join(0, ipA) }},
		{ErrInvalid, func() error { return u.Join(0, limitedBroadcast) }},
		{ErrInvalid, func() error { return u.Join(0, netip.MustParseAddr("ff02::1")) }},
		{ErrInvalid, func() error { return u.Join(0, netip.Addr{}) }},
		{nil, func() error { return u.Join(0, netip.MustParseAddr("::ffff:239.1.2.3")) }},
		{ErrExists, func() error { return u.Join(0, group) }},
		{nil, func() error { return u.Join(0, next) }},
		{ErrLimit, func() error { return u.Join(0, netip.MustParseAddr("239.1.2.5")) }},
		{ErrNotFound, func() error { return u.Leave(netip.MustParseAddr("239.1.2.5")) }},
		{nil, func() error { return u.Leave(next) }},
		{ErrNotOurs, func() error { _, err := h.BindUDP(port(group, 1)); return err }},
		{ErrInvalid, func() error { return i.AddAddr(0, netip.PrefixFrom(group, 24)) }},
		{ErrInvalid, func() error { _, err := h.DialTCP(0, netip.AddrPort{}, port(group, 1), h.cfg.TCP); return err }},
		{ErrNoRoute, func() error { i.SetUp(0, false); return u.Join(0, next) }},
		{ErrNoRoute, func() error { return u.Send(0, nil, port(group, 1)) }},
		{ErrClosed, func() error { u.Close(); return u.Join(0, group) }},
		{ErrClosed, func() error { return u.Leave(group) }},
	} {
		if err := c.call(); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", k, err, c.want)
		}
	}
}

// TestMulticastFollowsInterface: a membership stays with its interface. It is reported again when the interface comes up, from the
// address that it then has.
func TestMulticastFollowsInterface(t *testing.T) {
	h, i := lone(t)
	u := joined(t, h, 0, port(netip.Addr{}, 5000), group)
	drain(h, 0, i)
	in := toGroup(group, udpPacket(port(ipA, 9), port(group, 5000), []byte("hi")))
	i.SetUp(0, false)
	if v := h.Receive(0, i, in); v != dropped(drop.InterfaceDown) || h.igmp.reports.Len() != 0 {
		t.Errorf("down: verdict %q, %d timers", v, h.igmp.reports.Len())
	}
	i.SetUp(0, true)
	wantSent(t, "up", igmpSent(t, h, 0, i), ourReport)
	if err := i.DelAddr(0, netip.MustParsePrefix("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	_, sent := until(t, h, i, 0, clock.Instant(time.Minute))
	wantSent(t, "without an address", sent, "0.0.0.0 > 239.1.2.3: report 239.1.2.3")
	if v := h.Receive(0, i, in); v.String() != "udp :5000" || recvString(u) != "hi" {
		t.Errorf("without an address the verdict is %q", v)
	}
	i.SetUp(0, false)
	u.Close()
	i.SetUp(0, true)
	wantSent(t, "left while down", igmpSent(t, h, 0, i))
}

// TestMulticastInterface: a group's packets leave by the bound address's interface, else by the route's, else by the first
// Ethernet.
func TestMulticastInterface(t *testing.T) {
	h, i := lone(t)
	j := h.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24")}})
	sent := func(at netip.AddrPort) (via string) {
		t.Helper()
		u, err := h.BindUDP(at)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		for _, k := range []*Iface{h.net.loop, i, j} {
			drain(h, 0, k)
		}
		if err := u.Send(0, nil, port(group, 9)); err != nil {
			return err.Error()
		}
		for _, k := range []*Iface{h.net.loop, i, j} {
			for _, f := range drain(h, 0, k) {
				b := f.Bytes()
				if !k.loop {
					if eth, _, _ := wire.ParseEthernet(b); eth.Dst != wire.GroupMAC(group) || eth.Src != k.mac {
						t.Errorf("the frame is for %v from %v", eth.Dst, eth.Src)
					}
					b = b[wire.EthernetLen:]
				}
				ip, _, _ := wire.ParseIPv4(b)
				via += fmt.Sprint(k.name, " ", ip.Src)
			}
		}
		return via
	}
	for _, c := range []struct{ at, want string }{
		{"0.0.0.0:0", "eth0 10.0.0.2"}, {"10.1.0.2:0", "eth1 10.1.0.2"}, {"127.0.0.1:0", "lo 127.0.0.1"},
	} {
		if got := sent(netip.MustParseAddrPort(c.at)); got != c.want {
			t.Errorf("from %s: %s, want %s", c.at, got, c.want)
		}
	}
	if err := h.AddRoute(netip.MustParsePrefix("224.0.0.0/4"), netip.Addr{}, j); err != nil {
		t.Fatal(err)
	}
	if got := sent(netip.AddrPort{}); got != "eth1 10.1.0.2" {
		t.Errorf("by the route: %s", got)
	}
	// A member on one interface does not receive packets sent by another interface.
	u := joined(t, h, 0, port(netip.MustParseAddr("10.0.0.2"), 9), group)
	if got := sent(netip.AddrPort{}); got != "eth1 10.1.0.2" {
		t.Errorf("with a member elsewhere: %s", got)
	}
	u.Close()
	joined(t, h, 0, port(netip.MustParseAddr("10.1.0.2"), 9), group)
	if got := sent(netip.AddrPort{}); got != "lo 10.1.0.2eth1 10.1.0.2" {
		t.Errorf("with a member there: %s", got)
	}
}

func TestNoAllocsMulticast(t *testing.T) {
	h, i := lone(t)
	u := joined(t, h, 0, port(ipB, 5000), group)
	drain(h, 0, i)
	in, ask, buf := toGroup(group, udpPacket(port(ipA, 9), port(group, 5000), make([]byte, 1000))), query(group, 1), make([]byte, 2000)
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := h.Receive(0, i, in); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if v := h.Receive(0, i, ask); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if n, _, _ := u.Recv(buf); n != 1000 {
			t.Fatalf("%d octets", n)
		}
		if err := u.Send(0, buf[:1000], port(group, 5000)); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*Iface{i, h.net.loop} {
			out.Reset()
			if !h.Transmit(0, k, out) {
				t.Fatal("nothing sent")
			}
			h.FrameSent(0, k, out, drop.None)
		}
		h.Tick(h.Deadline())
		out.Reset()
		h.Transmit(0, i, out)
	})
}
