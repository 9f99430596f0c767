package tcp

import "errors"

// Errors that calls on a connection return, in the words of RFC 9293. Match them with errors.Is.
var (
	ErrReset        = errors.New("connection reset")            // the peer sent RST, §3.10.7.4
	ErrRefused      = errors.New("connection refused")          // RST in SYN-SENT, §3.10.7.3
	ErrUserTimeout  = errors.New("connection timed out")        // user timeout or too many retransmissions, §3.8.3
	ErrAborted      = errors.New("connection aborted")          // the caller has called ABORT, §3.10.5
	ErrClosing      = errors.New("connection closing")          // SEND or CLOSE after CLOSE, §3.10.2
	ErrNotConnected = errors.New("connection not open")         // the connection no longer exists, §3.10
	ErrHostUnreach  = errors.New("host unreachable")            // ICMP error, or failed neighbour resolution
	ErrNetUnreach   = errors.New("network unreachable")         // ICMP error, or no route
	ErrPortUnreach  = errors.New("port unreachable")            // ICMP
	ErrProtoUnreach = errors.New("protocol unreachable")        // ICMP
	ErrProhibited   = errors.New("administratively prohibited") // ICMP
)
