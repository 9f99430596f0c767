package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Segment sizes, in octets of payload.
const (
	defaultMSS = 536 // when the peer says nothing (RFC 9293 §3.7.1)
	minMSS     = 48  // below it a peer's option is an attack on our packet rate; a link may have less
	maxMSS     = 65535 - 40
)

// Conn is one connection: RFC 9293's TCB with its buffers. The zero Conn is not usable; see Open and
// NewListen.
type Conn struct {
	cfg          *Config // complete, and shared with other connections: never written to
	hooks        *Hooks
	state        State
	passive      bool  // came from LISTEN
	tlpStale     bool  // data has gone for the first time since the tail's timer was set
	lossTimerFor uint8 // what at.loss waits for
	reo          reordering
	sack         bool // selective acknowledgements: we offer them, and go on when the peer does too
	err          error
	softError    error // the last ICMP error, kept to explain a timeout

	snd     send
	rcv     receive
	pending pending

	retrans int32 // segments repeated in all, beside owe for the room

	cong congestion
	rtt  estimator
	ts   stamps
	at   timers

	pmtu *pmtuState // nil: nothing is known to be narrower than the ends
	log  *journal   // nil: nothing is written down
	ecn  *ecnState  // nil: explicit congestion notification is not spoken

	segsIn, segsOut uint64
	challenge       limiter
}

// send is the sending half: RFC 9293 §3.3.1's send sequence variables and the octets from the first
// unacknowledged one on.
type send struct {
	buf         buf.Ring
	iss         wire.Seq
	una, nxt    wire.Seq
	max         wire.Seq // one past the highest number ever sent: nxt falls back to una on a timeout
	wl1, wl2    wire.Seq
	timedSeq    wire.Seq // the segment whose round trip is being measured ends here, sent at timedAt
	fullSizeEnd wire.Seq // see noteLength
	smallEnd    wire.Seq // one past the last segment that was shorter than the full size (Minshall's SND.SML)
	wnd         int      // octets, scaled
	maxWnd      int      // the largest window ever offered, for silly-window avoidance and RFC 5961 §5
	mss         int      // payload we send at most in one segment
	wscale      uint8
	closed      bool // the application sends no more: a FIN follows the last octet
	finSent     bool
	fullSize    uint8  // whether segments of the full size arrive
	maxSegment  uint16 // size of the longest segment that both ends take, options included; 0: not agreed on yet
	callerRoom  uint16 // octets that Emit's caller had room for last, timestamps not included

	timedAt         clock.Instant // Never: none is measured (RFC 6298 §3, Karn)
	retransmittedAt clock.Instant // when something was last repeated

	scoreboard *scoreboard // what is out, where the peer acknowledges selectively; nil: nothing is, or it does not

	bytesSent, bytesAcked uint64
}

// receive is the receiving half.
type receive struct {
	buf           buf.Ring // in order from the reader on; beyond its end, what came early
	irs           wire.Seq
	nxt           wire.Seq
	windowEdge    wire.Seq // right edge of the window as offered; it never retreats
	up            wire.Seq // urgent pointer; meaningful with urgent (RFC 6093: the data stays in line)
	mss           int32    // what we announced
	wscale        uint8
	scaled        bool // windows are scaled: we offer it, and go on when the peer does too
	urgent        bool
	closed        bool   // the application reads no more: new data is answered by RST
	fin           bool   // the peer's FIN is known, at finSeq, though perhaps beyond a gap
	eof           bool   // and everything before it has come
	quickAcks     uint8  // segments to acknowledge at once
	unackedSegs   uint16 // data segments since the last acknowledgement, 65535 for more
	segSize       uint16 // how long each of them was; 0: they differed, or several came as one
	synWindowRest int32  // of the buffer's room, what a SYN's narrow window could not offer

	finSeq   wire.Seq
	base     int64       // offset of nxt in the stream, which gaps are counted in
	ooo      *outOfOrder // what came early; nil: nothing did
	rttRound rttRound
}

// octets is how much of the stream has come in order.
func (r *receive) octets() uint64 {
	if r.eof {
		return uint64(r.base - 1)
	}
	return uint64(r.base)
}

