package stack

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// mldFrame returns a frame with an MLD message from a link-local address, with hop limit 1 and a router alert.
func mldFrame(src, dst netip.Addr, icmp []byte) *phy.Frame {
	b := make([]byte, wire.IPv6Len+wire.RouterAlert6Len+len(icmp))
	h := wire.IPv6{HopLimit: 1, NextHeader: 0, Src: src, Dst: dst, PayloadLen: len(b) - wire.IPv6Len}
	h.Put(b)
	wire.PutRouterAlert6(b[wire.IPv6Len:], wire.ProtocolICMPv6)
	copy(b[wire.IPv6Len+wire.RouterAlert6Len:], icmp)
	return crafted{wire.GroupMAC(dst), macA, wire.EtherTypeIPv6, b}.frame()
}

// mldQuery returns a frame with an MLD query of a version, for all groups if group is ::. The response code is in milliseconds.
func mldQuery(version uint8, group netip.Addr, code uint16) *phy.Frame {
	q := wire.MLDQuery{Version: version, Group: group, ResponseCode: code, Robustness: 2, IntervalCode: 125}
	dst, n := wire.AllNodes6, wire.MLDLen
	if !group.IsUnspecified() {
		dst = group
	}
	if version == 2 {
		n = wire.MLDv2QueryLen
	}
	b := make([]byte, n)
	q.Put(b, llA, dst)
	return mldFrame(llA, dst, b)
}

// reports returns the MLD messages that B has sent since the last call.
func (r *ndRig) reports() (list []string) {
	for _, s := range r.take() {
		if strings.HasPrefix(s, "MLD") {
			list = append(list, s)
		}
	}
	return list
}

