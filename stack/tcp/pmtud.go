package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Sizes of segments here are those of packets less the 40 octets of headers without options: what an MSS
// option counts.
const (
	minPathMSS        = 68 - 40          // every link carries that (RFC 791 §3.2, RFC 1191 §3)
	minBelievedMSS    = 552 - 40         // no ICMP error makes segments shorter than this, which anybody can forge
	pathMTULifetime   = 10 * time.Minute // how long a path is thought narrow, or done searching (RFC 1191 §6.3, RFC 4821 §7.7)
	searchLow1        = 1024             // what goes when long segments vanish (RFC 4821 §7.2, search_low)
	searchLow2        = 512              // and when these do too
	searchResolution  = 8                // octets that are not worth another probe
	blackHoleTimeouts = 2                // timeouts before the one at which a path is suspected; twice as many where long segments have arrived
)

// PMTUVerdict is what becomes of a path MTU that an ICMP error claims.
type PMTUVerdict uint8

const (
	PMTURefused  PMTUVerdict = iota // it can't be true
	PMTUKept                        // it is believed when the quoted segment is not acknowledged in time
	PMTUBelieved                    // it is believed
)

// What is known of segments of the full size.
const (
	fullSizeUnknown uint8 = iota
	fullSizeSent          // one ends at fullEnd
	fullSizeAcked         // one has been acknowledged
)

// pmtuState is what is known of a path that carries less than its ends do.
type pmtuState struct {
	pathMSS     int // the size in use
	since       clock.Instant
	mayFragment bool // the path is said to carry less than leastPath: routers may fragment our packets

	claimedMSS int      // a claim that is kept; 0: none
	claimedSeq wire.Seq // the segment it quotes

	// Packetization layer path MTU discovery (RFC 4821), after a black hole. The size in use goes through, fails
	// does not.
	searching  bool
	searchHigh int
	nextProbe  clock.Instant // when the search goes on
	probeDue   bool          // a probe may go
	probeSize  int           // the size of the one on its way; 0: none is
	probeSeq   wire.Seq
	probeEnd   wire.Seq
}

// segmentSize is that of the longest segment: what the peer takes, our interface sends and the path carries.
func (c *Conn) segmentSize() int {
	if c.pmtu != nil {
		return min(int(c.snd.maxSegment), c.pmtu.pathMSS)
	}
	return int(c.snd.maxSegment)
}

// MaxSegment is how long a segment may become at most, options included, in octets: what a caller offers
// as room that takes no super-segments.
func (c *Conn) MaxSegment() int {
	if c.snd.maxSegment == 0 {
		return int(c.rcv.mss)
	}
	return int(c.snd.maxSegment)
}

// sendMSS is how much payload a segment of that size carries beside the options that each has: 16 octets at least.
func (c *Conn) sendMSS() int {
	if c.ts.on {
		return c.segmentSize() - stampLen // RFC 6691: an MSS counts no options
	}
	return c.segmentSize()
}

// updateSendMSS follows a change of the size. The congestion window stays: it counts octets.
func (c *Conn) updateSendMSS() {
	c.snd.mss = c.sendMSS()
	c.cong.MSS = c.snd.mss
	c.snd.fullSize = fullSizeUnknown
}

func (c *Conn) ensurePMTU() *pmtuState {
	if c.pmtu == nil {
		c.pmtu = &pmtuState{pathMSS: maxMSS}
		if c.snd.maxSegment > 0 {
			c.pmtu.pathMSS = int(c.snd.maxSegment)
		}
	}
	return c.pmtu
}

// LimitPath says that segments to this peer must not be longer than mss octets, options included, as was
// learnt at the instant since. It never makes them longer, nor shorter than 512 octets: see MayFragment.
func (c *Conn) LimitPath(mss int, since clock.Instant) {
	if c.snd.maxSegment > 0 && mss >= c.segmentSize() || c.pmtu != nil && mss >= c.pmtu.pathMSS || mss < minPathMSS {
		return
	}
	c.ensurePMTU().lower(mss, since)
	if c.snd.maxSegment > 0 {
		c.updateSendMSS()
	}
}

// lower makes segments mss octets long, or leastPath where that would be too short, and ends a search.
func (p *pmtuState) lower(mss int, since clock.Instant) {
	*p = pmtuState{pathMSS: min(p.pathMSS, max(mss, minBelievedMSS)), mayFragment: p.mayFragment || mss < minBelievedMSS, since: since}
}

// MayFragment reports whether routers may fragment our packets: the path is said to carry less than the 552
// octets below which no segment is made shorter. Such paths are rare, and forged errors are cheap.
func (c *Conn) MayFragment() bool { return c.pmtu != nil && c.pmtu.mayFragment }

