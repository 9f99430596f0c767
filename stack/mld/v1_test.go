package mld

import (
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// RFC 2710 §4, §5, §7.10, RFC 3810 §8.2.1: the messages of version 1 while a router of version 1 counts as present. Groups A and B are joined;
// the script starts at 100 s with a general query of version 1, whose responses were sent at 105 s.
func TestVersion1(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		act  func(w *world)
		want []string
	}{
		{"general query", func(w *world) { w.query1(all, 10*s) }, []string{"1m55s report ff05::a", "1m55s report ff05::b"}},
		{"group query", func(w *world) { w.query1(groupA, 2*s) }, []string{"1m51s report ff05::a"}},
		{"general query of version 2", func(w *world) { w.query(all, 10*s, nil) }, []string{"1m55s report ff05::a", "1m55s report ff05::b"}},
		{"query for sources", func(w *world) { w.query(groupA, 2*s, sources(1, 2)) }, []string{"1m51s report ff05::a"}},
		{"a later query does not postpone", func(w *world) { w.query1(groupA, 2*s); w.query1(groupA, 20*s) }, []string{"1m51s report ff05::a"}},
		{"an earlier query hastens", func(w *world) { w.query1(groupA, 20*s); w.query1(groupA, 2*s) }, []string{"1m51s report ff05::a"}},
		{"a delay is kept if it is below the new limit", func(w *world) { w.query1(groupA, 4*s); w.draw.f = 0; w.query1(groupA, 3*s) },
			[]string{"1m52s report ff05::a"}},
		{"the delays of a general query obey the same rule", func(w *world) { w.query1(groupA, 2*s); w.query1(all, 10*s) },
			[]string{"1m51s report ff05::a", "1m55s report ff05::b"}},
		{"join", func(w *world) { w.l.Join(w.now, groupC) }, []string{"1m50s report ff02::1:ff00:c", "1m55s report ff02::1:ff00:c"}},
		{"leave", func(w *world) { w.l.Leave(w.now, groupA) }, []string{"1m50s done ff05::a"}},
		{"leave with a pending response", func(w *world) { w.query1(groupA, 2*s); w.l.Leave(w.now, groupA) }, []string{"1m50s done ff05::a"}},
		{"join and leave before the report", func(w *world) { w.l.Join(w.now, groupC); w.l.Leave(w.now, groupC) }, nil},
		{"leave and join before the done", func(w *world) { w.l.Leave(w.now, groupA); w.l.Join(w.now, groupA) },
			[]string{"1m50s report ff05::a", "1m55s report ff05::a"}},
		{"join and leave before the repetition", func(w *world) { w.l.Join(w.now, groupC); w.to(112 * s); w.l.Leave(w.now, groupC) },
			[]string{"1m50s report ff02::1:ff00:c", "1m52s done ff02::1:ff00:c"}},

		{"a report suppresses the response, and the done", func(w *world) {
			w.query1(groupA, 2*s)
			w.l.HearReport(w.now, groupA)
			w.to(120 * s)
			w.l.Leave(w.now, groupA)
		}, nil},
		{"a report for another group does not", func(w *world) { w.query1(groupA, 2*s); w.l.HearReport(w.now, groupB) },
			[]string{"1m51s report ff05::a"}},
		{"a report while no response is pending does not make a done needless", func(w *world) { w.l.HearReport(w.now, groupA); w.l.Leave(w.now, groupA) },
			[]string{"1m50s done ff05::a"}},
		{"after suppression the next report of ours makes a done needed again", func(w *world) {
			w.query1(groupA, 2*s)
			w.l.HearReport(w.now, groupA)
			w.query1(groupA, 2*s)
			w.to(120 * s)
			w.l.Leave(w.now, groupA)
		}, []string{"1m51s report ff05::a", "2m0s done ff05::a"}},
		{"a report suppresses the repetition of a join", func(w *world) {
			w.l.Join(w.now, groupC)
			w.to(111 * s)
			w.l.HearReport(w.now, groupC)
			w.to(115 * s)
			w.l.Leave(w.now, groupC)
		}, []string{"1m50s report ff02::1:ff00:c"}},
		{"a report does not suppress the first report of a join", func(w *world) { w.l.Join(w.now, groupC); w.l.HearReport(w.now, groupC) },
			[]string{"1m50s report ff02::1:ff00:c", "1m55s report ff02::1:ff00:c"}},
		{"a suppressed repetition does not follow a later response", func(w *world) {
			w.l.robustness = 3
			w.l.Join(w.now, groupC)
			w.to(111 * s)
			w.l.HearReport(w.now, groupC)
			w.query1(groupC, 2*s)
		}, []string{"1m50s report ff02::1:ff00:c", "1m52s report ff02::1:ff00:c"}},
		{"restart", func(w *world) { w.l.Restart(w.now) },
			[]string{"1m50s report ff05::a", "1m50s report ff05::b", "1m55s report ff05::a", "1m55s report ff05::b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.l.Join(0, groupA)
			w.l.Join(0, groupB)
			w.to(100 * s)
			w.log = nil
			w.query1(all, 10*s)
			w.to(110 * s)
			w.want("1m45s report ff05::a", "1m45s report ff05::b")
			c.act(w)
			w.to(300 * s)
			w.want(c.want...)
			if w.l.Version(w.now) != 1 {
				t.Error("not in version 1")
			}
		})
	}
}

