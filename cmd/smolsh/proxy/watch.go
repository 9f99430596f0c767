package proxy

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// lookPeriod is the time between two looks at the connections that nobody reads.
const lookPeriod = time.Second

// watched is a connection whose end is noticed although nobody reads it: the copying waits for the other connection to take octets, or the
// peer has sent its FIN, or the connection to the target is being opened. Proxy.look notices the end.
type watched struct {
	conn
	reading atomic.Bool     // true while a Read waits, which returns the end itself
	ctx     context.Context // ends when the connection has ended unread, and when the Proxy is closed
	end     context.CancelFunc
}

// watch makes the Proxy look at a connection, and Close end it. It returns nil, and closes c, if the Proxy is closed already.
func (p *Proxy) watch(c conn) *watched {
	w := &watched{conn: c}
	w.ctx, w.end = context.WithCancel(p.ctx)
	if !p.track(w) {
		w.end()
		return nil
	}
	return w
}

// unwatch closes the connection.
func (p *Proxy) unwatch(w *watched) {
	w.end()
	p.forget(w)
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	w.reading.Store(true)
	n, err := w.conn.Read(p)
	w.reading.Store(false)
	return n, err
}

// ended reports whether the connection has ended unread.
func (w *watched) ended() bool { return w.ctx.Err() != nil }

// look looks at the connections that nobody reads, and reports the failures without a line, until the Proxy is closed.
func (p *Proxy) look() {
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	var unread []*watched
	for {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
		p.tellRest(complaintPeriod)
		p.mu.Lock()
		for s := range p.sockets {
			if w, ok := s.(*watched); ok && !w.reading.Load() && !w.ended() {
				unread = append(unread, w)
			}
		}
		p.mu.Unlock()
		for _, w := range unread {
			if hasEnded(w.conn) {
				w.end()
			}
		}
		clear(unread)
		unread = unread[:0]
	}
}

// hasEnded reports whether neither octets nor a FIN can pass c any more. Its error, and received octets, are still to be read.
func hasEnded(c conn) bool {
	switch c := c.(type) {
	case interface{ Ended() bool }:
		return c.Ended()
	case *net.TCPConn:
		return hungUp(c)
	}
	return false
}
