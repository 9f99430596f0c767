// Package mib is the counters of a host under the names of its management information base: RFC 4293 for IP and ICMP
// (RFC 1213 where that is shorter), RFC 4022 for TCP, RFC 4113 for UDP, RFC 2466 for ICMPv6. The names that begin with IpExt and TcpExt are
// Linux's, as are those of IPv6; those of IGMP and ARP are our own.
package mib

// Counter is the index of a counter in a Table.
type Counter uint8

// The counters, in the order of the layers.
const (
	IPInReceives Counter = iota
	IPInHdrErrors
	IPInAddrErrors
	IPInUnknownProtos
	IPInDiscards
	IPInDelivers
	IPOutRequests
	IPOutDiscards
	IPOutNoRoutes
	IPForwDatagrams
	IPReasmReqds
	IPReasmOKs
	IPReasmFails
	IPReasmTimeout
	IPFragOKs
	IPFragFails
	IPFragCreates
	IPInMcastPkts
	IPOutMcastPkts
	IPExtInCEPkts
	IP6InReceives // the first of the counters of IPv6, in the order of those of IPv4; see Counter.IPv6
	IP6InHdrErrors
	IP6InAddrErrors
	IP6InUnknownProtos
	IP6InDiscards
	IP6InDelivers
	IP6OutRequests
	IP6OutDiscards
	IP6OutNoRoutes
	IP6OutForwDatagrams
	IP6ReasmReqds
	IP6ReasmOKs
	IP6ReasmFails
	IP6ReasmTimeout
	IP6FragOKs
	IP6FragFails
	IP6FragCreates
	IP6InMcastPkts
	IP6OutMcastPkts
	IP6InCEPkts
	ICMPInMsgs
	ICMPInErrors
	ICMPInCsumErrors
	ICMPInDestUnreachs
	ICMPInTimeExcds
	ICMPInParmProbs
	ICMPInRedirects
	ICMPInEchos
	ICMPInEchoReps
	ICMPOutMsgs
	ICMPOutErrors
	ICMPOutRateLimited
	ICMPOutDestUnreachs
	ICMPOutTimeExcds
	ICMPOutParmProbs
	ICMPOutEchos
	ICMPOutEchoReps
	ICMP6InMsgs // the first of those of ICMPv6, in the order of those of ICMP
	ICMP6InErrors
	ICMP6InCsumErrors
	ICMP6InDestUnreachs
	ICMP6InTimeExcds
	ICMP6InParmProblems
	ICMP6InRedirects
	ICMP6InEchos
	ICMP6InEchoReplies
	ICMP6OutMsgs
	ICMP6OutErrors
	ICMP6OutRateLimited
	ICMP6OutDestUnreachs
	ICMP6OutTimeExcds
	ICMP6OutParmProblems
	ICMP6OutEchos
	ICMP6OutEchoReplies
	ICMP6InPktTooBigs
	ICMP6OutPktTooBigs
	ICMP6InRouterSolicits
	ICMP6InRouterAdvertisements
	ICMP6InNeighborSolicits
	ICMP6InNeighborAdvertisements
	ICMP6OutRouterSolicits
	ICMP6OutRouterAdvertisements
	ICMP6OutNeighborSolicits
	ICMP6OutNeighborAdvertisements
	ICMP6OutRedirects
	ICMP6InGroupMembQueries
	ICMP6InGroupMembReports
	ICMP6OutGroupMembReports
	ICMP6OutGroupMembReductions
	ICMP6OutMLDv2Reports
	ICMP6InConflicts
	IGMPInMsgs
	IGMPInErrors
	IGMPInQueries
	IGMPInReports
	IGMPOutReports
	IGMPOutLeaves
	TCPActiveOpens
	TCPPassiveOpens
	TCPAttemptFails
	TCPEstabResets
	TCPCurrEstab
	TCPInSegs
	TCPOutSegs
	TCPRetransSegs
	TCPInErrs
	TCPOutRsts
	TCPInCsumErrors
	TCPExtListenDrops
	TCPExtListenOverflows
	TCPExtTWRecycled
	TCPExtFastRetrans
	TCPExtTimeouts
	TCPExtLossProbes
	TCPExtFullUndo
	TCPExtPathMTU
	TCPExtBlackHole
	TCPExtMTUProbe
	TCPExtMTUPSuccess
	TCPExtMTUPFail
	TCPExtWinProbe
	TCPExtKeepAlive
	TCPExtDelayedACKs
	TCPExtChallengeACK
	TCPExtACKSkippedChallenge
	TCPExtSyncookiesSent
	TCPExtSyncookiesRecv
	TCPExtSyncookiesFailed
	TCPExtOFOQueue
	TCPExtOFOPruned
	TCPExtAbortOnTimeout
	TCPExtAbortOnData
	TCPExtAbortOnClose
	TCPExtAbortOnMemory
	UDPInDatagrams
	UDPNoPorts
	UDPInErrors
	UDPOutDatagrams
	UDPRcvbufErrors
	UDPSndbufErrors
	UDPInCsumErrors
	ARPInRequests
	ARPInReplies
	ARPInNotForUs
	ARPInConflicts
	ARPInMoves
	ARPOutRequests
	ARPOutReplies
	ARPOutDefences

	NumCounters // number of counters
)

