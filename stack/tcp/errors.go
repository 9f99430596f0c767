package tcp

import "errors"

// What a call on a connection reports, in RFC 9293's words. Match with errors.Is.
var (
	ErrReset        = errors.New("connection reset")            // the peer sent RST, §3.10.7.4
	ErrRefused      = errors.New("connection refused")          // RST in SYN-SENT, §3.10.7.3
	ErrUserTimeout  = errors.New("connection timed out")        // user timeout or too many retransmissions, §3.8.3
	ErrAborted      = errors.New("connection aborted")          // the caller's own ABORT, §3.10.5
	ErrClosing      = errors.New("connection closing")          // SEND or CLOSE after CLOSE, §3.10.2
	ErrNotConnected = errors.New("connection not open")         // no such connection any more, §3.10
	ErrHostUnreach  = errors.New("host unreachable")            // ICMP, or no answer from the neighbour
	ErrNetUnreach   = errors.New("network unreachable")         // ICMP, or no route
	ErrPortUnreach  = errors.New("port unreachable")            // ICMP
	ErrProtoUnreach = errors.New("protocol unreachable")        // ICMP
	ErrProhibited   = errors.New("administratively prohibited") // ICMP
)
