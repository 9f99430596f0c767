// Package mib is the counters of a host under the names of its management information base: RFC 4293 for IP and ICMP
// (RFC 1213 where that is shorter), RFC 4022 for TCP, RFC 4113 for UDP. The names that begin with IpExt and TcpExt are
// Linux's; those of IGMP and ARP are our own.
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

var names = [NumCounters]string{
	IPInReceives:              "IpInReceives",
	IPInHdrErrors:             "IpInHdrErrors",
	IPInAddrErrors:            "IpInAddrErrors",
	IPInUnknownProtos:         "IpInUnknownProtos",
	IPInDiscards:              "IpInDiscards",
	IPInDelivers:              "IpInDelivers",
	IPOutRequests:             "IpOutRequests",
	IPOutDiscards:             "IpOutDiscards",
	IPOutNoRoutes:             "IpOutNoRoutes",
	IPForwDatagrams:           "IpForwDatagrams",
	IPReasmReqds:              "IpReasmReqds",
	IPReasmOKs:                "IpReasmOKs",
	IPReasmFails:              "IpReasmFails",
	IPReasmTimeout:            "IpReasmTimeout",
	IPFragOKs:                 "IpFragOKs",
	IPFragFails:               "IpFragFails",
	IPFragCreates:             "IpFragCreates",
	IPInMcastPkts:             "IpInMcastPkts",
	IPOutMcastPkts:            "IpOutMcastPkts",
	IPExtInCEPkts:             "IpExtInCEPkts",
	ICMPInMsgs:                "IcmpInMsgs",
	ICMPInErrors:              "IcmpInErrors",
	ICMPInCsumErrors:          "IcmpInCsumErrors",
	ICMPInDestUnreachs:        "IcmpInDestUnreachs",
	ICMPInTimeExcds:           "IcmpInTimeExcds",
	ICMPInParmProbs:           "IcmpInParmProbs",
	ICMPInRedirects:           "IcmpInRedirects",
	ICMPInEchos:               "IcmpInEchos",
	ICMPInEchoReps:            "IcmpInEchoReps",
	ICMPOutMsgs:               "IcmpOutMsgs",
	ICMPOutErrors:             "IcmpOutErrors",
	ICMPOutRateLimited:        "IcmpOutRateLimited",
	ICMPOutDestUnreachs:       "IcmpOutDestUnreachs",
	ICMPOutTimeExcds:          "IcmpOutTimeExcds",
	ICMPOutParmProbs:          "IcmpOutParmProbs",
	ICMPOutEchos:              "IcmpOutEchos",
	ICMPOutEchoReps:           "IcmpOutEchoReps",
	IGMPInMsgs:                "IgmpInMsgs",
	IGMPInErrors:              "IgmpInErrors",
	IGMPInQueries:             "IgmpInQueries",
	IGMPInReports:             "IgmpInReports",
	IGMPOutReports:            "IgmpOutReports",
	IGMPOutLeaves:             "IgmpOutLeaves",
	TCPActiveOpens:            "TcpActiveOpens",
	TCPPassiveOpens:           "TcpPassiveOpens",
	TCPAttemptFails:           "TcpAttemptFails",
	TCPEstabResets:            "TcpEstabResets",
	TCPCurrEstab:              "TcpCurrEstab",
	TCPInSegs:                 "TcpInSegs",
	TCPOutSegs:                "TcpOutSegs",
	TCPRetransSegs:            "TcpRetransSegs",
	TCPInErrs:                 "TcpInErrs",
	TCPOutRsts:                "TcpOutRsts",
	TCPInCsumErrors:           "TcpInCsumErrors",
	TCPExtListenDrops:         "TcpExtListenDrops",
	TCPExtListenOverflows:     "TcpExtListenOverflows",
	TCPExtTWRecycled:          "TcpExtTWRecycled",
	TCPExtFastRetrans:         "TcpExtTCPFastRetrans",
	TCPExtTimeouts:            "TcpExtTCPTimeouts",
	TCPExtLossProbes:          "TcpExtTCPLossProbes",
	TCPExtFullUndo:            "TcpExtTCPFullUndo",
	TCPExtPathMTU:             "TcpExtTCPPathMTU",
	TCPExtBlackHole:           "TcpExtTCPBlackHole",
	TCPExtMTUProbe:            "TcpExtTCPMTUProbe",
	TCPExtMTUPSuccess:         "TcpExtTCPMTUPSuccess",
	TCPExtMTUPFail:            "TcpExtTCPMTUPFail",
	TCPExtWinProbe:            "TcpExtTCPWinProbe",
	TCPExtKeepAlive:           "TcpExtTCPKeepAlive",
	TCPExtDelayedACKs:         "TcpExtDelayedACKs",
	TCPExtChallengeACK:        "TcpExtTCPChallengeACK",
	TCPExtACKSkippedChallenge: "TcpExtTCPACKSkippedChallenge",
	TCPExtSyncookiesSent:      "TcpExtSyncookiesSent",
	TCPExtSyncookiesRecv:      "TcpExtSyncookiesRecv",
	TCPExtSyncookiesFailed:    "TcpExtSyncookiesFailed",
	TCPExtOFOQueue:            "TcpExtTCPOFOQueue",
	TCPExtOFOPruned:           "TcpExtOfoPruned",
	TCPExtAbortOnTimeout:      "TcpExtTCPAbortOnTimeout",
	TCPExtAbortOnData:         "TcpExtTCPAbortOnData",
	TCPExtAbortOnClose:        "TcpExtTCPAbortOnClose",
	TCPExtAbortOnMemory:       "TcpExtTCPAbortOnMemory",
	UDPInDatagrams:            "UdpInDatagrams",
	UDPNoPorts:                "UdpNoPorts",
	UDPInErrors:               "UdpInErrors",
	UDPOutDatagrams:           "UdpOutDatagrams",
	UDPRcvbufErrors:           "UdpRcvbufErrors",
	UDPSndbufErrors:           "UdpSndbufErrors",
	UDPInCsumErrors:           "UdpInCsumErrors",
	ARPInRequests:             "ArpInRequests",
	ARPInReplies:              "ArpInReplies",
	ARPInNotForUs:             "ArpInNotForUs",
	ARPInConflicts:            "ArpInConflicts",
	ARPInMoves:                "ArpInMoves",
	ARPOutRequests:            "ArpOutRequests",
	ARPOutReplies:             "ArpOutReplies",
	ARPOutDefences:            "ArpOutDefences",
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
