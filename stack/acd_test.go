package stack

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// claims returns an ARP request in which hw claims the address a.
func claims(hw wire.HardwareAddr, a netip.Addr) wire.ARP {
	return wire.ARP{Op: wire.ARPRequest, SenderHW: hw, SenderIP: a, TargetIP: a}
}

// askedOf returns the ARP packets that i sends until the given instant, "?" for a probe and "!" for an announcement,
// and the time of each since start.
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
		if done, _, err := c.Done(); !done || err != nil || h.net.localAddrs[netip.MustParseAddr("10.0.0.9")] != i || len(i.addresses.probes) != 0 || h.net.addrProbes.Len() != 0 {
			t.Errorf("%v, %v, %d claims, %d timers", done, err, len(i.addresses.probes), h.net.addrProbes.Len())
		}
	}
	if len(first) < 15 {
		t.Errorf("the first probe came at %d different times of 20", len(first))
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
		if end(c); c.err != what || !c.done || len(i.addresses.probes) != 0 || h.net.addrProbes.Len() != 0 {
			t.Errorf("%v: %v, %d claims, %d timers", what, c.err, len(i.addresses.probes), h.net.addrProbes.Len())
		}
	}
	n := newNetwork(t)
	g, _ := n.host("g", macB, "10.0.0.2/24")
	tun := g.AddIface(0, IfaceConfig{Name: "tun0", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}})
	if c, err := tun.ProbeAddr(0, netip.MustParsePrefix("10.5.0.1/24")); err != nil || !c.done || g.net.localAddrs[netip.MustParseAddr("10.5.0.1")] != tun {
		t.Errorf("where there are no neighbours: %+v, %v", c, err)
	}
}
