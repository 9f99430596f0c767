package labtest

import (
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// Run calls fn in a testing/synctest bubble with an empty lab, whose seed is that of the flag -lab.seed, 1 by default. With -lab.seeds it
// calls fn in a bubble for each seed, each as a subtest, until one fails. Run must not be called inside a bubble.
func Run(t *testing.T, fn func(t *testing.T, l *Lab)) {
	t.Helper()
	if *seedsFlag == "" {
		runSeed(t, t.Name(), *seedFlag, fn)
		return
	}
	first, last, err := parseSeeds(*seedsFlag)
	if err != nil {
		t.Fatal(err)
	}
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "lab.seed" {
			t.Fatalf("-lab.seed=%d and -lab.seeds=%s exclude each other", *seedFlag, *seedsFlag)
		}
	})
	name := t.Name()
	for seed := first; ; seed++ {
		passed := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runSeed(t, name, seed, fn) })
		if !passed || seed == last {
			return
		}
	}
}

// runSeed runs fn once. name is the test's name without the seed's subtest.
func runSeed(t *testing.T, name string, seed uint64, fn func(t *testing.T, l *Lab)) {
	t.Helper()
	var driver atomic.Pointer[gonet.Driver]
	stop := watch(name, seed, *watchdogFlag, &driver)
	defer stop()
	var l *Lab
	outer := t
	defer func() {
		// Inside the bubble, Lab.end reports. The panic of a bubble whose goroutines all wait for ever is raised here.
		if v := recover(); v != nil {
			if l != nil && !l.ended {
				t.Log(l.report("every goroutine waits for ever"))
			}
			panic(v)
		}
		if t.Failed() && l != nil && *shrinkFlag > 0 && *keepFlags == "" {
			stop()
			l.shrink(*shrinkFlag)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		made, err := newLab(t, name, seed)
		if err != nil {
			t.Fatal(err)
		}
		l = made
		l.outer = outer
		driver.Store(l.driver)
		t.Cleanup(l.end)
		fn(t, l)
		l.returned = true
	})
}

// newLab makes the lab of one run, and starts its world and its capture.
func newLab(t *testing.T, name string, seed uint64) (*Lab, error) {
	l := &Lab{t: t, name: name, seed: seed, world: lab.NewWorld(), start: time.Now()}
	l.lab = lab.New(l.world, seed)
	l.world.OnPanic = func(p *lab.Panic) {
		where := "the network"
		if p.Host != nil {
			where = "host " + p.Host.Name()
		}
		t.Errorf("%s panicked, it %s: %v\n%s", where, p.Doing, p.Value, p.Trace(20))
	}
	var err error
	if l.plan, err = parseKeep(*keepFlags); err != nil {
		return nil, err
	}
	f, err := captureFile(name, seed)
	if err != nil {
		return nil, err
	}
	l.captured = f.Name()
	w, err := capture.NewFile(f, time.Now())
	if err != nil {
		return nil, err
	}
	if l.stopCapture, err = l.world.CaptureTo(w, bounded{w}); err != nil {
		return nil, err
	}
	l.driver = gonet.DriveInSteps(l.world, settle)
	return l, nil
}

// maxCapture is the number of octets of frames after which a run's capture takes no more.
const maxCapture = 256 << 20

// bounded chooses all frames until the capture has maxCapture octets.
type bounded struct{ w *capture.Writer }

func (b bounded) Match([]byte, phy.Medium) bool {
	_, octets := b.w.Written()
	return octets < maxCapture
}

// settle waits until every other goroutine of the bubble waits.
func settle() {
	defer func() {
		if recover() != nil {
			panic("labtest: the test has called synctest.Wait, which the network uses itself: call Lab.Wait instead")
		}
	}()
	synctest.Wait()
}

// end ends a run: it reports a failure, ends the programs' calls, waits for the goroutines of Host.Go, and checks that the network comes to
// rest. It runs after the test's own Cleanup functions.
func (l *Lab) end() {
	l.ended = true
	why := "the test failed"
	if !l.returned && !l.t.Skipped() && !l.t.Failed() {
		why = "the test panicked"
	}
	failed := l.t.Failed() || !l.returned && !l.t.Skipped()
	var report string
	l.Do(func(clock.Instant) {
		l.checkKeep()
		report = l.report(why)
		if err := l.stopCapture(); err != nil {
			l.t.Errorf("capture %s: %v", l.captured, err)
		}
	})
	for _, h := range l.hosts {
		h.stopProgram(errEnded)
	}
	l.Do(func(now clock.Instant) {
		for _, h := range l.hosts {
			h.host.AbortAll(now)
		}
	})
	l.programs.Wait()
	l.driver.Close()
	l.driver.Do(func(clock.Instant) {
		if err := l.world.Drain(drainEvents); err != nil {
			l.t.Errorf("the network does not come to rest: %v", err)
		}
	})
	switch {
	case failed || l.t.Failed():
		l.t.Log(report)
	case *captureFlag == "":
		os.Remove(l.captured)
	}
}

// drainEvents bounds the events that may follow the end of a run.
const drainEvents = 1 << 20
