package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Info is a snapshot of a connection: the variables of RFC 9293 and RFC 5681, and totals. Numbers are octets unless the
// name or the comment says otherwise.
type Info struct {
	State               State
	RecvQ, SendQ        int // octets to be read; octets not yet acknowledged
	RecvBuf, SendBuf    int // current limits of the two buffers
	SndUna, SndNxt, ISS wire.Seq
	RcvNxt, IRS         wire.Seq
	SndWnd, RcvWnd      int // windows in octets, scaled
	SndWScale           uint8
	RcvWScale           uint8
	MSS                 int // payload of a segment of the full size
	PathMTU             int // longest packet that we send, in octets; 0 before the handshake
	RTO, SRTT, RTTVar   time.Duration
	Cwnd, Ssthresh      int
	Congestion          string // the controller's name
	PacingRate          int    // rate of new data in octets per second; 0 without pacing
	InRecovery          bool
	ECN                 bool          // true if ECN is in use (RFC 3168)
	Phase               Phase         // the sender's assumption about the path
	MinRTT              time.Duration // smallest round trip of the last minutes; 0 if unknown
	ReoWindow           time.Duration // reordering window (RFC 8985 §6.2)
	Retrans             int           // segments retransmitted
	Backoffs            int           // consecutive timeouts, or window probes while the persist timer runs; each doubles the wait
	Unacked             int           // octets not acknowledged, SACKed and lost ones included
	Pipe                int           // estimated octets in flight (RFC 6675 §3)
	Sacked, Lost        int           // octets SACKed; octets marked as lost
	Gaps                int           // ranges received out of order
	OutOfOrder          int           // octets received out of order
	BytesSent           uint64
	BytesAcked          uint64
	BytesReceived       uint64
	SegsOut, SegsIn     uint64
	Timer               string        // timer that expires next: "on" (RTO), "persist", "keepalive", "reorder", "probe" (tail loss), "delack", "time-wait", "fin-wait-2" or ""
	TimerLeft           time.Duration // time until that timer expires
}

// Info returns a snapshot of the connection at time now.
func (c *Conn) Info(now clock.Instant) Info {
	v, r, g := &c.snd, &c.rcv, &c.cong
	i := Info{
		State: c.state, RecvQ: r.buf.Len(), SendQ: v.buf.Len(),
		RecvBuf: r.buf.Limit(), SendBuf: v.buf.Limit(),
		SndUna: v.una, SndNxt: v.nxt, ISS: v.iss, RcvNxt: r.nxt, IRS: r.irs,
		SndWnd: v.wnd, RcvWnd: max(0, r.windowEdge.Sub(r.nxt)), SndWScale: v.wscale, RcvWScale: r.wscale,
		MSS: v.mss, RTO: c.rtt.rto, SRTT: c.rtt.srtt, RTTVar: c.rtt.rttvar,
		Cwnd: g.Cwnd, Ssthresh: g.Ssthresh, Congestion: c.cfg.Congestion.String(), PacingRate: c.pacingRate(), InRecovery: g.inRecovery, ECN: c.usesECN(),
		Retrans: int(c.retrans), Backoffs: int(c.rtt.backoffs), Unacked: v.max.Sub(v.una),
		Gaps: r.ooo.Len(), BytesSent: v.bytesSent, BytesAcked: v.bytesAcked, BytesReceived: r.octets(),
		SegsOut: c.segsOut, SegsIn: c.segsIn,
	}
	i.Pipe, i.Phase, i.MinRTT = c.inFlight(), c.phase(), c.rtt.smallest()
	if c.at.persist != clock.Never {
		i.Backoffs = int(c.at.probes)
	}
	if v.scoreboard != nil {
		i.Sacked, i.Lost, i.ReoWindow = v.scoreboard.sacked, v.scoreboard.lost, c.reoWindow()
	}
	for k := range r.ooo.Len() {
		i.OutOfOrder += r.ooo.At(k).Len()
	}
	if c.snd.maxSegment > 0 {
		i.PathMTU = c.segmentSize() + wire.IPv4Len + wire.TCPLen
		if c.rcv.ipv6 {
			i.PathMTU += wire.IPv6Len - wire.IPv4Len
		}
	}
	i.Timer, i.TimerLeft = c.timer(now)
	return i
}

// timer returns the name of the timer that expires next, as ss names it, and the time until then.
func (c *Conn) timer(now clock.Instant) (name string, left time.Duration) {
	t := &c.at
	at := clock.Never
	for _, x := range [...]struct {
		name string
		at   clock.Instant
	}{
		{"on", t.rexmt}, {"persist", t.persist}, {"time-wait", t.timeWait}, {"keepalive", t.keep},
		{"delack", t.delack}, {"probe", t.loss},
	} {
		if x.at < at {
			name, at = x.name, x.at
		}
	}
	if at == clock.Never {
		return "", 0
	}
	if name == "probe" && c.lossTimerFor == waitReorder {
		name = "reorder"
	}
	if name == "time-wait" && c.state == FinWait2 {
		name = "fin-wait-2"
	}
	return name, max(0, at.Sub(now))
}

// InitialSequences returns the initial sequence numbers of both directions: our ISS and the peer's, IRS. irs is zero
// before the peer's SYN.
func (c *Conn) InitialSequences() (iss, irs wire.Seq) { return c.snd.iss, c.rcv.irs }
