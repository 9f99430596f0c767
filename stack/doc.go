// Package stack is one host: interfaces, neighbours, routes, sockets, counters, and the data path
// between them.
//
// A Host is a pure value. Frames go in by Receive and come out by Transmit; time is an argument and all
// randomness comes from the seed of its Config. Nothing blocks, nothing runs by itself: Deadline says
// when Tick wants to be called. A host is single-owner: one goroutine at a time may call it, its
// interfaces and its sockets.
//
// Every frame that arrives gets exactly one Verdict, and Conservation holds at all times: frames in are
// those delivered, answered, forwarded and dropped, each drop with its reason. Memory is bounded
// whatever arrives: tables and queues have limits, see Limits.
//
// Sources: RFC 791 and 5722 (fragments), 1122 (hosts), 826 (through package neigh), 792, 768, 9293 (through package tcp),
// 1812 (forwarding), 1112 and 2236 (multicast and the host's side of IGMPv2), 5227 (probes, announcements, defence),
// 1191 (path MTU), 4987 §3.6 (SYN cookies), 6056 (ports), 6528 (initial sequence numbers), 6864
// (identification).
//
// Left out on purpose: redirects, which RFC 1122 §3.2.2.2 would have a host follow (anyone on the link can forge
// them; routes here are set by hand, and what comes is counted); IPv6, IGMPv3, the forwarding of multicast, and source
// routes: no packet is sent by one, and that of an echo request is not reversed (RFC 7126 §4.3); each has its verdict or drop reason. Forwarding is
// off unless asked for (RFC 1122 §3.3.1.1); see SetForwarding.
package stack
