package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Segment sizes, in octets of payload.
const (
	defaultMSS  = 536  // assumed if the peer sends no MSS option (RFC 9293 §3.7.1)
	defaultMSS6 = 1220 // the same over IPv6
	minMSS      = 48   // a peer with a smaller MSS option attacks our packet rate; a link's MTU may require a smaller size
	maxMSS      = 65535 - 40
)

// Conn is one connection: the TCB of RFC 9293 §3.3.1 with its buffers. The zero Conn is not usable; see Open and
// NewListen.
type Conn struct {
	cfg          *Config // options with defaults filled in; never written to, since other connections share it
	hooks        *Hooks
	state        State
	passive      bool  // true after a passive OPEN
	lossTimerFor uint8 // meaning of at.loss: waitReorder or waitTail
	reo          reordering
	readShut     bool // true after CloseRead: the application reads no octets that arrive later
	sack         bool // true if selective acknowledgements are offered, and after the handshake if they are agreed on
	err          error
	softError    error // last ICMP error, which a later timeout returns

	snd     send
	rcv     receive
	pending pending

	retrans int32 // segments retransmitted

	cong congestion
	rtt  estimator
	ts   stamps
	at   timers

	pmtu *pmtuState // nil unless the path's MTU is known to be smaller than the ends' MTUs
	log  *journal   // nil if Config.Log is 0
	ecn  *ecnState  // nil unless ECN is requested or agreed on

	segsIn, segsOut uint64
	challenge       limiter
}

// send is the sending half: the send sequence variables of RFC 9293 §3.3.1, and the octets from SND.UNA on.
type send struct {
	buf         buf.Ring
	iss         wire.Seq
	una, nxt    wire.Seq
	max         wire.Seq // one past the highest number sent; without a scoreboard a timeout moves nxt back to una
	wl1, wl2    wire.Seq
	timedSeq    wire.Seq // end of the segment that was sent at timedAt and whose round trip is measured
	fullSizeEnd wire.Seq // end of the segment whose state is fullSize
	smallEnd    wire.Seq // end of the last segment shorter than the full size (Minshall's SND.SML)
	wnd         int      // SND.WND in octets, after scaling
	maxWnd      int      // octets of the largest window that the peer has offered (MAX.SND.WND, RFC 5961 §5)
	mss         int      // octets of payload in a segment of the full size
	wscale      uint8
	closed      bool // true after CloseWrite: a FIN follows the last octet
	finSent     bool
	fullSize    uint8  // state of the first segment of the full size: fullSizeUnknown, fullSizeSent or fullSizeAcked
	maxSegment  uint16 // octets of the longest segment that both ends accept, options included; 0 before the handshake
	callerRoom  uint16 // room that Emit's last caller offered, in octets, less that of the timestamps option

	timedAt         clock.Instant // time of the timed segment; Never while no round trip is measured (Karn's algorithm, RFC 6298 §3)
	retransmittedAt clock.Instant // time of the last retransmission

	scoreboard *scoreboard // ranges in flight; nil if nothing is in flight, or without selective acknowledgements

	bytesSent, bytesAcked uint64
}

// receive is the receiving half: the receive sequence variables of RFC 9293 §3.3.1, and the octets that the
// application has not read.
type receive struct {
	buf           buf.Ring // octets that the application has not read; beyond the queue's end, octets received out of order
	irs           wire.Seq
	nxt           wire.Seq
	windowEdge    wire.Seq // right edge of the offered window, RCV.NXT+RCV.WND; it never moves back
	up            wire.Seq // urgent pointer, valid if urgent; urgent data stays in line (RFC 6093)
	mss           int32    // octets that our MSS option announces
	wscale        uint8
	scaled        bool // true if window scaling is offered, and after the handshake if it is agreed on
	urgent        bool
	closed        bool   // true after Close: new data is answered by RST
	fin           bool   // true if the peer's FIN has been received, at finSeq, perhaps beyond a gap
	eof           bool   // true if the peer's FIN and everything before it has been received
	quickAcks     uint8  // segments still to be acknowledged without delay
	ipv6          bool   // true after OverIPv6
	unackedSegs   uint16 // data segments since the last ACK sent, 65535 for more
	segSize       uint16 // octets in each of these segments; 0 if their sizes differ or a super-segment was among them
	synWindowRest int32  // octets of free buffer that the SYN's unscaled window could not offer

	finSeq   wire.Seq
	base     int64       // offset of RCV.NXT in the stream; ooo holds such offsets
	ooo      *outOfOrder // ranges received out of order; nil if there are none
	rttRound rttRound
}

