package gonet_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// The gate opens fewer connections than the measurement:
//
//	go test ./stack/gonet -run '^TestNothingIsLeft' -v -connections 10000
var connections = flag.Int("connections", 1000, "connections that TestNothingIsLeft opens and closes")

// TestNothingIsLeft: after many connections, opened and closed eight at a time, there are as many goroutines, descriptors and sockets as
// before, the heap has not grown, and the hosts are at rest. It runs in real time and in the virtual time of a bubble.
func TestNothingIsLeft(t *testing.T) {
	t.Run("driver", func(t *testing.T) { nothingIsLeft(t, newPair(t, drive, lab.LinkConfig{})) })
	t.Run("virtual", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { nothingIsLeft(t, newPair(t, drive, lab.LinkConfig{Delay: time.Millisecond})) })
	})
	t.Run("in steps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			nothingIsLeft(t, newPair(t, driveInSteps, lab.LinkConfig{Delay: time.Millisecond}))
		})
	})
}

// heapSlack is the number of octets by which the heap may differ between two collections, whatever the number of connections: less than
// 13 octets for each of 10,000.
const heapSlack = 128 << 10

func nothingIsLeft(t *testing.T, p *pair) {
	exchange(t, p, 500) // makes the storage that is kept for reuse
	before := settledUse(t, p, nil)
	began := time.Now()
	exchange(t, p, *connections)
	took := time.Since(began)
	after := settledUse(t, p, &before)
	t.Logf("%d connections in %v: before %v, after %v", *connections, took, before, after)
	if after.goroutines > before.goroutines || after.sockets != before.sockets || after.descriptors != before.descriptors || after.heap > before.heap+heapSlack {
		t.Error("something is left")
	}
}

// use is what a process holds.
type use struct {
	goroutines, descriptors, sockets int
	heap                             int // octets after a collection
}

func (u use) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d sockets, heap %d octets", u.goroutines, u.descriptors, u.sockets, u.heap)
}

// settledUse waits until the hosts are at rest, and until there are no more goroutines than before had, and returns what the process holds
// then.
func settledUse(t *testing.T, p *pair, before *use) (u use) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var rest error
		p.runner.Do(func(clock.Instant) {
			for _, h := range p.hosts {
				if rest == nil {
					rest = h.Rest()
				}
			}
		})
		u = use{goroutines: runtime.NumGoroutine(), descriptors: descriptors(t), sockets: p.sockets()}
		if rest == nil && (before == nil || u.goroutines <= before.goroutines) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("not at rest: %v, %v", rest, u)
		}
	}
	var m runtime.MemStats
	for range 2 { // the second empties pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	u.heap = int(m.HeapAlloc)
	return u
}

// descriptors returns the number of open descriptors, 0 where the system does not list them.
func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Error(err)
	}
	return len(list)
}
