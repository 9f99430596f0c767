package clock

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	const sec = Instant(1e9)
	for _, c := range []struct {
		what      string
		got, want Instant
	}{
		{"a second later", sec.Add(time.Second), 2 * sec},
		{"a second earlier", sec.Add(-time.Second), 0},
		{"never, a second later", Never.Add(time.Second), Never},
		{"never, a second earlier", Never.Add(-time.Second), Never},
		{"just never", (Never - 1).Add(1), Never},
		{"just not never", (Never - 2).Add(1), Never - 1},
		{"beyond never", (Never - 1).Add(2), Never},
		{"far beyond never", sec.Add(math.MaxInt64), Never},
		{"nothing", sec.Add(0), sec},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	if d := (3 * sec).Sub(sec); d != 2*time.Second {
		t.Errorf("3 s - 1 s = %v", d)
	}
	if d := sec.Sub(3 * sec); d != -2*time.Second {
		t.Errorf("1 s - 3 s = %v", d)
	}
	if !sec.Before(sec+1) || sec.Before(sec) || Never.Before(sec) {
		t.Error("Before is not strict order")
	}
	if !sec.Due(sec) || !sec.Due(sec+1) || sec.Due(sec-1) || Never.Due(Never-1) {
		t.Error("a deadline is due from its instant on")
	}
	if s := (1500 * sec / 1000).Seconds(); s != 1.5 {
		t.Errorf("Seconds = %v", s)
	}
}

func TestInstantString(t *testing.T) {
	for want, at := range map[string]Instant{
		"0.000000": 0, "0.000001": 1999, "12.345678": 12345678901, "1.000000": 1e9, "0.999999": 999999999,
		"9223372036.854775": Never - 1, "never": Never,
	} {
		if got := at.String(); got != want {
			t.Errorf("%d = %q, want %q", int64(at), got, want)
		}
	}
}

// The reference model: a slice sorted by (deadline, order of setting).
type entry struct {
	at    Instant
	order int
	id    int
}

type model struct {
	set   []entry
	order int
}

func (m *model) index(id int) int {
	return slices.IndexFunc(m.set, func(e entry) bool { return e.id == id })
}

func (m *model) stop(id int) {
	if i := m.index(id); i >= 0 {
		m.set = slices.Delete(m.set, i, i+1)
	}
}

func (m *model) put(id int, at Instant) {
	if i := m.index(id); i >= 0 && m.set[i].at == at {
		return
	}
	m.stop(id)
	if at == Never {
		return
	}
	m.order++
	m.set = append(m.set, entry{at, m.order, id})
	slices.SortFunc(m.set, func(a, b entry) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.order - b.order
	})
}

func TestHeapAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var h Heap[int]
		var m model
		timers := make([]Timer[int], 1+rnd.IntN(40))
		for i := range timers {
			timers[i].Value = i
		}
		for step := range 500 {
			id := rnd.IntN(len(timers))
			switch k := rnd.IntN(10); {
			case k < 6:
				at := Instant(rnd.IntN(20)) // few instants, so that many are equal
				if rnd.IntN(10) == 0 {
					at = Never
				}
				h.Set(&timers[id], at)
				m.put(id, at)
			case k < 8:
				h.Stop(&timers[id])
				m.stop(id)
			default:
				now := Instant(rnd.IntN(20))
				got, want := -1, -1
				if t := h.Pop(now); t != nil {
					got = t.Value
				}
				if len(m.set) > 0 && m.set[0].at <= now {
					want = m.set[0].id
					m.stop(want)
				}
				if got != want {
					t.Fatalf("seed %d, step %d: Pop(%d) = timer %d, want %d", seed, step, now, got, want)
				}
			}
			next := Never
			if len(m.set) > 0 {
				next = m.set[0].at
			}
			if h.Len() != len(m.set) || h.Next() != next {
				t.Fatalf("seed %d, step %d: %d timers, next %v; want %d, %v", seed, step, h.Len(), h.Next(), len(m.set), next)
			}
			at := Never
			if i := m.index(id); i >= 0 {
				at = m.set[i].at
			}
			if timers[id].At() != at {
				t.Fatalf("seed %d, step %d: timer %d at %v, want %v", seed, step, id, timers[id].At(), at)
			}
		}
		for _, want := range m.set {
			if got := h.Pop(Never); got == nil || got.Value != want.id {
				t.Fatalf("seed %d: drained %v, want timer %d", seed, got, want.id)
			}
		}
		if h.Pop(Never) != nil {
			t.Fatalf("seed %d: something is left", seed)
		}
	}
}

func TestHeapTies(t *testing.T) {
	var h Heap[string]
	a, b, c := &Timer[string]{Value: "a"}, &Timer[string]{Value: "b"}, &Timer[string]{Value: "c"}
	h.Set(a, 5)
	h.Set(b, 5)
	h.Set(c, 5)
	h.Set(a, 5) // the same deadline: the timer keeps its place
	h.Set(b, 9)
	h.Set(b, 5) // moved away and back: the timer comes last among equals
	if h.Pop(4) != nil {
		t.Error("popped before it was due")
	}
	got := ""
	for timer := h.Pop(5); timer != nil; timer = h.Pop(5) {
		got += timer.Value
	}
	if got != "acb" {
		t.Errorf("order %q, want \"acb\"", got)
	}
}

func TestHeapNever(t *testing.T) {
	var h Heap[int]
	var timer Timer[int]
	if timer.At() != Never || h.Next() != Never || h.Len() != 0 || h.Pop(Never) != nil {
		t.Error("the zero values wait for something")
	}
	h.Stop(&timer) // not in the heap: no effect
	h.Set(&timer, Never)
	if h.Len() != 0 {
		t.Error("Never was put in")
	}
	h.Set(&timer, 3)
	h.Set(&timer, Never)
	if h.Len() != 0 || timer.At() != Never {
		t.Error("Never did not take it out")
	}
	h.Set(&timer, Never-1)
	if got := h.Pop(Never); got != &timer {
		t.Error("the last instant is an instant")
	}
}

func TestHeapAllocatesOnlyToGrow(t *testing.T) {
	var h Heap[int]
	timers := make([]Timer[int], 64)
	round := func() {
		for i := range timers {
			h.Set(&timers[i], Instant(i*37%64))
		}
		for i := range timers {
			h.Set(&timers[i], Instant(i*11%64))
		}
		for h.Pop(Never) != nil {
		}
	}
	round()
	if n := testing.AllocsPerRun(10, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestHeapGivesStorageBack: a heap that was large frees its storage, in steps of constant cost for each timer stopped.
func TestHeapGivesStorageBack(t *testing.T) {
	var h Heap[int]
	timers := make([]Timer[int], 1<<17)
	for k := range timers {
		h.Set(&timers[k], Instant(k))
	}
	for k := range timers {
		h.Stop(&timers[k])
		if c := cap(h.timers); c > max(keptTimers, 5*h.Len()+5) {
			t.Fatalf("room for %d with %d set", c, h.Len())
		}
	}
}

func BenchmarkHeapSet(b *testing.B) {
	for _, n := range []int{10, 1000, 100000} {
		b.Run(fmt.Sprintf("timers=%d", n), func(b *testing.B) {
			var h Heap[int]
			timers := make([]Timer[int], n)
			rnd := rand.New(rand.NewPCG(1, 1))
			for i := range timers {
				h.Set(&timers[i], Instant(rnd.Int64N(1e9)))
			}
			i := 0
			for b.Loop() {
				h.Set(&timers[i%n], timers[i%n].At()+Instant(i*7919%1000003))
				i++
			}
		})
	}
}
