package lab

import (
	"net/netip"
	"testing"

	"smolsh/phy"
)

// TestFirstAddress: the first address of a host's interface is the first that its configuration names, also on a medium without
// neighbours, where the link-local address needs no probing.
func TestFirstAddress(t *testing.T) {
	for _, addrs := range [][]string{{"192.168.69.1/24"}, {"192.168.69.1/24", "fdaa::1/64"}, {"fdaa::1/64"}} {
		cfg := HostConfig{Name: "a", IPv6: IPv6On}
		for _, a := range addrs {
			cfg.Addrs = append(cfg.Addrs, netip.MustParsePrefix(a))
		}
		l := New(NewWorld(), 1)
		h, err := l.AddHost(cfg)
		if err != nil {
			t.Fatal(err)
		}
		dev, _ := phy.NewPair("tun0", "other", phy.MemoryConfig{Medium: phy.MediumIP, MTU: 1500})
		if _, err := h.Attach(dev); err != nil {
			t.Fatal(err)
		}
		got := h.IfaceInfos()[0].Addrs
		if len(got) != len(addrs)+1 || got[0] != cfg.Addrs[0] || !got[len(addrs)].Addr().IsLinkLocalUnicast() {
			t.Errorf("configured %v: %v", addrs, got)
		}
	}
}
