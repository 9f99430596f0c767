package fault

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

func frame(s string) *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	f.Set([]byte(s))
	return f
}

// run applies the rules to n equal frames in direction d, a millisecond apart.
func run(n int, d Dir, rules ...*Rule) []Verdict {
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	for _, r := range rules {
		s.Add(r)
	}
	out := make([]Verdict, n)
	for i := range out {
		out[i] = s.Apply(clock.Instant(i)*clock.Instant(time.Millisecond), d, phy.MediumEthernet, frame("0123456789"))
	}
	return out
}

// dropped returns the numbers, from 1, of the frames that were dropped for that reason.
func dropped(vs []Verdict, why drop.Reason) (out []int) {
	for i, v := range vs {
		if v.Drop == why {
			out = append(out, i+1)
		}
	}
	return out
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRules(t *testing.T) {
	all := func([]byte, phy.Medium) bool { return true }
	none := func([]byte, phy.Medium) bool { return false }
	for _, c := range []struct {
		name string
		rule Rule
		why  drop.Reason
		want []int
	}{
		{"nothing said", Rule{}, drop.FaultMatch, nil},
		{"match", Rule{Match: all}, drop.FaultMatch, []int{1, 2, 3, 4, 5, 6}},
		{"no match", Rule{Match: none}, drop.FaultMatch, nil},
		{"nth", Rule{Nth: []int{2, 5}}, drop.FaultMatch, []int{2, 5}},
		{"every", Rule{Every: 3}, drop.FaultMatch, []int{3, 6}},
		{"nth or every", Rule{Nth: []int{1}, Every: 4}, drop.FaultMatch, []int{1, 4}},
		{"nth of no match", Rule{Match: none, Nth: []int{1}}, drop.FaultMatch, nil},
		{"certain loss", Rule{Loss: 1}, drop.FaultLoss, []int{1, 2, 3, 4, 5, 6}},
		{"nth with loss", Rule{Nth: []int{3}, Loss: 1}, drop.FaultLoss, []int{3}},
		{"nth with delay drops nothing", Rule{Nth: []int{3}, Delay: 1}, drop.FaultMatch, nil},
		{"size", Rule{MaxSize: 9}, drop.FaultSize, []int{1, 2, 3, 4, 5, 6}},
		{"size fits", Rule{MaxSize: 10}, drop.FaultSize, nil},
		{"other direction", Rule{Dir: TX, Loss: 1}, drop.FaultLoss, nil},
		{"this direction", Rule{Dir: RX, Loss: 1}, drop.FaultLoss, []int{1, 2, 3, 4, 5, 6}},
		{"bucket", Rule{Bucket: 2, Interval: 3 * time.Millisecond}, drop.FaultRate, []int{3, 6}},
		{"bucket of a second", Rule{Bucket: 4}, drop.FaultRate, []int{5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.rule
			vs := run(6, RX, &r)
			if got := dropped(vs, c.why); !equal(got, c.want) {
				t.Errorf("dropped %v, want %v", got, c.want)
			}
			if got := 6 - len(dropped(vs, drop.None)); got != len(c.want) {
				t.Errorf("%d dropped in all, want %d", got, len(c.want))
			}
			for _, v := range vs {
				if (v.Drop != drop.None) != (v.By == &r) {
					t.Errorf("%v by %v", v.Drop, v.By)
				}
			}
			if c.rule.Delay == 0 && r.Hits != uint64(len(c.want)) {
				t.Errorf("%d hits, want %d", r.Hits, len(c.want))
			}
		})
	}
}

func TestCountsPerDirection(t *testing.T) {
	r := &Rule{Nth: []int{2}}
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	s.Add(r)
	var got []bool
	for _, d := range []Dir{RX, TX, TX, RX, RX, TX} {
		got = append(got, s.Apply(0, d, phy.MediumEthernet, frame("x")).Drop == drop.FaultMatch)
	}
	want := []bool{false, false, true, true, false, false}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("dropped %v, want %v", got, want)
		}
	}
}

