package mld

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

var (
	groupA = netip.MustParseAddr("ff05::a")
	groupB = netip.MustParseAddr("ff05::b")
	groupC = netip.MustParseAddr("ff02::1:ff00:c")
	local  = netip.MustParseAddr("fe80::1")
	all    = netip.IPv6Unspecified() // the group of a general query
)

const ms = time.Millisecond

// group returns one of 65,536 groups.
func group(k int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 5, 12: 1, 14: byte(k >> 8), 15: byte(k)})
}

// sources returns the sources 2001:db8::from to 2001:db8::to.
func sources(from, to int) (l wire.AddrList) {
	for k := from; k <= to; k++ {
		a := netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 14: byte(k >> 8), 15: byte(k)}).As16()
		l = append(l, a[:]...)
	}
	return l
}

// fraction is a source of randomness whose numbers are that fraction of the range. Its low bits change, because rand draws again
// after some values.
type fraction struct {
	f float64
	k uint64
}

func (s *fraction) Uint64() uint64 {
	s.k += 0x1000_0001
	return uint64(s.f*(1<<32))<<32 + s.k
}

// world advances the time of a listener and logs its messages: "500ms TO_EX ff05::a, IS_IN ff05::b 2001:db8::1" for a report of
// version 2, "500ms report ff05::a" and "500ms done ff05::a" for messages of version 1. Times are rounded to milliseconds.
type world struct {
	t    testing.TB
	l    *Listener
	draw *fraction // 0.5 of each range unless a test changes it
	now  clock.Instant
	src  netip.Addr
	room int
	log  []string
}

func newWorld(t testing.TB, cfg Config) *world {
	w := &world{t: t, draw: &fraction{f: 0.5}, src: local, room: MinRoom}
	cfg.Rand = rand.New(w.draw)
	w.l = New(cfg)
	return w
}

var recordNames = [...]string{wire.MLDIsInclude: "IS_IN", wire.MLDIsExclude: "IS_EX", wire.MLDToInclude: "TO_IN", wire.MLDToExclude: "TO_EX"}

// describe parses a message and checks its checksum, type and destination.
func describe(t testing.TB, b []byte, src, to netip.Addr, typ wire.ICMPv6Type) string {
	t.Helper()
	h, c := wire.IPv6{HopLimit: 1, Src: src, Dst: to}, wire.IPv6Chain{HasRouterAlert: true}
	if wire.ICMPv6Type(b[0]) != typ {
		t.Fatalf("a message of type %d returned as %d", b[0], typ)
	}
	if typ != wire.ICMPv6ListenerReportVersion2 {
		g, err := wire.ParseMLDReport(&h, &c, b, true)
		if err != nil || len(b) != wire.MLDLen {
			t.Fatalf("%d octets: %v", len(b), err)
		}
		want, name := g, "report "
		if typ == wire.ICMPv6ListenerDone {
			want, name = wire.AllRouters6, "done "
		}
		if to != want {
			t.Fatalf("%s%v sent to %v", name, g, to)
		}
		return name + g.String()
	}
	all, err := wire.ParseMLDv2Report(&h, &c, b, true)
	if err != nil || to != wire.MLDv2Routers6 {
		t.Fatalf("to %v: %v", to, err)
	}
	var names []string
	for r, rest, ok := all.Next(); ok; r, rest, ok = rest.Next() {
		name := recordNames[r.Type] + " " + r.Group.String()
		for i := range r.Sources.Len() {
			name += " " + r.Sources.At(i).String()
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// pull logs the messages that are due.
func (w *world) pull() {
	w.t.Helper()
	dst := make([]byte, w.room)
	for {
		n, to, typ, ok := w.l.Next(w.now, dst, w.src)
		if !ok {
			break
		}
		w.log = append(w.log, fmt.Sprintf("%v %s", time.Duration(w.now).Round(ms), describe(w.t, dst[:n], w.src, to, typ)))
	}
	if w.l.Owes(w.now) {
		w.t.Fatalf("%v: nothing to send, and the deadline is %v", w.now, w.l.Deadline())
	}
}

// to advances the time to d after the start, and sends everything that is due before, or at that time.
func (w *world) to(d time.Duration) {
	w.t.Helper()
	for w.pull(); w.l.Deadline() <= clock.Instant(d); w.pull() {
		w.now = max(w.now, w.l.Deadline())
	}
	w.now = clock.Instant(d)
}

// want compares the log with want and clears it.
func (w *world) want(want ...string) {
	w.t.Helper()
	if !slices.Equal(w.log, want) {
		w.t.Errorf("got  %q\nwant %q", w.log, want)
	}
	w.log = nil
}

// query passes a query of version 2 with a Maximum Response Delay, which must be below 32.768 s.
func (w *world) query(g netip.Addr, delay time.Duration, s wire.AddrList) {
	w.l.Query(w.now, &wire.MLDQuery{Version: 2, ResponseCode: uint16(delay / ms), Group: g, Robustness: 2, IntervalCode: 125}, s)
}

// query1 passes a query of version 1.
func (w *world) query1(g netip.Addr, delay time.Duration) {
	w.l.Query(w.now, &wire.MLDQuery{Version: 1, ResponseCode: uint16(delay / ms), Group: g}, nil)
}

// join joins groups, sends and forgets their reports, and advances the time by 100 s.
func (w *world) join(groups ...netip.Addr) {
	for _, g := range groups {
		w.l.Join(w.now, g)
	}
	w.to(time.Duration(w.now) + 100*time.Second)
	w.log = nil
}

// splitRecords returns the records of a line of the log.
func splitRecords(line string) []string {
	_, rest, _ := strings.Cut(line, " ")
	return strings.Split(rest, ", ")
}
