package mld

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// asked is a query of a test, sent at time 100 s. A response is due after half of its delay.
type asked struct {
	group string // "" for a general query, "a" for groupA, "s" for sources of groupA
	delay time.Duration
	from  int // sources from to to
	to    int
}

// ask passes the query q.
func (w *world) ask(q asked) {
	switch q.group {
	case "":
		w.query(all, q.delay, nil)
	case "a":
		w.query(groupA, q.delay, nil)
	default:
		w.query(groupA, q.delay, sources(q.from, q.to))
	}
}

// RFC 3810 §6.2: each kind of query while each kind of response is pending. Groups A and B are joined.
func TestQueryWhilePending(t *testing.T) {
	const both, one = "IS_EX ff05::a, IS_EX ff05::b", "IS_EX ff05::a"
	const s = time.Second
	general := func(d time.Duration) asked { return asked{"", d, 0, 0} }
	groupQ := func(d time.Duration) asked { return asked{"a", d, 0, 0} }
	sourceQ := func(d time.Duration, from, to int) asked { return asked{"s", d, from, to} }
	for _, c := range []struct {
		name    string
		queries []asked
		want    []string
	}{
		{"general", []asked{general(10 * s)}, []string{"1m45s " + both}},
		{"group", []asked{groupQ(2 * s)}, []string{"1m41s " + one}},
		{"sources", []asked{sourceQ(2*s, 1, 2)}, []string{"1m41s IS_IN ff05::a 2001:db8::1 2001:db8::2"}},

		{"rule 1: general, general sooner", []asked{general(2 * s), general(10 * s)}, []string{"1m41s " + both}},
		{"rule 1: group, general sooner", []asked{general(2 * s), groupQ(10 * s)}, []string{"1m41s " + both}},
		{"rule 1: sources, general sooner", []asked{general(2 * s), sourceQ(10*s, 1, 1)}, []string{"1m41s " + both}},
		{"rule 2: general, general later", []asked{general(10 * s), general(2 * s)}, []string{"1m41s " + both}},
		{"rule 2: general, group sooner", []asked{groupQ(2 * s), general(10 * s)}, []string{"1m41s " + one, "1m45s " + both}},
		{"rule 2: general, group later", []asked{groupQ(20 * s), general(10 * s)}, []string{"1m45s " + both, "1m50s " + one}},
		{"rule 2: general, sources sooner", []asked{sourceQ(2*s, 1, 1), general(10 * s)},
			[]string{"1m41s IS_IN ff05::a 2001:db8::1", "1m45s " + both}},
		{"rule 3: group, general later", []asked{general(20 * s), groupQ(10 * s)}, []string{"1m45s " + one, "1m50s " + both}},
		{"rule 3: sources, general later", []asked{general(20 * s), sourceQ(10*s, 1, 1)},
			[]string{"1m45s IS_IN ff05::a 2001:db8::1", "1m50s " + both}},
		{"rule 4: group, group sooner", []asked{groupQ(2 * s), groupQ(10 * s)}, []string{"1m41s " + one}},
		{"rule 4: group, group later", []asked{groupQ(10 * s), groupQ(2 * s)}, []string{"1m41s " + one}},
		{"rule 4: group, sources sooner", []asked{sourceQ(2*s, 1, 2), groupQ(10 * s)}, []string{"1m41s " + one}},
		{"rule 4: group, sources later", []asked{sourceQ(10*s, 1, 2), groupQ(2 * s)}, []string{"1m41s " + one}},
		{"rule 4: sources, group sooner", []asked{groupQ(2 * s), sourceQ(10*s, 1, 2)}, []string{"1m41s " + one}},
		{"rule 4: sources, group later", []asked{groupQ(10 * s), sourceQ(2*s, 1, 2)}, []string{"1m41s " + one}},
		{"rule 5: sources, sources sooner", []asked{sourceQ(2*s, 1, 2), sourceQ(10*s, 2, 3)},
			[]string{"1m41s IS_IN ff05::a 2001:db8::1 2001:db8::2 2001:db8::3"}},
		{"rule 5: sources, sources later", []asked{sourceQ(10*s, 1, 2), sourceQ(2*s, 3, 3)},
			[]string{"1m41s IS_IN ff05::a 2001:db8::1 2001:db8::2 2001:db8::3"}},
		{"a general response includes a group's of the same time", []asked{groupQ(10 * s), general(10 * s)}, []string{"1m45s " + both}},
		{"as many sources as are recorded", []asked{sourceQ(2*s, 1, 64)}, []string{"1m41s IS_IN ff05::a" + listed(1, 64)}},
		{"one source more", []asked{sourceQ(2*s, 1, 65)}, []string{"1m41s " + one}},
		{"one source more, in two queries", []asked{sourceQ(2*s, 1, 64), sourceQ(2*s, 65, 65)}, []string{"1m41s " + one}},
		{"the same sources again", []asked{sourceQ(2*s, 1, 64), sourceQ(2*s, 1, 64)}, []string{"1m41s IS_IN ff05::a" + listed(1, 64)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.join(groupA, groupB)
			for _, q := range c.queries {
				w.ask(q)
			}
			w.to(time.Hour)
			w.want(c.want...)
			if e := w.l.groups[groupA]; e.sources != nil {
				t.Errorf("%d sources left", e.sources.Len())
			}
		})
	}
}