// TooBig takes in an ICMP error: the segment that begins at seq was too long, and mss octets, options
// included, is all that fits (RFC 1191 §4, with the checks of RFC 5927 §7). It must quote what is on its way
// and claim less than was sent. Where segments of the present size are known to arrive it is only kept: it is
// believed when the quoted one times out, and forgotten when it is acknowledged.
func (c *Conn) TooBig(now clock.Instant, seq wire.Seq, mss int) PMTUVerdict {
	if c.snd.maxSegment == 0 || c.state < Established || !c.InFlight(seq) || mss < minPathMSS || mss >= c.segmentSize() || c.MayFragment() && mss < minBelievedMSS {
		return PMTURefused
	}
	if c.snd.fullSize == fullSizeAcked {
		if p := c.ensurePMTU(); mss > p.claimedMSS { // of two that contradict each other the one that does less harm
			p.claimedMSS, p.claimedSeq = mss, seq
		}
		return PMTUKept
	}
	c.lowerPathMTU(now, mss)
	c.retransmitTooLong()
	return PMTUBelieved
}

func (c *Conn) lowerPathMTU(now clock.Instant, mss int) {
	c.ensurePMTU().lower(mss, now)
	c.updateSendMSS()
	c.count(EventPathMTU)
	c.reportEpisode(EpisodePath, whyTooBig)
}

// retransmitTooLong sends again at once, in pieces that fit, what is out and too long. Nothing says that the path is
// full, so that ssthresh stays where the window was; but all of it in one burst would fill it
// (RFC 1191 §6.4).
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

// noteFullSize notes that a segment of n octets goes for the first time.
func (c *Conn) noteFullSize(seq wire.Seq, n int) {
	if c.snd.fullSize == fullSizeUnknown && n >= c.effectiveMSS() {
		c.snd.fullSize, c.snd.fullSizeEnd = fullSizeSent, seq.Add(c.effectiveMSS())
	}
}

// pmtuProgress takes in that SND.UNA has moved.
func (c *Conn) pmtuProgress(now clock.Instant) {
	if c.snd.fullSize == fullSizeSent && c.snd.fullSizeEnd.LessEq(c.snd.una) {
		c.snd.fullSize = fullSizeAcked
	}
	p := c.pmtu
	if p == nil {
		return
	}
	if p.claimedSeq.Less(c.snd.una) {
		p.claimedMSS = 0 // the segment that was too long has arrived
	}
	switch {
	case p.probeSize > 0 && p.probeEnd.LessEq(c.snd.una):
		c.mtuProbeAcked(now)
	case !p.searching && now.Sub(p.since) >= pathMTULifetime:
		c.pmtu = nil
		c.updateSendMSS()
	case p.searching && c.snd.fullSize == fullSizeAcked && now >= p.nextProbe:
		if p.searchHigh-p.pathMSS <= searchResolution { // a long time has passed: the path may have changed
			p.searchHigh = int(c.snd.maxSegment) + 1
		}
		p.probeDue = p.probeSize == 0
	}
}

// checkBlackHole is for a timeout: a claim that was kept comes true, or long segments seem to vanish without
// a word, so that shorter ones are tried (RFC 4821 §7.7). A path that carries nothing at all looks the same;
// it costs the search back.
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
	if v.fullSize == fullSizeAcked { // rather losses
		least *= 2
	}
	if n := c.rtt.backoffs; c.cfg.NoMTUProbing || n < least || n%blackHoleTimeouts != 0 {
		return
	}
	to := searchLow1
	if c.segmentSize() <= to {
		to = searchLow2
	}
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

// nextMTUProbe decides whether a probe goes: the next octets in one segment halfway to what fails, with enough
// behind it that its loss alone shows (RFC 4821 §7.4). The search needs selective acknowledgements to tell.
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
	s.GSOSize = 0 // not to be cut
	p.probeEnd = c.snd.nxt
	c.count(EventMTUProbe)
	c.reportEpisode(EpisodeProbe, whyLonger)
}

func (c *Conn) mtuProbeAcked(now clock.Instant) {
	p := c.pmtu
	p.pathMSS, p.probeSize = p.probeSize, 0
	c.count(EventMTUProbeSuccess)
	c.updateSendMSS()
	c.reportEpisode(EpisodePath, whyFits)
	c.snd.fullSize = fullSizeAcked
	c.continueSearch(now)
}

func (c *Conn) mtuProbeFailed(now clock.Instant) {
	p := c.pmtu
	p.searchHigh, p.probeSize = p.probeSize, 0
	c.count(EventMTUProbeFail)
	c.continueSearch(now)
}

// continueSearch says when the search goes on: at once, or, when nothing is left to find, after a long time.
func (c *Conn) continueSearch(now clock.Instant) {
	p := c.pmtu
	p.nextProbe = now
	if p.pathMSS >= int(c.snd.maxSegment) {
		c.pmtu = nil
	} else if p.searchHigh-p.pathMSS <= searchResolution {
		p.nextProbe = now.Add(pathMTULifetime)
	}
}

// onlyMTUProbeLost reports whether what is lost is the probe and nothing else, which says something of its size
// and nothing of congestion (RFC 4821 §7.5). When more is lost the probe has said nothing.
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
