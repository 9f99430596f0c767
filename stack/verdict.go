package stack

import (
	"fmt"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// VerdictKind is the kind of a Verdict.
type VerdictKind uint8

// The kinds of verdicts.
const (
	Delivered   VerdictKind = iota // passed to a socket, or processed by the stack itself (an ARP reply)
	Answered                       // answered by the stack itself: echo reply, ARP reply, RST, port unreachable
	Forwarded                      // forwarded to another host; only on a router
	Dropped                        // dropped for a reason
	Overheard                      // ARP, neighbour discovery, MLD or IGMP for other stations, which the whole link receives, or a packet of the kernel on a shared interface: no fault
	Transmitted                    // sent; only for observers of outgoing frames
)

// Answer is the kind of answer that the stack itself has sent.
type Answer uint8

// The answers.
const (
	NoAnswer Answer = iota
	ARPReply
	EchoReply
	ResetReply
	PortUnreachable
	ProtocolUnreachable
	NetUnreachable
	HostUnreachable
	FragNeeded
	TimeExceeded
	SYNCookie
	ParameterProblem
	SourceRouteFailed
	PacketTooBig
	HopLimitExceeded
	BeyondScope
	NeighborAdvertisement
	RouterAdvertisement
)

var answerWords = [...]string{"", "arp reply", "echo reply", "rst", "port unreachable", "protocol unreachable",
	"net unreachable", "host unreachable", "fragmentation needed", "ttl exceeded", "syn cookie",
	"parameter problem", "source route failed", "packet too big", "hop limit exceeded", "beyond scope of source",
	"neighbor advertisement", "router advertisement"}

// String returns the answer's name in traces: "echo reply", "rst", ….
func (a Answer) String() string { return answerWords[a] }

// Verdict is the result of processing a frame. It is a comparable value.
type Verdict struct {
	Kind     VerdictKind
	Reason   drop.Reason   // the reason of a drop, or of an answer that is an error
	Answer   Answer        // the kind of an answer
	Proto    wire.Protocol // the protocol of the socket that received it; 0 if none did
	Port     uint16        // the socket's local port, or ICMP identifier
	State    tcp.State     // the connection's state after the segment
	Listener bool          // true if a listener received the packet
	Raw      bool          // true if only raw sockets, or frame sockets, received it
	Claimed  bool          // true if a claim received it
	Held     bool          // true for a fragment that waits for other fragments
	MLD      bool          // true for an overheard message of MLD
	Kernel   bool          // true for an overheard packet of the kernel with which the host shares the interface's addresses
	Probe    tcp.Probe     // the segment, received or sent, is a keep-alive or a window probe
}

// String returns the verdict as in traces and packet comments: "ESTABLISHED", "listener :7, SYN-RECEIVED", "udp :6969", "echo
// reply", "arp not for us", "the kernel's", "dropped: fault loss". Of a probe it is "ESTABLISHED, keep-alive" where it arrives and "sent: keep-alive"
// where it is sent. It is empty for any other frame that was sent.
func (v Verdict) String() string {
	switch v.Kind {
	case Answered:
		return v.Answer.String()
	case Forwarded:
		return "forwarded"
	case Dropped:
		return "dropped: " + v.Reason.String()
	case Overheard:
		if v.Kernel {
			return "the kernel's"
		}
		return v.overheard() + " not for us"
	case Transmitted:
		if v.Probe != tcp.NoProbe {
			return "sent: " + v.Probe.String()
		}
		return ""
	}
	switch {
	case v.Held:
		return "held for reassembly"
	case v.Raw && v.Proto == 0:
		return "frame socket"
	case v.Raw:
		return "raw " + v.Proto.String()
	case v.Claimed && v.Proto == wire.ProtocolICMP:
		return fmt.Sprintf("claim of icmp id %d", v.Port)
	case v.Claimed:
		return fmt.Sprintf("claim of %v :%d", v.Proto, v.Port)
	case v.Listener:
		return fmt.Sprintf("listener :%d, %s", v.Port, v.State)
	case v.Probe != tcp.NoProbe:
		return fmt.Sprintf("%v, %v", v.State, v.Probe)
	case v.Proto == wire.ProtocolTCP:
		return v.State.String()
	case (v.Proto == wire.ProtocolICMP || v.Proto == wire.ProtocolICMPv6) && v.Port == 0:
		return v.Proto.String()
	case v.Proto == wire.ProtocolICMP || v.Proto == wire.ProtocolICMPv6:
		return fmt.Sprintf("%v id %d", v.Proto, v.Port)
	case v.Proto == wire.ProtocolIGMP:
		return "igmp"
	case v.Proto != 0:
		return fmt.Sprintf("%s :%d", v.Proto, v.Port)
	}
	return "arp"
}

// overheard returns the name of the protocol of an Overheard packet.
func (v Verdict) overheard() string {
	switch {
	case v.MLD:
		return "mld"
	case v.Proto == wire.ProtocolICMPv6:
		return "nd"
	case v.Proto == wire.ProtocolIGMP:
		return "igmp"
	}
	return "arp"
}

func dropped(r drop.Reason) Verdict { return Verdict{Kind: Dropped, Reason: r} }
func answered(a Answer) Verdict     { return Verdict{Kind: Answered, Answer: a} }

// refused is the verdict on a packet that the host answered with an error instead of delivering or forwarding it. The packet also
// counts as dropped for the reason r.
func refused(a Answer, r drop.Reason) Verdict { return Verdict{Kind: Answered, Answer: a, Reason: r} }

func deliveredTo(p wire.Protocol, port uint16) Verdict {
	return Verdict{Kind: Delivered, Proto: p, Port: port}
}

// transmitted returns the verdict on a frame that the host has made and sent.
func transmitted(f *phy.Frame) Verdict { return Verdict{Kind: Transmitted, Probe: tcp.Probe(f.Tag)} }
