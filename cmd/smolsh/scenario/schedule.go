package scenario

import (
	"fmt"
	"sync"
	"time"
)

// Result holds the counts of a run.
type Result struct {
	Passed, Failed int
	Interrupted    bool
}

// job is one case: a test with a seed.
type job struct {
	test int
	seed uint64
}

// jobs calls yield with the cases of the shard, all seeds of a test before the next test.
func (c *Config) jobs(yield func(job) bool) {
	n := 0
	for i, t := range c.Tests {
		seeds := c.Seeds
		if t.Wrong != nil {
			seeds.Last = seeds.First
		}
		for k := range seeds.count() {
			if c.Shard.has(n) && !yield(job{i, seeds.First + uint64(k)}) {
				return
			}
			n++
		}
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

// Run runs the cases of the shard and reports each. The error means that a report can't be written.
func (c *Config) Run() (Result, error) {
	total, last := c.total()
	r := newReport(c, total, last)
	type numbered struct {
		n int
		o outcome
	}
	stop := make(chan struct{}) // closed when this function returns
	defer close(stop)
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
				results <- numbered{t.n, c.first(t.job)}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	early := map[int]outcome{} // outcomes by number that wait for a case with a lower number
	next := 0
	for res := range results {
		early[res.n] = res.o
		for o, ok := early[next]; ok; o, ok = early[next] {
			delete(early, next)
			next++
			r.take(o)
		}
		r.progress(next + len(early))
	}
	r.result.Interrupted = r.result.Interrupted || next < total
	return r.close()
}

// first runs a case for the first time. It captures a live run, which can't be repeated.
func (c *Config) first(j job) outcome {
	capture := ""
	if c.Live {
		capture = c.captureName(c.Tests[j.test], j.seed, c.Keep)
	}
	return c.once(j.test, j.seed, c.Keep, capture)
}

// round formats a duration with few digits.
func round(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