func (r *ndRig) wantReports(want ...string) {
	r.t.Helper()
	if got := r.reports(); !slices.Equal(got, want) {
		r.t.Errorf("reports\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

var mdns = netip.MustParseAddr("ff02::fb")

// TestMLD61: the host reports a group when the first socket joins it, and when the last one leaves it, each twice within about a second.
// The group of all nodes is never reported (RFC 3810 §6.1, RFC 3810 §6, RFC 3810 §9.11).
func TestMLD61(t *testing.T) {
	r := settled(t)
	ll := r.ll.String()
	var sockets []*UDPConn
	for range 2 {
		u, err := r.h.BindUDP(port(netip.Addr{}, 0))
		if err == nil {
			err = u.Join(r.n.now, mdns, r.i)
		}
		if err == nil {
			err = u.Join(r.n.now, wire.AllNodes6, r.i)
		}
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, u)
	}
	r.wantReports("MLD 4:ff02::fb <- " + ll)
	r.n.run(time.Second)
	r.wantReports("MLD 4:ff02::fb <- " + ll)
	r.n.run(time.Minute)
	sockets[0].Close()
	r.wantReports()
	if err := sockets[1].Leave(mdns); err != nil {
		t.Fatal(err)
	}
	r.wantReports("MLD 3:ff02::fb <- " + ll)
	r.n.run(time.Minute)
	r.wantReports("MLD 3:ff02::fb <- " + ll)
	if r.h.Deadline() != clock.Never {
		t.Errorf("deadline %v", r.h.Deadline())
	}
}

// TestMLDOctets: a report, octet for octet: hop limit 1, a router alert, to ff02::16 (RFC 3810 §5, RFC 3810 §5.2, RFC 2711 §2.1).
func TestMLDOctets(t *testing.T) {
	r := settled(t, "fe80::2/64")
	u, err := r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Join(r.n.now, mdns, r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.pump()
	r.wantOctets("333300000016020000000002" + "86dd" +
		"6000000000240001" + "fe800000000000000000000000000002" + "ff020000000000000000000000000016" +
		"3a00050200000100" + "8f00????00000001" + "04000000" + "ff0200000000000000000000000000fb")
}

// TestMLDAddresses: the host joins the solicited-node group of an address, and leaves it with the last address of the group. A router
// joins the group of all routers, and receives solicitations for it (RFC 4861 §7.2.1, RFC 4291 §2.8).
func TestMLDAddresses(t *testing.T) {
	r := settled(t)
	ll := r.ll.String()
	twice := func(s string) {
		t.Helper()
		r.n.run(time.Minute)
		r.wantReports(s, s)
	}
	add := func(p string) {
		if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	del := func(p string) {
		if err := r.i.DelAddr(r.n.now, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	add("fd00::2/64")
	twice("MLD 4:ff02::1:ff00:2 <- " + ll)
	add("fd01::2/64")
	r.n.run(time.Minute)
	r.wantReports()
	del("fd00::2/64")
	r.wantReports()
	del("fd01::2/64")
	twice("MLD 3:ff02::1:ff00:2 <- " + ll)
	r.h.SetForwarding(r.n.now, true)
	twice("MLD 4:ff02::2 <- " + ll)
	r.h.SetForwarding(r.n.now, false)
	twice("MLD 3:ff02::2 <- " + ll)
}

// TestMLD3590: while the link-local address is tentative, reports are sent from ::. All groups are reported again when it is valid, and
// when the link is up again. A host without a link-local address goes on with :: (RFC 3590 §4).
func TestMLD3590(t *testing.T) {
	r := newNDRig(t)
	u, err := r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Join(0, mdns, r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := r.reports(); len(got) != 1 || !strings.HasPrefix(got[0], "MLD <- ::") {
		t.Errorf("reports %q", got)
	}
	r.n.runUntil("the address", 3*time.Second, func() bool { return r.i.LinkLocal().IsValid() })
	ll := r.i.LinkLocal().WithZone("")
	r.reports()
	r.n.run(time.Minute)
	node := wire.SolicitedNode(ll).String()
	if got, want := r.reports(), "MLD 4:ff02::fb 4:"+node+" <- "+ll.String(); len(got) != 1 || got[0] != want {
		t.Errorf("reports %q, want %s", got, want)
	}
	r.i.SetUp(r.n.now, false)
	r.n.run(time.Second)
	r.i.SetUp(r.n.now, true)
	r.n.run(time.Minute)
	if got, want := r.reports(), "MLD 4:"+node+" 4:ff02::fb <- "+ll.String(); len(got) != 2 || got[0] != want {
		t.Errorf("reports %q, want %s", got, want)
	}
}

// TestMLD62: queries are answered within their delay: a general one for every group, another for its group. Queries that are not valid
// are dropped (RFC 3810 §6.2, RFC 3810 §5.1.14, RFC 3810 §7.6).
func TestMLD62(t *testing.T) {
	r := settled(t)
	ll := r.ll.String()
	u, err := r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Join(r.n.now, mdns, r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.run(time.Minute)
	r.take()
	node := wire.SolicitedNode(r.ll).String()
	r.receive(mldQuery(2, netip.IPv6Unspecified(), 5000), "icmp6")
	r.n.run(5 * time.Second)
	r.wantReports("MLD 2:" + node + " 2:ff02::fb <- " + ll)
	r.receive(mldQuery(2, mdns, 1000), "icmp6")
	r.n.run(time.Second)
	r.wantReports("MLD 2:ff02::fb <- " + ll)
	r.receive(mldQuery(2, netip.MustParseAddr("ff02::abcd"), 1000), "mld not for us")

	bad := func(change func(b []byte), want string) {
		t.Helper()
		f := mldQuery(2, netip.IPv6Unspecified(), 1000)
		change(f.Bytes()[wire.EthernetLen:])
		r.receive(f, want)
	}
	bad(func(b []byte) { b[7] = 2 }, "dropped: bad hop limit")
	bad(func(b []byte) { b[42], b[43], b[44], b[45], b[46] = 1, 4, 0, 0, 0 }, "dropped: mld no router alert")
	bad(func(b []byte) { b[50] ^= 1 }, "dropped: bad checksum")
	f := ndFrame(macA, ip6A, wire.AllNodes6, 1, mldQuery(2, netip.IPv6Unspecified(), 1000).Bytes()[wire.EthernetLen+48:])
	r.h.Receive(r.n.now, r.i, f)
	r.n.run(time.Minute)
	r.wantReports()
}

// TestMLD82: a query of version 1 makes the host report in version 1, each group to the group itself. Another host's report suppresses
// ours. The last reporter says that it leaves (RFC 3810 §8.2.1, RFC 2710 §4).
func TestMLD82(t *testing.T) {
	r := settled(t)
	u, err := r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Join(r.n.now, mdns, r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.run(time.Minute)
	r.take()
	ll := r.ll.String()
	r.receive(mldQuery(1, mdns, 1000), "icmp6")
	r.receive(mldQuery(1, netip.IPv6Unspecified(), 1000), "icmp6")
	r.n.run(2 * time.Second)
	got := r.reports()
	slices.Sort(got)
	node := wire.SolicitedNode(r.ll).String()
	want := []string{"MLDv1 131 " + node + " <- " + ll + " to " + node, "MLDv1 131 ff02::fb <- " + ll + " to ff02::fb"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("reports %q, want %q", got, want)
	}
	r.receive(mldQuery(1, mdns, 1000), "icmp6")
	report := make([]byte, wire.MLDLen)
	wire.PutMLDReport(report, wire.ICMPv6ListenerReport, mdns, llC, mdns)
	r.receive(mldFrame(llC, mdns, report), "icmp6")
	r.n.run(2 * time.Second)
	r.wantReports()
	u.Close()
	r.n.run(2 * time.Second)
	r.wantReports() // the other host was the last to report
	u, err = r.h.BindUDP(port(netip.Addr{}, 0))
	if err == nil {
		err = u.Join(r.n.now, mdns, r.i)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.n.run(time.Minute)
	r.take()
	u.Close()
	r.n.run(time.Second)
	r.wantReports("MLDv1 132 ff02::fb <- " + ll + " to ff02::2")
}
