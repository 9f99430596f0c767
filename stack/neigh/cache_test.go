package neigh

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

var (
	ip1 = netip.MustParseAddr("10.0.0.1")
	ip2 = netip.MustParseAddr("10.0.0.2")
	mac = wire.HardwareAddr{2, 0, 0, 0, 0, 1}
	alt = wire.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func at(d time.Duration) clock.Instant { return clock.Instant(d) }

func addr(k int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)}) }

// world advances the time of a cache and records its actions: "1s ? 10.0.0.1" for a broadcast request, "!" for a
// unicast one, "x" for a failure.
type world struct {
	c   *Cache[int]
	now clock.Instant
	log []string
}

func (w *world) pull() {
	for {
		a, hw, ok := w.c.NextRequest(w.now)
		if !ok {
			return
		}
		mark := "?"
		if hw != wire.Broadcast {
			mark = "!"
		}
		w.log = append(w.log, fmt.Sprintf("%v %s %v", time.Duration(w.now), mark, a))
	}
}

// next returns the time of the cache's next timer of any kind.
func (w *world) next() clock.Instant { return min(w.c.Deadline(), w.c.Upkeep()) }

func (w *world) to(t clock.Instant) {
	for w.pull(); w.next() <= t; w.pull() {
		w.now = max(w.now, w.next())
		for e := w.c.Expire(w.now); e != nil; e = w.c.Expire(w.now) {
			w.log = append(w.log, fmt.Sprintf("%v x %v", time.Duration(w.now), e.Addr))
		}
	}
	w.now = t
}

func (w *world) want(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(w.log) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", w.log, want)
	}
	w.log = nil
}

func (w *world) state(t *testing.T, a netip.Addr, want string) {
	t.Helper()
	got := "none"
	if e := w.c.Get(a); e != nil {
		got = e.State.String()
	}
	if got != want {
		t.Errorf("%v: %v is %s, want %s", time.Duration(w.now), a, got, want)
	}
}

func TestSilence(t *testing.T) {
	w := &world{c: New[int](Config{})}
	for range 10 {
		if e := w.c.Resolve(w.now, ip1, false); e == nil || e.Usable() {
			t.Fatalf("%+v", e)
		}
	}
	w.to(at(2999 * time.Millisecond))
	w.state(t, ip1, "INCOMPLETE")
	w.to(at(3 * time.Second))
	w.want(t, "0s ? 10.0.0.1", "1s ? 10.0.0.1", "2s ? 10.0.0.1", "3s x 10.0.0.1")
	w.state(t, ip1, "FAILED")

	// The interval since the last request has ended, so that the next sender may send a request again.
	w.c.Resolve(w.now, ip1, false)
	w.to(at(3500 * time.Millisecond))
	w.want(t, "3s ? 10.0.0.1")
	w.to(at(7 * time.Second))
	w.want(t, "4s ? 10.0.0.1", "5s ? 10.0.0.1", "6s x 10.0.0.1")
	w.to(at(66 * time.Second))
	w.state(t, ip1, "none")
	if w.c.Deadline() != clock.Never || w.c.Len() != 0 {
		t.Errorf("left over: %v, %d", w.c.Deadline(), w.c.Len())
	}
}

func TestLife(t *testing.T) {
	w := &world{c: New[int](Config{})}
	e := w.c.Resolve(w.now, ip1, false)
	e.Pending = 42
	w.to(at(time.Second / 2))
	got, what := w.c.Learn(w.now, ip1, mac, false)
	if got != e || what != Resolved || e.HW != mac || e.Pending != 42 || e.Probes != 0 {
		t.Fatalf("%+v, %v", got, what)
	}
	w.want(t, "0s ? 10.0.0.1")
	w.to(at(60 * time.Second))
	w.state(t, ip1, "REACHABLE")
	w.to(at(60500 * time.Millisecond))
	w.state(t, ip1, "STALE")

	// A used entry is DELAY for 5 s, and is then polled by unicast requests while it stays usable. An answer makes it
	// REACHABLE again.
	w.to(at(65 * time.Second))
	if e := w.c.Resolve(w.now, ip1, false); !e.Usable() || e.HW != mac {
		t.Errorf("stale: %+v", e)
	}
	w.to(at(69 * time.Second))
	w.state(t, ip1, "DELAY")
	w.c.Resolve(w.now, ip1, false) // does not prolong DELAY
	w.want(t)
	w.to(at(71500 * time.Millisecond))
	w.want(t, "1m10s ! 10.0.0.1", "1m11s ! 10.0.0.1")
	w.state(t, ip1, "PROBE")
	w.c.Learn(w.now, ip1, mac, false)
	w.state(t, ip1, "REACHABLE")

	// Without an answer the entry is removed, and the next sender broadcasts a request.
	w.to(at(135 * time.Second))
	w.c.Resolve(w.now, ip1, false)
	w.to(at(150 * time.Second))
	w.want(t, "2m20s ! 10.0.0.1", "2m21s ! 10.0.0.1", "2m22s ! 10.0.0.1")
	w.state(t, ip1, "none")

	// An unused entry is removed after another lifetime.
	w.c.Learn(w.now, ip2, mac, true)
	w.to(at(269 * time.Second))
	w.state(t, ip2, "STALE")
	w.to(at(270 * time.Second))
	w.state(t, ip2, "none")
	w.want(t)
}