// octets returns the number of octets of the stream that have been received in order.
func (r *receive) octets() uint64 {
	if r.eof {
		return uint64(r.base - 1)
	}
	return uint64(r.base)
}

// pending holds what Receive, the timers and the application's calls have asked Emit to send.
type pending struct {
	replySeq, replyAck wire.Seq // numbers of a RST in reply to one segment, valid if hasReply
	replyFlags         wire.Flags

	dupAcks        uint8 // number of ACKs, one for each segment out of order (RFC 5681 §4.2)
	ack            bool
	reset          bool // true if the RST of an abort is pending
	syn            bool // true if a SYN or SYN-ACK is pending, also when retransmitted
	fastRetransmit bool // true if the segment at SND.UNA is to be retransmitted

	hasReply    bool
	windowProbe bool // true if a zero-window probe is pending
	tailProbe   bool // true if a tail loss probe is pending
	keepAlive   bool // true if a keep-alive is pending
}

// Hooks are functions that a connection calls on its caller's goroutine. A nil function is not called. One Hooks value
// serves many connections.
type Hooks struct {
	State func(c *Conn, from, to State) // called after each transition
	Count func(e Event, n int)          // called when an event has happened n times
	// Challenge reports whether the host may send another challenge ACK at time now (RFC 5961 §7).
	Challenge func(now clock.Instant) bool

	Episode func(c *Conn, e Episode, why string) // called when loss recovery starts or ends, and on each other Episode
}

// Open returns a connection in SYN-SENT whose SYN is pending (active OPEN, RFC 9293 §3.10.1). mss is the largest
// payload of a segment that the interface sends and receives, in octets. iss is the initial sequence number, which the
// caller chooses (RFC 9293 §3.4.1, RFC 6528). If Shared returned cfg, Open keeps the pointer; it copies any other cfg
// and fills in the defaults.
func Open(cfg *Config, mss int, iss wire.Seq, now clock.Instant, h *Hooks) *Conn {
	c := newConn(cfg, mss, iss, h)
	c.count(EventActiveOpen)
	c.pending.syn = true
	c.setState(SynSent)
	c.at.awaitingSince = now
	return c
}

// NewListen returns a connection in LISTEN (passive OPEN, RFC 9293 §3.10.1). The caller then passes a SYN to
// Receive.
func NewListen(cfg *Config, mss int, iss wire.Seq, h *Hooks) *Conn {
	c := newConn(cfg, mss, iss, h)
	c.passive = true
	c.setState(Listen)
	return c
}

func newConn(cfg *Config, mss int, iss wire.Seq, h *Hooks) *Conn {
	if *cfg != cfg.withDefaults() {
		cfg = Shared(*cfg)
	}
	if cfg.MSS > 0 {
		mss = min(mss, max(cfg.MSS, minMSS))
	}
	mss = max(mss, minPathMSS)
	c := &Conn{cfg: cfg, hooks: h, sack: !cfg.NoSACK}
	c.snd = send{
		buf: buf.NewRing(cfg.sendStart()), iss: iss, una: iss, nxt: iss, max: iss, smallEnd: iss,
		mss: min(mss, defaultMSS), callerRoom: maxMSS, timedAt: clock.Never,
	}
	c.rcv = receive{buf: buf.NewRing(cfg.recvStart()), mss: int32(mss), wscale: scaleFor(cfg.maxRecvBuffer()), scaled: true}
	c.rtt.rto = min(cfg.RTOInitial, cfg.rtoMax())
	c.ts.on = !cfg.NoTimestamps
	c.at = noTimers
	c.cong.Ssthresh = MaxBuffer // no threshold before the first loss
	c.setMSS(c.snd.mss)
	c.cong.recover = iss
	c.log = newJournal(cfg.Log)
	if cfg.ECN == ECNRequest {
		c.ecn = &ecnState{}
	}
	return c
}

