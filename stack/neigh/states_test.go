package neigh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
)

// transitions has a column for each state: - no entry, I INCOMPLETE, R REACHABLE, S STALE, D DELAY, P PROBE, F FAILED, M PERMANENT;
// a row for each event; and in each cell
//
//   - the state that the event leads to, with a ' if the entry then has the other address
//   - the result: . ignored, u updated, c created, r resolved, = unchanged
//   - what the cache then asks for: ? a multicast request, ! a unicast one, x the failure of pending packets
//
// The address in a packet is the same as the entry's, another one, or none. The rows "na" have the flags S (solicited) and O
// (override). They follow RFC 4861 §7.2.5; the other rows follow §7.2.3, §7.3.3 and the table of appendix C. That table contradicts
// §7.2.5 three times: it updates IsRouter of an INCOMPLETE entry without an address, leaves an entry unchanged for "S- none" and
// "SO none", and leaves a REACHABLE one unchanged for "-- other".
const transitions = `
                   -    I    R    S    D    P    F    M
resolve            I?   I    R    D    D    P    I?   M
resolve for-reply  I?   I    R    D    D    P    I?   M
learn same         -.   Rr   Ru   Ru   Ru   Ru   Rr   M.
learn same for-us  Rc   Rr   Ru   Ru   Ru   Ru   Rr   M.
learn other        -.   R'r  R'u  R'u  R'u  R'u  R'r  M.
learn other for-us R'c  R'r  R'u  R'u  R'u  R'u  R'r  M.
heard same         Sc   Sr   R=   S=   D=   P=   Sr   M.
heard other        S'c  S'r  S'u  S'u  S'u  S'u  S'r  M.
na -- none         -.   I.   R=   S=   D=   P=   F.   M=
na -- same         -.   Sr   R=   S=   D=   P=   F.   M=
na -- other        -.   S'r  Su   S.   D.   P.   F.   M.
na -O none         -.   I.   R=   S=   D=   P=   F.   M=
na -O same         -.   Sr   R=   S=   D=   P=   F.   M=
na -O other        -.   S'r  S'u  S'u  S'u  S'u  F.   M.
na S- none         -.   I.   Ru   Ru   Ru   Ru   F.   M=
na S- same         -.   Rr   Ru   Ru   Ru   Ru   F.   M=
na S- other        -.   R'r  Su   S.   D.   P.   F.   M.
na SO none         -.   I.   Ru   Ru   Ru   Ru   F.   M=
na SO same         -.   Rr   Ru   Ru   Ru   Ru   F.   M=
na SO other        -.   R'r  R'u  R'u  R'u  R'u  F.   M.
confirm            -    I    R    R    R    R    F    M
doubt              -    I    S    S    D    P    F    M
sent               -    I    R    D    D    P    F    M
timer              -    I?   S    -    P!   P!   -    M
last-timer         -    Fx   S    -    P!   -    -    M
`

const stateLetters = "IRSDPFM" // in the order of the states

// inState returns a cache whose entry of ip1 is in a state, with the address mac if it has one.
func inState(t *testing.T, letter string) *world {
	w := &world{c: New[int](NDISC(Config{}))}
	switch letter {
	case "I":
		w.c.Resolve(0, ip1, false)
	case "R":
		w.c.Learn(0, ip1, mac, true)
	case "S", "D", "P":
		w.c.Heard(0, ip1, mac)
	case "F":
		w.c.Resolve(0, ip1, false)
		w.to(at(3 * time.Second))
	case "M":
		w.c.SetPermanent(0, ip1, mac)
	}
	if letter == "D" || letter == "P" {
		w.c.Resolve(0, ip1, false)
	}
	if letter == "P" {
		w.to(at(5 * time.Second))
	}
	w.pull()
	if got := w.letter(); got != letter {
		t.Fatalf("the entry is in %s, want %s", got, letter)
	}
	w.log = nil
	return w
}

// letter returns the letter of the entry's state, - if there is no entry.
func (w *world) letter() string {
	if e := w.c.Get(ip1); e != nil {
		return stateLetters[e.State : e.State+1]
	}
	return "-"
}

