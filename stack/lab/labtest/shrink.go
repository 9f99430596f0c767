package labtest

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"smolsh/phy/fault"
)

// A hit is one frame that one effect of a fault has hit, or an effect that can't be limited to single frames.
type hit struct {
	number int    // the fault's
	effect string // such as loss
	dir    int    // 0 received, 1 sent, as in fault.Selection
	frame  int    // number of the matching frame; 0 for the whole effect
}

// parseKeep returns the plan of the flag -lab.keep: selections separated by blanks, or "none".
func parseKeep(text string) (*fault.Plan, error) {
	switch text {
	case "":
		return &fault.Plan{All: true}, nil
	case "none":
		return &fault.Plan{}, nil
	}
	p := &fault.Plan{}
	for s := range strings.FieldsSeq(text) {
		k, err := fault.ParseSelection(s)
		if err != nil {
			return nil, err
		}
		p.Kept = append(p.Kept, k)
	}
	return p, nil
}

// state adds the effects of a rule that the run's plan keeps to a set, and returns them. Faults are numbered in the order in which the test
// states them. The caller is the owner.
func (l *Lab) state(set *fault.Set, r *Rule) []*fault.Planned {
	l.faults++
	list := l.plan.Split(l.faults, r)
	for _, p := range list {
		set.Add(p.Rule)
	}
	l.planned = append(l.planned, list...)
	return list
}

// checkKeep fails a test that has passed if the flag -lab.keep names what the run did not have, since the run then shows nothing about these
// faults. In a process that shrinks a run, fewer faults may well end others. The caller is the owner.
func (l *Lab) checkKeep() {
	if os.Getenv(shrinkingEnv) != "" || l.t.Failed() || l.t.Skipped() {
		return
	}
	for _, k := range l.plan.Unmatched(l.planned) {
		switch {
		case k.Number > l.faults:
			l.t.Errorf("-lab.keep=%v: the run has no fault %d: the last one is %d", k, k.Number, l.faults)
		case k.Frames[0] == nil && k.Frames[1] == nil:
			l.t.Errorf("-lab.keep=%v: fault %d of the run does not do that", k, k.Number)
		default:
			l.t.Errorf("-lab.keep=%v: the fault met no such frames", k)
		}
	}
}

// shrinkingEnv is set in the processes that repeat a failing run with fewer faults.
const shrinkingEnv = "LABTEST_SHRINKING"

// hits returns every hit of the run's faults.
func (l *Lab) hits() (list []hit) {
	for _, p := range l.planned {
		r := p.Result()
		switch {
		case r.Hits == 0:
		case !r.Narrow:
			list = append(list, hit{number: r.Number, effect: r.Effect})
		default:
			for dir, frames := range r.Frames {
				for _, f := range frames {
					list = append(list, hit{r.Number, r.Effect, dir, f})
				}
			}
		}
	}
	return list
}

// keepFlag returns hits as -lab.keep has them.
func keepFlag(hits []hit) string {
	var list []fault.Selection
	for _, h := range hits {
		i := slices.IndexFunc(list, func(k fault.Selection) bool { return k.Number == h.number && k.Effect == h.effect })
		if i < 0 {
			i = len(list)
			list = append(list, fault.Selection{Number: h.number, Effect: h.effect})
		}
		if h.frame > 0 {
			list[i].Frames[h.dir] = append(list[i].Frames[h.dir], h.frame)
		}
	}
	if len(list) == 0 {
		return "none"
	}
	var words []string
	for _, k := range list {
		words = append(words, k.String())
	}
	return strings.Join(words, " ")
}

// minimise returns as few of the hits as it finds with which fails is still true, by leaving out halves, quarters, … and single hits. It
// ends early if more is false.
func minimise(hits []hit, fails func([]hit) bool, more func() bool) []hit {
	for size := len(hits); size > 0 && more(); {
		before := len(hits)
		for at := 0; at < len(hits) && more(); {
			rest := slices.Concat(hits[:at], hits[min(at+size, len(hits)):])
			if fails(rest) {
				hits = rest
			} else {
				at += size
			}
		}
		if size > 1 || len(hits) == before { // single hits are tried again until none can be left out
			size /= 2
		}
	}
	return hits
}

// shrink runs the failed test again, in other processes and for at most so much real time, with fewer of the frames that its faults hit,
// and says the fewest with which it still fails. The caller is outside the bubble.
func (l *Lab) shrink(limit time.Duration, say func(format string, args ...any)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	all := l.lastHits
	watchdog := *watchdogFlag
	if l.endedStuck {
		watchdog = min(watchdog, max(limit/10, time.Second))
	}
	fails := func(hits []hit) bool { return l.failsWith(ctx, keepFlag(hits), watchdog) }
	more := func() bool { return ctx.Err() == nil }
	if !fails(all) {
		say("the test does not fail with the same %d faults of single frames: the failure does not follow from them alone", len(all))
		return
	}
	hits := minimise(all, fails, more)
	keep := keepFlag(hits)
	ended := ""
	if !more() {
		ended = ", when -lab.shrink's time ended"
	}
	say("it still fails with %d of %d faults%s: %s\nrepeat:  %s -lab.keep=%s", len(hits), len(all), ended, keep, repeatCommand(l.name, l.seed), quote(keep))
}

// failsWith reports whether the test fails in another process with the flag -lab.keep, also by a panic. That it is stuck for the time of the
// watchdog counts only if the first run was stuck.
func (l *Lab) failsWith(ctx context.Context, keep string, watchdog time.Duration) bool {
	dir, err := os.MkdirTemp("", "labtest")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	args := []string{"-test.count=1", "-test.run=" + testPattern(l.name)}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && !strings.HasPrefix(f.Name, "lab.") {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	args = append(args, seedArg(l.seed), "-lab.keep="+keep, "-lab.watchdog="+watchdog.String(), "-lab.within="+withinFlag.String())
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TMP="+dir, shrinkingEnv+"=1")
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err == nil || ctx.Err() != nil || strings.Contains(text, "\npanic: labtest: "+l.name+" is stuck") && !l.endedStuck {
		return false
	}
	return strings.Contains(text, "--- FAIL: ") || strings.Contains(text, "panic: ") || strings.Contains(text, "fatal error: ")
}
