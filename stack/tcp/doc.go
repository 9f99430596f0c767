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
// Receive, the application's calls and the timers move octets, and record in the struct pending which segments must be
// sent. The stack calls Emit when it has room for a packet. Emit chooses the next segment by an ordered list of
// conditions (next, which changes nothing), fills the segment in and commits to it. Ready reports whether there is a
// segment without committing, because the stack resolves the neighbour before a segment is made. Deadline is the time
// at which Emit must be called even if no segment arrives.
//
// # Receiving
//
// Receive follows the order of RFC 9293 §3.10.7: receiveClosed, receiveListen, receiveSynSent, and for every other state
// receiveSynchronized with the steps checkSequence, checkReset, checkSYN, checkACK, checkURG, checkText and checkFIN. It
// returns the reason for which a segment was dropped, which becomes the frame's verdict. Every transition passes through
// setState, which panics on an illegal one.
//
// A segment out of order is stored at its place in the receive ring, and rcv.ooo holds its range as offsets in the
// stream. Each such segment makes one duplicate ACK pending, in a counter, since a sender without SACK counts
// duplicates. When the gap closes, a single ACK replaces the pending duplicates; otherwise the sender would read the
// batch as three duplicates of the new ACK. SACK blocks come from rcv.ooo: first the range of the last segment, then
// ranges that grew earlier. A duplicate is reported once (RFC 2883). Options shorten a segment's text by their length.
// SACK blocks beside text occupy half of a segment at most, so that the least MTU leaves room for text.
//
// A batch of 2 to 16 segments in order still gets one ACK per two segments, or per segment after a gap (ackInSteps).
// Each ACK has the numbers that it would have if the segments arrived one by one, because a peer with a small window
// sends by the clock of these ACKs. A larger batch, or a super-segment, gets one ACK. Text in a SYN is dropped
// (RFC 7413 §3).
//
// # Sending
//
// snd.una ≤ snd.nxt ≤ snd.max. max is one past the highest number sent. Without a scoreboard a timeout moves nxt back
// to una, and everything is sent again from una on. Pure ACKs carry max, so that they are acceptable during
// retransmissions.
//
// Nagle's algorithm is Minshall's variant: a short segment waits only for another short segment. A zero-window probe
// does not move snd.nxt, and its octet counts as sent only when it is acknowledged. So no retransmission timer runs
// beside the persist timer. Timestamps (RFC 7323) are on by default. They provide PAWS, and an echo that shows which
// copy of a retransmitted segment was acknowledged. A segment that was sent once is timed by the clock, which is finer.
//
// A sequence number from a peer is checked against the interval in which it must lie (Seq.In, Seq.Between,
// SACKBlock.Within), since two comparisons modulo 2³² do not define an interval. A number that the connection remembers
// must not seem to lie ahead of SND.UNA again, 2 GiB later. It is moved along with SND.UNA or forgotten before
// (TestNumbersOfLongAgo).
//
// # Windows and buffers
//
// The connection stores the right edge of the receive window (rcv.windowEdge), because acceptability depends on the
// window that was offered. The edge never moves back, and moves forward by at least a segment or half the buffer.
//
// A buffer without a fixed size sizes itself, from 256 KiB up to a configured bound, which also determines the window
// scale. The receive buffer holds two to four times the octets read in a round trip. The send buffer holds twice the
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
// Losses are found by time (RACK, RFC 8985): a segment is lost if it was sent at least a reordering window before a
// segment that was delivered. The reordering window is zero while the path keeps the order, and D-SACKs widen it. One
// timer (at.loss) checks again when that window ends, or sends a tail loss probe (tlp.go). A timeout marks every
// segment that is old enough as lost, and forgets all SACKs. The minimum of the timeout is a minimum of its variance
// term: RTO = SRTT + max(4·RTTVAR, 200 ms).
//
// During recovery cwnd shrinks in proportion to the octets delivered (PRR, RFC 9937). If the original's timestamp is
// echoed, or all retransmissions are reported as duplicates, the reduction is undone (undo.go).
//
// A Controller (CUBIC with HyStart++, or NewReno) is called for acknowledged octets, losses, timeouts, idle times and
// undone reductions. It computes with integers, so that a run repeats exactly on every machine. It is called only for
// octets sent while cwnd was the limit. The connection itself inflates the window during NewReno's recovery.
//
// A connection that does not use ECN (ecn.go) stores only a nil pointer for it. A mark reduces cwnd once per window of
// data, like a loss, and a loss in the same window does not reduce it again. CWR is sent with a single segment, since a
// device that cuts super-segments would not know which piece must carry CWR.
//
// Hooks.Episode reports each of these changes with its reason (recovery, recovered, timeout, undone, probe, marked, path).
//
// # Path
//
// The segment size follows the path MTU (pmtud.go). An ICMP error "fragmentation needed" is checked against the
// segments in flight (TooBig, RFC 5927 §7). Segments in flight that are too long are marked as lost and retransmitted
// in smaller pieces; such a loss shows no congestion. After three timeouts of long segments, or five if some have been
// acknowledged, a black hole is suspected. Segments then have 1024 octets, later 512, and single longer segments search
// upward (RFC 4821). The search needs selective acknowledgements, to distinguish a lost probe from congestion.
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
