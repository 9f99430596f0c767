package mld

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// check fails the test unless the listener's tables, lists and timers agree with each other and keep their bounds.
func check(t testing.TB, l *Listener, now clock.Instant) {
	t.Helper()
	joined, left, changes, responses := 0, 0, 0, 0
	for e := l.joined.first; e != nil; e = e.next {
		if joined++; !e.listening {
			t.Fatalf("%v is in the list of joined groups", e.group)
		}
	}
	for e := l.left.first; e != nil; e = e.next {
		if left++; e.listening || e.repeats == 0 || e.change.At() == clock.Never || e.response.At() != clock.Never {
			t.Fatalf("%v was left: %+v", e.group, e)
		}
	}
	for g, e := range l.groups {
		if e.group != g || e.sources.Len() > MaxSources || len(e.sources) > 0 && e.response.At() == clock.Never ||
			e.unsent && (e.repeats == 0 || e.change.At() == clock.Never) || e.repeats < 0 || e.repeats > 7 {
			t.Fatalf("%v: %+v", g, e)
		}
		if e.change.At() != clock.Never {
			changes++
		}
		if e.response.At() != clock.Never {
			responses++
		}
	}
	if joined != l.joined.len || left != l.left.len || joined+left != len(l.groups) || left > l.cfg.Left ||
		changes != l.changes.Len() || responses != l.responses.Len() {
		t.Fatalf("%d joined of %d, %d left of %d, %d in all, %d of %d changes, %d of %d responses", joined, l.joined.len, left, l.left.len,
			len(l.groups), changes, l.changes.Len(), responses, l.responses.Len())
	}
	if l.down && l.Deadline() != clock.Never {
		t.Fatalf("down, and due at %v", l.Deadline())
	}
	if d := l.Deadline(); d != clock.Never && d > now.Add(8388*time.Second) {
		t.Fatalf("the deadline %v is more than the longest Maximum Response Delay after %v", d, now)
	}
	if l.v1Until > now.Add(7*31744*time.Second+8388*time.Second) {
		t.Fatalf("version 1 until %v", l.v1Until)
	}
	if len(l.groups) == 0 && l.Deadline() != clock.Never {
		t.Fatalf("no groups, and due at %v", l.Deadline())
	}
}

// promise is a response that a query has asked for.
type promise struct {
	group  netip.Addr
	source netip.Addr // invalid if the whole group must be reported
	by     clock.Instant
}

// model is what a router and the applications know of a listener.
type model struct {
	t        *testing.T
	l        *Listener
	rng      *rand.Rand
	now      clock.Instant
	joined   []netip.Addr // in the order of joining
	heard    map[netip.Addr]bool
	promises []promise
	version  uint8
	everV1   bool
	messages int
}

// fulfil removes the promises that a report of a group fulfils. source is invalid if the report is of the whole group.
func (m *model) fulfil(group, source netip.Addr) {
	m.promises = slices.DeleteFunc(m.promises, func(p promise) bool {
		return p.group == group && (!source.IsValid() || p.source == source)
	})
}

// receive processes a message as a router does.
func (m *model) receive(b []byte, to netip.Addr, typ wire.ICMPv6Type) {
	h, c := wire.IPv6{HopLimit: 1, Src: local, Dst: to}, wire.IPv6Chain{HasRouterAlert: true}
	if v1 := typ != wire.ICMPv6ListenerReportVersion2; v1 != (m.l.Version(m.now) == 1) {
		m.t.Fatalf("a message of type %d in version %d", typ, m.l.Version(m.now))
	} else if v1 {
		g, err := wire.ParseMLDReport(&h, &c, b, true)
		if err != nil {
			m.t.Fatal(err)
		}
		if m.heard[g] = typ == wire.ICMPv6ListenerReport; m.heard[g] {
			m.fulfil(g, netip.Addr{})
		}
		return
	}
	records, err := wire.ParseMLDv2Report(&h, &c, b, true)
	if err != nil {
		m.t.Fatal(err)
	}
	for r, rest, ok := records.Next(); ok; r, rest, ok = rest.Next() {
		switch r.Type {
		case wire.MLDIsExclude, wire.MLDToExclude:
			m.heard[r.Group] = true
			if r.Type == wire.MLDIsExclude {
				m.fulfil(r.Group, netip.Addr{})
			}
		case wire.MLDToInclude:
			m.heard[r.Group] = false
		case wire.MLDIsInclude:
			for i := range r.Sources.Len() {
				m.fulfil(r.Group, r.Sources.At(i))
			}
		default:
			m.t.Fatalf("record of type %d", r.Type)
		}
	}
}

