package tcp

import (
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// choices are the octets from which a run is drawn. After the last one every octet is 0.
type choices []byte

func (d *choices) octet() int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b)
}

func (d *choices) pair() int        { return d.octet()<<8 | d.octet() }
func (d *choices) of(n []int) int   { return n[d.octet()%len(n)] }
func (d *choices) one(n int) bool   { return d.octet()%n == n-1 }
func (d *choices) word() uint32     { return uint32(d.pair())<<16 | uint32(d.pair()) }
func (d *choices) some(n int) int   { return d.octet() * n / 256 }
func (d *choices) nearby() int      { return int(int8(d.octet())) >> 3 }
func (d *choices) within(n int) int { return d.pair() % max(1, n) }

// number returns a sequence number: base, or one off by a little, by about a window, by about half of the range, or any number.
func (d *choices) number(base wire.Seq, window int) wire.Seq {
	const half = 1 << 31
	switch m := d.octet() % 16; m {
	case 0, 1, 2, 3, 4, 5:
		return base
	case 6, 7:
		return base.Add(d.nearby())
	case 8:
		return base.Add(int(int16(d.pair())))
	case 9:
		return base.Add(window + d.nearby())
	case 10:
		return base.Add(-window + d.nearby())
	case 11, 12:
		return base.Add(half + d.nearby())
	case 13:
		return base.Add(half + window + d.nearby())
	case 14:
		return base.Add(half - window + d.nearby())
	}
	return wire.Seq(d.word())
}

// loneConn is one connection. The fuzzer is its peer, its application and its clock.
type loneConn struct {
	t    *testing.T
	c    *Conn
	now  clock.Instant
	buf  []byte // buffer for a segment's options and payload; its length is the largest that the link allows
	cfg  Config
	wait int // maximum number of octets in the buffers
}

var (
	loneSizes = []int{1460, 28, 29, 36, 40, 48, 60, 88, 100, 536, 8960, 65495} // for MTUs from 68 up
	loneMSS   = []int{0, 1, 8, 12, 28, 47, 48, 100, 536, 1460}
	loneRoom  = []int{2000, 64, 100, 700, 5000, 65535}
)

func newLoneConn(t *testing.T, d *choices) *loneConn {
	x := &loneConn{t: t, now: clock.Instant(time.Second)}
	link, flags := d.of(loneSizes), d.octet()
	x.cfg = Config{
		SendBuffer: d.of(loneRoom), RecvBuffer: d.of(loneRoom), MSS: d.of(loneMSS), NoSACK: flags&3 == 3, NoTimestamps: flags&4 != 0,
		NoDelay: flags&8 != 0, NoPacing: flags&16 != 0, NoMTUProbing: flags&32 != 0, Congestion: Algorithm(flags >> 6 & 1), ECN: ECN(d.octet() % 3),
		KeepAlive: []time.Duration{0, 0, 0, 5 * time.Second}[d.octet()%4], DelayedAck: []time.Duration{0, -1}[d.octet()%2],
	}
	x.buf = make([]byte, link)
	x.wait = x.cfg.SendBuffer + x.cfg.RecvBuffer
	cfg, iss := x.cfg, wire.Seq(0xfffffff0)
	if d.one(3) {
		iss = wire.Seq(d.word())
	}
	if d.one(2) {
		x.c = Open(&cfg, link, iss, x.now, nil)
	} else {
		x.c = NewListen(&cfg, link, iss, nil)
	}
	return x
}

