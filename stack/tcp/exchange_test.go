package tcp

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var rewrite = flag.Bool("rewrite", false, "write what the connection does into testdata")

// An exchange is one connection against a peer that the file plays. Every line is a time in seconds and a word. The file gives
// these events:
//
//	0.000 config snd=1000 rcv=1000 mss=1460 …   before open or listen; afterwards, SetConfig: ts=OFFSET for timestamps,
//	                                            sndmax and rcvmax for buffers that size themselves
//	0.000 open | listen                         our ISS is 4294967200, the peer's 4294967000: both wrap
//	0.010 < FLAGS SEQ+LEN ack N win N …         a segment from the peer: mss, ws, ts, ecr, urg, gso,
//	                                            sackOK; blocks of SACK are FROM:TO
//	0.010 << …                                  the same; the next line comes before anything can be sent
//	0.010 write N | read N | shut | shutread | close | abort
//	0.010 wait                                  nothing: time passes until then
//	0.010 soft | hard                           an ICMP error
//	0.010 toobig SEQ MTU                        an ICMP error: fragmentation needed
//	0.010 info WORD …                           asks for fields of Info
//	0.010 reuse SEQ [ts N]                      may a SYN with this number replace us?
//
// The connection answers with these, which the test compares and -rewrite writes:
//
//	0.010 > FLAGS SEQ+LEN ack N win N …         a segment to the peer; (PROBE) at the end of a probe
//	0.010 ! WORDS                               why the last segment was dropped; accepted: PROBE of a probe that was not
//	0.010 * STATE                               a transition; with config episodes=yes, * EPISODE: WHY
//	0.010 = WORDS                               a call's result
//
// Numbers are relative to the ISS of the side whose octets they count: SEQ to the sender's, ack to the receiver's. Flags are
// tcpdump's letters. The streams' octets are a pattern, which is compared in each direction.
type exchange struct {
	t      *testing.T
	now    clock.Instant
	cfg    Config
	room   int
	c      *Conn
	hooks  Hooks
	out    bytes.Buffer
	stamps uint32

	episodes bool // true if episodes are recorded
	written  int
	got      int
}

const (
	ourISS   wire.Seq = 4294967200
	theirISS wire.Seq = 4294967000
)

func pattern(off int) byte { return byte(off*7 + off>>8) }

func (x *exchange) say(format string, args ...any) {
	fmt.Fprintf(&x.out, "%s %s\n", stamp(x.now), fmt.Sprintf(format, args...))
}

func stamp(t clock.Instant) string {
	s := strings.TrimRight(fmt.Sprintf("%d.%09d", t/1e9, t%1e9), "0")
	for len(s)-strings.IndexByte(s, '.') < 4 {
		s += "0"
	}
	return s
}

// emit records all segments that the connection sends now.
func (x *exchange) emit() {
	if x.c == nil {
		return
	}
	buf := make([]byte, x.room)
	for count := 0; ; count++ {
		var s Segment
		n, ok := x.c.Emit(x.now, buf, &s)
		if !ok {
			return
		}
		if count > 1000 {
			x.t.Fatalf("%v: it never stops", x.now)
		}
		rel := s.Seq.Sub(ourISS)
		if s.Flags&wire.RST != 0 && s.Seq == 0 {
			rel = 0
		}
		for i, b := range buf[:n] {
			if b != pattern(rel+i) {
				x.t.Fatalf("%v: octet %d of the stream is sent wrong", x.now, rel+i)
			}
		}
		x.say("> %s", describe(&s, rel))
	}
}

