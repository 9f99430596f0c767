package mib

import (
	"strings"
	"testing"
)

// TestNames: each counter has a name of its own, and the counters of a layer are consecutive.
func TestNames(t *testing.T) {
	groups := []string{"Ip", "IpExt", "Ip6", "Icmp", "Icmp6", "Igmp", "Tcp", "TcpExt", "Udp", "Arp"}
	seen, last := map[string]bool{}, 0
	for c, name := range names {
		if name == "" || seen[name] {
			t.Errorf("counter %d has the name %q", c, name)
		}
		seen[name] = true
		group := 0
		for k, prefix := range groups {
			if strings.HasPrefix(name, prefix) {
				group = k
			}
		}
		if group < last {
			t.Errorf("%s stands behind a counter of %s", name, groups[last])
		}
		last = group
	}
}

func TestInfos(t *testing.T) {
	var table Table
	table[IPInReceives], table[ARPOutDefences] = 3, 5
	infos := table.Infos()
	if len(infos) != int(NumCounters) || infos[0] != (Info{"IpInReceives", 3}) || infos[NumCounters-1] != (Info{"ArpOutDefences", 5}) {
		t.Errorf("%v", infos)
	}
}

// TestIPv6: each counter of IPv4 that IPv6 has too leads to the one of the same name.
func TestIPv6(t *testing.T) {
	for c := IPInReceives; c <= ICMPOutEchoReps; c++ {
		if c == IP6InReceives {
			c = ICMPInMsgs
		}
		squeeze := strings.NewReplacer("Icmp6", "Icmp", "Ip6", "Ip", "Ext", "", "OutForw", "Forw", "Parm", "", "Prob", "", "lem", "", "Replies", "Reps").Replace
		if a, b := squeeze(names[c]), squeeze(names[c.IPv6()]); a != b {
			t.Errorf("%s leads to %s", names[c], names[c.IPv6()])
		}
	}
}
