package mld

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// RFC 3810 §6.1: a change of state is reported at once and again after a random time, Robustness Variable times in all. A change
// before the last report replaces the earlier one, and is itself reported Robustness Variable times.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name       string
		robustness int
		act        func(w *world)
		want       []string
	}{
		{"join", 2, func(w *world) { w.l.Join(0, groupA) }, []string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a"}},
		{"join, robustness 3", 3, func(w *world) { w.l.Join(0, groupA) },
			[]string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a", "1s TO_EX ff05::a"}},
		{"join, robustness 1", 1, func(w *world) { w.l.Join(0, groupA) }, []string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a"}},
		{"join, robustness 8", 8, func(w *world) { w.l.Join(0, groupA) }, []string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a", "1s TO_EX ff05::a",
			"1.5s TO_EX ff05::a", "2s TO_EX ff05::a", "2.5s TO_EX ff05::a", "3s TO_EX ff05::a"}},
		{"join twice", 2, func(w *world) { w.l.Join(0, groupA); w.to(200 * ms); w.l.Join(w.now, groupA) },
			[]string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a"}},
		{"leave", 2, func(w *world) { w.l.Join(0, groupA); w.to(2 * time.Second); w.l.Leave(w.now, groupA) },
			[]string{"0s TO_EX ff05::a", "500ms TO_EX ff05::a", "2s TO_IN ff05::a", "2.5s TO_IN ff05::a"}},
		{"leave without joining", 2, func(w *world) { w.l.Leave(0, groupA) }, nil},
		{"leave while the join is repeated", 2, func(w *world) { w.l.Join(0, groupA); w.to(200 * ms); w.l.Leave(w.now, groupA) },
			[]string{"0s TO_EX ff05::a", "200ms TO_IN ff05::a", "700ms TO_IN ff05::a"}},
		{"join again while the leave is repeated", 2, func(w *world) {
			w.join(groupA)
			w.l.Leave(w.now, groupA)
			w.to(100*time.Second + 200*ms)
			w.l.Join(w.now, groupA)
		}, []string{"1m40s TO_IN ff05::a", "1m40.2s TO_EX ff05::a", "1m40.7s TO_EX ff05::a"}},
		{"leave before the join is sent", 2, func(w *world) { w.l.Join(0, groupA); w.l.Leave(0, groupA) },
			[]string{"0s TO_IN ff05::a", "500ms TO_IN ff05::a"}},
		{"groups of one time share reports, in the order of changes", 2, func(w *world) {
			w.l.Join(0, groupB)
			w.l.Join(0, groupA)
			w.l.Join(0, groupC)
		}, []string{"0s TO_EX ff05::b, TO_EX ff05::a, TO_EX ff02::1:ff00:c", "500ms TO_EX ff05::b, TO_EX ff05::a, TO_EX ff02::1:ff00:c"}},
		{"a change does not hasten the repetition of another group's", 2, func(w *world) {
			w.l.Join(0, groupA)
			w.to(200 * ms)
			w.l.Join(w.now, groupB)
		}, []string{"0s TO_EX ff05::a", "200ms TO_EX ff05::b", "500ms TO_EX ff05::a", "700ms TO_EX ff05::b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{Robustness: c.robustness})
			c.act(w)
			w.to(time.Hour)
			w.want(c.want...)
			if w.l.Deadline() != clock.Never || w.l.Leaving() != 0 || len(w.l.groups) != w.l.Len() {
				t.Errorf("left over: %v, %d, %d", w.l.Deadline(), w.l.Leaving(), len(w.l.groups))
			}
		})
	}
}

// RFC 3810 §6.1, §9.11: the time to the next report is random in (0, 1 s].
func TestRepeatTime(t *testing.T) {
	for f, want := range map[float64]string{0: "0s TO_EX ff05::a", 0.25: "250ms TO_EX ff05::a", 0.9999: "1s TO_EX ff05::a"} {
		w := newWorld(t, Config{})
		w.draw.f = f
		w.l.Join(0, groupA)
		w.pull()
		if d := w.l.Deadline(); d <= 0 || d > clock.Instant(time.Second) {
			t.Errorf("repeated at %v", d)
		}
		w.to(time.Hour)
		w.want("0s TO_EX ff05::a", want)
	}
}

// RFC 3810 §6: ff02::1 and groups of scopes 0 and 1 are never reported; all others are, whatever their flags.
func TestReportable(t *testing.T) {
	for g, want := range map[string]bool{
		"ff02::1": false, "ff01::1": false, "ff00::1": false, "ff11::5": false, "ff30::5": false, "ff05::1": true, "ff02::2": true,
		"ff02::1:ff00:1": true, "ff0e::5": true, "ff32::5": true, "ff0f::1": true, "2001:db8::1": false, "224.0.0.5": false, "::": false,
		"::ffff:224.0.0.5": false,
	} {
		w, a := newWorld(t, Config{}), netip.MustParseAddr(g)
		w.l.Join(0, a)
		w.query(all, time.Second, nil)
		w.query(a, time.Second, nil)
		w.to(10 * time.Second)
		w.l.Leave(w.now, a)
		w.to(20 * time.Second)
		if Reportable(a) != want || len(w.log) > 0 != want || w.l.Joined(a) {
			t.Errorf("%s: %q, want reports %v", g, w.log, want)
		}
	}
}

// RFC 3590 §4: without a valid link-local address reports are sent from ::, and when it becomes valid every group is reported again.
func TestRestart(t *testing.T) {
	w := newWorld(t, Config{})
	b := make([]byte, MinRoom)
	w.l.Join(0, groupB)
	n, to, typ, ok := w.l.Next(0, b, all)
	if !ok || typ != wire.ICMPv6ListenerReportVersion2 || to != wire.MLDv2Routers6 ||
		wire.PseudoHeader(all, to, wire.ProtocolICMPv6, n).AddBytes(b[:n]).Checksum() != 0 {
		t.Errorf("from ::: %d octets to %v, type %d, %v", n, to, typ, ok)
	}
	w.l.Join(0, groupA)
	w.pull()
	w.to(300 * ms)
	w.log = nil
	w.l.Restart(w.now)
	w.to(time.Hour)
	w.want("300ms TO_EX ff05::b, TO_EX ff05::a", "800ms TO_EX ff05::b, TO_EX ff05::a")
}

// While the link is down nothing is sent and no timer runs. Afterwards every group is reported again, and no group that was left.
func TestDown(t *testing.T) {
	w := newWorld(t, Config{})
	w.join(groupA, groupB, groupC)
	w.query1(all, 10*time.Second) // version 1, until the link goes down
	w.query1(groupA, 10*time.Second)
	w.l.Leave(w.now, groupB)
	w.l.Down()
	if w.l.Deadline() != clock.Never || w.l.Leaving() != 0 || w.l.Version(w.now) != 2 {
		t.Errorf("down: %v, %d, version %d", w.l.Deadline(), w.l.Leaving(), w.l.Version(w.now))
	}
	w.l.Leave(w.now, groupA)
	w.l.Join(w.now, groupA) // behind groupC
	w.l.Join(w.now, groupB)
	w.l.Leave(w.now, groupB)
	w.query(all, time.Second, nil)
	w.query(groupA, time.Second, nil)
	w.l.HearReport(w.now, groupA)
	w.to(200 * time.Second)
	w.want()
	w.l.Restart(w.now)
	w.to(300 * time.Second)
	w.want("3m20s TO_EX ff02::1:ff00:c, TO_EX ff05::a", "3m20.5s TO_EX ff02::1:ff00:c, TO_EX ff05::a")
}

// RFC 3810 §5.2.15: reports are split to fit in the room. A group is reported once, and the repetitions are split in the same way.
func TestSplit(t *testing.T) {
	const groups = 200
	perReport := (MinRoom - wire.MLDv2ReportLen) / wire.MLDRecordLen // 61
	for _, room := range []int{MinRoom, 1500 - 48} {
		w := newWorld(t, Config{})
		w.room = room
		for k := range groups {
			w.l.Join(0, group(k))
		}
		w.to(time.Hour)
		per := (room - wire.MLDv2ReportLen) / wire.MLDRecordLen
		if n := (groups + per - 1) / per; len(w.log) != 2*n {
			t.Errorf("%d reports, want 2 * %d", len(w.log), n)
		}
		w.log = nil
		w.query(all, time.Second, nil)
		w.to(2 * time.Hour)
		var got []string
		for _, line := range w.log {
			var rest string
			if _, err := fmt.Sscanf(line, "1h0m0.5s %s", &rest); err != nil || rest != "IS_EX" {
				t.Fatal(line)
			}
			got = append(got, splitRecords(line)...)
		}
		if len(got) != groups {
			t.Fatalf("%d records", len(got))
		}
		for k := range groups {
			if want := "IS_EX " + group(k).String(); got[k] != want {
				t.Fatalf("record %d: %s, want %s", k, got[k], want)
			}
		}
	}
	if perReport != 61 {
		t.Errorf("%d records in a report of the least size", perReport)
	}
}

// A group may be left or joined while a response to a general query is sent: the groups that stay are each reported once.
func TestChangeDuringResponse(t *testing.T) {
	for k := range 200 {
		w := newWorld(t, Config{})
		for k := range 200 {
			w.l.Join(0, group(k))
		}
		w.to(time.Hour)
		w.log = nil
		w.query(all, time.Second, nil)
		w.now = w.l.Deadline()
		b := make([]byte, MinRoom)
		n, to, typ, _ := w.l.Next(w.now, b, local)
		records := splitRecords("at " + describe(t, b[:n], local, to, typ))
		w.l.Leave(w.now, group(k))
		w.to(time.Duration(w.now)) // the change is sent first
		for _, line := range w.log {
			records = append(records, splitRecords(line)...)
		}
		seen := map[string]int{}
		for _, r := range records {
			seen[r]++
		}
		for j := range 200 {
			if n := seen["IS_EX "+group(j).String()]; n != 1 && (j != k || n > 1) {
				t.Fatalf("left %d: group %d was reported %d times", k, j, n)
			}
		}
		if seen["TO_IN "+group(k).String()] != 1 {
			t.Fatalf("left %d: %v", k, records)
		}
	}
}

// The groups that were left and whose change is still to be reported are bounded: the one that was left first is forgotten.
func TestLeftBounded(t *testing.T) {
	w := newWorld(t, Config{Left: 3})
	for k := range 10_000 {
		w.l.Join(0, group(k))
		w.l.Leave(0, group(k))
		if w.l.Leaving() > 3 || len(w.l.groups) > 3 || w.l.changes.Len() > 3 {
			t.Fatalf("%d, %d, %d", w.l.Leaving(), len(w.l.groups), w.l.changes.Len())
		}
	}
	w.to(time.Minute)
	w.want("0s TO_IN ff05::100:270d, TO_IN ff05::100:270e, TO_IN ff05::100:270f", "500ms TO_IN ff05::100:270d, TO_IN ff05::100:270e, TO_IN ff05::100:270f")
}

// The table of groups frees its storage when most groups have been left.
func TestTableShrinks(t *testing.T) {
	w := newWorld(t, Config{})
	for k := range 5000 {
		w.l.Join(0, group(k))
	}
	w.pull()
	for k := range 5000 {
		w.l.Leave(0, group(k))
	}
	w.to(time.Minute)
	if len(w.l.groups) != 0 || w.l.peak == 0 || w.l.peak > 1024 {
		t.Errorf("%d groups, room for %d", len(w.l.groups), w.l.peak)
	}
}
