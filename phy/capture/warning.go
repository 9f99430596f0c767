package capture

import "fmt"

// warnings collects the damage that a Reader has skipped: the first of each kind, and the number of further ones.
type warnings struct {
	list  []warning
	index map[string]int // index in list by kind
	rest  int            // warnings of kinds for which list has no room
}

type warning struct {
	first string
	more  int
}

// add counts a warning of the given kind. For the first warning of its kind it calls what, which returns the
// description of the damage.
func (w *warnings) add(kind string, what func() string) {
	if i, ok := w.index[kind]; ok {
		w.list[i].more++
		return
	}
	if len(w.list) == maxWarnings {
		w.rest++
		return
	}
	if w.index == nil {
		w.index = map[string]int{}
	}
	w.index[kind] = len(w.list)
	w.list = append(w.list, warning{first: what()})
}

// lines returns a line for each kind.
func (w *warnings) lines() (lines []string) {
	for _, x := range w.list {
		if x.more > 0 {
			x.first += fmt.Sprintf(" (and %d more of this kind)", x.more)
		}
		lines = append(lines, x.first)
	}
	if w.rest > 0 {
		lines = append(lines, fmt.Sprintf("%d more warnings of other kinds", w.rest))
	}
	return lines
}
