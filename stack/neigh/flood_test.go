package neigh

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// addr6 returns the kth address of a /64.
func addr6(k int) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint64(b[8:], uint64(k))
	return netip.AddrFrom16(b)
}

// TestScanOfPrefix: a scan of a /64 through a router (RFC 6583) harms no neighbour that the host has used, and the host can still
// resolve others. The storage is given back afterwards.
func TestScanOfPrefix(t *testing.T) {
	const entries, live = 4096, 4000
	w := &world{c: New[int](NDISC(Config{Entries: entries}))}
	for k := range live {
		if w.c.Learn(w.now, addr(k), mac, true); k%2 == 0 {
			w.c.Resolve(w.now, addr(k), false)
		}
		if k%4 == 2 {
			w.c.Doubt(w.now, w.c.Get(addr(k))) // used, and then STALE
		}
	}
	resolved, most := 0, 0
	for k := range 100_000 {
		if w.c.Resolve(w.now, addr6(k), true) != nil {
			resolved++
		}
		most = max(most, w.c.forReply)
		if k%1000 == 999 {
			own := addr6(1<<40 + k)
			if w.c.Resolve(w.now, own, false) == nil {
				t.Fatalf("after %d, the host can't resolve a neighbour of its own", k)
			}
			w.c.Delete(own)
		}
		if k%250 == 0 {
			w.to(w.now.Add(50 * time.Millisecond))
		}
	}
	if limit := entries / 8; most != limit || resolved < limit {
		t.Errorf("%d requests for others at once, want %d; %d in all", most, limit, resolved)
	}
	for k := 0; k < live; k += 2 {
		if w.c.Get(addr(k)) == nil {
			t.Fatalf("used neighbour %d was evicted", k)
		}
	}
	if err := w.c.check(); err != nil {
		t.Error(err)
	}
	full := reflect.ValueOf(w.c.entries).Pointer()
	w.to(w.now.Add(time.Hour))
	if w.c.Len() != 0 || w.c.peak > entries/2 || reflect.ValueOf(w.c.entries).Pointer() == full {
		t.Errorf("%d entries are left in a map for %d, which is the map of the flood", w.c.Len(), w.c.peak)
	}
}

// TestOthersEvictNoUsed: in a cache full of entries that the host has used before, only the host's own packets make room.
func TestOthersEvictNoUsed(t *testing.T) {
	c := New[int](Config{Entries: 8})
	for k := range 8 {
		e, _ := c.Learn(0, addr(k), mac, true)
		c.Resolve(0, addr(k), false)
		c.Doubt(0, e)
	}
	if e := c.Resolve(0, ip1, true); e != nil || c.Len() != 8 {
		t.Errorf("for others: %+v, %d entries", e, c.Len())
	}
	if e := c.Resolve(0, ip1, false); e == nil || c.Get(addr(0)) != nil || c.Get(addr(1)) == nil {
		t.Errorf("for the host: %+v, which has not replaced the oldest", e)
	}
}

// TestHeardEvictsNoUsed: solicitations from many neighbours evict each other, and no neighbour that the host uses.
func TestHeardEvictsNoUsed(t *testing.T) {
	c := New[int](NDISC(Config{Entries: 8}))
	for k := range 7 {
		c.Heard(0, addr(k), mac)
		c.Resolve(0, addr(k), false)
	}
	for k := range 1000 {
		if e, what := c.Heard(0, addr6(k), mac); what != Created || e.State != Stale {
			t.Fatalf("%d: %v", k, what)
		}
	}
	for k := range 7 {
		if e := c.Get(addr(k)); e == nil || e.State != Delay {
			t.Errorf("used neighbour %d: %+v", k, e)
		}
	}
	c.Resolve(0, addr6(999), false)
	if e, what := c.Heard(0, addr6(1000), mac); e != nil || what != Full {
		t.Errorf("all are used, but %v", what)
	}
}

// TestFirstUseWhilePolled: a neighbour whose first own packet is sent in DELAY or PROBE can't be evicted any more.
func TestFirstUseWhilePolled(t *testing.T) {
	for _, polled := range []bool{false, true} {
		w := &world{c: New[int](Config{Entries: 1})}
		e, _ := w.c.Learn(w.now, ip1, mac, true)
		w.c.Doubt(w.now, e)
		w.c.Resolve(w.now, ip1, true) // for another host's packet
		if polled {
			w.to(at(5 * time.Second))
		}
		w.c.Resolve(w.now, ip1, false)
		if _, what := w.c.Learn(w.now, ip2, mac, true); what != Full {
			t.Errorf("%v: a newcomer was %v", e.State, what)
		}
	}
}
