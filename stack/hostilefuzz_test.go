package stack

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A hostile run is one host, an application and a lying peer: see rig. These commands run many for hours, or repeat one that
// failed:
//
//	go test ./stack -run '^TestHostile$' -timeout 0 -hostile.seeds 1..1000000
//	go test ./stack -run '^TestHostile$' -timeout 0 -hostile.frames 100000000
//	go test ./stack -run '^TestHostile$' -hostile.script 0123… -v
var (
	hostileSeeds  = flag.String("hostile.seeds", "", "run the seeds `A..B` rather than a few thousand")
	hostileFrames = flag.Int64("hostile.frames", 0, "run seeds until hosts have received `N` frames of IPv6")
	hostileScript = flag.String("hostile.script", "", "run one `script`, in hexadecimal, and print what happens")
)

// execute runs the script. With a log it checks the host after each frame, and logs every step.
func (s *script) execute(log *strings.Builder) (r *rig) {
	r = new(rig)
	start := *r
	start.guard(func() { r = newRig(&decisions{s.rig[:]}) })
	if start.err != nil {
		return &start
	}
	r.log, r.strict = log, log != nil
	r.guard(func() {
		r.pump()
		for k := range s.ops {
			if r.do(&s.ops[k]); r.err != nil {
				return
			}
		}
		r.end()
	})
	return r
}

// FuzzHost interprets the fuzzer's octets as decisions of an application, of a hostile peer and of time.
func FuzzHost(f *testing.F) {
	for seed := range uint64(20) {
		s := newScript(seed, nil)
		s.ops = s.ops[:min(len(s.ops), 60)]
		f.Add(s.bytes())
	}
	searching := flag.Lookup("test.fuzzworker").Value.String() == "true" // Go's minimiser runs a failing input many times
	f.Fuzz(func(t *testing.T, b []byte) {
		s := parseScript(b)
		switch r := s.execute(nil); {
		case r.err != nil && searching:
			t.Errorf("%v\nagain: go test ./stack -run '^TestHostile$' -hostile.script %x -v", r.err, b)
		case r.err != nil:
			s.report(t)
		}
	})
}

// TestHostile runs scripts drawn from seeds on every core.
func TestHostile(t *testing.T) {
	if *hostileScript != "" {
		b, err := hex.DecodeString(*hostileScript)
		if err != nil {
			t.Fatal(err)
		}
		s := parseScript(b)
		var log strings.Builder
		r := s.execute(&log)
		t.Logf("%d frames received, %d sent\n%s", r.frames, r.sent, log.String())
		if r.err != nil {
			s.report(t)
		}
		return
	}
	from, to := uint64(1), uint64(2500)
	if testing.Short() || raced {
		to = 500
	}
	switch {
	case *hostileSeeds != "":
		if n, err := fmt.Sscanf(*hostileSeeds, "%d..%d", &from, &to); n != 2 || err != nil || to < from {
			t.Fatalf("-hostile.seeds %q is not A..B", *hostileSeeds)
		}
	case *hostileFrames > 0:
		to = 1 << 62
	}
	c := hostileCampaign{t: t, to: to, began: time.Now()}
	c.next.Store(from)
	c.run(runtime.GOMAXPROCS(0))
	d := time.Since(c.began)
	t.Logf("seeds %d..%d in %v: hosts received %d frames, %d of them of IPv6, and sent %d, %d frames a second, %d events told",
		from, min(c.next.Load()-1, to), d.Round(time.Millisecond), c.frames.Load(), c.frames6.Load(), c.sent.Load(),
		int64(float64(c.frames.Load()+c.sent.Load())/d.Seconds()), c.told.Load())
	if c.failed.Load() == 0 && to-from > 1000 && (c.frames.Load() < 100_000 || c.told.Load() < 10_000) {
		t.Error("hardly anything happened: the seeds show nothing")
	}
}

// hostileCampaign is a series of runs with consecutive seeds.
type hostileCampaign struct {
	t                  *testing.T
	to                 uint64
	began              time.Time
	next               atomic.Uint64
	frames, frames6    atomic.Int64 // frames received, and those of IPv6
	sent, told, failed atomic.Int64
	reporting          sync.Mutex
	said               time.Time
}

func (c *hostileCampaign) run(workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			var ops []op
			for c.failed.Load() < 3 && (*hostileFrames == 0 || c.frames6.Load() < *hostileFrames) {
				seed := c.next.Add(1) - 1
				if seed > c.to {
					return
				}
				s := newScript(seed, ops)
				ops = s.ops
				r := s.execute(nil)
				c.frames.Add(int64(r.frames))
				c.frames6.Add(int64(r.frames6))
				c.sent.Add(int64(r.sent))
				c.told.Add(int64(r.told))
				if r.err != nil {
					c.report(seed, s, r.err)
				} else if seed%5000 == 0 {
					c.progress(seed)
				}
			}
		})
	}
	all.Wait()
}

func (c *hostileCampaign) report(seed uint64, s script, err error) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	if c.failed.Add(1) > 3 {
		return
	}
	c.t.Logf("seed %d after %v and %d frames: %v", seed, time.Since(c.began), c.frames.Load(), err)
	s.report(c.t)
}

// progress logs the campaign's progress. It logs at most one line per minute.
func (c *hostileCampaign) progress(seed uint64) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	if now := time.Now(); now.Sub(c.said) > time.Minute {
		c.said = now
		fmt.Printf("seed %d after %v: %d frames received, %d sent\n", seed, now.Sub(c.began).Round(time.Second), c.frames.Load(), c.sent.Load())
	}
}

// TestHostileShrinks: a failing script is shrunk to the steps that it needs: here to two, and to the one octet of each that
// counts.
func TestHostileShrinks(t *testing.T) {
	s := newScript(5, nil)
	fails := func(s *script) error {
		n := 0
		for k := range s.ops {
			if s.ops[k][0] == 7 && s.ops[k][3] >= 100 {
				n++
			}
		}
		if n >= 2 {
			return errors.New("two of them")
		}
		return nil
	}
	s.ops[20], s.ops[70] = op{7, 1, 2, 200, 9}, op{7, 5, 5, 130}
	small, err := s.shrink(errors.New("first"), fails)
	if want := []op{{7, 0, 0, 100}, {7, 0, 0, 130}}; err.Error() != "two of them" || !slices.Equal(small.ops, want) || small.rig != [rigLen]byte{} {
		t.Errorf("%v: %v", err, small)
	}
}
