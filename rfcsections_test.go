package smolsh_test

// rfcSections lists the sections of TCP's RFCs with requirements for an implementation, one in a line. Of IPv6's RFCs it lists the
// sections with requirements for hosts and routers. After "=" stand tests that cover the section although they name another one.
// After "--" stands why it has no test, or which part of it is left out.
const rfcSections = `
RFC 9293 Transmission Control Protocol
3.1 Header Format -- tests of stack/wire
3.2 Specific Option Definitions -- tests of stack/wire
3.3.2 State Machine Overview = TestMatrix
3.4 Sequence Numbers = TestMatrix
3.4.1 Initial Sequence Number Selection = TestInitialSequenceNumbers
3.4.3 The TCP Quiet Time Concept -- left out: numbers come from a clock and a hash that is keyed anew (§3.4.1)
3.5 Establishing a Connection
3.5.1 Half-Open Connections and Other Anomalies = open-half-open open-old-duplicate
3.5.2 Reset Generation = TestMatrix TestTCPRefused
3.5.3 Reset Processing = TestMatrix challenge open-refused
3.6 Closing a Connection
3.6.1 Half-Closed Connections
3.7.1 Maximum Segment Size Option
3.7.2 Path MTU Discovery = TestPathMTU TestBlackHole pmtu-recut pmtu-refused
3.7.3 Interfaces with Variable MTU Values = TestSmallerMTU
3.7.4 Nagle Algorithm
3.7.5 IPv6 Jumbograms -- left out (RFC 2675)
3.8.1 Retransmission Timeout
3.8.2 TCP Congestion Control = slow-start newreno TestGoodput
3.8.3 TCP Connection Failures
3.8.4 TCP Keep-Alives
3.8.5 The Communication of Urgent Information = urgent
3.8.6 Managing the Window
3.8.6.1 Zero-Window Probing
3.8.6.2.1 Sender's Algorithm: When to Send Data
3.8.6.2.2 Receiver's Algorithm: When to Send a Window Update
3.8.6.3 Delayed Acknowledgments: When to Send an ACK Segment
3.9.1 User/TCP Interface -- the calls of stack/tcp
3.9.2.1 Source Routing -- not supported: a source route is refused (stack/ipoptions.go)
3.9.2.2 ICMP Messages = open-unreachable open-prohibited established-hard-error path-mtu-tcp
3.9.2.3 Source Address Validation = TestVerdicts
3.10.1 OPEN Call = open-active open-passive
3.10.2 SEND Call
3.10.3 RECEIVE Call = reset-unread close-unread
3.10.4 CLOSE Call
3.10.5 ABORT Call
3.10.6 STATUS Call -- Info, which most exchanges ask
3.10.7.1 SEGMENT ARRIVES, CLOSED
3.10.7.2 SEGMENT ARRIVES, LISTEN
3.10.7.3 SEGMENT ARRIVES, SYN-SENT
3.10.7.4 SEGMENT ARRIVES, other states
3.10.8 Timeouts = user-timeout rto-backoff time-wait

RFC 5681 TCP Congestion Control
2 Definitions
3.1 Slow Start and Congestion Avoidance
3.2 Fast Retransmit/Fast Recovery
4.1 Restarting Idle Connections
4.2 Generating Acknowledgments
4.3 Loss Recovery Mechanisms -- SACK with RACK-TLP; NewReno (RFC 6582) without

RFC 6298 Computing TCP's Retransmission Timer
2.1 Before a measurement
2.2 The first measurement
2.3 Further measurements
2.4 The least timeout -- 200 ms in place of a second, as Linux has it; it is an option
2.5 The longest timeout
3 Taking RTT Samples
4 Clock Granularity -- times are in nanoseconds; G, the least variance, is 1 ms
5.1 to start the timer
5.2 to stop it
5.3 to start it anew
5.4 to repeat the earliest segment
5.5 to back off
5.6 to start it after that
5.7 after a lost SYN

RFC 6675 Loss Recovery Based on SACK
3 Keeping Track of SACK Information = TestBoardAgainstModel
4 Processing and Acting Upon SACK Information -- losses are found by RACK in place of IsLost, whose timer and tail loss probe take the place of NextSeg's rules 3 and 4
5 Algorithm Details
5.1 Retransmission Timeouts
6 Managing the RTO Timer -- its careful variant: every repeat in recovery starts the timer anew

RFC 7323 TCP Extensions for High Performance
2.2 Window Scale Option
2.3 Using the Window Scale Option
2.4 Addressing Window Retraction = window-shrinks buffer-shrinks buffer-shrinks-scaled
3.2 Timestamps Option
4.1 RTTM Mechanism
4.2 Updating the RTO Value -- the clock times one segment a round trip, echoes only what went again, so that no sample needs less weight
4.3 Which Timestamp to Echo
5.2 The PAWS Mechanism = paws paws-idle
5.3 Basic PAWS Algorithm
5.4 Timestamp Clock -- a tick is a millisecond, counted from a keyed hash of the two ends
5.5 Outdated Timestamps
5.6 Header Prediction -- there is none: every segment goes the one way
5.8 Duplicates from Earlier Incarnations of Connection = time-wait-reuse

RFC 8985 The RACK-TLP Loss Detection Algorithm
6.1 Upon Transmitting a Data Segment = TestBoardAgainstModel
6.2 Upon Receiving an ACK
6.3 Upon RTO Expiration
7.1 Initializing State = tlp-last
7.2 Scheduling a Loss Probe
7.3 Sending a Loss Probe upon PTO Expiration
7.4 Detecting Losses Using the ACK of the Loss Probe
8 Managing RACK-TLP Timers = rack-timer tlp-once

RFC 9438 CUBIC
4.1 Definitions -- nothing to implement
4.2 Window Increase Function
4.3 Reno-Friendly Region
4.4 Concave Region = TestCubicCurve
4.5 Convex Region = TestCubicCurve
4.6 Multiplicative Decrease = TestCubicReductions
4.7 Fast Convergence
4.8 Timeout = TestCubicReductions
4.9 Spurious Congestion Events
4.10 Slow Start = TestCubicSlowStart

RFC 5961 Improving TCP's Robustness to Blind In-Window Attacks
3 Blind Reset Attack Using the RST Bit
4 Blind Reset Attack Using the SYN Bit
5 Blind Data Injection Attack
6 Suggested Mitigation Strengths -- all of section 3 to 5 is on, without a switch
7 ACK Throttling
8 Backward Compatibility and Other Considerations -- nothing to implement

RFC 9002 QUIC Loss Detection and Congestion Control: what TCP has of it
7.7 Pacing
7.8 Underutilizing the Congestion Window

RFC 2018 TCP Selective Acknowledgment Options
3 Sack Option Format
4 Generating Sack Options: Data Receiver Behavior
5 Interpreting the Sack Option and Retransmission Strategy: Data Sender Behavior
8 Data Receiver Reneging

RFC 2883 An Extension to SACK: D-SACK
4.1 Reporting Full Duplicate Segments
4.2 Reporting Partial Duplicate Segments

RFC 1337 TIME-WAIT Assassination Hazards in TCP
2 The TIME-WAIT Hazards
3 Fixes for TIME-WAIT Hazards -- F1: a reset is ignored in TIME-WAIT

RFC 3168 The Addition of Explicit Congestion Notification (ECN) to IP
5 Explicit Congestion Notification in IP -- tests of phy/fault, and with the kernel of stack/lab/live
6.1.1 TCP Initialization
6.1.1.1 Middlebox Issues
6.1.2 The TCP Sender
6.1.3 The TCP Receiver
6.1.4 Congestion on the ACK-path
6.1.5 Retransmitted TCP Packets
6.1.6 TCP Window Probes

RFC 5682 Forward RTO-Recovery (F-RTO)
2 Basic F-RTO Algorithm -- left out: a timeout is found spurious by the echoed timestamp or a D-SACK (RFC 3522, RFC 3708), which asks for nothing to be sent otherwise
3 SACK-Enhanced Version of the F-RTO Algorithm -- left out, for the same reason

RFC 7661 Updating TCP to Support Rate-Limited Traffic
4.3 The Nonvalidated Phase -- left out: a window that was not the limit does not grow, and after an idle time it is the initial one
4.4 The Validated Phase -- as above

RFC 7413 TCP Fast Open
4 Protocol Details -- left out: data may be delivered twice, and what is kept of a peer would outlive its connections; a SYN's data is taken and waits for the handshake

RFC 6429 TCP Sender Clarification for Persist Condition
4 Clarification Regarding RFC 1122 Requirements

RFC 5927 ICMP Attacks against TCP
4 Constraints: what is quoted must be in flight
7.1 ICMP attack against path MTU discovery
7.2 The path MTU discovery attack fix

RFC 4821 Packetization Layer Path MTU Discovery
7.2 Selecting MTU Sizes
7.4 Probing
7.5 Response to Probe Results
7.7 Black hole detection

RFC 2525 Known TCP Implementation Problems
2.1 No initial slow start
2.2 No slow start after retransmission timeout
2.3 Uninitialized CWND
2.4 Inconsistent retransmission
2.5 Failure to retain above-sequence data
2.6 Extra additive constant in congestion avoidance
2.7 Initial RTO too low
2.8 Failure of window deflation after loss recovery
2.9 Excessively short keep-alive connection timeout
2.10 Failure to back off retransmission timeout
2.11 Insufficient interval between keep-alives
2.12 Window probe deadlock
2.13 Stretch ACK violation
2.14 Retransmission sends multiple packets
2.15 Failure to send FIN notification promptly
2.16 Failure to send a RST after half duplex close
2.17 Failure to RST on close with data pending
2.18 Options missing from TCP MSS calculation

RFC 5227 IPv4 Address Conflict Detection
2.1 Probing an Address
2.1.1 Probe Details
2.2 Shorter Timeouts on Appropriate Network Technologies -- left out: probes take the times of §2.1.1
2.3 Announcing an Address
2.4 Ongoing Address Conflict Detection and Address Defense
2.5 Continuing Operation = TestVerdicts
2.6 Broadcast ARP Replies -- left out: replies go to who asked

RFC 8200 Internet Protocol, Version 6
3 IPv6 Header Format
4 IPv6 Extension Headers
4.1 Extension Header Order -- a second fragment header is refused
4.2 Options
4.3 Hop-by-Hop Options Header
4.4 Routing Header
4.5 Fragment Header
4.6 Destination Options Header
4.7 No Next Header
4.8 Defining New Extension Headers and Options -- nothing to implement
5 Packet Size Issues = path-mtu6 fragments6-sent
6 Flow Labels = udp6 tcp6 -- as RFC 6437 says
7 Traffic Classes = forward6 udp6
8.1 Upper-Layer Checksums
8.2 Maximum Packet Lifetime -- nothing to implement
8.3 Maximum Upper-Layer Payload Size
8.4 Responding to Packets Carrying Routing Headers = icmp6-errors -- the host sends no routing header

RFC 5095 Deprecation of Type 0 Routing Headers in IPv6
3 Deprecation of RH0 = icmp6-errors

RFC 5722 Handling of Overlapping IPv6 Fragments
4 Node Behavior

RFC 6946 Processing of IPv6 "Atomic" Fragments
4 Updating RFC 2460

RFC 7739 Security Implications of Predictable Fragment Identification Values
5 Algorithms for Selecting Fragment Identification Values

RFC 2675 IPv6 Jumbograms
3 Usage of the Jumbo Payload Option -- left out: no link here carries a packet of more than 65,575 octets; the option is unknown

RFC 6437 IPv6 Flow Label Specification
2 IPv6 Flow Label Specification = forward6
3 Flow Labeling Requirements in the Stateless Scenario = udp6 tcp6 icmp6-echo
4 Flow State Establishment Requirements -- nothing to implement

RFC 2711 IPv6 Router Alert Option
2.1 Syntax

RFC 4291 IP Version 6 Addressing Architecture
2.1 Addressing Model = nd-start
2.2 Text Representation of Addresses -- net/netip
2.5.2 The Unspecified Address
2.5.3 The Loopback Address = TestEcho6
2.5.5.2 IPv4-Mapped IPv6 Address -- sockets use the IPv4 address; packets have none
2.5.6 Link-Local IPv6 Unicast Addresses
2.6 Anycast Addresses -- left out: an address belongs to one interface
2.7 Multicast Addresses = mld
2.7.1 Pre-Defined Multicast Addresses
2.8 A Node's Required Addresses = nd-start

RFC 4007 IPv6 Scoped Address Architecture
4 Address Scope -- tests of stack/addrsel
5 Scope Zones = TestTransfer6
6 Zone Indices = TestTransfer6
9 Forwarding = forward6
10 Routing = nd-router
11.2 Textual Representation: Zone Indices -- net/netip; the zone is the interface's name

RFC 7112 Implications of Oversized IPv6 Header Chains
5 Requirements

RFC 8504 IPv6 Node Requirements
5.3 Protecting a Node from Excessive Extension Header Options

RFC 4443 ICMPv6
2.1 Message General Format -- tests of stack/wire
2.2 Message Source Address Determination = icmp6-echo icmp6-errors forward6
2.3 Message Checksum Calculation
2.4 Message Processing Rules
3.1 Destination Unreachable Message
3.2 Packet Too Big Message
3.3 Time Exceeded Message
3.4 Parameter Problem Message
4.1 Echo Request Message
4.2 Echo Reply Message
5.1 Authentication and Confidentiality of ICMP Messages -- left out: there is no IPsec

RFC 8201 Path MTU Discovery for IP version 6
4 Protocol Requirements
5.1 Layering = path-mtu6 path-mtu6-tcp
5.2 Storing PMTU Information = path-mtu6
5.3 Purging Stale PMTU Information = path-mtu6
5.4 Packetization Layer Actions
5.5 Issues for Other Transport Protocols = path-mtu6
5.6 Management Interface -- the script's limits()

RFC 4861 Neighbor Discovery for IP version 6
4.1 Router Solicitation Message Format
4.2 Router Advertisement Message Format
4.3 Neighbor Solicitation Message Format
4.4 Neighbor Advertisement Message Format
4.5 Redirect Message Format
4.6 Option Formats
5.1 Conceptual Data Structures -- stack/neigh, stack/route, stack/autoconf; redirects are routes, and paths are in stack/pmtu
5.2 Conceptual Sending Algorithm = nd-router nd-routers
5.3 Garbage Collection and Timeout Requirements = nd-resolve -- bounds and eviction: tests of stack/neigh
6.1.1 Validation of Router Solicitation Messages
6.1.2 Validation of Router Advertisement Messages
6.2.1 Router Configuration Variables = nd-advertise
6.2.2 Becoming an Advertising Interface = nd-advertise
6.2.3 Router Advertisement Message Content = nd-advertise
6.2.4 Sending Unsolicited Router Advertisements
6.2.5 Ceasing to Be an Advertising Interface
6.2.6 Processing Router Solicitations
6.2.7 Router Advertisement Consistency -- left out: a router does not compare the advertisements of others with its own
6.2.8 Link-Local Address Change -- a router's link-local address does not change while it has the interface
6.3.2 Host Variables -- tests of stack/autoconf
6.3.3 Interface Initialization = nd-start
6.3.4 Processing Received Router Advertisements
6.3.5 Timing out Prefixes and Default Routers
6.3.6 Default Router Selection
6.3.7 Sending Router Solicitations
7.1.1 Validation of Neighbor Solicitations
7.1.2 Validation of Neighbor Advertisements
7.2.1 Interface Initialization = nd-start
7.2.2 Sending Neighbor Solicitations
7.2.3 Receipt of Neighbor Solicitations
7.2.4 Sending Solicited Neighbor Advertisements
7.2.5 Receipt of Neighbor Advertisements
7.2.6 Sending Unsolicited Neighbor Advertisements = nd-duplicate
7.2.7 Anycast Neighbor Advertisements -- left out: no address is an anycast one
7.2.8 Proxy Neighbor Advertisements -- left out: the host is no proxy
7.3.1 Reachability Confirmation
7.3.2 Neighbor Cache Entry States -- tests of stack/neigh
7.3.3 Node Behavior
8.1 Validation of Redirect Messages
8.2 Router Specification
8.3 Host Specification
9 Extensibility - Option Processing -- tests of stack/wire and stack/autoconf
10 Protocol Constants = nd-start nd-resolve nd-advertise
11.2 Securing Neighbor Discovery Messages -- left out: SEND (RFC 3971)

RFC 3971 SEcure Neighbor Discovery (SEND)
5 Neighbor Discovery Protocol Options -- left out, but for the nonce of RFC 7527: no host has the keys

RFC 6275 Mobility Support in IPv6
9 Correspondent Node Operation -- left out: the mobility header is unknown, and the flags of routers and prefixes are ignored

RFC 8415 Dynamic Host Configuration Protocol for IPv6 (DHCPv6)
18 DHCP Configuration Exchanges -- left out: the flags of advertisements that ask for it are shown

RFC 6980 Security Implications of IPv6 Fragmentation with IPv6 Neighbor Discovery
5 Specification

RFC 7527 Enhanced Duplicate Address Detection
4.1 Processing Rules for Senders
4.2 Processing Rules for Receivers

RFC 4429 Optimistic Duplicate Address Detection (DAD) for IPv6
3 Modifications to RFC-mandated Behavior -- left out: a tentative address is not used

RFC 4862 IPv6 Stateless Address Autoconfiguration
5.1 Node Configuration Variables -- one probe is sent for an address
5.2 Autoconfiguration-Related Structures -- tests of stack/autoconf
5.3 Creation of Link-Local Addresses = nd-start
5.4.1 Message Validation = nd-solicited
5.4.2 Sending Neighbor Solicitation Messages
5.4.3 Receiving Neighbor Solicitation Messages
5.4.4 Receiving Neighbor Advertisement Messages
5.4.5 When Duplicate Address Detection Fails
5.5.1 Soliciting Router Advertisements = nd-start
5.5.2 Absence of Router Advertisements -- left out: DHCPv6
5.5.3 Router Advertisement Processing
5.5.4 Address Lifetime Expiry
5.6 Configuration Consistency -- left out: DHCPv6
5.7 Retaining Configured Addresses for Stability -- left out: nothing outlives the program; addresses are the same again (RFC 7217)

RFC 6724 Default Address Selection for Internet Protocol Version 6 (IPv6)
2.1 Policy Table -- tests of stack/addrsel
2.2 Common Prefix Length -- tests of stack/addrsel
3.1 Scope Comparisons -- tests of stack/addrsel
3.2 IPv4 Addresses and IPv4-Mapped Addresses -- tests of stack/addrsel
4 Candidate Source Addresses
5 Source Address Selection -- rule 5.5 is left out: addresses are not tied to the router that has advertised their prefix
6 Destination Address Selection
7 Interactions with Routing -- a route is chosen first, and a source for it

RFC 8305 Happy Eyeballs Version 2
3 Hostname Resolution Query Handling -- left out: there is no resolver
4 Sorting Addresses -- tests of stack/addrsel
5 Connection Attempts -- tests of package script

RFC 5453 Reserved IPv6 Interface Identifiers
3 Reserved IPv6 Interface Identifiers

RFC 5942 IPv6 Subnet Model
4 Host Rules

RFC 7217 Semantically Opaque Interface Identifiers
5 Algorithm Specification
6 Resolving DAD Conflicts

RFC 8981 Temporary Address Extensions for Stateless Address Autoconfiguration
3.1 Design Guidelines -- nothing to implement
3.3.1 Simple Randomized IIDs
3.3.2 Generating IIDs with Pseudorandom Functions -- left out, in favour of §3.3.1
3.4 Generating Temporary Addresses
3.5 Expiration of Temporary Addresses
3.6 Regeneration of Temporary Addresses -- tests of stack/autoconf
3.7 Implementation Considerations -- temporary addresses are off by default
3.8 Defined Protocol Parameters and Configuration Variables

RFC 4191 Default Router Preferences and More-Specific Routes
2.1 Preference Values = nd-routers
2.2 Changes to Router Advertisement Message Format
2.3 Route Information Option
3.1 Conceptual Data Structures for Hosts
3.2 Conceptual Sending Algorithm for Hosts
3.3 Destination Cache Management -- every packet's route is looked up, so nothing is stale
3.4 Client Configurability -- route.add and its kin
3.5 Router Reachability Probing -- left out: a router that does not answer is tried again when packets are sent
4 Router Configuration -- the script's advertise

RFC 8106 IPv6 Router Advertisement Options for DNS Configuration
5.1 Recursive DNS Server Option
5.2 DNS Search List Option
5.3.1 Procedure in IPv6 Hosts
5.3.2 Warnings for DNS Options Configuration -- nothing to implement
6.1 DNS Repository Management -- tests of stack/autoconf
6.2 Synchronization between DNS Server List and Resolver Repository -- left out: there is no resolver

RFC 2710 Multicast Listener Discovery (MLD) for IPv6
3 Message Format
4 Protocol Description
5 Node State Transition Diagram
7.10 Unsolicited Report Interval

RFC 3590 Source Address Selection for the Multicast Listener Discovery (MLD) Protocol
4 MLD Source Address Selection Guidelines

RFC 3810 Multicast Listener Discovery Version 2 (MLDv2) for IPv6
3 The Service Interface for Requesting IP Multicast Reception -- sockets join groups, without lists of sources
4.1 Per-Socket State -- as above
4.2 Per-Interface State -- as above: every group is in EXCLUDE mode without sources
5.1 Multicast Listener Query Message
5.2 Version 2 Multicast Listener Report Message
6.1 Action on Change of Per-Interface State
6.2 Action on Reception of a Query
6.3 Action on Timer Expiration
7 Description of the Protocol for Multicast Routers -- left out: the host forwards no groups and sends no queries
8.1 Query Version Distinctions
8.2.1 In the Presence of MLDv1 Routers
8.2.2 In the Presence of MLDv1 Multicast Address Listeners
8.3 Multicast Router Behavior -- left out, with section 7
9.1 Robustness Variable
9.2 Query Interval
9.3 Query Response Interval
9.11 Unsolicited Report Interval
9.12 Older Version Querier Present Timeout

RFC 9777 Multicast Listener Discovery Version 2 (MLDv2) for IPv6
8.2.1 In the Presence of MLDv1 Routers
`
