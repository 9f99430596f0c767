package buf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// model is the reference for Ring: the octets in the queue and, beyond its end, places for octets stored out of order.
// known is true for each place that has its octet.
type model struct {
	queue []byte
	ahead []byte
	known []bool
	limit int
}

func (m *model) put(off int, p []byte) {
	for i, c := range p {
		switch at := off + i; {
		case at < len(m.queue):
			m.queue[at] = c
		default:
			at -= len(m.queue)
			for len(m.ahead) <= at {
				m.ahead, m.known = append(m.ahead, 0), append(m.known, false)
			}
			m.ahead[at], m.known[at] = c, true
		}
	}
}

func (m *model) extend(n int) {
	m.queue = append(m.queue, m.ahead[:n]...)
	m.ahead, m.known = m.ahead[n:], m.known[n:]
}

func (m *model) write(p []byte) int {
	n := min(len(p), max(0, m.limit-len(m.queue)))
	m.put(len(m.queue), p[:n])
	m.extend(n)
	return n
}

// ready returns the number of consecutive octets that are known from the end of the queue on.
func (m *model) ready() int {
	n := 0
	for n < len(m.known) && m.known[n] {
		n++
	}
	return n
}

type ringTest struct {
	t   *testing.T
	r   Ring
	m   model
	rnd *rand.Rand
	say string
}

func (c *ringTest) octets(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(c.rnd.Uint32())
	}
	return p
}

func (c *ringTest) step() {
	r, m := &c.r, &c.m
	switch c.rnd.IntN(8) {
	case 0, 1:
		p := c.octets(c.rnd.IntN(m.limit + m.limit/8 + 1))
		c.say = fmt.Sprintf("Write(%d)", len(p))
		want := m.write(p)
		if got := r.Write(p); got != want {
			c.t.Fatalf("%s = %d, want %d", c.say, got, want)
		}
	case 2, 3:
		if len(m.queue) >= m.limit {
			return
		}
		off := c.rnd.IntN(m.limit)
		p := c.octets(c.rnd.IntN(min(m.limit-off, m.limit/4+1) + 1))
		c.say = fmt.Sprintf("PutAt(%d, %d)", off, len(p))
		m.put(off, p)
		r.PutAt(off, p)
	case 4:
		n := m.ready()
		if n > 0 {
			n = c.rnd.IntN(n + 1)
		}
		c.say = fmt.Sprintf("Extend(%d)", n)
		m.extend(n)
		r.Extend(n)
	case 5:
		n := c.rnd.IntN(len(m.queue) + 1)
		c.say = fmt.Sprintf("Discard(%d)", n)
		m.queue = m.queue[n:]
		r.Discard(n)
	case 6:
		p := make([]byte, c.rnd.IntN(m.limit+1))
		c.say = fmt.Sprintf("Read(%d)", len(p))
		n := copy(p, m.queue)
		want := bytes.Clone(p[:n])
		m.queue = m.queue[n:]
		if got := r.Read(p); got != n || !bytes.Equal(p[:n], want) {
			c.t.Fatalf("%s = %d octets, want %d, or they differ", c.say, got, n)
		}
	case 7:
		c.say = "Release"
		r.Release()
		if len(m.queue) == 0 && len(m.ahead) == 0 && r.Allocated() != 0 {
			c.t.Fatalf("released while empty, and %d octets are held", r.Allocated())
		}
		if c.rnd.IntN(20) == 0 {
			c.say = "Drop"
			r.Drop()
			*m = model{limit: m.limit}
			if r.Allocated() != 0 {
				c.t.Fatalf("dropped, and %d octets are held", r.Allocated())
			}
		}
	}
}

