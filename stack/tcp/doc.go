// Package tcp is one TCP connection as a pure function of segments, calls and time (RFC 9293).
//
// A Conn does no input or output, reads no clock and starts no goroutine. Transmission is pulled, never pushed:
//
//	application: Write Read Close …          stack: Receive(segment)     time: Deadline
//	        │                                          │                      │
//	        └────────────────► pending, snd, rcv, timers ◄────────────────────┘
//	                                       │
//	                            Emit: one segment, committed
//
// Receive, the application's calls and the timers move octets and record what is to be sent (the struct pending). Emit,
// which the stack calls when it has room for a packet, asks an ordered list of predicates (next, which changes nothing)
// for the one next segment, fills it in and commits to it. Ready asks without committing, because the stack resolves the
// neighbour before a segment is made. Deadline is when Emit must be called though nothing has arrived.
//
// # Receiving
//
// Receive follows the order of RFC 9293 §3.10.7: receiveClosed, receiveListen, receiveSynSent, and for every other state
// receiveSynchronized with the steps checkSequence, checkReset, checkSYN, checkACK, checkURG, checkText and checkFIN. It
// returns the reason for which a segment was dropped, which becomes the frame's verdict. Every transition passes through
// setState, which panics on an illegal one.
//
// A segment out of order is stored at its place in the receive ring, and its range in rcv.ooo as offsets of the stream.
// Each makes one duplicate ACK pending, as a counter, since a sender without SACK counts duplicates. When the gap
// closes, a single ACK replaces them, or the sender would read the batch as three duplicates of the new ACK. SACK blocks
// come from rcv.ooo: first the range of the last segment, then those before it; a duplicate is reported once (RFC 2883).
// A segment is shorter by the length of its options. Beside text, blocks take half of a segment at most, so that the
// least MTU leaves room for text.
//
// A batch of 2 to 16 segments in order still gets one ACK per two segments, or per segment after a gap, with the numbers
// that the ACKs would have had one after another (ackInSteps): a peer with a small window sends by their clock. A larger
// batch, or a super-segment, gets one ACK. Text that comes with a SYN is dropped (RFC 7413 §3).
//
// # Sending
//
// snd.una ≤ snd.nxt ≤ snd.max. Without a scoreboard a timeout moves nxt back to una, and everything is sent again from
// there; max is the highest number sent. Pure ACKs carry max, so that they are acceptable during retransmissions.
//
// Nagle's rule is Minshall's variant: a short segment waits only for another short one. A zero-window probe does not
// move snd.nxt: its octet counts as sent only when it is acknowledged, so no retransmission timer runs beside the
// persist timer. Timestamps (RFC 7323) are on by default: PAWS, and an echo that shows which copy of a retransmitted
// segment was acknowledged. A segment that was sent once is timed by the clock, which is finer.
//
// A sequence number from a peer is checked against the interval in which it must lie (Seq.In, Seq.Between,
// SACKBlock.Within), since two comparisons modulo 2³² make no interval. A number that the connection remembers is
// moved along or forgotten before it would lie ahead of SND.UNA again, 2 GiB later (TestNumbersOfLongAgo).
//
// # Windows and buffers
//
// The right edge of the receive window (rcv.windowEdge) is state. Acceptability depends on the window that was offered.
// The edge never moves back, and moves forward by at least a segment or half the buffer.
//
// A buffer without a fixed size sizes itself, from 256 KiB up to a configured bound, for which the window scale is
// announced. The receive buffer takes two to four times the octets read in a round trip; the send buffer twice the
// congestion window, but at most four times the octets in flight during the smallest round trip.
//
// Storage is allocated with the first octet and released a second after the buffer became empty (bufferLinger), not at
// once: a busy connection must not allocate for each exchange. Connections with the same options share one Config, and
// scoreboard and controller exist only while octets are in flight. So an idle connection takes less than 1 KiB with its
// socket and its place in the table, in two objects.
//
// # Loss
//
// With a peer that acknowledges selectively (RFC 2018) the sender keeps a scoreboard: everything from una to nxt as
// ranges of octets, never a list of packets. Each range has the instant of its last transmission, and whether it was
// SACKed, lost or retransmitted. Equal neighbours are one range, and a peer can't make more than 512. Lost ranges are
// retransmitted; new octets follow as far as cwnd exceeds the pipe (RFC 6675); nxt does not move back. With other peers
// recovery is NewReno's (RFC 6582).
//
// Losses are found by time (RACK, RFC 8985): a segment is lost if it was sent at least a reordering window before one
// that was delivered. The reordering window is zero while the path keeps the order, and D-SACKs widen it. One timer
// (at.loss) checks again when the window ends, or probes a silent tail (tlp.go). A timeout marks as lost every segment
// that is old enough, and forgets all SACKs. The floor of the timeout is that of its variance: RTO = SRTT +
// max(4·RTTVAR, 200 ms).
//
// During recovery cwnd shrinks in proportion to the octets delivered (PRR, RFC 9937). If the original's timestamp is
// echoed, or all retransmissions are reported as duplicates, the reduction is undone (undo.go).
//
// A Controller (CUBIC with HyStart++, or NewReno) is called for acknowledged octets, losses, timeouts, idle times and
// undone reductions, with integers, so that every machine repeats a run. It is called only for octets sent while cwnd
// was the limit. The connection itself inflates the window during NewReno's recovery.
//
// ECN (ecn.go) costs a connection that does not use it a nil pointer. A mark reduces cwnd once per window of data, like a
// loss, and a loss in the same window does not reduce it again. CWR is sent with a single segment, since a device that
// cuts super-segments would not know which piece must carry it.
//
// Hooks.Episode reports each of these changes with its reason (recovery, recovered, timeout, undone, probe, marked, path).
//
// # Path
//
// The segment size follows the path (pmtud.go). An ICMP error "fragmentation needed" is checked against the segments in
// flight (TooBig, RFC 5927 §7). Segments in flight that are too long are marked as lost and retransmitted in smaller
// pieces, which is no congestion. After three timeouts of long segments, five if some have been acknowledged, a black
// hole is suspected. Then 1024 octets are sent, later 512, and single longer segments search upward (RFC 4821); this
// needs selective acknowledgements, to tell a lost probe from congestion.
//
// # Sources, omissions, limits
//
// Sources: RFC 9293 (the protocol), 6298 (retransmission timer), 5681 and 6582 (NewReno), 6928 (initial
// window), 9438 (CUBIC), 9406 (HyStart++), 2018 and 2883 (selective acknowledgements), 6675 (pipe), 8985
// (RACK-TLP), 9937 (proportional rate reduction), 3522, 3708 and 4015 (undo), 7323 §2 to §5 (window scaling,
// timestamps), 3042 (limited transmit), 5961 (challenge ACKs), 1122 §4.2 (keep-alive, delayed ACKs, silly
// windows), 6093 (urgent data stays in line), 1191 with 5927 §7 (path MTU), 4821 (its search after a black
// hole), 9002 §7.7 (pacing), 3168 §6 (explicit congestion notification), 6191 (TIME-WAIT). docs/rfc.md lists the
// declarations and the tests for each section.
//
// Left out on purpose: IsLost and rules 3 and 4 of NextSeg in RFC 6675, which RACK's window, its timer and the tail
// loss probe replace. Left for later: F-RTO, Fast Open, and RFC 7661 beyond its simplest form.
//
// Limits: buffers of MinBuffer to MaxBuffer octets; 1024 gaps inside the receive window, 16 octets each;
// about 500 ranges on the sender's scoreboard, 16 octets each. A Conn is single-owner: one goroutine at a
// time may call its methods.
package tcp
