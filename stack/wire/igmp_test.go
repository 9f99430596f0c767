package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/stack/drop"
)

// The packets that Linux sends when a socket joins 239.1.2.3 on an interface with force_igmp_version=2, and when it
// leaves.
var (
	linuxReport = octets("46c00020 00004000 0102e8c5 0a4d0001 ef010203 94040000 1600f8fa ef010203")
	linuxLeave  = octets("46c00020 00004000 0102f9c7 0a4d0001 e0000002 94040000 1700f7fa ef010203")
)

func TestIGMPAgainstLinux(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	for _, c := range []struct {
		packet []byte
		dst    netip.Addr
		typ    IGMPType
		text   string
	}{
		{linuxReport, group, IGMPv2Report, "report 239.1.2.3"},
		{linuxLeave, AllRouters, IGMPLeave, "leave 239.1.2.3"},
	} {
		ip, payload, err := ParseIPv4(c.packet)
		if err != nil || ip.Dst != c.dst || ip.TTL != 1 || ip.Protocol != ProtocolIGMP || ip.HeaderLen != 24 {
			t.Errorf("%s: %+v, %v", c.text, ip, err)
		}
		m, err := ParseIGMP(payload)
		if want := (IGMP{Type: c.typ, Group: group}); m != want || err != nil || m.String() != c.text {
			t.Errorf("%v, %v; want %v", m, err, want)
		}
		out := make([]byte, len(c.packet))
		if n := m.Put(out[ip.PutRouterAlert(out):]); n != IGMPLen || !bytes.Equal(out, c.packet) {
			t.Errorf("written % x\nwant    % x", out, c.packet)
		}
	}
}

func TestIGMPRefused(t *testing.T) {
	report := linuxReport[24:]
	for _, c := range []struct {
		b    []byte
		want drop.Reason
	}{
		{nil, drop.Truncated},
		{report[:7], drop.Truncated},
		{octets("1600f8fb ef010203"), drop.BadChecksum},
		{append(bytes.Clone(report), 0, 1), drop.BadChecksum}, // the checksum also covers what follows the message
	} {
		if _, err := ParseIGMP(c.b); drop.Of(err) != c.want {
			t.Errorf("% x: %v, want %v", c.b, err, c.want)
		}
	}
	// A version 3 query, with a robustness of 2 and an interval of 125 s after the first eight octets.
	m, err := ParseIGMP(octets("1164ec1e 00000000 027d0000"))
	if want := (IGMP{IGMPQuery, 100, netip.IPv4Unspecified()}); m != want || err != nil || m.String() != "query" {
		t.Errorf("%v, %v; want %v", m, err, want)
	}
}

func TestGroupMAC(t *testing.T) {
	for group, want := range map[string]HardwareAddr{
		"224.0.0.1":       {0x01, 0x00, 0x5e, 0, 0, 1},
		"239.1.2.3":       {0x01, 0x00, 0x5e, 1, 2, 3},
		"224.129.2.3":     {0x01, 0x00, 0x5e, 1, 2, 3}, // 32 groups share an address
		"239.255.255.250": {0x01, 0x00, 0x5e, 0x7f, 0xff, 0xfa},
	} {
		if got := GroupMAC(netip.MustParseAddr(group)); got != want || !got.IsGroup() {
			t.Errorf("%s: %v, want %v", group, got, want)
		}
	}
}

func FuzzIGMP(f *testing.F) {
	f.Add(linuxReport[24:])
	f.Add(octets("1164ec1e 00000000 027d0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseIGMP(b)
		if refused(t, err) {
			return
		}
		_ = m.String()
		out := make([]byte, IGMPLen)
		m.Put(out)
		second, err := ParseIGMP(out)
		again(t, m, second, err)
	})
}
