package scenario

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result holds the counts of a run.
type Result struct {
	Passed, Failed, Skipped, Expected int
	Stopped                           int // cases that were interrupted
	NotRun                            int // cases after the first failure, or after the interrupt
	Interrupted                       bool
	ran, failures                     []job // cases that ended, and those of them that failed
}

// job is one case: a test with a seed.
type job struct {
	test int
	seed uint64
}

// jobs calls yield for each case of the shard, until yield returns false. All seeds of a test come before the next
// test.
func (c *Config) jobs(yield func(job) bool) {
	n := 0
	for i, t := range c.Tests {
		for seed := range c.seedsOf(&t) {
			if c.Shard.has(n) && !yield(job{i, seed}) {
				return
			}
			n++
		}
	}
}

// seedsOf returns the seeds of a test in order. A test that is skipped or can't be evaluated has one seed.
func (c *Config) seedsOf(t *Test) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		if t.Seeds != nil {
			slices.Values(t.Seeds)(yield)
			return
		}
		for k := range c.Seeds.count() {
			if !yield(c.Seeds.First+uint64(k)) || t.Wrong != nil || t.Skipped {
				return
			}
		}
	}
}

// stopped reports whether the run was interrupted.
func (c *Config) stopped() bool {
	select {
	case <-c.Stop:
		return true
	default:
		return false
	}
}

// total returns the number of cases of the shard, and the last seed of each test.
func (c *Config) total() (n int, last map[int]uint64) {
	last = map[int]uint64{}
	c.jobs(func(j job) bool {
		n++
		last[j.test] = j.seed
		return true
	})
	return n, last
}

// runningLooks is the interval at which the JUnit report names the cases that run, for a reader after the runner was killed.
const runningLooks = 100 * time.Millisecond

// running holds the cases that run. Any goroutine may call its methods.
type running struct {
	mu    sync.Mutex
	cases map[job]bool
}

func (r *running) start(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cases[j] = true
}

func (r *running) end(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cases, j)
}

// list returns the cases, by test and seed.
func (r *running) list() []job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.cases), func(a, b job) int {
		return cmp.Or(cmp.Compare(a.test, b.test), cmp.Compare(a.seed, b.seed))
	})
}

// Run runs the cases of the shard and reports each. It returns an error if a report can't be written.
func (c *Config) Run() (Result, error) {
	total, last := c.total()
	r := newReport(c, total, last)
	type numbered struct {
		n   int
		o   outcome
		ran bool
	}
	stop := make(chan struct{}) // closed when this function returns
	defer close(stop)
	var failed atomic.Bool
	run := running{cases: map[job]bool{}}
	type numberedJob struct {
		n int
		job
	}
	todo := make(chan numberedJob)
	results := make(chan numbered, c.Jobs)
	go func() {
		defer close(todo)
		n := 0
		c.jobs(func(j job) bool {
			select {
			case <-c.Stop:
				return false
			case <-stop:
				return false
			case todo <- numberedJob{n, j}:
				n++
				return true
			}
		})
	}()
	var workers sync.WaitGroup
	for range c.Jobs {
		workers.Go(func() {
			for t := range todo {
				if c.FailFast && failed.Load() {
					results <- numbered{n: t.n}
					continue
				}
				run.start(t.job)
				o := c.first(t.job)
				run.end(t.job)
				if o.Failure != nil {
					failed.Store(true)
				}
				results <- numbered{t.n, o, true}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	early := map[int]numbered{} // results that wait for a case of a lower number, by number
	next, ran := 0, 0
	take := func(res numbered) {
		if res.ran {
			r.arrive(res.o)
		}
		early[res.n] = res
		for x, ok := early[next]; ok; x, ok = early[next] {
			delete(early, next)
			next++
			if x.ran {
				ran++
				r.take(x.o)
			}
		}
		r.progress(next + len(early))
	}
	looks := time.NewTicker(runningLooks)
	defer looks.Stop()
	for open := true; open; {
		select {
		case res, ok := <-results:
			if open = ok; ok {
				take(res)
			}
		case <-looks.C:
			r.suites.ongoing(c, run.list())
		}
	}
	r.result.NotRun = total - ran
	r.result.Interrupted = r.result.Interrupted || ran < total && c.stopped()
	return r.close()
}

// first runs a case for the first time. With Live it captures the packets, since the run can't be repeated.
func (c *Config) first(j job) outcome {
	capture := ""
	if c.Live && !c.NoCaptures {
		capture = c.captureName(c.Tests[j.test], j.seed, c.Keep)
	}
	return c.once(j.test, j.seed, c.Keep, capture)
}

// round returns a duration in milliseconds or seconds with one decimal.
func round(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
