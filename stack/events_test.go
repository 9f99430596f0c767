package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// told records each event as one line.
type told struct{ lines []string }

func (l *told) take(ev Event) {
	s := fmt.Sprintf("%v ", ev.Now)
	switch ev.Kind {
	case EventTCP:
		s += fmt.Sprintf("tcp %v-%v passive=%v %v", ev.From, ev.To, ev.Passive, ev.Err)
	case EventConnection:
		s += fmt.Sprintf("connection %v passive=%v", ev.Remote.Addr(), ev.Passive)
	case EventNeighbor:
		s += fmt.Sprintf("neighbor %v %s %q-%q %v", ev.Addr, ev.Iface.Name(), ev.Old, ev.New, ev.HW)
	case EventDrop:
		s += fmt.Sprintf("drop %v dir=%d %d octets", ev.Reason, ev.Dir, len(ev.Octets))
	case EventAddress:
		s += fmt.Sprintf("address %v %s %q-%q", ev.Addr, ev.Iface.Name(), ev.Old, ev.New)
	case EventLink:
		s += fmt.Sprintf("link %s %s-%s mtu %d", ev.Iface.Name(), ev.Old, ev.New, ev.MTU)
	}
	l.lines = append(l.lines, s)
}

func (l *told) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(l.lines, want) {
		t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(l.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
	l.lines = nil
}

// TestEventsOfConnections: both hosts report every transition of their connection once, in order, and the reason of its
// end.
func TestEventsOfConnections(t *testing.T) {
	n, a, b := pair(t)
	n.run(5 * time.Millisecond)
	l := listen(t, b, 80, tcp.Config{})
	var atA, atB told
	offA := a.Events(atA.take)
	b.Events(atB.take)
	client, server := dial(n, a, port(ipB, 80), l)
	atA.want(t,
		"0.005000 tcp CLOSED-SYN-SENT passive=false <nil>",
		`0.005000 neighbor 10.0.0.2 eth0 ""-"INCOMPLETE" 00:00:00:00:00:00`,
		`0.007000 neighbor 10.0.0.2 eth0 "INCOMPLETE"-"REACHABLE" 02:00:00:00:00:02`,
		"0.009000 tcp SYN-SENT-ESTABLISHED passive=false <nil>",
		"0.009000 connection 10.0.0.2 passive=false")
	client.Close(n.now)
	n.run(10 * time.Millisecond)
	server.Close(n.now)
	n.run(10 * time.Millisecond)
	atA.want(t,
		"0.010000 tcp ESTABLISHED-FIN-WAIT-1 passive=false <nil>",
		"0.012000 tcp FIN-WAIT-1-FIN-WAIT-2 passive=false <nil>",
		"0.021000 tcp FIN-WAIT-2-TIME-WAIT passive=false <nil>")
	atB.lines = slices.DeleteFunc(atB.lines, func(s string) bool { return strings.Contains(s, "neighbor") })
	atB.want(t,
		"0.008000 tcp LISTEN-SYN-RECEIVED passive=true <nil>",
		"0.010000 tcp SYN-RECEIVED-ESTABLISHED passive=true <nil>",
		"0.010000 connection 10.0.0.1 passive=true",
		"0.011000 tcp ESTABLISHED-CLOSE-WAIT passive=true <nil>",
		"0.020000 tcp CLOSE-WAIT-LAST-ACK passive=true <nil>",
		"0.022000 tcp LAST-ACK-CLOSED passive=true <nil>")
	offA()
	if _, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 81), tcp.Config{}); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	atA.want(t)
	if len(a.watch.tcpEvents)+len(a.watch.neighborEvents) != 0 {
		t.Errorf("%d transitions and %d changes are kept while nobody listens", len(a.watch.tcpEvents), len(a.watch.neighborEvents))
	}
}

