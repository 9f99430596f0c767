package autoconf

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/wire"
)

const doc = "2001:db8::/64"

// temporaries returns the temporary addresses, those that are preferred and those that are deprecated.
func (w *world) temporaries() (preferred, deprecated []Address) {
	for _, a := range w.s.Addresses(w.now) {
		switch {
		case !a.Temporary:
		case a.Deprecated:
			deprecated = append(deprecated, a)
		default:
			preferred = append(preferred, a)
		}
	}
	return preferred, deprecated
}

// TestTemporaryLifetimes: a temporary address is preferred for a day less a random time, and valid for two days, whatever routers
// advertise. Its prefix may end both earlier (RFC 8981 §3.4, §3.8).
func TestTemporaryLifetimes(t *testing.T) {
	w := newWorld(t, config(true))
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	w.want("both", "0s +addr "+doc, "0s +addr "+doc+" temporary")
	first, _ := w.temporaries()
	a := first[0]
	if a.Preferred > 24*hour || a.Preferred < 14*hour+24*time.Minute || a.Valid != 48*hour {
		t.Errorf("%+v", a)
	}
	w.to(hour)
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	w.want("advertised again")
	later, _ := w.temporaries()
	if len(later) != 1 || later[0].Preferred != a.Preferred-hour || later[0].Valid != 47*hour {
		t.Errorf("an hour later: %+v", later)
	}
	w.advertise(r1, 0, 0, prefix("A", doc, 5*hour, 3*hour))
	if later, _ = w.temporaries(); len(later) != 1 || later[0].Preferred != 3*hour || later[0].Valid != 5*hour {
		t.Errorf("a short prefix: %+v", later)
	}
	w.advertise(r1, 0, 0, prefix("A", doc, hour, 0))
	w.want("deprecated with its prefix", "1h0m0s =addr "+doc+" deprecated", "1h0m0s =addr "+doc+" temporary deprecated")
	if _, old := w.temporaries(); len(old) != 1 || old[0].Valid != 2*hour {
		t.Errorf("the two-hour rule: %+v", old)
	}
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	w.want("preferred again", "1h0m0s =addr "+doc, "1h0m0s =addr "+doc+" temporary")
	if again, _ := w.temporaries(); len(again) != 1 || again[0].Addr != a.Addr || again[0].Preferred != a.Preferred-hour || again[0].Valid != 47*hour {
		t.Errorf("preferred again: %+v", again)
	}
}

// TestRegeneration: the successor of a temporary address is made REGEN_ADVANCE before the address is deprecated, so that one is
// always preferred, and never more than four are valid (RFC 8981 §3.5, §3.8).
func TestRegeneration(t *testing.T) {
	first := map[time.Duration]bool{} // preferred lifetimes
	for seed := range uint64(20) {
		cfg := config(true)
		cfg.Rand = rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t, cfg)
		w.deliver(r1, wire.RouterAdvertisement{RetransTimer: 3000}, prefix("A", doc, Infinite, Infinite))
		a := w.s.Addresses(w.now)[1]
		first[a.Preferred] = true
		if got, want := w.s.Deadline(), w.now.Add(a.Preferred-11*time.Second); got != want {
			t.Fatalf("the first successor is due at %v, want %v: 2 s and 3 solicitations of 3 s in advance", got, want)
		}
		seen := map[netip.Addr]bool{}
		for w.now.Sub(0) < 100*24*hour {
			w.to(w.s.Deadline().Sub(0))
			preferred, deprecated := w.temporaries()
			if len(preferred) < 1 || len(preferred) > 2 || len(preferred)+len(deprecated) > 4 {
				t.Fatalf("at %v: preferred %v, deprecated %v", w.now, preferred, deprecated)
			}
			for _, a := range preferred {
				seen[a.Addr] = true
			}
		}
		if len(seen) < 100 || len(seen) > 167 {
			t.Errorf("%d addresses in 100 days", len(seen))
		}
		w.refused("room for all", Refusals{})
	}
	if len(first) != 20 {
		t.Errorf("20 hosts replace their addresses at %d times: DESYNC_FACTOR", len(first))
	}
}

// TestNoTemporaryForShortPrefix: a prefix whose preferred lifetime is not above REGEN_ADVANCE gets no temporary address (RFC 8981
// §3.4).
func TestNoTemporaryForShortPrefix(t *testing.T) {
	w := newWorld(t, config(true))
	w.advertise(r1, 0, 0, prefix("A", doc, hour, 5*time.Second))
	w.want("REGEN_ADVANCE", "0s +addr "+doc)
	w.to(2 * time.Second)
	w.advertise(r1, 0, 0, prefix("A", doc, hour, 6*time.Second))
	w.want("a second longer", "2s +addr "+doc+" temporary")
	w.to(2 * hour)
	w.want("no successor", "8s =addr "+doc+" deprecated", "8s =addr "+doc+" temporary deprecated",
		"1h0m2s -addr "+doc+" temporary deprecated", "1h0m2s -addr "+doc+" deprecated")
}

