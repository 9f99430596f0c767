// Package drop is the catalogue of the reasons for which packets are dropped. Counters, traces, packet comments and tests
// name a reason by its word.
//
// A Reason is an integer and an error at once: it is comparable, costs nothing to return and can be
// matched with errors.Is. Parsers return it as an error, the stack counts it, observers print it.
package drop

// Reason is the reason for which a packet was dropped. The zero value, None, means that it was not dropped.
type Reason uint8

// The reasons, from the lowest layer to the highest. Their words must not change, since scripts compare them.
const (
	None Reason = iota

	// Malformed at any layer.
	Truncated    // fewer octets than the header or its length field requires
	BadVersion   // an IP version that contradicts the layer below
	BadHeaderLen // a header length field below the header's minimum
	BadLength    // a length field that contradicts the number of octets
	BadChecksum  // a wrong checksum
	BadOption    // an option whose length contradicts the header's
	BadType      // a hardware, protocol or operation number that the layer does not define
	BadFlags     // a TCP flag combination that no state accepts

	// Link layer.
	UnknownMAC       // unicast for another station
	UnknownEtherType // no protocol or socket handles this EtherType
	BadSourceMAC     // a group address as the source, or at a switch 00:00:00:00:00:00
	ReservedMAC      // a group that no bridge relays (IEEE 802.1Q §8.6.3)
	TooLong          // longer than the interface's MTU
	InterfaceDown    // the interface is administratively down

	// ARP and neighbours.
	ARPMartian        // a sender that can't be a neighbour: off-link, broadcast, multicast, or ourselves
	ARPConflict       // another station uses our address (RFC 5227), or one that we are probing for
	ARPPermanent      // contradicts a PERMANENT entry
	NeighborTableFull // no entry of the neighbour table may be evicted
	NeighborQueueFull // too many datagrams wait for one neighbour
	NeighborFailed    // the neighbour for which the packet waited did not answer

	// Internet layer.
	MartianSource    // a source address that no host can have, or that can't be reached through this interface
	MartianDest      // a destination that can't arrive on this interface
	NotForUs         // the destination is not our address, and forwarding is off
	MulticastUnknown // a group that no socket has joined
	Fragment         // an ICMP error quotes a fragment that is not the first, and so names no socket
	FragmentConflict // contradicts another fragment of its datagram; the datagram is dropped (RFC 5722)
	FragmentAgain    // duplicates a fragment of its datagram
	FragmentLate     // its datagram was not complete in time
	FragmentsFull    // dropped to make room for younger fragments
	TTLExceeded      // the TTL reached zero
	SourceRoute      // a source route that is not finished, or any source route in a packet to be forwarded
	LinkLocal        // from or to 169.254/16, which no router forwards (RFC 3927 §7)
	NoRoute          // no route to the destination
	TooBig           // longer than the path MTU, with DF set
	UnknownProtocol  // no handler for the transport protocol
	IPv6Off          // the interface does not speak IPv6

	// IPv6 extension headers.
	BadNextHeader  // hop-by-hop options that do not follow the IPv6 header directly (RFC 8200 §4)
	RoutingHeader  // a routing header with segments left, of a type that the stack does not support
	UnknownOption  // an unknown IPv6 option whose type demands that the packet is discarded (RFC 8200 §4.2)
	BadPadding     // more than seven octets of padding before an IPv6 option, or padding that is not zero
	TooManyOptions // more options in an extension header than RFC 8504 §5.3 makes a host accept
	TooManyHeaders // more extension headers than the stack processes
	HeadersTooLong // extension headers with more octets than a packet of 1280 octets has room for
	HeaderChainCut // a first fragment without the upper-layer header (RFC 7112 §5)
	FragmentNested // a second fragment header
	NoNextHeader   // nothing follows the IPv6 header (RFC 8200 §4.7)

	// ICMP.
	ICMPUnknownType // a type that the stack does not answer
	ICMPRedirect    // a redirect: routes are set by hand and do not change
	ICMPNoSocket    // an error or reply for which no socket waits
	ICMPBroadcast   // an echo request to a broadcast address (RFC 1122 §3.2.2.6)
	ICMPBadMTU      // a path MTU that contradicts the packets sent (RFC 5927 §7)
	ICMPRateLimit   // an error not sent because of the rate limit

	// ICMPv6, neighbour discovery and MLD.
	BadHopLimit   // a hop limit that shows that the message may be from beyond the link
	BadCode       // a code that the message's type does not define
	NotLinkLocal  // a source address that must be link-local and is not
	NDBadSource   // the unspecified source address with a source link-layer address
	NDBadTarget   // a multicast target, or a redirect to neither a router nor the destination
	NDBadDest     // a destination that contradicts the source, the flags or the kind of message
	NDConflict    // another station uses our IPv6 address, or one that we are probing for
	NDFragmented  // a message of neighbour discovery in a fragment (RFC 6980 §5)
	NDUnsolicited // an advertisement for an address that the host does not resolve
	NDRedirect    // a redirect that is not from the first hop to the destination (RFC 4861 §8.1)
	NDMartian     // a target or link-layer address that can't be a neighbour's
	NDLoopback    // our own solicitation, which the link has returned (RFC 7527)
	MLDNoAlert    // no router alert option for MLD (RFC 3810 §6.2)
	MLDBadGroup   // a group that is no multicast address

	// Transport.
	NoSocket        // no socket for this port; answered by RST or port unreachable where allowed
	SocketQueueFull // the socket's receive queue is full
	ServiceLoop     // a datagram from the port of a service to echo or chargen; the two services would answer each other for ever
	TCPListenFull   // the listener's backlog or SYN queue is full
	TCPDuplicate    // all octets of the segment were received before
	TCPOutOfWindow  // outside the receive window
	TCPBadAck       // acknowledges octets that were never sent, or is too old
	TCPNoAck        // no ACK flag in a state that requires one
	TCPBadReset     // a reset in the window, but not at RCV.NXT (RFC 5961 §3)
	TCPBadSYN       // a SYN in a synchronised state (RFC 5961 §4)
	TCPBadState     // not allowed in the connection's state, such as data after the peer's FIN
	TCPClosedRecv   // data for a receiver that the application has closed
	TCPTooManyGaps  // out of order, and the connection stores as many ranges as it may
	TCPOldTimestamp // a timestamp older than the latest received (PAWS, RFC 7323 §5)
	BuffersFull     // the buffers of all the host's connections are at their limit
	ReassemblyFull  // the octets received beyond gaps, of all the host's connections, are at their limit
	TCPNoTimestamp  // no timestamp, although both ends agreed on timestamps (RFC 7323 §3.2)

	// Our own queues, links and faults.
	QueueFull      // a bounded output queue is full
	LinkQueueFull  // the simulated link's queue is full
	LinkDown       // the simulated link is down
	Partitioned    // the hosts at the ends of the simulated link are partitioned
	FloodLimit     // a port of the simulated switch floods too much
	FaultLoss      // an injected loss
	FaultMatch     // an injected drop of the frames that a rule's match and nth select
	FaultSize      // an injected size limit
	FaultRate      // an injected rate limit's bucket is empty
	FaultLimit     // an injected rate or delay holds as many frames as it may
	ReplyQueueFull // too many answers wait for the link
	TransmitFailed // the device refused the frame

	NumReasons // number of reasons, the size of arrays of counters
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
	IPv6Off:           "ipv6 off",
	BadNextHeader:     "bad next header",
	RoutingHeader:     "routing header",
	UnknownOption:     "unknown option",
	BadPadding:        "bad padding",
	TooManyOptions:    "too many options",
	TooManyHeaders:    "too many extension headers",
	HeadersTooLong:    "extension headers too long",
	HeaderChainCut:    "header chain cut",
	FragmentNested:    "fragment in fragment",
	NoNextHeader:      "no next header",
	ICMPUnknownType:   "icmp unknown type",
	ICMPRedirect:      "icmp redirect",
	ICMPNoSocket:      "icmp no socket",
	ICMPBroadcast:     "icmp to broadcast",
	ICMPBadMTU:        "icmp bad mtu",
	ICMPRateLimit:     "icmp rate limit",
	BadHopLimit:       "bad hop limit",
	BadCode:           "bad code",
	NotLinkLocal:      "source not link local",
	NDBadSource:       "nd bad source",
	NDBadTarget:       "nd bad target",
	NDBadDest:         "nd bad destination",
	NDConflict:        "nd conflict",
	NDFragmented:      "nd fragmented",
	NDUnsolicited:     "nd unsolicited",
	NDRedirect:        "nd redirect",
	NDMartian:         "nd martian",
	NDLoopback:        "nd looped back",
	MLDNoAlert:        "mld no router alert",
	MLDBadGroup:       "mld bad group",
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
	Partitioned:       "partition",
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

// Of returns the Reason in err, None for nil. err must be an error of a parser.
func Of(err error) Reason {
	if err == nil {
		return None
	}
	return err.(Reason)
}
