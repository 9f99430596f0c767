package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// A segment size in this file is a packet's length less the headers of IP and TCP without options, as in an MSS option: 40 octets over
// IPv4, 60 over IPv6.
const (
	minPathMSS        = 68 - 40          // every link carries this size (RFC 791 §3.2, RFC 1191 §3)
	minPathMSS6       = 1280 - 60        // the same over IPv6 (RFC 8200 §5); no ICMPv6 error reduces segments below it (RFC 8201 §4)
	minBelievedMSS    = 552 - 40         // no ICMP error reduces segments below this size, since anyone can forge one
	pathMTULifetime   = 10 * time.Minute // time after which a larger size is tried again (RFC 1191 §6.3, RFC 4821 §7.7)
	searchLow1        = 1024             // search_low after long segments were lost (RFC 4821 §7.2)
	searchLow2        = 512              // search_low after segments of searchLow1 octets were lost too
	searchResolution  = 8                // octets; the search ends when its bounds differ by no more
	blackHoleTimeouts = 2                // timeouts before a black hole is suspected; twice as many if long segments have been acknowledged
)

// PMTUVerdict is the verdict on the path MTU that an ICMP error reports (RFC 5927 §7.2).
type PMTUVerdict uint8

const (
	PMTURefused  PMTUVerdict = iota // the reported MTU can't be true
	PMTUKept                        // the reported MTU is accepted if the quoted segment times out
	PMTUBelieved                    // the reported MTU is accepted
)

// The states of the first segment of the full size.
const (
	fullSizeUnknown uint8 = iota
	fullSizeSent          // the segment was sent, and ends at fullSizeEnd
	fullSizeAcked         // the segment was acknowledged
)

// pmtuState describes a path whose MTU is smaller than those of its two ends.
type pmtuState struct {
	pathMSS     int // segment size in use; during a search also search_low
	since       clock.Instant
	mayFragment bool // true if the reported path MTU is below minBelievedMSS

	claimedMSS int      // reported size that is neither accepted nor refused yet; 0 if there is none
	claimedSeq wire.Seq // sequence number of the segment that the report quotes

	// State of the search after a black hole (RFC 4821 §7.2): segments of pathMSS octets arrive, segments of searchHigh
	// octets do not.
	searching  bool
	searchHigh int
	nextProbe  clock.Instant // start of the next step of the search
	probeDue   bool          // true if a probe may be sent
	probeSize  int           // size of the probe in flight, 0 if there is none
	probeSeq   wire.Seq
	probeEnd   wire.Seq
}

// minPath returns the size that every link carries, and minBelieved the size below which no ICMP error reduces segments.
func (c *Conn) minPath() int {
	if c.rcv.ipv6 {
		return minPathMSS6
	}
	return minPathMSS
}

func (c *Conn) minBelieved() int {
	if c.rcv.ipv6 {
		return minPathMSS6
	}
	return minBelievedMSS
}

// segmentSize returns the size of the longest segment that the peer accepts, our interface sends and the path carries,
// options included.
func (c *Conn) segmentSize() int {
	if c.pmtu != nil {
		return min(int(c.snd.maxSegment), c.pmtu.pathMSS)
	}
	return int(c.snd.maxSegment)
}

// MaxSegment returns the size of the longest segment that both ends allow, options included, in octets. A caller
// that does not want super-segments offers Emit that much room.
func (c *Conn) MaxSegment() int {
	if c.snd.maxSegment == 0 {
		return int(c.rcv.mss)
	}
	return int(c.snd.maxSegment)
}

// sendMSS returns the payload of a segment of the present size in octets, timestamps excluded. It is at least 16.
func (c *Conn) sendMSS() int {
	if c.ts.on {
		return c.segmentSize() - stampLen // an MSS counts no options (RFC 6691 §2)
	}
	return c.segmentSize()
}

// updateSendMSS sets the MSS for sending after its inputs changed. The congestion window does not change, since it
// counts octets.
func (c *Conn) updateSendMSS() {
	c.snd.mss = c.sendMSS()
	c.cong.MSS = c.snd.mss
	c.snd.fullSize = fullSizeUnknown
}

// ensurePMTU returns the path's state, and allocates it if necessary.
func (c *Conn) ensurePMTU() *pmtuState {
	if c.pmtu == nil {
		c.pmtu = &pmtuState{pathMSS: maxMSS}
		if c.snd.maxSegment > 0 {
			c.pmtu.pathMSS = int(c.snd.maxSegment)
		}
	}
	return c.pmtu
}

// LimitPath lowers the segment size for this peer to mss octets, options included. since is the instant at which the
// caller learnt the size. LimitPath ignores a size that is not below the present one, or that every link
// exceeds.
func (c *Conn) LimitPath(mss int, since clock.Instant) {
	if c.snd.maxSegment > 0 && mss >= c.segmentSize() || c.pmtu != nil && mss >= c.pmtu.pathMSS || mss < c.minPath() {
		return
	}
	c.ensurePMTU().lower(mss, c.minBelieved(), since)
	if c.snd.maxSegment > 0 {
		c.updateSendMSS()
	}
}

