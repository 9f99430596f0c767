package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// claims returns an ARP request in which hw claims the address a.
func claims(hw wire.HardwareAddr, a netip.Addr) wire.ARP {
	return wire.ARP{Op: wire.ARPRequest, SenderHW: hw, SenderIP: a, TargetIP: a}
}

// TestAddressDefence: on a conflict we defend our address at most once in ten seconds, however many packets arrive, and keep the
// address and its connections (RFC 5227 §2.4).
func TestAddressDefence(t *testing.T) {
	n, a, b := pair(t)
	i := b.Ifaces()[0]
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	var told []string
	b.Events(func(ev Event) {
		if ev.Kind == EventConflict {
			told = append(told, fmt.Sprintf("%v %s %v %v %s", time.Duration(ev.Now-n.now), ev.Iface.Name(), ev.Addr, ev.HW, ev.New))
		}
	})
	var defended []time.Duration
	const packets = 2001 // in 20 s
	for k := range packets {
		now := n.now.Add(time.Duration(k) * 10 * time.Millisecond)
		q := claims(macC, ipB)
		if k%2 == 1 { // a reply claims the address as a request does
			q.Op, q.TargetHW, q.TargetIP = wire.ARPReply, macA, ipA
		}
		if v := b.Receive(now, i, arpFrame(wire.Broadcast, macC, q)); v.String() != "dropped: arp conflict" {
			t.Fatalf("packet %d: %v", k, v)
		}
		for _, f := range drain(b, now, i) {
			eth, p, _ := wire.ParseEthernet(f.Bytes())
			if got, err := wire.ParseARP(p); err != nil || got != claims(macB, ipB) || eth.Dst != wire.Broadcast {
				t.Errorf("%+v to %v, %v", got, eth.Dst, err)
			}
			defended = append(defended, now.Sub(n.now))
		}
	}
	if want := []time.Duration{0, 10 * time.Second, 20 * time.Second}; !slices.Equal(defended, want) {
		t.Errorf("defended at %v, want %v", defended, want)
	}
	want := []string{"0s eth0 10.0.0.2 02:00:00:00:00:03 defended", "10s eth0 10.0.0.2 02:00:00:00:00:03 defended", "20s eth0 10.0.0.2 02:00:00:00:00:03 defended"}
	if !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	wantCounter(t, b, "ArpInConflicts", packets)
	wantCounter(t, b, "ArpOutDefences", 3)
	n.now = n.now.Add(20 * time.Second)
	transfer(n, client, server, octets(100_000), time.Minute)
	if i.neigh.Get(ipB) != nil {
		t.Error("we took the claim in")
	}
}

// askedOf returns the ARP packets that i sends: "?" for a probe, "!" for an announcement, each with the time since start.
func askedOf(t *testing.T, h *Host, i *Iface, start, until clock.Instant) (sent []string, at []time.Duration) {
	t.Helper()
	for now := start; ; now = h.Deadline() {
		if h.Tick(now); now > until {
			return sent, at
		}
		for _, f := range drain(h, now, i) {
			eth, p, _ := wire.ParseEthernet(f.Bytes())
			a, err := wire.ParseARP(p)
			if err != nil || a.Op != wire.ARPRequest || a.SenderHW != i.mac || !a.TargetHW.IsZero() || eth.Dst != wire.Broadcast {
				t.Fatalf("%+v, %v", a, err)
			}
			mark := "!"
			if a.SenderIP.IsUnspecified() {
				mark = "?"
			}
			sent, at = append(sent, mark+a.TargetIP.String()), append(at, now.Sub(start))
		}
	}
}

