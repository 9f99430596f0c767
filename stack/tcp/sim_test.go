package tcp

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// pipe is two connections and a link between them in virtual time.
type pipe struct {
	t     *testing.T
	now   clock.Instant
	c     [2]*Conn
	delay time.Duration
	// fault decides the fate of a segment: the number of copies that arrive, and their additional delay.
	fault  func(from int, s *Segment) (copies int, later time.Duration)
	flight []arrival
	order  int
	room   int // the room argument of Emit
	buf    []byte
	what   any // the seed, for messages
	log    func(from int, s *Segment)

	seen    [2]wire.Seq // right edge of the peer's window, as each end has received it
	offered [2]wire.Seq // right edge of the window that each end has offered last
	told    [2]bool
	offers  [2]bool
}

type arrival struct {
	at    clock.Instant
	order int
	to    int
	seg   Segment
}

const linkMSS = 1460

// pumpMost is the maximum number of segments that one end may send at one instant.
const pumpMost = 1_000_000

// newPipe returns a client in SYN-SENT and a server in LISTEN.
func newPipe(t *testing.T, client, server Config) *pipe {
	p := &pipe{t: t, delay: 10 * time.Millisecond, room: linkMSS}
	p.c[0] = Open(&client, linkMSS, 1000, 0, nil)
	p.c[1] = NewListen(&server, linkMSS, 0xffffff00, nil) // a number that wraps early
	return p
}

// pump emits all pending segments.
func (p *pipe) pump() {
	if len(p.buf) < p.room {
		p.buf = make([]byte, p.room)
	}
	buf := p.buf[:p.room]
	for i, c := range p.c {
		for sent := 0; ; sent++ {
			var s Segment
			n, ok := c.Emit(p.now, buf, &s)
			if !ok {
				break
			}
			if sent > pumpMost {
				p.t.Fatalf("%v %v: end %d sends without end: %v %v+%d, %+v", p.what, p.now, i, s.Flags, s.Seq, n, c.Info(p.now))
			}
			s.Payload = bytes.Clone(buf[:n])
			p.checkSent(i, &s)
			if p.log != nil {
				p.log(i, &s)
			}
			copies, later := 1, time.Duration(0)
			if p.fault != nil {
				copies, later = p.fault(i, &s)
			}
			for range copies {
				p.order++
				p.flight = append(p.flight, arrival{p.now.Add(p.delay + later), p.order, 1 - i, s})
			}
		}
	}
}

// step advances to the next event. It returns false if there is none.
func (p *pipe) step() bool {
	p.pump()
	next, which := min(p.c[0].Deadline(), p.c[1].Deadline()), -1
	for i, a := range p.flight {
		if a.at < next || which >= 0 && a.at == next && a.order < p.flight[which].order || which < 0 && a.at == next {
			next, which = a.at, i
		}
	}
	if next == clock.Never {
		return false
	}
	p.now = max(p.now, next)
	if which >= 0 {
		a := p.flight[which]
		p.flight = append(p.flight[:which], p.flight[which+1:]...)
		p.noteWindow(a.to, &a.seg)
		p.c[a.to].Receive(p.now, &a.seg)
		check(p.t, p.c[a.to])
	}
	p.pump()
	return true
}

// run calls step until done returns true, and fails the test after a simulated hour. The text what names the condition
// in the failure.
func (p *pipe) run(what string, done func() bool) {
	p.t.Helper()
	for !done() {
		if !p.step() {
			p.t.Fatalf("%v %s: nothing left to happen at %v: %v and %v", p.what, what, p.now, p.c[0].State(), p.c[1].State())
		}
		if p.now > clock.Instant(time.Hour) {
			p.t.Fatalf("%v %s: not done after an hour: %+v\n%+v", p.what, what, p.c[0].Info(p.now), p.c[1].Info(p.now))
		}
	}
}

func (p *pipe) connect() {
	p.t.Helper()
	p.run("connect", func() bool { return p.c[0].State() == Established && p.c[1].State() == Established })
}

// edge returns the right edge of the window that the segment s offers. The end that sends s has the number from.
func (p *pipe) edge(from int, s *Segment) wire.Seq {
	shift := p.c[from].rcv.wscale
	if s.Flags&wire.SYN != 0 {
		shift = 0
	}
	return s.Ack.Add(int(s.Window) << shift)
}

func (p *pipe) noteWindow(to int, s *Segment) {
	if s.Flags&wire.ACK == 0 || s.Flags&wire.RST != 0 {
		return
	}
	if e := p.edge(1-to, s); !p.told[to] || p.seen[to].Less(e) {
		p.seen[to], p.told[to] = e, true
	}
}