func (c *ringTest) compare() {
	r, m := &c.r, &c.m
	if r.Len() != len(m.queue) || r.Free() != max(0, m.limit-len(m.queue)) || r.Limit() != m.limit {
		c.t.Fatalf("after %s: Len %d, Free %d; want %d, %d", c.say, r.Len(), r.Free(), len(m.queue), m.limit-len(m.queue))
	}
	off := c.rnd.IntN(len(m.queue) + 2)
	p := make([]byte, c.rnd.IntN(m.limit+1))
	want := []byte{}
	if off < len(m.queue) {
		want = m.queue[off:min(len(m.queue), off+len(p))]
	}
	if n := r.Peek(off, p); !bytes.Equal(p[:n], want) {
		c.t.Fatalf("after %s: Peek(%d, %d) gives %d octets, want %d, or they differ", c.say, off, len(p), n, len(want))
	}
	if a := r.Allocated(); a&(a-1) != 0 || a > 64 && a >= 2*max(m.limit, 64) {
		c.t.Fatalf("after %s: %d octets are held for a limit of %d", c.say, a, m.limit)
	}
}

func TestRingAgainstModel(t *testing.T) {
	for _, limit := range []int{64, 65, 100, 127, 128, 4095, 4096, 4097, 10000} {
		for seed := range uint64(20) {
			c := &ringTest{t: t, r: NewRing(limit), m: model{limit: limit}, rnd: rand.New(rand.NewPCG(seed, uint64(limit)))}
			for range 400 {
				c.step()
				c.compare()
			}
		}
	}
}

// TestRingLargest fills the largest buffer to its limit, across the end of its storage, and writes one octet more.
func TestRingLargest(t *testing.T) {
	const limit = 64 << 20
	r := NewRing(limit)
	chunk := make([]byte, 1<<20+1)
	for i := range chunk {
		chunk[i] = byte(i * 7)
	}
	wrote := 0
	for {
		n := r.Write(chunk)
		wrote += n
		if n < len(chunk) {
			break
		}
	}
	if wrote != limit || r.Len() != limit || r.Free() != 0 || r.Allocated() != limit {
		t.Fatalf("wrote %d, Len %d, Free %d, Allocated %d; the limit is %d", wrote, r.Len(), r.Free(), r.Allocated(), limit)
	}
	if n := r.Write(chunk[:1]); n != 0 {
		t.Errorf("a full ring took %d", n)
	}
	r.Discard(3)
	if n := r.Write(chunk[:10]); n != 3 {
		t.Errorf("wrote %d where 3 were free", n)
	}
	got := make([]byte, 8)
	if n := r.Peek(limit-3, got); n != 3 || !bytes.Equal(got[:3], chunk[:3]) {
		t.Errorf("over the wrap: % x", got[:n])
	}
	r.PutAt(limit-3, []byte{9, 8, 7})
	if n := r.Peek(limit-3, got); n != 3 || !bytes.Equal(got[:3], []byte{9, 8, 7}) {
		t.Errorf("replaced over the wrap: % x", got[:n])
	}
	r.Discard(limit)
	r.Release()
	if r.Allocated() != 0 {
		t.Errorf("empty and released, and %d octets are held", r.Allocated())
	}
}

// TestRingGrowth: the first octet allocates the storage, which then doubles. A ring that is not used occupies none.
func TestRingGrowth(t *testing.T) {
	for _, c := range []struct{ limit, write, want int }{
		{64 << 20, 0, 0}, {64 << 20, 1, 512}, {64 << 20, 4097, 8192}, {512, 1, 512},
		{64, 1, 64}, {64, 64, 64}, {500, 65, 128}, {1000, 65, 512}, {1000, 1000, 1024},
	} {
		r := NewRing(c.limit)
		r.Write(make([]byte, c.write))
		if r.Allocated() != c.want {
			t.Errorf("limit %d, %d octets: %d held, want %d", c.limit, c.write, r.Allocated(), c.want)
		}
	}
}

func TestRingKeepsWhatIsAhead(t *testing.T) {
	r := NewRing(128)
	r.Write([]byte("abc"))
	r.PutAt(5, []byte("fg"))
	r.Discard(3)
	r.Release() // the queue is empty, but two octets are stored after a gap
	r.PutAt(0, []byte("de"))
	r.Extend(4)
	p := make([]byte, 10)
	if n := r.Read(p); string(p[:n]) != "defg" {
		t.Errorf("read %q, want \"defg\"", p[:n])
	}
	r.Release()
	if r.Allocated() != 0 {
		t.Error("nothing is left, and storage is held")
	}
}

