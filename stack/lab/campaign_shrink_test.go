package lab

import (
	"encoding/json"
	"slices"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack/tcp"
)

// shrinkRuns bounds the number of runs to shrink a plan.
const shrinkRuns = 400

// clone returns a plan that shares nothing with p.
func (p *plan) clone() *plan {
	q := *p
	q.Faults, q.Flaps, q.Changes = slices.Clone(p.Faults), slices.Clone(p.Flaps), slices.Clone(p.Changes)
	return &q
}

// shrink returns a plan that still fails and cannot be reduced further, and its failure. It switches off faults, options and
// patterns one by one, and halves sizes.
func (p *plan) shrink(why error, fails func(*plan) error) (*plan, error) {
	for runs, better := 0, true; better && runs < shrinkRuns; {
		better = false
		for _, change := range p.reductions() {
			q := p.clone()
			if change(q); q.String() == p.String() {
				continue
			}
			if runs++; runs > shrinkRuns {
				break
			}
			if err := fails(q); err != nil {
				p, why, better = q, err, true
			}
		}
	}
	return p, why
}

// reductions returns the ways to make p smaller, the large ones first.
func (p *plan) reductions() (all []func(*plan)) {
	add := func(f func(*plan)) { all = append(all, f) }
	for i := len(p.Faults) - 1; i >= 0; i-- {
		add(func(q *plan) { q.Faults = drop1(q.Faults, i) })
	}
	for i := len(p.Flaps) - 1; i >= 0; i-- {
		add(func(q *plan) { q.Flaps = drop1(q.Flaps, i) })
	}
	for i := len(p.Changes) - 1; i >= 0; i-- {
		add(func(q *plan) { q.Changes = drop1(q.Changes, i) })
	}
	for i := range p.Faults {
		for _, f := range []func(*faultPlan){
			func(f *faultPlan) { f.Loss = 0 }, func(f *faultPlan) { f.Duplicate = 0 }, func(f *faultPlan) { f.Corrupt = 0 },
			func(f *faultPlan) { f.Reorder, f.Hold = 0, 0 }, func(f *faultPlan) { f.Delay = 0 }, func(f *faultPlan) { f.Jitter = 0 },
			func(f *faultPlan) { f.Dir = fault.TX }, func(f *faultPlan) { f.Dir = fault.RX }, func(f *faultPlan) { f.From = 0 },
			func(f *faultPlan) { f.ECN = false },
		} {
			add(func(q *plan) {
				if i < len(q.Faults) {
					f(&q.Faults[i])
				}
			})
		}
	}
	for _, f := range []func(*linkPlan){
		func(k *linkPlan) { k.Loss = 0 }, func(k *linkPlan) { k.Jitter = 0 }, func(k *linkPlan) { k.RateBps, k.Queue = 0, 0 },
		func(k *linkPlan) { k.Queue = 0 }, func(k *linkPlan) { k.Offload = false }, func(k *linkPlan) { k.MTU = 1500 },
		func(k *linkPlan) { k.Delay = min(k.Delay, 10*time.Millisecond) }, func(k *linkPlan) { k.Delay = k.Delay.Truncate(time.Millisecond) },
	} {
		add(func(q *plan) { f(&q.Link) })
	}
	add(func(q *plan) { q.Together = false })
	for _, f := range netReductions() {
		add(func(q *plan) { f(&q.Net) })
	}
	for i := range p.Ends {
		for _, f := range endReductions() {
			add(func(q *plan) { f(&q.Ends[i]) })
		}
	}
	add(func(q *plan) { q.Heal = max(time.Second, q.Heal/2) })
	return all
}

// netReductions are the ways to make a network simpler. All keep links that carry IPv6.
func netReductions() []func(*netPlan) {
	return []func(*netPlan){
		func(n *netPlan) { *n = netPlan{} },
		func(n *netPlan) { *n = netPlan{Addrs: addrsIPv6} },
		func(n *netPlan) {
			if n.Addrs != addrsAutoconf {
				n.Router, n.Beyond, n.Every = routerNone, linkPlan{}, 0
			}
		},
		func(n *netPlan) {
			if n.Router == routerBetween {
				n.Beyond.MTU = 1500
			}
		},
		func(n *netPlan) { n.Beyond = linkPlan{MTU: n.Beyond.MTU} },
	}
}

func endReductions() []func(*endPlan) {
	return []func(*endPlan){
		func(e *endPlan) { e.Octets = 0 }, func(e *endPlan) { e.Octets /= 2 }, func(e *endPlan) { e.Octets -= e.Octets / 8 },
		func(e *endPlan) { e.Pause = 0 }, func(e *endPlan) { e.ReadPause = 0 }, func(e *endPlan) { e.Chunk = 0 },
		func(e *endPlan) { e.ReadChunk = 0 }, func(e *endPlan) { e.Turn = 0 }, func(e *endPlan) { e.Last = false },
		func(e *endPlan) { e.Abort, e.Rude = 0, false }, func(e *endPlan) { e.Rude = false },
		func(e *endPlan) { e.options = options{} }, func(e *endPlan) { e.NoSACK = false },
		func(e *endPlan) { e.NoTimestamps = false }, func(e *endPlan) { e.NoDelay = false },
		func(e *endPlan) { e.DelayedAck = 0 }, func(e *endPlan) { e.Congestion = tcp.CUBIC },
		func(e *endPlan) { e.Congestion = tcp.NewReno }, func(e *endPlan) { e.SendBuffer = 0 },
		func(e *endPlan) { e.RecvBuffer = 0 }, func(e *endPlan) { e.MSS = 0 },
		func(e *endPlan) { e.InitialWindow = 0 }, func(e *endPlan) { e.KeepAlive = 0 },
		func(e *endPlan) { e.TimeWait = 0 }, func(e *endPlan) { e.NoPacing, e.Log = false, 0 },
		func(e *endPlan) { e.ECN = tcp.ECNAccept },
	}
}

func drop1[T any](s []T, i int) []T {
	if i >= len(s) {
		return s
	}
	return slices.Delete(slices.Clone(s), i, i+1)
}

// parsePlan returns the inverse of String.
func parsePlan(b []byte) (*plan, error) {
	p := new(plan)
	return p, json.Unmarshal(b, p)
}