// checkSent checks a segment that the end from has emitted. The segment must stay in the peer's window, unless it is a probe of one
// octet, and acknowledge everything that the end has received in order. The window that it offers must not shrink, except by the
// rounding of the scale, and the receive buffer must have room for that window.
func (p *pipe) checkSent(from int, s *Segment) {
	p.t.Helper()
	c := p.c[from]
	if s.Flags&wire.RST != 0 || c.state == Closed {
		return
	}
	if end := s.Seq.Add(s.Len()); p.told[from] && s.Flags&wire.SYN == 0 && p.seen[from].Less(end) && s.Len() > 1 {
		p.t.Fatalf("%v %v: end %d sends up to %d, %d beyond the window: %v %v+%d ack %v, %+v", p.what, p.now, from, end, end.Sub(p.seen[from]), s.Flags, s.Seq, len(s.Payload), s.Ack, c.Info(p.now))
	}
	if s.Flags&wire.ACK == 0 {
		return
	}
	if s.Ack != c.rcv.nxt {
		p.t.Fatalf("%v: end %d acknowledges %d, has %d", p.now, from, s.Ack, c.rcv.nxt)
	}
	e := p.edge(from, s)
	if slack := 1<<c.rcv.wscale - 1; s.Flags&wire.SYN == 0 && p.offers[from] && e.Add(slack).Less(p.offered[from]) {
		p.t.Fatalf("%v %v: end %d takes back %d octets of window: %v, shift %d, free %d, %+v", p.what, p.now, from, p.offered[from].Sub(e), c.state, c.rcv.wscale, c.rcv.buf.Free(), s.TCP)
	}
	if !p.offers[from] || p.offered[from].Less(e) {
		p.offered[from], p.offers[from] = e, true
	}
}

// check checks the invariants that hold after every segment.
func check(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
}

// transfer sends n octets each way at once, in chunks, and compares them; then both close.
func (p *pipe) transfer(n int, rng *rand.Rand) {
	p.t.Helper()
	var want, got [2][]byte
	var left [2][]byte
	for i := range want {
		want[i] = make([]byte, n)
		for j := range want[i] {
			want[i][j] = byte(rng.Uint32())
		}
		left[i] = want[i]
	}
	buf := make([]byte, 4096)
	p.run("transfer", func() bool {
		done := true
		for i, c := range p.c {
			if !c.snd.closed {
				k, err := c.Write(left[i][:min(len(left[i]), 1+rng.IntN(8192))])
				if err != nil {
					p.t.Fatalf("write %d: %v", i, err)
				}
				left[i] = left[i][k:]
				if len(left[i]) == 0 {
					if err := c.CloseWrite(p.now); err != nil {
						p.t.Fatal(err)
					}
				}
			}
			k, err := c.Read(buf[:1+rng.IntN(len(buf))])
			for got[i] = append(got[i], buf[:k]...); err == nil && k > 0 && c.rcv.eof; got[i] = append(got[i], buf[:k]...) {
				k, err = c.Read(buf)
			}
			if err != nil && err != io.EOF {
				p.t.Fatalf("read %d after %d of %d: %v", i, len(got[i]), n, err)
			}
			done = done && err == io.EOF
		}
		return done
	})
	for i := range got {
		if !bytes.Equal(got[i], want[1-i]) {
			p.t.Fatalf("end %d got %d octets that differ", i, len(got[i]))
		}
	}
	p.run("close", func() bool { return p.c[0].Done() && p.c[1].Done() })
	for i, c := range p.c {
		if c.Err() != nil {
			p.t.Fatalf("end %d: %v", i, c.Err())
		}
	}
}

func TestTransferClean(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 100_000, 3_000_000} {
		for _, room := range []int{linkMSS, 500, 65536} {
			t.Run(fmt.Sprint(size, room), func(t *testing.T) {
				p := newPipe(t, Config{}, Config{})
				p.room = room
				p.connect()
				p.transfer(size, rand.New(rand.NewPCG(1, 2)))
				if n := p.c[0].retrans + p.c[1].retrans; n > 0 {
					t.Errorf("%d segments retransmitted on a clean link", n)
				}
			})
		}
	}
}

func TestTransferFaults(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		bufs := []int{64, 100, 1000, 5000, 65535, 1 << 20}
		cfg := func() Config {
			return Config{SendBuffer: bufs[rng.IntN(len(bufs))], RecvBuffer: bufs[rng.IntN(len(bufs))], NoDelay: rng.IntN(2) == 0,
				MaxRetries: 100, SYNRetries: 100, RTOMax: 5 * time.Second}
		}
		p := newPipe(t, cfg(), cfg())
		p.room = []int{linkMSS, 20000}[rng.IntN(2)]
		loss, dup, jitter := rng.Float64()*0.2, rng.Float64()*0.2, time.Duration(rng.IntN(30))*time.Millisecond
		p.fault = func(int, *Segment) (int, time.Duration) {
			later := time.Duration(rng.Int64N(int64(jitter) + 1))
			switch r := rng.Float64(); {
			case r < loss:
				return 0, 0
			case r < loss+dup:
				return 2, later
			}
			return 1, later
		}
		n := 20_000
		if min(p.c[0].cfg.RecvBuffer, p.c[1].cfg.RecvBuffer, p.c[0].cfg.SendBuffer, p.c[1].cfg.SendBuffer) < 1000 {
			n = 2000
		}
		p.connect()
		p.transfer(n, rng)
	}
}

// TestISSAgain makes SND.UNA equal the initial sequence number again, as happens every 4 GiB.
func TestISSAgain(t *testing.T) {
	for k := range 4 {
		p := newPipe(t, Config{}, Config{})
		p.connect()
		p.c[0].snd.bytesAcked = 1 << 32
		p.c[0].snd.iss = p.c[0].snd.nxt.Add(linkMSS * (1 + k))
		p.transfer(50_000, rand.New(rand.NewPCG(3, uint64(k))))
	}
}