// IPv6 returns the counter of IPv6 or ICMPv6 that counts what c, a counter of IPv4 or ICMP, counts.
func (c Counter) IPv6() Counter {
	if c < IP6InReceives {
		return c - IPInReceives + IP6InReceives
	}
	return c - ICMPInMsgs + ICMP6InMsgs
}

var names = [NumCounters]string{
	IPInReceives:                   "IpInReceives",
	IPInHdrErrors:                  "IpInHdrErrors",
	IPInAddrErrors:                 "IpInAddrErrors",
	IPInUnknownProtos:              "IpInUnknownProtos",
	IPInDiscards:                   "IpInDiscards",
	IPInDelivers:                   "IpInDelivers",
	IPOutRequests:                  "IpOutRequests",
	IPOutDiscards:                  "IpOutDiscards",
	IPOutNoRoutes:                  "IpOutNoRoutes",
	IPForwDatagrams:                "IpForwDatagrams",
	IPReasmReqds:                   "IpReasmReqds",
	IPReasmOKs:                     "IpReasmOKs",
	IPReasmFails:                   "IpReasmFails",
	IPReasmTimeout:                 "IpReasmTimeout",
	IPFragOKs:                      "IpFragOKs",
	IPFragFails:                    "IpFragFails",
	IPFragCreates:                  "IpFragCreates",
	IPInMcastPkts:                  "IpInMcastPkts",
	IPOutMcastPkts:                 "IpOutMcastPkts",
	IPExtInCEPkts:                  "IpExtInCEPkts",
	IP6InReceives:                  "Ip6InReceives",
	IP6InHdrErrors:                 "Ip6InHdrErrors",
	IP6InAddrErrors:                "Ip6InAddrErrors",
	IP6InUnknownProtos:             "Ip6InUnknownProtos",
	IP6InDiscards:                  "Ip6InDiscards",
	IP6InDelivers:                  "Ip6InDelivers",
	IP6OutRequests:                 "Ip6OutRequests",
	IP6OutDiscards:                 "Ip6OutDiscards",
	IP6OutNoRoutes:                 "Ip6OutNoRoutes",
	IP6OutForwDatagrams:            "Ip6OutForwDatagrams",
	IP6ReasmReqds:                  "Ip6ReasmReqds",
	IP6ReasmOKs:                    "Ip6ReasmOKs",
	IP6ReasmFails:                  "Ip6ReasmFails",
	IP6ReasmTimeout:                "Ip6ReasmTimeout",
	IP6FragOKs:                     "Ip6FragOKs",
	IP6FragFails:                   "Ip6FragFails",
	IP6FragCreates:                 "Ip6FragCreates",
	IP6InMcastPkts:                 "Ip6InMcastPkts",
	IP6OutMcastPkts:                "Ip6OutMcastPkts",
	IP6InCEPkts:                    "Ip6InCEPkts",
	ICMPInMsgs:                     "IcmpInMsgs",
	ICMPInErrors:                   "IcmpInErrors",
	ICMPInCsumErrors:               "IcmpInCsumErrors",
	ICMPInDestUnreachs:             "IcmpInDestUnreachs",
	ICMPInTimeExcds:                "IcmpInTimeExcds",
	ICMPInParmProbs:                "IcmpInParmProbs",
	ICMPInRedirects:                "IcmpInRedirects",
	ICMPInEchos:                    "IcmpInEchos",
	ICMPInEchoReps:                 "IcmpInEchoReps",
	ICMPOutMsgs:                    "IcmpOutMsgs",
	ICMPOutErrors:                  "IcmpOutErrors",
	ICMPOutRateLimited:             "IcmpOutRateLimited",
	ICMPOutDestUnreachs:            "IcmpOutDestUnreachs",
	ICMPOutTimeExcds:               "IcmpOutTimeExcds",
	ICMPOutParmProbs:               "IcmpOutParmProbs",
	ICMPOutEchos:                   "IcmpOutEchos",
	ICMPOutEchoReps:                "IcmpOutEchoReps",
	ICMP6InMsgs:                    "Icmp6InMsgs",
	ICMP6InErrors:                  "Icmp6InErrors",
	ICMP6InCsumErrors:              "Icmp6InCsumErrors",
	ICMP6InDestUnreachs:            "Icmp6InDestUnreachs",
	ICMP6InTimeExcds:               "Icmp6InTimeExcds",
	ICMP6InParmProblems:            "Icmp6InParmProblems",
	ICMP6InRedirects:               "Icmp6InRedirects",
	ICMP6InEchos:                   "Icmp6InEchos",
	ICMP6InEchoReplies:             "Icmp6InEchoReplies",
	ICMP6OutMsgs:                   "Icmp6OutMsgs",
	ICMP6OutErrors:                 "Icmp6OutErrors",
	ICMP6OutRateLimited:            "Icmp6OutRateLimited",
	ICMP6OutDestUnreachs:           "Icmp6OutDestUnreachs",
	ICMP6OutTimeExcds:              "Icmp6OutTimeExcds",
	ICMP6OutParmProblems:           "Icmp6OutParmProblems",
	ICMP6OutEchos:                  "Icmp6OutEchos",
	ICMP6OutEchoReplies:            "Icmp6OutEchoReplies",
	ICMP6InPktTooBigs:              "Icmp6InPktTooBigs",
	ICMP6OutPktTooBigs:             "Icmp6OutPktTooBigs",
	ICMP6InRouterSolicits:          "Icmp6InRouterSolicits",
	ICMP6InRouterAdvertisements:    "Icmp6InRouterAdvertisements",
	ICMP6InNeighborSolicits:        "Icmp6InNeighborSolicits",
	ICMP6InNeighborAdvertisements:  "Icmp6InNeighborAdvertisements",
	ICMP6OutRouterSolicits:         "Icmp6OutRouterSolicits",
	ICMP6OutRouterAdvertisements:   "Icmp6OutRouterAdvertisements",
	ICMP6OutNeighborSolicits:       "Icmp6OutNeighborSolicits",
	ICMP6OutNeighborAdvertisements: "Icmp6OutNeighborAdvertisements",
	ICMP6OutRedirects:              "Icmp6OutRedirects",
	ICMP6InGroupMembQueries:        "Icmp6InGroupMembQueries",
	ICMP6InGroupMembReports:        "Icmp6InGroupMembReports",
	ICMP6OutGroupMembReports:       "Icmp6OutGroupMembReports",
	ICMP6OutGroupMembReductions:    "Icmp6OutGroupMembReductions",
	ICMP6OutMLDv2Reports:           "Icmp6OutMLDv2Reports",
	ICMP6InConflicts:               "Icmp6InConflicts",
	IGMPInMsgs:                     "IgmpInMsgs",
	IGMPInErrors:                   "IgmpInErrors",
	IGMPInQueries:                  "IgmpInQueries",
	IGMPInReports:                  "IgmpInReports",
	IGMPOutReports:                 "IgmpOutReports",
	IGMPOutLeaves:                  "IgmpOutLeaves",
	TCPActiveOpens:                 "TcpActiveOpens",
	TCPPassiveOpens:                "TcpPassiveOpens",
	TCPAttemptFails:                "TcpAttemptFails",
	TCPEstabResets:                 "TcpEstabResets",
	TCPCurrEstab:                   "TcpCurrEstab",
	TCPInSegs:                      "TcpInSegs",
	TCPOutSegs:                     "TcpOutSegs",
	TCPRetransSegs:                 "TcpRetransSegs",
	TCPInErrs:                      "TcpInErrs",
	TCPOutRsts:                     "TcpOutRsts",
	TCPInCsumErrors:                "TcpInCsumErrors",
	TCPExtListenDrops:              "TcpExtListenDrops",
	TCPExtListenOverflows:          "TcpExtListenOverflows",
	TCPExtTWRecycled:               "TcpExtTWRecycled",
	TCPExtFastRetrans:              "TcpExtTCPFastRetrans",
	TCPExtTimeouts:                 "TcpExtTCPTimeouts",
	TCPExtLossProbes:               "TcpExtTCPLossProbes",
	TCPExtFullUndo:                 "TcpExtTCPFullUndo",
	TCPExtPathMTU:                  "TcpExtTCPPathMTU",
	TCPExtBlackHole:                "TcpExtTCPBlackHole",
	TCPExtMTUProbe:                 "TcpExtTCPMTUProbe",
	TCPExtMTUPSuccess:              "TcpExtTCPMTUPSuccess",
	TCPExtMTUPFail:                 "TcpExtTCPMTUPFail",
	TCPExtWinProbe:                 "TcpExtTCPWinProbe",
	TCPExtKeepAlive:                "TcpExtTCPKeepAlive",
	TCPExtDelayedACKs:              "TcpExtDelayedACKs",
	TCPExtChallengeACK:             "TcpExtTCPChallengeACK",
	TCPExtACKSkippedChallenge:      "TcpExtTCPACKSkippedChallenge",
	TCPExtSyncookiesSent:           "TcpExtSyncookiesSent",
	TCPExtSyncookiesRecv:           "TcpExtSyncookiesRecv",
	TCPExtSyncookiesFailed:         "TcpExtSyncookiesFailed",
	TCPExtOFOQueue:                 "TcpExtTCPOFOQueue",
	TCPExtOFOPruned:                "TcpExtOfoPruned",
	TCPExtAbortOnTimeout:           "TcpExtTCPAbortOnTimeout",
	TCPExtAbortOnData:              "TcpExtTCPAbortOnData",
	TCPExtAbortOnClose:             "TcpExtTCPAbortOnClose",
	TCPExtAbortOnMemory:            "TcpExtTCPAbortOnMemory",
	UDPInDatagrams:                 "UdpInDatagrams",
	UDPNoPorts:                     "UdpNoPorts",
	UDPInErrors:                    "UdpInErrors",
	UDPOutDatagrams:                "UdpOutDatagrams",
	UDPRcvbufErrors:                "UdpRcvbufErrors",
	UDPSndbufErrors:                "UdpSndbufErrors",
	UDPInCsumErrors:                "UdpInCsumErrors",
	ARPInRequests:                  "ArpInRequests",
	ARPInReplies:                   "ArpInReplies",
	ARPInNotForUs:                  "ArpInNotForUs",
	ARPInConflicts:                 "ArpInConflicts",
	ARPInMoves:                     "ArpInMoves",
	ARPOutRequests:                 "ArpOutRequests",
	ARPOutReplies:                  "ArpOutReplies",
	ARPOutDefences:                 "ArpOutDefences",
}

// Table holds the counters of one host. Counters only grow, except TcpCurrEstab.
type Table [NumCounters]uint64

// Info is the name and value of one counter.
type Info struct {
	Name  string // IpInReceives, TcpRetransSegs, …
	Value uint64
}

// Infos returns every counter, in the order of the layers.
func (t *Table) Infos() []Info {
	infos := make([]Info, NumCounters)
	for c := range infos {
		infos[c] = Info{names[c], t[c]}
	}
	return infos
}