func TestEventsOfRefusedAndStranded(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, _ := dial(n, a, port(ipB, 80), l)
	var log told
	a.Events(log.take)
	if _, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 81), tcp.Config{}); err != nil {
		t.Fatal(err)
	}
	n.run(10 * time.Millisecond)
	log.want(t, "0.004000 tcp CLOSED-SYN-SENT passive=false <nil>", "0.006000 tcp SYN-SENT-CLOSED passive=false connection refused")
	if err := a.Ifaces()[0].DelAddr(n.now, netip.MustParsePrefix("10.0.0.1/24")); err != nil {
		t.Fatal(err)
	}
	log.want(t, `0.014000 address 10.0.0.1 eth0 "preferred"-""`, "0.014000 tcp ESTABLISHED-CLOSED passive=false connection reset: its local address was removed")
	if _, err := client.Read(n.now, make([]byte, 1)); err != ErrAddrRemoved {
		t.Errorf("reading: %v", err)
	}
	if _, err := client.Write(n.now, make([]byte, 1)); err != ErrAddrRemoved {
		t.Errorf("writing: %v", err)
	}
}

// TestEventsOfRecovery: the sender reports each change of its loss recovery with the reason.
func TestEventsOfRecovery(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	var got []string
	off := a.Events(func(ev Event) {
		if ev.Kind == EventRecovery && ev.Host == a && ev.Local == client.Local() && ev.Remote == client.Remote() {
			got = append(got, fmt.Sprintf("%v: %s", ev.Episode, ev.Why))
		}
	})
	frames := 0
	n.lose = func(from *Iface, f *phy.Frame) bool {
		if from.host != a || f.Len() < 1000 {
			return false
		}
		frames++
		return frames == 2 || frames == 14 // loses one of ten, which is retransmitted, and the last of three
	}
	transfer(n, client, server, octets(10*1448), time.Minute)
	n.run(50 * time.Millisecond)
	transfer(n, client, server, octets(3*1448), time.Minute)
	n.run(time.Second)
	off()
	want := []string{
		"recovery: selective acknowledgements", "recovered: all of it is acknowledged", "probe: the tail is not acknowledged",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if c := a.CounterInfos(); c[mib.TCPExtLossProbes].Value != 1 || c[mib.TCPExtFastRetrans].Value != 1 || c[mib.TCPRetransSegs].Value != 2 {
		t.Errorf("counters %v %v %v", c[mib.TCPExtLossProbes], c[mib.TCPExtFastRetrans], c[mib.TCPRetransSegs])
	}
}

func TestEventsOfNeighborsAndDrops(t *testing.T) {
	n := newNetwork(t)
	h, i := n.host("b", macB, "10.0.0.2/24")
	drain(h, 0, i)
	var log told
	h.Events(log.take)
	ask := func(mac wire.HardwareAddr) {
		h.Receive(0, i, arpFrame(wire.Broadcast, mac, wire.ARP{Op: wire.ARPRequest, SenderHW: mac, SenderIP: ipA, TargetIP: ipB}))
	}
	ask(macA)
	ask(macA) // no new information
	ask(macC)
	log.want(t, `0.000000 neighbor 10.0.0.1 eth0 ""-"REACHABLE" 02:00:00:00:00:01`,
		`0.000000 neighbor 10.0.0.1 eth0 "REACHABLE"-"REACHABLE" 02:00:00:00:00:03`)
	if err := i.AddNeighbor(7e9, ipC, macC); err != nil {
		t.Fatal(err)
	}
	if err := i.DelNeighbor(8e9, ipA); err != nil {
		t.Fatal(err)
	}
	i.FlushNeighbors(9e9) // keeps a PERMANENT entry
	drain(h, 9e9, i)
	log.want(t, `7.000000 neighbor 10.0.0.3 eth0 ""-"PERMANENT" 02:00:00:00:00:03`,
		`8.000000 neighbor 10.0.0.1 eth0 "REACHABLE"-"" 02:00:00:00:00:03`)
	h.Receive(9e9, i, crafted{macC, macA, wire.EtherTypeIPv4, make([]byte, 46)}.frame())
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	if err := u.Send(9e9, nil, port(ipA, 7)); err != nil {
		t.Fatal(err)
	}
	i.SetUp(9e9, false)
	log.want(t, "9.000000 drop unknown mac dir=0 60 octets",
		`9.000000 neighbor 10.0.0.1 eth0 ""-"INCOMPLETE" 00:00:00:00:00:00`,
		"9.000000 drop interface down dir=1 28 octets",
		`9.000000 neighbor 10.0.0.1 eth0 "INCOMPLETE"-"" 00:00:00:00:00:00`,
		"9.000000 link eth0 UP-DOWN mtu 1500")
}

// TestEventsOfLinks: an interface is up while it is switched on and its link is up. The host reports each change of the
// link and of the MTU once.
func TestEventsOfLinks(t *testing.T) {
	n := newNetwork(t)
	h, i := n.host("b", macB, "10.0.0.2/24")
	drain(h, 0, i)
	var log told
	h.Events(log.take)
	caps := i.caps
	narrow := caps
	narrow.MTU = 1400
	for _, c := range []struct {
		do    func()
		state string
		up    bool
		want  []string
	}{
		{func() { i.SetLink(1e9, caps, true) }, "UP", true, nil},
		{func() { i.SetLink(2e9, narrow, true) }, "UP", true, []string{"2.000000 link eth0 UP-UP mtu 1400"}},
		{func() { i.SetLink(3e9, narrow, false) }, "NO-CARRIER", false, []string{"3.000000 link eth0 UP-NO-CARRIER mtu 1400"}},
		{func() { i.SetUp(4e9, false) }, "DOWN", false, []string{"4.000000 link eth0 NO-CARRIER-DOWN mtu 1400"}},
		{func() { i.SetLink(5e9, caps, true) }, "DOWN", false, []string{"5.000000 link eth0 DOWN-DOWN mtu 1500"}},
		{func() { i.SetUp(6e9, true) }, "UP", true, []string{"6.000000 link eth0 DOWN-UP mtu 1500"}},
	} {
		c.do()
		if info := i.Info(); info.State != c.state || info.Up != c.up || i.Up() != c.up {
			t.Errorf("state %s, up %v, want %s, %v", info.State, info.Up, c.state, c.up)
		}
		log.want(t, c.want...)
	}
}

func TestNoAllocsEvents(t *testing.T) {
	h, i := lone(t)
	heard := 0
	h.Events(func(Event) { heard++ })
	in := crafted{macC, macA, wire.EtherTypeIPv4, make([]byte, 46)}.frame()
	noAllocs(t, func() { h.Receive(0, i, in) })
	if heard == 0 {
		t.Error("nothing was told")
	}
}

// TestEventsOfTimers: the host reports a transition that a timer makes at once, and does not store it: the end of
// TIME-WAIT, and a connection that times out.
func TestEventsOfTimers(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	var log told
	a.Events(log.take)
	closed := func(what, want string) {
		t.Helper()
		log.lines = slices.DeleteFunc(log.lines, func(s string) bool { return !strings.Contains(s, "-CLOSED") })
		if len(log.lines) != 1 || !strings.Contains(log.lines[0], want) {
			t.Errorf("%s: told %q, want one line with %q", what, log.lines, want)
		}
		log.lines = nil
		if len(a.watch.tcpEvents) != 0 {
			t.Errorf("%s: %d transitions are kept", what, len(a.watch.tcpEvents))
		}
	}
	client, server := dial(n, a, port(ipB, 80), l)
	client.Close(n.now)
	n.run(time.Second)
	server.Close(n.now)
	n.run(time.Minute)
	closed("TIME-WAIT", "TIME-WAIT-CLOSED passive=false <nil>")

	client, _ = dial(n, a, port(ipB, 80), l)
	cfg := client.Config()
	cfg.UserTimeout = time.Second
	if err := client.SetConfig(n.now, cfg); err != nil {
		t.Fatal(err)
	}
	n.lose = func(*Iface, *phy.Frame) bool { return true }
	if _, err := client.Write(n.now, octets(10)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Minute)
	closed("user timeout", "ESTABLISHED-CLOSED passive=false "+tcp.ErrUserTimeout.Error())
}
