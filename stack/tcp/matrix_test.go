package tcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// The matrix: the reaction of a connection in each state to each kind of segment. The table is in matrix_cells_test.go; this file
// makes the connections, the segments and the comparison.

// The columns' states: RFC 9293's eleven, with SYN-RECEIVED twice, since passive (SR) and active (SA,
// simultaneous open) connections answer differently there.
var matrixStates = []struct {
	short string
	state State
}{
	{"CL", Closed}, {"LI", Listen}, {"SS", SynSent}, {"SR", SynReceived}, {"SA", SynReceived},
	{"ES", Established}, {"F1", FinWait1}, {"F2", FinWait2}, {"CW", CloseWait}, {"CG", Closing},
	{"LA", LastAck}, {"TW", TimeWait},
}

// Groups of states that the table may name.
var matrixGroups = map[string]string{
	"half": "SR SA",                // not synchronised yet
	"sync": "ES F1 F2 CW CG LA TW", // synchronised
	"recv": "ES F1 F2",             // the peer may still send text
	"fin":  "CW CG LA TW",          // the peer's FIN has arrived
}

// With these initial sequence numbers, all numbers wrap.
const (
	cellISS wire.Seq = 0xffffffb0
	cellIRS wire.Seq = 0xffffff90
)

const cellNow = clock.Instant(5 * time.Second)

// cell is a connection in some state, and the numbers from which its segments are made.
type cell struct {
	t                   *testing.T
	c                   *Conn
	una, max, nxt, edge wire.Seq
	iss                 wire.Seq
}

// The kinds of segments. Every number is relative to a variable of the connection: SND.UNA and SND.NXT (max), RCV.NXT
// and the right edge of the receive window. If the peer has no number yet, RCV.NXT is IRS+1.
var matrixKinds = []struct {
	name  string
	flags wire.Flags
	seq   func(x *cell) wire.Seq
	ack   func(x *cell) wire.Seq
	text  int
}{
	{"SYN", wire.SYN, irs, nil, 0},
	{"SYN +100", wire.SYN, irs, nil, 100},
	{"SYN in window", wire.SYN, nxt(10), nil, 0},
	{"SYN,FIN", wire.SYN | wire.FIN, irs, nil, 0},
	{"SYN,ACK", wire.SYN | wire.ACK, irs, top(0), 0},
	{"SYN,ACK old", wire.SYN | wire.ACK, irs, una(0), 0},
	{"SYN,ACK future", wire.SYN | wire.ACK, irs, top(1), 0},
	{"SYN,ACK +100", wire.SYN | wire.ACK, irs, top(0), 100},
	{"ACK too old", wire.ACK, nxt(0), una(-4001), 0}, // before SND.UNA - MAX.SND.WND
	{"ACK old", wire.ACK, nxt(0), una(-50), 0},
	{"ACK same", wire.ACK, nxt(0), una(0), 0},
	{"ACK new", wire.ACK, nxt(0), top(0), 0},
	{"ACK future", wire.ACK, nxt(0), top(1), 0},
	{"ACK before window", wire.ACK, nxt(-1), una(0), 0}, // a keep-alive
	{"ACK beyond window", wire.ACK, edge(1), una(0), 0},
	{"bare", 0, nxt(0), nil, 0},
	{"bare +100", 0, nxt(0), nil, 100},
	{"text", wire.ACK, nxt(0), una(0), 100},
	{"text, ACK old", wire.ACK, nxt(0), una(-50), 100},
	{"text, ACK new", wire.ACK, nxt(0), top(0), 100},
	{"text, ACK future", wire.ACK, nxt(0), top(1), 100},
	{"text, urgent", wire.ACK | wire.URG, nxt(0), top(0), 100},
	{"text old", wire.ACK, nxt(-100), una(0), 100},
	{"text partly old", wire.ACK, nxt(-50), una(0), 100},
	{"text early", wire.ACK, nxt(100), una(0), 100},
	{"text partly beyond", wire.ACK, edge(-50), una(0), 100},
	{"text at edge", wire.ACK, edge(0), una(0), 100},
	{"text beyond", wire.ACK, edge(1000), una(0), 100},
	{"FIN", wire.FIN | wire.ACK, nxt(0), una(0), 0},
	{"FIN, ACK new", wire.FIN | wire.ACK, nxt(0), top(0), 0},
	{"FIN +100", wire.FIN | wire.ACK, nxt(0), una(0), 100},
	{"FIN, text old", wire.FIN | wire.ACK, nxt(-50), una(0), 50},
	{"FIN early", wire.FIN | wire.ACK, nxt(100), una(0), 0},
	{"FIN +100 early", wire.FIN | wire.ACK, nxt(100), una(0), 100},
	{"FIN old", wire.FIN | wire.ACK, nxt(-1), una(0), 0},
	{"FIN partly beyond", wire.FIN | wire.ACK, edge(-50), una(0), 100},
	{"FIN beyond", wire.FIN | wire.ACK, edge(1), una(0), 0},
	{"FIN bare", wire.FIN, nxt(0), nil, 0},
	{"RST", wire.RST, nxt(0), nil, 0},
	{"RST,ACK", wire.RST | wire.ACK, nxt(0), top(0), 0},
	{"RST,ACK future", wire.RST | wire.ACK, nxt(0), top(1), 0},
	{"RST in window", wire.RST, nxt(1), nil, 0},
	{"RST old", wire.RST, nxt(-1), nil, 0},
	{"RST beyond", wire.RST, edge(1), nil, 0},
	{"ACK at edge", wire.ACK, edge(0), una(0), 0},
	{"FIN at edge", wire.FIN | wire.ACK, edge(0), una(0), 0},
	{"RST at edge", wire.RST, edge(0), nil, 0},
}

