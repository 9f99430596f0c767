package neigh

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// check compares the cache's counts, lists, queue and timers with its entries.
func (c *Cache[W]) check() error {
	incomplete, forReply, classed, timed, owed := 0, 0, 0, 0, 0
	for a, e := range c.entries {
		timer := min(e.timer.At(), e.age.At())
		switch {
		case a != e.Addr:
			return fmt.Errorf("%v is stored as %v", e.Addr, a)
		case e.in != c.classOf(e):
			return fmt.Errorf("%v in %v, used %v, is in the wrong class", a, e.State, e.used)
		case e.forReply && (e.used || e.State != Incomplete):
			return fmt.Errorf("%v in %v is for others only, used %v", a, e.State, e.used)
		case e.owed && e.State != Incomplete && e.State != Probe:
			return fmt.Errorf("a request for %v in %v is owed", a, e.State)
		case e.age.At() != clock.Never && (e.State != Stale || e.timer.At() != clock.Never):
			return fmt.Errorf("%v in %v has the timer %v besides that of upkeep", a, e.State, e.timer.At())
		case e.owed && timer != clock.Never:
			return fmt.Errorf("%v has a timer while a request is owed", a)
		case (timer == clock.Never) != (e.owed || e.State == Permanent):
			return fmt.Errorf("%v in %v has the timer %v, owed %v", a, e.State, timer, e.owed)
		case e.State == Reachable && e.until < e.timer.At():
			return fmt.Errorf("%v is REACHABLE until %v, but the timer is %v", a, e.until, e.timer.At())
		case e.Usable() && e.HW == (wire.HardwareAddr{}):
			return fmt.Errorf("%v in %v has no address", a, e.State)
		case e.State != Probe && e.State != Incomplete && e.State != Failed && e.Probes != 0:
			return fmt.Errorf("%v in %v has %d probes", a, e.State, e.Probes)
		case e.fresh:
			return fmt.Errorf("%v was not reported", a)
		}
		count := func(n *int, yes bool) {
			if yes {
				*n++
			}
		}
		count(&incomplete, e.State == Incomplete)
		count(&forReply, e.forReply)
		count(&classed, e.in != nil)
		count(&timed, timer != clock.Never)
		count(&owed, e.owed)
	}
	listed, queued := 0, 0
	for k := range c.classes {
		for e := c.classes[k].first; e != nil; e = e.next {
			listed++
		}
	}
	for e := c.owed.first; e != nil; e = e.nextOwed {
		queued++
	}
	got := [...]int{c.incomplete, c.forReply, listed, c.timers.Len() + c.ageing.Len(), queued}
	if want := [...]int{incomplete, forReply, classed, timed, owed}; got != want {
		return fmt.Errorf("unresolved, for others, in classes, timers, owed: %v, but the entries say %v", got, want)
	}
	if len(c.entries) > c.cfg.Entries || incomplete > c.cfg.Incomplete || forReply > (c.cfg.Incomplete+1)/2 {
		return fmt.Errorf("%d entries, %d unresolved, %d for others", len(c.entries), incomplete, forReply)
	}
	return nil
}

// classOf returns the list in which e must be.
func (c *Cache[W]) classOf(e *Entry[W]) *list[W] {
	switch {
	case e.State == Failed:
		return &c.classes[classFailed]
	case e.State == Stale && e.used:
		return &c.classes[classStale]
	case e.State == Stale:
		return &c.classes[classStaleUnused]
	case e.State != Incomplete && e.State != Permanent && !e.used:
		return &c.classes[classUnused]
	}
	return nil
}

// TestInvariants runs random operations, and checks the cache after each.
func TestInvariants(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := New[int](Config{Entries: 20, Incomplete: 8})
		if seed%2 == 1 {
			c.Watch = func(*Entry[int], State, Change) {}
		}
		w := &world{c: c}
		yes := func() bool { return rng.IntN(2) == 0 }
		for step := range 50_000 {
			a, hw := addr(rng.IntN(60)), [...]wire.HardwareAddr{mac, alt}[rng.IntN(2)]
			before := c.Get(a)
			op := rng.IntN(16)
			switch op {
			case 0, 1, 2:
				c.Resolve(w.now, a, yes())
			case 3, 4:
				c.Learn(w.now, a, hw, yes())
			case 5, 6:
				c.Heard(w.now, a, hw)
			case 7, 8, 9:
				failed := before != nil && before.State == Failed
				if e, _ := c.Advertised(w.now, a, hw, yes(), Advertisement{yes(), yes(), yes()}); e != before && !(failed && e == nil) {
					t.Fatalf("step %d: an advertisement made %v of %v", step, e, before)
				}
			case 10:
				c.Confirm(w.now, a)
			case 11:
				c.Doubt(w.now, before)
			case 12:
				switch rng.IntN(20) {
				case 0:
					c.SetPermanent(w.now, a, hw)
				case 1:
					c.SetTimes(time.Duration(rng.IntN(50_000))*time.Millisecond, time.Duration(rng.IntN(2000))*time.Millisecond)
				default:
					c.Delete(a)
				}
			default:
				w.to(w.now.Add(time.Duration(rng.IntN(3000)) * time.Millisecond))
				w.log = w.log[:0]
			}
			if err := c.check(); err != nil {
				t.Fatalf("seed %d, step %d, operation %d: %v", seed, step, op, err)
			}
		}
		c.SetTimes(time.Minute, time.Second)
		w.to(w.now.Add(10 * time.Minute))
		for _, e := range c.Entries() {
			if e.State != Permanent {
				t.Errorf("at rest: %v in %v", e.Addr, e.State)
			}
		}
	}
}
