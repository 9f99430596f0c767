// Package proxy carries the TCP connections and UDP datagrams of other programs through two hosts of a lab, so that they cross
// a link of the lab as segments and packets:
//
//	program → kernel → [ local → link → peer ] → kernel → target
//
// A socket of the kernel listens for each route. For each connection that it accepts, the host local opens a connection to the host
// peer, and for that one a socket of the kernel opens one to the target. Octets, the end of a direction, resets and the end of a
// connection pass from one connection to the next. A reset follows the octets that were received before it. On Linux the end of a
// connection is also noticed while nobody reads it: after its FIN, while the other end takes no octets, and while the target is dialled. UDP datagrams
// pass likewise, in flows: one for each address that sends, which ends after a time without a datagram.
//
// A route of AddSOCKS has no fixed target. The host peer speaks SOCKS 5 (RFC 1928, without authentication, CONNECT only) and HTTP's CONNECT
// (RFC 9110 §9.3.6), so that a client's requests cross the link as well.
//
// Bounds: MaxConns connections in all, of which each route may carry an equal share, and MaxFlows flows for each route. Octets of a connection that
// has ended wait for at most 5 minutes for the other end to take some. Each direction of a connection has one buffer of up to 128 KiB beside the
// sockets' own, whose sizes the kernel and the stack bound. A sender waits while the receiver does not read.
//
// Any goroutine may call the methods of a Proxy.
package proxy
