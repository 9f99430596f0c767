package mib

import (
	"strings"
	"testing"
)

// TestNames: each counter has a name of its own, and the counters of a layer are consecutive.
func TestNames(t *testing.T) {
	groups := []string{"Ip", "IpExt", "Icmp", "Igmp", "Tcp", "TcpExt", "Udp", "Arp"}
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
