package tcp

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// logLines formats a log: each entry's time, state, phase, una-nxt, cwnd, ssthresh, srtt, rto and pipe.
func logLines(c *Conn) string {
	var b strings.Builder
	entries, lost := c.Log(nil)
	if lost > 0 {
		fmt.Fprintf(&b, "%d lost\n", lost)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %v %v %d-%d %d/%d %v %v %d\n", stamp(e.At), e.State, e.Phase, e.SndUna.Sub(ourISS), e.SndNxt.Sub(ourISS),
			e.Cwnd, e.Ssthresh, e.SRTT, e.RTO, e.Pipe)
	}
	return b.String()
}

const loggedExchange = `
0.000 config mss=100 iw=2 sack=yes log=%d
0.000 open
0.100 < S. 0 ack 1 win 65535 mss 100 sackOK
1.000 write 300
1.100 < . 1 ack 101 win 65535
1.100 < . 1 ack 101 win 65535
3.000 < . 1 ack 301 win 65535
4.000 close
`

const loggedEntries = `0.000 SYN-SENT open 0-0 200/67108864 0s 1s 0
0.000 SYN-SENT open 0-1 200/67108864 0s 1s 1
0.100 ESTABLISHED open 1-1 200/67108864 100ms 300ms 0
1.000 ESTABLISHED open 1-201 200/67108864 100ms 300ms 200
1.100 ESTABLISHED open 101-201 300/67108864 100ms 300ms 100
1.100 ESTABLISHED open 101-301 300/67108864 100ms 300ms 200
1.600 ESTABLISHED loss 101-301 100/200 100ms 600ms 0
1.600 ESTABLISHED loss 101-301 100/200 100ms 600ms 100
2.200 ESTABLISHED loss 101-301 100/200 100ms 1.2s 0
2.200 ESTABLISHED loss 101-301 100/200 100ms 1.2s 100
3.000 ESTABLISHED open 301-301 300/200 100ms 1.2s 0
4.000 FIN-WAIT-1 open 301-301 300/200 100ms 1.2s 0
4.000 FIN-WAIT-1 open 301-302 300/200 100ms 1.2s 1
`

// TestLog: each arrival, emission and timer that changes something makes an entry, and no other does: neither the second
// acknowledgement of 101, nor the tail loss probe at 1.3.
func TestLog(t *testing.T) {
	run := func(limit int) *Conn {
		x := &exchange{t: t}
		x.play(fmt.Sprintf(loggedExchange, limit))
		return x.c
	}
	got := logLines(run(1000))
	if got != loggedEntries {
		t.Errorf("got\n%swant\n%s", got, loggedEntries)
	}
	if got, _ := run(0).Log(nil); got != nil {
		t.Errorf("a log that is off has %v", got)
	}
	lines := strings.SplitAfter(got, "\n")
	last := len(lines) - 1 - 5
	want := fmt.Sprintf("%d lost\n", last) + strings.Join(lines[last:], "")
	if got := logLines(run(5)); got != want {
		t.Errorf("of the last 5 entries there are\n%swant\n%s", got, want)
	}
}

// TestFullLogAllocatesNothing: recording in a full log allocates no memory.
func TestFullLogAllocatesNothing(t *testing.T) {
	d := newDuplex(t, 1460, 1460)
	cfg := d.c[0].Config()
	cfg.Log = 64
	d.c[0].SetConfig(d.now, cfg)
	p := make([]byte, 50_000)
	if n := testing.AllocsPerRun(100, func() { d.round(t, p, 0, 1) }); n != 0 {
		t.Errorf("%v allocations for a round", n)
	}
	entries, lost := d.c[0].Log(nil)
	if len(entries) != 64 || lost == 0 || entries[0].At > entries[63].At || entries[63].At.Sub(entries[0].At) > time.Second {
		t.Errorf("%d entries, %d lost", len(entries), lost)
	}
}
