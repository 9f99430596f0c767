package tcp

import (
	"time"

	"smolsh/stack/wire"
)

// Info is a snapshot of a connection: RFC 9293's and 5681's variables and some sums. Octets unless
// the name says otherwise.
type Info struct {
	State               State
	RecvQ, SendQ        int // octets waiting for the reader; octets not yet acknowledged
	SndUna, SndNxt, ISS wire.Seq
	RcvNxt, IRS         wire.Seq
	SndWnd, RcvWnd      int // in octets, scaled
	SndWScale           uint8
	RcvWScale           uint8
	MSS                 int // payload we send in one segment
	RTO, SRTT, RTTVar   time.Duration
	Cwnd, Ssthresh      int
	Congestion          string // the controller's name
	InRecovery          bool
	Retrans             int // segments retransmitted in all
	Backoffs            int // consecutive timeouts
	Unacked             int // octets in flight
	Gaps                int // gaps in what was received
	OutOfOrder          int // octets beyond the first gap
	BytesSent           uint64
	BytesAcked          uint64
	BytesReceived       uint64
	SegsOut, SegsIn     uint64
	Timer               string        // the one that fires next: "on" (retransmission), "keepalive", "timewait", "persist", "delack", or ""
	TimerLeft           time.Duration // until it fires
}

// Event is something a connection counts.
type Event uint8

// The events, each a MIB counter of the stack.
const (
	EventActiveOpen     Event = iota // TcpActiveOpens
	EventPassiveOpen                 // TcpPassiveOpens
	EventAttemptFail                 // TcpAttemptFails
	EventEstabReset                  // TcpEstabResets
	EventRetrans                     // TcpRetransSegs
	EventFastRetrans                 // TcpExtTCPFastRetrans
	EventTimeout                     // TcpExtTCPTimeouts
	EventProbe                       // TcpExtTCPWinProbe
	EventKeepAlive                   // TcpExtTCPKeepAlive
	EventDelayedAck                  // TcpExtDelayedACKs
	EventChallengeAck                // TcpExtTCPChallengeACK
	EventOutOfOrder                  // TcpExtTCPOFOQueue
	EventAbortOnTimeout              // TcpExtTCPAbortOnTimeout
	EventAbortOnData                 // TcpExtTCPAbortOnData
	EventAbortOnClose                // TcpExtTCPAbortOnClose

	NumEvents
)
