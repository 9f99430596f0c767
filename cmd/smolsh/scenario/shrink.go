package scenario

import (
	"fmt"
	"slices"
	"strings"

	"smolsh/phy/fault"
)

// maxShrink is the largest number of runs in which shrink looks for the faults of one failure.
const maxShrink = 500

// none is the text of a plan that keeps no fault.
const none = "none"

// ParseKeep parses the value of --keep: "none", or the faults to keep, separated by blanks (fault.ParseSelection).
func ParseKeep(text string) (*fault.Plan, error) {
	p := &fault.Plan{}
	if text == none {
		return p, nil
	}
	for word := range strings.FieldsSeq(text) {
		k, err := fault.ParseSelection(word)
		if err != nil {
			return nil, err
		}
		p.Kept = append(p.Kept, k)
	}
	if len(p.Kept) == 0 {
		return nil, fmt.Errorf("%q names no fault; %s keeps none", text, none)
	}
	return p, nil
}

// Keeping returns the text of a plan in the notation that ParseKeep reads.
func Keeping(p *fault.Plan) string {
	if len(p.Kept) == 0 {
		return none
	}
	var words []string
	for _, k := range p.Kept {
		words = append(words, k.String())
	}
	return strings.Join(words, " ")
}

// shrinker looks for the fewest faults with which a test fails in the same way.
type shrinker struct {
	c    *Config
	o    outcome
	runs int
	best outcome // last run that failed in the same way
}

// fails runs the test with the faults kept, and reports whether the test fails in the same way. It returns false
// without a run after maxShrink runs or an interrupt.
func (s *shrinker) fails(kept []fault.Selection) bool {
	if s.runs >= maxShrink || s.c.stopped() {
		return false
	}
	s.runs++
	o := s.c.once(s.o.test, s.o.seed, &fault.Plan{Kept: kept}, "")
	if o.Hung || o.Interrupted || !same(s.o.Failure, o.Failure) {
		return false
	}
	s.best = o
	return true
}

// shrink turns off faults one by one, and then limits the remaining faults to single frames, while the test fails at
// the same place. It returns lines with the remaining faults and the command that repeats the failure, or a line with
// the reason for which it did not shrink them.
func (c *Config) shrink(o outcome) []string {
	s := &shrinker{c: c, o: o}
	all := c.once(o.test, o.seed, &fault.Plan{All: true}, "")
	if c.Keep != nil {
		all = c.once(o.test, o.seed, c.Keep, "")
	}
	kept := effects(all.Troubles, true) // rules that met no frame draw random numbers too
	switch {
	case len(kept) == 0 && c.Keep == nil:
		return []string{"not shrunk: the test states no fault, and draws no packet by fuzz()"}
	case !s.fails(kept):
		// Separate rules for each effect may behave differently from the original rule.
		if kept = whole(kept); !s.fails(kept) {
			return []string{"not shrunk: with its faults taken apart it does not fail so"}
		}
	}
	met := hits(all.Troubles)
	if s.fails(nil) {
		kept = nil
	} else {
		if pinned := s.pinned(kept); s.fails(pinned) {
			kept = pinned
		}
		kept = s.without(kept)
		for i := range kept {
			kept = s.narrow(kept, i)
		}
		kept = s.without(kept)
	}
	if !s.fails(kept) && s.runs < maxShrink {
		return []string{"not shrunk: it does not fail twice in the same way"}
	}
	return s.tell(kept, effects(all.Troubles, false), met)
}

// effects returns the effects in list that hit a frame, without repeats. If all is true, it also returns the effects
// that hit no frame.
func effects(list []fault.Report, all bool) (kept []fault.Selection) {
	for _, t := range list {
		k := fault.Selection{Number: t.Number, Effect: t.Effect}
		if (all || t.Hits > 0) && !slices.ContainsFunc(kept, func(x fault.Selection) bool { return x.Number == k.Number && x.Effect == k.Effect }) {
			kept = append(kept, k)
		}
	}
	return kept
}

// whole returns the faults to which the effects in kept belong, without repeats.
func whole(kept []fault.Selection) (list []fault.Selection) {
	for _, k := range kept {
		if len(list) == 0 || list[len(list)-1].Number != k.Number {
			list = append(list, fault.Selection{Number: k.Number})
		}
	}
	return list
}

func hits(list []fault.Report) (n uint64) {
	for _, t := range list {
		n += t.Hits
	}
	return n
}

// without removes effects, first half of them at once and at last one by one, until each remaining effect is needed.
func (s *shrinker) without(kept []fault.Selection) []fault.Selection {
	for size := max(1, len(kept)/2); ; size = max(1, size/2) {
		changed := false
		for end := len(kept); end > 0; end = max(0, end-size) {
			if fewer := slices.Delete(slices.Clone(kept), max(0, end-size), end); s.fails(fewer) {
				kept, changed = fewer, true
			}
		}
		if size == 1 && !changed {
			return kept
		}
	}
}