// pending are what Receive and the application have asked of Emit.
type pending struct {
	replySeq, replyAck wire.Seq // a reset that belongs to no state (hasReply)
	replyFlags         wire.Flags

	dupAcks        uint8 // one for each early segment (RFC 5681 §4.2)
	ack            bool
	reset          bool // abort: RST, then nothing
	syn            bool // a SYN or SYN-ACK must go (again)
	fastRetransmit bool // retransmit the first unacknowledged segment

	hasReply    bool
	windowProbe bool // a zero-window probe is due
	tailProbe   bool // a tail loss probe is due
	keepAlive   bool // a keep-alive is due
}

// Hooks are called by a connection as things happen, on the caller's goroutine; nil ones are not
// called. One Hooks value serves many connections.
type Hooks struct {
	State func(c *Conn, from, to State) // a transition
	Count func(e Event, n int)          // something to be counted, n times
	// Challenge reports whether an ACK may answer what no honest peer sends (RFC 5961 §7).
	Challenge func(now clock.Instant) bool

	Episode func(c *Conn, e Episode, why string) // a turn in what the sender thinks of the path
}

// Open returns a connection in SYN-SENT, whose SYN is owed (active OPEN, RFC 9293 §3.10.1). mss is the
// largest payload the interface takes in one segment, in octets; iss is the initial sequence number
// (RFC 6528 is the caller's business). A cfg that Shared made is kept as it is, of another a complete
// copy.
func Open(cfg *Config, mss int, iss wire.Seq, now clock.Instant, h *Hooks) *Conn {
	c := newConn(cfg, mss, iss, h)
	c.count(EventActiveOpen)
	c.pending.syn = true
	c.setState(SynSent)
	c.at.awaitingSince = now
	return c
}

// NewListen returns a connection in LISTEN, to be given a SYN (passive OPEN, RFC 9293 §3.10.1).
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
	c.cong.Ssthresh = MaxBuffer // without a bound until something is lost
	c.setMSS(c.snd.mss)
	c.cong.recover = iss
	c.log = newJournal(cfg.Log)
	if cfg.ECN == ECNRequest {
		c.ecn = &ecnState{}
	}
	return c
}

// State is the connection's state.
func (c *Conn) State() State { return c.state }

// Err is why the connection ended; nil while it lives and after an orderly close.
func (c *Conn) Err() error { return c.err }

// Done reports whether the connection is CLOSED and owes nothing: the stack may forget it.
func (c *Conn) Done() bool { return c.state == Closed && !c.pending.reset && !c.pending.hasReply }

// Config is the connection's options.
func (c *Conn) Config() Config { return *c.cfg }

// SetStampOffset sets what our timestamp clock shows at instant zero, before the first segment. The stack
// gives each pair of ends its own (RFC 7323 §5.4).
func (c *Conn) SetStampOffset(n uint32) { c.ts.offset = n }

// SetConfig changes options while the connection lives. Buffers may grow and shrink (an offered window
// is never taken back); the segment size stays as it is.
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
	r.SetLimit(max(n, 2<<c.rcv.wscale)) // less than the scale's unit can't be offered
	c.armKeepAlive(now)
	if d := &c.at.delack; *d != clock.Never { // what waits does so no longer than what comes from now on
		*d = min(*d, now.Add(max(0, c.cfg.DelayedAck)))
	}
}

// InFlight reports whether seq has been sent and is not acknowledged: what an ICMP error that quotes
// it must satisfy (RFC 5927 §4).
func (c *Conn) InFlight(seq wire.Seq) bool { return seq.In(c.snd.una, c.snd.max.Sub(c.snd.una)) }

// SoftError takes in an ICMP error or a neighbour's silence. hard ones end a connection that is being
// opened; all others are kept as the explanation of a later timeout (RFC 1122 §4.2.3.9, RFC 5461).
func (c *Conn) SoftError(now clock.Instant, err error, hard bool) {
	if hard && (c.state == SynSent || c.state == SynReceived) {
		c.count(EventAttemptFail)
		c.fail(err, false)
		return
	}
	c.softError = err
}

// fail ends the connection: err is what calls report from now on; a RST goes out when reset is set.
// What has been received stays readable.
func (c *Conn) fail(err error, reset bool) {
	c.err = err
	c.close()
	c.pending.reset = reset
}

// close enters CLOSED and lets go of all that is only needed to send and to receive.
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
