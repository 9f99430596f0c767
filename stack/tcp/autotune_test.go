package tcp

import (
	"testing"
	"time"
)

// TestSendBufferFollowsThePath: a send buffer grows to fill a long path, but not to fill an endless queue.
func TestSendBufferFollowsThePath(t *testing.T) {
	for _, c := range []struct {
		name        string
		there, back way
		run         time.Duration
		least, most int
	}{
		{"100 Mbit/s, 200 ms", way{rate: 12_500_000, queue: 1 << 20, delay: 100 * time.Millisecond}, way{delay: 100 * time.Millisecond}, 5 * time.Second, 2_500_000, 8 << 20},
		{"10 Gbit/s, 1 ms", way{rate: 1_250_000_000, queue: 1 << 20, delay: 500 * time.Microsecond}, way{delay: 500 * time.Microsecond}, 200 * time.Millisecond, 1_250_000, 8 << 20},
		{"a queue without end", way{rate: 125_000_000, delay: 50 * time.Microsecond}, way{delay: 50 * time.Microsecond}, time.Second, startBuffer, 2 * startBuffer},
	} {
		p := newPath(t, 1, &c.there, &c.back, Config{}, Config{RecvBuffer: 32 << 20})
		p.run(c.run)
		took := time.Duration(float64(p.got) / float64(c.there.rate) * float64(time.Second))
		if n := p.c[0].snd.buf.Limit(); n < c.least || n > c.most || took < c.run/3 {
			t.Errorf("%s: a buffer of %d octets, %d to %d expected; the path was used for %v of %v", c.name, n, c.least, c.most, took, c.run)
		}
	}
}