// listed returns the sources from to to as the log has them.
func listed(from, to int) string {
	var b strings.Builder
	l := sources(from, to)
	for i := range l.Len() {
		b.WriteString(" " + l.At(i).String())
	}
	return b.String()
}

// RFC 3810 §5.1.3, §6.2: the response is due after a random time in (0, Maximum Response Delay], at most 8387.584 s. No response is
// immediate.
func TestResponseDelay(t *testing.T) {
	for _, c := range []struct {
		version uint8
		code    uint16
		f       float64
		want    time.Duration
	}{
		{2, 10_000, 0, 0}, {2, 10_000, 0.25, 2500 * ms}, {2, 10_000, 0.99999, 10 * time.Second}, {2, 0, 0, 0}, {2, 0, 0.9999, ms},
		{2, 0x8000, 0.99999, 32768 * ms}, {2, 0xffff, 0.99999999, 8387584 * ms}, {1, 0xffff, 0.999999, 65535 * ms}, {1, 0, 0.9999, ms},
	} {
		for _, g := range []string{"general", "group"} {
			w := newWorld(t, Config{OnlyV2: true})
			w.join(groupA)
			w.draw.f = c.f
			q := wire.MLDQuery{Version: c.version, ResponseCode: c.code, Group: all}
			if g == "group" {
				q.Group = groupA
			}
			w.l.Query(w.now, &q, nil)
			d := w.l.Deadline().Sub(w.now)
			if d <= 0 || d > max(q.MaxResponse(), ms) || d.Round(ms) != c.want {
				t.Errorf("%s, %+v: due after %v", g, c, d)
			}
			w.to(3 * time.Hour)
			if len(w.log) != 1 || !strings.HasSuffix(w.log[0], "IS_EX ff05::a") {
				t.Errorf("%s, %+v: %q", g, c, w.log)
			}
		}
	}
}

// RFC 3810 §6.2, §6.3: a query has no response if its group, or every group, is not listened to at that time, or any more when the
// response is due. Sources that cannot send are not reported.
func TestNoResponse(t *testing.T) {
	bad := append(sources(1, 1), make(wire.AddrList, 16)...) // ::
	multicast := groupB.As16()
	bad = append(bad, multicast[:]...)
	for name, c := range map[string]struct {
		act  func(w *world)
		want []string
	}{
		"another group": {func(w *world) { w.query(groupB, time.Second, nil) }, nil},
		"all-nodes":     {func(w *world) { w.query(wire.AllNodes6, time.Second, nil) }, nil},
		"left before the query": {func(w *world) {
			w.l.Leave(w.now, groupA)
			w.query(groupA, time.Second, nil)
			w.query(all, time.Second, nil)
		}, []string{"1m40s TO_IN ff05::a", "1m40.5s TO_IN ff05::a"}},
		"left after a group query": {func(w *world) { w.query(groupA, time.Second, nil); w.l.Leave(w.now, groupA) }, []string{"1m40s TO_IN ff05::a", "1m40.5s TO_IN ff05::a"}},
		"left after a general query": {func(w *world) { w.query(all, time.Second, nil); w.l.Leave(w.now, groupA) },
			[]string{"1m40s TO_IN ff05::a", "1m40.5s TO_IN ff05::a"}},
		"left after a query for sources, and joined": {func(w *world) {
			w.query(groupA, time.Second, sources(1, 1))
			w.l.Leave(w.now, groupA)
			w.l.Join(w.now, groupA)
		}, []string{"1m40s TO_EX ff05::a", "1m40.5s TO_EX ff05::a"}},
		"sources that cannot send":              {func(w *world) { w.query(groupA, time.Second, bad[16:]) }, nil},
		"one of the sources can send":           {func(w *world) { w.query(groupA, time.Second, bad) }, []string{"1m40.5s IS_IN ff05::a 2001:db8::1"}},
		"sources that cannot send, one pending": {func(w *world) { w.query(groupA, time.Second, bad); w.query(groupA, time.Second, bad[16:]) }, []string{"1m40.5s IS_IN ff05::a 2001:db8::1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.join(groupA)
			c.act(w)
			w.to(time.Hour)
			w.want(c.want...)
		})
	}
	w := newWorld(t, Config{})
	w.join(groupA)
	q := wire.MLDQuery{Version: 2, ResponseCode: 1000, Group: all}
	if r := w.l.Query(w.now, &q, sources(1, 1)); r != drop.MLDBadGroup || w.l.Deadline() != clock.Never {
		t.Errorf("a general query with sources: %v, due at %v", r, w.l.Deadline())
	}
}

