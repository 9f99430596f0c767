package lab

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A campaign is runs of consecutive seeds: see plan. These commands run many, or repeat one that failed:
//
//	go test ./stack/lab -run '^TestCampaign$' -timeout 0 -campaign.seeds 1..100000
//	go test ./stack/lab -run '^TestCampaign$' -campaign.seeds 17..17 -campaign.capture 17.pcapng
//	go test ./stack/lab -run '^TestCampaign$' -campaign.plan '{"Seed":17,…}'
var (
	campaignSeeds   = flag.String("campaign.seeds", "", "run the seeds `A..B` rather than a few hundred")
	campaignPlan    = flag.String("campaign.plan", "", "run one `plan` rather than seeds")
	campaignCapture = flag.String("campaign.capture", "", "write what happens to a capture `file`")
)

func campaignRange(t *testing.T) (from, to uint64) {
	if *campaignSeeds == "" {
		if testing.Short() {
			return 1, 100
		}
		return 1, 500
	}
	if n, err := fmt.Sscanf(*campaignSeeds, "%d..%d", &from, &to); n != 2 || err != nil || to < from {
		t.Fatalf("-campaign.seeds %q is not A..B", *campaignSeeds)
	}
	return from, to
}

// campaignFailures is the number of failing seeds after which a campaign ends.
const campaignFailures = 5

func TestCampaign(t *testing.T) {
	if *campaignPlan != "" {
		p, err := parsePlan([]byte(*campaignPlan))
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.execute(*campaignCapture)
		t.Logf("%+v", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	from, to := campaignRange(t)
	var sum outcome
	var rude, failed int
	var heap uint64
	kinds := map[string]int{}
	began, goroutines := time.Now(), runtime.NumGoroutine()
	for seed := from; seed <= to && failed < campaignFailures; seed++ {
		p := newPlan(seed)
		out, err := p.execute(*campaignCapture)
		if err != nil {
			report(t, p, err)
			failed++
			continue
		}
		kinds[p.Net.kind()]++
		sum.tooBig += out.tooBig
		sum.solicit += out.solicit
		sum.octets += out.octets
		sum.retrans += out.retrans
		sum.dials += out.dials
		sum.drops += out.drops
		sum.took += out.took
		if out.rude {
			rude++
		}
		if n := seed - from; n == 50 {
			heap = inUse()
		} else if n > 0 && n%5000 == 0 {
			t.Logf("seed %d after %v", seed, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("seeds %d..%d in %v: %d octets, %d segments sent again, %d frames dropped, %d rude ends, %d attempts to connect, %v of virtual time",
		from, to, time.Since(began).Round(time.Millisecond), sum.octets, sum.retrans, sum.drops, rude, sum.dials, sum.took.Round(time.Hour))
	t.Logf("%v, %d neighbour solicitations, %d packets too big", kinds, sum.solicit, sum.tooBig)
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	const growth = 4 << 20
	if now := inUse(); heap > 0 && now > heap+growth {
		t.Errorf("%d octets in use, %d after the first seeds", now, heap)
	}
	if runs := int(to - from + 1); runs >= 100 && failed == 0 && (sum.retrans < 8*runs || rude < runs/20 || sum.drops < uint64(10*runs)) {
		t.Error("hardly anything went wrong: the seeds show nothing")
	} else if runs >= 500 && failed == 0 {
		for _, kind := range campaignKinds {
			if kinds[kind] < runs/100 {
				t.Errorf("%d runs of %d were %s", kinds[kind], runs, kind)
			}
		}
		if sum.tooBig == 0 || sum.solicit < uint64(runs) {
			t.Errorf("%d packets too big, %d solicitations", sum.tooBig, sum.solicit)
		}
	}
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// report shrinks the failing plan and prints how to repeat it.
func report(t *testing.T, p *plan, why error) {
	t.Helper()
	small, smallWhy := p.shrink(why, func(q *plan) error {
		_, err := q.execute("")
		return err
	})
	t.Errorf("seed %d: %v\n"+
		"again: go test ./stack/lab -run '^TestCampaign$' -campaign.seeds %d..%d\n"+
		"shrunk: %v\n"+
		"again: go test ./stack/lab -run '^TestCampaign$' -campaign.plan '%v'", p.Seed, why, p.Seed, p.Seed, smallWhy, small)
}

// TestCampaignRepeats: the same seed yields the same frames at the same instants with the same verdicts.
func TestCampaignRepeats(t *testing.T) {
	seen := map[uint64]uint64{}
	for seed := uint64(1); seed <= 40; seed++ {
		one, err1 := newPlan(seed).execute("")
		p, err := parsePlan([]byte(newPlan(seed).String())) // formatted and parsed, like a kept plan
		if err != nil {
			t.Fatal(err)
		}
		two, err2 := p.execute("")
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if one != two {
			t.Errorf("seed %d: %+v, then %+v", seed, one, two)
		}
		if s, ok := seen[one.hash]; ok {
			t.Errorf("seeds %d and %d have the same trace", s, seed)
		}
		seen[one.hash] = seed
	}
}

// TestCampaignKept runs plans that failed once. Each is named after the fault that it found.
func TestCampaignKept(t *testing.T) {
	files, err := filepath.Glob("testdata/campaign/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			p, err := parsePlan(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.execute(""); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCampaignShrinks: a failing plan is shrunk to the parts that it needs.
func TestCampaignShrinks(t *testing.T) {
	p := newPlan(3)
	p.Flaps = []span{{time.Second, time.Second}, {3 * time.Second, time.Second}}
	p.Ends[0].Octets, p.Ends[1].NoSACK = 100_000, true
	small, err := p.shrink(errors.New("fails"), func(q *plan) error {
		if len(q.Flaps) > 0 && q.Ends[1].NoSACK && q.Ends[0].Octets > 1000 {
			return errors.New("still fails")
		}
		return nil
	})
	if err.Error() != "still fails" || len(small.Flaps) != 1 || len(small.Faults) != 0 || len(small.Changes) != 0 ||
		!small.Ends[1].NoSACK || small.Ends[0].Octets > 1100 || small.Ends[1].Octets != 0 || small.Link.Jitter != 0 {
		t.Errorf("%v: %v", err, small)
	}
	if len(p.Flaps) != 2 || p.Ends[0].Octets != 100_000 {
		t.Error("shrinking changed the plan it was given")
	}
}