func TestRingSetLimit(t *testing.T) {
	r := NewRing(100)
	r.Write(make([]byte, 80))
	r.SetLimit(64)
	if r.Len() != 80 || r.Free() != 0 || r.Write([]byte{1}) != 0 {
		t.Errorf("a limit below what is stored: Len %d, Free %d", r.Len(), r.Free())
	}
	r.Discard(20)
	if n := r.Write(make([]byte, 10)); n != 4 {
		t.Errorf("wrote %d, want 4", n)
	}
	r.SetLimit(5000)
	if n := r.Write(make([]byte, 6000)); n != 4936 || r.Len() != 5000 {
		t.Errorf("wrote %d, Len %d; want 4936, 5000", n, r.Len())
	}
}

func TestRingAllocatesOnlyToGrow(t *testing.T) {
	r := NewRing(10000)
	p, q := make([]byte, 1460), make([]byte, 1460)
	r.Write(make([]byte, 9000))
	if n := testing.AllocsPerRun(100, func() {
		r.Read(q)
		r.PutAt(r.Len(), p)
		r.Extend(len(p))
		r.Peek(100, q)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRing(b *testing.B) {
	r := NewRing(256 << 10)
	p := make([]byte, 1460)
	r.Write(make([]byte, 200<<10))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		r.Read(p)
		r.Write(p)
	}
}

// TestView: View returns the same octets that Peek copies, wherever the storage ends.
func TestView(t *testing.T) {
	r := NewRing(64)
	for round := range 200 {
		r.Write([]byte{byte(round), byte(round + 1), byte(round + 2)})
		if r.Len() > 50 {
			r.Discard(2 + round%3)
		}
		for off := range r.Len() {
			for n := 1; n <= r.Len()-off; n++ {
				want := make([]byte, n)
				r.Peek(off, want)
				if a, b := r.View(off, n); string(a)+string(b) != string(want) {
					t.Fatalf("round %d, %d octets from %d: %v %v, want %v", round, n, off, a, b, want)
				}
			}
		}
	}
}

// TestRingStorage: Growth predicts the size of PutAt's allocation, Fits returns the maximum that needs no further
// allocation, and Trim keeps only the queue.
func TestRingStorage(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		limit := 64 << rng.IntN(12)
		r := NewRing(limit)
		var want []byte
		for range 20 {
			switch rng.IntN(4) {
			case 0:
				p := make([]byte, rng.IntN(r.Free()+1))
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				r.Trim() // Write would overwrite the octets beyond the end
				r.Write(p)
				want = append(want, p...)
			case 1:
				n := rng.IntN(r.Len() + 1)
				r.Discard(n)
				want = want[n:]
			case 2:
				if r.Free() == 0 {
					continue
				}
				off := r.Len() + rng.IntN(r.Free())
				before, growth := r.Allocated(), r.Growth(off+1)
				if fits := r.Fits(before + growth); fits < off+1 || growth > 0 && r.Fits(before+growth-1) >= off+1 {
					t.Fatalf("%d octets of storage fit %d, one less %d; octet %d needs them", before+growth, fits, r.Fits(before+growth-1), off)
				}
				r.PutAt(off, []byte{1})
				if r.Allocated() != before+growth {
					t.Fatalf("storage grows from %d to %d, foretold were %d more", before, r.Allocated(), growth)
				}
				if r.Beyond() < off+1-r.Len() {
					t.Fatalf("%d octets beyond the end of %d, octet %d among them", r.Beyond(), r.Len(), off)
				}
			case 3:
				r.Trim()
				if r.Beyond() != 0 || r.Allocated() >= max(2*r.Len(), minRing+1) || r.Len() == 0 && r.Allocated() != 0 {
					t.Fatalf("trimmed to %d octets, it has storage for %d and %d beyond", r.Len(), r.Allocated(), r.Beyond())
				}
			}
			got := make([]byte, r.Len())
			if r.Peek(0, got); !bytes.Equal(got, want) {
				t.Fatal("the queue is not what was written")
			}
		}
	}
}
