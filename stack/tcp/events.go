package tcp

// Event is a kind of event that a connection counts.
type Event uint8

// The events, each a MIB counter of the stack.
const (
	EventActiveOpen      Event = iota // TcpActiveOpens
	EventPassiveOpen                  // TcpPassiveOpens
	EventAttemptFail                  // TcpAttemptFails
	EventEstabReset                   // TcpEstabResets
	EventRetrans                      // TcpRetransSegs
	EventFastRetrans                  // TcpExtTCPFastRetrans
	EventTimeout                      // TcpExtTCPTimeouts
	EventProbe                        // TcpExtTCPWinProbe
	EventKeepAlive                    // TcpExtTCPKeepAlive
	EventDelayedAck                   // TcpExtDelayedACKs
	EventChallengeAck                 // TcpExtTCPChallengeACK
	EventOutOfOrder                   // TcpExtTCPOFOQueue
	EventPruned                       // TcpExtOfoPruned: octets received out of order were discarded
	EventTailProbe                    // TcpExtTCPLossProbes
	EventUndo                         // TcpExtTCPFullUndo
	EventPathMTU                      // TcpExtTCPPathMTU: an ICMP error was accepted
	EventBlackHole                    // TcpExtTCPBlackHole: long segments are lost without an ICMP error
	EventMTUProbe                     // TcpExtTCPMTUProbe
	EventMTUProbeSuccess              // TcpExtTCPMTUPSuccess
	EventMTUProbeFail                 // TcpExtTCPMTUPFail
	EventAbortOnTimeout               // TcpExtTCPAbortOnTimeout
	EventAbortOnData                  // TcpExtTCPAbortOnData
	EventAbortOnClose                 // TcpExtTCPAbortOnClose

	NumEvents
)
