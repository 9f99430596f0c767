package labtest

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smolsh/phy/capture"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// A Lab is the network of one run: hosts, switches and links. What can't be made ends the test.
type Lab struct {
	t     *testing.T
	name  string // the test's, without the seed's subtest
	seed  uint64
	start time.Time
	world *lab.World
	lab   *lab.Lab

	// The owner's.
	plan    *fault.Plan
	faults  int // faults stated so far
	planned []*fault.Planned

	lastHits      []hit // hits of the faults at the time of the report
	captureClosed bool

	driver      *gonet.Driver
	captured    string // path of the capture
	writer      *capture.Writer
	stopCapture func() error
	programs    sync.WaitGroup // goroutines of Host.Go
	returned    atomic.Bool    // true if the test function has returned
	told        atomic.Bool    // true after the programs were told that the test function has returned
	reported    atomic.Bool    // true if the report of a failure was made before the end
	dying       atomic.Bool    // true after a panic that ends the program
	failed      bool           // true if the test has failed, after the end
	watcher     *watcher
	progress    progress // of the Driver's goroutine
	endedStuck  bool     // true if the watcher has ended the run

	mu      sync.Mutex
	hosts   []*Host
	running []*program // programs that have not returned
}

// Seed returns the run's seed.
func (l *Lab) Seed() uint64 { return l.seed }

// Rand returns a new random stream that follows from the seed and from n alone, for the choices of a test. One goroutine at a time may
// use it.
func (l *Lab) Rand(n uint64) *rand.Rand { return rand.New(rand.NewPCG(l.seed, n)) }

// Lab returns the lab below. Only functions given to Do may use it.
func (l *Lab) Lab() *lab.Lab { return l.lab }

// Do runs fn on the goroutine that owns the network, and waits for it. fn may use hosts, links and rules of stack/lab, and must not
// call what waits.
func (l *Lab) Do(fn func(now clock.Instant)) { l.driver.Do(fn) }

// must runs fn on the owner's goroutine, and ends the test with its error.
func (l *Lab) must(fn func(now clock.Instant) error) {
	l.t.Helper()
	var err error
	l.Do(func(now clock.Instant) { err = fn(now) })
	if err != nil {
		l.t.Fatal(err)
	}
}

// Elapsed returns the virtual time since the run began, the time of a capture's packet.
func (l *Lab) Elapsed() time.Duration { return time.Since(l.start) }

// Wait waits until every goroutine waits and the network has nothing to do at this instant, as synctest.Wait does for a bubble without a
// network. Frames that are on a link stay there. One nanosecond passes.
func (l *Lab) Wait() {
	time.Sleep(time.Nanosecond)
	l.Do(func(clock.Instant) {}) // what the others have done happens before the return
}

// Host makes a host, with one address on each of its links and of each family, in order, such as "10.0.0.1/24" or "2001:db8::1/64".
// Programs find it by its name.
func (l *Lab) Host(name string, prefixes ...string) *Host {
	l.t.Helper()
	return l.HostWith(lab.HostConfig{Name: name, Addrs: l.prefixes(prefixes)})
}

// Router makes a host that forwards packets between its links.
func (l *Lab) Router(name string, prefixes ...string) *Host {
	l.t.Helper()
	return l.HostWith(lab.HostConfig{Name: name, Addrs: l.prefixes(prefixes), Forward: true})
}

// HostWith makes a host with a configuration of stack/lab.
func (l *Lab) HostWith(cfg lab.HostConfig) *Host {
	l.t.Helper()
	h := &Host{l: l, power: make(chan struct{}, 1)}
	l.must(func(clock.Instant) (err error) {
		if h.host, err = l.lab.AddHost(cfg); err == nil {
			h.startProgram()
		}
		return err
	})
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	return h
}

// hostList returns the hosts made so far.
func (l *Lab) hostList() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

func (l *Lab) prefixes(texts []string) (list []netip.Prefix) {
	l.t.Helper()
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			l.t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// Partition stops all frames between two hosts, whatever connects them: a link, switches, or routers, which carry no packet from an address
// of one to an address of the other. Frames in transit are lost. Other hosts reach both, unless they are routed over a link between the two.
func (l *Lab) Partition(a, b *Host) {
	l.Do(func(clock.Instant) { l.lab.Partition(a.host, b.host) })
}

// Isolate partitions each of these hosts from every host made so far that is not one of them.
func (l *Lab) Isolate(hosts ...*Host) {
	among := map[*lab.Host]bool{}
	for _, h := range hosts {
		among[h.host] = true
	}
	l.Do(func(clock.Instant) {
		for _, h := range hosts {
			for _, o := range l.lab.Hosts() {
				if !among[o] {
					l.lab.Partition(h.host, o)
				}
			}
		}
	})
}

// Heal ends all partitions.
func (l *Lab) Heal() { l.Do(func(clock.Instant) { l.lab.Heal() }) }
