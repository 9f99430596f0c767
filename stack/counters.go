package stack

// counter indexes the MIB counters of a host (RFC 1213, 4293, 4022, 4113; TcpExt as Linux names them).
type counter uint8

const (
	ipInReceives counter = iota
	ipInHdrErrors
	ipInAddrErrors
	ipInUnknownProtos
	ipInDiscards
	ipInDelivers
	ipOutRequests
	ipOutDiscards
	ipOutNoRoutes
	ipForwDatagrams
	ipReasmReqds
	ipReasmOKs
	ipReasmFails
	ipReasmTimeout
	ipFragOKs
	ipFragFails
	ipFragCreates
	ipInMcastPkts
	ipOutMcastPkts
	ipExtInCEPkts
	icmpInMsgs
	icmpInErrors
	icmpInCsumErrors
	icmpInDestUnreachs
	icmpInTimeExcds
	icmpInParmProbs
	icmpInRedirects
	icmpInEchos
	icmpInEchoReps
	icmpOutMsgs
	icmpOutErrors
	icmpOutRateLimited
	icmpOutDestUnreachs
	icmpOutTimeExcds
	icmpOutParmProbs
	icmpOutEchos
	icmpOutEchoReps
	igmpInMsgs
	igmpInErrors
	igmpInQueries
	igmpInReports
	igmpOutReports
	igmpOutLeaves
	tcpActiveOpens
	tcpPassiveOpens
	tcpAttemptFails
	tcpEstabResets
	tcpCurrEstab
	tcpInSegs
	tcpOutSegs
	tcpRetransSegs
	tcpInErrs
	tcpOutRsts
	tcpInCsumErrors
	tcpExtListenDrops
	tcpExtListenOverflows
	tcpExtTWRecycled
	tcpExtFastRetrans
	tcpExtTimeouts
	tcpExtLossProbes
	tcpExtFullUndo
	tcpExtPathMTU
	tcpExtBlackHole
	tcpExtMTUProbe
	tcpExtMTUPSuccess
	tcpExtMTUPFail
	tcpExtWinProbe
	tcpExtKeepAlive
	tcpExtDelayedACKs
	tcpExtChallengeACK
	tcpExtACKSkippedChallenge
	tcpExtSyncookiesSent
	tcpExtSyncookiesRecv
	tcpExtSyncookiesFailed
	tcpExtOFOQueue
	tcpExtOFOPruned
	tcpExtAbortOnTimeout
	tcpExtAbortOnData
	tcpExtAbortOnClose
	tcpExtAbortOnMemory
	udpInDatagrams
	udpNoPorts
	udpInErrors
	udpOutDatagrams
	udpRcvbufErrors
	udpSndbufErrors
	udpInCsumErrors
	arpInRequests
	arpInReplies
	arpInConflicts
	arpInMoves
	arpOutRequests
	arpOutReplies
	arpOutDefences

	numCounters
)