// frame is one frame that an effect has hit.
type frame struct{ dir, n int }

// met returns the frames that the effect k hit in the last failing run. ok is false if k can't be limited to single
// frames.
func (s *shrinker) met(k fault.Selection) (frames []frame, ok bool) {
	for _, t := range s.best.Troubles {
		if t.Number != k.Number || t.Effect != k.Effect {
			continue
		}
		if !t.Narrow {
			return nil, false
		}
		for dir, list := range t.Frames {
			for _, n := range list {
				frames = append(frames, frame{dir, n})
			}
		}
	}
	return frames, true
}

// only returns the effect k limited to the given frames.
func only(k fault.Selection, frames []frame) fault.Selection {
	k.Frames = [2][]int{}
	for _, f := range frames {
		k.Frames[f.dir] = append(k.Frames[f.dir], f.n)
	}
	return k
}

// pinned returns kept with each effect limited, if possible, to the frames that it has hit by chance. Then the removal
// of one effect changes no random draw of another.
func (s *shrinker) pinned(kept []fault.Selection) (list []fault.Selection) {
	for _, k := range kept {
		frames, ok := s.met(k)
		switch {
		case !ok || k.Effect == "":
			list = append(list, k)
		case len(frames) > 0:
			list = append(list, only(k, frames))
		}
	}
	return list
}

// narrow limits the i-th effect to the fewest frames with which the test still fails (Zeller's ddmin).
func (s *shrinker) narrow(kept []fault.Selection, i int) []fault.Selection {
	if kept[i].Effect == "" || !s.fails(kept) {
		return kept
	}
	frames, ok := s.met(kept[i])
	with := func(frames []frame) []fault.Selection {
		next := slices.Clone(kept)
		next[i] = only(kept[i], frames)
		return next
	}
	if !ok || len(frames) == 0 || !s.fails(with(frames)) {
		return kept
	}
	for pieces := 2; len(frames) > 1; {
		size := (len(frames) + pieces - 1) / pieces
		smaller := false
		for at := 0; at < len(frames); at += size {
			end := min(at+size, len(frames))
			rest := slices.Concat(frames[:at], frames[end:])
			if part := frames[at:end]; len(part) < len(frames) && s.fails(with(part)) {
				frames, pieces, smaller = slices.Clone(part), 2, true
				break
			}
			if len(rest) > 0 && s.fails(with(rest)) {
				frames, pieces, smaller = rest, max(pieces-1, 2), true
				break
			}
		}
		if !smaller {
			if size == 1 {
				break
			}
			pieces = min(2*pieces, len(frames))
		}
	}
	return with(frames)
}

// tell returns the lines about the remaining faults, and writes a capture of the run with them.
func (s *shrinker) tell(kept, stated []fault.Selection, met uint64) []string {
	t := s.c.Tests[s.o.test]
	plan := &fault.Plan{Kept: kept}
	capture := s.c.captureName(t, s.o.seed, plan)
	final := s.c.once(s.o.test, s.o.seed, plan, capture)
	lines := []string{fmt.Sprintf("shrunk, in %d runs: of %s", s.runs, statedText(stated, met))}
	if len(kept) == 0 {
		lines[0] += " none matters; it fails without"
	} else {
		lines[0] += " this matters:"
	}
	for _, x := range final.Troubles {
		lines = append(lines, fmt.Sprintf("  %s: %s", x.Where, x.What))
	}
	for _, p := range final.Touched {
		lines = append(lines, "    "+p)
	}
	if final.Failure != nil && final.Failure.Message != s.o.Failure.Message {
		lines = append(lines, "  where it fails with: "+final.Failure.Message)
	}
	if !same(s.o.Failure, final.Failure) {
		lines = append(lines, "  (with every packet captured, for which frames are of wire size, it does not fail so)")
	}
	return append(lines, "  smallest: "+s.c.again(t, s.o.seed, plan), "  capture:  "+capture)
}

// statedText describes the faults and the drawn fields of a run. met is the number of packets that the faults have met.
func statedText(stated []fault.Selection, met uint64) string {
	faults, fields := 0, 0
	for _, k := range stated {
		if fault.IsField(k.Effect) {
			fields++
		} else {
			faults++
		}
	}
	var parts []string
	if faults > 0 {
		parts = append(parts, fmt.Sprintf("%s that met %s", count(faults, "fault"), count(int(met)-fields, "packet")))
	}
	if fields > 0 {
		parts = append(parts, count(fields, "drawn field"))
	}
	return strings.Join(parts, " and ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