func TestBucketPerDirection(t *testing.T) {
	r := &Rule{Bucket: 1}
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	s.Add(r)
	for i, c := range []struct {
		d    Dir
		at   time.Duration
		want drop.Reason
	}{
		{RX, 0, drop.None}, {RX, 1, drop.FaultRate}, {TX, 500 * time.Millisecond, drop.None}, {TX, 999 * time.Millisecond, drop.FaultRate},
		{RX, time.Second, drop.None}, {TX, time.Second, drop.FaultRate}, {TX, 1500 * time.Millisecond, drop.None},
	} {
		if got := s.Apply(clock.Instant(c.at), c.d, phy.MediumEthernet, frame("x")).Drop; got != c.want {
			t.Errorf("frame %d, %v at %v: %v, want %v", i, c.d, c.at, got, c.want)
		}
	}
}

func TestCorruptChangesOneOctet(t *testing.T) {
	s := NewSet(rand.New(rand.NewPCG(3, 4)))
	s.Add(&Rule{Corrupt: 1})
	was := bytes.Repeat([]byte{0x55}, 20)
	positions := map[int]bool{}
	f := phy.NewFrame(phy.FrameSize)
	for range 2000 {
		f.Set(was)
		f.Offload.CsumValid = true
		v := s.Apply(0, RX, phy.MediumEthernet, f)
		if !v.Corrupted || v.Drop != drop.None || f.Offload.CsumValid {
			t.Fatalf("%+v, offload %+v", v, f.Offload)
		}
		changed := 0
		for i, b := range f.Bytes() {
			if b != was[i] {
				positions[i] = true
				changed++
			}
		}
		if changed != 1 {
			t.Fatalf("%d octets changed", changed)
		}
	}
	if len(positions) != len(was) {
		t.Errorf("only %d of %d positions were ever hit", len(positions), len(was))
	}
	f.Reset()
	if v := s.Apply(0, RX, phy.MediumEthernet, f); v.Corrupted {
		t.Error("an empty frame can't be corrupted")
	}
}

func TestChancesAreMet(t *testing.T) {
	const n = 20000
	vs := run(n, TX, &Rule{Loss: 0.15})
	if got := len(dropped(vs, drop.FaultLoss)); got < n*14/100 || got > n*16/100 {
		t.Errorf("%d of %d lost at 15 %%", got, n)
	}
}

func TestDelayDuplicateReorder(t *testing.T) {
	vs := run(4, RX,
		&Rule{Delay: 5 * time.Millisecond},
		&Rule{Nth: []int{2}, Duplicate: 1},
		&Rule{Nth: []int{3}, Reorder: 1},
		&Rule{Nth: []int{4}, Reorder: 1, Hold: time.Second, Duplicate: 1},
		&Rule{Nth: []int{4}, Duplicate: 1})
	want := []Verdict{
		{Delay: 5 * time.Millisecond},
		{Delay: 5 * time.Millisecond, Copies: 1},
		{Delay: 5*time.Millisecond + DefaultHold},
		{Delay: 5*time.Millisecond + time.Second, Copies: 2},
	}
	for i := range want {
		if vs[i] != want[i] {
			t.Errorf("frame %d: %+v, want %+v", i+1, vs[i], want[i])
		}
	}
}

func TestJitterStaysInRange(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for _, v := range run(2000, RX, &Rule{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond}) {
		least, most = min(least, v.Delay), max(most, v.Delay)
	}
	if least < 10*time.Millisecond || least > 11*time.Millisecond || most > 14*time.Millisecond || most < 13*time.Millisecond {
		t.Errorf("delays from %v to %v", least, most)
	}
}

func TestFirstDropEnds(t *testing.T) {
	first, second := &Rule{Nth: []int{1}}, &Rule{Loss: 1}
	vs := run(2, RX, first, second)
	if vs[0].By != first || vs[0].Drop != drop.FaultMatch || vs[1].By != second || vs[1].Drop != drop.FaultLoss {
		t.Errorf("%+v", vs)
	}
	if first.Hits != 1 || second.Hits != 1 {
		t.Errorf("hits %d, %d", first.Hits, second.Hits)
	}
}

// TestDropClearsTheRest: a drop after a corruption, copy or delay reports only the drop.
func TestDropClearsTheRest(t *testing.T) {
	last := &Rule{Loss: 1}
	if v := run(1, RX, &Rule{Duplicate: 1, Delay: 1, Corrupt: 1}, last)[0]; v != (Verdict{Drop: drop.FaultLoss, By: last}) {
		t.Errorf("%+v", v)
	}
}