// TestTemporaryConflict: after three further duplicates the interface makes no temporary addresses until it goes down (RFC 8981
// §3.4).
func TestTemporaryConflict(t *testing.T) {
	w := newWorld(t, config(true))
	p := prefix("A", doc, Infinite, Infinite)
	w.advertise(r1, 0, 0, p)
	before, _ := w.temporaries()
	w.log = nil
	a := before[0].Addr
	for range 3 {
		next, ok := w.s.Conflict(w.now, a)
		w.drain()
		now, _ := w.temporaries()
		if !ok || next == a || len(now) != 1 || now[0].Addr != next || now[0].Preferred != before[0].Preferred {
			t.Fatalf("instead of %v: %v, %+v", a, next, now)
		}
		w.want("another", "0s -addr "+doc+" temporary", "0s +addr "+doc+" temporary")
		a = next
	}
	if next, ok := w.s.Conflict(w.now, a); ok {
		t.Errorf("a fourth further address: %v", next)
	}
	w.drain()
	w.advertise(r1, 0, 0, p, prefix("A", "2001:db8:1::/64", Infinite, Infinite))
	w.to(1000 * hour)
	w.want("none", "0s -addr "+doc+" temporary", "0s +addr 2001:db8:1::/64")
	w.refused("given up", Refusals{Duplicate: 1})
	w.s.Flush(w.now)
	w.advertise(r1, 0, 0, p)
	if now, _ := w.temporaries(); len(now) != 1 {
		t.Errorf("after Flush: %v", now)
	}
}

// sequence is a generator that returns the same numbers again and again.
type sequence struct {
	list []uint64
	next int
}

func (s *sequence) Uint64() uint64 {
	s.next++
	return s.list[(s.next-1)%len(s.list)]
}

// TestRandomIdentifiers: a random identifier is not reserved and not in use (RFC 8981 §3.3.1). A broken generator does not hang the
// host.
func TestRandomIdentifiers(t *testing.T) {
	cfg := config(true)
	cfg.Rand = rand.New(&sequence{list: []uint64{0, 0xfdffffffffffff80, 7}})
	w := newWorld(t, cfg)
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	if got, _ := w.temporaries(); len(got) != 1 || got[0].Addr != netip.MustParseAddr("2001:db8::7") {
		t.Errorf("%v", got)
	}
	cfg.Rand = rand.New(&sequence{list: []uint64{0}})
	w = newWorld(t, cfg)
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	w.want("no temporary address", "0s +addr "+doc)
	defer func() {
		if recover() == nil {
			t.Error("temporary addresses without a generator")
		}
	}()
	New(Config{Temporary: true})
}

// TestTemporaryBound: the bound holds for temporary addresses too. A successor is made as soon as there is room.
func TestTemporaryBound(t *testing.T) {
	cfg := config(true)
	cfg.Addresses = 2
	w := newWorld(t, cfg)
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	w.log = nil
	for w.s.Refusals().Addresses == 0 {
		w.to(w.s.Deadline().Sub(0))
	}
	w.want("no room")
	w.to(47 * hour)
	w.want("deprecated", (24*hour-w.desync()).String()+" =addr "+doc+" temporary deprecated")
	w.to(48 * hour)
	w.want("room", "48h0m0s -addr "+doc+" temporary deprecated", "48h0m0s +addr "+doc+" temporary")
}

// desync returns the random time by which the first temporary address is preferred for less than a day.
func (w *world) desync() time.Duration {
	t := w.s.sources[0].temporary[0]
	return t.valid.Sub(t.preferred) - (temporaryValid - temporaryPreferred)
}

// TestTemporaryRoom: each prefix has room for all its temporary addresses, so that a router that advertises many prefixes does not
// stop the succession (RFC 8981 §3.5).
func TestTemporaryRoom(t *testing.T) {
	w := newWorld(t, config(true))
	w.advertise(r1, 0, 0, prefix("A", doc, Infinite, Infinite))
	for k := range 100 {
		w.advertise(r2, 0, 0, prefix("A", many(k), Infinite, Infinite))
	}
	w.refused("sources", Refusals{Addresses: 95})
	for w.now.Sub(0) < 30*24*hour {
		w.to(w.s.Deadline().Sub(0))
		n := slices.IndexFunc(w.s.Addresses(w.now), func(a Address) bool {
			return a.Temporary && !a.Deprecated && a.Prefix == netip.MustParsePrefix(doc)
		})
		if n < 0 {
			t.Fatalf("at %v no temporary address is preferred", w.now)
		}
	}
	w.refused("succession", Refusals{Addresses: 95})
}