func describe(s *Segment, rel int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %d", s.Flags, rel)
	if len(s.Payload) > 0 {
		fmt.Fprintf(&b, "+%d", len(s.Payload))
	}
	if s.Flags&wire.ACK != 0 {
		fmt.Fprintf(&b, " ack %d", s.Ack.Sub(theirISS))
	}
	if s.Flags&wire.RST == 0 {
		fmt.Fprintf(&b, " win %d", s.Window)
	}
	if s.Options.MSS != 0 {
		fmt.Fprintf(&b, " mss %d", s.Options.MSS)
	}
	if s.Options.HasWindowScale {
		fmt.Fprintf(&b, " ws %d", s.Options.WindowScale)
	}
	if s.Options.HasTimestamps {
		fmt.Fprintf(&b, " ts %d ecr %d", s.Options.TSVal, s.Options.TSEcr)
	}
	if s.Options.SACKPermitted {
		b.WriteString(" sackOK")
	}
	if s.Options.NumSACK > 0 {
		b.WriteString(" sack")
		for _, k := range s.Options.SACK[:s.Options.NumSACK] {
			fmt.Fprintf(&b, " %d:%d", k.Left.Sub(theirISS), k.Right.Sub(theirISS))
		}
	}
	if s.ECN == wire.ECT0 {
		b.WriteString(" ect")
	}
	if s.GSOSize != 0 {
		fmt.Fprintf(&b, " gso %d", s.GSOSize)
	}
	if s.Probe != NoProbe {
		fmt.Fprintf(&b, " (%v)", s.Probe)
	}
	return b.String()
}

// pass advances time, and runs the timers that are due.
func (x *exchange) pass(to clock.Instant) {
	for n := 0; x.c != nil; n++ {
		if n > 10_000 {
			x.t.Fatalf("%v: it wakes and does nothing", x.now)
		}
		at := x.c.Deadline()
		if at >= to {
			break
		}
		x.now = max(x.now, at)
		x.emit()
	}
	x.now = to
}

func (x *exchange) segment(f []string) {
	s := Segment{TCP: wire.TCP{Window: 65535}}
	for _, l := range f[0] {
		s.Flags |= 1 << strings.IndexRune("FSRP.UEW", l)
	}
	seq, text, _ := strings.Cut(f[1], "+")
	rel := x.number(seq)
	s.Seq = theirISS.Add(rel)
	if text != "" {
		s.Payload = make([]byte, x.number(text))
		first := rel
		if s.Flags&wire.SYN != 0 {
			first++
		}
		for i := range s.Payload {
			s.Payload[i] = pattern(first + i)
		}
	}
	for i := 2; i < len(f); i += 2 {
		if f[i] == "ce" {
			s.ECN = wire.CE
			i--
			continue
		}
		if f[i] == "sackOK" {
			s.Options.SACKPermitted = true
			i--
			continue
		}
		if l, r, ok := strings.Cut(f[i], ":"); ok { // a block of SACK
			s.Options.SACK[s.Options.NumSACK] = wire.SACKBlock{Left: ourISS.Add(x.number(l)), Right: ourISS.Add(x.number(r))}
			s.Options.NumSACK++
			i--
			continue
		}
		n := x.number(f[i+1])
		switch f[i] {
		case "ack":
			s.Ack = ourISS.Add(n)
		case "win":
			s.Window = uint16(n)
		case "mss":
			s.Options.MSS = uint16(n)
		case "ws":
			s.Options.WindowScale, s.Options.HasWindowScale = uint8(n), true
		case "ts":
			s.Options.TSVal, s.Options.HasTimestamps = uint32(n), true
		case "ecr":
			s.Options.TSEcr = uint32(n)
		case "urg":
			s.Urgent = uint16(n)
			s.Flags |= wire.URG
		case "gso":
			s.GSOSize = n
		default:
			x.t.Fatalf("no %q in a segment", f[i])
		}
	}
	switch r := x.c.Receive(x.now, &s); {
	case r != drop.None:
		x.say("! %v", r)
	case s.Probe != NoProbe:
		x.say("! accepted: %v", s.Probe)
	}
}

func (x *exchange) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		x.t.Fatal(err)
	}
	return n
}