// RFC 3810 §5.1.8, §5.1.9, §9.1, §9.2: the querier's Robustness Variable applies to later changes. 0 stands for the default, and so for
// the Query Interval; 1 counts as 2.
func TestQuerierVariables(t *testing.T) {
	for _, c := range []struct {
		robustness, interval uint8
		reports              int
		seconds              time.Duration
	}{{0, 0, 3, 60}, {1, 1, 2, 1}, {2, 125, 2, 125}, {7, 0xff, 7, 31744}} {
		w := newWorld(t, Config{Robustness: 3, QueryInterval: time.Minute})
		w.l.Query(w.now, &wire.MLDQuery{Version: 2, Group: groupB, Robustness: c.robustness, IntervalCode: c.interval}, nil)
		if w.l.interval != c.seconds*time.Second {
			t.Errorf("%+v: interval %v", c, w.l.interval)
		}
		w.l.Join(0, groupA)
		w.to(time.Hour)
		if len(w.log) != c.reports {
			t.Errorf("%+v: %q", c, w.log)
		}
		w.l.Down()
		w.l.Restart(w.now)
		w.log = nil
		w.to(2 * time.Hour)
		if len(w.log) != 3 {
			t.Errorf("%+v, after the link was down: %q", c, w.log)
		}
	}
}

// Responses to several groups that are due at one time share reports, in the order of their timers. A record is not split.
func TestResponsesMerged(t *testing.T) {
	w := newWorld(t, Config{})
	w.join(groupA, groupB, groupC)
	w.query(groupC, time.Second, sources(1, 40))
	w.query(groupA, time.Second, sources(1, 40))
	w.query(groupB, time.Second, nil)
	w.now = w.now.Add(time.Second)
	w.pull()
	w.want("1m41s IS_IN ff02::1:ff00:c"+listed(1, 40), "1m41s IS_IN ff05::a"+listed(1, 40)+", IS_EX ff05::b")
}

// RFC 3810 §5.2.12: a report has either changes or current states. Changes that are due at the same time are sent first.
func TestChangesApart(t *testing.T) {
	w := newWorld(t, Config{})
	w.join(groupA)
	w.query(all, time.Second, nil)
	w.now = w.l.Deadline()
	w.l.Join(w.now, groupB)
	w.pull()
	w.want("1m40.5s TO_EX ff05::b", "1m40.5s IS_EX ff05::a, IS_EX ff05::b")
}

// A query for more than MaxSources sources is a query for the group, even if they are all the same, because comparing them would cost
// too much.
func TestManyEqualSources(t *testing.T) {
	for n, want := range map[int]string{MaxSources: "1m40.5s IS_IN ff05::a 2001:db8::1", MaxSources + 1: "1m40.5s IS_EX ff05::a"} {
		w := newWorld(t, Config{})
		w.join(groupA)
		w.query(groupA, time.Second, bytes.Repeat(sources(1, 1), n))
		w.to(200 * time.Second)
		w.want(want)
	}
}

// A flood of queries causes at most one response for all groups in a second, and one for each group in a tenth of a second. Each
// query is still answered.
func TestQueryFlood(t *testing.T) {
	for _, delay := range []time.Duration{0, ms, 10 * time.Second} {
		w := newWorld(t, Config{})
		w.join(groupA)
		start := time.Duration(w.now)
		flood := func(g asked, most int) {
			w.log = nil
			for k := range 5000 {
				w.draw.f = float64(k*7919%10000) / 10000
				w.to(start + time.Duration(k)*ms)
				w.ask(g)
			}
			start += 60 * time.Second
			w.to(start)
			if n := len(w.log); n > most || n < 1 {
				t.Errorf("%+v: %d reports, at most %d", g, n, most)
			}
		}
		flood(asked{group: "", delay: delay}, 6)
		flood(asked{group: "a", delay: delay}, 51)
		flood(asked{group: "s", delay: delay, from: 1, to: 64}, 51)
	}
}

// A general query costs the same however many groups are joined: it sets one timer, in version 2 and in version 1. A query for a group
// sets that group's.
func TestQueryCost(t *testing.T) {
	w := newWorld(t, Config{})
	for k := range 1000 {
		w.l.Join(0, group(k))
	}
	w.to(time.Hour)
	w.query(all, 10*time.Second, nil)
	w.query1(all, 10*time.Second)
	w.query1(all, 10*time.Second)
	if w.l.responses.Len() != 0 || w.l.Deadline() == clock.Never {
		t.Errorf("%d timers set", w.l.responses.Len())
	}
	w.to(2 * time.Hour)
	w.query(group(500), time.Second, nil)
	if w.l.responses.Len() != 1 {
		t.Errorf("%d timers set", w.l.responses.Len())
	}
}