// pull receives the messages that are due, and checks the state of both sides. The router knows every group that is joined, and
// unless version 1 has suppressed a done, no other group.
func (m *model) pull() {
	m.noteVersion()
	b := make([]byte, MinRoom)
	for {
		n, to, typ, ok := m.l.Next(m.now, b, local)
		if !ok {
			break
		}
		m.messages++
		m.receive(b[:n], to, typ)
		check(m.t, m.l, m.now)
	}
	if m.l.Owes(m.now) {
		m.t.Fatalf("nothing to send at %v, and due at %v", m.now, m.l.Deadline())
	}
	if !m.l.down {
		for _, g := range m.joined {
			if !m.heard[g] {
				m.t.Fatalf("%v: the router does not know %v", m.now, g)
			}
		}
		for g, heard := range m.heard {
			if heard && !m.everV1 && !slices.Contains(m.joined, g) {
				m.t.Fatalf("%v: the router believes that %v is joined", m.now, g)
			}
		}
	}
	for _, p := range m.promises {
		if p.by.Due(m.now) {
			m.t.Fatalf("%v: not answered: %+v", m.now, p)
		}
	}
}

// noteVersion drops the promises when the version changes, as the listener does (RFC 3810 §8.2.1).
func (m *model) noteVersion() {
	if v := m.l.Version(m.now); v != m.version {
		m.version, m.promises = v, nil
		m.everV1 = m.everV1 || v == 1
	}
}

// advance advances the time by d.
func (m *model) advance(d time.Duration) {
	end := m.now.Add(d)
	for m.pull(); m.l.Deadline() < end; m.pull() {
		m.now = max(m.now, m.l.Deadline())
	}
	m.now = end
	m.pull()
}

// query sends a query of any kind, and notes the responses that it must have.
func (m *model) query() {
	q := wire.MLDQuery{Version: 1 + uint8(min(m.rng.IntN(12), 1)), ResponseCode: uint16(m.rng.IntN(12_000)), Robustness: uint8(m.rng.IntN(8)), IntervalCode: uint8(m.rng.IntN(30))}
	if m.rng.IntN(8) == 0 {
		q.ResponseCode = uint16(m.rng.Uint32())
	}
	var s wire.AddrList
	q.Group = all
	if m.rng.IntN(2) == 0 {
		q.Group = group(m.rng.IntN(12))
		if q.Version == 2 && m.rng.IntN(2) == 0 {
			from := m.rng.IntN(100)
			s = sources(from, from+m.rng.IntN(60))
		}
	}
	m.l.Query(m.now, &q, s)
	m.noteVersion()
	if m.l.down {
		return
	}
	p := promise{by: m.now.Add(max(q.MaxResponse(), ms) + generalGap + 1)}
	for _, p.group = range m.joined {
		switch {
		case q.Group.IsUnspecified() || q.Group == p.group && s.Len() == 0:
			p.source = netip.Addr{}
			m.promises = append(m.promises, p)
		case q.Group == p.group:
			for i := range s.Len() {
				p.source = s.At(i)
				m.promises = append(m.promises, p)
			}
		}
	}
}

// act makes one random call.
func (m *model) act() {
	g := group(m.rng.IntN(12))
	i := slices.Index(m.joined, g)
	switch k := m.rng.IntN(100); {
	case k < 20:
		m.l.Join(m.now, g)
		if i < 0 {
			m.joined = append(m.joined, g)
		}
	case k < 40:
		m.l.Leave(m.now, g)
		if i >= 0 {
			m.joined = slices.Delete(m.joined, i, i+1)
			m.promises = slices.DeleteFunc(m.promises, func(p promise) bool { return p.group == g })
		}
	case k < 60:
		m.query()
	case k < 65:
		m.l.HearReport(m.now, g)
		if m.l.Version(m.now) == 1 {
			m.fulfil(g, netip.Addr{})
		}
	case k == 65:
		m.l.Down()
		m.promises, m.heard = nil, map[netip.Addr]bool{} // another router
		m.everV1 = false
	case k < 70:
		m.l.Restart(m.now)
	case k == 70:
		m.advance(time.Duration(m.rng.Int64N(int64(time.Hour))))
	case k < 80:
		m.advance(time.Duration(m.rng.Int64N(int64(20 * time.Second))))
	default:
		m.advance(time.Duration(m.rng.Int64N(int64(time.Second))))
	}
}