func TestRateSurvivesStates(t *testing.T) {
	w := &world{c: New[int](Config{Reachable: 100 * time.Millisecond, Delay: time.Millisecond})}
	for range 310 { // an entry that expires ten times a second, is used all the time and confirmed at once
		asked := len(w.log)
		w.c.Resolve(w.now, ip1, false)
		if w.to(w.now.Add(10 * time.Millisecond)); len(w.log) > asked {
			w.c.Learn(w.now, ip1, mac, false)
		}
	}
	w.want(t, "0s ? 10.0.0.1", "1s ! 10.0.0.1", "2s ! 10.0.0.1", "3s ! 10.0.0.1")
}

func TestWhatTeaches(t *testing.T) {
	c := New[int](Config{})
	if e, what := c.Learn(0, ip1, mac, false); e != nil || what != Ignored {
		t.Errorf("a stranger's packet for others: %v", what)
	}
	if _, what := c.Learn(0, ip1, mac, true); what != Created {
		t.Errorf("a stranger's packet for us: %v", what)
	}
	if e, what := c.Learn(0, ip1, alt, false); what != Updated || e.HW != alt {
		t.Errorf("a neighbour's packet: %v, %+v", what, e)
	}
	if e := c.SetPermanent(0, ip1, mac); e.State != Permanent || e.Expires() != clock.Never {
		t.Errorf("%+v", e)
	}
	if e, what := c.Learn(0, ip1, alt, true); what != Ignored || e.HW != mac {
		t.Errorf("against a permanent entry: %v, %+v", what, e)
	}
	if e := c.Delete(ip1); e == nil || c.Len() != 0 || c.Delete(ip1) != nil {
		t.Errorf("deleting: %+v", e)
	}
}

func TestEvictionOrder(t *testing.T) {
	c := New[int](Config{Entries: 6, Incomplete: 6})
	w := &world{c: c}
	c.SetPermanent(0, addr(0), mac)
	c.Learn(0, addr(2), mac, true) // becomes stale, and is not used
	c.Learn(0, addr(4), mac, true)
	c.Resolve(0, addr(4), false) // becomes stale, and is used
	w.to(at(59 * time.Second))
	c.Resolve(w.now, addr(1), false) // will fail
	w.to(at(62 * time.Second))
	c.Learn(w.now, addr(3), mac, true) // not used
	c.Learn(w.now, addr(5), mac, true)
	c.Resolve(w.now, addr(5), false) // being used
	for k, want := range []string{"FAILED", "STALE", "REACHABLE", "STALE"} {
		victim := addr(k + 1)
		w.state(t, victim, want)
		if _, what := c.Learn(w.now, addr(100+k), mac, true); what != Created {
			t.Fatalf("newcomer %d: %v", k, what)
		}
		c.Resolve(w.now, addr(100+k), false) // and uses the entry
		w.state(t, victim, "none")
	}
	if _, what := c.Learn(w.now, addr(200), mac, true); what != Full {
		t.Errorf("all in use, but %v", what)
	}
	if c.Resolve(w.now, addr(200), false) != nil || c.SetPermanent(w.now, addr(200), mac) != nil {
		t.Error("all in use, but there was room")
	}
	w.state(t, addr(0), "PERMANENT")
	w.state(t, addr(5), "REACHABLE")
}

func TestUnresolvedAreBounded(t *testing.T) {
	c := New[int](Config{Entries: 100, Incomplete: 10})
	count := func(provoked bool, from int) (n int) {
		for k := range 50 {
			if c.Resolve(0, addr(from+k), provoked) != nil {
				n++
			}
		}
		return n
	}
	if n := count(true, 0); n != 5 {
		t.Errorf("%d provoked, want half of 10", n)
	}
	if n := count(false, 100); n != 5 {
		t.Errorf("%d of our own, want the other half", n)
	}
	w := &world{c: c}
	w.to(at(3 * time.Second))
	if n := count(false, 200); n != 10 {
		t.Errorf("%d after the others failed, want 10", n)
	}
}

// TestUnusedNeighborsAreUpkeep: the end of an entry that only the neighbour's own messages have made is upkeep, however often they
// arrive. The end of one that the host has used is a deadline.
func TestUnusedNeighborsAreUpkeep(t *testing.T) {
	w := &world{c: New[int](Config{})}
	for range 20 {
		w.c.Heard(w.now, ip1, mac)
		if w.c.Deadline() != clock.Never || w.c.Upkeep() == clock.Never {
			t.Fatalf("deadline %v, upkeep %v", w.c.Deadline(), w.c.Upkeep())
		}
		w.to(w.now.Add(4 * time.Second))
	}
	w.c.Resolve(w.now, ip1, false)
	if w.c.Deadline() == clock.Never || w.c.Upkeep() != clock.Never {
		t.Fatalf("after use: deadline %v, upkeep %v", w.c.Deadline(), w.c.Upkeep())
	}
	w.to(w.now.Add(time.Hour))
	w.c.Heard(w.now, ip1, mac)
	w.to(w.now.Add(time.Hour))
	if w.c.Len() != 0 || w.c.Upkeep() != clock.Never {
		t.Errorf("%d entries are left, upkeep %v", w.c.Len(), w.c.Upkeep())
	}
}
