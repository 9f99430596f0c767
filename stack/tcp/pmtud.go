package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Sizes of segments here are those of packets less the 40 octets of headers without options: what an MSS
// option counts.
const (
	minPath     = 68 - 40          // every link carries that (RFC 791 §3.2, RFC 1191 §3)
	leastPath   = 552 - 40         // no ICMP error makes segments shorter than this, which anybody can forge
	pathAge     = 10 * time.Minute // how long a path is thought narrow, or done searching (RFC 1191 §6.3, RFC 4821 §7.7)
	searchFirst = 1024             // what goes when long segments vanish (RFC 4821 §7.2, search_low)
	searchLast  = 512              // and when these do too
	searchEnd   = 8                // octets that are not worth another probe
	blackHole   = 2                // timeouts before the one at which a path is suspected; twice as many where long segments have arrived
)

// Claim is what becomes of a path MTU that an ICMP error claims.
type Claim uint8

const (
	ClaimRefused Claim = iota // it can't be true
	ClaimKept                 // it is believed when the quoted segment is not acknowledged in time
	ClaimTaken                // it is believed
)

// What is known of segments of the full size.
const (
	fullUnknown uint8 = iota
	fullSent          // one ends at fullEnd
	fullArrives       // one has been acknowledged
)

// narrow is what is known of a path that carries less than its ends do.
type narrow struct {
	fits  int // the size in use
	since clock.Instant
	cut   bool // the path is said to carry less than leastPath: routers may fragment our packets

	claim    int      // a claim that is kept; 0: none
	claimSeq wire.Seq // the segment it quotes

	// Packetization layer path MTU discovery (RFC 4821), after a black hole. The size in use goes through, fails
	// does not.
	searching bool
	fails     int
	next      clock.Instant // when the search goes on
	due       bool          // a probe may go
	probe     int           // the size of the one on its way; 0: none is
	probeSeq  wire.Seq
	probeEnd  wire.Seq
}

// size is that of the longest segment: what the peer takes, our interface sends and the path carries.
func (c *Conn) size() int {
	if c.path != nil {
		return min(int(c.snd.most), c.path.fits)
	}
	return int(c.snd.most)
}

// MaxSegment is how long a segment may become at most, options included, in octets: what a caller offers
// as room that takes no super-segments.
func (c *Conn) MaxSegment() int {
	if c.snd.most == 0 {
		return int(c.rcv.mss)
	}
	return int(c.snd.most)
}

// fit is how much payload a segment of that size carries beside the options that each has: 16 octets at least.
func (c *Conn) fit() int {
	if c.ts.on {
		return c.size() - stampLen // RFC 6691: an MSS counts no options
	}
	return c.size()
}

// refit follows a change of the size. The congestion window stays: it counts octets.
func (c *Conn) refit() {
	c.snd.mss = c.fit()
	c.cong.MSS = c.snd.mss
	c.snd.full = fullUnknown
}

func (c *Conn) narrow() *narrow {
	if c.path == nil {
		c.path = &narrow{fits: maxMSS}
		if c.snd.most > 0 {
			c.path.fits = int(c.snd.most)
		}
	}
	return c.path
}

// LimitPath says that segments to this peer must not be longer than mss octets, options included, as was
// learnt at the instant since. It never makes them longer, nor shorter than 512 octets: see MayFragment.
func (c *Conn) LimitPath(mss int, since clock.Instant) {
	if c.snd.most > 0 && mss >= c.size() || c.path != nil && mss >= c.path.fits || mss < minPath {
		return
	}
	c.narrow().limit(mss, since)
	if c.snd.most > 0 {
		c.refit()
	}
}

// limit makes segments mss octets long, or leastPath where that would be too short, and ends a search.
func (p *narrow) limit(mss int, since clock.Instant) {
	*p = narrow{fits: min(p.fits, max(mss, leastPath)), cut: p.cut || mss < leastPath, since: since}
}

// MayFragment reports whether routers may fragment our packets: the path is said to carry less than the 552
// octets below which no segment is made shorter. Such paths are rare, and forged errors are cheap.
func (c *Conn) MayFragment() bool { return c.path != nil && c.path.cut }

// TooBig takes in an ICMP error: the segment that begins at seq was too long, and mss octets, options
// included, is all that fits (RFC 1191 §4, with the checks of RFC 5927 §7). It must quote what is on its way
// and claim less than was sent. Where segments of the present size are known to arrive it is only kept: it is
// believed when the quoted one times out, and forgotten when it is acknowledged.
func (c *Conn) TooBig(now clock.Instant, seq wire.Seq, mss int) Claim {
	if c.snd.most == 0 || c.state < Established || !c.InFlight(seq) || mss < minPath || mss >= c.size() || c.MayFragment() && mss < leastPath {
		return ClaimRefused
	}
	if c.snd.full == fullArrives {
		if p := c.narrow(); mss > p.claim { // of two that contradict each other the one that does less harm
			p.claim, p.claimSeq = mss, seq
		}
		return ClaimKept
	}
	c.believe(now, mss)
	c.recut()
	return ClaimTaken
}

func (c *Conn) believe(now clock.Instant, mss int) {
	c.narrow().limit(mss, now)
	c.refit()
	c.count(EventPathMTU)
	c.tell(EpisodePath, whyTooBig)
}

