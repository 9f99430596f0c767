package labtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
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
	w := watch(name, seed, *watchdogFlag)
	defer func() {
		w.stop()
		l := w.lab.Load()
		// Inside the bubble, Lab.end reports. The panic of a bubble whose goroutines all wait for ever is raised here.
		if v := recover(); v != nil {
			if l != nil {
				l.lastWords(l.deadlock())
			}
			panic(v)
		}
		switch {
		case l == nil:
		case !l.failed && *captureFlag == "":
			os.Remove(l.captured)
		case l.failed && *shrinkFlag > 0 && *keepFlags == "":
			l.shrink(*shrinkFlag, t.Logf)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		// Stacks have the label with GODEBUG=tracebacklabels=1, which is the only sign of the run in the panic of a goroutine begun by the test.
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("labtest", fmt.Sprintf("%s seed %d", name, seed))))
		l, err := newLab(t, w)
		if err != nil {
			t.Fatal(err)
		}
		w.lab.Store(l)
		t.Cleanup(l.end)
		defer l.guard("the test")
		fn(t, l)
		l.returned.Store(true)
	})
}

// deadlock says why a run ends in which every goroutine waits for ever.
func (l *Lab) deadlock() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told.Load() && len(l.running) == 0 {
		return "a goroutine that the test has begun waits for ever, after the end of the test (an http.Client needs CloseIdleConnections)"
	}
	return "every goroutine waits for ever"
}

// newLab makes the lab of one run, and starts its world and its capture.
func newLab(t *testing.T, w *watcher) (*Lab, error) {
	l := &Lab{t: t, name: w.test, seed: w.seed, watcher: w, world: lab.NewWorld(), start: time.Now()}
	l.lab = lab.New(l.world, l.seed)
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
	f, err := captureFile(l.name, l.seed)
	if err != nil {
		return nil, err
	}
	l.captured = f.Name()
	if l.writer, err = capture.NewFile(f, time.Now()); err == nil {
		l.stopCapture, err = l.world.CaptureTo(l.writer, bounded{l.writer})
	}
	if err != nil {
		os.Remove(l.captured)
		return nil, err
	}
	l.driver = gonet.DriveInSteps(l.world, l.settle)
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
func (l *Lab) settle() {
	defer l.guard("labtest")
	func() {
		defer func() {
			if recover() != nil {
				panic("labtest: the test has called synctest.Wait, which the network uses itself: call Lab.Wait instead")
			}
		}()
		synctest.Wait()
	}()
	if l.watcher.lab.Load() != nil {
		l.progress.note(l)
	}
}

// end ends a run: it reports a failure, ends the programs' calls, waits for the goroutines of Host.Go, and checks that the network comes to
// rest. It runs after the test's own Cleanup functions.
func (l *Lab) end() {
	if l.dying.Load() && !fuzzing() {
		return // guard has reported
	}
	if !l.returned.Swap(true) && !l.t.Skipped() && !l.t.Failed() {
		l.watcher.outside(func() { l.lastWords("the test called runtime.Goexit") }) // testing panics
	}
	var report string
	l.Do(func(clock.Instant) {
		l.checkKeep()
		if err := l.closeCapture(); err != nil {
			l.t.Errorf("capture %s: %v", l.captured, err)
		}
		report = l.finalReport("the test failed")
	})
	for _, h := range l.hostList() {
		h.stopProgram(errEnded)
	}
	l.Do(func(now clock.Instant) {
		for _, h := range l.hostList() {
			h.host.AbortAll(now)
		}
	})
	l.told.Store(true)
	l.waitPrograms()
	l.driver.Close()
	l.driver.Do(func(clock.Instant) {
		if err := l.world.Drain(drainEvents); err != nil {
			l.t.Errorf("the network does not come to rest: %v", err)
		}
	})
	if l.failed = l.t.Failed(); l.failed && !l.reported.Swap(true) {
		l.t.Log(report)
	}
}

// drainEvents bounds the events that may follow the end of a run.
const drainEvents = 1 << 20
