// Package drop is the catalogue of the reasons for which packets are dropped. Counters, traces, packet comments and tests
// name a reason by its word.
//
// A Reason is an integer and an error at once: it is comparable, costs nothing to return and can be
// matched with errors.Is. Parsers return it as an error, the stack counts it, observers print it.
package drop

// Reason says why a packet was dropped. The zero value, None, means that it was not.
type Reason uint8

// The reasons, from the lowest layer to the highest. Words are stable: scripts compare them.
const (
	None Reason = iota

	// Malformed at any layer.
	Truncated    // fewer octets than the header or its length field needs
	BadVersion   // an IP version other than the one the layer below announced
	BadHeaderLen // a header length field below the header's minimum
	BadLength    // a length field that contradicts the octets that are there
	BadChecksum  // a checksum that does not add up
	BadOption    // an option whose length contradicts the header's
	BadType      // a hardware, protocol or operation number this layer does not have
	BadFlags     // a TCP flag combination that no state accepts

	// Link layer.
	UnknownMAC       // unicast for another station
	UnknownEtherType // no consumer for this protocol
	BadSourceMAC     // a group address as the source, or at a switch 00:00:00:00:00:00
	ReservedMAC      // a group that no bridge relays (IEEE 802.1Q §8.6.3)
	TooLong          // longer than the interface's MTU
	InterfaceDown    // the interface is administratively down

	// ARP and neighbours.
	ARPMartian        // a sender that can't be a neighbour: off-link, broadcast, multicast, or ourselves
	ARPConflict       // another station uses our address (RFC 5227), or one that we are probing for
	ARPPermanent      // contradicts an entry that was set by hand
	NeighborTableFull // no entry of the neighbour table may be evicted
	NeighborQueueFull // too many datagrams wait for one neighbour
	NeighborFailed    // waited for a neighbour that never answered

	// Internet layer.
	MartianSource    // a source address that can't be one, or can't come from there
	MartianDest      // a destination that can't arrive on this interface
	NotForUs         // a destination that is not ours, and we do not forward
	MulticastUnknown // a group that no socket has joined
	Fragment         // quoted by an ICMP error: not the first of its datagram, so that it names no socket
	FragmentConflict // contradicts another fragment of its datagram, which is lost with it (RFC 5722)
	FragmentAgain    // the same part of its datagram has come before
	FragmentLate     // its datagram was not complete in time
	FragmentsFull    // made room for younger fragments
	TTLExceeded      // no hop left
	SourceRoute      // a source route that is not at its end, or any in a packet to be forwarded
	LinkLocal        // from or to 169.254/16, which no router forwards (RFC 3927 §7)
	NoRoute          // nowhere to send it
	TooBig           // longer than the path takes, and it may not be fragmented
	UnknownProtocol  // no such transport protocol here
	IPv6Unsupported  // IPv6 is not spoken yet

	// ICMP.
	ICMPUnknownType // a type that asks for nothing we do
	ICMPRedirect    // a redirect: routes are set by hand and stay as they are
	ICMPNoSocket    // an error or reply that no socket waits for
	ICMPBroadcast   // an echo request to a broadcast address (RFC 1122 §3.2.2.6)
	ICMPBadMTU      // a path MTU that contradicts the packets sent (RFC 5927 §7)
	ICMPRateLimit   // an answer that the rate limit withheld

	// Transport.
	NoSocket        // no socket for this port; answered by RST or port unreachable where allowed
	SocketQueueFull // the socket's receive queue is full
	ServiceLoop     // a datagram to echo or chargen from the port of such a service, which would answer the answer
	TCPListenFull   // the listener's backlog or SYN queue is full
	TCPDuplicate    // all its octets have been received before
	TCPOutOfWindow  // outside the receive window
	TCPBadAck       // acknowledges octets that were never sent
	TCPNoAck        // carries no ACK where the state demands one
	TCPBadReset     // a reset in the window, but not at RCV.NXT (RFC 5961 §3)
	TCPBadSYN       // a SYN in a synchronised state (RFC 5961 §4)
	TCPBadState     // useless in the state, such as data after the peer's FIN
	TCPClosedRecv   // data for a receiver that the application has closed
	TCPTooManyGaps  // out of order, when the connection stores as many separate ranges as it may
	TCPOldTimestamp // a timestamp older than the latest received (PAWS, RFC 7323 §5)
	BuffersFull     // the buffers of all the host's connections are at their limit
	ReassemblyFull  // the octets received beyond gaps, of all the host's connections, are at their limit
	TCPNoTimestamp  // without the timestamps that both ends agreed on (RFC 7323 §3.2)

	// Ours.
	QueueFull      // a bounded output queue is full
	LinkQueueFull  // the simulated link's queue is full
	LinkDown       // the simulated link is partitioned
	FloodLimit     // a port of the simulated switch floods too much
	FaultLoss      // an injected loss
	FaultMatch     // an injected drop of the frames that a rule's match and nth select
	FaultSize      // an injected size limit
	FaultRate      // an injected rate limit's bucket is empty
	FaultLimit     // an injected queue or delay holds back as many as it may
	ReplyQueueFull // too many answers wait for the link
	TransmitFailed // the device refused the frame

	NumReasons // how many there are; sizes counter arrays
)

