// Package tcp is one TCP connection as a pure function of segments, calls and time (RFC 9293).
//
// A Conn does no input or output, reads no clock and starts no goroutine. Receive takes one segment in
// and records what is owed for it; Emit, which the stack calls when it has room for a packet, decides by
// an ordered list of predicates what the one next segment is, and commits to it. Deadline says when Emit
// wants to be asked though nothing has happened. Application calls (Write, Read, Close, …) move octets
// and record intents in the same way, so that every segment leaves through Emit.
//
//	application: Write Read Close …          stack: Receive(segment)     time: Deadline
//	        │                                          │                      │
//	        └────────────────► intents (owe…, snd, rcv, timers) ◄─────────────┘
//	                                       │
//	                            Emit: one segment, committed
//
// Sources: RFC 9293 (the protocol), 6298 (retransmission timer), 5681 and 6582 (NewReno), 6928 (initial
// window), 9438 (CUBIC), 9406 (HyStart++), 2018 and 2883 (selective acknowledgements), 6675 (pipe), 8985
// (RACK-TLP), 9937 (proportional rate reduction), 3522, 3708 and 4015 (undo), 7323 §2 to §5 (window scaling,
// timestamps), 3042 (limited transmit), 5961 (challenge ACKs), 1122 §4.2 (keep-alive, delayed ACKs, silly
// windows), 6093 (urgent data stays in line), 1191 with 5927 §7 (path MTU), 4821 (its search after a black
// hole), 9002 §7.7 (pacing), 3168 §6 (explicit congestion notification), 6191 (TIME-WAIT).
//
// Left out on purpose: RFC 6675's IsLost, NextSeg rules 3 and 4, which RACK's window, its timer and the tail
// loss probe replace. Left for later: F-RTO, Fast Open, RFC 7661 but for its simplest form.
//
// Limits: buffers of MinBuffer to MaxBuffer octets; 1024 gaps inside the receive window, 16 octets each;
// about 500 ranges on the sender's scoreboard, 16 octets each. A Conn is single-owner: one goroutine at a
// time may call its methods.
package tcp
