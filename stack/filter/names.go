package filter

import (
	"maps"
	"slices"

	"smolsh/stack/wire"
)

// keywords are the words of the language that name no protocol.
var keywords = []string{"and", "or", "not", "host", "net", "port", "portrange", "proto", "protochain", "src", "dst", "less",
	"greater", "broadcast", "multicast", "len", "mask", "ether", "link", "vlan"}

// Words returns the words of the language: keywords, the protocols that are predicates, and the named offsets and flags of byte
// accesses. It does not return the names of services.
func Words() []string {
	words := slices.Clone(keywords)
	for _, names := range []map[string]uint32{etherTypes, onlyIPv4, anyIP, accessPoints, constants} {
		words = slices.AppendSeq(words, maps.Keys(names))
	}
	words = append(words, "icmp6")
	slices.Sort(words)
	return words
}

// Services returns the names of ports that an expression may use, sorted.
func Services() []string { return slices.Sorted(maps.Keys(services)) }

// constants maps names in byte accesses to their numbers (pcap-filter(7)).
var constants = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16,
	"tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,

	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
	"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6type": 0, "icmp6code": 1,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137, "icmp6-routerrenum": 138,
	"icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146,
	"icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,
}

// services maps the port names that a filter may use. The list is part of the program, so that an expression means the
// same on every machine.
var services = map[string]uint32{
	"echo": 7, "discard": 9, "daytime": 13, "chargen": 19, "ftp-data": 20, "ftp": 21, "ssh": 22,
	"telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69,
	"gopher": 70, "finger": 79, "http": 80, "pop3": 110, "sunrpc": 111, "ntp": 123, "imap2": 143,
	"snmp": 161, "snmp-trap": 162, "bgp": 179, "ldap": 389, "https": 443, "syslog": 514,
	"imaps": 993, "pop3s": 995, "nfs": 2049, "mdns": 5353, "iperf3": 5201, "http-alt": 8080,
}

// protocols maps names to IP protocol numbers.
var protocols = map[string]uint32{
	"icmp": 1, "igmp": 2, "tcp": 6, "igrp": 9, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58,
	"ipv6-icmp": 58, "ospf": 89, "pim": 103, "carp": 112, "vrrp": 112, "sctp": 132,
}

// onlyIPv4 has the protocols whose bare name means IPv4 only. anyIP has the protocols whose bare name means both
// versions.
var (
	onlyIPv4 = map[string]uint32{"icmp": 1, "igmp": 2, "igrp": 9, "carp": 112, "vrrp": 112}
	anyIP    = map[string]uint32{"tcp": 6, "udp": 17, "esp": 50, "ah": 51, "pim": 103, "sctp": 132}
)

// accessPoints are the LLC service access points (IEEE 802.2) that have a name.
var accessPoints = map[string]uint32{"stp": 0x42, "netbeui": 0xf0}

const (
	etherTypeRARP    wire.EtherType = 0x8035
	etherTypeVLAN    wire.EtherType = 0x8100 // IEEE 802.1Q
	etherTypeService wire.EtherType = 0x88a8 // IEEE 802.1ad
	etherTypeQinQ    wire.EtherType = 0x9100 // used before 802.1ad

	vlanTagLen     = 4
	maxVLAN        = 4095
	maxLength8023  = 1500 // a larger value is an EtherType, a smaller one the length field of IEEE 802.3
	ipxAccessPoint = 0xe0
)

// etherTypes maps names to EtherTypes.
var etherTypes = map[string]uint32{
	"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86dd,
}
