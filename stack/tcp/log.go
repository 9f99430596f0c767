package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// MaxLog is the most entries that a connection's log keeps, of 64 octets each.
const MaxLog = 1 << 20

// LogEntry is the sender's variables at one instant, under the RFCs' names. Octets unless the name says
// otherwise.
type LogEntry struct {
	At             clock.Instant
	State          State
	Phase          Phase
	SndUna, SndNxt wire.Seq
	Cwnd, Ssthresh int // RFC 5681; Ssthresh is MaxBuffer until something was lost
	SRTT, RTO      time.Duration
	Pipe           int // octets on their way, as far as is known (RFC 6675 §3)
}

// journal is a connection's log: the last entries, the oldest of which the next one takes the place of.
type journal struct {
	entries []LogEntry // grows to its limit; from then on the oldest is at total modulo limit
	limit   int
	total   uint64 // entries ever made
}

func newJournal(limit int) *journal {
	if limit == 0 {
		return nil
	}
	return &journal{limit: limit}
}

// logState writes the sender's variables down if any has changed. It is called after each segment, either way,
// and after the timers.
func (c *Conn) logState(now clock.Instant) {
	if c.log != nil {
		c.log.record(now, c)
	}
}

func (l *journal) record(now clock.Instant, c *Conn) {
	v, g := &c.snd, &c.cong
	e := LogEntry{
		State: c.state, Phase: c.phase(), SndUna: v.una, SndNxt: v.nxt, Cwnd: g.Cwnd, Ssthresh: g.Ssthresh,
		SRTT: c.rtt.srtt, RTO: c.rtt.rto, Pipe: c.inFlight(),
	}
	if l.total > 0 {
		last := l.entries[(l.total-1)%uint64(l.limit)]
		if last.At = 0; last == e {
			return
		}
	}
	if e.At = now; len(l.entries) < l.limit {
		l.entries = append(l.entries, e)
	} else {
		l.entries[l.total%uint64(l.limit)] = e
	}
	l.total++
}

// Log appends the connection's log to dst, oldest entry first, and returns it with the number of entries
// that newer ones have taken the place of. There is an entry for each arrival, emission or timer that changed
// one of the variables, while Config.Log is not 0; the last Config.Log of them are kept.
func (c *Conn) Log(dst []LogEntry) (entries []LogEntry, lost uint64) {
	l := c.log
	if l == nil {
		return dst, 0
	}
	oldest := 0
	if len(l.entries) == l.limit {
		oldest = int(l.total % uint64(l.limit))
	}
	dst = append(dst, l.entries[oldest:]...)
	return append(dst, l.entries[:oldest]...), l.total - uint64(len(l.entries))
}
