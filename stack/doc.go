// Package stack is one TCP/IP host: interfaces, neighbours, routes, sockets, counters, and the data path between them.
//
// A Host has no input or output of its own. Receive processes an arriving frame and Transmit returns frames to send.
// Time is an argument, and all randomness comes from the seed in its Config. No call blocks, and the host starts
// nothing by itself: its owner calls Tick at the instant that Deadline returns. A host is single-owner: one goroutine
// at a time may call it, its interfaces and its sockets.
//
// Every arriving frame gets exactly one Verdict. Conservation holds at all times: the number of arriving frames equals
// the number of frames delivered, answered, forwarded and dropped. Each drop has a reason. All tables and queues are
// bounded, see Limits.
//
// A reader may start at ingress.go, which follows an arriving frame, or at egress.go, which follows a segment or datagram
// to the link. The fields of Host name the parts of its state.
//
// Sources: RFC 791 and 5722 (fragments), 1122 (hosts), 826 (through package neigh), 792, 768, 9293 (through package tcp),
// 1812 (forwarding), 1112 and 2236 (multicast and the host's side of IGMPv2), 5227 (probes, announcements, defence),
// 1191 (path MTU), 4987 §3.6 (SYN cookies), 6056 (ports), 6528 (initial sequence numbers), 6864
// (identification). For IPv6: 8200, 4291 and 4007 (addresses and zones), 4443 (ICMPv6), 4861 and 6980 (neighbour discovery), 4862 and
// 7527 (addresses and duplicates), 8201 (path MTU), 6724 (through package addrsel), 3810 (through package mld), 7217, 8981, 4191
// and 8106 (through package autoconf), 6437 (flow labels), 7739 (identification).
//
// Left out on purpose, each with a verdict or drop reason of its own:
//
//   - redirects of IPv4, which RFC 1122 §3.2.2.2 would have a host follow: anyone on the link can forge them, and the routes here
//     are set by hand;
//   - source routes: the host sends no packet by one, and does not reverse that of an echo request (RFC 7126 §4.3);
//   - IGMPv3, and the forwarding of multicast;
//   - the subnet-router anycast address of RFC 4291 §2.6.1: a router forwards a packet to it like one to any other station of the
//     subnet, and sends "address unreachable" because no station answers.
//
// Forwarding is off until SetForwarding turns it on (RFC 1122 §3.3.1.1).
package stack
