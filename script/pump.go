package script

import (
	"errors"
	"io"
	"math"

	"smolsh/script/service"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// pump moves a connection's octets on the owner's goroutine. It needs no task. It implements the services echo, discard
// and chargen, and the calls sink() and source().
type pump struct {
	conn  *stack.TCPConn
	kind  service.Kind
	limit int64 // octets to source; negative: no end
	most  int64 // octets to discard; 0: no end
	until bool  // true if the end of the peer's stream ends the sourcing
	moved int64 // octets received, or sent when sourcing
	held  []byte
	buf   []byte
	over  bool
	err   error
	close bool // true if the pump closes the connection at the end
	done  stack.Signal
	ended func()
	turn  turn
}

// turn prevents a nested call of fn on the owner: fn's calls on a socket may raise the event that runs fn. Instead, fn
// runs once more when it returns.
type turn struct{ busy, again bool }

func (t *turn) run(fn func()) {
	if t.busy {
		t.again = true
		return
	}
	t.busy = true
	for t.again = true; t.again; {
		t.again = false
		fn()
	}
	t.busy = false
}

// start makes the pump the consumer of the connection's events. It runs on the goroutine of the host's owner.
func (p *pump) start(now clock.Instant) {
	p.prime()
	p.conn.OnEvent = p.run
	p.run(now)
}

func (p *pump) prime() {
	if p.kind != service.Discard && p.kind != service.Chargen {
		p.buf = make([]byte, service.Chunk)
	}
}

// run moves all octets that can be moved now.
func (p *pump) run(now clock.Instant) { p.turn.run(func() { p.move(now) }) }

func (p *pump) move(now clock.Instant) {
	if p.over {
		return
	}
	read := func(b []byte) (int, error) { return p.conn.Read(now, b) }
	write := func(b []byte) (int, error) { return p.conn.Write(now, b) }
	switch p.kind {
	case service.Echo:
		p.relay(read, write)
	case service.Discard:
		p.drain(now)
	case service.Chargen:
		p.source(now)
	}
	if !p.over {
		return
	}
	p.buf, p.held = nil, nil
	if p.close {
		p.conn.OnEvent = nil
		if p.err != nil {
			p.conn.Abort(now)
		} else {
			p.conn.Close(now)
		}
	}
	p.done.Fire()
	if p.ended != nil {
		p.ended()
	}
}

func (p *pump) stop(err error) {
	p.over = true
	if !errors.Is(err, io.EOF) {
		p.err = err
	}
}

func (p *pump) drain(now clock.Instant) {
	for {
		n, err := p.conn.Discard(now, math.MaxInt)
		p.moved += int64(n)
		if err != nil {
			p.stop(err)
			return
		}
		if p.most > 0 && p.moved >= p.most {
			p.stop(nil)
			return
		}
		if n == 0 {
			return
		}
	}
}

// relay moves the octets that the function in returns to the function out through a buffer, until one of the two
// functions must wait.
func (p *pump) relay(in, out func(b []byte) (int, error)) {
	for {
		for len(p.held) > 0 {
			n, err := out(p.held)
			if err != nil {
				p.stop(err)
				return
			}
			if n == 0 {
				return
			}
			p.held = p.held[n:]
		}
		n, err := in(p.buf)
		if err != nil {
			p.stop(err)
			return
		}
		if n == 0 {
			return
		}
		p.moved += int64(n)
		p.held = p.buf[:n]
	}
}

func (p *pump) source(now clock.Instant) {
	for p.limit < 0 || p.moved < p.limit {
		if p.until && p.conn.State() == tcp.CloseWait {
			break
		}
		b := service.Characters(p.moved, service.Chunk)
		if left := p.limit - p.moved; p.limit >= 0 && left < int64(len(b)) {
			b = b[:left]
		}
		n, err := p.conn.Write(now, b)
		p.moved += int64(n)
		if err != nil {
			p.stop(err)
			return
		}
		if n == 0 {
			return
		}
	}
	p.stop(nil)
}