func irs(*cell) wire.Seq                 { return cellIRS }
func nxt(n int) func(x *cell) wire.Seq   { return func(x *cell) wire.Seq { return x.nxt.Add(n) } }
func una(n int) func(x *cell) wire.Seq   { return func(x *cell) wire.Seq { return x.una.Add(n) } }
func top(n int) func(x *cell) wire.Seq   { return func(x *cell) wire.Seq { return x.max.Add(n) } }
func edge(n int) func(x *cell) wire.Seq  { return func(x *cell) wire.Seq { return x.edge.Add(n) } }
func (x *cell) give(s Segment)           { x.c.Receive(cellNow, &s) }
func (x *cell) put(n int)                { _, _ = x.c.Write(make([]byte, n)) }
func (x *cell) read()                    { _, _ = x.c.Read(make([]byte, 5000)) }
func (x *cell) ours(n int) wire.Seq      { return cellISS.Add(n) }
func (x *cell) theirs(n int) wire.Seq    { return cellIRS.Add(n) }
func (x *cell) syn(f wire.Flags) Segment { return cellSegment(f, cellIRS, cellISS.Add(1), 0) }

func cellSegment(f wire.Flags, seq, ack wire.Seq, text int) Segment {
	s := Segment{TCP: wire.TCP{Seq: seq, Ack: ack, Flags: f, Window: 4000}, Payload: make([]byte, text)}
	if f&wire.SYN != 0 {
		s.Options.MSS = 1000
	}
	return s
}

// said emits all segments of an instant.
func (x *cell) said(at clock.Instant) (out []Segment) {
	buf := make([]byte, 2000)
	for {
		var s Segment
		n, ok := x.c.Emit(at, buf, &s)
		if !ok {
			return out
		}
		s.Payload = slices.Clone(buf[:n])
		out = append(out, s)
	}
}

// newCell makes a connection in a state, by segments and calls alone. In the synchronised states our end has received
// and read 100 octets, and the peer has acknowledged 100 octets of ours. In ESTABLISHED and CLOSE-WAIT another 100
// octets of ours are in flight, in the closing states our FIN.
func newCell(t *testing.T, short string) *cell {
	cfg := &Config{RecvBuffer: 4000, NoDelay: true}
	x := &cell{t: t, iss: cellISS}
	switch short {
	case "CL", "LI", "SR":
		x.c = NewListen(cfg, 1000, cellISS, nil)
	case "SS", "SA":
		x.c = Open(cfg, 1000, cellISS, cellNow, nil)
		x.said(cellNow)
	default:
		x.c = NewListen(cfg, 1000, cellISS, nil)
		x.synchronise(short)
	}
	switch short {
	case "CL":
		x.c.Close(cellNow)
	case "SR", "SA":
		x.give(x.syn(wire.SYN))
		x.said(cellNow)
	}
	v, r := &x.c.snd, &x.c.rcv
	x.una, x.max, x.nxt, x.edge = v.una, v.max, r.nxt, r.windowEdge
	if short == "CL" || short == "LI" || short == "SS" {
		x.nxt, x.edge = x.theirs(1), x.theirs(4001)
	}
	return x
}

func (x *cell) synchronise(short string) {
	ack := func(seq, ack int) { x.give(cellSegment(wire.ACK, x.theirs(seq), x.ours(ack), 0)) }
	fin := func(ack int) { x.give(cellSegment(wire.FIN|wire.ACK, x.theirs(101), x.ours(ack), 0)) }
	x.give(x.syn(wire.SYN))
	x.said(cellNow)
	x.give(cellSegment(wire.ACK, x.theirs(1), x.ours(1), 100))
	x.read()
	x.put(100)
	x.said(cellNow)
	ack(101, 101)
	switch short {
	case "ES", "CW":
		x.put(100)
	case "F1", "F2", "CG", "TW":
		_ = x.c.CloseWrite(cellNow)
	}
	x.said(cellNow)
	switch short {
	case "F2", "TW":
		ack(101, 102)
	}
	switch short {
	case "CW", "CG", "LA":
		fin(101)
	case "TW":
		fin(102)
	}
	x.said(cellNow)
	if short == "LA" {
		_ = x.c.CloseWrite(cellNow)
	}
	x.said(cellNow)
}