// lower reduces the segment size to mss octets, or to least if that is more. It ends a search.
func (p *pmtuState) lower(mss, least int, since clock.Instant) {
	*p = pmtuState{pathMSS: min(p.pathMSS, max(mss, least)), mayFragment: p.mayFragment || mss < least, since: since}
}

// MayFragment reports whether routers may fragment our packets. That is so after an ICMP error has reported a path MTU
// below 552 octets: segments are not reduced that far, since such paths are rare and forged errors are cheap.
func (c *Conn) MayFragment() bool { return c.pmtu != nil && c.pmtu.mayFragment }

// TooBig processes an ICMP error "fragmentation needed". The error reports that the segment at seq was too long, and
// that the path carries mss octets, options included (RFC 1191 §4, RFC 9293 §3.7.2). TooBig refuses an error that does
// not quote a segment in flight or report less than was sent, since forged errors could slow a connection down
// (RFC 5927 §4, §7.1). If segments of the present size have been acknowledged, it only keeps the report. The report is
// accepted if the quoted segment times out, and forgotten if that segment is acknowledged (RFC 5927 §7.2).
func (c *Conn) TooBig(now clock.Instant, seq wire.Seq, mss int) PMTUVerdict {
	if c.snd.maxSegment == 0 || c.state < Established || !c.InFlight(seq) || mss < c.minPath() || mss >= c.segmentSize() || c.MayFragment() && mss < c.minBelieved() {
		return PMTURefused
	}
	if c.snd.fullSize == fullSizeAcked {
		if p := c.ensurePMTU(); mss > p.claimedMSS { // of two reports keep the larger size, which does less harm if forged
			p.claimedMSS, p.claimedSeq = mss, seq
		}
		return PMTUKept
	}
	c.lowerPathMTU(now, mss)
	c.retransmitTooLong()
	return PMTUBelieved
}

// lowerPathMTU reduces the segment size to mss, from a report that was accepted.
func (c *Conn) lowerPathMTU(now clock.Instant, mss int) {
	c.ensurePMTU().lower(mss, c.minBelieved(), now)
	c.updateSendMSS()
	c.count(EventPathMTU)
	c.reportEpisode(EpisodePath, whyTooBig)
}

// retransmitTooLong marks the segments in flight that are too long as lost, so that they are retransmitted in smaller
// pieces (RFC 1191 §6.4). The loss shows no congestion, so ssthresh stays at least the window. cwnd is reduced to avoid
// one large burst.
func (c *Conn) retransmitTooLong() {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	was := g.Cwnd
	v.timedAt = clock.Never
	g.recover, g.dupAcks = v.max, 0
	if b == nil {
		v.nxt, g.inRecovery = v.una, false
		c.at.rexmt, c.pending.fastRetransmit = clock.Never, false
	} else {
		for i := b.first; i < len(b.spans); i++ {
			if b.octets(i) > v.mss {
				b.markLost(i)
			}
		}
		g.lossBySize, b.tlp.inFlight = true, false
	}
	g.Cwnd = min(was, c.inFlight()+c.initialWindow())
	if !g.inRecovery {
		g.Ssthresh = max(g.Ssthresh, was)
	}
}

// noteFullSize records the first segment of the full size; seq and n are its start and length.
func (c *Conn) noteFullSize(seq wire.Seq, n int) {
	if c.snd.fullSize == fullSizeUnknown && n >= c.effectiveMSS() {
		c.snd.fullSize, c.snd.fullSizeEnd = fullSizeSent, seq.Add(c.effectiveMSS())
	}
}

// pmtuProgress is called after SND.UNA has moved.
func (c *Conn) pmtuProgress(now clock.Instant) {
	if c.snd.fullSize == fullSizeSent && c.snd.fullSizeEnd.LessEq(c.snd.una) {
		c.snd.fullSize = fullSizeAcked
	}
	p := c.pmtu
	if p == nil {
		return
	}
	if p.claimedSeq.Less(c.snd.una) {
		p.claimedMSS = 0 // the quoted segment has been delivered
	}
	switch {
	case p.probeSize > 0 && p.probeEnd.LessEq(c.snd.una):
		c.mtuProbeAcked(now)
	case !p.searching && now.Sub(p.since) >= pathMTULifetime:
		c.pmtu = nil
		c.updateSendMSS()
	case p.searching && c.snd.fullSize == fullSizeAcked && now >= p.nextProbe:
		if p.searchHigh-p.pathMSS <= searchResolution { // the path may have changed since the size was found
			p.searchHigh = int(c.snd.maxSegment) + 1
		}
		p.probeDue = p.probeSize == 0
	}
}