var words = [NumReasons]string{
	None:              "",
	Truncated:         "truncated",
	BadVersion:        "bad version",
	BadHeaderLen:      "bad header length",
	BadLength:         "bad length",
	BadChecksum:       "bad checksum",
	BadOption:         "bad option",
	BadType:           "bad type",
	BadFlags:          "bad flags",
	UnknownMAC:        "unknown mac",
	UnknownEtherType:  "unknown ethertype",
	BadSourceMAC:      "bad source mac",
	ReservedMAC:       "reserved mac",
	TooLong:           "longer than mtu",
	InterfaceDown:     "interface down",
	ARPMartian:        "arp martian",
	ARPConflict:       "arp conflict",
	ARPPermanent:      "arp against permanent",
	NeighborTableFull: "neighbor table full",
	NeighborQueueFull: "neighbor queue full",
	NeighborFailed:    "neighbor failed",
	MartianSource:     "martian source",
	MartianDest:       "martian destination",
	NotForUs:          "not for us",
	MulticastUnknown:  "multicast group not joined",
	Fragment:          "fragment",
	FragmentConflict:  "fragment conflict",
	FragmentAgain:     "fragment again",
	FragmentLate:      "reassembly timeout",
	FragmentsFull:     "fragments full",
	TTLExceeded:       "ttl exceeded",
	SourceRoute:       "source route",
	LinkLocal:         "link local",
	NoRoute:           "no route",
	TooBig:            "too big",
	UnknownProtocol:   "unknown protocol",
	IPv6Unsupported:   "ipv6 unsupported",
	ICMPUnknownType:   "icmp unknown type",
	ICMPRedirect:      "icmp redirect",
	ICMPNoSocket:      "icmp no socket",
	ICMPBroadcast:     "icmp to broadcast",
	ICMPBadMTU:        "icmp bad mtu",
	ICMPRateLimit:     "icmp rate limit",
	NoSocket:          "no socket",
	SocketQueueFull:   "socket queue full",
	ServiceLoop:       "service loop",
	TCPListenFull:     "listen queue full",
	TCPDuplicate:      "tcp duplicate",
	TCPOutOfWindow:    "tcp out of window",
	TCPBadAck:         "tcp bad ack",
	TCPNoAck:          "tcp no ack",
	TCPBadReset:       "tcp bad reset",
	TCPBadSYN:         "tcp bad syn",
	TCPBadState:       "tcp bad state",
	TCPClosedRecv:     "tcp receiver closed",
	TCPTooManyGaps:    "tcp too many gaps",
	TCPOldTimestamp:   "tcp old timestamp",
	BuffersFull:       "buffers full",
	ReassemblyFull:    "reassembly full",
	TCPNoTimestamp:    "tcp no timestamp",
	QueueFull:         "queue full",
	LinkQueueFull:     "link queue full",
	LinkDown:          "link down",
	FloodLimit:        "flood limit",
	FaultLoss:         "fault loss",
	FaultMatch:        "fault match",
	FaultSize:         "fault size",
	FaultRate:         "fault rate",
	FaultLimit:        "fault limit",
	ReplyQueueFull:    "reply queue full",
	TransmitFailed:    "transmit failed",
}

// String returns the reason's word, such as "bad checksum"; empty for None.
func (r Reason) String() string {
	if r >= NumReasons {
		return "unknown reason"
	}
	return words[r]
}

// Error makes a Reason an error.
func (r Reason) Error() string { return r.String() }

// Of returns the Reason that err is, and None for nil. Only parsers' errors may be given.
func Of(err error) Reason {
	if err == nil {
		return None
	}
	return err.(Reason)
}