// Whatever happens, the router knows the joined groups and no others, every query is answered in time, and at the end nothing is left.
func TestRandom(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := &model{t: t, rng: rng, heard: map[netip.Addr]bool{}, version: 2}
		m.l = New(Config{Rand: rand.New(rand.NewPCG(seed, 1)), Left: 100})
		for range 600 {
			m.act()
			check(t, m.l, m.now)
			var order []netip.Addr
			for e := m.l.joined.first; e != nil; e = e.next {
				order = append(order, e.group)
			}
			if !slices.Equal(order, m.joined) {
				t.Fatalf("joined %v, want %v", order, m.joined)
			}
		}
		for _, g := range m.joined {
			m.l.Leave(m.now, g)
		}
		m.joined, m.promises = nil, nil
		m.advance(time.Hour)
		if len(m.l.groups) != 0 || m.l.Deadline() != clock.Never {
			t.Fatalf("seed %d: left over: %d groups, due at %v", seed, len(m.l.groups), m.l.Deadline())
		}
		if m.messages < 100 {
			t.Fatalf("seed %d: only %d messages", seed, m.messages)
		}
	}
}

// The same seed and calls send the same octets at the same times.
func TestDeterminism(t *testing.T) {
	run := func() (log []string) {
		w := newWorld(t, Config{})
		w.l.cfg.Rand = rand.New(rand.NewPCG(1, 2))
		for k := range 300 {
			w.l.Join(0, group(k))
		}
		w.to(time.Minute)
		w.query(all, 10*time.Second, nil)
		w.to(2 * time.Minute)
		w.query1(all, 10*time.Second)
		w.to(3 * time.Minute)
		for k := range 300 {
			w.l.Leave(w.now, group(k))
		}
		w.to(time.Hour)
		return w.log
	}
	first := run()
	for range 5 {
		if !slices.Equal(run(), first) {
			t.Fatal("two runs differ")
		}
	}
}

// Queries and reports allocate nothing, unless a query names sources.
func TestNoAllocation(t *testing.T) {
	w := newWorld(t, Config{})
	for k := range 1000 {
		w.l.Join(0, group(k))
	}
	w.to(time.Hour)
	b, now, sent := make([]byte, MinRoom), w.now, 0
	drain := func() {
		for at := w.l.Deadline(); at != clock.Never; at = w.l.Deadline() {
			now = at
			for _, _, _, ok := w.l.Next(now, b, local); ok; _, _, _, ok = w.l.Next(now, b, local) {
				sent++
			}
		}
	}
	general := wire.MLDQuery{Version: 2, ResponseCode: 1000, Group: all}
	one := wire.MLDQuery{Version: 2, ResponseCode: 1000, Group: group(500)}
	old := wire.MLDQuery{Version: 1, ResponseCode: 1000, Group: all}
	for name, c := range map[string]struct {
		q     *wire.MLDQuery
		sends int
	}{"general": {&general, 17}, "group": {&one, 1}} {
		sent = 0
		n := testing.AllocsPerRun(100, func() { w.l.Query(now, c.q, nil); drain() })
		if n != 0 || sent != 101*c.sends {
			t.Errorf("%s: %v allocations, %d messages", name, n, sent)
		}
	}
	sent = 0
	if n := testing.AllocsPerRun(5, func() { w.l.Query(now, &old, nil); drain() }); n != 0 || sent != 6*1000 {
		t.Errorf("version 1: %v allocations, %d messages", n, sent)
	}
	sent = 0
	if n := testing.AllocsPerRun(5, func() { w.l.Restart(now); drain() }); n != 0 || sent < 6*2000 {
		t.Errorf("restart: %v allocations, %d messages", n, sent)
	}
}
