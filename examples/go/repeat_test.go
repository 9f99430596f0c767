package examples

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab/labtest"
	"smolsh/stack/packet"
)

var (
	runsFlag = flag.Int("runs", 3, "how often the tests of libraries run with one seed, to compare the frames")
	asIsFlag = flag.Bool("asis", false, "the tests of libraries fix no random numbers, and print what differs")
)

// A sent frame is what one host has handed to its link, and when.
type sentFrame struct {
	at     clock.Instant
	host   string
	octets []byte
}

func (f sentFrame) String() string {
	return fmt.Sprintf("%v %s: %s\n    %.160q", time.Duration(f.at), f.host, packet.Summary(f.octets, phy.MediumEthernet), f.octets[min(66, len(f.octets)):])
}

// A program of an example makes its network in l, with record for each host whose frames are compared, and runs on it.
type program func(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host))

// repeats runs a program several times with one seed, after fix has fixed its random numbers. Each run must send the same frames, octet for
// octet and to the nanosecond, unless -asis leaves the random numbers as they are.
func repeats(t *testing.T, fix func(t *testing.T), p program) {
	t.Helper()
	if equal := compareRuns(t, fix, p); equal < *runsFlag-1 && !*asIsFlag {
		t.Errorf("%d runs differ", *runsFlag-1-equal)
	}
}

// compareRuns is repeats without the demand. It returns the number of runs that were equal to the first.
func compareRuns(t *testing.T, fix func(t *testing.T), p program) (equal int) {
	t.Helper()
	var first []sentFrame
	differences, shape := map[string]int{}, 0
	for k := range *runsFlag {
		if !*asIsFlag {
			fix(t)
		}
		frames := framesOf(t, p)
		if k == 0 {
			first = frames
		} else if d := difference(first, frames); d != "" {
			differences[d]++
			if slices.EqualFunc(first, frames, sameShape) {
				shape++
			}
		} else {
			equal++
		}
		if t.Failed() {
			return equal
		}
	}
	if len(first) == 0 {
		t.Fatal("no frames")
	}
	t.Logf("%d frames in %v of the lab's time; %d of %d further runs sent the same, %d others frames of the same instants and lengths",
		len(first), time.Duration(first[len(first)-1].at), equal, *runsFlag-1, shape)
	list := slices.SortedFunc(maps.Keys(differences), func(a, b string) int { return differences[b] - differences[a] })
	for _, d := range list[:min(3, len(list))] {
		t.Logf("%d times, the first frame that differs is %s", differences[d], d)
	}
	return equal
}

// fixCrypto fixes the random numbers of crypto/rand and of the packages that use it.
func fixCrypto(t *testing.T) { cryptotest.SetGlobalRandom(t, 1) }

// framesOf returns the frames that the hosts of one run have sent.
func framesOf(t *testing.T, p program) (frames []sentFrame) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		p(t, l, func(hosts ...*labtest.Host) {
			l.Do(func(clock.Instant) {
				for _, h := range hosts {
					h.Host().Observe(func(ev *stack.PacketEvent) {
						if ev.Dir == stack.TX {
							f := sentFrame{ev.Now, h.Name(), bytes.Clone(ev.Frame.Bytes())}
							frames = append(frames, f)
						}
					})
				}
			})
		})
	})
	return frames
}

// sameShape reports whether two frames are of one host, instant and length.
func sameShape(a, b sentFrame) bool {
	return a.at == b.at && a.host == b.host && len(a.octets) == len(b.octets)
}

// difference describes the first frames of two runs that differ, and returns "" if there are none.
func difference(a, b []sentFrame) string {
	for k := range min(len(a), len(b)) {
		if x, y := a[k], b[k]; !sameShape(x, y) || !bytes.Equal(x.octets, y.octets) {
			return fmt.Sprintf("number %d\n  %v\n  %v", k+1, x, y)
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d and %d frames", len(a), len(b))
	}
	return ""
}