func (x *exchange) config(f []string) {
	for _, kv := range f {
		k, v, _ := strings.Cut(kv, "=")
		span := func() time.Duration {
			d, err := time.ParseDuration(v)
			if err != nil {
				x.t.Fatal(err)
			}
			return d
		}
		switch k {
		case "snd":
			x.cfg.SendBuffer = x.number(v)
		case "sndmax":
			x.cfg.SendBuffer, x.cfg.SendBufferMax = 0, x.number(v)
		case "rcv":
			x.cfg.RecvBuffer = x.number(v)
		case "rcvmax":
			x.cfg.RecvBuffer, x.cfg.RecvBufferMax = 0, x.number(v)
		case "mss":
			x.cfg.MSS = x.number(v)
		case "log":
			x.cfg.Log = x.number(v)
		case "iw":
			x.cfg.InitialWindow = x.number(v)
		case "ecn":
			x.cfg.ECN = map[string]ECN{"accept": ECNAccept, "request": ECNRequest, "refuse": ECNRefuse}[v]
		case "sack":
			x.cfg.NoSACK = v != "yes"
		case "pacing":
			x.cfg.NoPacing = v != "yes"
		case "probing":
			x.cfg.NoMTUProbing = v != "yes"
		case "cc":
			x.cfg.Congestion, _ = ParseAlgorithm(v)
		case "nodelay":
			x.cfg.NoDelay = v == "yes"
		case "keepalive":
			x.cfg.KeepAlive = span()
		case "keepalivemax":
			x.cfg.KeepAliveMax = x.number(v)
		case "usertimeout":
			x.cfg.UserTimeout = span()
		case "retries":
			x.cfg.MaxRetries = x.number(v)
		case "orphanretries":
			x.cfg.OrphanRetries = x.number(v)
		case "synretries":
			x.cfg.SYNRetries = x.number(v)
		case "delack":
			x.cfg.DelayedAck = span()
		case "timewait":
			x.cfg.TimeWait = span()
		case "ts":
			x.cfg.NoTimestamps, x.stamps = false, uint32(x.number(v))
		case "episodes":
			x.episodes = v == "yes"
		case "room":
			x.room = x.number(v)
		default:
			x.t.Fatalf("no option %q", k)
		}
	}
	if x.c != nil {
		x.c.SetConfig(x.now, x.cfg)
	}
}

func (x *exchange) do(f []string) {
	switch f[0] {
	case "config":
		x.config(f[1:])
	case "open":
		x.c = Open(&x.cfg, 1460, ourISS, x.now, &x.hooks)
		x.c.SetStampOffset(x.stamps)
		x.say("* %v", x.c.State())
	case "listen":
		x.c = NewListen(&x.cfg, 1460, ourISS, &x.hooks)
		x.c.SetStampOffset(x.stamps)
	case "<", "<<":
		x.segment(f[1:])
	case "write":
		p := make([]byte, x.number(f[1]))
		for i := range p {
			p[i] = pattern(1 + x.written + i)
		}
		n, err := x.c.Write(p)
		x.written += n
		if err != nil {
			x.say("= %v", err)
		} else if n < len(p) {
			x.say("= %d", n)
		}
	case "read":
		p := make([]byte, x.number(f[1]))
		n, err := x.c.Read(p)
		for i, b := range p[:n] {
			if b != pattern(1+x.got+i) {
				x.t.Fatalf("%v: octet %d of the stream is read wrong", x.now, x.got+i)
			}
		}
		x.got += n
		if err != nil {
			x.say("= %v", err)
		} else {
			x.say("= %d", n)
		}
	case "shut":
		if err := x.c.CloseWrite(x.now); err != nil {
			x.say("= %v", err)
		}
	case "shutread":
		x.c.CloseRead()
	case "close":
		x.c.Close(x.now)
	case "abort":
		x.c.Abort(x.now)
	case "soft", "hard":
		x.c.SoftError(x.now, ErrHostUnreach, f[0] == "hard")
	case "toobig":
		claim := x.c.TooBig(x.now, ourISS.Add(x.number(f[1])), x.number(f[2])-40)
		x.say("= %s", [...]string{"refused", "kept", "taken"}[claim])
	case "reuse":
		syn := Segment{TCP: wire.TCP{Flags: wire.SYN, Seq: theirISS.Add(x.number(f[1]))}}
		if len(f) > 3 { // ts N
			syn.Options.TSVal, syn.Options.HasTimestamps = uint32(x.number(f[3])), true
		}
		after, ok := x.c.ReuseTimeWait(&syn)
		x.say("= %v after %d", ok, after.Sub(ourISS))
	case "info":
		x.info(f[1:])
	case "wait":
	default:
		x.t.Fatalf("no command %q", f[0])
	}
}