// OverIPv6 tells a connection that its segments are sent over IPv6, where every link carries 1280 octets. It is called directly
// after the function that made the connection.
func (c *Conn) OverIPv6() {
	c.rcv.ipv6 = true
	if c.snd.maxSegment == 0 {
		c.setMSS(min(int(c.rcv.mss), defaultMSS6))
	}
}

// State returns the connection's state.
func (c *Conn) State() State { return c.state }

// Err returns the error that ended the connection: nil while the connection lives and after an orderly close.
func (c *Conn) Err() error { return c.err }

// Done reports whether the connection is CLOSED and has nothing left to send. The stack may then remove it.
func (c *Conn) Done() bool { return c.state == Closed && !c.pending.reset && !c.pending.hasReply }

// Config returns the connection's options.
func (c *Conn) Config() Config { return *c.cfg }

// SetStampOffset sets the value of the connection's timestamp clock at instant zero. The caller sets it before the
// first segment. The stack gives each pair of ends another offset (RFC 7323 §5.4).
func (c *Conn) SetStampOffset(n uint32) { c.ts.offset = n }

// SetConfig changes the options of a connection in any state. Buffers may grow and shrink, but an offered window never
// shrinks. The segment size does not change.
func (c *Conn) SetConfig(now clock.Instant, cfg Config) {
	if cfg.Congestion != c.cfg.Congestion {
		c.cong.ctl = nil
	}
	before := c.cfg.Log
	if c.cfg = Shared(cfg); c.cfg.Log != before {
		c.log = newJournal(c.cfg.Log)
		c.logState(now)
	}
	v, r := &c.snd.buf, &c.rcv.buf
	if v.SetLimit(min(v.Limit(), c.cfg.SendBufferMax)); c.cfg.SendBuffer != 0 {
		v.SetLimit(c.cfg.SendBuffer)
	}
	n := min(r.Limit(), c.cfg.RecvBufferMax)
	if c.cfg.RecvBuffer != 0 {
		n = c.cfg.RecvBuffer
	}
	r.SetLimit(max(n, 2<<c.rcv.wscale)) // at least two units of the window scale, or no window could be offered
	c.armKeepAlive(now)
	if d := &c.at.delack; *d != clock.Never { // a pending delayed ACK obeys the new bound
		*d = min(*d, now.Add(max(0, c.cfg.DelayedAck)))
	}
}

// InFlight reports whether the octet at seq is in flight: sent and not acknowledged. The stack ignores an ICMP error
// unless it quotes such a segment (RFC 5927 §4).
func (c *Conn) InFlight(seq wire.Seq) bool { return seq.In(c.snd.una, c.snd.max.Sub(c.snd.una)) }

// SoftError records an ICMP error or a failed neighbour resolution. A hard error ends a connection that is still being
// opened. Any other error is kept, and a later timeout returns it (RFC 9293 §3.9.2.2, RFC 1122 §4.2.3.9, RFC 5461).
func (c *Conn) SoftError(now clock.Instant, err error, hard bool) {
	if hard && (c.state == SynSent || c.state == SynReceived) {
		c.count(EventAttemptFail)
		c.fail(err, false)
		return
	}
	c.softError = err
}

// SoftErr returns the last ICMP error or failed neighbour resolution, nil if there was none.
func (c *Conn) SoftErr() error { return c.softError }

// fail ends the connection. Calls return err from now on, and with reset a RST is sent. Received octets stay readable.
func (c *Conn) fail(err error, reset bool) {
	c.err = err
	c.close()
	c.pending.reset = reset
}

// close enters CLOSED and releases everything that is needed only for sending and receiving.
func (c *Conn) close() {
	c.at = noTimers
	o := &c.pending
	c.pending = pending{hasReply: o.hasReply, replySeq: o.replySeq, replyAck: o.replyAck, replyFlags: o.replyFlags}
	c.snd.buf.Drop()
	c.snd.scoreboard, c.rcv.ooo = nil, nil
	c.setState(Closed)
}

func (c *Conn) count(e Event) { c.countN(e, 1) }

func (c *Conn) countN(e Event, n int) {
	if c.hooks != nil && c.hooks.Count != nil {
		c.hooks.Count(e, n)
	}
}
