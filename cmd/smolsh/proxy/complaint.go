package proxy

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	maxLines        = 10          // failures of a route that make a line each in a complaintPeriod: clients choose how many there are
	complaintPeriod = time.Second // time in which equal failures make one line
)

// complaint bounds the lines about the failures of one route.
type complaint struct {
	mu    sync.Mutex
	since time.Time // start of the period
	said  []string  // the lines of the period, at most maxLines
	more  int       // failures of the period without a line, except those equal to one of said
}

// begin starts a new period if the old one has lasted for at least. It returns the old one's failures without a line. The caller holds the lock.
func (c *complaint) begin(now time.Time, least time.Duration) (more int) {
	if now.Sub(c.since) < least {
		return 0
	}
	more = c.more
	c.since, c.said, c.more = now, c.said[:0], 0
	return more
}

// complain reports a failure of the route.
func (p *Proxy) complain(r *route, text string) {
	if p.ctx.Err() != nil {
		return
	}
	c := &r.complaint
	c.mu.Lock()
	defer c.mu.Unlock()
	p.sayMore(r, c.begin(time.Now(), complaintPeriod))
	switch {
	case slices.Contains(c.said, text):
	case len(c.said) == maxLines:
		c.more++
	default:
		c.said = append(c.said, text)
		p.say(r, text)
	}
}

// tellRest reports the number of failures without a line, for each route whose period has lasted for at least.
func (p *Proxy) tellRest(least time.Duration) {
	p.mu.Lock()
	routes := p.routes
	p.mu.Unlock()
	for _, r := range routes {
		r.complaint.mu.Lock()
		p.sayMore(r, r.complaint.begin(time.Now(), least))
		r.complaint.mu.Unlock()
	}
}

func (p *Proxy) sayMore(r *route, n int) {
	if n > 0 {
		p.say(r, fmt.Sprintf("… and %d more", n))
	}
}

func (p *Proxy) say(r *route, text string) { p.cfg.Say(r.listen + " = " + r.target + ": " + text) }