func (x *exchange) info(words []string) {
	i := x.c.Info(x.now)
	var b strings.Builder
	for _, w := range words {
		var v any
		switch w {
		case "state":
			v = i.State
		case "cwnd":
			v = i.Cwnd
		case "ssthresh":
			v = i.Ssthresh
		case "pacing":
			v = i.PacingRate
		case "rto":
			v = i.RTO
		case "srtt":
			v = i.SRTT
		case "rttvar":
			v = i.RTTVar
		case "sndwnd":
			v = i.SndWnd
		case "mss":
			v = i.MSS
		case "pathmtu":
			v = i.PathMTU
		case "recovery":
			v = i.InRecovery
		case "phase":
			v = i.Phase
		case "minrtt":
			v = i.MinRTT
		case "reowindow":
			v = i.ReoWindow
		case "backoffs":
			v = i.Backoffs
		case "retrans":
			v = i.Retrans
		case "gaps":
			v = i.Gaps
		case "outoforder":
			v = i.OutOfOrder
		case "pipe":
			v = i.Pipe
		case "sacked":
			v = i.Sacked
		case "lost":
			v = i.Lost
		case "sendq":
			v = i.SendQ
		case "rcvbuf":
			v = i.RecvBuf
		case "sndbuf":
			v = i.SendBuf
		case "readable":
			v = x.c.Readable()
		case "timer":
			v = fmt.Sprint(i.Timer, " ", i.TimerLeft)
		case "urgent":
			v = x.c.rcv.up.Sub(theirISS)
		case "done":
			v = x.c.Done()
		case "err":
			v = x.c.Err()
		default:
			x.t.Fatalf("no %q in Info", w)
		}
		fmt.Fprintf(&b, " %s %v", w, v)
	}
	x.say("=%s", b.String())
}

// play runs a file and returns it with the connection's answers.
func (x *exchange) play(text string) string {
	x.cfg, x.room = Config{RecvBuffer: 65535, NoTimestamps: true, NoSACK: true, NoPacing: true, Congestion: NewReno}, 1460
	x.hooks.State = func(c *Conn, _, to State) {
		if x.c != nil {
			x.say("* %v", to)
		}
	}
	x.hooks.Episode = func(_ *Conn, e Episode, why string) {
		if x.episodes {
			x.say("* %v: %s", e, why)
		}
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			x.out.WriteString(line)
			continue
		}
		if len(f) < 2 {
			x.t.Fatalf("not a line: %s", line)
		}
		switch f[1] {
		case ">", "!", "*", "=":
			continue
		}
		sec, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			x.t.Fatal(err)
		}
		at := clock.Instant(sec*1e6+0.5) * 1000
		if at < x.now {
			x.t.Fatalf("time goes back: %s", line)
		}
		x.pass(at)
		if f[1] == "wait" {
			x.emit() // events due at this instant come before the line
		}
		x.out.WriteString(line)
		x.do(f[1:])
		if f[1] != "<<" {
			x.emit()
		}
	}
	return x.out.String()
}

func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d exchanges, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(text, []byte("# ")) || !bytes.Contains(bytes.SplitN(text, []byte("\n"), 2)[0], []byte("§")) {
				t.Error("the first line does not name its section")
			}
			x := &exchange{t: t}
			got := x.play(string(text))
			if got == string(text) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Error(firstDifference(string(text), got))
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("from line %d on\nwant %sgot  %s", i+1,
				strings.Join(w[i:min(len(w), i+4)], "     "), strings.Join(g[min(i, len(g)):min(len(g), i+4)], "     "))
		}
	}
	return "there is more: " + strings.Join(g[len(w)-1:], "")
}