// event makes an event happen, and returns the letter of its result.
func (w *world) event(f []string, router bool) string {
	hw := mac
	if slices.Contains(f, "other") {
		hw = alt
	}
	var what Learned
	switch last := f[len(f)-1]; f[0] {
	case "resolve":
		w.c.Resolve(w.now, ip1, last == "for-reply")
		return ""
	case "learn":
		_, what = w.c.Learn(w.now, ip1, hw, last == "for-us")
	case "heard":
		_, what = w.c.Heard(w.now, ip1, hw)
	case "na":
		adv := Advertisement{Router: router, Solicited: f[1][0] == 'S', Override: f[1][1] == 'O'}
		_, what = w.c.Advertised(w.now, ip1, hw, last != "none", adv)
	case "confirm":
		w.c.Confirm(w.now, ip1)
		return ""
	case "doubt":
		w.c.Doubt(w.now, w.c.Get(ip1))
		return ""
	case "sent":
		if e := w.c.Get(ip1); e != nil {
			w.c.Sent(w.now, e)
		}
		return ""
	case "last-timer":
		for e := w.c.Get(ip1); e != nil && e.Probes > 0 && e.Probes < w.c.Config().Probes; {
			w.to(w.next())
		}
		w.log = nil
		fallthrough
	case "timer":
		if w.next() != clock.Never {
			w.to(w.next())
		}
		return ""
	}
	return map[Learned]string{Ignored: ".", Updated: "u", Created: "c", Resolved: "r", Full: "full", Unchanged: "="}[what]
}

func TestTransitions(t *testing.T) {
	lines := strings.Split(strings.Trim(transitions, "\n"), "\n")
	columns := strings.Fields(lines[0])
	const first = 19 // column of the first cell
	if len(columns) != len(stateLetters)+1 {
		t.Fatal("not every state has a column")
	}
	for _, line := range lines[1:] {
		event, cells := strings.Fields(line[:first]), strings.Fields(line[first:])
		for k, from := range columns {
			for flags := range 4 {
				router, before := flags&1 != 0, flags&2 != 0
				w := inState(t, from)
				if e := w.c.Get(ip1); e != nil {
					w.c.SetRouter(e, before)
				}
				old := w.c.Get(ip1)
				got := w.event(event, router)
				w.pull()
				e := w.c.Get(ip1)
				if e != nil && e.Usable() && e.HW == alt {
					got = "'" + got
				} else if e != nil && e.Usable() && e.HW != mac {
					t.Errorf("%v in %s: the address is %v", event, from, e.HW)
				}
				got = w.letter() + got
				for _, s := range w.log {
					got += strings.Fields(s)[1]
				}
				want := cells[k]
				if want == "-" && event[0] == "last-timer" && from == "P" && before {
					want = "Fx" // a router is not forgotten (RFC 4861 §6.3.6)
				}
				if got != want {
					t.Errorf("%v in %s: %s, want %s", event, from, got, want)
				}
				if err := w.c.check(); err != nil {
					t.Errorf("%v in %s: %v", event, from, err)
				}
				if e != nil && old == e {
					w.checkRouter(t, event, from, cells[k], before, router)
				}
			}
		}
	}
}

// checkRouter checks that an advertisement sets the router flag unless it is ignored or belongs to case I of RFC 4861 §7.2.5, and that
// no other event changes it.
func (w *world) checkRouter(t *testing.T, event []string, from, cell string, before, router bool) {
	e, want := w.c.Get(ip1), before
	caseI := event[0] == "na" && event[1][1] == '-' && event[2] == "other" && from != "I"
	if event[0] == "na" && !strings.HasSuffix(cell, ".") && !caseI {
		want = router
	}
	if e.Router != want || e.Demoted != (before && !want) {
		t.Errorf("%v in %s: router %v after %v and an advertisement of %v, demoted %v", event, from, e.Router, before, router, e.Demoted)
	}
}

// TestDemotedIsForgotten: Demoted concerns the last advertisement, even an ignored one.
func TestDemotedIsForgotten(t *testing.T) {
	w := inState(t, "S")
	e := w.c.Get(ip1)
	w.c.SetRouter(e, true)
	w.c.Advertised(0, ip1, mac, true, Advertisement{})
	if !e.Demoted || e.Router {
		t.Errorf("after R=0: router %v, demoted %v", e.Router, e.Demoted)
	}
	if _, what := w.c.Advertised(0, ip1, alt, true, Advertisement{}); what != Ignored || e.Demoted {
		t.Errorf("after an ignored one: %v, demoted %v", what, e.Demoted)
	}
}