// RFC 3810 §8.2.1, §9.3, §9.12, RFC 9777 §8.2.1: a general query of version 1 selects version 1 for Robustness Variable * Query Interval +
// Query Response Interval. A query for a group does not, nor any query of version 2.
func TestVersionChange(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		act  func(w *world)
		want time.Duration // length of version 1
	}{
		{"defaults", func(w *world) { w.query1(all, 10*s) }, 260 * s},
		{"the query's own response interval", func(w *world) { w.query1(all, 5*s) }, 255 * s},
		{"the querier's variables", func(w *world) {
			w.l.Query(w.now, &wire.MLDQuery{Version: 2, ResponseCode: 1000, Group: all, Robustness: 3, IntervalCode: 20}, nil)
			w.query1(all, 2*s)
		}, 62 * s},
		{"longest", func(w *world) {
			w.l.Query(w.now, &wire.MLDQuery{Version: 2, ResponseCode: 0xffff, Group: all, Robustness: 7, IntervalCode: 255}, nil)
			w.query1(all, 65535*ms)
		}, 7*31744*s + 65535*ms},
		{"a query for a group", func(w *world) { w.query1(groupA, 10*s) }, 0},
		{"a query for a group does not prolong", func(w *world) { w.query1(all, 10*s); w.to(200 * s); w.query1(groupA, 10*s) }, 160 * s},
		{"a general query prolongs", func(w *world) { w.query1(all, 10*s); w.to(200 * s); w.query1(all, 10*s) }, 260 * s},
		{"a query of version 2 neither ends nor prolongs", func(w *world) { w.query1(all, 10*s); w.to(200 * s); w.query(all, 10*s, nil) }, 160 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.join(groupA)
			c.act(w)
			end := w.now.Add(c.want)
			if c.want > 0 && w.l.Version(end-1) != 1 || w.l.Version(end) != 2 {
				t.Errorf("version %d, then %d at %v", w.l.Version(end-1), w.l.Version(end), end)
			}
			w.to(time.Duration(end) - ms)
			w.log = nil
			w.to(time.Duration(end))
			w.l.Join(w.now, groupB)
			w.to(time.Duration(end) + time.Minute)
			if len(w.log) < 2 || splitRecords(w.log[0])[0] != "TO_EX ff05::b" {
				t.Errorf("%q", w.log)
			}
		})
	}
	w := newWorld(t, Config{OnlyV2: true})
	w.join(groupA)
	w.query1(all, 10*s)
	w.l.HearReport(w.now, groupA)
	w.to(200 * s)
	w.want("1m45s IS_EX ff05::a")
}