// counter counts the draws from a source.
type counter struct {
	rand.Source
	n int
}

func (c *counter) Uint64() uint64 { c.n++; return c.Source.Uint64() }

func TestDrawsOnlyWhenThereIsAChance(t *testing.T) {
	src := &counter{Source: rand.NewPCG(1, 2)}
	s := NewSet(rand.New(src))
	s.Add(&Rule{Nth: []int{3}, Duplicate: 1, Delay: time.Second})
	s.Add(&Rule{MaxSize: 100, Bucket: 1000, Reorder: 1})
	s.Add(&Rule{Nth: []int{4}, Duplicate: 0.5})
	s.Add(&Rule{Dir: TX, Loss: 0.5})
	for i := 1; i <= 5; i++ {
		s.Apply(0, RX, phy.MediumEthernet, frame("x"))
		if want := map[bool]int{true: 1}[i >= 4]; src.n != want {
			t.Errorf("%d draws after frame %d, want %d", src.n, i, want)
		}
	}
}

func TestSameSeedSameFate(t *testing.T) {
	rules := func() []*Rule {
		return []*Rule{{Loss: 0.2, Corrupt: 0.2}, {Duplicate: 0.1, Reorder: 0.3, Jitter: time.Millisecond}}
	}
	a, b := run(500, RX, rules()...), run(500, RX, rules()...)
	for i := range a {
		a[i].By, b[i].By = nil, nil
		if a[i] != b[i] {
			t.Fatalf("frame %d: %+v and %+v", i, a[i], b[i])
		}
	}
}

func TestAddRemove(t *testing.T) {
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	a, b := &Rule{Name: "a"}, &Rule{Name: "b", Loss: 1}
	if !s.Empty() {
		t.Error("not empty at first")
	}
	s.Add(a)
	s.Add(b)
	s.Remove(&Rule{})
	if len(s.Rules()) != 2 || s.Rules()[0] != a || s.Rules()[1] != b {
		t.Errorf("rules %v", s.Rules())
	}
	s.Remove(a)
	if len(s.Rules()) != 1 || s.Rules()[0] != b || s.Empty() {
		t.Errorf("rules %v", s.Rules())
	}
	s.Remove(b)
	if !s.Empty() || s.Apply(0, RX, phy.MediumEthernet, frame("x")) != (Verdict{}) {
		t.Error("a removed rule is still in force")
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	s.Add(&Rule{Match: func(b []byte, m phy.Medium) bool { return len(b) > 2 }, Every: 2,
		Corrupt: 0.5, Duplicate: 0.5, Reorder: 0.5, Jitter: time.Second, MaxSize: 1000, Bucket: 5, RateBps: 1e9, Limit: 50,
		Burst: GilbertElliott{P: 0.5, R: 0.5, Bad: 0.5, Good: 0.1}})
	s.Add(&Rule{Loss: 0.5})
	f := frame("0123456789")
	if n := testing.AllocsPerRun(1000, func() { s.Apply(0, TX, phy.MediumEthernet, f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOnce: a frame that a port's rule has judged when it was sent passes such a rule where it is received, also as a copy.
func TestOnce(t *testing.T) {
	set := NewSet(rand.New(rand.NewPCG(1, 1)))
	rule := &Rule{Once: true, Delay: time.Millisecond}
	set.Add(rule)
	f := frame("0123456789")
	for _, c := range []struct {
		dir  Dir
		want time.Duration
	}{{RX, time.Millisecond}, {TX, time.Millisecond}, {RX, 0}} {
		if v := set.Apply(0, c.dir, phy.MediumEthernet, f); v.Delay != c.want {
			t.Errorf("%v: held %v, want %v", c.dir, v.Delay, c.want)
		}
	}
	g := frame("")
	g.CopyFrom(f)
	if v := set.Apply(0, RX, phy.MediumEthernet, g); v.Delay != 0 || rule.Hits != 2 {
		t.Errorf("the copy is held %v, %d hits", v.Delay, rule.Hits)
	}
}