// TestConfirmOwesNothing: a confirmation cancels polls that are owed, and a REACHABLE entry's timer stays until it is due.
func TestConfirmOwesNothing(t *testing.T) {
	w := inState(t, "D")
	w.now = w.c.Deadline()
	w.c.Expire(w.now)
	if !w.c.Owes() || w.letter() != "P" {
		t.Fatalf("%s, owes %v", w.letter(), w.c.Owes())
	}
	w.c.Confirm(w.now, ip1)
	if w.c.Owes() || w.letter() != "R" {
		t.Errorf("confirmed: %s, owes %v", w.letter(), w.c.Owes())
	}
	e, timer := w.c.Get(ip1), w.c.Deadline()
	for range 20 { // 20 s
		w.to(w.now.Add(time.Second))
		w.c.Confirm(w.now, ip1)
		if w.c.Deadline() != timer || e.Expires() != w.now.Add(30*time.Second) || e.Since != w.now {
			t.Fatalf("timer %v, expires %v, since %v at %v", w.c.Deadline(), e.Expires(), e.Since, w.now)
		}
	}
	last := w.now
	w.to(last.Add(30*time.Second) - 1)
	if w.letter() != "R" {
		t.Errorf("before the end of the lifetime: %s", w.letter())
	}
	if w.to(w.now + 1); w.letter() != "S" {
		t.Errorf("at its end: %s", w.letter())
	}
	w.want(t)
}

// TestTimes: the times of router advertisements hold for later confirmations and requests. A short reachable time makes an
// entry STALE early, but does not remove it.
func TestTimes(t *testing.T) {
	w := &world{c: New[int](NDISC(Config{}))}
	w.c.Learn(0, ip1, mac, true)
	w.c.SetTimes(2*time.Second, 0)
	w.to(at(time.Second))
	w.c.Confirm(w.now, ip1) // an earlier deadline than the timer's
	w.to(at(3*time.Second - 1))
	w.state(t, ip1, "REACHABLE")
	w.to(at(3 * time.Second))
	w.state(t, ip1, "STALE")
	w.to(at(33*time.Second - 1))
	w.state(t, ip1, "STALE")
	w.to(at(33 * time.Second))
	w.state(t, ip1, "none")
	w.c.SetTimes(0, 250*time.Millisecond)
	w.c.SetTimes(0, 0)
	w.c.Resolve(w.now, ip1, false)
	w.to(at(34 * time.Second))
	w.want(t, "33s ? 10.0.0.1", "33.25s ? 10.0.0.1", "33.5s ? 10.0.0.1", "33.75s x 10.0.0.1")
}

// TestNDISC compares the constants with those of RFC 4861 §10.
func TestNDISC(t *testing.T) {
	got := New[int](NDISC(Config{Reachable: time.Minute, Entries: 8})).Config()
	want := Config{Reachable: 30 * time.Second, Delay: 5 * time.Second, Interval: time.Second, Probes: 3, Entries: 8, Incomplete: 2, Queue: 16}
	if got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if arp := (Config{}).WithDefaults(); arp.Reachable != time.Minute || arp.Delay != 5*time.Second {
		t.Errorf("ARP: %+v", arp)
	}
}

// TestWatchMoves: Watch gets every change of the state, and every change of the address of an entry that has one.
func TestWatchMoves(t *testing.T) {
	w := &world{c: New[int](Config{})}
	w.c.Watch = func(e *Entry[int], from State, what Change) {
		w.log = append(w.log, fmt.Sprintf("%c%v %v %v", "+~-"[what], from, e.State, e.HW))
	}
	w.c.Heard(0, ip1, mac)
	w.c.Heard(0, ip1, mac)
	w.c.Heard(0, ip1, alt)
	w.c.Resolve(0, ip1, false)
	w.c.Confirm(0, ip1)
	w.c.Confirm(0, ip1)
	w.c.Advertised(0, ip1, mac, true, Advertisement{Solicited: true, Override: true})
	w.c.Resolve(0, ip2, false)
	w.c.Heard(0, ip2, mac)
	w.c.Delete(ip2)
	w.want(t,
		"+REACHABLE STALE 02:00:00:00:00:01", "~STALE STALE 02:00:00:00:00:02", "~STALE DELAY 02:00:00:00:00:02",
		"~DELAY REACHABLE 02:00:00:00:00:02", "~REACHABLE REACHABLE 02:00:00:00:00:01",
		"+REACHABLE INCOMPLETE 00:00:00:00:00:00", "~INCOMPLETE STALE 02:00:00:00:00:01", "-STALE FAILED 02:00:00:00:00:01")
}