// RFC 3810 §8.2.1: a change of version cancels responses and repetitions, but not the first report of a change.
func TestVersionChangeCancels(t *testing.T) {
	const s = time.Second
	w := newWorld(t, Config{})
	w.join(groupA, groupB)
	w.l.Join(w.now, groupC)
	w.l.Leave(w.now, groupB)
	w.to(200*s + 100*ms)
	w.query(groupA, 10*s, sources(1, 1))
	w.query(all, 20*s, nil)
	w.l.Join(w.now, group(1))
	w.l.Leave(w.now, groupA)
	w.log = nil
	w.query1(all, 10*s)
	w.to(205 * s)
	w.want("3m20.1s report ff05::100:1", "3m20.1s done ff05::a")
	if w.l.Leaving() != 0 || len(w.l.groups) != 2 {
		t.Errorf("%d groups were left, %d in all", w.l.Leaving(), len(w.l.groups))
	}
	w.to(400 * s)
	w.want("3m25.1s report ff05::100:1", "3m25.1s report ff02::1:ff00:c")

	w.to(460 * s) // version 1 ends 260 s after its query, at 460.1 s
	w.query1(group(1), 10*s)
	w.l.Join(w.now, groupA)
	w.pull()
	w.l.Leave(w.now, groupC)
	w.now = clock.Instant(460*s + 200*ms)
	w.pull()
	w.to(500 * s)
	w.want("7m40s report ff05::a", "7m40.2s TO_IN ff02::1:ff00:c", "7m40.7s TO_IN ff02::1:ff00:c")
}

// RFC 3810 §8.2.2: in version 2 a report of another listener suppresses nothing.
func TestNoSuppressionInVersion2(t *testing.T) {
	w := newWorld(t, Config{})
	w.join(groupA)
	w.query(groupA, 10*time.Second, nil)
	w.l.HearReport(w.now, groupA)
	w.to(150 * time.Second)
	w.want("1m45s IS_EX ff05::a")
}

// RFC 3810 §8.2.1: a change of version ends a response that is being sent, and a response that the listener still withholds.
func TestVersionChangeEndsResponse(t *testing.T) {
	const s = time.Second
	w := newWorld(t, Config{})
	for k := range 100 {
		w.l.Join(0, group(k))
	}
	w.to(100 * s)
	w.query(all, 2*s, nil)
	w.now = w.l.Deadline()
	if _, _, _, ok := w.l.Next(w.now, make([]byte, MinRoom), local); !ok || !w.l.Owes(w.now) {
		t.Fatal("the response is one report")
	}
	w.log = nil
	w.query1(all, 10*s)
	w.pull()
	w.want()
	for k := range 100 {
		w.l.Leave(w.now, group(k))
	}
	w.l.Join(w.now, groupA)
	w.to(361*s - 600*ms) // version 1 ends at 361 s
	w.log = nil
	w.query(all, 300*ms, nil)
	w.to(361*s - 300*ms)
	w.want("6m0.55s report ff05::a")
	w.query(all, 300*ms, nil) // its response would be due after 361.4 s, one second after the response before
	w.to(400 * s)
	w.want()
}

// RFC 2710 §4: a report of version 2 also counts as the host's last report.
func TestDoneAfterVersion2(t *testing.T) {
	const s = time.Second
	for _, g := range []asked{{group: ""}, {group: "a"}, {group: "s", from: 1, to: 1}} {
		w := newWorld(t, Config{})
		w.join(groupA)
		w.query1(all, 10*s)
		w.pull()
		w.l.HearReport(w.now, groupA)
		w.to(500 * s) // version 2 again
		g.delay = 2 * s
		w.ask(g)
		w.to(510 * s)
		if len(w.log) != 1 {
			t.Errorf("%+v: %q", g, w.log)
		}
		w.query1(all, 10*s)
		w.l.Leave(w.now, groupA)
		w.log = nil
		w.to(520 * s)
		w.want("8m30s done ff05::a")
	}
}

// A flood of queries of version 1 makes each group be reported at most once in a second, or in a tenth of a second for queries that
// name the group.
func TestVersion1Flood(t *testing.T) {
	w := newWorld(t, Config{})
	w.join(groupA, groupB)
	for k := range 5000 {
		w.to(200*time.Second + time.Duration(k)*ms)
		w.query1(all, 0)
	}
	w.to(300 * time.Second)
	if n := len(w.log); n < 10 || n > 12 {
		t.Errorf("%d reports", n)
	}
	w.log = nil
	for k := range 5000 {
		w.to(300*time.Second + time.Duration(k)*ms)
		w.query1(groupA, 0)
	}
	w.to(310 * time.Second)
	if n := len(w.log); n < 40 || n > 51 {
		t.Errorf("%d reports of a group", n)
	}
}