// segment draws a segment and parses it from its octets, so that its options may have any length.
func (x *loneConn) segment(d *choices) (s Segment) {
	c, v := x.c, &x.c.snd
	flags := []wire.Flags{wire.ACK, wire.ACK, wire.ACK, wire.ACK | wire.PSH, wire.ACK | wire.FIN, wire.SYN, wire.SYN | wire.ACK, wire.RST}[d.octet()%8]
	if d.one(6) {
		flags = wire.Flags(d.octet())
	}
	out := v.max.Sub(v.una)
	h := wire.TCP{
		Seq: d.number(c.rcv.nxt, c.rcv.windowEdge.Sub(c.rcv.nxt)), Ack: d.number(v.max, out), Flags: flags,
		Window: uint16([]int{65535, 0, 1, 100, 1460, d.pair()}[d.octet()%6]), Urgent: uint16(d.pair()),
	}
	if d.one(3) {
		h.Ack = v.una.Add(d.some(out + 2))
	}
	if d.one(4) { // one of many pieces with gaps between them
		h.Seq = c.rcv.nxt.Add(4 * (1 + d.octet()%16))
	}
	if c.ts.on || flags&wire.SYN != 0 {
		h.Options.HasTimestamps = !d.one(4)
		h.Options.TSVal, h.Options.TSEcr = uint32(d.number(wire.Seq(c.ts.recent), 1000)), uint32(d.number(wire.Seq(c.ts.value(x.now)), 1000))
	}
	if flags&wire.SYN != 0 {
		h.Options.SACKPermitted, h.Options.MSS = !d.one(4), uint16(d.of(loneMSS))
		h.Options.HasWindowScale, h.Options.WindowScale = d.one(2), uint8(d.octet())
	} else if d.one(2) {
		h.Options.NumSACK = uint8(1 + d.octet()%3)
		for k := range h.Options.SACK[:h.Options.NumSACK] {
			h.Options.SACK[k] = wire.SACKBlock{Left: d.number(v.una.Add(1+d.some(out)), out), Right: d.number(v.max.Add(-d.some(out)), out)}
		}
	}
	b := make([]byte, 60)
	n := h.Put(b)
	if d.one(8) {
		for n = wire.TCPLen; n < 60 && len(*d) > 0 && d.octet() != 0; n++ {
			b[n] = byte(d.octet())
		}
		n = (n + 3) &^ 3
		b[12] = byte(n / 4 << 4)
	}
	var err error
	if s.TCP, _, err = wire.ParseTCP(b[:n]); err != nil {
		s.TCP = h
	}
	s.ECN = wire.ECN(d.octet() & 3)
	if !d.one(2) {
		s.Payload = make([]byte, []int{1, 1 + d.octet()%8, d.octet(), d.within(1500)}[d.octet()%4])
	}
	return s
}

// act is one action of the application or the clock.
func (x *loneConn) act(d *choices) {
	c := x.c
	switch d.octet() % 16 {
	case 0, 1:
		_, _ = c.Write(make([]byte, 1+d.within(3000)))
	case 2:
		_, _ = c.Read(make([]byte, 1+d.within(3000)))
	case 3:
		_ = c.CloseWrite(x.now)
	case 4:
		if d.one(4) {
			c.Close(x.now)
		}
	case 5, 6, 7, 8:
		x.now = max(x.now, min(c.Deadline(), x.now.Add(time.Hour)))
	case 9:
		c.TooBig(x.now, c.snd.una, d.of(loneSizes))
	case 10:
		x.buf = x.buf[:min(cap(x.buf), d.of(loneSizes))] // the link's MTU has changed
	}
}

// emit receives all segments that the connection sends at this instant. Their bound is one for each octet of its buffers, sent
// twice, and some for other pending segments.
func (x *loneConn) emit() {
	x.t.Helper()
	var out Segment
	most := 200 + 2*x.wait
	for n := 0; ; n++ {
		k, ok := x.c.Emit(x.now, x.buf, &out)
		if !ok {
			return
		}
		if k > len(x.buf) {
			x.t.Fatalf("%d octets where there is room for %d", k, len(x.buf))
		}
		if n > most {
			x.t.Fatalf("it never stops: %v %v %v+%d, %+v", x.c.state, out.Flags, out.Seq, k, x.c.Info(x.now))
		}
	}
}

// judge checks the connection's invariants and bounds.
func (x *loneConn) judge() {
	x.t.Helper()
	c := x.c
	check(x.t, c)
	if b := c.snd.scoreboard; b != nil && len(b.spans)-b.first > 2*maxSpans+2 {
		x.t.Fatalf("%d spans", len(b.spans))
	}
	if c.rcv.buf.Allocated() > 4*max(512, x.cfg.RecvBuffer) || c.rcv.ooo.Len() > x.cfg.RecvBuffer {
		x.t.Fatalf("memory: %d octets, %d gaps", c.rcv.buf.Allocated(), c.rcv.ooo.Len())
	}
}

// FuzzSegments sends arbitrary segments to one connection: numbers from the whole range, options of any length, a link from MTU 68
// up. The application and the clock act at random times.
func FuzzSegments(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x10\x00\x00\x00\x11\x01\x02\x03\x04\x05\x06\x07"))
	for seed := range byte(8) {
		b := make([]byte, 400)
		for k := range b {
			b[k] = byte(k*k*int(seed+3)>>3) ^ byte(k*int(seed))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := choices(data)
		x := newLoneConn(t, &d)
		for range 400 {
			if len(d) == 0 {
				return
			}
			if d.octet()%3 == 0 {
				x.act(&d)
			} else {
				s := x.segment(&d)
				x.c.Receive(x.now, &s)
			}
			x.judge()
			x.emit()
			x.judge()
		}
	})
}
