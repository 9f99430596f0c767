package stack

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"smolsh/stack/wire"
)

// TestPriorityTags: a tag with VLAN identifier 0 only gives a frame a priority (IEEE 802.1Q §6.9.1), and the host
// processes the frame as if untagged.
func TestPriorityTags(t *testing.T) {
	ping := icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, []byte("x"))
	ask := make([]byte, wire.ARPLen)
	(&wire.ARP{Op: wire.ARPRequest, SenderHW: macA, SenderIP: ipA, TargetIP: ipB}).Put(ask)
	for name, c := range map[string]struct {
		tags    string
		payload []byte
		want    string
	}{
		"untagged":               {"0800", ping, "echo reply"},
		"priority 0":             {"8100 0000 0800", ping, "echo reply"},
		"priority 5":             {"8100 a000 0800", ping, "echo reply"},
		"priority 7, may go":     {"8100 f000 0800", ping, "echo reply"},
		"service tag":            {"88a8 0000 0800", ping, "echo reply"},
		"both":                   {"88a8 2000 8100 4000 0800", ping, "echo reply"},
		"ARP":                    {"8100 a000 0806", ask, "arp reply"},
		"VLAN 5":                 {"8100 0005 0800", ping, "dropped: unknown ethertype"},
		"VLAN 4095":              {"8100 0fff 0800", ping, "dropped: unknown ethertype"},
		"VLAN 1 behind one of 0": {"88a8 0000 8100 0001 0800", ping, "dropped: unknown ethertype"},
		"VLAN 0 behind one of 7": {"88a8 0007 8100 0000 0800", ping, "dropped: unknown ethertype"},
		"three":                  {"8100 0000 8100 0000 8100 0000 0800", ping, "dropped: unknown ethertype"},
		"cut in the tag":         {"8100 00", nil, "dropped: truncated"},
		"cut behind the tag":     {"8100 0000", nil, "dropped: truncated"},
		"cut in the second":      {"8100 0000 8100 00", nil, "dropped: truncated"},
		"IPv6":                   {"8100 0000 86dd", make([]byte, 40), "dropped: ipv6 off"},
		"nothing that is spoken": {"8100 0000 1234", nil, "dropped: unknown ethertype"},
		"longer than the MTU":    {"8100 0000 0800", ipPacket(17, ipA, ipB, make([]byte, 1481), nil), "dropped: longer than mtu"},
		"as long as the MTU":     {"8100 0000 0800", icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, make([]byte, 1472)), "echo reply"},
	} {
		h, i := lone(t)
		tags, err := hex.DecodeString(strings.ReplaceAll(c.tags, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b := slices.Concat(macB[:], macA[:], tags, c.payload)
		f := crafted{}.frame()
		f.Reset()
		copy(f.Extend(len(b)), b)
		if v := h.Receive(0, i, f); v.String() != c.want {
			t.Errorf("%s: %q, want %q", name, v, c.want)
		}
	}
}
