package stack

import (
	"encoding/hex"
	"strings"
	"testing"
)

// hostileRuns bounds the number of runs to shrink a script.
const hostileRuns = 3000

// shrink returns a script that still fails and cannot be made smaller, and its failure. It removes parts of the list of ops, large
// parts first, and then makes octets of decisions 0 or smaller.
func (s *script) shrink(why error, fails func(*script) error) (*script, error) {
	runs := 0
	try := func(q *script) bool {
		if runs++; runs > hostileRuns {
			return false
		}
		err := fails(q)
		if err != nil {
			s, why = q, err
		}
		return err != nil
	}
	for better := true; better && runs < hostileRuns; {
		better = false
		for n := max(1, len(s.ops)/2); n > 0; n /= 2 {
			for at := len(s.ops) - n; at >= 0; at -= n {
				q := &script{rig: s.rig, ops: append(append([]op(nil), s.ops[:at]...), s.ops[min(at+n, len(s.ops)):]...)}
				if try(q) {
					better = true
					at = min(at, len(s.ops))
				}
			}
		}
		better = s.reduce(&s, try) || better
	}
	return s, why
}

// reduce tries to set octets of the script's decisions to 0, one by one and all to the end, or to halve them. try runs
// a smaller script. If that script fails too, try sets *at to it and returns true. better is true if *at has changed.
func (s *script) reduce(at **script, try func(*script) bool) (better bool) {
	with := func(change func(q *script)) bool {
		q := &script{rig: (*at).rig, ops: append([]op(nil), (*at).ops...)}
		if change(q); string(q.bytes()) == string((*at).bytes()) || !try(q) {
			return false
		}
		better = true
		return true
	}
	with(func(q *script) { q.rig = [rigLen]byte{} })
	for k := range (*at).rig {
		if !with(func(q *script) { clear(q.rig[k:]) }) {
			with(func(q *script) { q.rig[k] = 0 })
		}
	}
	for k := range (*at).ops {
		for j := 1; j < opLen; j++ {
			if with(func(q *script) { clear(q.ops[k][j:]) }) {
				break
			}
			if !with(func(q *script) { q.ops[k][j] = 0 }) {
				for with(func(q *script) { q.ops[k][j] /= 2 }) {
				}
			}
		}
	}
	return better
}

// report shrinks a failing script, and prints its log and the command that repeats it.
func (s *script) report(t *testing.T) {
	t.Helper()
	fails := func(q *script) error { return q.execute(nil).err }
	small, why := s.shrink(fails(s), fails)
	var log strings.Builder
	small.execute(&log)
	t.Errorf("%v\nshrunk to %d ops:\n%s\nagain: go test ./stack -run '^TestHostile$' -hostile.script %s -v",
		why, len(small.ops), shorten(log.String()), hex.EncodeToString(small.bytes()))
}

// shorten cuts the middle out of long logs, and out of long lines.
func shorten(log string) string {
	lines := strings.Split(log, "\n")
	if n := len(lines); n > 120 {
		lines = append(append(lines[:80:80], "…"), lines[n-40:]...)
	}
	for k, l := range lines {
		if len(l) > 400 {
			lines[k] = l[:300] + "…" + l[len(l)-20:]
		}
	}
	return strings.Join(lines, "\n")
}