// name describes an emitted segment in the words of RFC 9293. An ACK that moves RCV.NXT by n has the name ACK+n. ACK is
// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>; RST is <SEQ=SEG.ACK><CTL=RST>; RST,ACK is <SEQ=0><ACK=SEG.SEQ+SEG.LEN> <CTL=RST,ACK>; SYN,ACK has our ISS; ABORT is the reset of
// a connection of our own, <SEQ=SND.NXT><CTL=RST,ACK>.
func (x *cell) name(s *Segment, in *Segment) string {
	moved := ""
	if n := s.Ack.Sub(x.nxt); n != 0 {
		moved = fmt.Sprintf("+%d", n)
	}
	switch {
	case s.Flags == wire.ACK && s.Seq == x.max && len(s.Payload) == 0:
		return "ACK" + moved
	case s.Flags == wire.RST && s.Seq == in.Ack:
		return "RST"
	case s.Flags == wire.RST|wire.ACK && s.Seq == 0 && s.Ack == in.Seq.Add(in.Len()):
		return "RST,ACK"
	case s.Flags == wire.RST|wire.ACK && s.Seq == x.max:
		return "ABORT"
	case s.Flags == wire.SYN|wire.ACK && s.Seq == x.iss:
		return "SYN,ACK" + moved
	}
	return fmt.Sprintf("%v %d+%d%s", s.Flags, s.Seq.Sub(x.iss), len(s.Payload), moved)
}

// outcome runs a cell and returns its outcome in the table's format.
func (x *cell) outcome(short string, k int) string {
	kind := &matrixKinds[k]
	ack := wire.Seq(0)
	if kind.ack != nil {
		ack = kind.ack(x)
	}
	in := cellSegment(kind.flags, kind.seq(x), ack, kind.text)
	in.Urgent = 50
	given := in
	drop := x.c.Receive(cellNow, &given)
	var says []string
	for _, s := range x.said(cellNow) {
		says = append(says, x.name(&s, &in))
	}
	for _, s := range x.said(cellNow.Add(40 * time.Millisecond)) {
		says = append(says, "later "+x.name(&s, &in))
	}
	if says == nil {
		says = []string{"-"}
	}
	to := "?"
	for _, m := range matrixStates {
		if m.state == x.c.State() && (m.state != SynReceived || (m.short == "SR") == x.c.passive) {
			to = m.short
		}
	}
	if to == short {
		to = "="
	}
	word := drop.String()
	if word == "" {
		word = "-"
	}
	return fmt.Sprintf("%s | %s | %s | %d", to, strings.Join(says, " "), word, x.c.Readable())
}

func TestMatrix(t *testing.T) {
	want := map[[2]string]string{}
	section := map[[2]string]string{}
	for n, line := range strings.Split(strings.TrimSpace(matrixCells), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 7 {
			t.Fatalf("row %d has %d columns: %s", n, len(f), line)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if f[6] == "" {
			t.Errorf("row %d names no section: %s", n, line)
		}
		var states []string
		for _, s := range strings.Fields(f[1]) {
			if g, ok := matrixGroups[s]; ok {
				s = g
			}
			states = append(states, strings.Fields(s)...)
		}
		for _, s := range states {
			at := [2]string{f[0], s}
			if want[at] != "" {
				t.Errorf("%s in %s stands twice", f[0], s)
			}
			want[at], section[at] = strings.Join(f[2:6], " | "), f[6]
		}
	}
	used := 0
	for _, m := range matrixStates {
		for k := range matrixKinds {
			at := [2]string{matrixKinds[k].name, m.short}
			x := newCell(t, m.short)
			if x.c.State() != m.state {
				t.Fatalf("made %v for %v", x.c.State(), m.state)
			}
			switch got := x.outcome(m.short, k); want[at] {
			case "":
				t.Errorf("missing cell: %s in %v (%s): it does %s", at[0], m.state, at[1], got)
			case got:
				used++
			default:
				used++
				t.Errorf("%s in %v (%s), %s:\n got %s\nwant %s", at[0], m.state, at[1], section[at], got, want[at])
			}
		}
	}
	if used != len(want) {
		t.Errorf("%d cells stand in the table, %d were used: a state or kind is misspelt", len(want), used)
	}
}