// recut sends again at once, in pieces that fit, what is out and too long. Nothing says that the path is
// full, so that ssthresh stays where the window was; but all of it in one burst would fill it
// (RFC 1191 §6.4).
func (c *Conn) recut() {
	v, g, b := &c.snd, &c.cong, c.snd.board
	was := g.Cwnd
	v.timedAt = clock.Never
	g.recover, g.dupAcks = v.max, 0
	if b == nil {
		v.nxt, g.inRecovery = v.una, false
		c.at.rexmt, c.owe.fast = clock.Never, false
	} else {
		for i := b.first; i < len(b.spans); i++ {
			if b.octets(i) > v.mss {
				b.lose(i)
			}
		}
		g.recut, b.tlp.out = true, false
	}
	g.Cwnd = min(was, c.inFlight()+c.initialWindow())
	if !g.inRecovery {
		g.Ssthresh = max(g.Ssthresh, was)
	}
}

// noteLength notes that a segment of n octets goes for the first time.
func (c *Conn) noteLength(seq wire.Seq, n int) {
	if c.snd.full == fullUnknown && n >= c.segment() {
		c.snd.full, c.snd.fullEnd = fullSent, seq.Add(c.segment())
	}
}

// pathProgress takes in that SND.UNA has moved.
func (c *Conn) pathProgress(now clock.Instant) {
	if c.snd.full == fullSent && c.snd.fullEnd.LessEq(c.snd.una) {
		c.snd.full = fullArrives
	}
	p := c.path
	if p == nil {
		return
	}
	if p.claimSeq.Less(c.snd.una) {
		p.claim = 0 // the segment that was too long has arrived
	}
	switch {
	case p.probe > 0 && p.probeEnd.LessEq(c.snd.una):
		c.probeArrived(now)
	case !p.searching && now.Sub(p.since) >= pathAge:
		c.path = nil
		c.refit()
	case p.searching && c.snd.full == fullArrives && now >= p.next:
		if p.fails-p.fits <= searchEnd { // a long time has passed: the path may have changed
			p.fails = int(c.snd.most) + 1
		}
		p.due = p.probe == 0
	}
}

// suspectPath is for a timeout: a claim that was kept comes true, or long segments seem to vanish without
// a word, so that shorter ones are tried (RFC 4821 §7.7). A path that carries nothing at all looks the same;
// it costs the search back.
func (c *Conn) suspectPath(now clock.Instant) {
	v, p := &c.snd, c.path
	if c.state < Established || c.state == TimeWait {
		return
	}
	if p != nil && p.claim > 0 {
		c.believe(now, p.claim)
		return
	}
	if p != nil && p.probe > 0 {
		c.probeFailed(now)
	}
	least := int32(blackHole)
	if v.full == fullArrives { // rather losses
		least *= 2
	}
	if n := c.rtt.backoffs; c.cfg.NoMTUProbing || n < least || n%blackHole != 0 {
		return
	}
	to := searchFirst
	if c.size() <= to {
		to = searchLast
	}
	if min(v.max.Sub(v.una), c.size()) <= to {
		return
	}
	p = c.narrow()
	if !p.searching {
		p.fails = c.size()
	}
	p.fits, p.searching, p.due, p.next = to, true, false, now
	c.refit()
	c.count(EventBlackHole)
	c.tell(EpisodePath, whyVanish)
}

// mtuProbe decides whether a probe goes: the next octets in one segment halfway to what fails, with enough
// behind it that its loss alone shows (RFC 4821 §7.4). The search needs selective acknowledgements to tell.
func (c *Conn) mtuProbe(room int) (n int, ok bool) {
	v, g, p := &c.snd, &c.cong, c.path
	if p == nil || !p.due || v.board == nil || v.board.sacked > 0 || v.board.lost > 0 || g.inRecovery || g.afterTimeout {
		return 0, false
	}
	n = (p.fits+p.fails)/2 - (p.fits - v.mss) - c.sackRoom()
	need := n + 3*v.mss
	return n, n <= room && v.dataEnd().Sub(v.nxt) >= need && v.wnd-v.nxt.Sub(v.una) >= need &&
		g.Cwnd >= need && g.Cwnd-c.inFlight() >= n
}

func (c *Conn) emitMTUProbe(now clock.Instant, dst []byte, s *Segment) {
	p := c.path
	p.due, p.probe = false, (p.fits+p.fails)/2
	p.probeSeq = c.snd.nxt
	c.emitData(now, dst, s)
	s.GSOSize = 0 // not to be cut
	p.probeEnd = c.snd.nxt
	c.count(EventMTUProbe)
	c.tell(EpisodeProbe, whyLonger)
}

func (c *Conn) probeArrived(now clock.Instant) {
	p := c.path
	p.fits, p.probe = p.probe, 0
	c.count(EventMTUProbeSuccess)
	c.refit()
	c.tell(EpisodePath, whyFits)
	c.snd.full = fullArrives
	c.searchOn(now)
}

func (c *Conn) probeFailed(now clock.Instant) {
	p := c.path
	p.fails, p.probe = p.probe, 0
	c.count(EventMTUProbeFail)
	c.searchOn(now)
}

// searchOn says when the search goes on: at once, or, when nothing is left to find, after a long time.
func (c *Conn) searchOn(now clock.Instant) {
	p := c.path
	p.next = now
	if p.fits >= int(c.snd.most) {
		c.path = nil
	} else if p.fails-p.fits <= searchEnd {
		p.next = now.Add(pathAge)
	}
}

// probeLost reports whether what is lost is the probe and nothing else, which says something of its size
// and nothing of congestion (RFC 4821 §7.5). When more is lost the probe has said nothing.
func (c *Conn) probeLost(now clock.Instant) bool {
	p, b := c.path, c.snd.board
	if p == nil || p.probe == 0 {
		return false
	}
	from, to, ok := b.nextLost()
	if !ok || from.Less(p.probeSeq) || p.probeEnd.Less(to) || b.lost != to.Sub(from) {
		p.probe, p.next = 0, now.Add(c.rtt.rto)
		return false
	}
	c.probeFailed(now)
	c.cong.recut, c.cong.recover = true, c.snd.max
	return true
}
