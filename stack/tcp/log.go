package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// MaxLog is the largest number of entries in a connection's log. An entry has 64 octets.
const MaxLog = 1 << 20

// LogEntry holds the sender's variables at one instant, under the RFCs' names. Numbers are octets unless the name says
// otherwise.
type LogEntry struct {
	At             clock.Instant
	State          State
	Phase          Phase
	SndUna, SndNxt wire.Seq
	Cwnd, Ssthresh int // RFC 5681 §3.1; Ssthresh is MaxBuffer before the first loss
	SRTT, RTO      time.Duration
	Pipe           int // estimated octets in flight (RFC 6675 §3)
}

// journal is a connection's log, a ring of the last entries.
type journal struct {
	entries []LogEntry // ring of at most limit entries; in a full ring the oldest has the index total modulo limit
	limit   int
	total   uint64 // entries ever made, overwritten ones included
}

func newJournal(limit int) *journal {
	if limit == 0 {
		return nil
	}
	return &journal{limit: limit}
}

// logState adds an entry if any of the sender's variables has changed. It is called after each segment received or
// sent, and after the timers.
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

// Log appends the connection's log to dst, oldest entry first. lost is the number of entries that newer ones have
// overwritten. There is an entry for each segment and each timer that changed one of the variables. Config.Log is the
// number of entries kept; 0 means no log.
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
