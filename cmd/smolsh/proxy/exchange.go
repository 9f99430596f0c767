package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	leastDrainPause = 10 * time.Millisecond // time between two looks at the unacknowledged octets, at first
	mostDrainPause  = time.Second           // the longest that it grows to
	firstBuffer     = 4 << 10               // size in octets of a direction's buffer at first
	maxBuffer       = 128 << 10             // the largest that it grows to; gonet copies a Write of up to 64 KiB once more
)

// exchange copies between two connections.
type exchange struct{ up, down way }

// way is one direction of an exchange.
type way struct {
	src, dst *watched
	from     io.Reader      // reads src
	count    *atomic.Uint64 // octets that passed; nil for none
	stall    time.Duration  // see Proxy.stallLimit
	last     atomic.Bool    // true after the end of src: dst must take some octets within stall
	writing  atomic.Bool    // true while a Write to dst waits, and until cut of the opposite way tells its error
	cut      atomic.Bool    // true if a Write to src has returned its reset, so that an end of src is no FIN
}

func newExchange(near, far *watched, stall time.Duration) *exchange {
	x := &exchange{}
	x.up.src, x.up.dst, x.up.from, x.up.stall = near, far, near, stall
	x.down.src, x.down.dst, x.down.from, x.down.stall = far, near, far, stall
	return x
}

// ending says how one direction ended.
type ending struct {
	way  *way
	dead *watched // the connection of which a call failed; nil after the FIN of the source
}

// run copies in both directions until both have ended, and then closes both connections. It reports whether they ended by a reset or another
// error.
//
// If a connection has failed, what it sent before still passes to the other end, which is then reset.
func (x *exchange) run() (failed bool) {
	ends := make(chan ending, 2)
	go func() { ends <- x.up.copy(&x.down) }()
	go func() { ends <- x.down.copy(&x.up) }()
	nearOver, farOver := x.up.src.ctx.Done(), x.up.dst.ctx.Done()
	var rest *way // from the connection that has failed to the other one
	fins, stalled := 0, false
	for running := 2; running > 0; {
		var dead *watched
		select {
		case e := <-ends:
			running--
			if dead = e.dead; dead == nil {
				fins++
			}
			stalled = stalled || rest == e.way && dead == rest.dst
		case <-nearOver:
			dead = x.up.src
		case <-farOver:
			dead = x.up.dst
		}
		if dead != nil && rest == nil {
			nearOver, farOver = nil, nil
			if rest = &x.up; dead != rest.src {
				rest = &x.down
			}
			rest.finish()
		}
	}
	if rest != nil && fins < 2 {
		if !stalled {
			drain(rest.dst, rest.stall)
		}
		reset(rest.dst)
		reset(rest.src)
		failed = true
	}
	_, _ = x.up.src.Close(), x.up.dst.Close()
	return failed
}

// finish bounds the time of a way whose source has ended, and ends the opposite way.
func (w *way) finish() {
	w.last.Store(true)
	limit := time.Now().Add(w.stall)
	_, _ = w.src.SetReadDeadline(limit), w.dst.SetWriteDeadline(limit) // an error means that the connection is closed
	_ = w.dst.SetReadDeadline(time.Unix(1, 0))
}

// copy copies what src sends to dst.
func (w *way) copy(opposite *way) ending {
	buf := make([]byte, firstBuffer)
	for {
		if w.last.Load() {
			_ = w.src.SetReadDeadline(time.Now().Add(w.stall))
		}
		n, rerr := w.from.Read(buf)
		if n > 0 {
			w.writing.Store(true)
			err := w.write(buf[:n])
			if err != nil {
				opposite.cut.Store(!errors.Is(err, syscall.EPIPE)) // EPIPE means that dst has sent its FIN
			}
			w.writing.Store(false)
			if err != nil {
				return ending{w, w.dst}
			}
		}
		for rerr == io.EOF && opposite.writing.Load() && hasEnded(w.src.conn) { // that Write fails now, and may have taken the error
			time.Sleep(time.Millisecond)
		}
		switch {
		case rerr == io.EOF && !w.cut.Load():
			_ = w.dst.CloseWrite() // an error means that dst has ended, which the opposite way finds
			return ending{w, nil}
		case rerr != nil:
			return ending{w, w.src}
		case n == len(buf) && n < maxBuffer:
			buf = make([]byte, 2*n)
		}
	}
}

// write writes p to dst. After the end of src it fails once dst has taken no octet for the time stall.
func (w *way) write(p []byte) error {
	for {
		if w.last.Load() {
			_ = w.dst.SetWriteDeadline(time.Now().Add(w.stall))
		}
		n, err := w.dst.Write(p)
		if w.count != nil {
			w.count.Add(uint64(n))
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		p = p[n:]
	}
}

// drain waits until the other end of c has acknowledged the written octets. It returns if none is acknowledged for the time stall, if c has
// ended, and when the Proxy is closed.
func drain(c *watched, stall time.Duration) {
	pause, least := leastDrainPause, -1
	for limit := time.Now().Add(stall); ; {
		now, n := time.Now(), unacknowledged(c.conn)
		switch {
		case n == 0 || now.After(limit):
			return
		case least < 0 || n < least:
			least, limit, pause = n, now.Add(stall), leastDrainPause
		}
		select {
		case <-time.After(min(pause, stall)):
			pause = min(2*pause, mostDrainPause)
		case <-c.ctx.Done():
			return
		}
	}
}

// unacknowledged returns the number of octets of c that its other end has not acknowledged.
func unacknowledged(c conn) int {
	switch c := c.(type) {
	case interface{ Unacknowledged() int }:
		return c.Unacknowledged()
	case *net.TCPConn:
		return queued(c)
	}
	return 0
}