var counterNames = [numCounters]string{
	ipInReceives:              "IpInReceives",
	ipInHdrErrors:             "IpInHdrErrors",
	ipInAddrErrors:            "IpInAddrErrors",
	ipInUnknownProtos:         "IpInUnknownProtos",
	ipInDiscards:              "IpInDiscards",
	ipInDelivers:              "IpInDelivers",
	ipOutRequests:             "IpOutRequests",
	ipOutDiscards:             "IpOutDiscards",
	ipOutNoRoutes:             "IpOutNoRoutes",
	ipForwDatagrams:           "IpForwDatagrams",
	ipReasmReqds:              "IpReasmReqds",
	ipReasmOKs:                "IpReasmOKs",
	ipReasmFails:              "IpReasmFails",
	ipReasmTimeout:            "IpReasmTimeout",
	ipFragOKs:                 "IpFragOKs",
	ipFragFails:               "IpFragFails",
	ipFragCreates:             "IpFragCreates",
	ipInMcastPkts:             "IpInMcastPkts",
	ipOutMcastPkts:            "IpOutMcastPkts",
	ipExtInCEPkts:             "IpExtInCEPkts",
	icmpInMsgs:                "IcmpInMsgs",
	icmpInErrors:              "IcmpInErrors",
	icmpInCsumErrors:          "IcmpInCsumErrors",
	icmpInDestUnreachs:        "IcmpInDestUnreachs",
	icmpInTimeExcds:           "IcmpInTimeExcds",
	icmpInParmProbs:           "IcmpInParmProbs",
	icmpInRedirects:           "IcmpInRedirects",
	icmpInEchos:               "IcmpInEchos",
	icmpInEchoReps:            "IcmpInEchoReps",
	icmpOutMsgs:               "IcmpOutMsgs",
	icmpOutErrors:             "IcmpOutErrors",
	icmpOutRateLimited:        "IcmpOutRateLimited",
	icmpOutDestUnreachs:       "IcmpOutDestUnreachs",
	icmpOutTimeExcds:          "IcmpOutTimeExcds",
	icmpOutParmProbs:          "IcmpOutParmProbs",
	icmpOutEchos:              "IcmpOutEchos",
	icmpOutEchoReps:           "IcmpOutEchoReps",
	igmpInMsgs:                "IgmpInMsgs",
	igmpInErrors:              "IgmpInErrors",
	igmpInQueries:             "IgmpInQueries",
	igmpInReports:             "IgmpInReports",
	igmpOutReports:            "IgmpOutReports",
	igmpOutLeaves:             "IgmpOutLeaves",
	tcpActiveOpens:            "TcpActiveOpens",
	tcpPassiveOpens:           "TcpPassiveOpens",
	tcpAttemptFails:           "TcpAttemptFails",
	tcpEstabResets:            "TcpEstabResets",
	tcpCurrEstab:              "TcpCurrEstab",
	tcpInSegs:                 "TcpInSegs",
	tcpOutSegs:                "TcpOutSegs",
	tcpRetransSegs:            "TcpRetransSegs",
	tcpInErrs:                 "TcpInErrs",
	tcpOutRsts:                "TcpOutRsts",
	tcpInCsumErrors:           "TcpInCsumErrors",
	tcpExtListenDrops:         "TcpExtListenDrops",
	tcpExtListenOverflows:     "TcpExtListenOverflows",
	tcpExtTWRecycled:          "TcpExtTWRecycled",
	tcpExtFastRetrans:         "TcpExtTCPFastRetrans",
	tcpExtTimeouts:            "TcpExtTCPTimeouts",
	tcpExtLossProbes:          "TcpExtTCPLossProbes",
	tcpExtFullUndo:            "TcpExtTCPFullUndo",
	tcpExtPathMTU:             "TcpExtTCPPathMTU",
	tcpExtBlackHole:           "TcpExtTCPBlackHole",
	tcpExtMTUProbe:            "TcpExtTCPMTUProbe",
	tcpExtMTUPSuccess:         "TcpExtTCPMTUPSuccess",
	tcpExtMTUPFail:            "TcpExtTCPMTUPFail",
	tcpExtWinProbe:            "TcpExtTCPWinProbe",
	tcpExtKeepAlive:           "TcpExtTCPKeepAlive",
	tcpExtDelayedACKs:         "TcpExtDelayedACKs",
	tcpExtChallengeACK:        "TcpExtTCPChallengeACK",
	tcpExtACKSkippedChallenge: "TcpExtTCPACKSkippedChallenge",
	tcpExtSyncookiesSent:      "TcpExtSyncookiesSent",
	tcpExtSyncookiesRecv:      "TcpExtSyncookiesRecv",
	tcpExtSyncookiesFailed:    "TcpExtSyncookiesFailed",
	tcpExtOFOQueue:            "TcpExtTCPOFOQueue",
	tcpExtOFOPruned:           "TcpExtOfoPruned",
	tcpExtAbortOnTimeout:      "TcpExtTCPAbortOnTimeout",
	tcpExtAbortOnData:         "TcpExtTCPAbortOnData",
	tcpExtAbortOnClose:        "TcpExtTCPAbortOnClose",
	tcpExtAbortOnMemory:       "TcpExtTCPAbortOnMemory",
	udpInDatagrams:            "UdpInDatagrams",
	udpNoPorts:                "UdpNoPorts",
	udpInErrors:               "UdpInErrors",
	udpOutDatagrams:           "UdpOutDatagrams",
	udpRcvbufErrors:           "UdpRcvbufErrors",
	udpSndbufErrors:           "UdpSndbufErrors",
	udpInCsumErrors:           "UdpInCsumErrors",
	arpInRequests:             "ArpInRequests",
	arpInReplies:              "ArpInReplies",
	arpInConflicts:            "ArpInConflicts",
	arpInMoves:                "ArpInMoves",
	arpOutRequests:            "ArpOutRequests",
	arpOutReplies:             "ArpOutReplies",
	arpOutDefences:            "ArpOutDefences",
}

// CounterInfo is one counter. All but TcpCurrEstab only ever grow.
type CounterInfo struct {
	Name  string // IpInReceives, TcpRetransSegs, …
	Value uint64
}

func (h *Host) count(c counter) { h.stats.counters[c]++ }

// CounterInfos is every counter, in the order of the layers.
func (h *Host) CounterInfos() []CounterInfo {
	infos := make([]CounterInfo, numCounters)
	for c := range infos {
		infos[c] = CounterInfo{counterNames[c], h.stats.counters[c]}
	}
	return infos
}
