package mld

import (
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// FuzzQueries receives arbitrary messages at arbitrary times. In the input, two octets give the time until the next message, in
// units of 10 ms, the next two its length, and then its octets follow. The bounds hold after every message, and Next returns a
// bounded number of messages.
func FuzzQueries(f *testing.F) {
	add := func(queries ...wire.MLDQuery) {
		var in []byte
		for _, q := range queries {
			b := make([]byte, 24)
			if q.Version == 2 {
				b = append(make([]byte, 28), sources(1, 3)...)
			}
			if q.Group == all {
				b = b[:min(len(b), 28)]
			}
			q.Put(b, local, wire.AllNodes6)
			in = append(append(in, 0, 50, 0, byte(len(b))), b...)
		}
		f.Add(in)
	}
	one := wire.MLDQuery{Version: 1, ResponseCode: 10_000, Group: all}
	two := wire.MLDQuery{Version: 2, ResponseCode: 0x8fff, Group: all, Robustness: 7, IntervalCode: 255}
	forGroup, forGroup1 := two, one
	forGroup.Group, forGroup1.Group = group(3), group(4)
	add(one, forGroup1)
	add(two, forGroup, forGroup)
	add(one, two, forGroup, one)
	f.Fuzz(func(t *testing.T, in []byte) {
		l := New(Config{Rand: rand.New(rand.NewPCG(1, 1))})
		const groups = 70 // more than fit in one report
		for k := range groups {
			l.Join(0, group(k))
		}
		now, out := clock.Instant(0), make([]byte, MinRoom)
		h, c := wire.IPv6{HopLimit: 1, Src: local, Dst: wire.AllNodes6}, wire.IPv6Chain{HasRouterAlert: true}
		drain := func() {
			sent := 0
			for n, to, typ, ok := l.Next(now, out, local); ok; n, to, typ, ok = l.Next(now, out, local) {
				describe(t, out[:n], local, to, typ)
				if sent++; sent > 2*groups {
					t.Fatalf("%d messages at once", sent)
				}
			}
			if l.Owes(now) {
				t.Fatalf("nothing to send at %v, and due at %v", now, l.Deadline())
			}
		}
		for len(in) >= 4 {
			wait, n := 10*ms*(time.Duration(in[0])<<8+time.Duration(in[1])), int(in[2])<<8+int(in[3])
			m := in[4:min(4+n, len(in))]
			in = in[4+len(m):]
			for end := now.Add(wait); now < end; {
				drain()
				now = min(end, max(now+1, l.Deadline()))
			}
			drain()
			if q, s, err := wire.ParseMLDQuery(&h, &c, m, false); err == nil {
				l.Query(now, &q, s)
			} else if g, err := wire.ParseMLDReport(&h, &c, m, false); err == nil {
				l.HearReport(now, g)
			}
			check(t, l, now)
		}
		for k := range groups {
			l.Leave(now, group(k))
		}
		for l.Deadline() != clock.Never {
			now = max(now, l.Deadline())
			drain()
			check(t, l, now)
		}
		if len(l.groups) != 0 {
			t.Fatalf("%d groups left over", len(l.groups))
		}
	})
}