// checkBlackHole is called on a timeout. If a report is kept, it accepts the report now. Otherwise a black hole may
// have swallowed long segments, so it reduces the segment size (RFC 4821 §7.7). A path that is down looks the same as a
// black hole, so the size is later searched upward again.
func (c *Conn) checkBlackHole(now clock.Instant) {
	v, p := &c.snd, c.pmtu
	if c.state < Established || c.state == TimeWait {
		return
	}
	if p != nil && p.claimedMSS > 0 {
		c.lowerPathMTU(now, p.claimedMSS)
		return
	}
	if p != nil && p.probeSize > 0 {
		c.mtuProbeFailed(now)
	}
	least := int32(blackHoleTimeouts)
	if v.fullSize == fullSizeAcked { // long segments have passed before, so ordinary losses are more likely
		least *= 2
	}
	if n := c.rtt.backoffs; c.cfg.NoMTUProbing || n < least || n%blackHoleTimeouts != 0 {
		return
	}
	to := searchLow1
	if c.segmentSize() <= to {
		to = searchLow2
	}
	to = max(to, c.minPath())
	if min(v.max.Sub(v.una), c.segmentSize()) <= to {
		return
	}
	p = c.ensurePMTU()
	if !p.searching {
		p.searchHigh = c.segmentSize()
	}
	p.pathMSS, p.searching, p.probeDue, p.nextProbe = to, true, false, now
	c.updateSendMSS()
	c.count(EventBlackHole)
	c.reportEpisode(EpisodePath, whyVanish)
}

// nextMTUProbe decides whether to send a probe of the path MTU (RFC 4821 §7.4), and returns its size n. ok is false if
// no probe is sent now. The probe is one segment of new data; its size is halfway between pathMSS and searchHigh. It
// needs selective acknowledgements and enough data after the probe, so that the loss of the probe alone can be
// recognised.
func (c *Conn) nextMTUProbe(room int) (n int, ok bool) {
	v, g, p := &c.snd, &c.cong, c.pmtu
	if p == nil || !p.probeDue || v.scoreboard == nil || v.scoreboard.sacked > 0 || v.scoreboard.lost > 0 || g.inRecovery || g.afterTimeout {
		return 0, false
	}
	n = (p.pathMSS+p.searchHigh)/2 - (p.pathMSS - v.mss) - c.sackRoom()
	need := n + 3*v.mss
	return n, n <= room && v.dataEnd().Sub(v.nxt) >= need && v.wnd-v.nxt.Sub(v.una) >= need &&
		g.Cwnd >= need && g.Cwnd-c.inFlight() >= n
}

func (c *Conn) emitMTUProbe(now clock.Instant, dst []byte, s *Segment) {
	p := c.pmtu
	p.probeDue, p.probeSize = false, (p.pathMSS+p.searchHigh)/2
	p.probeSeq = c.snd.nxt
	c.emitData(now, dst, s)
	s.GSOSize = 0 // the probe must not be cut
	p.probeEnd = c.snd.nxt
	c.count(EventMTUProbe)
	c.reportEpisode(EpisodeProbe, whyLonger)
}

// mtuProbeAcked raises the segment size to the size of the acknowledged probe (RFC 4821 §7.5).
func (c *Conn) mtuProbeAcked(now clock.Instant) {
	p := c.pmtu
	p.pathMSS, p.probeSize = p.probeSize, 0
	c.count(EventMTUProbeSuccess)
	c.updateSendMSS()
	c.reportEpisode(EpisodePath, whyFits)
	c.snd.fullSize = fullSizeAcked
	c.continueSearch(now)
}

// mtuProbeFailed lowers searchHigh to the size of the lost probe (RFC 4821 §7.5).
func (c *Conn) mtuProbeFailed(now clock.Instant) {
	p := c.pmtu
	p.searchHigh, p.probeSize = p.probeSize, 0
	c.count(EventMTUProbeFail)
	c.continueSearch(now)
}

// continueSearch sets the time of the next probe: now, or after pathMTULifetime if the search has found the size.
func (c *Conn) continueSearch(now clock.Instant) {
	p := c.pmtu
	p.nextProbe = now
	if p.pathMSS >= int(c.snd.maxSegment) {
		c.pmtu = nil
	} else if p.searchHigh-p.pathMSS <= searchResolution {
		p.nextProbe = now.Add(pathMTULifetime)
	}
}

// onlyMTUProbeLost reports whether the probe is the only lost segment. The probe was then too large, and its loss is no
// congestion (RFC 4821 §7.5). If other segments are lost too, the probe has shown nothing.
func (c *Conn) onlyMTUProbeLost(now clock.Instant) bool {
	p, b := c.pmtu, c.snd.scoreboard
	if p == nil || p.probeSize == 0 {
		return false
	}
	from, to, ok := b.nextLost()
	if !ok || from.Less(p.probeSeq) || p.probeEnd.Less(to) || b.lost != to.Sub(from) {
		p.probeSize, p.nextProbe = 0, now.Add(c.rtt.rto)
		return false
	}
	c.mtuProbeFailed(now)
	c.cong.lossBySize, c.cong.recover = true, c.snd.max
	return true
}