// TestProbeAddr: an address is probed three times at random intervals, then assigned, and announced twice
// (RFC 5227 §2.1.1, §2.3).
func TestProbeAddr(t *testing.T) {
	first := map[time.Duration]bool{}
	for seed := range uint64(20) {
		n := newNetwork(t)
		h, i := n.host("b", macB, "10.0.0.2/24")
		h.rng.Uint64()
		for range seed {
			h.rng.Uint64()
		}
		drain(h, 0, i)
		c, err := i.ProbeAddr(0, netip.MustParsePrefix("10.0.0.9/24"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.ProbeAddr(0, netip.MustParsePrefix("10.0.0.9/24")); err != ErrExists {
			t.Errorf("twice: %v", err)
		}
		sent, at := askedOf(t, h, i, 0, clock.Instant(20*time.Second))
		if fmt.Sprint(sent) != "[?10.0.0.9 ?10.0.0.9 ?10.0.0.9 !10.0.0.9 !10.0.0.9]" {
			t.Fatalf("sent %v", sent)
		}
		first[at[0]] = true
		if at[0] > time.Second || at[1]-at[0] < time.Second || at[1]-at[0] > 2*time.Second || at[2]-at[1] < time.Second ||
			at[2]-at[1] > 2*time.Second || at[3]-at[2] != 2*time.Second || at[4]-at[3] != 2*time.Second {
			t.Errorf("at %v", at)
		}
		if done, _, err := c.Done(); !done || err != nil || h.net.localAddrs[netip.MustParseAddr("10.0.0.9")] != i || len(i.addrProbes) != 0 || h.net.addrProbes.Len() != 0 {
			t.Errorf("%v, %v, %d claims, %d timers", done, err, len(i.addrProbes), h.net.addrProbes.Len())
		}
	}
	if len(first) < 15 {
		t.Errorf("the first probe came at %d different times of 20", len(first))
	}
}

// TestProbeContested: an address is not assigned if another station has it, or probes for it at the same time (RFC 5227 §2.1.1).
// Until it is assigned, we do not answer requests for it.
func TestProbeContested(t *testing.T) {
	wanted := netip.MustParseAddr("10.0.0.9")
	for name, a := range map[string]wire.ARP{
		"reply":        {Op: wire.ARPReply, SenderHW: macC, SenderIP: wanted, TargetHW: macB, TargetIP: netip.IPv4Unspecified()},
		"announcement": claims(macC, wanted),
		"probe":        {Op: wire.ARPRequest, SenderHW: macC, SenderIP: netip.IPv4Unspecified(), TargetIP: wanted},
	} {
		h, i := lone(t)
		var told []Event
		h.Events(func(ev Event) { told = append(told, ev) })
		c, err := i.ProbeAddr(0, netip.PrefixFrom(wanted, 24))
		if err != nil {
			t.Fatal(err)
		}
		own := wire.ARP{Op: wire.ARPRequest, SenderHW: macB, SenderIP: netip.IPv4Unspecified(), TargetIP: wanted}
		if v := h.Receive(1, i, arpFrame(wire.Broadcast, macB, own)); v.String() != "dropped: arp not for us" {
			t.Errorf("%s: our own probe: %v", name, v)
		}
		if v := h.Receive(1, i, arpFrame(wire.Broadcast, macA, wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: wanted})); v.Kind == Answered {
			t.Errorf("%s: answered for an address that is not ours: %v", name, v)
		}
		if v := h.Receive(2, i, arpFrame(wire.Broadcast, macC, a)); v.String() != "dropped: arp conflict" {
			t.Errorf("%s: %v", name, v)
		}
		if done, by, err := c.Done(); !done || by != macC || err != ErrInUse || h.net.localAddrs[wanted] != nil {
			t.Errorf("%s: %v, %v, %v", name, done, by, err)
		}
		told = slices.DeleteFunc(told, func(ev Event) bool { return ev.Kind != EventConflict })
		if len(told) != 1 || told[0].Addr != wanted || told[0].HW != macC || told[0].New != ConflictAbandoned {
			t.Errorf("%s: told of %+v", name, told)
		}
		if sent, _ := askedOf(t, h, i, 2, clock.Instant(20*time.Second)); len(sent) != 0 {
			t.Errorf("%s: then sent %v", name, sent)
		}
		wantCounter(t, h, "ArpInConflicts", 1)
	}
}

func TestProbeGivenUp(t *testing.T) {
	h, i := lone(t)
	i.SetUp(0, false)
	if _, err := i.ProbeAddr(0, netip.MustParsePrefix("10.0.0.9/24")); err != ErrDown {
		t.Errorf("down: %v", err)
	}
	i.SetUp(0, true)
	drain(h, 0, i)
	for _, p := range []string{"10.0.0.255/24", "224.0.0.1/24", "10.0.0.2/24"} {
		if _, err := i.ProbeAddr(0, netip.MustParsePrefix(p)); err == nil {
			t.Errorf("%s was taken", p)
		}
	}
	for what, end := range map[error]func(c *AddrProbe){ErrClosed: (*AddrProbe).Cancel, ErrDown: func(*AddrProbe) { i.SetUp(0, false); i.SetUp(0, true) }} {
		c, err := i.ProbeAddr(0, netip.MustParsePrefix("10.0.0.9/24"))
		if err != nil {
			t.Fatal(err)
		}
		if end(c); c.err != what || !c.done || len(i.addrProbes) != 0 || h.net.addrProbes.Len() != 0 {
			t.Errorf("%v: %v, %d claims, %d timers", what, c.err, len(i.addrProbes), h.net.addrProbes.Len())
		}
	}
	n := newNetwork(t)
	g, _ := n.host("g", macB, "10.0.0.2/24")
	tun := g.AddIface(0, IfaceConfig{Name: "tun0", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}})
	if c, err := tun.ProbeAddr(0, netip.MustParsePrefix("10.5.0.1/24")); err != nil || !c.done || g.net.localAddrs[netip.MustParseAddr("10.5.0.1")] != tun {
		t.Errorf("where there are no neighbours: %+v, %v", c, err)
	}
}
